//! Azure SQL and SQL Server: the store that several instances share.
//!
//! The database itself raises versions and counters, so that nobody writes past the cache;
//! what is here asks, decides and sends. Every statement begins with a comment that names
//! it. Whatever may be repeated is, within the time that its caller has.

mod ahead;
mod cells;
pub mod connect;
mod faults;
mod lists;
mod load;
mod locks;
mod pace;
mod pool;
mod product_rows;
mod ready;
mod rejects;
mod runs;
mod schema;
mod search;
mod session;
mod stop;
mod turns;
mod users;
mod versions;
mod writes;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use backon::BackoffBuilder as _;
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    Batch, Cancelled, Claim, Claimed, Committed, Edit, End, Lease, Once, Page, PoolUse, Read,
    Reject, Run, RunId, Store, StoreError, WriteError, Written,
};
use crate::cache::versions::Versions;
use crate::catalog::{Asin, Category, CategoryCount, PageQuery, Product};
use crate::clock::Clock;
use ahead::{Ahead, Staged};
use connect::Target;
use faults::{Fault, store_error};
use pace::Pace;
use pool::Connections;
use ready::Ready;
pub use schema::SCHEMA;
use stop::Stop;
use turns::Turns;

/// What a request waits for at most: whoever asks gives up after ten seconds.
const REQUEST: Duration = Duration::from_secs(9);
/// What an import waits for a database that wakes, moves or is throttled.
const BATCH: Duration = Duration::from_mins(4);
/// What is said of a server that did not answer a moment ago.
const LEFT_ALONE: &str = "it did not answer a moment ago";

/// Runs work that changes nothing, on a connection of its own, and again if the server gave
/// it up. A macro, since a function could not say how long what the work borrows must live.
macro_rules! read {
    ($store:expr, |$session:ident| $work:expr) => {
        $store
            .repeat::<_, $crate::store::StoreError, _>(
                $crate::store::sqlserver::REQUEST,
                || async {
                    let mut held = $store.connections.get().await?;
                    let $session: &mut $crate::store::sqlserver::session::Session = &mut held;
                    $work
                },
            )
            .await
    };
}

/// Runs work in a transaction, and again if the server gave it up.
macro_rules! transact {
    ($store:expr, |$session:ident| $work:expr) => {
        $crate::store::sqlserver::transact!($store, $crate::store::sqlserver::REQUEST, |$session| {
            $work
        })
    };
    ($store:expr, $patience:expr, |$session:ident| $work:expr) => {
        $store
            .repeat($patience, || async {
                let mut held = $store.connections.get().await?;
                held.begin().await?;
                let done = async {
                    let $session: &mut $crate::store::sqlserver::session::Session = &mut held;
                    $work
                }
                .await;
                held.settle(done).await
            })
            .await
    };
}

use {read, transact};

/// How the schema is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Migrate {
    /// Missing steps are applied at the start.
    #[default]
    Auto,
    /// Somebody else applies them: the login may only read and write rows.
    Never,
}

/// One line about the database for the operator. Nothing is made or migrated; a schema that
/// is missing is an error where this login is not to make it.
pub async fn inspect(target: Target, migrate: Migrate) -> Result<String, StoreError> {
    use cells::Cells as _;
    let connections = Arc::new(Connections::new(target, 1));
    let store = SqlServerStore {
        connections,
        clock: Clock::System,
        has_search: false,
        turns: Turns::default(),
        pace: Pace::default(),
        ahead: Arc::default(),
        ready: Arc::default(),
    };
    let found = read!(store, |session| schema::look(session).await)?;
    if migrate == Migrate::Never && found.is_none_or(|schema| schema < SCHEMA) {
        return Err(StoreError::SchemaTooOld { needed: SCHEMA });
    }
    let Some(schema) = found else {
        return Ok("no schema yet: `handler migrate` makes it".to_owned());
    };
    if schema < SCHEMA {
        return Ok(format!("schema {schema}, `handler migrate` brings it to {SCHEMA}"));
    }
    let sql = "-- store.inspect
        SELECT v.products, (SELECT COUNT(*) FROM amazon.categories)
        FROM amazon.category_version AS v WHERE v.category_id = 0";
    let row = read!(store, |session| Ok(session.row(sql, &[]).await?))?;
    let row = row.ok_or_else(|| stop::nonsense("no version 0"))?;
    let (products, categories) = (stop::read(row.count(0))?, stop::read(row.count(1))?);
    let search = if store.finds_words().await? { "search" } else { "no search" };
    Ok(format!("schema {schema}, {products} products in {categories} categories, {search}"))
}

