//! One run of a function, and how it ended.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hyper::StatusCode;
use serde_json::Value;
use uuid::Uuid;

use super::log::Log;

#[derive(Debug, Clone, PartialEq)]
pub struct Invocation {
    pub id: Uuid,
    pub function: String,
    /// From 1; only triggers with a queue behind them try again.
    pub attempt: u32,
    /// What the handler answered; nothing where no answer came.
    pub status: Option<StatusCode>,
    /// Bytes of the body that the handler was sent.
    pub body_sent: usize,
    pub outcome: Outcome,
}

impl Invocation {
    pub fn succeeded(&self) -> bool {
        matches!(self.outcome, Outcome::Succeeded(_))
    }

    /// What a success brought; a test that asks this of a failure fails.
    pub fn result(&self) -> &Returned {
        match &self.outcome {
            Outcome::Succeeded(result) => result,
            other => panic!("{} did not succeed: {other:?}", self.function),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Succeeded(Returned),
    /// The reason, as the host would log it.
    Failed(String),
    /// Answered 2xx with nothing in it: the host never notices and waits for the time limit.
    Hung,
    TimedOut,
    /// The host had nothing to do: the blob is gone, or another version took its place.
    Skipped,
}

/// What the handler's answer to an envelope held. Of a request passed through, nothing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Returned {
    pub outputs: BTreeMap<String, Output>,
    pub logs: Vec<String>,
    pub return_value: Option<Value>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    Json(Value),
    /// A text that happened to be base64: the host decodes it unasked.
    Bytes(Vec<u8>),
}

/// An invocation under way. Dropped before its end, it was given up by its caller.
#[derive(Debug)]
pub struct Recording {
    log: Arc<Log<Invocation>>,
    invocation: Option<Invocation>,
    /// Counted while a streamed body passes.
    pub body_sent: Arc<AtomicUsize>,
}

impl Recording {
    pub fn begin(log: &Arc<Log<Invocation>>, function: &str, attempt: u32) -> Self {
        let invocation = Invocation {
            id: Uuid::new_v4(),
            function: function.to_owned(),
            attempt,
            status: None,
            body_sent: 0,
            outcome: Outcome::Failed("the caller hung up".to_owned()),
        };
        Self { log: Arc::clone(log), invocation: Some(invocation), body_sent: Arc::default() }
    }

    pub fn id(&self) -> Uuid {
        self.invocation.as_ref().expect("not ended yet").id
    }

    pub fn answered(&mut self, status: StatusCode) {
        self.invocation.as_mut().expect("not ended yet").status = Some(status);
    }

    pub fn end(mut self, outcome: Outcome) -> Invocation {
        let mut invocation = self.invocation.take().expect("an invocation ends once");
        invocation.outcome = outcome;
        self.record(invocation)
    }

    fn record(&self, mut invocation: Invocation) -> Invocation {
        invocation.body_sent = self.body_sent.load(Ordering::SeqCst);
        self.log.push(invocation.clone());
        invocation
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if let Some(invocation) = self.invocation.take() {
            self.record(invocation);
        }
    }
}
