//! Requests, counted by route, by the class of their answer and by their latency.
//!
//! Counting one costs two relaxed additions: the cached pages come by the ten thousand a second.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::StatusCode;

use super::latency::{BUCKETS, bucket};
use crate::host::Function;
use crate::http::routes::{Endpoint, ROUTES};

/// The classes of status that are told apart.
pub const CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];
/// A place for each route, each function of the host, and all that lead nowhere.
const PLACES: usize = ROUTES.len() + Function::ALL.len() + 1;

/// What a request led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Led {
    /// To a route.
    To(Endpoint),
    /// To a function of the host.
    ToFunction(Function),
    /// Nowhere: no such path, or not with this method.
    Nowhere,
}

impl Led {
    fn place(self) -> usize {
        match self {
            // Each endpoint has one route, so there are as many numbers as routes.
            Self::To(endpoint) => endpoint as usize,
            Self::ToFunction(function) => ROUTES.len() + function as usize,
            Self::Nowhere => PLACES - 1,
        }
    }

    /// The path and the method as they are reported: never a path that a client made up.
    pub fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::To(endpoint) => ROUTES
                .iter()
                .find(|route| route.endpoint == endpoint)
                .map_or(("other", "other"), |route| (route.path, route.verb.word())),
            Self::ToFunction(function) => (function.path(), "POST"),
            Self::Nowhere => ("other", "other"),
        }
    }

    fn all() -> impl Iterator<Item = Self> {
        let routes = ROUTES.iter().map(|route| Self::To(route.endpoint));
        let functions = Function::ALL.iter().map(|(_, function)| Self::ToFunction(*function));
        routes.chain(functions).chain([Self::Nowhere])
    }
}

/// What was counted of one bucket: two numbers that lie beside each other.
#[derive(Debug, Default)]
struct Cell {
    count: AtomicU64,
    sum_us: AtomicU64,
}

/// What was counted of one route and one class of status.
type Cells = [Cell; BUCKETS];

/// Counters of requests, for all routes.
#[derive(Debug)]
pub struct Requests(Box<[[Cells; CLASSES.len()]]>);

impl Default for Requests {
    fn default() -> Self {
        let cells = || std::array::from_fn(|_| Cell::default());
        Self((0..PLACES).map(|_| std::array::from_fn(|_| cells())).collect())
    }
}

impl Requests {
    /// A request has been answered, its body aside.
    pub fn count(&self, led: Led, status: StatusCode, took: Duration) {
        let class = match status.as_u16() {
            300..400 => 1,
            400..500 => 2,
            500.. => 3,
            _ => 0,
        };
        let cell = &self.0[led.place()][class][bucket(took)];
        cell.count.fetch_add(1, Ordering::Relaxed);
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        cell.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    /// How many requests of clients there were.
    pub fn total(&self) -> u64 {
        let clients = Led::all().filter(|led| !matches!(led, Led::ToFunction(_)));
        let cells = clients.flat_map(|led| self.0[led.place()].iter().flatten());
        cells.map(|cell| cell.count.load(Ordering::Relaxed)).sum()
    }

    /// What they come to now, of the routes that were asked for.
    pub fn read(&self) -> Vec<Answered> {
        let read = |led: Led| {
            let classes = self.0[led.place()].each_ref().map(|cells| Class {
                counts: cells.each_ref().map(|cell| cell.count.load(Ordering::Relaxed)),
                sums_us: cells.each_ref().map(|cell| cell.sum_us.load(Ordering::Relaxed)),
            });
            Answered { led, classes }
        };
        Led::all().map(read).filter(|a| a.classes.iter().any(|class| class.count() > 0)).collect()
    }
}

/// What was counted of one route.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The route.
    pub led: Led,
    /// By class of status, as [`CLASSES`] has them.
    pub classes: [Class; CLASSES.len()],
}

/// What was counted of one class of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Class {
    /// Answers by their latency, see [`super::latency`].
    pub counts: [u64; BUCKETS],
    /// How long those took together, in microseconds.
    pub sums_us: [u64; BUCKETS],
}

impl Class {
    /// How many there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_route_has_a_place_of_its_own() {
        let places: HashSet<_> = Led::all().map(Led::place).collect();
        assert_eq!(places.len(), PLACES);
        assert_eq!(places.into_iter().max(), Some(PLACES - 1));
        let names: HashSet<_> = Led::all().map(Led::names).collect();
        assert_eq!(names.len(), PLACES);
    }

    #[test]
    fn an_answer_is_counted_once_by_its_class_and_latency() {
        let requests = Requests::default();
        let led = Led::To(Endpoint::GetProduct);
        for (status, ms) in [(200, 0), (201, 1), (304, 0), (404, 1), (503, 2_000)] {
            let status = StatusCode::from_u16(status).unwrap();
            requests.count(led, status, Duration::from_millis(ms));
        }
        let all = requests.read();
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].led.names(), ("/products/{asin}", "GET"));
        assert_eq!(all[0].classes.each_ref().map(Class::count), [2, 1, 1, 1]);
        let sums = all[0].classes.each_ref().map(|class| class.sums_us.iter().sum::<u64>());
        assert_eq!(sums, [1_000, 0, 1_000, 2_000_000]);
        let (failed, slow) = (&all[0].classes[3], bucket(Duration::from_secs(2)));
        assert_eq!((failed.counts[slow], failed.sums_us[slow]), (1, 2_000_000));
    }
}
