//! The metrics, made of the counters that `/stats` shows.
//!
//! A counter is sent as what was added since it was last sent. If it does not get there it is
//! not forgotten: the next value has it, too. Nothing is kept but the last numbers, however long
//! the place is away.

use std::collections::BTreeMap;

use super::calls::{ANY, CallOutcome};
use super::envelope::Point;
use super::latency::BOUNDS_US;
use super::names::{
    AUTH_ATTEMPTS, BREAKER, CACHE_JOINS, CACHE_LEASE_WAITS, CACHE_LOOKUPS, CACHE_RECONCILIATIONS,
    CACHE_STALE_READS, IMPORT_ROWS, IMPORT_RUNS, Metric, REQUEST_DURATION, STORE_CALLS, STORE_POOL,
};
use super::requests::{CLASSES, Requests};
use crate::app::App;
use crate::cache::breaker::BreakerState;

/// A counter: the metric's name, its dimensions and, of a latency, its bucket.
type Key = (&'static str, Vec<(&'static str, String)>, Option<usize>);

/// What the counters have come to, and how things stand.
#[derive(Debug, Default)]
pub struct Reading {
    /// Sums and counts.
    counters: BTreeMap<Key, (u64, u64)>,
    states: Vec<Point>,
}

impl Reading {
    /// Of a process in this moment.
    pub fn of(app: &App) -> Self {
        let mut reading = Self::default();
        let activity = &app.activity;
        reading.add_requests(&activity.requests);
        reading.add_cache(app);
        for (name, outcome, count) in activity.calls.read() {
            reading.count(STORE_CALLS, &[name, outcome.word()], count);
        }
        let refusals = app.cache.counters().read().breaker_refusals;
        reading.count(STORE_CALLS, &[ANY, CallOutcome::Refused.word()], refusals);
        let imports = activity.imports.read();
        for (outcome, rows) in [
            ("loaded", imports.rows_loaded),
            ("replaced", imports.rows_replaced),
            ("rejected", imports.rows_rejected),
        ] {
            reading.count(IMPORT_ROWS, &[outcome], rows);
        }
        for (state, runs) in [
            ("begun", imports.runs_begun),
            ("done", imports.runs_done),
            ("failed", imports.runs_failed),
            ("cancelled", imports.runs_cancelled),
            ("superseded", imports.runs_superseded),
        ] {
            reading.count(IMPORT_RUNS, &[state], runs);
        }
        let auth = activity.auth.read();
        for (outcome, attempts) in [
            ("ok", auth.ok),
            ("refused", auth.refused),
            ("limited", auth.limited),
            ("failed", auth.failed),
        ] {
            reading.count(AUTH_ATTEMPTS, &[outcome], attempts);
        }
        reading.add_states(app);
        reading
    }

    fn add_requests(&mut self, requests: &Requests) {
        for answered in requests.read() {
            let (route, method) = answered.led.names();
            for (class, status) in answered.classes.iter().zip(CLASSES) {
                for (bucket, count) in class.counts.into_iter().enumerate() {
                    let values = [route, method, status];
                    let key = key(REQUEST_DURATION, &values, Some(bucket));
                    self.counters.insert(key, (class.sums_us[bucket], count));
                }
            }
        }
    }

    fn add_cache(&mut self, app: &App) {
        let cache = app.cache.counters().read();
        let lookups = |layer, outcome, count| (CACHE_LOOKUPS, vec![layer, outcome], count);
        let is_shared = app.cache.shared_breaker().is_some();
        let mut counts = vec![
            lookups("local", "hit", cache.hits),
            lookups("local", "miss", cache.shared_hits + cache.misses),
            lookups("store", "miss", cache.misses),
            lookups("store", "stale", cache.stale),
            (CACHE_STALE_READS, vec![], cache.audits_stale),
            (CACHE_RECONCILIATIONS, vec!["true"], cache.reconciliations_found),
            (
                CACHE_RECONCILIATIONS,
                vec!["false"],
                cache.reconciliations.saturating_sub(cache.reconciliations_found),
            ),
            (CACHE_JOINS, vec![], cache.joins),
        ];
        if is_shared {
            counts.push(lookups("shared", "hit", cache.shared_hits));
            counts.push(lookups("shared", "miss", cache.misses));
            let waits = |end, count| (CACHE_LEASE_WAITS, vec![end], count);
            counts.extend([
                waits("filled", cache.lease_waits_filled),
                waits("taken", cache.lease_waits_taken),
                waits("given_up", cache.lease_waits_given_up),
                waits("cut", cache.lease_waits_cut),
            ]);
        }
        for (metric, values, count) in counts {
            self.count(metric, &values, count);
        }
    }

