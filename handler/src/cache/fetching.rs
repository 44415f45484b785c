//! Fetching an answer that is not kept here: from what the instances share, or by a load. In a
//! process the first few look by themselves; then one fetches and the others join it. Among
//! instances a lease sees to the same.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::time::sleep;
use tracing::Instrument as _;

use super::answer::Answer;
use super::asking::DEADLINE;
use super::counters::count;
use super::glancing::Glancer;
use super::guard::Caller;
use super::look::{Glance, Look};
use super::page::Decoded;
use super::slots::{Slot, life, renewal};
use super::versions::{Known, Tags, Versions};
use super::{Cache, Outcome, Reply};
use crate::question::Question;
use crate::store::StoreError;

/// Before an answer whose renewal did not come off is tried again.
const RENEW_AGAIN: Duration = Duration::from_secs(1);

/// An answer that was fetched.
pub(super) struct Fetched {
    pub(super) answer: Arc<Answer>,
    /// How long ago it was known to be right.
    pub(super) age: Duration,
    /// How long it is kept.
    pub(super) left: Duration,
    /// Whether another instance had left it.
    pub(super) is_shared: bool,
}

impl Cache {
    pub(super) async fn find_or_fetch(
        self: &Arc<Self>,
        question: &Question,
        known: &Known,
    ) -> Result<Reply, Arc<StoreError>> {
        let kept = self.slots.get(question).await.unwrap_or_default();
        if let Some(answer) = kept.answer_that_counts(known) {
            count(&self.counters.hits);
            if kept.ends_soon(self.now()) {
                self.renew(question);
            }
            return Ok(Reply { answer: Arc::clone(answer), outcome: Outcome::Hit });
        }
        let turn = Arc::clone(&self.fills).try_acquire_owned();
        let turn = turn.map_err(|_| {
            count(&self.counters.busy);
            Arc::new(StoreError::Busy)
        })?;
        let (glancer, glance) = match self.glance(question, known).await {
            // In a box: what it needs is large, and nobody needs it before.
            Some((_, Glance::Page(fetched))) => {
                return Ok(Box::pin(self.keep(question, fetched)).await);
            }
            glanced => glanced.unzip(),
        };
        let (cache, question, known) = (Arc::clone(self), question.clone(), known.clone());
        // In a box: it is large, and would be moved several times.
        let filling = Box::pin(async move {
            let _held = (turn, glancer);
            cache.fetch_or_join(&question, &known, kept, glance).await
        });
        // To its end, whoever hangs up: a load that ended with its caller would be begun anew
        // by the next one, while the store is still busy with the first.
        let filled = tokio::spawn(filling.in_current_span()).await;
        filled.map_err(|e| Arc::new(StoreError::Corrupt(e.into())))?
    }

    /// A glance at what was left for this question, by the first few who ask it: most find it,
    /// and are spared what those need who wait together. `None` for the others, and where there
    /// is nothing to look for or in.
    async fn glance(
        self: &Arc<Self>,
        question: &Question,
        known: &Known,
    ) -> Option<(Glancer, Glance)> {
        let look = self.look(question, known)?;
        let glancer = self.glancing.begin(&look.place)?;
        Some((glancer, look.glance().await))
    }

    /// Keeps an answer that another instance had left, and gives it; or the one that somebody has
    /// put there meanwhile.
    async fn keep(&self, question: &Question, fetched: Fetched) -> Reply {
        self.count_fetched(question, true);
        let known = self.known();
        let other = self.slots.get(question).await.unwrap_or_default();
        // It may be a newer one, and the forms of the same one are made once.
        let answer = if let Some(other) = other.answer_that_counts(&known) {
            Arc::clone(other)
        } else {
            let answer = Arc::clone(&fetched.answer);
            self.slots.insert(question.clone(), self.slot(fetched)).await;
            answer
        };
        Reply { answer, outcome: Outcome::Hit }
    }

    fn count_fetched(&self, question: &Question, is_shared: bool) {
        if question.can_be_audited() {
            self.sample(question);
        }
        let counters = &self.counters;
        count(if is_shared { &counters.shared_hits } else { &counters.misses });
    }

