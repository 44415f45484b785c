//! A batch of an import: sent in bulk into a stage of the session's own, then brought into
//! the products by the procedure that pipelines use too, in one transaction with the fence,
//! the rejects and the counts.

use tiberius::ToSql;

use super::cells::Cells as _;
use super::session::Session;
use super::stop::Stop;
use super::{locks, product_rows, rejects, runs};
use crate::catalog::{Category, CategoryId, CategoryName, Product};
use crate::store::{Batch, Committed, Counts, Lease, ProductColumns, Rows, StoreError};

/// The stage, empty. A connection makes it once: not every server lets a temporary table be
/// dropped in a transaction of its own.
///
/// Amounts are sent in hundredths: the driver writes a decimal in as few bytes as its value
/// needs and not in those that its column has, which not every server takes.
const MAKE_STAGE: &str = "-- load.stage
    IF OBJECT_ID(N'tempdb..#stage') IS NOT NULL TRUNCATE TABLE #stage
    ELSE CREATE TABLE #stage (
        asin              VARCHAR(20) COLLATE Latin1_General_100_BIN2 NOT NULL,
        title             NVARCHAR(1000) NOT NULL,
        imgUrl            NVARCHAR(1000) NULL,
        productURL        NVARCHAR(1000) NULL,
        starsSent         BIGINT         NULL,
        reviews           BIGINT         NULL,
        priceSent         BIGINT         NULL,
        listPriceSent     BIGINT         NULL,
        category_id       INT            NOT NULL,
        isBestSeller      BIT            NULL,
        boughtInLastMonth BIGINT         NULL,
        stars     AS CAST(CAST(starsSent AS DECIMAL(12, 0)) / 100 AS DECIMAL(3, 2)),
        price     AS CAST(CAST(priceSent AS DECIMAL(12, 0)) / 100 AS DECIMAL(10, 2)),
        listPrice AS CAST(CAST(listPriceSent AS DECIMAL(12, 0)) / 100 AS DECIMAL(10, 2))
    )";
/// What is sent, in the order of [`product_rows::sent`].
const SENT: [&str; 11] = [
    "asin",
    "title",
    "imgUrl",
    "productURL",
    "starsSent",
    "reviews",
    "priceSent",
    "listPriceSent",
    "category_id",
    "isBestSeller",
    "boughtInLastMonth",
];

/// What came of a batch's rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Applied {
    /// Rows that met an earlier one of the same run.
    replaced: u64,
    loaded: u64,
    categories_made: i64,
}

/// Stages a batch, and applies it in a transaction of its own. `has_begun` is called when the
/// transaction has the batch's lock.
pub(super) async fn load(
    session: &mut Session,
    lease: &Lease,
    batch: &Batch,
    now: Option<i64>,
    has_begun: impl Fn(),
) -> Result<Committed, Stop<StoreError>> {
    stage(session, &batch.rows).await?;
    apply(session, lease, batch, now, has_begun).await
}

/// Applies a batch that was staged on this connection, in a transaction of its own.
pub(super) async fn apply(
    session: &mut Session,
    lease: &Lease,
    batch: &Batch,
    now: Option<i64>,
    has_begun: impl Fn(),
) -> Result<Committed, Stop<StoreError>> {
    session.begin().await?;
    let done = async {
        let applied = write(session, lease, batch.start, &batch.rows, None, has_begun).await?;
        count(session, lease, batch, applied, now).await
    }
    .await;
    session.settle(done).await
}

/// Begins a transaction and applies a batch that was staged on this connection beside the one
/// that begins at `before`, up to where its turn must have come.
pub(super) async fn apply_ahead(
    session: &mut Session,
    lease: &Lease,
    start: u64,
    rows: &Rows,
    before: u64,
    has_begun: impl Fn(),
) -> Result<Applied, Stop<StoreError>> {
    session.begin().await?;
    write(session, lease, start, rows, Some(before), has_begun).await
}

