//! Cache-aside reads: the nearest finished answer that counts, else a load and a fill.
//!
//! Every answer depends on a row of the store's version table (a search on two) and carries
//! the version it was read under. It counts while that is not below the version this instance
//! knows, so raising a version hides every older answer at once, fills still on their way
//! included. What is known must be young before it is used: see [`versions`], and `asking` for
//! how it is kept so. What this process lacks another one may have left in what they share, or
//! is loading now: see `fetching`. A hit does no JSON, no SQL, no round trip and no copy.

pub mod answer;
mod asking;
pub mod audit;
pub mod breaker;
pub mod counters;
pub mod encoding;
pub mod entity_tag;
mod fetching;
pub mod forms;
mod glancing;
mod guard;
mod look;
pub mod page;
pub mod redis;
pub mod shared;
mod slots;
pub mod versions;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;
use tracing::field::Empty;

use crate::question::Question;
use crate::store::StoreError;
use crate::telemetry::span;
use answer::Answer;
use asking::Asked;
use breaker::BreakerState;
use counters::{Counters, count};
use glancing::Glancing;
use guard::{Caller, Guard};
use shared::{Shared, SharedError};
use slots::Slots;
use versions::{Gate, Known, Moment, Row, Version, Versions};

/// Where answers come from when none is kept.
#[async_trait]
pub trait Origin: Send + Sync {
    /// The whole version table.
    async fn versions(&self) -> Result<Arc<Versions>, StoreError>;

    /// Whether the versions can be asked for at no cost. Then nobody relies on what the
    /// instances tell each other: somebody may write who shares nothing with them.
    fn is_cheap_to_ask(&self) -> bool {
        false
    }

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
    /// By an answer that was kept, here or in what the instances share.
    Hit,
    /// By a load of this caller, or one that it joined.
    Miss,
    /// By an answer that is older than it should be, since the store is away: so many seconds
    /// since it was last known to be right.
    Stale(u64),
}

impl Outcome {
    /// The word that traces use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Stale(_) => "stale",
        }
    }
}

/// DESIGN 4.10: without a reader for so long nobody polls; the next one asks first.
const IDLE: Duration = Duration::from_mins(5);
/// Readers that wait for loads at once, 8 kB each: as many as there are connections, so that
/// only those who ask and go away again and again meet the limit.
const FILLS_MAX: usize = 6_000;
/// How long a process that ends does so later.
const END_WITHIN: Duration = Duration::from_millis(500);
/// Joins of a load that turn out too old before a caller loads for itself.
const JOINS_MAX: u32 = 4;

/// The cache of this process, and its side of what it shares with others.
pub struct Cache {
    origin: Arc<dyn Origin>,
    shared: Option<Arc<dyn Shared>>,
    limits: Limits,
    began: Instant,
    known: RwLock<Known>,
    slots: Slots,
    /// Before every call of the store.
    store_guard: Guard,
    /// Before every call of what is shared.
    shared_guard: Guard,
    /// One question for the versions at a time; the others wait for its answer.
    asking: tokio::sync::Mutex<Asked>,
    /// Something has been written that did not come through [`Cache::publish`].
    nudged: Notify,
    /// Places of those who load or wait for a load, readers who have gone among them.
    fills: Arc<Semaphore>,
    /// The places at which somebody glances.
    glancing: Glancing,
    /// Answers that are being made anew before their end.
    renewing: Mutex<HashSet<Question>>,
    /// Some of the questions whose answers came in, for the audit.
    sample: Mutex<Vec<Question>>,
    /// When a reader or writer came last.
    asked_at_ms: AtomicU64,
    /// The others were not told of something, and nothing since.
    is_unheard: AtomicBool,
    /// Answers that are being left for the others, and leases that are being given back.
    ending: TaskTracker,
    counters: Counters,
}

impl Cache {
    /// An empty cache of a process by itself.
    pub fn new(origin: Arc<dyn Origin>, limits: Limits) -> Self {
        Self::beside(origin, limits, None)
    }

    /// An empty cache beside what the instances share.
    pub fn beside(
        origin: Arc<dyn Origin>,
        limits: Limits,
        shared: Option<Arc<dyn Shared>>,
    ) -> Self {
        Self {
            origin,
            shared,
            limits,
            began: Instant::now(),
            known: RwLock::new(Known::new(limits.staleness)),
            is_unheard: AtomicBool::new(false),
            ending: TaskTracker::new(),
            slots: slots::of_size(limits.bytes),
            store_guard: Guard::default(),
            shared_guard: Guard::default(),
            asking: tokio::sync::Mutex::default(),
            nudged: Notify::new(),
            fills: Arc::new(Semaphore::new(FILLS_MAX)),
            glancing: Glancing::default(),
            renewing: Mutex::default(),
            sample: Mutex::default(),
            asked_at_ms: AtomicU64::new(0),
            counters: Counters::default(),
        }
    }