/// A catalogue on a server.
pub struct SqlServerStore {
    connections: Arc<Connections>,
    clock: Clock,
    has_search: bool,
    turns: Turns,
    pace: Pace,
    ahead: Arc<Ahead>,
    ready: Arc<Ready>,
}

impl SqlServerStore {
    /// Connects, and brings the schema up to date if that is wanted.
    pub async fn open(
        target: Target,
        connections_max: u32,
        migrate: Migrate,
        clock: Clock,
    ) -> Result<Self, StoreError> {
        Self::at(target, connections_max, clock).opened(migrate).await
    }

    /// The same for an import: a connection for its batches is made ready meanwhile. The other
    /// one will be that which looks at the schema now.
    pub async fn open_to_import(
        target: Target,
        connections_max: u32,
        migrate: Migrate,
        clock: Clock,
    ) -> Result<Self, StoreError> {
        let store = Self::at(target, connections_max, clock);
        store.ready.add_early(&store.connections);
        store.opened(migrate).await
    }

    fn at(target: Target, connections_max: u32, clock: Clock) -> Self {
        Self {
            connections: Arc::new(Connections::new(target, connections_max)),
            clock,
            has_search: false,
            turns: Turns::default(),
            pace: Pace::default(),
            ahead: Arc::default(),
            ready: Arc::default(),
        }
    }

    async fn opened(mut self, migrate: Migrate) -> Result<Self, StoreError> {
        self.prepare(migrate).await?;
        self.has_search = self.finds_words().await?;
        Ok(self)
    }

    async fn prepare(&self, migrate: Migrate) -> Result<(), StoreError> {
        let known = read!(self, |session| schema::check(session).await)?;
        match (known, migrate) {
            (Some(_), _) => Ok(()),
            (None, Migrate::Never) => Err(StoreError::SchemaTooOld { needed: SCHEMA }),
            (None, Migrate::Auto) => {
                let done: Result<(), StoreError> =
                    transact!(self, BATCH, |session| schema::migrate(session).await);
                done?;
                let made = read!(self, |session| Ok(session.batch(search::MAKE_INDEX).await?));
                if let Err(e) = made {
                    // A catalogue without search is still a catalogue.
                    tracing::warn!("there is no search: {e}");
                }
                Ok(())
            }
        }
    }

    async fn finds_words(&self) -> Result<bool, StoreError> {
        use cells::Cells as _;
        let row = read!(self, |session| Ok(session.row(search::HAS_INDEX, &[]).await?))?;
        Ok(row.is_some_and(|row| row.truth(0).unwrap_or(false)))
    }

    /// On the connection that it was sent ahead on, if it was.
    async fn try_to_commit(
        &self,
        lease: &Lease,
        batch: &Batch,
    ) -> Result<Committed, Stop<StoreError>> {
        let now = self.now();
        let has_begun = || self.ahead.has_begun(lease, batch.start);
        let sent = self.ahead.take(lease, batch).await;
        let began = Instant::now();
        if let Some(Staged { mut session, took, applied }) = sent {
            let done = match applied {
                Some(applied) => load::commit(&mut session, lease, batch, applied, now).await,
                None => load::apply(&mut session, lease, batch, now, has_begun).await,
            };
            self.pace_by(batch, &done, began.elapsed().max(took));
            if done.is_ok() {
                self.ready.put(session);
            }
            return done;
        }
        let mut session = self.connections.get().await?;
        // What a connection takes for its first batch says nothing of the next ones.
        let is_first = !session.has_applied;
        let done = load::load(&mut session, lease, batch, now, has_begun).await;
        if !(is_first && done.is_ok()) {
            self.pace_by(batch, &done, began.elapsed());
        }
        done
    }

    /// The next batch's size follows what became of this one.
    fn pace_by(&self, batch: &Batch, loaded: &Result<Committed, Stop<StoreError>>, took: Duration) {
        match loaded {
            Ok(_) => self.pace.took(batch.read, took),
            Err(Stop::Sql(_) | Stop::Unsure(_)) => self.pace.was_lost(),
            Err(_) => {}
        }
    }

    /// The moment that a test has turned the clock to; `None` for the database's own.
    fn now(&self) -> Option<i64> {
        match &self.clock {
            Clock::System => None,
            turned @ Clock::Turned(_) => Some(turned.now_micros()),
        }
    }