/// Commits a batch that was applied ahead on this connection.
pub(super) async fn commit(
    session: &mut Session,
    lease: &Lease,
    batch: &Batch,
    applied: Applied,
    now: Option<i64>,
) -> Result<Committed, Stop<StoreError>> {
    let done = count(session, lease, batch, applied, now).await;
    session.settle(done).await
}

/// Makes those of these categories that are missing, in a transaction of its own: two batches
/// that are applied beside each other must not both make one. One at a time.
pub(super) async fn make_categories(
    session: &mut Session,
    lease: &Lease,
    categories: &[CategoryId],
) -> Result<(), Stop<StoreError>> {
    let categories = list(categories);
    let parameters: [&dyn ToSql; 3] = [&categories, &lease.run.0, &lease.token.to_string()];
    session.begin().await?;
    locks::wait(session, "categories").await?;
    let done = session
        .row(
            "-- load.make_categories
             INSERT INTO amazon.categories (id, name)
             SELECT mentioned.id, N'Category ' + CAST(mentioned.id AS NVARCHAR(11))
             FROM (SELECT CAST(value AS INT) AS id FROM STRING_SPLIT(@P1, N',')) AS mentioned
             WHERE NOT EXISTS
                 (SELECT 1 FROM amazon.categories AS known WHERE known.id = mentioned.id);
             UPDATE amazon.import_run SET categories_made = categories_made + @@ROWCOUNT
             WHERE id = @P2 AND lease_token = @P3 AND state = 'loading';
             SELECT CAST(@@ROWCOUNT AS INT)",
            &parameters,
        )
        .await;
    let done = done.map_err(Stop::from).and_then(|row| match row.map(|row| row.number(0)) {
        Some(Ok(1)) => Ok(()),
        Some(Err(e)) => Err(e.into()),
        _ => Err(StoreError::RunLost.into()),
    });
    session.settle(done).await
}

/// Categories as a procedure takes them.
fn list(categories: &[CategoryId]) -> String {
    let categories: Vec<_> = categories.iter().map(|id| id.get().to_string()).collect();
    categories.join(",")
}

/// The lock of a batch, which its transaction has to its end.
fn lock(lease: &Lease, start: u64) -> String {
    format!("import {} at {start}", lease.run.0)
}

/// Applies nothing, and takes it back, if this connection has never applied anything. The first
/// time can take a connection more than a second, for there are servers on which each reads
/// the procedures anew: that is better done while another one is at work.
pub(super) async fn rehearse(session: &mut Session) -> tiberius::Result<()> {
    if session.has_applied {
        return Ok(());
    }
    session.batch(MAKE_STAGE).await?;
    session.begin().await?;
    session.batch("-- load.rehearse\nEXEC amazon.apply_stage").await?;
    session.roll_back().await?;
    session.has_applied = true;
    Ok(())
}

/// Sends the rows, before the transaction: it shall be short. What was sent before and came
/// to nothing is gone with the stage.
pub(super) async fn stage(session: &mut Session, rows: &Rows) -> tiberius::Result<()> {
    let Rows::Products { rows, .. } = rows else { return Ok(()) };
    session.batch(MAKE_STAGE).await?;
    send(session, rows).await
}

/// In the order in which they are to be written: that spares a server the sorting while it
/// holds others up.
async fn send(session: &mut Session, rows: &[Product]) -> tiberius::Result<()> {
    let mut rows: Vec<_> = rows.iter().collect();
    rows.sort_unstable_by_key(|product| (product.category_id, &product.asin));
    let mut bulk = session.bulk("#stage", &SENT).await?;
    for product in rows {
        bulk.send(product_rows::sent(product)).await?;
    }
    bulk.finalize().await?;
    session.sent();
    Ok(())
}

