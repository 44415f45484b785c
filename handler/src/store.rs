//! Where the rows are: the contract that every database keeps.
//!
//! All SQL of the program lies below this module. A store answers in values of the
//! catalogue and fails in [`StoreError`]s; whoever calls it knows neither tables nor
//! drivers. What each method promises stands at the method and is checked by one suite
//! for all stores, `tests/it/contract_store.rs`.

pub mod import_run;
pub mod late;
pub mod observed;
pub mod product_write;
pub mod sqlite;
pub mod sqlserver;
pub mod users;

use std::sync::Arc;

use async_trait::async_trait;

use crate::cache::versions::{Version, Versions};
use crate::catalog::{Asin, Category, CategoryCount, PageQuery, Position, Product};
pub use import_run::{
    Batch, Cancelled, Checkpoint, Claim, Claimed, Committed, Counts, End, HowStarted, Lease,
    ProductColumns, Reject, Rows, Run, RunId, RunState, Stretch,
};
pub use product_write::{Edit, IdempotencyKey, Once, WriteError, Written};

/// CONTRACT 5: rows that one filtered page may examine, and matches that a search ranks.
pub const EXAMINED_MAX: usize = 20_000;

/// A place for products, categories and import runs.
#[async_trait]
pub trait Store: users::Users {
    /// One page of the list that `query` names, by keyset: a page costs the same however
    /// deep it is, and rows that come or go meanwhile neither repeat nor hide others. With a
    /// filter at most [`EXAMINED_MAX`] rows are examined, so a page may be short and lead on.
    /// `None` if the query's category is not known. The version is that of the category, or
    /// of the catalogue where there is none.
    async fn page(&self, query: &PageQuery) -> Result<Read<Option<Page>>, StoreError>;

    /// The product with this key.
    async fn product(&self, asin: &Asin) -> Result<Option<Product>, StoreError>;

    /// All categories by id.
    async fn categories(&self) -> Result<Read<Vec<Category>>, StoreError>;

    /// The categories that have products, most first, ties by id; costs nothing per product.
    async fn category_counts(&self) -> Result<Read<Vec<CategoryCount>>, StoreError>;

    /// What tells this database from every other one: drawn at random when its schema was
    /// made, and never changed. Asked of a login that may only read rows, too.
    async fn id(&self) -> Result<String, StoreError>;

    /// The whole version table. Cheap to ask for while nothing is written.
    async fn versions(&self) -> Result<Arc<Versions>, StoreError>;

    /// Whether the versions can be asked for at no cost, as often as anybody likes.
    fn tells_versions_cheaply(&self) -> bool;

    /// Raises the rows of the version table above what they are, and above these: the
    /// database was restored to an earlier state, and answers are kept under later versions.
    /// Gives the whole table.
    async fn raise_versions(&self, above: &Versions) -> Result<Arc<Versions>, StoreError>;

    /// Adds a product that is not there yet, in one transaction with all that follows from it:
    /// the versions and counter of its category, the search index. With `once` it is done
    /// once a day: asked again it does nothing, and answers as it did. Twins that come at once
    /// come one after the other.
    async fn create_product(
        &self,
        product: &Product,
        once: Option<&Once>,
    ) -> Result<Written, WriteError>;

    /// Makes of the product with this key what `edit` says, in one transaction with all that
    /// follows from it. A product that moves touches both of its categories; one that stays as
    /// it is touches nothing. A category must be there, see [`WriteError::UnknownCategory`].
    async fn edit_product(&self, asin: &Asin, edit: Edit) -> Result<Written, WriteError>;

    /// Starts the run of a source's state, takes up an unfinished one, or tells why there
    /// is nothing to do. A new state of the same source supersedes an unfinished run; an older
    /// one than a run has, where both say when they were written, is not begun with.
    async fn claim_run(&self, claim: &Claim) -> Result<Claimed, StoreError>;

    /// Whether it costs while it is asked, and rests when nobody does.
    fn pauses_when_idle(&self) -> bool;

    /// Batches are to come: what takes a while before the first one may be begun with. A hint,
    /// given once when a run is about to be claimed and once when its first batch is about to
    /// be read.
    fn expect_batches(&self);

    /// How many batches may be held at a time: the one that is applied, and those that are made
    /// or sent meanwhile, so at least two.
    fn batches_held(&self) -> usize;

    /// How many rows the next batch should have. More rows make a load cheaper and hold other
    /// writers up for longer.
    fn batch_rows(&self) -> usize;

    /// Sends a batch that is to be committed next, where that can be done ahead: one beside the
    /// one that is being committed. A hint: whatever comes of it, the batch is committed whole by
    /// [`Self::commit_batch`]. Between that and the commit before it the caller waits for nothing
    /// else of the store: the batch may hold locks.
    async fn send_ahead(&self, lease: &Lease, batch: &Batch);

    /// Applies a batch and moves the run's checkpoint behind it, both or neither.
    /// [`StoreError::RunLost`] if the lease is no longer ours or the checkpoint has moved.
    async fn commit_batch(&self, lease: &Lease, batch: Batch) -> Result<Committed, StoreError>;

