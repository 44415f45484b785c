//! What happened so far, for administrators: in every instance that has left word of itself
//! where they all look, and in all of them together.
//!
//! All numbers but the states are counters since the start of an instance, so that whoever
//! looks again and again takes differences.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use warp::http::{HeaderMap, StatusCode};
use warp::reply::Response;

use super::problem::ApiError;
use super::{auth, respond};
use crate::app::App;
use crate::cache::counters::Counted;
use crate::cache::versions::Version;
use crate::store::PoolUse;
use crate::telemetry::calls::{ANY, CallOutcome};
use crate::telemetry::latency::BOUNDS_US;
use crate::telemetry::requests::{Answered, Class};
use crate::telemetry::tallies::{AuthCounted, ImportsCounted};

/// CONTRACT 4: how often an instance leaves word of itself.
pub(crate) const LEAVE_WORD_EVERY: Duration = Duration::from_secs(5);

#[derive(Serialize)]
struct Stats {
    /// The upper bounds of the buckets of each `latency`; one more bucket lies behind them.
    latency_bounds_us: &'static [u64],
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
    /// Left out where the store has none, or is not opened yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pool: Option<Pool>,
    versions: Versions,
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

/// Connections of the store.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Pool {
    open: u32,
    idle: u32,
    max: u32,
}

impl From<PoolUse> for Pool {
    fn from(PoolUse { open, idle, max }: PoolUse) -> Self {
        Self { open, idle, max }
    }
}

/// The versions that are known; 0 is unknown.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Versions {
    catalogue: Version,
}

#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Counts {
    cache: Counted,
    streams: StreamCounts,
    requests: Vec<RequestCounts>,
    store: Vec<CallCounts>,
    imports: ImportsCounted,
    auth: AuthCounted,
}

#[derive(Clone, Copy, Default, Serialize, Deserialize)]
#[serde(default)]
struct StreamCounts {
    begun: u64,
    refused: u64,
    cut: u64,
}

/// What was answered by one route.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct RequestCounts {
    route: String,
    method: String,
    answers: Answers,
    /// How many took how long, by the bounds.
    latency: Vec<u64>,
}

#[derive(Clone, Copy, Default, Serialize, Deserialize)]
#[serde(default)]
struct Answers {
    #[serde(rename = "2xx")]
    good: u64,
    #[serde(rename = "3xx")]
    elsewhere: u64,
    #[serde(rename = "4xx")]
    refused: u64,
    #[serde(rename = "5xx")]
    failed: u64,
}

/// Calls of the store of one name that ended alike.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct CallCounts {
    name: String,
    outcome: String,
    count: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.cache += other.cache;
        let StreamCounts { begun, refused, cut } = other.streams;
        self.streams.begun += begun;
        self.streams.refused += refused;
        self.streams.cut += cut;
        self.requests = added(&self.requests, &other.requests);
        self.store = added(&self.store, &other.store);
        self.imports += other.imports;
        self.auth += other.auth;
    }
}

/// Something that is counted under a name.
trait Named: Clone {
    fn name(&self) -> (&str, &str);
    fn add(&mut self, other: &Self);
}

impl Named for RequestCounts {
    fn name(&self) -> (&str, &str) {
        (&self.route, &self.method)
    }

    fn add(&mut self, other: &Self) {
        self.answers.good += other.answers.good;
        self.answers.elsewhere += other.answers.elsewhere;
        self.answers.refused += other.answers.refused;
        self.answers.failed += other.answers.failed;
        for (sum, more) in self.latency.iter_mut().zip(&other.latency) {
            *sum += more;
        }
    }
}

impl Named for CallCounts {
    fn name(&self) -> (&str, &str) {
        (&self.name, &self.outcome)
    }

    fn add(&mut self, other: &Self) {
        self.count += other.count;
    }
}

