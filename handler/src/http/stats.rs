//! What happened so far, for administrators: in every instance that has left word of itself
//! where they all look, and in all of them together.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use warp::http::{HeaderMap, StatusCode};
use warp::reply::Response;

use super::problem::ApiError;
use super::{auth, respond};
use crate::app::App;
use crate::cache::breaker::BreakerState;
use crate::cache::counters::Counted;

/// CONTRACT 4: how often an instance leaves word of itself.
pub(crate) const LEAVE_WORD_EVERY: Duration = Duration::from_secs(5);

#[derive(Serialize)]
struct Stats {
    instances: Vec<Instance>,
    totals: Counts,
}

/// An instance as it describes itself. Another release may leave something out.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Instance {
    id: String,
    version: String,
    uptime_seconds: u64,
    breakers: Breakers,
    counts: Counts,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Breakers {
    database: String,
    /// Left out where nothing is shared.
    #[serde(skip_serializing_if = "Option::is_none")]
    shared_cache: Option<String>,
}

#[derive(Clone, Copy, Default, Serialize, Deserialize)]
#[serde(default)]
struct Counts {
    cache: Counted,
    streams: StreamCounts,
}

#[derive(Clone, Copy, Default, Serialize, Deserialize)]
#[serde(default)]
struct StreamCounts {
    begun: u64,
    refused: u64,
    cut: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.cache += other.cache;
        let StreamCounts { begun, refused, cut } = other.streams;
        self.streams.begun += begun;
        self.streams.refused += refused;
        self.streams.cut += cut;
    }
}

/// `GET /stats`: this instance, those that it hears of, and the totals.
pub(super) async fn show(app: &App, headers: &HeaderMap) -> Result<Response, ApiError> {
    auth::watcher(app, headers).await?;
    let mut instances = vec![here(app)];
    match app.cache.words().await {
        Ok(words) => {
            let others = words.iter().filter_map(|word| serde_json::from_str(word).ok());
            instances.extend(others.filter(|other: &Instance| other.id != app.instance.id));
        }
        Err(e) => tracing::debug!("only this instance is known of: {e}"),
    }
    let mut totals = Counts::default();
    for instance in &instances {
        totals += instance.counts;
    }
    Ok(respond::json(&Stats { instances, totals }, StatusCode::OK))
}

/// Leaves word of this instance, while anybody asks it for something.
pub(crate) async fn leave_word(app: &App) {
    if app.cache.is_idle() {
        return;
    }
    let Ok(word) = serde_json::to_string(&here(app)) else { return };
    if let Err(e) = app.cache.leave_word(&app.instance.id, &word).await {
        tracing::debug!("the other instances do not hear of this one: {e}");
    }
}

fn here(app: &App) -> Instance {
    let word = |state| {
        match state {
            BreakerState::Closed => "closed",
            BreakerState::Open => "open",
        }
        .to_owned()
    };
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let streams = &app.streams;
    Instance {
        id: app.instance.id.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_seconds: app.instance.began.elapsed().as_secs(),
        breakers: Breakers {
            database: word(app.cache.breaker()),
            shared_cache: app.cache.shared_breaker().map(word),
        },
        counts: Counts {
            cache: app.cache.counters().read(),
            streams: StreamCounts {
                begun: read(&streams.begun),
                refused: read(&streams.refused),
                cut: read(&streams.cut),
            },
        },
    }
}
