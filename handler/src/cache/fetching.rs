//! Fetching an answer that is not kept here: from what the instances share, or by a load. In a
//! process one fetches and the others join it; among instances a lease sees to the same.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::time::sleep;
use tracing::Instrument as _;
use uuid::Uuid;

use super::answer::Answer;
use super::asking::{DEADLINE, wall_clock};
use super::counters::count;
use super::glancing::First;
use super::guard::Caller;
use super::page::{self, Decoded};
use super::shared::{Kept, LEASE, Lease, Page, Place, Shared, SharedError, Stamp, Turn};
use super::slots::{Slot, life, renewal};
use super::versions::{Known, Row, Tag, Tags, Versions};
use super::{Cache, Outcome, Reply};
use crate::question::Question;
use crate::store::StoreError;

/// How much longer than a lease lasts somebody waits for one, by the own clock.
const PATIENCE: Duration = Duration::from_millis(200);
/// Between two looks whether another instance's load has come: five milliseconds to 25.
const LOOK_MS: std::ops::RangeInclusive<u64> = 5..=25;
/// Bodies above it are compressed away from the threads that serve.
const INLINE_MAX: usize = 64 * 1_024;
/// How long others are told that something is not there.
const ABSENT: Duration = Duration::from_secs(10);
/// Before an answer whose renewal did not come off is tried again.
const RENEW_AGAIN: Duration = Duration::from_secs(1);

