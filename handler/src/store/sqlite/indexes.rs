//! The index of the key, and the narrow ones behind every order of every list.
//!
//! Each of the latter ends with the asin, so that ties come in asin order without a sort, and each
//! runs in the direction in which it is read. A list over all categories and one over a
//! single category need one index each: 9, about 30 MB each for 1.4 million rows.

use rusqlite::{Connection, OptionalExtension as _, Transaction};

use crate::store::StoreError;

/// An index on `products`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Index {
    pub(super) name: &'static str,
    columns: &'static str,
    is_unique: bool,
}

const fn index(name: &'static str, columns: &'static str) -> Index {
    Index { name, columns, is_unique: false }
}

/// The key's. Without it a row cannot be written as an upsert.
pub(super) const ASIN: Index = Index { name: "products_asin", columns: "asin", is_unique: true };

const SECONDARY: [Index; 9] = [
    index("products_category", "category_id, asin"),
    index("products_price", "price, asin"),
    index("products_price_desc", "price DESC, asin"),
    index("products_stars", "stars DESC, asin"),
    index("products_reviews", "reviews DESC, asin"),
    index("products_category_price", "category_id, price, asin"),
    index("products_category_price_desc", "category_id, price DESC, asin"),
    index("products_category_stars", "category_id, stars DESC, asin"),
    index("products_category_reviews", "category_id, reviews DESC, asin"),
];

/// The first of the lists' indexes that is not there.
pub(super) fn first_missing(db: &Connection) -> Result<Option<Index>, StoreError> {
    let mut find = db.prepare_cached(
        "-- indexes.first_missing\nSELECT 1 FROM sqlite_schema WHERE type = 'index' AND name = ?1",
    )?;
    for index in SECONDARY {
        if find.query_row([index.name], |_| Ok(())).optional()?.is_none() {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

/// Makes one index.
pub(super) fn make(tx: &Transaction<'_>, index: Index) -> Result<(), StoreError> {
    let Index { name, columns, is_unique } = index;
    let kind = if is_unique { "UNIQUE INDEX" } else { "INDEX" };
    tx.execute_batch(&format!("CREATE {kind} IF NOT EXISTS {name} ON products ({columns})"))?;
    Ok(())
}

/// Makes all of them: at once only while the table is empty.
pub(super) fn make_all(tx: &Transaction<'_>) -> Result<(), StoreError> {
    make(tx, ASIN)?;
    SECONDARY.into_iter().try_for_each(|index| make(tx, index))
}

/// Takes all of them away, for a load into an empty table.
pub(super) fn drop_all(tx: &Transaction<'_>) -> Result<(), StoreError> {
    for Index { name, .. } in SECONDARY.into_iter().chain([ASIN]) {
        tx.execute_batch(&format!("DROP INDEX IF EXISTS {name}"))?;
    }
    Ok(())
}
