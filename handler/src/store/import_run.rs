//! What a store keeps of an import: the run, its checkpoint, its batches and rejects.
//!
//! A run belongs to one state of one source. It is carried forward batch by batch;
//! each batch is one transaction, and passes the *fence*: the checkpoint must
//! stand where the batch begins, and the lease must still be ours. Whoever was
//! paused, killed or overtaken can therefore never apply a batch twice.

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

use crate::catalog::{Category, CategoryId, Product};

/// A run's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub i64);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunState {
    /// Batches are being applied.
    Loading,
    /// All rows are in; indexes are being made.
    Indexing,
    /// Everything is done.
    Done,
    /// Stopped by an error; goes on from its checkpoint when started again.
    Failed,
    /// Stopped by an operator.
    Cancelled,
    /// A newer state of the same source came before it was done.
    Superseded,
}

impl RunState {
    /// Every state there is.
    pub const ALL: [Self; 6] = [
        Self::Loading,
        Self::Indexing,
        Self::Done,
        Self::Failed,
        Self::Cancelled,
        Self::Superseded,
    ];

    /// The word that the database and the API use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Indexing => "indexing",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Superseded => "superseded",
        }
    }

    /// The state with this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }

    /// Whether work is left that a lease protects.
    pub fn is_unfinished(self) -> bool {
        matches!(self, Self::Loading | Self::Indexing)
    }
}

/// How a run came to be asked for; decides what may be taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HowStarted {
    /// By a person: takes the lease at once, even from a live owner.
    ByHand,
    /// By a person who wants an ended run done again.
    Again,
    /// By the watched folder, a trigger, or the taking up of abandoned runs:
    /// waits for a live owner's lease to lapse.
    Delivered,
    /// By a person who wants this very run tried again: it goes on if it has failed or was
    /// left behind, and gets the next attempt if it has ended. Once: of two who want it at
    /// once, the second finds the first one's.
    Retried(RunId),
}

impl HowStarted {
    /// Whether a run is left to whoever holds it.
    pub(super) fn respects_owners(self) -> bool {
        matches!(self, Self::Delivered | Self::Retried(_))
    }

    /// Whether a run that has ended, but not as failed, is done again.
    pub(super) fn begins_anew(self) -> bool {
        matches!(self, Self::Again | Self::Retried(_))
    }

    /// Whether a person asks.
    pub(super) fn is_by_hand(self) -> bool {
        self != Self::Delivered
    }

    /// Whether somebody has come before: the newest run is not the one that was meant.
    pub(super) fn comes_second(self, newest: RunId) -> bool {
        matches!(self, Self::Retried(run) if run != newest)
    }

    /// Whether errors of earlier tries are forgotten.
    pub(super) fn forgives(self) -> bool {
        matches!(self, Self::Retried(_))
    }
}

/// The wish to import one state of one source.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The source: a path or a URI.
    pub source: String,
    /// Its state: another text as soon as its content may be another.
    pub etag: String,
    /// When it was written, µs since 1970, where the source's own clock tells it: states of
    /// one source are told apart by it as older and newer.
    pub modified: Option<i64>,
    /// Its size in bytes, as stored (compressed, if it is).
    pub size: u64,
    /// More refused rows than this end the run as failed. Asked for by hand it counts for
    /// the run's whole life, whoever goes on with it.
    pub rejects_max: Option<u64>,
    /// Who asks.
    pub how: HowStarted,
}

/// The answer to a [`Claim`].
#[derive(Debug, Clone)]
pub enum Claimed {
    /// The run is ours.
    Ours(Box<Run>, Lease),
    /// There is nothing to do: this state has been dealt with, or the run that was to be
    /// retried has a later attempt, which this is.
    Ended(Box<Run>),
    /// Somebody else is at it.
    HeldElsewhere(Box<Run>),
    /// It comes late: this run is of a newer state of the source.
    Overtaken(Box<Run>),
}

/// The right to carry a run forward, until somebody else takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The run.
    pub run: RunId,
    /// Drawn at random for this owner alone.
    pub token: Uuid,
}

