//! A connection to the server, and whether it may be used again.
//!
//! A future that is dropped in the middle of a statement leaves the connection out of step
//! with the server, and nothing can bring it back. So each statement marks the connection as
//! busy before it begins and takes the mark away when it has ended; one that is still busy,
//! or in a transaction, when it comes back to the pool is thrown away, and the server rolls
//! back.

use std::time::{Duration, Instant};

use tiberius::{BulkLoadRequest, Client, ColumnData, Row, ToSql};
use tokio::net::TcpStream;
use tokio_util::compat::Compat;

use super::stop::Stop;

/// A connection that was used so short a time ago is taken to be alive.
const FRESH: Duration = Duration::from_secs(5);

/// The stream that the driver speaks over.
pub(super) type Wire = Compat<TcpStream>;

/// The rows of a statement's result, and the results of a batch in their order.
pub(super) type Results = Vec<Vec<Row>>;

/// A NULL that every server takes.
const NULL: Option<i32> = None;

/// The driver sends a NULL text or decimal without a type, which not every server takes. A
/// statement in which the type matters has a CAST.
fn sendable<'a>(parameters: &[&'a dyn ToSql]) -> Vec<&'a dyn ToSql> {
    let typed = |parameter: &'a dyn ToSql| match parameter.to_sql() {
        ColumnData::String(None) | ColumnData::Numeric(None) => &NULL as &dyn ToSql,
        _ => parameter,
    };
    parameters.iter().map(|parameter| typed(*parameter)).collect()
}

/// A logged-in connection.
pub(super) struct Session {
    client: Client<Wire>,
    is_busy: bool,
    is_in_transaction: bool,
    used_at: Instant,
    /// When its login ends; `None` if it does not.
    ends_at: Option<Instant>,
    /// Whether a batch of an import was applied on it, or the rehearsal of one.
    pub(super) has_applied: bool,
}

impl Session {
    pub(super) fn new(client: Client<Wire>, ends_at: Option<Instant>) -> Self {
        Self {
            client,
            is_busy: false,
            is_in_transaction: false,
            used_at: Instant::now(),
            ends_at,
            has_applied: false,
        }
    }

    /// Whether nobody must use it again.
    pub(super) fn is_spent(&self) -> bool {
        self.is_busy
            || self.is_in_transaction
            || self.ends_at.is_some_and(|end| Instant::now() >= end)
    }

    /// Whether it may be handed out without being tried.
    pub(super) fn is_fresh(&self) -> bool {
        !self.is_spent() && self.used_at.elapsed() < FRESH
    }

    /// Does something with the driver. An error leaves the connection busy, as a dropped future
    /// does.
    async fn busy<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Client<Wire>) -> tiberius::Result<T>,
    ) -> tiberius::Result<T> {
        self.is_busy = true;
        let done = work(&mut self.client).await?;
        self.sent();
        Ok(done)
    }

    /// Runs a batch with parameters `@P1`, `@P2`, …: one round trip.
    pub(super) async fn query(
        &mut self,
        sql: &str,
        parameters: &[&dyn ToSql],
    ) -> tiberius::Result<Results> {
        self.busy(async |client| {
            client.query(sql, &sendable(parameters)).await?.into_results().await
        })
        .await
    }

    /// Runs a batch without parameters, whose temporary tables outlive it.
    pub(super) async fn batch(&mut self, sql: &str) -> tiberius::Result<Results> {
        self.busy(async |client| client.simple_query(sql).await?.into_results().await).await
    }

    /// The first row of the last result that has any.
    pub(super) async fn row(
        &mut self,
        sql: &str,
        parameters: &[&dyn ToSql],
    ) -> tiberius::Result<Option<Row>> {
        let results = self.query(sql, parameters).await?;
        Ok(results.into_iter().rev().find_map(|rows| rows.into_iter().next()))
    }

    /// Runs a statement; tells how many rows it changed.
    pub(super) async fn execute(
        &mut self,
        sql: &str,
        parameters: &[&dyn ToSql],
    ) -> tiberius::Result<u64> {
        self.busy(async |client| Ok(client.execute(sql, &sendable(parameters)).await?.total()))
            .await
    }

    /// Begins to send rows into a table. The connection counts as busy until [`Self::sent`].
    pub(super) async fn bulk<'a>(
        &'a mut self,
        table: &'a str,
        columns: &'a [&'a str],
    ) -> tiberius::Result<BulkLoadRequest<'a, Wire>> {
        self.is_busy = true;
        self.client.bulk_insert_columns(table, columns).await
    }

    /// The rows have been sent and the server has taken them.
    pub(super) fn sent(&mut self) {
        self.is_busy = false;
        self.used_at = Instant::now();
    }

    pub(super) async fn begin(&mut self) -> tiberius::Result<()> {
        self.is_in_transaction = true;
        self.busy(async |client| client.begin_transaction().await).await
    }

    async fn commit(&mut self) -> tiberius::Result<()> {
        self.busy(async |client| client.commit_transaction().await).await?;
        self.is_in_transaction = false;
        Ok(())
    }

    /// Ends the transaction the way the work in it has ended. After an error of the server's
    /// the connection is thrown away, and the server rolls back.
    pub(super) async fn settle<T, E>(&mut self, done: Result<T, Stop<E>>) -> Result<T, Stop<E>> {
        match &done {
            Ok(_) => self.commit().await.map_err(Stop::Unsure)?,
            Err(Stop::Refused(_)) => {
                if let Err(e) = self.roll_back().await {
                    tracing::debug!("a transaction ends with its connection: {e}");
                }
            }
            Err(_) => {}
        }
        done
    }

    /// Takes everything back. Where that fails the connection is thrown away, and with it goes
    /// the transaction.
    pub(super) async fn roll_back(&mut self) -> tiberius::Result<()> {
        self.busy(async |client| client.rollback_transaction().await).await?;
        self.is_in_transaction = false;
        Ok(())
    }
}