    fn add_states(&mut self, app: &App) {
        if let Some(pool) = app.store.pool() {
            for (state, connections) in
                [("open", pool.open), ("idle", pool.idle), ("max", pool.max)]
            {
                self.state(STORE_POOL, &[state], connections.into());
            }
        }
        let parts =
            [("database", Some(app.cache.breaker())), ("shared_cache", app.cache.shared_breaker())];
        for (part, present) in parts {
            for state in BreakerState::ALL {
                if let Some(present) = present {
                    let is_so = if state == present { 1.0 } else { 0.0 };
                    self.state(BREAKER, &[part, state.word()], is_so);
                }
            }
        }
    }

    fn count(&mut self, metric: Metric, values: &[&str], count: u64) {
        self.counters.insert(key(metric, values, None), (count, 1));
    }

    fn state(&mut self, metric: Metric, values: &[&str], value: f64) {
        let (name, dimensions, _) = key(metric, values, None);
        let bounds = Some((value, value));
        self.states.push(Point { name, dimensions, sum: value, count: 1, bounds });
    }
}

fn key(metric: Metric, values: &[&str], bucket: Option<usize>) -> Key {
    debug_assert_eq!(metric.dimensions.len(), values.len(), "{}", metric.name);
    let values = values.iter().map(|value| (*value).to_owned());
    (metric.name, metric.dimensions.iter().copied().zip(values).collect(), bucket)
}

/// What was sent last.
#[derive(Debug, Default)]
pub struct Sent(BTreeMap<Key, (u64, u64)>);

impl Sent {
    /// What is to be sent now.
    pub fn until(&self, now: &Reading) -> Vec<Point> {
        let added = now.counters.iter().filter_map(|(key, (sum, count))| {
            let (sent_sum, sent_count) = self.0.get(key).copied().unwrap_or_default();
            let (sum, count) = (sum.saturating_sub(sent_sum), count.saturating_sub(sent_count));
            let (name, dimensions, bucket) = key;
            let (name, dimensions) = (*name, dimensions.clone());
            match bucket {
                Some(bucket) => (count > 0).then(|| {
                    // What is in the last bucket has no bound.
                    let least = bucket.checked_sub(1).map_or(0, |below| BOUNDS_US[below]);
                    let most = BOUNDS_US.get(*bucket).copied().unwrap_or(sum);
                    let bounds = Some((ms(least), ms(most)));
                    Point { name, dimensions, sum: ms(sum), count, bounds }
                }),
                None => (sum > 0).then(|| {
                    let (sum, bounds) = (sum as f64, None);
                    Point { name, dimensions, sum, count: 1, bounds }
                }),
            }
        });
        added.chain(now.states.iter().cloned()).collect()
    }

    /// It has been sent.
    pub fn are(&mut self, now: Reading) {
        self.0 = now.counters;
    }
}

fn ms(us: u64) -> f64 {
    us as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;

    use super::*;
    use crate::http::routes::Endpoint;
    use crate::telemetry::requests::Led;

    fn requests(requests: &Requests) -> Reading {
        let mut reading = Reading::default();
        reading.add_requests(requests);
        reading
    }

    fn pairs(points: &[Point]) -> Vec<(f64, u64)> {
        points.iter().map(|point| (point.sum, point.count)).collect()
    }

    #[test]
    fn what_was_not_sent_is_in_the_next_value_and_what_was_is_not() {
        let (counted, mut sent) = (Requests::default(), Sent::default());
        let request = |ms| {
            let led = Led::To(Endpoint::Login);
            counted.count(led, StatusCode::OK, Duration::from_millis(ms));
        };
        request(10);
        assert_eq!(pairs(&sent.until(&requests(&counted))), [(10.0, 1)]);
        request(10);
        let now = requests(&counted);
        assert_eq!(pairs(&sent.until(&now)), [(20.0, 2)], "the first did not get there");
        sent.are(now);
        assert!(sent.until(&requests(&counted)).is_empty());
        request(10);
        request(900);
        assert_eq!(pairs(&sent.until(&requests(&counted))), [(10.0, 1), (900.0, 1)]);
    }

    /// The queries of the workbook take a value's mean for each of its requests.
    #[test]
    fn a_value_lies_within_its_bounds() {
        let counted = Requests::default();
        for us in [1, 64, 65, 1_000, 80_000_000] {
            counted.count(Led::Nowhere, StatusCode::NOT_FOUND, Duration::from_micros(us));
        }
        let points = Sent::default().until(&requests(&counted));
        assert_eq!(points.len(), 4);
        for point in points {
            let mean = point.sum / point.count as f64;
            let (least, most) = point.bounds.unwrap();
            assert!(least <= mean && mean <= most, "{point:?}");
            let dimensions = point.dimensions.iter().map(|(name, value)| (*name, value.as_str()));
            let expected = [("route", "other"), ("method", "other"), ("status", "4xx")];
            assert!(dimensions.eq(expected));
        }
    }
}
