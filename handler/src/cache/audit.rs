//! Kept answers against the truth: whether any is older than is promised.
//!
//! An answer that carries the version which the store has must be what the store answers. One
//! that carries an older version may lie about, since nobody gives it: every instance knows the
//! newer version by what is published, or by asking the store in time. It is one too many only
//! if the newer version stays unpublished beyond the bound while an instance serves.

use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::{Instant, sleep};

use super::answer::Answer;
use super::asking::DEADLINE;
use super::counters::count;
use super::encoding::Encoding;
use super::entity_tag::EntityTag;
use super::page::{self, Decoded};
use super::shared::{Kept, Shared, SharedError};
use super::versions::{Gate, Known, Row, Tag, Version, Versions};
use super::{Cache, Origin};
use crate::question::Question;
use crate::store::StoreError;

/// CONTRACT 6.1: after a crash, a flush, a failover.
pub const BOUND: Duration = Duration::from_secs(5);
/// How often a page that is written to meanwhile is compared anew.
const TRIES: u32 = 3;
/// Questions that are remembered for the audit.
const SAMPLE: usize = 64;
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// What was found out about a kept answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is what the store answers.
    Right,
    /// It is older, and nobody gives it any more.
    Hidden,
    /// It was written to again and again, or its row was: nothing can be said.
    InFlux,
    /// It is older than is promised, or says something else.
    Stale(History),
}

/// What is known of an answer that is older than is promised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// By which path the question is asked.
    pub path: String,
    /// The row that the answer depends on.
    pub row: Row,
    /// The version that it carries.
    pub carried: Version,
    /// The version of the row in the store.
    pub stored: Version,
    /// The version that is published, or that this instance goes by; `None` if none is.
    pub published: Option<Version>,
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, row: Row(row), carried, stored, published } = self;
        write!(f, "{path}: row {row}, carries {carried}, stored {stored}, published ")?;
        match published {
            Some(published) => write!(f, "{published}"),
            None => write!(f, "none"),
        }
    }
}

/// Why nothing could be compared.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The store could not be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is shared could not be asked.
    #[error(transparent)]
    Shared(#[from] SharedError),
}

/// Compares what the instances share with the store.
pub struct Auditor {
    origin: Arc<dyn Origin>,
    shared: Arc<dyn Shared>,
}

impl Auditor {
    /// An auditor of these two.
    pub fn new(origin: Arc<dyn Origin>, shared: Arc<dyn Shared>) -> Self {
        Self { origin, shared }
    }

    /// What is to be said of a page. `None` if it is no page of this format.
    pub async fn check(&self, kept: &Kept) -> Result<Option<Verdict>, AuditError> {
        let Some(Decoded { answer, path, .. }) = page::decode(&kept.bytes) else {
            return Ok(None);
        };
        let Some(question) = Question::at_path(&path) else { return Ok(None) };
        for _ in 0..TRIES {
            let stored = self.origin.versions().await?;
            let Some(tag) = outdated(&answer, &stored) else {
                match compare(&*self.origin, &question, &answer, &stored).await? {
                    Compared::Equal => return Ok(Some(Verdict::Right)),
                    Compared::Other(tag) => {
                        let published = self.shared.versions().await?;
                        return Ok(Some(stale(path, tag, &stored, &published)));
                    }
                    Compared::Written => continue,
                }
            };
            return self.is_hidden(path, tag).await.map(Some);
        }
        Ok(Some(Verdict::InFlux))
    }

    /// Whether everybody learns in time that an outdated page is none any more.
    async fn is_hidden(&self, path: String, tag: Tag) -> Result<Verdict, AuditError> {
        let until = Instant::now() + BOUND;
        loop {
            let published = self.shared.versions().await?;
            let is_known = published.get(&tag.row).is_some_and(|known| *known > tag.version);
            // With nobody there nobody gives it; a start asks the store first.
            if is_known || self.shared.words().await?.is_empty() {
                return Ok(Verdict::Hidden);
            }
            if Instant::now() >= until {
                let stored = self.origin.versions().await?;
                return Ok(stale(path, tag, &stored, &published));
            }
            sleep(LOOK_AGAIN).await;
        }
    }
}

fn stale(path: String, tag: Tag, stored: &Versions, published: &Versions) -> Verdict {
    Verdict::Stale(History {
        path,
        row: tag.row,
        carried: tag.version,
        stored: stored.get(&tag.row).copied().unwrap_or(Version::MIN),
        published: published.get(&tag.row).copied(),
    })
}