/// What became of the rows read so far. `read = loaded + replaced + rejected`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Data rows met.
    pub read: u64,
    /// Rows whose values the catalogue has.
    pub loaded: u64,
    /// Rows that a later row of the same file overrode.
    pub replaced: u64,
    /// Rows refused.
    pub rejected: u64,
}

/// Up to where a file has been applied, and what is needed to go on there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checkpoint {
    /// Bytes of the decompressed text; 0 means that nothing was applied.
    pub offset: u64,
    /// The number of the line that begins there, from 1.
    pub line: u64,
    /// The header's columns, comma separated, as they stand in the file.
    pub columns: String,
    /// A digest of the (at most) 4 KiB before the offset, compared when going on.
    pub digest: String,
    /// About how many bytes of the source as it is stored were read up to here: what of a
    /// compressed one is left can be told by nothing else. Nothing is decided by it.
    pub stored: u64,
}

/// What the owner of a run had when it took it, and until when it has got further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stretch {
    /// When it took the run, µs since 1970.
    pub since: i64,
    /// When its last batch was committed, µs since 1970.
    pub until: i64,
    /// Rows that had been read by then.
    pub read: u64,
    /// Bytes of the source as it is stored that had been read by then.
    pub stored: u64,
}

impl Stretch {
    /// Seconds from the taking of the run to its last batch; `None` before the first.
    fn seconds(&self) -> Option<f64> {
        let micros = self.until.checked_sub(self.since).filter(|micros| *micros > 0)?;
        Some(micros as f64 / 1e6)
    }
}

/// A run, as the database has it.
#[derive(Debug, Clone)]
pub struct Run {
    /// Its number.
    pub id: RunId,
    /// Its source.
    pub source: String,
    /// The source's state.
    pub etag: String,
    /// From 1; an ended run that is asked for again gets the next.
    pub attempt: u32,
    /// Where it stands.
    pub state: RunState,
    /// The source's size in bytes.
    pub size: u64,
    /// Up to where it was applied.
    pub checkpoint: Checkpoint,
    /// What became of the rows.
    pub counts: Counts,
    /// More refused rows than this end it as failed.
    pub rejects_max: Option<u64>,
    /// Categories that its products made.
    pub categories_made: u32,
    /// Errors since the last batch that went through.
    pub errors: u32,
    /// Why it failed.
    pub error: Option<String>,
    /// When it was first asked for, µs since 1970.
    pub created_at: i64,
    /// When it ended, µs since 1970.
    pub ended_at: Option<i64>,
    /// What its owner, the last one if it has none, has got done.
    pub stretch: Stretch,
}

impl Run {
    /// Rows a second that its owner has read, up to the last batch; `None` before the first.
    /// What former owners did, and the time between them, does not count.
    pub fn rate(&self) -> Option<f64> {
        let rows = self.counts.read.saturating_sub(self.stretch.read);
        Some(rows as f64 / self.stretch.seconds()?)
    }

    /// Seconds that the loading would go on from the last batch, if it went on as it went so
    /// far; `None` while nobody knows or nothing is loaded.
    pub fn seconds_left(&self) -> Option<f64> {
        // A run with an error rests.
        if self.state != RunState::Loading || self.error.is_some() {
            return None;
        }
        let read = self.checkpoint.stored.saturating_sub(self.stretch.stored);
        let left = self.size.saturating_sub(self.checkpoint.stored);
        let seconds = self.stretch.seconds().filter(|_| read > 0)?;
        Some(left as f64 * seconds / read as f64)
    }
}

/// What became of the wish to cancel a run.
#[derive(Debug, Clone)]
pub enum Cancelled {
    /// It is cancelled: its owner stops at its next batch, none of which is applied.
    Now(Box<Run>),
    /// It had ended before, and stays as it is.
    EndedBefore(Box<Run>),
}

/// The rows of a batch, all of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rows {
    /// Products, each asin at most once.
    Products {
        /// The rows. Shared, so that a batch can be on its way while it waits for its turn.
        rows: Arc<Vec<Product>>,
        /// Which optional columns the file has.
        columns: ProductColumns,
        /// The categories of all rows read, those that were replaced within the batch
        /// included: what is made must not depend on where a batch ends.
        categories: Vec<CategoryId>,
    },
    /// Categories, each id at most once.
    Categories(Vec<Category>),
}

