//! Whether the parts can be reached, asked of them at most every five seconds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::store::Store;

/// CONTRACT 4.
const PROBE_EVERY: Duration = Duration::from_secs(5);
/// A part that takes longer counts as away.
const PROBE_MAX: Duration = Duration::from_secs(2);

/// The last report, shared by all who ask meanwhile.
#[derive(Debug, Default)]
pub struct Readiness {
    last: Mutex<Option<(Instant, Arc<Report>)>>,
}

/// What was found out about the parts.
#[derive(Debug, Serialize)]
pub struct Report {
    status: State,
    parts: Vec<Part>,
}

#[derive(Debug, Serialize)]
struct Part {
    name: &'static str,
    state: State,
    latency_ms: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ready,
    Away,
}

impl Report {
    /// Whether every part can be reached.
    pub fn is_ready(&self) -> bool {
        self.status == State::Ready
    }
}

impl Readiness {
    /// The report of the last probe if it is young, else of a new one.
    pub async fn report(&self, store: &dyn Store) -> Arc<Report> {
        let mut last = self.last.lock().await;
        if let Some((at, report)) = &*last
            && at.elapsed() < PROBE_EVERY
        {
            return Arc::clone(report);
        }
        let report = Arc::new(probe(store).await);
        *last = Some((Instant::now(), Arc::clone(&report)));
        report
    }
}

async fn probe(store: &dyn Store) -> Report {
    let began = Instant::now();
    // A read: a long import holds writers up, and the service serves all the same.
    let answered = matches!(timeout(PROBE_MAX, store.categories()).await, Ok(Ok(_)));
    let state = if answered { State::Ready } else { State::Away };
    let latency_ms = (began.elapsed().as_secs_f64() * 1e6).round() / 1e3;
    Report { status: state, parts: vec![Part { name: "database", state, latency_ms }] }
}
