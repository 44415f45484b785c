//! The embedded store: one SQLite file in the data folder.
//!
//! One thread writes, a few connections read, and WAL lets them do so at once, also
//! from several processes. Every write is one `BEGIN IMMEDIATE` transaction: a deferred
//! one that reads first fails with `SQLITE_BUSY` whatever the timeout.

mod connections;
mod deferral;
mod faults;
pub mod folder;
mod idempotency;
mod indexes;
mod lists;
mod load;
mod marks;
mod probe;
mod product_rows;
mod runs;
mod sample;
mod schema;
mod search;
mod users;
mod versions;
mod writes;

use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};

use super::{
    Batch, Cancelled, Claim, Claimed, Committed, Edit, End, Lease, Once, Page, PoolUse, Read,
    Reject, Run, RunId, Store, StoreError, WriteError, Written,
};
use crate::cache::versions::Versions;
use crate::catalog::{Asin, Category, CategoryCount, PageQuery, Product};
use crate::clock::Clock;
use connections::{Readers, Writer};
use folder::DataFolder;
use probe::Probe;

pub use connections::{CACHE_KIB_LOADING, PAGE_BYTES};
pub use lists::hot_statements;
pub use schema::SCHEMA;

/// The SQLite store of one data folder.
pub struct SqliteStore {
    folder: DataFolder,
    clock: Clock,
    // Before the writer: a WAL file is folded into the database by the last connection that
    // closes, and only the writer's may write.
    readers: Readers,
    probe: Probe,
    writer: Writer,
}

/// Larger batches write each page of an index fewer times: the whole data set beside a server
/// wrote 22 GB in 119 s in batches of 10,000 rows, 9 GB in 93 s in these. Beyond it a batch
/// would hold other writers up for more than two seconds.
const BATCH_ROWS: usize = 32_000;

/// What the process that opens the store is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Answers requests: small caches, an import beside them.
    Serving,
    /// Imports or repairs, and ends: a large cache for the writer.
    Loading,
}

impl SqliteStore {
    /// Opens the folder's database, making and migrating it as needed.
    pub fn open(folder: &DataFolder, purpose: Purpose, clock: Clock) -> Result<Self, StoreError> {
        let path = folder.database();
        let mut connection = connections::open_for_writing(&path, purpose)?;
        schema::migrate(&mut connection, &clock)?;
        if purpose == Purpose::Serving {
            let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            deferral::settle(&tx, clock.now_micros())?;
            tx.commit()?;
        }
        Ok(Self {
            folder: folder.clone(),
            clock,
            readers: Readers::new(&path),
            probe: Probe::new(&path),
            writer: Writer::start(connection)?,
        })
    }

    /// Makes the indexes that an interrupted load has put off, unless a load that still
    /// goes on means to make them itself.
    async fn repair_indexes(&self) -> Result<(), StoreError> {
        let clock = self.clock.clone();
        let loading = self.read(move |db| runs::is_loading(db, clock.now_micros())).await?;
        if loading { Ok(()) } else { self.make_indexes().await }
    }

    /// Gives back the memory that writing has taken.
    pub async fn shrink(&self) -> Result<(), StoreError> {
        self.writer.shrink().await
    }

    /// Brings the search index a step nearer to the products; tells whether another step is
    /// due. Rests while a load goes on, so that no import ever waits for it.
    pub async fn index_search(&self) -> Result<bool, StoreError> {
        let now = self.clock.now_micros();
        let is_due = move |db: &Connection| Ok(search::lags(db)? && !runs::is_loading(db, now)?);
        if !self.read(is_due).await? {
            return Ok(false);
        }
        self.write(move |tx| search::index_some(tx, now)).await
    }

    /// The settings of the writing connection on which durability and speed depend, for a
    /// test and a benchmark that compare them.
    pub async fn pragmas(&self) -> Result<Vec<(&'static str, String)>, StoreError> {
        self.write(|tx| {
            ["page_size", "cache_size", "journal_mode", "synchronous"]
                .into_iter()
                .map(|name| {
                    let value = tx.pragma_query_value(None, name, |row| {
                        row.get_ref(0).map(|value| match value {
                            rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                            text => text.as_str().unwrap_or_default().to_owned(),
                        })
                    })?;
                    Ok((name, value))
                })
                .collect()
        })
        .await
    }