/// An answer that was fetched.
struct Fetched {
    answer: Arc<Answer>,
    /// How long ago it was known to be right.
    age: Duration,
    /// How long it is kept.
    left: Duration,
    /// Whether another instance had left it.
    is_shared: bool,
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
        let (first, glance) = match self.glance(question, known).await {
            Some((_, Glance::Page(fetched))) => return Ok(self.keep(question, fetched).await),
            glanced => glanced.unzip(),
        };
        let (cache, question, known) = (Arc::clone(self), question.clone(), known.clone());
        // In a box: it is large, and would be moved several times.
        let filling = Box::pin(async move {
            let _held = (turn, first);
            cache.fetch_or_join(&question, &known, kept, glance).await
        });
        // To its end, whoever hangs up: a load that ended with its caller would be begun anew
        // by the next one, while the store is still busy with the first.
        let filled = tokio::spawn(filling.in_current_span()).await;
        filled.map_err(|e| Arc::new(StoreError::Corrupt(e.into())))?
    }

    /// A glance at what was left for this question, by the first one who asks it: most find it,
    /// and are spared what others need who wait with them. `None` for the others, and where
    /// there is nothing to look for or in.
    async fn glance(
        self: &Arc<Self>,
        question: &Question,
        known: &Known,
    ) -> Option<(First, Glance)> {
        let look = self.look(question, known)?;
        let first = self.glancing.begin(&look.place)?;
        Some((first, look.glance().await))
    }

    /// Keeps an answer that another instance had left, and gives it.
    async fn keep(&self, question: &Question, fetched: Fetched) -> Reply {
        let answer = Arc::clone(&fetched.answer);
        let slot = self.slot(fetched);
        let known = self.known();
        let other = self.slots.get(question).await;
        // A newer one may have been put there meanwhile.
        if other.is_none_or(|other| other.answer_that_counts(&known).is_none()) {
            self.slots.insert(question.clone(), slot).await;
        }
        self.count_fetched(question, true);
        Reply { answer, outcome: Outcome::Hit }
    }

    fn count_fetched(&self, question: &Question, is_shared: bool) {
        if question.is_shared() {
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
        let fetch = Box::pin(async {
            match self.fetch(question, known, glance).await {
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
        let is_older = |slot: &Slot| slot.answer_that_counts(known).is_none();
        let entry = self.slots.entry_by_ref(question).or_insert_with_if(fetch, is_older).await;
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

    async fn fetch_alone(self: &Arc<Self>, question: &Question) -> Result<Fetched, StoreError> {
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

    /// Gives up an answer whose body proved to be none, here and for the others.
    pub async fn give_up(self: &Arc<Self>, question: &Question) {
        count(&self.counters.shared_unreadable);
        tracing::warn!("a page of the shared cache cannot be unpacked, and is loaded anew");
        self.slots.invalidate(question).await;
        if let Some(look) = self.look(question, &self.known()) {
            look.remove().await;
        }
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

fn versions_of(tags: &Tags) -> Versions {
    tags.iter().map(|tag| (tag.row, tag.version)).collect()
}

/// Whether an answer to this question can depend on this row. What is not there depends on all
/// that could come.
fn may_depend_on(question: &Question, answer: &Answer, row: Row) -> bool {
    match question.row() {
        _ if !answer.is_found() && row == Row::CATALOGUE => true,
        Some(its) => its == row,
        None => answer.is_found() && row.0 > 0,
    }
}

/// What a page is good for.
enum Taken {
    /// It can be given.
    Counts(Fetched),
    /// It is older than what was known on arrival.
    Older(Stamp),
    /// It is damaged, or of another question.
    NoPage,
}

/// What a glance at the place of an answer has shown.
enum Glance {
    /// One that can be given.
    Page(Fetched),
    /// None, or one that is older than what was known on arrival.
    Nothing(Option<Stamp>),
    /// The shared part cannot be asked.
    Away,
}

/// A look for an answer in what the instances share.
struct Look<'a> {
    cache: &'a Arc<Cache>,
    shared: Arc<dyn Shared>,
    place: Place,
    /// The path of the question.
    path: String,
    question: &'a Question,
    /// What was known on arrival.
    known: &'a Known,
}

impl Look<'_> {
    /// What was left there.
    async fn glance(&self) -> Glance {
        match self.cache.ask_shared_to(Caller::Waiting, self.shared.get(&self.place)).await {
            Ok(None) => Glance::Nothing(None),
            Ok(Some(kept)) => match self.take(&kept) {
                Taken::Counts(fetched) => Glance::Page(fetched),
                Taken::Older(stamp) => Glance::Nothing(Some(stamp)),
                Taken::NoPage => {
                    self.remove().await;
                    Glance::Nothing(None)
                }
            },
            Err(SharedError::Nonsense(_)) => {
                self.remove().await;
                Glance::Nothing(None)
            }
            Err(SharedError::Away(_)) => Glance::Away,
        }
    }

    /// The answer that was left, or that another instance is loading, or that we load.
    async fn fetch(&self, glance: Glance) -> Result<Fetched, StoreError> {
        let mut seen = match glance {
            Glance::Page(fetched) => return Ok(fetched),
            Glance::Nothing(seen) => seen,
            // One load an instance.
            Glance::Away => return self.alone().await,
        };
        let lease = lease(self.lease_name());
        let mut waits_until = None;
        loop {
            let counters = &self.cache.counters;
            let is_waiting = waits_until.is_some();
            let asked = self.shared.get_or_lease(&self.place, seen.as_ref(), &lease);
            let Ok(turn) = self.cache.ask_shared_to(Caller::Waiting, asked).await else {
                if is_waiting {
                    count(&counters.lease_waits_cut);
                }
                // It may have been granted, and only the answer was lost.
                self.end(lease, None);
                return self.alone().await;
            };
            match turn {
                Turn::Granted => {
                    if is_waiting {
                        count(&counters.lease_waits_taken);
                    }
                    return self.load_under(lease).await;
                }
                Turn::Page(kept) => match self.take(&kept) {
                    Taken::Counts(fetched) => {
                        if is_waiting {
                            count(&counters.lease_waits_filled);
                        }
                        return Ok(fetched);
                    }
                    Taken::Older(stamp) => seen = Some(stamp),
                    // Removed before; somebody else has put it there.
                    Taken::NoPage => return self.alone().await,
                },
                Turn::Held => {
                    let now = self.cache.now();
                    let until = *waits_until.get_or_insert_with(|| {
                        count(&counters.lease_waits);
                        now + LEASE + PATIENCE
                    });
                    if now >= until {
                        count(&counters.lease_waits_given_up);
                        return self.alone().await;
                    }
                    sleep(Duration::from_millis(fastrand::u64(LOOK_MS))).await;
                }
            }
        }
    }

    /// An answer that lives longer than the one we have: one that was left, or that we load
    /// unless another instance does.
    async fn fetch_anew(&self) -> Option<Fetched> {
        let got = self.cache.ask_shared_to(Caller::Waiting, self.shared.get(&self.place)).await;
        let mut seen = None;
        if let Some(kept) = got.ok()? {
            match self.take(&kept) {
                Taken::Counts(Fetched { left, age, .. }) if left <= renewal(left + age) => {
                    seen = Stamp::read(&kept.bytes);
                }
                Taken::Counts(fetched) => return Some(fetched),
                Taken::Older(stamp) => seen = Some(stamp),
                Taken::NoPage => self.remove().await,
            }
        }
        let lease = lease("renewal".to_owned());
        let asked = self.shared.get_or_lease(&self.place, seen.as_ref(), &lease);
        match self.cache.ask_shared_to(Caller::Waiting, asked).await.ok()? {
            Turn::Granted => self.load_under(lease).await.ok(),
            Turn::Page(kept) => match self.take(&kept) {
                Taken::Counts(fetched) => Some(fetched),
                Taken::Older(_) | Taken::NoPage => None,
            },
            Turn::Held => None,
        }
    }

    /// What lies there is no page, and would keep every page away.
    async fn remove(&self) {
        let removed = self.shared.remove(&self.place);
        if let Err(e) = self.cache.ask_shared_to(Caller::Waiting, removed).await {
            tracing::debug!("what is no page stays: {e}");
        }
    }

    async fn alone(&self) -> Result<Fetched, StoreError> {
        self.cache.fetch_alone(self.question).await
    }

    /// Loads, leaves the answer for the others and gives the lease back.
    async fn load_under(&self, lease: Lease) -> Result<Fetched, StoreError> {
        let loaded = self.alone().await;
        let fill = loaded.as_ref().ok().map(|fetched| {
            // There is no end of what is not there.
            let is_found = fetched.answer.is_found();
            let life = if is_found { fetched.left } else { fetched.left.min(ABSENT) };
            (Arc::clone(&fetched.answer), life)
        });
        self.end(lease, fill);
        loaded
    }

    /// Leaves an answer for the others, if there is one, and gives the lease back. Nobody waits
    /// for it.
    fn end(&self, lease: Lease, fill: Option<(Arc<Answer>, Duration)>) {
        let (cache, shared) = (Arc::clone(self.cache), Arc::clone(&self.shared));
        let (place, path) = (self.place.clone(), self.path.clone());
        let ending = cache.ending.clone();
        ending.spawn(async move {
            let page = match fill {
                Some((answer, life)) => encode(answer, path, life).await.map(|page| (page, life)),
                None => None,
            };
            let done = if let Some((page, life)) = page {
                let filled = shared.fill(&place, &page, life, Some(&lease));
                cache.ask_shared_to(Caller::Waiting, filled).await
            } else {
                let given = shared.give_back(&place, &lease);
                cache.ask_shared_to(Caller::Waiting, given).await
            };
            if let Err(e) = done {
                tracing::debug!("an answer is not shared: {e}");
            }
        });
    }

    /// The answer of a page if it counts by what was known on arrival. A newer one than anybody
    /// has told us of raises what is known.
    fn take(&self, kept: &Kept) -> Taken {
        let Some(Decoded { answer, life, .. }) = self.read(kept) else { return Taken::NoPage };
        if self.cache.known().is_behind(&answer.tags) {
            self.cache.raise_known(&versions_of(&answer.tags));
        }
        if !self.known.counts(&answer.tags) {
            return Stamp::read(&kept.bytes).map_or(Taken::NoPage, Taken::Older);
        }
        let age = life.saturating_sub(kept.left);
        Taken::Counts(Fetched { answer: Arc::new(answer), age, left: kept.left, is_shared: true })
    }

    /// Reads a page that was left by any instance, of any age.
    fn read(&self, kept: &Kept) -> Option<Decoded> {
        let (known, now) = (self.cache.known(), wall_clock());
        let is_right = |decoded: &Decoded| {
            let may_be = |tag: &Tag| {
                may_depend_on(self.question, &decoded.answer, tag.row)
                    && known.is_plausible(*tag, now)
            };
            decoded.path == self.path && decoded.answer.tags.iter().all(may_be)
        };
        let decoded = page::decode(&kept.bytes).filter(is_right);
        if decoded.is_none() {
            count(&self.cache.counters.shared_unreadable);
        }
        decoded
    }

    /// A list is loaded under the version that is known of its row, so that whoever knows a
    /// newer one does not wait for an older load. Of a product nobody knows the row before.
    fn lease_name(&self) -> String {
        match self.question.row() {
            Some(row) => self.known.version(row).to_string(),
            None => "product".to_owned(),
        }
    }
}

/// Asked for by nobody else.
fn lease(under: String) -> Lease {
    Lease { under, token: Uuid::new_v4().simple().to_string() }
}

async fn encode(answer: Arc<Answer>, path: String, life: Duration) -> Option<Page> {
    if answer.bytes() <= INLINE_MAX {
        return page::encode(&answer, &path, life);
    }
    let encoding = tokio::task::spawn_blocking(move || page::encode(&answer, &path, life));
    encoding.await.ok()?
}
