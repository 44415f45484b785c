//! What happened so far, for administrators.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use warp::http::{HeaderMap, StatusCode};
use warp::reply::Response;

use super::problem::ApiError;
use super::{auth, respond};
use crate::app::App;
use crate::cache::breaker::BreakerState;

#[derive(Serialize)]
struct Stats<'a> {
    instances: [Instance<'a>; 1],
    totals: Counts,
}

#[derive(Serialize)]
struct Instance<'a> {
    id: &'a str,
    version: &'static str,
    uptime_seconds: u64,
    breakers: Breakers,
    counts: Counts,
}

#[derive(Serialize)]
struct Breakers {
    database: &'static str,
}

#[derive(Clone, Copy, Serialize)]
struct Counts {
    cache: CacheCounts,
    streams: StreamCounts,
}

#[derive(Clone, Copy, Serialize)]
struct CacheCounts {
    hits: u64,
    misses: u64,
    loads: u64,
    loads_failed: u64,
    joins_outrun: u64,
    stale: u64,
    asks: u64,
    asks_failed: u64,
    restores: u64,
    deadlines_passed: u64,
    breaker_refusals: u64,
    busy: u64,
}

#[derive(Clone, Copy, Serialize)]
struct StreamCounts {
    begun: u64,
    refused: u64,
    cut: u64,
}

/// `GET /stats`: this instance, the only one that it knows of, and the totals.
pub(super) async fn show(app: &App, headers: &HeaderMap) -> Result<Response, ApiError> {
    auth::administrator(app, headers).await?;
    let counts = counts(app);
    let database = match app.cache.breaker() {
        BreakerState::Closed => "closed",
        BreakerState::Open => "open",
    };
    let instance = Instance {
        id: &app.instance.id,
        version: env!("CARGO_PKG_VERSION"),
        uptime_seconds: app.instance.began.elapsed().as_secs(),
        breakers: Breakers { database },
        counts,
    };
    Ok(respond::json(&Stats { instances: [instance], totals: counts }, StatusCode::OK))
}

fn counts(app: &App) -> Counts {
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let (cache, streams) = (app.cache.counters(), &app.streams);
    Counts {
        cache: CacheCounts {
            hits: read(&cache.hits),
            misses: read(&cache.misses),
            loads: read(&cache.loads),
            loads_failed: read(&cache.loads_failed),
            joins_outrun: read(&cache.joins_outrun),
            stale: read(&cache.stale),
            asks: read(&cache.asks),
            asks_failed: read(&cache.asks_failed),
            restores: read(&cache.restores),
            deadlines_passed: read(&cache.deadlines_passed),
            breaker_refusals: read(&cache.breaker_refusals),
            busy: read(&cache.busy),
        },
        streams: StreamCounts {
            begun: read(&streams.begun),
            refused: read(&streams.refused),
            cut: read(&streams.cut),
        },
    }
}
