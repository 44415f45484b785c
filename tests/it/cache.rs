//! The cache of one process, on a store that the test holds in its hands.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use tokio::sync::Semaphore;
use vitrine::cache::answer::Answer;
use vitrine::cache::versions::{Known, Row, Tag, Versions};
use vitrine::cache::{Cache, Limits, Origin, Outcome};
use vitrine::catalog::Asin;
use vitrine::question::Question;
use vitrine::store::StoreError;

use crate::support::app::LIMITS;

const IDENTITY: vitrine::cache::encoding::Encoding = vitrine::cache::encoding::Encoding::Identity;

/// One row of content under one version; loads can be held up, and the whole be away.
struct Held {
    version: AtomicI64,
    loads: AtomicU64,
    is_away: AtomicBool,
    is_busy: AtomicBool,
    hangs: AtomicBool,
    may_load: Semaphore,
    loading: Semaphore,
}

impl Held {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            version: AtomicI64::new(1),
            loads: AtomicU64::new(0),
            is_away: AtomicBool::new(false),
            is_busy: AtomicBool::new(false),
            hangs: AtomicBool::new(false),
            may_load: Semaphore::new(Semaphore::MAX_PERMITS),
            loading: Semaphore::new(0),
        })
    }

    fn write(&self) -> Versions {
        let version = self.version.fetch_add(1, Ordering::SeqCst) + 1;
        HashMap::from([(Row::CATALOGUE, version)])
    }

    fn loads(&self) -> u64 {
        self.loads.load(Ordering::SeqCst)
    }

    fn check(&self) -> Result<i64, StoreError> {
        if self.is_away.load(Ordering::SeqCst) {
            return Err(StoreError::Unreachable("it is away".into()));
        }
        Ok(self.version.load(Ordering::SeqCst))
    }
}

#[async_trait]
impl Origin for Held {
    async fn versions(&self) -> Result<Arc<Versions>, StoreError> {
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        Ok(Arc::new(HashMap::from([(Row::CATALOGUE, self.check()?)])))
    }

    async fn raise(&self, above: &Versions) -> Result<Arc<Versions>, StoreError> {
        let above = above[&Row::CATALOGUE];
        self.version.fetch_max(above + 1, Ordering::SeqCst);
        self.versions().await
    }

    async fn load(&self, _: &Question, _: &Known) -> Result<Answer, StoreError> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        let version = self.check()?;
        if self.is_busy.load(Ordering::SeqCst) {
            return Err(StoreError::Busy);
        }
        self.loading.add_permits(1);
        self.may_load.acquire().await.unwrap().forget();
        let tag = Tag { row: Row::CATALOGUE, version };
        Ok(Answer::found(tag, version.to_string().into_bytes()))
    }
}

fn cache(held: &Arc<Held>) -> Arc<Cache> {
    let origin: Arc<dyn Origin> = Arc::<Held>::clone(held);
    Arc::new(Cache::new(origin, LIMITS))
}

async fn ask(cache: &Arc<Cache>) -> (String, Outcome) {
    let reply = cache.answer(&Question::Categories).await.unwrap();
    let body = reply.answer.body(IDENTITY).await.unwrap();
    (String::from_utf8(body.to_vec()).unwrap(), reply.outcome)
}

#[tokio::test]
async fn the_second_reader_hits() {
    let held = Held::new();
    let cache = cache(&held);
    assert_eq!(ask(&cache).await, ("1".to_owned(), Outcome::Miss));
    assert_eq!(ask(&cache).await, ("1".to_owned(), Outcome::Hit));
    assert_eq!(held.loads(), 1);
}

#[tokio::test]
async fn two_hundred_readers_of_a_cold_page_ask_the_store_once() {
    let held = Held::new();
    held.may_load.forget_permits(Semaphore::MAX_PERMITS);
    let cache = cache(&held);
    let readers: Vec<_> = (0..200)
        .map(|_| {
            let cache = Arc::clone(&cache);
            tokio::spawn(async move { ask(&cache).await.0 })
        })
        .collect();
    held.loading.acquire().await.unwrap().forget();
    // All of them wait for the one load by now, or will join it.
    tokio::task::yield_now().await;
    held.may_load.add_permits(1);
    for reader in readers {
        assert_eq!(reader.await.unwrap(), "1");
    }
    assert_eq!(held.loads(), 1);
}

/// The race every cache-aside service has: a reader misses and loads the old row, a writer
/// commits and publishes, and only then does the reader fill the cache.
#[tokio::test]
async fn a_load_that_began_before_a_write_is_not_served_after_it() {
    let held = Held::new();
    held.may_load.forget_permits(Semaphore::MAX_PERMITS);
    let cache = cache(&held);
    let slow = tokio::spawn({
        let cache = Arc::clone(&cache);
        async move { ask(&cache).await }
    });
    held.loading.acquire().await.unwrap().forget();
    cache.publish(&held.write()).await;
    // A reader that comes now joins the slow load, must not take its answer, and loads anew.
    let late = tokio::spawn({
        let cache = Arc::clone(&cache);
        async move { ask(&cache).await }
    });
    tokio::task::yield_now().await;
    held.may_load.add_permits(8);
    assert_eq!(late.await.unwrap().0, "2");
    slow.await.unwrap();
    assert_eq!(ask(&cache).await, ("2".to_owned(), Outcome::Hit));
}

