//! Cache-aside reads: the nearest finished answer that counts, else a load and a fill.
//!
//! Every answer depends on a row of the store's version table (a search on two) and carries
//! the version it was read under. It counts while that is not below the version this instance knows, so raising
//! a version hides every older answer at once, fills still on their way included. What is
//! known must be young before it is used: see [`versions`]. A hit does no JSON, no SQL and no
//! copy.

pub mod answer;
pub mod breaker;
pub mod counters;
pub mod encoding;
pub mod entity_tag;
pub mod shared;
pub mod versions;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use moka::Expiry;
use moka::future::Cache as Slots;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::Instrument as _;
use xxhash_rust::xxh3::xxh3_64;

use crate::question::Question;
use crate::store::StoreError;
use answer::Answer;
use breaker::{Breaker, BreakerState};
use counters::{Counters, count};
use versions::{Gate, Known, Moment, Versions};

/// Where answers come from when none is kept.
#[async_trait]
pub trait Origin: Send + Sync {
    /// The whole version table.
    async fn versions(&self) -> Result<Arc<Versions>, StoreError>;

    /// Raises the rows above what they are here, and above these; gives the table as it then
    /// is.
    async fn raise(&self, above: &Versions) -> Result<Arc<Versions>, StoreError>;

    /// Answers a question. The answer's version must have been read before its rows, or be
    /// that of `known`, which was copied before the call.
    async fn load(&self, question: &Question, known: &Known) -> Result<Answer, StoreError>;
}

/// The limits of a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The life of an answer; each gets up to a tenth more or less.
    pub ttl: Duration,
    /// How old what is known of the versions may be.
    pub staleness: Duration,
    /// About how many bytes are kept.
    pub bytes: u64,
}

/// What a reader gets.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The answer.
    pub answer: Arc<Answer>,
    /// Where it came from.
    pub outcome: Outcome,
}

/// How a question was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// By an answer that was kept.
    Hit,
    /// By a load of this caller, or one that it joined.
    Miss,
    /// By an answer that is older than it should be, since the store is away: so many seconds
    /// since it was last known to be right.
    Stale(u64),
}

/// How long the store may take. Joiners wait on it.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long it may take to tell the versions, a row each for a few hundred categories: readers
/// of kept answers wait for it, and are better served with an older one than later.
const ASK_DEADLINE: Duration = Duration::from_secs(2);
/// DESIGN 4.10: without a reader for so long nobody polls; the next one asks first.
const IDLE: Duration = Duration::from_mins(5);
/// Readers that wait for loads at once, 8 kB each: as many as there are connections, so that
/// only those who ask and go away again and again meet the limit.
const FILLS_MAX: usize = 6_000;
/// Joins of a load that turn out too old before a caller loads for itself.
const JOINS_MAX: u32 = 4;

/// The cache of this process.
pub struct Cache {
    origin: Arc<dyn Origin>,
    limits: Limits,
    began: Instant,
    known: RwLock<Known>,
    slots: Slots<Question, Slot, foldhash::fast::RandomState>,
    breaker: Mutex<Breaker>,
    /// One question for the versions at a time; the others wait for its answer.
    asking: tokio::sync::Mutex<Asked>,
    /// Places of those who load or wait for a load, readers who have gone among them.
    fills: Arc<Semaphore>,
    /// When a reader or writer came last.
    asked_at_ms: AtomicU64,
    counters: Counters,
}

/// What came of the last question for the versions.
#[derive(Debug, Default)]
struct Asked {
    /// When it failed and why: whoever was waiting by then need not ask again.
    failed: Option<(Moment, Arc<StoreError>)>,
}

/// What lies under a question.
#[derive(Debug, Clone, Default)]
struct Slot {
    /// The last answer that was loaded. It stays when a later load fails: with the store
    /// away an older answer is better than none.
    answer: Option<Arc<Answer>>,
    /// When it was last known to be right.
    right_at: Moment,
    /// The error of the last load, shared by all who joined it.
    error: Option<Arc<StoreError>>,
}

impl Slot {
    fn answer_that_counts(&self, known: &Known) -> Option<&Arc<Answer>> {
        self.answer.as_ref().filter(|answer| known.counts(&answer.tags))
    }
}

impl Cache {
    /// An empty cache.
    pub fn new(origin: Arc<dyn Origin>, limits: Limits) -> Self {
        let slots = Slots::builder()
            .max_capacity(limits.bytes)
            .weigher(|_, slot: &Slot| {
                slot.answer.as_ref().map_or(Answer::OVERHEAD, |answer| answer.weight())
            })
            .expire_after(Life { ttl: limits.ttl })
            .build_with_hasher(foldhash::fast::RandomState::default());
        Self {
            origin,
            limits,
            began: Instant::now(),
            known: RwLock::new(Known::new(limits.staleness)),
            slots,
            breaker: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
            fills: Arc::new(Semaphore::new(FILLS_MAX)),
            asked_at_ms: AtomicU64::new(0),
            counters: Counters::default(),
        }
    }