    async fn make_indexes(&self) -> Result<(), StoreError> {
        let now = self.clock.now_micros();
        self.write(move |tx| deferral::settle(tx, now)).await?;
        while let Some(index) = self.read(indexes::first_missing).await? {
            tracing::info!(index = index.name, "making an index");
            self.write(move |tx| indexes::make(tx, index)).await?;
        }
        Ok(())
    }

    /// A load may put indexes off only while nobody is served from the folder.
    async fn make_indexes_if_served(&self) -> Result<(), StoreError> {
        if self.read(indexes::first_missing).await?.is_some() && self.folder.is_served()? {
            tracing::info!("a server has come: the indexes are made before the load goes on");
            self.make_indexes().await?;
        }
        Ok(())
    }

    /// Runs `work` in a write transaction of its own on the writing thread. It runs to its
    /// end even if the caller goes away.
    async fn write<T: Send + 'static, E: From<StoreError> + Send + 'static>(
        &self,
        work: impl FnOnce(&rusqlite::Transaction<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        self.writer.run(work).await
    }

    /// Runs `work` in one snapshot on a reading connection.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.readers.run(work).await
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn page(&self, query: &PageQuery) -> Result<Read<Option<Page>>, StoreError> {
        let query = query.clone();
        if query.is_plain() {
            return self.read(move |db| lists::page(db, &query)).await;
        }
        let page = move |db: &Connection| match &query.words {
            Some(words) => search::page(db, &query, words),
            None => lists::page(db, &query),
        };
        self.readers.run_long(page).await
    }

    async fn product(&self, asin: &Asin) -> Result<Option<Product>, StoreError> {
        let asin = *asin;
        self.read(move |db| product_rows::find(db, &asin)).await
    }

    async fn categories(&self) -> Result<Read<Vec<Category>>, StoreError> {
        self.read(|db| {
            Ok(Read { version: versions::of_catalogue(db)?, value: lists::categories(db)? })
        })
        .await
    }

    async fn category_counts(&self) -> Result<Read<Vec<CategoryCount>>, StoreError> {
        self.read(|db| {
            Ok(Read { version: versions::of_catalogue(db)?, value: lists::category_counts(db)? })
        })
        .await
    }

    async fn id(&self) -> Result<String, StoreError> {
        self.read(schema::id).await
    }

    async fn versions(&self) -> Result<Arc<Versions>, StoreError> {
        self.probe.ask().await
    }

    /// By a number that the file's pages in memory have.
    fn tells_versions_cheaply(&self) -> bool {
        true
    }

    async fn raise_versions(&self, above: &Versions) -> Result<Arc<Versions>, StoreError> {
        let (above, now) = (above.clone(), self.clock.now_micros());
        self.write(move |tx| {
            versions::raise_above(tx, &above, now)?;
            Ok(Arc::new(versions::all(tx)?))
        })
        .await
    }

    async fn create_product(
        &self,
        product: &Product,
        once: Option<&Once>,
    ) -> Result<Written, WriteError> {
        let (product, once, now) = (product.clone(), once.cloned(), self.clock.now_micros());
        self.write(move |tx| writes::create(tx, &product, once.as_ref(), now)).await
    }

    async fn edit_product(&self, asin: &Asin, edit: Edit) -> Result<Written, WriteError> {
        let (asin, now) = (*asin, self.clock.now_micros());
        self.write(move |tx| writes::edit(tx, &asin, &edit, now)).await
    }

    async fn claim_run(&self, claim: &Claim) -> Result<Claimed, StoreError> {
        let (claim, now) = (claim.clone(), self.clock.now_micros());
        self.write(move |tx| runs::claim(tx, &claim, now)).await
    }

    fn pauses_when_idle(&self) -> bool {
        false
    }

    /// Nothing takes a while before the first one.
    fn expect_batches(&self) {}

    fn batches_held(&self) -> usize {
        2
    }

    fn batch_rows(&self) -> usize {
        BATCH_ROWS
    }

    /// A file has one writer.
    async fn send_ahead(&self, _lease: &Lease, _batch: &Batch) {}

    async fn commit_batch(&self, lease: &Lease, batch: Batch) -> Result<Committed, StoreError> {
        self.make_indexes_if_served().await?;
        let (lease, folder, now) = (*lease, self.folder.clone(), self.clock.now_micros());
        self.write(move |tx| load::commit(tx, &lease, &batch, &folder, now)).await
    }

    async fn finish_loading(&self, lease: &Lease) -> Result<(), StoreError> {
        let (lease, now) = (*lease, self.clock.now_micros());
        self.write(move |tx| {
            runs::begin_indexing(tx, &lease, now)?;
            deferral::settle(tx, now)
        })
        .await?;
        while let Some(index) = self.read(indexes::first_missing).await? {
            let now = self.clock.now_micros();
            // With each index the lease is renewed: a large table takes its time.
            self.write(move |tx| {
                runs::begin_indexing(tx, &lease, now)?;
                indexes::make(tx, index)
            })
            .await?;
        }
        Ok(())
    }

    async fn renew_lease(&self, lease: &Lease) -> Result<(), StoreError> {
        let (lease, now) = (*lease, self.clock.now_micros());
        self.write(move |tx| runs::renew(tx, &lease, now)).await
    }

    async fn end_run(&self, lease: &Lease, end: End) -> Result<Run, StoreError> {
        let (lease, now) = (*lease, self.clock.now_micros());
        let run = self.write(move |tx| runs::end(tx, &lease, &end, now)).await?;
        self.writer.shrink().await?;
        Ok(run)
    }

    async fn cancel_run(&self, id: RunId) -> Result<Option<Cancelled>, StoreError> {
        let now = self.clock.now_micros();
        self.write(move |tx| runs::cancel(tx, id, now)).await
    }

    async fn run(&self, id: RunId) -> Result<Option<Run>, StoreError> {
        self.read(move |db| runs::find(db, id)).await
    }

    async fn runs(&self, before: Option<RunId>, limit: usize) -> Result<Vec<Run>, StoreError> {
        self.read(move |db| runs::list(db, before, limit)).await
    }

    async fn abandoned_runs(&self) -> Result<Vec<Run>, StoreError> {
        let now = self.clock.now_micros();
        self.read(move |db| runs::abandoned(db, now)).await
    }

    async fn rejects(
        &self,
        id: RunId,
        after_byte: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Reject>, StoreError> {
        self.read(move |db| runs::rejects(db, id, after_byte, limit)).await
    }

    async fn prune(&self) -> Result<u64, StoreError> {
        let now = self.clock.now_micros();
        self.write(move |tx| Ok(runs::prune(tx, now)? + idempotency::prune(tx, now)?)).await
    }

    async fn repair(&self) -> Result<(), StoreError> {
        self.repair_indexes().await
    }

    fn system(&self) -> &'static str {
        "sqlite"
    }

    fn pool(&self) -> Option<PoolUse> {
        Some(self.readers.in_use())
    }

    async fn is_unused(&self) -> Result<bool, StoreError> {
        self.read(|db| {
            let run = db.query_row(
                "-- store.is_unused\nSELECT 1 FROM import_run LIMIT 1",
                [],
                |_| Ok(()),
            );
            let row = db.query_row("SELECT 1 FROM products LIMIT 1", [], |_| Ok(()));
            Ok(run.optional()?.is_none() && row.optional()?.is_none())
        })
        .await
    }
}

/// The categories of the folder's database, without making or migrating one.
pub fn peek_categories(folder: &DataFolder) -> Result<Vec<Category>, StoreError> {
    match connections::open_for_looking(&folder.database())? {
        Some(db) if !schema::is_empty(&db)? => lists::categories(&db),
        _ => Ok(Vec::new()),
    }
}

/// One line about the folder's database for the operator; `None` if there is none. Nothing
/// is made, migrated or mended.
pub fn inspect(folder: &DataFolder) -> Result<Option<String>, StoreError> {
    let path = folder.database();
    let Some(db) = connections::open_for_looking(&path)? else { return Ok(None) };
    let schema = schema::check(&db)?;
    let (products, categories) = versions::totals(&db)?;
    let megabytes = std::fs::metadata(&path).map_or(0, |file| file.len()) / 1_000_000;
    let place = path.display();
    Ok(Some(format!(
        "SQLite {place}, schema {schema}, {products} products in {categories} categories, \
         {megabytes} MB"
    )))
}