    /// Fetches and keeps the answer; whoever finds that on its way joins it.
    async fn fetch_or_join(
        self: &Arc<Self>,
        question: &Question,
        known: &Known,
        kept: Slot,
        glance: Option<Glance>,
    ) -> Result<Reply, Arc<StoreError>> {
        let is_older = |slot: &Slot| slot.answer_that_counts(known).is_none();
        self.join(question, kept, self.fetch(question, known, glance), is_older).await
    }

    /// The answer that is kept unless it is to be replaced, by what is fetched then. `kept` stays
    /// where that fails.
    async fn join(
        &self,
        question: &Question,
        kept: Slot,
        fetch: impl Future<Output = Result<Fetched, StoreError>> + Send,
        is_replaced: impl FnMut(&Slot) -> bool + Send,
    ) -> Result<Reply, Arc<StoreError>> {
        let fetch = Box::pin(async {
            match fetch.await {
                Ok(fetched) => self.slot(fetched),
                Err(error) => {
                    let left = if kept.answer.is_some() {
                        life(question, self.limits.ttl)
                    } else {
                        Duration::ZERO
                    };
                    Slot { error: Some(Arc::new(error)), left, ..kept }
                }
            }
        });
        let entry = self.slots.entry_by_ref(question).or_insert_with_if(fetch, is_replaced).await;
        if !entry.is_fresh() {
            count(&self.counters.joins);
        }
        let Slot { answer, error, is_shared, .. } = entry.into_value();
        match (error, answer) {
            (Some(error), _) => {
                count(&self.counters.misses);
                Err(error)
            }
            (None, Some(answer)) => {
                self.count_fetched(question, is_shared);
                let outcome = if is_shared { Outcome::Hit } else { Outcome::Miss };
                Ok(Reply { answer, outcome })
            }
            (None, None) => unreachable!("a slot holds an answer or an error"),
        }
    }

    fn slot(&self, fetched: Fetched) -> Slot {
        let Fetched { answer, age, left, is_shared } = fetched;
        let now = self.now();
        let renew_at = now + left.saturating_sub(renewal(left + age));
        Slot {
            answer: Some(answer),
            right_at: now.saturating_sub(age),
            renew_at: Some(renew_at),
            left,
            is_shared,
            error: None,
        }
    }

    async fn fetch(
        self: &Arc<Self>,
        question: &Question,
        known: &Known,
        glance: Option<Glance>,
    ) -> Result<Fetched, StoreError> {
        let Some(look) = self.look(question, known) else {
            return self.fetch_alone(question).await;
        };
        let glance = match glance {
            Some(glance) => glance,
            None => look.glance().await,
        };
        look.fetch(glance).await
    }