    /// The answer to a question if it is kept and counts, and nobody has to wait for it.
    /// Whoever gives it calls [`Cache::count_hit`].
    pub fn at_hand(&self, question: &Question) -> Option<Reply> {
        let known = self.known();
        if known.gate(self.arrival()) == Gate::Ask {
            return None;
        }
        let kept = self.slots.get(question).now_or_never()??;
        let answer = kept.answer.filter(|answer| known.counts(&answer.tags))?;
        Some(Reply { answer, outcome: Outcome::Hit })
    }

    /// An answer that was at hand has been given.
    pub fn count_hit(&self) {
        count(&self.counters.hits);
    }

    /// The answer to a question: one that is kept and counts, else a loaded one.
    pub async fn answer(self: &Arc<Self>, question: &Question) -> Result<Reply, Arc<StoreError>> {
        let now = self.arrival();
        // Known on arrival: a load that began before a write was answered here may bring an
        // older answer, and this caller must not take it.
        let mut known = self.known();
        if known.gate(now) == Gate::Ask {
            if let Err(away) = self.refresh().await {
                return self.stale(question).await.ok_or(away);
            }
            known = self.known();
        }
        for _ in 0..JOINS_MAX {
            match self.find_or_load(question, &known).await {
                Ok(reply) if known.counts(&reply.answer.tags) => return Ok(reply),
                Ok(_) => {
                    count(&self.counters.joins_outrun);
                    known = self.known();
                }
                Err(away) if away.is_away() => return self.stale(question).await.ok_or(away),
                Err(broken) => return Err(broken),
            }
        }
        // Outrun by writers: a load of our own cannot be older than our arrival.
        let known = self.known();
        let answer = self.load(question, &known).await.map_err(Arc::new)?;
        Ok(Reply { answer: Arc::new(answer), outcome: Outcome::Miss })
    }

    /// Takes the versions of a write that this process has committed, before it is answered.
    pub fn publish(&self, versions: &Versions) {
        self.arrival();
        self.known.write().unwrap_or_else(PoisonError::into_inner).raise(versions);
    }

    /// Whether nobody has read or written for five minutes. A store that costs while it is
    /// asked is left alone then.
    pub fn is_idle(&self) -> bool {
        let asked_at = Duration::from_millis(self.asked_at_ms.load(Ordering::Relaxed));
        self.now().saturating_sub(asked_at) >= IDLE
    }

    /// How often [`Cache::poll`] should be called.
    pub fn poll_every(&self) -> Duration {
        self.limits.staleness / 4
    }

    /// Asks for the versions if what is known is half as old as it may be: called in the
    /// background while there is traffic, so that no reader has to ask.
    pub async fn poll(&self) {
        if !self.is_idle() && self.age_is_above(self.limits.staleness / 2) {
            // A failure shows when somebody needs the answer.
            let _ = self.ask().await;
        }
    }