/// All but one of those who wait for a cold page leave, the one who came first among them: the
/// store goes on with its work, and must not be given more of it.
#[tokio::test]
async fn a_load_does_not_end_with_the_reader_who_began_it() {
    let held = Held::new();
    held.may_load.forget_permits(Semaphore::MAX_PERMITS);
    let cache = cache(&held);
    let ask_in_a_task = || {
        let cache = Arc::clone(&cache);
        tokio::spawn(async move { ask(&cache).await })
    };
    let first = ask_in_a_task();
    held.loading.acquire().await.unwrap().forget();
    let mut others: Vec<_> = (0..19).map(|_| ask_in_a_task()).collect();
    tokio::task::yield_now().await;
    let last = others.pop().unwrap();
    for reader in [first].into_iter().chain(others) {
        reader.abort();
        assert!(reader.await.unwrap_err().is_cancelled());
    }
    held.may_load.add_permits(8);
    assert_eq!(last.await.unwrap(), ("1".to_owned(), Outcome::Miss));
    assert_eq!(held.loads(), 1);
}

#[tokio::test]
async fn a_load_that_everybody_has_left_is_kept() {
    let held = Held::new();
    held.may_load.forget_permits(Semaphore::MAX_PERMITS);
    let cache = cache(&held);
    let only = tokio::spawn({
        let cache = Arc::clone(&cache);
        async move { ask(&cache).await }
    });
    held.loading.acquire().await.unwrap().forget();
    only.abort();
    assert!(only.await.unwrap_err().is_cancelled());
    held.may_load.add_permits(8);
    // Joins it or finds what it has left.
    assert_eq!(ask(&cache).await.0, "1");
    assert_eq!(ask(&cache).await, ("1".to_owned(), Outcome::Hit));
    assert_eq!(held.loads(), 1);
}