    /// Keeps a lease that is ours for another while, for whoever is slow between two batches.
    /// [`StoreError::RunLost`] if it is no longer ours.
    async fn renew_lease(&self, lease: &Lease) -> Result<(), StoreError>;

    /// Moves a run whose last batch is committed on to `indexing` and makes what indexes
    /// are missing.
    async fn finish_loading(&self, lease: &Lease) -> Result<(), StoreError>;

    /// Ends a run, or notes an error that the next try may not meet.
    async fn end_run(&self, lease: &Lease, end: End) -> Result<Run, StoreError>;

    /// Ends an unfinished run as cancelled, whoever holds it; `None` if there is no such run.
    async fn cancel_run(&self, id: RunId) -> Result<Option<Cancelled>, StoreError>;

    /// A run by its number.
    async fn run(&self, id: RunId) -> Result<Option<Run>, StoreError>;

    /// At most `limit` runs that were begun before this one, newest first.
    async fn runs(&self, before: Option<RunId>, limit: usize) -> Result<Vec<Run>, StoreError>;

    /// The unfinished runs whose lease has lapsed, oldest first.
    async fn abandoned_runs(&self) -> Result<Vec<Run>, StoreError>;

    /// At most `limit` rejects of a run behind the one at `after_byte`, in file order.
    async fn rejects(
        &self,
        id: RunId,
        after_byte: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Reject>, StoreError>;

    /// Removes rejects of runs that ended 30 days ago or earlier, and what is kept of effects
    /// that are to be had once after a day; tells how many rows.
    async fn prune(&self) -> Result<u64, StoreError>;

    /// Mends what an interrupted load has left undone, unless a load goes on.
    async fn repair(&self) -> Result<(), StoreError>;

    /// What kind of database it is, as OpenTelemetry calls it.
    fn system(&self) -> &'static str;

    /// Its connections; `None` where it has no pool.
    fn pool(&self) -> Option<PoolUse>;

    /// Whether nothing was ever imported into this store.
    async fn is_unused(&self) -> Result<bool, StoreError>;
}

/// Connections of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolUse {
    /// Those there are.
    pub open: u32,
    /// Of those: nobody uses them.
    pub idle: u32,
    /// As many as there may be.
    pub max: u32,
}

/// Rows, and the version under which they count: read before them or in the same moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read<T> {
    /// What was read.
    pub value: T,
    /// The version of the row of the version table that the value depends on.
    pub version: Version,
}

/// A page of products.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The products, in the query's order.
    pub products: Vec<Product>,
    /// Behind which the next page begins; `None` if this was the last.
    pub next: Option<Position>,
    /// How many products the whole list has, read in the same moment; only lists without
    /// a filter are counted.
    pub total: Option<u64>,
    /// Of a search: how far the index had come.
    pub search: Option<SearchState>,
}

/// How far the search index has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchState {
    /// The version of the index, read before the results.
    pub version: Version,
    /// About how many products are indexed as they are now: all of them only if it is so.
    pub indexed: u64,
    /// How many products there are.
    pub total: u64,
}

/// Why a store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// May work later: it is locked, away, or too slow.
    #[error("the database cannot be reached")]
    Unreachable(#[source] BoxError),
    /// It is there, and too much is asked of it in this moment.
    #[error("the database is busy")]
    Busy,
    /// No room is left; works again once there is.
    #[error("the disk is full")]
    Full(#[source] BoxError),
    /// Will not work later either: damage, or a fault of ours.
    #[error("the database gave an answer that makes no sense")]
    Corrupt(#[source] BoxError),
    /// The data folder cannot be used.
    #[error("the data folder cannot be used: {0}")]
    Folder(String),
    /// The schema serves only handlers newer than this one.
    #[error(
        "the database needs a newer handler: its schema is {schema}, this handler knows {known}"
    )]
    SchemaTooNew {
        /// The database's schema.
        schema: i64,
        /// The newest schema that this handler knows.
        known: i64,
    },
    /// The schema lacks steps, and this handler may not apply them.
    #[error(
        "the database needs schema {needed}: run `handler migrate` with a login that may; if that \
         was done, this login lacks a right: grant it SELECT, INSERT, UPDATE, DELETE and EXECUTE \
         on the schema amazon"
    )]
    SchemaTooOld {
        /// The schema that this handler works with.
        needed: i64,
    },
    /// This database cannot search.
    #[error("the database has no full-text search")]
    NoSearch,
    /// The import run is no longer ours: cancelled, superseded, or taken over.
    #[error("the import run was taken over or ended elsewhere")]
    RunLost,
}

/// A cause from below, for the logs.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl StoreError {
    /// Whether the same call may work later, with nothing else done about it.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Full(_) | Self::Busy)
    }

    /// The error and what lies under it in one line, for people at the command line and in logs.
    pub fn with_cause(&self) -> String {
        match std::error::Error::source(self) {
            Some(cause) => format!("{self}: {cause}"),
            None => self.to_string(),
        }
    }

    /// Whether the store cannot be reached, so that older answers are better than none.
    pub fn is_away(&self) -> bool {
        self.may_pass() && !matches!(self, Self::Busy)
    }
}
