//! A batch of an import: sent in bulk into a stage of the session's own, then brought into
//! the products by the procedure that pipelines use too, in one transaction with the fence,
//! the rejects and the counts.

use tiberius::ToSql;

use super::cells::Cells as _;
use super::session::Session;
use super::stop::Stop;
use super::{product_rows, rejects, runs};
use crate::catalog::{Category, CategoryName, Product};
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

/// Stages a batch, and applies it in a transaction of its own.
pub(super) async fn load(
    session: &mut Session,
    lease: &Lease,
    batch: &Batch,
    now: Option<i64>,
) -> Result<Committed, Stop<StoreError>> {
    stage(session, batch).await?;
    apply(session, lease, batch, now).await
}

/// Applies a batch that was staged on this connection, in a transaction of its own.
pub(super) async fn apply(
    session: &mut Session,
    lease: &Lease,
    batch: &Batch,
    now: Option<i64>,
) -> Result<Committed, Stop<StoreError>> {
    session.begin().await?;
    let done = commit(session, lease, batch, now).await;
    session.settle(done).await
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
pub(super) async fn stage(session: &mut Session, batch: &Batch) -> tiberius::Result<()> {
    let Rows::Products { rows, .. } = &batch.rows else { return Ok(()) };
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

/// Applies what was staged behind the fence.
async fn commit(
    session: &mut Session,
    lease: &Lease,
    batch: &Batch,
    now: Option<i64>,
) -> Result<Committed, Stop<StoreError>> {
    runs::pass_fence(session, lease, batch, now).await?;
    let (replaced, categories_made, loaded) = match &batch.rows {
        Rows::Products { rows, columns, categories } => {
            let categories: Vec<_> = categories.iter().map(|id| id.get().to_string()).collect();
            let (replaced, made) =
                apply_stage(session, lease, *columns, &categories.join(",")).await?;
            (replaced, made, rows.len() as u64 - replaced)
        }
        Rows::Categories(rows) => {
            let replaced = name_categories(session, lease, rows).await?;
            (replaced, 0, rows.len() as u64 - replaced)
        }
    };
    rejects::keep(session, lease.run, &batch.rejects).await?;
    let counts = Counts {
        read: batch.read,
        loaded,
        // A row that meets an earlier one of the same run takes over its place among the
        // loaded.
        replaced: batch.replaced + replaced,
        rejected: batch.rejects.len() as u64,
    };
    let counts = runs::count(session, lease.run, &counts, categories_made).await?;
    Ok(Committed { counts })
}

/// Tells how many rows met an earlier one of the same run, and how many categories were made.
async fn apply_stage(
    session: &mut Session,
    lease: &Lease,
    columns: ProductColumns,
    categories: &str,
) -> Result<(u64, i64), Stop<StoreError>> {
    let parameters: [&dyn ToSql; 3] = [&lease.run.0, &bits(columns), &categories];
    let row = session
        .row(
            "-- load.apply
             EXEC amazon.apply_stage @run = @P1, @columns = @P2, @categories = @P3",
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
