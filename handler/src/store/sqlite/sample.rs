//! The synthetic sample goes when the first file of one's own is loaded.

use rusqlite::Transaction;

use super::{schema, search::Index, versions::Touched};
use crate::catalog::CategoryId;
use crate::sample;
use crate::store::StoreError;

const META: &str = "sample";

/// Notes whether a run that loads its first batch brings the sample; if it does not, a
/// sample that is there is taken away in the same transaction.
pub(super) fn note_first_batch(
    tx: &Transaction<'_>,
    source: &str,
    touched: &mut Touched,
) -> Result<(), StoreError> {
    if source.starts_with(sample::SOURCE) {
        return schema::set(tx, META, "present");
    }
    if schema::get(tx, META)?.as_deref() == Some("present") {
        remove(tx, touched)?;
        schema::set(tx, META, "removed")?;
    }
    Ok(())
}

fn remove(tx: &Transaction<'_>, touched: &mut Touched) -> Result<(), StoreError> {
    let mut gone = tx.prepare(
        "-- sample.remove
         DELETE FROM products WHERE asin >= 'SAMPLE' AND asin < 'SAMPLF' RETURNING category_id, id",
    )?;
    let mut index = Index::of(tx)?;
    let mut rows = gone.query([])?;
    while let Some(row) = rows.next()? {
        let category = CategoryId::from_i64(row.get(0)?)
            .ok_or_else(|| StoreError::Corrupt("a sample product without a category".into()))?;
        touched.products(category, -1);
        index.remove(row.get(1)?)?;
    }
    drop(rows);
    let last = sample::CATEGORIES_MAX;
    for id in 1..=last {
        let removed = tx.execute(
            "-- sample.remove_category
             DELETE FROM categories WHERE id = ?1
             AND NOT EXISTS (SELECT 1 FROM products WHERE category_id = ?1)",
            [id],
        )?;
        if removed > 0
            && let Some(category) = CategoryId::from_i64(i64::from(id))
        {
            touched.category(category);
        }
    }
    Ok(())
}
