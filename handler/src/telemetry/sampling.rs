//! Which requests are traced. Most are not: from memory they come by the ten thousand a second.
//!
//! A few a second get a trace, decided before anything else is done for them, at the price of
//! one read of a number that rarely changes. How many each stands for is told with it (see
//! [`super::weights`]), and the metrics count every one. Requests that fail or are slow are
//! told of afterwards, up to a bound of their own, so that nobody has to be lucky to see them.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use http::{HeaderMap, StatusCode};

use super::parent::{Parent, TRACEPARENT};

/// Traces a second of requests that come by themselves.
const OWN: u32 = 5;
/// Traces a second of requests whose caller traces them, too.
const ASKED: u32 = 5;
/// Requests a second that are told of because of how they ended.
const TOLD: u32 = 10;
/// Traces a second of what is done in the background, each import being one.
const WORK: u32 = 2;
/// Log lines a second.
const LINES: u32 = 20;
/// What takes longer is slow.
pub const SLOW: Duration = Duration::from_secs(1);

/// How many more there may be within the second.
#[derive(Debug)]
struct Bucket {
    left: AtomicU32,
    a_second: u32,
}

impl Bucket {
    const fn of(a_second: u32) -> Self {
        Self { left: AtomicU32::new(0), a_second }
    }

    fn fill(&self) {
        self.left.store(self.a_second, Ordering::Relaxed);
    }

    fn take(&self) -> bool {
        // Read first: an empty one is written to by nobody, so that all threads have it at hand.
        self.left.load(Ordering::Relaxed) > 0
            && self
                .left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                .is_ok()
    }
}

/// What may be traced. Off, and then free, until somebody exports.
#[derive(Debug)]
pub struct Sampler {
    is_on: AtomicBool,
    own: Bucket,
    asked: Bucket,
    told: Bucket,
    work: Bucket,
    lines: Bucket,
    /// Requests that failed or were slow, told of or not.
    odd: AtomicU64,
}

/// That of the process, as the subscriber of its spans is.
pub static SAMPLER: Sampler = Sampler::new();

/// A request that is traced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traced {
    /// What it is a part of.
    pub parent: Option<Parent>,
}

impl Sampler {
    const fn new() -> Self {
        Self {
            is_on: AtomicBool::new(false),
            own: Bucket::of(OWN),
            asked: Bucket::of(ASKED),
            told: Bucket::of(TOLD),
            work: Bucket::of(WORK),
            lines: Bucket::of(LINES),
            odd: AtomicU64::new(0),
        }
    }

    /// Another second begins. The first one switches it on.
    pub fn fill(&self) {
        for bucket in [&self.own, &self.asked, &self.told, &self.work, &self.lines] {
            bucket.fill();
        }
        self.is_on.store(true, Ordering::Relaxed);
    }

    /// Nothing is traced any more.
    pub fn end(&self) {
        self.is_on.store(false, Ordering::Relaxed);
    }

    /// Whether anything is exported.
    pub fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// Whether a request is traced. A caller that does not trace its own part decides nothing:
    /// Microsoft's own parts say so whatever they sample, and nobody shall hide requests.
    pub fn request(&self, headers: &HeaderMap) -> Option<Traced> {
        if !self.is_on() {
            return None;
        }
        let parent = headers.get(&TRACEPARENT).and_then(|value| Parent::read(value.as_bytes()));
        let bucket = match parent {
            Some(Parent { is_sampled: true, .. }) => &self.asked,
            _ => &self.own,
        };
        bucket.take().then_some(Traced { parent })
    }

    /// Whether work that nobody waits for is traced.
    pub fn work(&self) -> bool {
        self.is_on() && self.work.take()
    }

    /// Whether a log line is exported.
    pub fn line(&self) -> bool {
        self.is_on() && self.lines.take()
    }

    /// Whether a request that is not traced is told of all the same, now that it has ended.
    pub fn odd(&self) -> bool {
        self.is_on() && self.told.take()
    }

    /// A request that failed or was slow has ended.
    pub fn count_odd(&self) {
        self.odd.fetch_add(1, Ordering::Relaxed);
    }

    /// How many of those there were.
    pub fn odd_ones(&self) -> u64 {
        self.odd.load(Ordering::Relaxed)
    }
}

/// Whether a request is one that nobody should have to be lucky to see.
pub fn is_odd(status: StatusCode, took: Duration) -> bool {
    status.is_server_error() || took >= SLOW
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(flags: &str) -> HeaderMap {
        let value = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}");
        HeaderMap::from_iter([(TRACEPARENT, value.parse().unwrap())])
    }

    #[test]
    fn so_many_a_second_are_traced_whoever_asks_and_how_often() {
        let sampler = Sampler::new();
        let (own, asked) = (HeaderMap::new(), headers("01"));
        assert_eq!(sampler.request(&own), None, "nothing is exported yet");
        for _ in 0..3 {
            sampler.fill();
            let traced =
                |headers| (0..1_000).filter(|_| sampler.request(headers).is_some()).count();
            assert_eq!((traced(&own), traced(&asked)), (OWN as usize, ASKED as usize));
            assert_eq!((0..1_000).filter(|_| sampler.odd()).count(), TOLD as usize);
            assert_eq!((0..1_000).filter(|_| sampler.line()).count(), LINES as usize);
            assert_eq!((0..1_000).filter(|_| sampler.work()).count(), WORK as usize);
        }
        sampler.end();
        sampler.fill();
        sampler.end();
        assert_eq!(sampler.request(&own), None);
    }

    #[test]
    fn a_caller_who_does_not_trace_is_one_among_others() {
        let sampler = Sampler::new();
        sampler.fill();
        let silent = headers("00");
        let traced: Vec<_> = (0..100).filter_map(|_| sampler.request(&silent)).collect();
        assert_eq!(traced.len(), OWN as usize);
        assert_eq!(sampler.request(&HeaderMap::new()), None, "it has used up the same places");
        for of in [traced[0], sampler.request(&headers("01")).unwrap()] {
            let span_id = of.parent.unwrap().context().span_id();
            assert_eq!(span_id.to_string(), "00f067aa0ba902b7");
        }
        sampler.fill();
        // What cannot be read is not there.
        assert_eq!(sampler.request(&headers("zz")), Some(Traced { parent: None }));
    }

    #[test]
    fn the_bound_holds_among_threads() {
        let sampler = Sampler::new();
        sampler.fill();
        let own = HeaderMap::new();
        let traced: usize = std::thread::scope(|scope| {
            let count = || (0..1_000).filter(|_| sampler.request(&own).is_some()).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(count)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(traced, OWN as usize);
    }
}