/// Readers who ask and go at once leave no more loads behind than there may be connections.
#[tokio::test]
async fn those_who_ask_and_go_meet_a_limit() {
    let held = Held::new();
    let cache = cache(&held);
    ask(&cache).await;
    held.may_load.forget_permits(Semaphore::MAX_PERMITS);
    let about = |number: usize| Question::Product(Asin::parse(&format!("B{number}")).unwrap());
    let gone = (0..7_000).filter(|number| {
        let question = about(*number);
        let asked = cache.answer(&question).now_or_never();
        assert!(asked.as_ref().is_none_or(|asked| matches!(asked, Err(e) if e.may_pass())));
        asked.is_none()
    });
    assert_eq!(gone.count(), 6_000);
    assert_eq!(cache.counters().busy.load(Ordering::SeqCst), 1_000);
    // The others are let in again when the store has answered.
    held.may_load.add_permits(Semaphore::MAX_PERMITS);
    while cache.answer(&about(6_999)).await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn with_the_store_away_older_answers_are_given_and_marked() {
    let held = Held::new();
    let limits = Limits { staleness: Duration::ZERO, ..LIMITS };
    let origin: Arc<dyn Origin> = Arc::<Held>::clone(&held);
    // Nothing known is ever young enough: each reader asks first.
    let cache = Arc::new(Cache::new(origin, limits));
    // The bound of nothing is never met, so the loads go through and the hits do not.
    held.write();
    let first = cache.answer(&Question::Categories).await;
    assert!(first.is_ok());
    held.is_away.store(true, Ordering::SeqCst);
    for _ in 0..5 {
        let reply = cache.answer(&Question::Categories).await.unwrap();
        assert!(matches!(reply.outcome, Outcome::Stale(_)), "{:?}", reply.outcome);
    }
    let error = cache.answer(&Question::CategoryCounts).await.unwrap_err();
    assert!(error.may_pass(), "nothing is kept for this one");
    held.is_away.store(false, Ordering::SeqCst);
}

#[tokio::test]
async fn an_error_is_shared_by_those_who_waited_and_kept_for_nobody() {
    let held = Held::new();
    let cache = cache(&held);
    ask(&cache).await;
    held.is_away.store(true, Ordering::SeqCst);
    cache.publish(&HashMap::from([(Row::CATALOGUE, 5)])).await;
    let reply = cache.answer(&Question::Categories).await.unwrap();
    assert!(matches!(reply.outcome, Outcome::Stale(_)), "the older answer has stayed");
    held.is_away.store(false, Ordering::SeqCst);
    held.version.store(6, Ordering::SeqCst);
    assert_eq!(ask(&cache).await, ("6".to_owned(), Outcome::Miss));
}

/// A backup is put in place of the database, under a process that goes on: its versions are
/// given out a second time, for other rows.
#[tokio::test]
async fn what_was_kept_before_a_restore_is_not_served_after_it() {
    let held = Held::new();
    held.version.store(5, Ordering::SeqCst);
    let origin: Arc<dyn Origin> = Arc::<Held>::clone(&held);
    let limits = Limits { staleness: Duration::ZERO, ..LIMITS };
    let cache = Arc::new(Cache::new(origin, limits));
    let before = cache.answer(&Question::Categories).await.unwrap();
    held.version.store(3, Ordering::SeqCst);
    let after = cache.answer(&Question::Categories).await.unwrap();
    assert_eq!(after.outcome, Outcome::Miss);
    assert_ne!(after.answer.etag(IDENTITY), before.answer.etag(IDENTITY));
    assert_eq!(held.version.load(Ordering::SeqCst), 6, "above all that was ever seen, once");
    assert_eq!(cache.counters().restores.load(Ordering::Relaxed), 1);
}

/// With nobody who polls: what is known gets too old, and then nothing is at hand.
#[tokio::test(start_paused = true)]
async fn nothing_is_at_hand_that_was_not_asked_about_within_the_bound() {
    let held = Held::new();
    let cache = cache(&held);
    assert!(cache.at_hand(&Question::Categories).is_none());
    ask(&cache).await;
    tokio::time::advance(Duration::from_millis(999)).await;
    assert!(cache.at_hand(&Question::Categories).is_some());
    held.write();
    tokio::time::advance(Duration::from_millis(1)).await;
    assert!(cache.at_hand(&Question::Categories).is_none());
    assert_eq!(ask(&cache).await.0, "2");
}

/// A store that takes questions and answers none: readers of what is kept wait for one of
/// them at the most, and once it is left alone for none.
#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_does_not_take_the_kept_answers_with_it() {
    let held = Held::new();
    let cache = cache(&held);
    ask(&cache).await;
    held.hangs.store(true, Ordering::SeqCst);
    for round in 0..8 {
        tokio::time::advance(LIMITS.staleness).await;
        let began = tokio::time::Instant::now();
        let readers: Vec<_> = (0..20)
            .map(|_| {
                let cache = Arc::clone(&cache);
                tokio::spawn(async move {
                    let (body, outcome) = ask(&cache).await;
                    assert!(body == "1" && matches!(outcome, Outcome::Stale(_)));
                    tokio::time::Instant::now()
                })
            })
            .collect();
        let mut waited = Vec::new();
        for reader in readers {
            waited.push(reader.await.unwrap() - began);
        }
        waited.sort_unstable();
        assert!(waited[19] <= Duration::from_secs(2), "round {round}: {waited:?}");
        if round > 3 {
            assert_eq!(waited[18], Duration::ZERO, "round {round}: one tries, the others go on");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_way_in_which_a_wait_ends_is_counted() {
    let held = Held::new();
    let cache = cache(&held);
    ask(&cache).await;
    let counted = |cache: &Cache| {
        let all = cache.counters();
        [
            &all.loads_failed,
            &all.asks_failed,
            &all.deadlines_passed,
            &all.breaker_refusals,
            &all.busy,
        ]
        .map(|counter| counter.load(Ordering::Relaxed))
    };
    assert_eq!(counted(&cache), [0, 0, 0, 0, 0]);
    held.is_busy.store(true, Ordering::SeqCst);
    assert!(matches!(*fails(&cache).await, StoreError::Busy));
    assert_eq!(counted(&cache), [1, 0, 0, 0, 1]);
    held.is_busy.store(false, Ordering::SeqCst);
    held.may_load.forget_permits(Semaphore::MAX_PERMITS);
    fails(&cache).await;
    assert_eq!(counted(&cache), [2, 0, 1, 0, 1], "a load that takes too long");
    held.hangs.store(true, Ordering::SeqCst);
    fails(&cache).await;
    assert_eq!(counted(&cache), [2, 1, 2, 0, 1], "nor are the versions told in time");
    held.hangs.store(false, Ordering::SeqCst);
    held.is_away.store(true, Ordering::SeqCst);
    fails(&cache).await;
    assert_eq!(counted(&cache), [2, 2, 2, 0, 1]);
    fails(&cache).await;
    assert_eq!(counted(&cache), [2, 3, 2, 1, 1], "it is left alone");
}

/// The error of a question whose answer was never kept.
async fn fails(cache: &Arc<Cache>) -> Arc<StoreError> {
    // Later than the last one, whose error would else be this one's too.
    tokio::time::advance(Duration::from_millis(1)).await;
    cache.answer(&Question::CategoryCounts).await.unwrap_err()
}
