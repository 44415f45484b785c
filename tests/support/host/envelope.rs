//! What is posted to the handler for everything that is no passed-through request, in the
//! host's own encoding.

use bytes::Bytes;
use hyper::{Request, Response};
use serde_json::{Map, Value, json};
use std::time::SystemTime;

use super::core::Core;
use super::invocation::{Invocation, Outcome, Recording};
use super::package::Passing;
use super::time_span::iso;
use super::wire::{self, Body};
use super::{redirects, returned};

/// A value, by what the host makes of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Datum {
    /// Sent as the object it is.
    Object(Map<String, Value>),
    /// A string with a JSON string in it.
    Text(String),
    /// A number, a truth or an array: a string with its JSON in it.
    Plain(Value),
    /// A date: a string once.
    Moment(SystemTime),
    /// Base64, a string once.
    Bytes(Vec<u8>),
    Null,
}

impl Datum {
    fn encoded(&self) -> Value {
        use base64::Engine as _;
        match self {
            Self::Object(members) => Value::Object(members.clone()),
            Self::Text(text) => Value::String(Value::from(text.as_str()).to_string()),
            Self::Plain(value) => Value::String(value.to_string()),
            Self::Moment(moment) => Value::String(format!("{}+00:00", iso(*moment))),
            Self::Bytes(bytes) => {
                Value::String(base64::engine::general_purpose::STANDARD.encode(bytes))
            }
            Self::Null => Value::String("null".to_owned()),
        }
    }
}

/// What one invocation sends.
#[derive(Debug, Clone)]
pub struct Envelope {
    pub data: Vec<(String, Datum)>,
    pub metadata: Vec<(String, Datum)>,
}

impl Envelope {
    pub fn of(binding: &str, value: Datum) -> Self {
        Self { data: vec![(binding.to_owned(), value)], metadata: Vec::new() }
    }

    pub fn with(mut self, name: &str, value: Datum) -> Self {
        self.metadata.push((name.to_owned(), value));
        self
    }

    /// A text that is a JSON object spills its members into the metadata, each as a text.
    /// Arrays stay behind.
    pub fn spill(mut self, text: &str) -> Self {
        let Ok(Value::Object(members)) = serde_json::from_str(text) else { return self };
        for (name, value) in members {
            let datum = match value {
                Value::Null | Value::Array(_) => continue,
                Value::Object(members) => Datum::Object(members),
                Value::String(text) => Datum::Text(text),
                // As .NET writes it.
                Value::Bool(is) => Datum::Text(if is { "True" } else { "False" }.to_owned()),
                Value::Number(number) => Datum::Text(number.to_string()),
            };
            self.metadata.push((name, datum));
        }
        self
    }

    pub fn to_json(&self, function: &str) -> Value {
        let data: Map<_, _> =
            self.data.iter().map(|(name, value)| (name.clone(), value.encoded())).collect();
        let mut metadata: Map<_, _> = self
            .metadata
            .iter()
            // What tells of the trigger itself is held back, by its name.
            .filter(|(name, _)| !name.to_ascii_lowercase().ends_with("trigger"))
            .filter(|(_, value)| *value != Datum::Null)
            .map(|(name, value)| (name.clone(), value.encoded()))
            .collect();
        let sys = json!({
            "MethodName": function,
            "UtcNow": format!("{}Z", iso(SystemTime::now())),
            "RandGuid": uuid::Uuid::new_v4().to_string(),
        });
        metadata.insert("sys".to_owned(), sys);
        json!({ "Data": data, "Metadata": metadata })
    }
}

/// Runs a function once with an envelope.
pub async fn invoke(core: &Core, function: &str, attempt: u32, envelope: &Envelope) -> Invocation {
    let mut recording = Recording::begin(&core.invocations, function, attempt);
    let start = match core.until_up().await {
        Ok(start) => start,
        Err(why) => return recording.end(Outcome::Failed(why)),
    };
    let answer = post(core, function, envelope, &mut recording);
    let outcome = match core.deadline().hold(answer).await {
        Some(Ok(outcome)) => outcome,
        Some(Err(fault)) => Outcome::Failed(fault.to_string()),
        None => Outcome::TimedOut,
    };
    if matches!(outcome, Outcome::Hung | Outcome::TimedOut) {
        // A hang would end so too, once the limit is over: only that wait is left out.
        core.worker.timed_out(start).await;
    }
    recording.end(outcome)
}

async fn post(
    core: &Core,
    function: &str,
    envelope: &Envelope,
    recording: &mut Recording,
) -> Result<Outcome, wire::Fault> {
    let body = envelope.to_json(function).to_string();
    recording.body_sent.store(body.len(), std::sync::atomic::Ordering::SeqCst);
    let request = Request::post(format!("/{function}"))
        .header("host", format!("127.0.0.1:{}", core.worker.connections.port))
        .header("content-type", "application/json; charset=utf-8")
        .header("content-length", body.len())
        .header("x-azure-functions-hostversion", super::VERSION)
        .header("x-azure-functions-invocationid", recording.id().to_string())
        .header("user-agent", format!("Azure-Functions-Host/{}", super::VERSION))
        .body(Bytes::from(body))?;
    let follows = core.package.host.passing != Passing::Forwarding;
    let response = redirects::send(&core.worker.connections, request, follows).await?;
    recording.answered(response.status());
    let (parts, body) = response.into_parts();
    let body = wire::read(body).await?;
    let binding_is_binary = |name: &str| core.output_is_binary(function, name);
    Ok(returned::outcome(&parts, &body, binding_is_binary))
}

/// The response that an HTTP function's `res` asks for.
pub fn http_response(invocation: &Invocation, output: &str) -> Response<Body> {
    let Outcome::Succeeded(result) = &invocation.outcome else {
        return wire::bare(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    };
    returned::http_response(result.outputs.get(output))
        .unwrap_or_else(|| wire::bare(hyper::StatusCode::INTERNAL_SERVER_ERROR))
}