/// The row under which an answer is older than the store.
fn outdated(answer: &Answer, stored: &Versions) -> Option<Tag> {
    let is_newer = |tag: &&Tag| stored.get(&tag.row).is_some_and(|here| *here > tag.version);
    answer.tags.iter().find(is_newer).copied()
}

enum Compared {
    Equal,
    Other(Tag),
    /// A row that it depends on was written to meanwhile.
    Written,
}

/// An answer that carries the store's versions against what the store answers.
async fn compare(
    origin: &dyn Origin,
    question: &Question,
    answer: &Answer,
    stored: &Versions,
) -> Result<Compared, StoreError> {
    let mut known = Known::new(Duration::MAX);
    known.raise(stored);
    let truth = origin.load(question, &known).await?;
    // A page says itself in which state its body is.
    let body = answer.body(Encoding::Identity).await.unwrap_or_default();
    let is_equal = truth.is_found() == answer.is_found()
        && truth.state() == answer.state()
        && truth.state() == EntityTag::of(&body)
        && truth.link == answer.link
        && truth.total == answer.total;
    if is_equal {
        return Ok(Compared::Equal);
    }
    let now = origin.versions().await?;
    Ok(match outdated(answer, &now) {
        Some(_) => Compared::Written,
        None => answer.tags.iter().next().copied().map_or(Compared::Equal, Compared::Other),
    })
}

impl Cache {
    /// Compares an answer that this instance would give now with the store. `None` if there is
    /// nothing to compare, or nobody asks.
    pub async fn audit(&self) -> Option<Verdict> {
        if self.is_idle() {
            return None;
        }
        let question = {
            let sample = self.sample.lock().unwrap_or_else(PoisonError::into_inner);
            fastrand::choice(sample.iter()).cloned()?
        };
        self.audit_one(&question).await
    }

    /// Remembers a question for the audit; which one makes room is left to chance.
    pub(super) fn sample(&self, question: &Question) {
        let mut sample = self.sample.lock().unwrap_or_else(PoisonError::into_inner);
        if sample.len() < SAMPLE {
            sample.push(question.clone());
        } else {
            sample[fastrand::usize(..SAMPLE)] = question.clone();
        }
    }

    async fn audit_one(&self, question: &Question) -> Option<Verdict> {
        for _ in 0..TRIES {
            let answer = self.given_now(question)?;
            // Not by a question that would mend what is to be found.
            let stored = self.guarded(DEADLINE, self.origin.versions()).await.ok()?;
            if let Some(tag) = outdated(&answer, &stored) {
                return self.is_given_too_long(question, tag, &stored).await;
            }
            let comparing = compare(&*self.origin, question, &answer, &stored);
            match self.guarded(DEADLINE, comparing).await.ok()? {
                Compared::Equal => {
                    count(&self.counters.audits);
                    return Some(Verdict::Right);
                }
                Compared::Other(tag) => return self.is_stale(question, tag, &stored),
                Compared::Written => {}
            }
        }
        Some(Verdict::InFlux)
    }

    /// What a reader would be given who came now.
    fn given_now(&self, question: &Question) -> Option<Arc<Answer>> {
        let known = self.known();
        if known.gate(self.now()) != Gate::Open {
            return None;
        }
        let kept = self.slots.get(question).now_or_never()??;
        kept.answer_that_counts(&known).cloned()
    }

    /// Whether an answer that is known to be outdated is still given when the bound is over, by
    /// our own clock.
    async fn is_given_too_long(
        &self,
        question: &Question,
        tag: Tag,
        stored: &Versions,
    ) -> Option<Verdict> {
        let until = self.now() + BOUND;
        while self.now() < until {
            sleep(LOOK_AGAIN).await;
            let given = self.given_now(question);
            if given.is_none_or(|answer| outdated(&answer, stored).is_none()) {
                count(&self.counters.audits);
                return Some(Verdict::Hidden);
            }
        }
        self.is_stale(question, tag, stored)
    }

    fn is_stale(&self, question: &Question, tag: Tag, stored: &Versions) -> Option<Verdict> {
        count(&self.counters.audits);
        count(&self.counters.audits_stale);
        let verdict = stale(question.path()?, tag, stored, &self.known().all());
        if let Verdict::Stale(history) = &verdict {
            tracing::error!("a kept answer is older than is promised: {history}");
        }
        Some(verdict)
    }
}