    /// Tries until it works, cannot work, or the time is up. Whole transactions, never a
    /// statement of one.
    async fn repeat<T, E: From<StoreError>, F: Future<Output = Result<T, Stop<E>>>>(
        &self,
        patience: Duration,
        attempt: impl Fn() -> F,
    ) -> Result<T, E> {
        let deadline = Instant::now() + patience;
        let mut pauses = backon::ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(50))
            .with_max_delay(Duration::from_secs(5))
            .with_jitter()
            .without_max_times()
            .build();
        for number in 1_u32.. {
            // Of the call's span, if it has one.
            tracing::Span::current().record("attempt", number);
            let (error, may_be_repeated) = match timeout_at(deadline, attempt()).await {
                Ok(Ok(done)) => return Ok(done),
                Ok(Err(Stop::Refused(e))) => return Err(e),
                Ok(Err(Stop::Unsure(e))) => (store_error(&e), false),
                Ok(Err(Stop::Sql(e))) => (store_error(&e), Fault::of(&e).may_be_repeated()),
                // A request is answered at once; an import has the time to wait.
                Ok(Err(Stop::LeftAlone)) => {
                    let last = self.connections.last_failure();
                    let error = last.map_or_else(
                        || StoreError::Unreachable(LEFT_ALONE.into()),
                        |last| store_error(&last),
                    );
                    (error, patience > REQUEST)
                }
                Ok(Err(Stop::NoConnection)) => (StoreError::Busy, false),
                Err(late) => (StoreError::Unreachable(late.into()), false),
            };
            let pause = pauses.next().unwrap_or_default();
            if !may_be_repeated || Instant::now() + pause >= deadline {
                return Err(error.into());
            }
            tracing::debug!("tried again in {pause:?}: {error}");
            sleep(pause).await;
        }
        unreachable!("tries until it returns")
    }
}

#[async_trait]
impl Store for SqlServerStore {
    async fn page(&self, query: &PageQuery) -> Result<Read<Option<Page>>, StoreError> {
        if let Some(words) = &query.words {
            if !self.has_search {
                return Err(StoreError::NoSearch);
            }
            let results = read!(self, |session| Ok(search::page(session, query, words).await?))?;
            return search::page_of(query, &results);
        }
        let results = read!(self, |session| Ok(lists::page(session, query).await?))?;
        lists::page_of(query, &results)
    }

    async fn product(&self, asin: &Asin) -> Result<Option<Product>, StoreError> {
        let row = read!(self, |session| Ok(product_rows::find(session, asin).await?))?;
        row.map(|row| product_rows::read(&row)).transpose()
    }

    async fn categories(&self) -> Result<Read<Vec<Category>>, StoreError> {
        let results = read!(self, |session| Ok(lists::categories(session).await?))?;
        let categories = lists::categories_of(&results)?;
        self.ahead.know_all(categories.value.iter().map(|category| category.id).collect());
        Ok(categories)
    }

    async fn category_counts(&self) -> Result<Read<Vec<CategoryCount>>, StoreError> {
        let results = read!(self, |session| Ok(lists::category_counts(session).await?))?;
        lists::category_counts_of(&results)
    }

    async fn id(&self) -> Result<String, StoreError> {
        read!(self, |session| schema::id(session).await)
    }

    async fn versions(&self) -> Result<Arc<Versions>, StoreError> {
        let rows = read!(self, |session| Ok(versions::all(session).await?))?;
        Ok(Arc::new(versions::table(&rows)?))
    }

    async fn raise_versions(&self, above: &Versions) -> Result<Arc<Versions>, StoreError> {
        // In one order, so that two of us do not wait for each other; row 0 last.
        let mut above: Vec<_> = above.iter().map(|(row, version)| (*row, *version)).collect();
        above.sort_unstable_by_key(|(row, _)| (row.0 == 0, row.0));
        let rows: Result<_, StoreError> = transact!(self, |session| {
            for (row, version) in &above {
                versions::raise_above(session, *row, *version).await?;
            }
            Ok(versions::all(session).await?)
        });
        let rows = rows?;
        Ok(Arc::new(versions::table(&rows)?))
    }

    async fn create_product(
        &self,
        product: &Product,
        once: Option<&Once>,
    ) -> Result<Written, WriteError> {
        let now = self.now();
        let _turn = self.turns.wait(&product.asin).await?;
        transact!(self, |session| writes::create(session, product, once, now).await)
    }