/// Takes the lock of a batch and writes what was staged. Versions are raised when the batch that
/// begins at `before` has ended.
async fn write(
    session: &mut Session,
    lease: &Lease,
    start: u64,
    rows: &Rows,
    before: Option<u64>,
    has_begun: impl Fn(),
) -> Result<Applied, Stop<StoreError>> {
    locks::wait(session, &lock(lease, start)).await?;
    has_begun();
    let (replaced, categories_made, rows) = match rows {
        Rows::Products { rows, columns, categories } => {
            let behind = before.map(|before| lock(lease, before)).unwrap_or_default();
            let (replaced, made) =
                apply_stage(session, lease, *columns, &list(categories), &behind).await?;
            (replaced, made, rows.len())
        }
        Rows::Categories(rows) => (name_categories(session, lease, rows).await?, 0, rows.len()),
    };
    Ok(Applied { replaced, loaded: rows as u64 - replaced, categories_made })
}

/// Passes the fence, keeps the rejects, and adds the batch to the run's counts. Last: whoever has
/// versions waits for the run and never the other way round.
async fn count(
    session: &mut Session,
    lease: &Lease,
    batch: &Batch,
    applied: Applied,
    now: Option<i64>,
) -> Result<Committed, Stop<StoreError>> {
    runs::pass_fence(session, lease, batch, now).await?;
    rejects::keep(session, lease.run, &batch.rejects).await?;
    let counts = Counts {
        read: batch.read,
        loaded: applied.loaded,
        // A row that meets an earlier one of the same run takes over its place among the
        // loaded.
        replaced: batch.replaced + applied.replaced,
        rejected: batch.rejects.len() as u64,
    };
    let counts = runs::count(session, lease.run, &counts, applied.categories_made).await?;
    Ok(Committed { counts })
}

/// Tells how many rows met an earlier one of the same run, and how many categories were made.
async fn apply_stage(
    session: &mut Session,
    lease: &Lease,
    columns: ProductColumns,
    categories: &str,
    behind: &str,
) -> Result<(u64, i64), Stop<StoreError>> {
    let parameters: [&dyn ToSql; 4] = [&lease.run.0, &bits(columns), &categories, &behind];
    let row = session
        .row(
            "-- load.apply
             EXEC amazon.apply_stage @run = @P1, @columns = @P2, @categories = @P3, @behind = @P4",
            &parameters,
        )
        .await?;
    session.has_applied = true;
    let row = row.ok_or_else(|| super::stop::nonsense("apply_stage says nothing"))?;
    Ok((row.count(0)?, row.number(1)?))
}

/// The columns as `amazon.apply_stage` takes them.
fn bits(columns: ProductColumns) -> i32 {
    [
        columns.img_url,
        columns.product_url,
        columns.stars,
        columns.reviews,
        columns.price,
        columns.list_price,
        columns.is_best_seller,
        columns.bought_in_last_month,
    ]
    .into_iter()
    .enumerate()
    .map(|(bit, is_given)| i32::from(is_given) << bit)
    .sum()
}

/// Makes categories or names them anew; tells how many the run has named before.
async fn name_categories(
    session: &mut Session,
    lease: &Lease,
    categories: &[Category],
) -> Result<u64, Stop<StoreError>> {
    let mut replaced = 0;
    for Category { id, name } in categories {
        let id = id.get().cast_signed();
        let parameters: [&dyn ToSql; 3] = [&id, &CategoryName::as_str(name), &lease.run.0];
        let row = session
            .row(
                "-- load.name_category
                 UPDATE amazon.categories SET name = @P2
                 WHERE id = @P1 AND CAST(name AS VARBINARY(800)) <>
                     CAST(CAST(@P2 AS NVARCHAR(400)) AS VARBINARY(800));
                 INSERT INTO amazon.categories (id, name) SELECT @P1, @P2
                 WHERE NOT EXISTS (SELECT 1 FROM amazon.categories WHERE id = @P1);
                 DECLARE @name VARCHAR(20) = CAST(@P1 AS VARCHAR(20));
                 INSERT INTO amazon.import_met (run_id, name) SELECT @P3, @name
                 WHERE NOT EXISTS
                     (SELECT 1 FROM amazon.import_met WHERE run_id = @P3 AND name = @name);
                 SELECT CAST(@@ROWCOUNT AS INT)",
                &parameters,
            )
            .await?;
        let is_first = row.map(|row| row.number(0)).transpose()? == Some(1);
        replaced += u64::from(!is_first);
    }
    Ok(replaced)
}
