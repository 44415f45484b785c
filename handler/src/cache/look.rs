//! A look for an answer in what the instances share: a page that was left there, the lease to load
//! it, or another instance's load to wait for.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use uuid::Uuid;

use super::Cache;
use super::answer::Answer;
use super::asking::wall_clock;
use super::counters::count;
use super::fetching::{Fetched, versions_of};
use super::guard::Caller;
use super::page::{self, Decoded};
use super::shared::{Kept, LEASE, Lease, Page, Place, Shared, SharedError, Stamp, Turn};
use super::slots::renewal;
use super::versions::{Known, Row, Tag};
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
pub(super) enum Glance {
    /// One that can be given.
    Page(Fetched),
    /// None, or one that is older than what was known on arrival.
    Nothing(Option<Stamp>),
    /// The shared part cannot be asked.
    Away,
}

/// A look for an answer in what the instances share.
pub(super) struct Look<'a> {
    pub(super) cache: &'a Arc<Cache>,
    pub(super) shared: Arc<dyn Shared>,
    pub(super) place: Place,
    /// The path of the question.
    pub(super) path: String,
    pub(super) question: &'a Question,
    /// What was known on arrival.
    pub(super) known: &'a Known,
}

impl Look<'_> {
    /// What was left there.
    pub(super) async fn glance(&self) -> Glance {
        match self.cache.ask_shared_to(Caller::Waiting, self.shared.get(&self.place)).await {
            // A refusal is about what was asked, and not about what lies there.
            Ok(None) | Err(SharedError::Nonsense(_)) => Glance::Nothing(None),
            Ok(Some(kept)) => match self.take(&kept) {
                Taken::Counts(fetched) => Glance::Page(fetched),
                Taken::Older(stamp) => Glance::Nothing(Some(stamp)),
                Taken::NoPage => {
                    self.remove().await;
                    Glance::Nothing(None)
                }
            },
            Err(SharedError::Away(_)) => Glance::Away,
        }
    }

    /// The answer that was left, or that another instance is loading, or that we load.
    pub(super) async fn fetch(&self, glance: Glance) -> Result<Fetched, StoreError> {
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
                    // A glance removes it, unless that was refused; nobody tries twice.
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
    pub(super) async fn fetch_anew(&self) -> Option<Fetched> {
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

    /// Loads, and leaves that for the others in the place of what lies there.
    pub(super) async fn load_anew(&self) -> Result<Fetched, StoreError> {
        self.remove().await;
        self.load_under(lease(self.lease_name())).await
    }

    /// What lies there is no page, and would keep every page away.
    pub(super) async fn remove(&self) {
        let removed = self.shared.remove(&self.place);
        if let Err(e) = self.cache.ask_shared_to(Caller::Waiting, removed).await {
            tracing::debug!("what is no page stays: {e}");
        }
    }

    async fn alone(&self) -> Result<Fetched, StoreError> {
        self.cache.fetch_alone(self.question).await
    }

    /// Loads, leaves the answer for the others and gives the lease back, if it was granted.
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
        // What is told of the life that is left is not hashed, and by a clock of somebody else.
        let left = kept.left.min(life);
        let age = life.saturating_sub(left);
        Taken::Counts(Fetched { answer: Arc::new(answer), age, left, is_shared: true })
    }

    /// Reads a page that was left by any instance, of any age.
    pub(super) fn read(&self, kept: &Kept) -> Option<Decoded> {
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
