//! The answers that this process keeps.

use std::sync::Arc;
use std::time::Duration;

use moka::Expiry;
use moka::future::Cache;
use xxhash_rust::xxh3::xxh3_64;

use super::answer::Answer;
use super::versions::{Known, Moment};
use crate::question::Question;
use crate::store::StoreError;

pub(super) type Slots = Cache<Question, Slot, foldhash::fast::RandomState>;

/// Slots for about so many bytes.
pub(super) fn of_size(bytes: u64) -> Slots {
    Cache::builder()
        .max_capacity(bytes)
        .weigher(|_, slot: &Slot| {
            slot.answer.as_ref().map_or(Answer::OVERHEAD, |answer| answer.weight())
        })
        .expire_after(Life)
        .build_with_hasher(foldhash::fast::RandomState::default())
}

/// What lies under a question.
#[derive(Debug, Clone, Default)]
pub(super) struct Slot {
    /// The last answer that was fetched. It stays when a later fetch fails: with the store
    /// away an older answer is better than none.
    pub(super) answer: Option<Arc<Answer>>,
    /// When it was last known to be right.
    pub(super) right_at: Moment,
    /// From when on it is to be made anew; `None` for an error.
    pub(super) renew_at: Option<Moment>,
    /// How long it is kept from now on.
    pub(super) left: Duration,
    /// Whether another instance had left it.
    pub(super) is_shared: bool,
    /// The error of the last fetch, told to all who joined it.
    pub(super) error: Option<Arc<StoreError>>,
}

impl Slot {
    pub(super) fn answer_that_counts(&self, known: &Known) -> Option<&Arc<Answer>> {
        self.answer.as_ref().filter(|answer| known.counts(&answer.tags))
    }

    /// Whether it is time to make it anew: nobody is to wait when its life is over.
    pub(super) fn ends_soon(&self, now: Moment) -> bool {
        self.renew_at.is_some_and(|at| now >= at)
    }
}

/// The life of an answer: the TTL, a tenth more or less by its question's hash, so that
/// answers that were made together do not end together.
pub(super) fn life(question: &Question, ttl: Duration) -> Duration {
    let share = xxh3_64(question.name().as_bytes()) % 2_001;
    let tenths = u32::try_from(share).unwrap_or(0);
    ttl * 9 / 10 + ttl / 10 * tenths / 1_000
}

/// The last twentieth of a life is for making the answer anew.
pub(super) fn renewal(life: Duration) -> Duration {
    life / 20
}

struct Life;

impl Expiry<Question, Slot> for Life {
    fn expire_after_create(
        &self,
        _: &Question,
        slot: &Slot,
        _: std::time::Instant,
    ) -> Option<Duration> {
        Some(slot.left)
    }

    fn expire_after_update(
        &self,
        _: &Question,
        slot: &Slot,
        _: std::time::Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(slot.left)
    }
}