/// Those of both, by name.
fn added<T: Named>(some: &[T], others: &[T]) -> Vec<T> {
    let mut sums = BTreeMap::<_, T>::new();
    for counts in some.iter().chain(others) {
        let (one, other) = counts.name();
        match sums.entry((one, other)) {
            std::collections::btree_map::Entry::Occupied(mut sum) => sum.get_mut().add(counts),
            std::collections::btree_map::Entry::Vacant(empty) => drop(empty.insert(counts.clone())),
        }
    }
    sums.into_values().collect()
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
        totals += instance.counts.clone();
    }
    let stats = Stats { latency_bounds_us: &BOUNDS_US, instances, totals };
    Ok(respond::json(&stats, StatusCode::OK))
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
    Instance {
        id: app.instance.id.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_seconds: app.instance.began.elapsed().as_secs(),
        breakers: Breakers {
            database: app.cache.breaker().word().to_owned(),
            shared_cache: app.cache.shared_breaker().map(|state| state.word().to_owned()),
        },
        pool: app.store.pool().map(Pool::from),
        versions: Versions { catalogue: app.cache.catalogue_version() },
        counts: counts(app),
    }
}

fn counts(app: &App) -> Counts {
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let (streams, activity) = (&app.streams, &app.activity);
    let cache = app.cache.counters().read();
    let calls = activity.calls.read().into_iter();
    // Counted where it is decided that the store is left alone.
    let refused = (ANY, CallOutcome::Refused, cache.breaker_refusals);
    let refused = Some(refused).filter(|(_, _, count)| *count > 0);
    Counts {
        cache,
        streams: StreamCounts {
            begun: read(&streams.begun),
            refused: read(&streams.refused),
            cut: read(&streams.cut),
        },
        requests: activity.requests.read().iter().map(RequestCounts::from).collect(),
        store: calls
            .chain(refused)
            .map(|(name, outcome, count)| CallCounts {
                name: name.to_owned(),
                outcome: outcome.word().to_owned(),
                count,
            })
            .collect(),
        imports: activity.imports.read(),
        auth: activity.auth.read(),
    }
}

impl From<&Answered> for RequestCounts {
    fn from(answered: &Answered) -> Self {
        let (route, method) = answered.led.names();
        let [good, elsewhere, refused, failed] = answered.classes.each_ref().map(Class::count);
        let bucket = |at: usize| answered.classes.iter().map(|class| class.counts[at]).sum();
        Self {
            route: route.to_owned(),
            method: method.to_owned(),
            answers: Answers { good, elsewhere, refused, failed },
            latency: (0..=BOUNDS_US.len()).map(bucket).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_add_what_has_the_same_name_and_take_what_only_one_has() {
        let route = |route: &str, good, latency: [u64; 2]| RequestCounts {
            route: route.to_owned(),
            method: "GET".to_owned(),
            answers: Answers { good, ..Answers::default() },
            latency: latency.to_vec(),
        };
        let mut one = Counts { requests: vec![route("/a", 1, [1, 0])], ..Counts::default() };
        let requests = vec![route("/b", 5, [5, 0]), route("/a", 2, [0, 2])];
        one += Counts { requests, ..Counts::default() };
        assert_eq!(
            serde_json::to_value(&one.requests).unwrap(),
            serde_json::json!([
                {"route": "/a", "method": "GET", "latency": [1, 2],
                 "answers": {"2xx": 3, "3xx": 0, "4xx": 0, "5xx": 0}},
                {"route": "/b", "method": "GET", "latency": [5, 0],
                 "answers": {"2xx": 5, "3xx": 0, "4xx": 0, "5xx": 0}},
            ])
        );
    }

    #[test]
    fn what_another_release_leaves_out_is_nothing() {
        let other: Instance = serde_json::from_str(r#"{"id": "x", "counts": {}}"#).unwrap();
        assert_eq!((other.id.as_str(), other.counts.auth.ok), ("x", 0));
        assert!(other.pool.is_none() && other.counts.requests.is_empty());
    }
}
