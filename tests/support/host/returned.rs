//! What the host makes of the handler's answer to an envelope.

use base64::Engine as _;
use http::response::Parts;
use hyper::Response;
use serde_json::{Map, Value};

use super::invocation::{Outcome, Output, Returned};
use super::package::member;
use super::wire::{self, Body};

/// The outcome of an answer.
pub fn outcome(head: &Parts, body: &[u8], is_binary: impl Fn(&str) -> bool) -> Outcome {
    if !head.status.is_success() {
        return Outcome::Failed(format!("the handler answered {}", head.status));
    }
    if body.is_empty() {
        return Outcome::Hung;
    }
    let kind = head.headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or("");
    if !is_json(kind) {
        return Outcome::Failed(format!("`{kind}` is no content type of an answer"));
    }
    match serde_json::from_slice(body) {
        Ok(Value::Null) => Outcome::Hung,
        Ok(Value::Object(answer)) => Outcome::Succeeded(returned(answer, is_binary)),
        _ => Outcome::Failed(format!("no JSON object: {}", String::from_utf8_lossy(body))),
    }
}

fn is_json(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    kind == "application/json" || kind == "text/json" || kind.ends_with("+json")
}

fn returned(answer: Map<String, Value>, is_binary: impl Fn(&str) -> bool) -> Returned {
    let answer = Value::Object(answer);
    let outputs = member(&answer, "Outputs").as_object().into_iter().flatten();
    let logs = member(&answer, "Logs").as_array().into_iter().flatten();
    Returned {
        outputs: outputs
            .map(|(name, value)| (name.clone(), output(value, is_binary(name))))
            .collect(),
        logs: logs.filter_map(|line| Some(line.as_str()?.to_owned())).collect(),
        return_value: Some(member(&answer, "ReturnValue").clone()).filter(|value| !value.is_null()),
    }
}

/// Any text that happens to be base64 is decoded, unless its binding is binary.
fn output(value: &Value, is_binary: bool) -> Output {
    let text = value.as_str().filter(|text| !is_binary && !text.is_empty());
    let decoded = text.and_then(|text| base64::engine::general_purpose::STANDARD.decode(text).ok());
    decoded.map_or_else(|| Output::Json(value.clone()), Output::Bytes)
}

/// The HTTP response that `res` describes; a text must hold such an object. None means 500.
pub fn http_response(res: Option<&Output>) -> Option<Response<Body>> {
    let described = match res {
        // Nothing said is 200 with an empty object.
        None => serde_json::json!({ "body": "{}" }),
        Some(Output::Json(Value::String(text))) => serde_json::from_str(text).ok()?,
        Some(Output::Json(value)) => value.clone(),
        Some(Output::Bytes(_)) => return None,
    };
    described.as_object()?;
    let status = [member(&described, "statusCode"), member(&described, "status")]
        .into_iter()
        .find(|status| !status.is_null())
        .map_or(Some(200), |status| match status {
            Value::String(text) => text.parse().ok(),
            number => number.as_u64().and_then(|number| u16::try_from(number).ok()),
        })?;
    let body = match member(&described, "body") {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut response = Response::builder().status(status);
    for (name, value) in member(&described, "headers").as_object().into_iter().flatten() {
        response = response.header(name, value.as_str()?);
    }
    response.body(wire::whole(body)).ok()
}