    /// A look in what the instances share; `None` where there is nothing to look for or in.
    fn look<'a>(self: &'a Arc<Self>, question: &'a Question, known: &'a Known) -> Option<Look<'a>> {
        let shared = self.shared.as_ref().filter(|_| self.may_ask_shared())?;
        let path = question.path()?;
        let place = question.place_by(&path)?;
        Some(Look { cache: self, shared: Arc::clone(shared), place, path, question, known })
    }

    pub(super) async fn fetch_alone(
        self: &Arc<Self>,
        question: &Question,
    ) -> Result<Fetched, StoreError> {
        let began = self.now();
        let answer = Arc::new(self.load(question).await?);
        let age = self.now().saturating_sub(began);
        Ok(Fetched { answer, age, left: life(question, self.limits.ttl), is_shared: false })
    }

    /// Loads from the store.
    pub(super) async fn load(self: &Arc<Self>, question: &Question) -> Result<Answer, StoreError> {
        count(&self.counters.loads);
        let known = self.known();
        let loaded = self.guarded(DEADLINE, self.origin.load(question, &known)).await;
        let answer = loaded.inspect_err(|_| count(&self.counters.loads_failed))?;
        let versions: Versions = versions_of(&answer.tags);
        // A version that nobody has told us of yet: others must not fall behind it.
        if self.raise_known(&versions) && self.shared.is_some() {
            let cache = Arc::clone(self);
            tokio::spawn(async move { cache.announce(&versions).await });
        }
        Ok(answer)
    }

    /// An older answer, for want of the store.
    pub(super) async fn stale(self: &Arc<Self>, question: &Question) -> Option<Reply> {
        if let Some(Slot { answer: Some(answer), right_at, .. }) = self.slots.get(question).await {
            count(&self.counters.stale);
            let (known, now) = (self.known(), self.now());
            // One that still counted when the versions were last heard of was right then.
            let age = now.saturating_sub(right_at);
            let age = if known.counts(&answer.tags) { age.min(known.age(now)) } else { age };
            return Some(Reply { answer, outcome: Outcome::Stale(age.as_secs()) });
        }
        let known = self.known();
        let look = self.look(question, &known)?;
        let kept =
            self.ask_shared_to(Caller::Waiting, look.shared.get(&look.place)).await.ok()??;
        let Decoded { answer, life, .. } = look.read(&kept)?;
        count(&self.counters.stale);
        let age = life.saturating_sub(kept.left);
        Some(Reply { answer: Arc::new(answer), outcome: Outcome::Stale(age.as_secs()) })
    }

    /// Loads an answer anew whose body proved to be none, for whoever else has met it and for the
    /// other instances. What they share is not asked for it: several may have met it there.
    pub async fn answer_anew(
        self: &Arc<Self>,
        question: &Question,
    ) -> Result<Reply, Arc<StoreError>> {
        count(&self.counters.shared_unreadable);
        tracing::warn!("a page of the shared cache cannot be unpacked, and is loaded anew");
        let known = self.known();
        let fetch = async {
            match self.look(question, &known) {
                Some(look) => look.load_anew().await,
                None => self.fetch_alone(question).await,
            }
        };
        // What was loaded here is whole.
        let is_replaced = |slot: &Slot| slot.is_shared || slot.answer_that_counts(&known).is_none();
        let reply = self.join(question, Slot::default(), fetch, is_replaced).await?;
        if reply.outcome == Outcome::Miss && known.counts(&reply.answer.tags) {
            return Ok(reply);
        }
        // One that was begun before we came, or came from where the damaged one did.
        let answer = self.load(question).await.map_err(Arc::new)?;
        Ok(Reply { answer: Arc::new(answer), outcome: Outcome::Miss })
    }

    /// Makes an answer anew in the background, so that nobody waits when its life is over.
    fn renew(self: &Arc<Self>, question: &Question) {
        let renewing = || self.renewing.lock().unwrap_or_else(PoisonError::into_inner);
        if !renewing().insert(question.clone()) {
            return;
        }
        let (cache, question) = (Arc::clone(self), question.clone());
        tokio::spawn(async move {
            if cache.fetch_anew(&question).await.is_none() {
                sleep(RENEW_AGAIN).await;
            }
            let mut renewing = cache.renewing.lock().unwrap_or_else(PoisonError::into_inner);
            renewing.remove(&question);
        });
    }

    /// `None` if another instance is at it, or a part is away: the kept answer lives a little
    /// longer, and is tried again.
    async fn fetch_anew(self: &Arc<Self>, question: &Question) -> Option<()> {
        let known = self.known();
        let fetched = match self.look(question, &known) {
            Some(look) => look.fetch_anew().await?,
            None => self.fetch_alone(question).await.ok()?,
        };
        count(&self.counters.early_refreshes);
        let slot = self.slot(fetched);
        let now = self.now();
        let is_due = |old: &Slot| old.answer_that_counts(&known).is_none() || old.ends_soon(now);
        let anew = std::future::ready(slot);
        self.slots.entry_by_ref(question).or_insert_with_if(anew, is_due).await;
        Some(())
    }
}

pub(super) fn versions_of(tags: &Tags) -> Versions {
    tags.iter().map(|tag| (tag.row, tag.version)).collect()
}