/// Which optional columns a products file has; a stored value of the others is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "one for each column, named as the column")]
pub struct ProductColumns {
    /// `imgUrl`
    pub img_url: bool,
    /// `productURL`
    pub product_url: bool,
    /// `stars`
    pub stars: bool,
    /// `reviews`
    pub reviews: bool,
    /// `price`
    pub price: bool,
    /// `listPrice`
    pub list_price: bool,
    /// `isBestSeller`
    pub is_best_seller: bool,
    /// `boughtInLastMonth`
    pub bought_in_last_month: bool,
}

/// A stretch of the file, checked and ready to be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Where the stretch begins: the run's checkpoint must stand here.
    pub start: u64,
    /// Where the run stands once the batch is applied.
    pub end: Checkpoint,
    /// Data rows met in the stretch, rejects and replaced ones included.
    pub read: u64,
    /// Rows that a later row of the same batch overrode.
    pub replaced: u64,
    /// The rows to apply.
    pub rows: Rows,
    /// The rows refused.
    pub rejects: Vec<Reject>,
}

/// What a commit made of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The run's counts with the batch included.
    pub counts: Counts,
}

/// A row that was refused, and why.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Reject {
    /// The number of its first line in the decompressed text, from 1.
    pub line: u64,
    /// The offset of its first byte in the decompressed text, from 0.
    pub byte: u64,
    /// The column at fault; `None` if the record as a whole is.
    pub column: Option<String>,
    /// What is wrong.
    pub reason: String,
    /// The record as it stands in the file, without its line end; what is no UTF-8 is
    /// shown as U+FFFD, and more than 64 KiB is cut.
    pub record: String,
}

/// How a run ends, or pauses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// All of it is in the catalogue.
    Done,
    /// It will not work without something being changed.
    Failed(String),
    /// The source has become another one meanwhile, which gets a run of its own.
    Superseded(String),
    /// It may work later: the run stays as it is and is taken up again, until this has
    /// happened five times with no batch going through.
    Paused(String),
}

/// Errors in a row, with no batch between them, after which a run counts as failed.
pub const ERRORS_MAX: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    /// Half a file of 1,000 bytes: the last 400 of them, 80 rows, in two seconds by its owner.
    fn half_done() -> Run {
        Run {
            id: RunId(1),
            source: "a".to_owned(),
            etag: "1".to_owned(),
            attempt: 1,
            state: RunState::Loading,
            size: 1_000,
            checkpoint: Checkpoint { stored: 500, ..Checkpoint::default() },
            counts: Counts { read: 100, ..Counts::default() },
            rejects_max: None,
            categories_made: 0,
            errors: 0,
            error: None,
            created_at: 1,
            ended_at: None,
            stretch: Stretch { since: 7_000_000, until: 9_000_000, read: 20, stored: 100 },
        }
    }

    #[test]
    fn the_rate_is_that_of_the_last_owner_and_what_is_left_follows_from_it() {
        let run = half_done();
        assert_eq!((run.rate(), run.seconds_left()), (Some(40.0), Some(2.5)));
        let resting = Run { error: Some("the disk is full".to_owned()), ..run.clone() };
        assert_eq!((resting.rate(), resting.seconds_left()), (Some(40.0), None));
        let done = Run { state: RunState::Done, ..run };
        assert_eq!((done.rate(), done.seconds_left()), (Some(40.0), None));
    }

    #[test]
    fn nothing_is_known_before_the_first_batch() {
        let mut taken = half_done();
        taken.stretch.until = taken.stretch.since;
        assert_eq!((taken.rate(), taken.seconds_left()), (None, None));
        let mut unread = half_done();
        unread.stretch.stored = unread.checkpoint.stored;
        assert_eq!(unread.seconds_left(), None);
        // More than there is: the source has grown, and the run will say so.
        let mut beyond = half_done();
        beyond.checkpoint.stored = 2_000;
        assert_eq!(beyond.seconds_left(), Some(0.0));
    }
}