    /// The answer to a question if it is kept and counts, and nobody has to wait for it.
    /// Whoever gives it calls [`Cache::count_hit`].
    pub fn at_hand(&self, question: &Question) -> Option<Reply> {
        let known = self.known();
        let now = self.arrival();
        if known.gate(now) != Gate::Open {
            return None;
        }
        let kept = self.slots.get(question).now_or_never()??;
        if kept.ends_soon(now) {
            // Whoever waits may begin to make it anew.
            return None;
        }
        let answer = kept.answer.filter(|answer| known.counts(&answer.tags))?;
        Some(Reply { answer, outcome: Outcome::Hit })
    }

    /// An answer that was at hand has been given.
    pub fn count_hit(&self) {
        count(&self.counters.hits);
    }

    /// The answer to a question: one that is kept and counts, else a loaded one.
    pub async fn answer(self: &Arc<Self>, question: &Question) -> Result<Reply, Arc<StoreError>> {
        self.arrival();
        let span = span::part!("cache", otel.name = question.kind(), cache.outcome = Empty,);
        let reply = self.answer_quietly(question).instrument(span.clone()).await;
        if let Ok(reply) = &reply {
            span.record("cache.outcome", reply.outcome.word());
        }
        span::ended(&span, reply.is_ok());
        reply
    }

    /// The same for somebody who only looks after us: nothing is kept awake for them.
    pub async fn answer_quietly(
        self: &Arc<Self>,
        question: &Question,
    ) -> Result<Reply, Arc<StoreError>> {
        let now = self.now();
        // Known on arrival: a load that began before a write was answered here may bring an
        // older answer, and this caller must not take it.
        let mut known = self.known();
        if known.gate(now) != Gate::Open {
            if let Err(away) = self.refresh().await {
                return self.stale(question).await.ok_or(away);
            }
            known = self.known();
        }
        for _ in 0..JOINS_MAX {
            match self.find_or_fetch(question, &known).await {
                Ok(reply) if known.counts(&reply.answer.tags) => return Ok(reply),
                // Begun before we came. The next one is not.
                Ok(_) => count(&self.counters.joins_outrun),
                Err(away) if away.is_away() => return self.stale(question).await.ok_or(away),
                Err(broken) => return Err(broken),
            }
        }
        // A load of our own cannot be older than our arrival.
        let answer = self.load(question).await.map_err(Arc::new)?;
        Ok(Reply { answer: Arc::new(answer), outcome: Outcome::Miss })
    }

    /// Whether nobody has read or written for five minutes. A store that costs while it is
    /// asked is left alone then.
    pub fn is_idle(&self) -> bool {
        let asked_at = Duration::from_millis(self.asked_at_ms.load(Ordering::Relaxed));
        self.now().saturating_sub(asked_at) >= IDLE
    }

    /// Waits a moment for what is being left for the others: a process that ends leaves no lease
    /// behind that they would have to wait for.
    pub async fn end(&self) {
        self.ending.close();
        if timeout(END_WITHIN, self.ending.wait()).await.is_err() {
            tracing::debug!("something is left undone for the others");
        }
    }

    /// What happened so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Whether the store is being asked or left alone.
    pub fn breaker(&self) -> BreakerState {
        self.store_guard.state()
    }

    /// Whether what is shared is being asked or left alone; `None` without it.
    pub fn shared_breaker(&self) -> Option<BreakerState> {
        self.shared.as_ref().map(|_| self.shared_guard.state())
    }

    /// What is known of the version of the whole catalogue; 0 if nothing is.
    pub fn catalogue_version(&self) -> Version {
        self.known().version(Row::CATALOGUE).max(0)
    }

    /// Leaves word of this instance where the others find it.
    pub async fn leave_word(&self, instance: &str, word: &str) -> Result<(), SharedError> {
        let Some(shared) = &self.shared else { return Ok(()) };
        self.ask_shared_to(Caller::Background, shared.leave_word(instance, word)).await
    }

    /// What the instances have left word of; nothing by a process by itself.
    pub async fn words(&self) -> Result<Vec<String>, SharedError> {
        let Some(shared) = &self.shared else { return Ok(Vec::new()) };
        self.ask_shared_to(Caller::Waiting, shared.words()).await
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

    /// Takes versions that came unasked; tells whether one rose.
    fn raise_known(&self, versions: &Versions) -> bool {
        self.known.write().unwrap_or_else(PoisonError::into_inner).raise(versions)
    }
}
