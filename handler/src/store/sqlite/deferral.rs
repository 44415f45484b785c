//! A load into an empty table puts indexes off: it appends, and sorts once at its end.
//!
//! Filled row by row in random order, the asin's index alone costs more than reading and
//! appending the whole data set; with the other nine it is several times as much. While
//! indexes are put off the table may hold an asin twice. That is *settled* when the asin's
//! index is made: of each asin the last row stays. Nobody reads such a table: a server
//! settles before it serves, any other run before it writes, and the run itself at its end.

use rusqlite::{Connection, ErrorCode, Transaction};

use super::indexes;
use super::marks::Marks;
use super::schema;
use super::search;
use super::versions::Touched;
use crate::catalog::CategoryId;
use crate::store::{RunId, StoreError};

/// Holds the number of the run that has put the indexes off; empty otherwise.
const META: &str = "indexes_put_off_by";

/// The run that has put the indexes off.
pub(super) fn owner(db: &Connection) -> Result<Option<RunId>, StoreError> {
    let owner = schema::get(db, META)?.unwrap_or_default();
    Ok(owner.parse().ok().map(RunId))
}

/// Puts the indexes off; the table must be empty.
pub(super) fn begin(tx: &Transaction<'_>, run: RunId) -> Result<(), StoreError> {
    indexes::drop_all(tx)?;
    search::begin_anew(tx)?;
    schema::set(tx, META, &run.to_string())
}

/// Makes every asin one row again, and keeps it so by its index. The other indexes are
/// still missing. Does nothing if there is nothing to settle.
pub(super) fn settle(tx: &Transaction<'_>, now: i64) -> Result<(), StoreError> {
    let Some(run) = owner(tx)? else { return Ok(()) };
    let made = indexes::make(tx, indexes::ASIN);
    if made.as_ref().is_err_and(holds_an_asin_twice) {
        let removed = keep_last_of_each_asin(tx, now)?;
        tx.execute(
            "-- deferral.count
             UPDATE import_run SET rows_loaded = rows_loaded - ?2,
                 rows_replaced = rows_replaced + ?2 WHERE id = ?1",
            (run.0, removed),
        )?;
        indexes::make(tx, indexes::ASIN)?;
    } else {
        made?;
    }
    mark_all(tx, run)?;
    schema::set(tx, META, "")
}

fn holds_an_asin_twice(error: &StoreError) -> bool {
    let StoreError::Corrupt(cause) = error else { return false };
    let cause = cause.downcast_ref::<rusqlite::Error>();
    cause.and_then(rusqlite::Error::sqlite_error_code) == Some(ErrorCode::ConstraintViolation)
}

/// Rows were appended in the order of the file, so the last has the highest rowid.
fn keep_last_of_each_asin(tx: &Transaction<'_>, now: i64) -> Result<u64, StoreError> {
    tx.execute_batch("CREATE INDEX products_asin_twice ON products (asin)")?;
    let mut touched = Touched::default();
    let mut removed = 0;
    {
        let mut remove = tx.prepare(
            "-- deferral.keep_last_of_each_asin
             DELETE FROM products WHERE id IN (
                 SELECT earlier.id
                 FROM (SELECT asin, max(id) AS last FROM products GROUP BY asin HAVING count(*) > 1)
                 JOIN products AS earlier USING (asin) WHERE earlier.id < last)
             RETURNING category_id",
        )?;
        let mut rows = remove.query([])?;
        while let Some(row) = rows.next()? {
            let category = CategoryId::from_i64(row.get(0)?)
                .ok_or_else(|| StoreError::Corrupt("a product without a category".into()))?;
            touched.products(category, -1);
            removed += 1;
        }
    }
    touched.raise(tx, now)?;
    tx.execute_batch("DROP INDEX products_asin_twice")?;
    Ok(removed)
}

/// Whatever the run reads from now on is compared with what it has loaded so far: the
/// whole table, since nobody else has written to it.
fn mark_all(tx: &Transaction<'_>, run: RunId) -> Result<(), StoreError> {
    let mut marks = Marks::of(tx, run);
    let mut all = tx.prepare("-- deferral.mark_all\nSELECT id FROM products ORDER BY id")?;
    let mut rows = all.query([])?;
    while let Some(row) = rows.next()? {
        marks.mark(row.get(0)?)?;
    }
    marks.save()
}