    /// What happened so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Whether the store is being asked or left alone.
    pub fn breaker(&self) -> BreakerState {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner).state()
    }

    /// The moment a reader or writer comes.
    fn arrival(&self) -> Moment {
        let now = self.now();
        let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        // Written to once a millisecond at the most: all threads read here.
        if self.asked_at_ms.load(Ordering::Relaxed) != now_ms {
            self.asked_at_ms.store(now_ms, Ordering::Relaxed);
        }
        now
    }

    fn now(&self) -> Moment {
        self.began.elapsed()
    }

    fn known(&self) -> Known {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn age_is_above(&self, age: Duration) -> bool {
        self.known.read().unwrap_or_else(PoisonError::into_inner).age(self.now()) > age
    }

    /// Makes what is known young enough to be used.
    async fn refresh(&self) -> Result<(), Arc<StoreError>> {
        let arrived = self.now();
        let mut asked = match self.breaker() {
            BreakerState::Closed => self.asking.lock().await,
            // One tries whether the store has come back; nobody is kept waiting for it.
            BreakerState::Open => self.asking.try_lock().map_err(|_| Arc::new(self.refusal()))?,
        };
        // Whoever had the turn before has asked for us too.
        if self.known().gate(self.now()) == Gate::Open {
            return Ok(());
        }
        if let Some((at, error)) = &asked.failed
            && *at >= arrived
        {
            return Err(Arc::clone(error));
        }
        let answered = self.ask().await.map_err(Arc::new);
        asked.failed = answered.as_ref().err().map(|error| (self.now(), Arc::clone(error)));
        answered
    }

    async fn ask(&self) -> Result<(), StoreError> {
        let (known, sent) = (self.known(), self.now());
        count(&self.counters.asks);
        let failed = |_: &StoreError| count(&self.counters.asks_failed);
        let asked = self.guarded(ASK_DEADLINE, self.origin.versions()).await;
        let mut versions = asked.inspect_err(failed)?;
        let lost = known.lost_in(&versions);
        if !lost.is_empty() {
            count(&self.counters.restores);
            tracing::warn!(rows = lost.len(), "the database has gone back to an earlier state");
            let raised = self.guarded(DEADLINE, self.origin.raise(&lost)).await;
            versions = raised.inspect_err(failed)?;
        }
        self.known.write().unwrap_or_else(PoisonError::into_inner).heard(sent, &versions);
        Ok(())
    }

    async fn find_or_load(
        self: &Arc<Self>,
        question: &Question,
        known: &Known,
    ) -> Result<Reply, Arc<StoreError>> {
        let kept = self.slots.get(question).await.unwrap_or_default();
        if let Some(answer) = kept.answer_that_counts(known) {
            count(&self.counters.hits);
            return Ok(Reply { answer: Arc::clone(answer), outcome: Outcome::Hit });
        }
        count(&self.counters.misses);
        let place = Arc::clone(&self.fills).try_acquire_owned();
        let place = place.map_err(|_| {
            count(&self.counters.busy);
            Arc::new(StoreError::Busy)
        })?;
        let (cache, question, known) = (Arc::clone(self), question.clone(), known.clone());
        let filling = async move {
            let _place = place;
            cache.load_or_join(&question, &known, kept).await
        };
        // To its end, whoever hangs up: a load that ended with its caller would be begun anew
        // by the next one, while the store is still busy with the first.
        let filled = tokio::spawn(filling.in_current_span()).await;
        filled.map_err(|e| Arc::new(StoreError::Corrupt(e.into())))?
    }

    /// Loads and keeps the answer; whoever finds a load on its way joins it.
    async fn load_or_join(
        &self,
        question: &Question,
        known: &Known,
        kept: Slot,
    ) -> Result<Reply, Arc<StoreError>> {
        let load = async {
            let sent = self.now();
            match self.load(question, known).await {
                Ok(answer) => Slot { answer: Some(Arc::new(answer)), right_at: sent, error: None },
                Err(error) => Slot { error: Some(Arc::new(error)), ..kept },
            }
        };
        let is_older = |slot: &Slot| slot.answer_that_counts(known).is_none();
        let entry = self.slots.entry_by_ref(question).or_insert_with_if(load, is_older).await;
        let Slot { answer, error, .. } = entry.into_value();
        match (error, answer) {
            (Some(error), _) => Err(error),
            (None, Some(answer)) => Ok(Reply { answer, outcome: Outcome::Miss }),
            (None, None) => unreachable!("a slot holds an answer or an error"),
        }
    }

    async fn load(&self, question: &Question, known: &Known) -> Result<Answer, StoreError> {
        count(&self.counters.loads);
        let loaded = self.guarded(DEADLINE, self.origin.load(question, known)).await;
        let answer = loaded.inspect_err(|_| count(&self.counters.loads_failed))?;
        // A version that nobody has told us of yet: others must not fall behind it.
        self.publish(&answer.tags.iter().map(|tag| (tag.row, tag.version)).collect());
        Ok(answer)
    }

    /// An older answer, for want of the store.
    async fn stale(&self, question: &Question) -> Option<Reply> {
        let Slot { answer, right_at, .. } = self.slots.get(question).await?;
        let answer = answer?;
        count(&self.counters.stale);
        let (known, now) = (self.known(), self.now());
        // One that still counted when the versions were last heard of was right then.
        let age = now.saturating_sub(right_at);
        let age = if known.counts(&answer.tags) { age.min(known.age(now)) } else { age };
        Some(Reply { answer, outcome: Outcome::Stale(age.as_secs()) })
    }

    /// Asks the store unless it is being left alone, within a deadline.
    async fn guarded<T>(
        &self,
        deadline: Duration,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let breaker = || self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        if !breaker().lets_through(self.now()) {
            return Err(self.refusal());
        }
        let result = match tokio::time::timeout(deadline, call).await {
            Ok(result) => result,
            Err(late) => {
                count(&self.counters.deadlines_passed);
                Err(StoreError::Unreachable(late.into()))
            }
        };
        if let Err(StoreError::Busy) = &result {
            count(&self.counters.busy);
        }
        match &result {
            Err(error) if error.is_away() => breaker().failed(self.now()),
            _ => breaker().succeeded(),
        }
        result
    }

    fn refusal(&self) -> StoreError {
        count(&self.counters.breaker_refusals);
        StoreError::Unreachable("the store is left alone for a second".into())
    }
}

/// The life of an answer: the TTL, a tenth more or less by its question's hash, so that
/// answers that were made together do not end together.
struct Life {
    ttl: Duration,
}

impl Expiry<Question, Slot> for Life {
    fn expire_after_create(
        &self,
        question: &Question,
        _: &Slot,
        _: std::time::Instant,
    ) -> Option<Duration> {
        let share = xxh3_64(question.name().as_bytes()) % 2_001;
        let tenths = u32::try_from(share).unwrap_or(0);
        Some(self.ttl * 9 / 10 + self.ttl / 10 * tenths / 1_000)
    }

    fn expire_after_update(
        &self,
        question: &Question,
        slot: &Slot,
        updated_at: std::time::Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        self.expire_after_create(question, slot, updated_at)
    }
}