    async fn edit_product(&self, asin: &Asin, edit: Edit) -> Result<Written, WriteError> {
        let _turn = self.turns.wait(asin).await?;
        transact!(self, |session| writes::edit(session, asin, &edit).await)
    }

    async fn claim_run(&self, claim: &Claim) -> Result<Claimed, StoreError> {
        let now = self.now();
        let claimed = transact!(self, |session| runs::claim(session, claim, now).await);
        if !matches!(claimed, Ok(Claimed::Ours(..))) {
            self.ready.clear();
        }
        claimed
    }

    fn expect_batches(&self) {
        self.ready.add(&self.connections);
    }

    fn tells_versions_cheaply(&self) -> bool {
        false
    }

    fn pauses_when_idle(&self) -> bool {
        true
    }

    /// Two are applied beside each other while another is made.
    fn batches_held(&self) -> usize {
        3
    }

    fn batch_rows(&self) -> usize {
        self.pace.rows()
    }

    async fn send_ahead(&self, lease: &Lease, batch: &Batch) {
        self.ahead.send(&self.ready, &self.connections, lease, batch);
    }

    async fn commit_batch(&self, lease: &Lease, batch: Batch) -> Result<Committed, StoreError> {
        let committed = self
            .repeat(BATCH, || async {
                // Also where nobody waits any more: what was applied beside it holds locks.
                let unless_done = self.ahead.to_forget(lease);
                let done = self.try_to_commit(lease, &batch).await;
                match &done {
                    Ok(_) => unless_done.keep(),
                    Err(Stop::Sql(e)) => self.ahead.has_failed(lease, e),
                    Err(_) => {}
                }
                done
            })
            .await;
        match committed {
            Ok(_) => self.ahead.is_committed(lease, &batch),
            Err(_) => self.ready.clear(),
        }
        committed
    }

    async fn finish_loading(&self, lease: &Lease) -> Result<(), StoreError> {
        let now = self.now();
        self.ready.clear();
        transact!(self, |session| runs::begin_indexing(session, lease, now).await)
    }

    async fn renew_lease(&self, lease: &Lease) -> Result<(), StoreError> {
        let now = self.now();
        transact!(self, |session| runs::renew(session, lease, now).await)
    }

    async fn end_run(&self, lease: &Lease, end: End) -> Result<Run, StoreError> {
        let now = self.now();
        self.ahead.forget(lease);
        self.ready.clear();
        transact!(self, BATCH, |session| runs::end(session, lease, &end, now).await)
    }

    async fn cancel_run(&self, id: RunId) -> Result<Option<Cancelled>, StoreError> {
        let now = self.now();
        transact!(self, |session| runs::cancel(session, id, now).await)
    }

    async fn run(&self, id: RunId) -> Result<Option<Run>, StoreError> {
        read!(self, |session| runs::find(session, id).await)
    }

    async fn runs(&self, before: Option<RunId>, limit: usize) -> Result<Vec<Run>, StoreError> {
        read!(self, |session| runs::list(session, before, limit).await)
    }

    async fn abandoned_runs(&self) -> Result<Vec<Run>, StoreError> {
        let now = self.now();
        read!(self, |session| runs::abandoned(session, now).await)
    }

    async fn rejects(
        &self,
        id: RunId,
        after_byte: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Reject>, StoreError> {
        read!(self, |session| rejects::page(session, id, after_byte, limit).await)
    }

    async fn prune(&self) -> Result<u64, StoreError> {
        let now = self.now();
        transact!(self, |session| {
            Ok(runs::prune(session, now).await? + writes::prune(session, now).await?)
        })
    }

    async fn repair(&self) -> Result<(), StoreError> {
        // Indexes are never left out here: there is nothing to mend.
        Ok(())
    }

    fn system(&self) -> &'static str {
        "microsoft.sql_server"
    }

    fn pool(&self) -> Option<PoolUse> {
        Some(self.connections.in_use())
    }

    async fn is_unused(&self) -> Result<bool, StoreError> {
        let sql = "-- store.is_unused
            SELECT 1 WHERE EXISTS (SELECT 1 FROM amazon.import_run)
                OR EXISTS (SELECT 1 FROM amazon.products)";
        let row = read!(self, |session| Ok(session.row(sql, &[]).await?))?;
        Ok(row.is_none())
    }
}
