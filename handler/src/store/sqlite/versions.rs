//! Versions and counters of the categories, raised by whoever writes.

use std::collections::BTreeMap;

use rusqlite::{Connection, Transaction};

use crate::catalog::CategoryId;
use crate::store::StoreError;

/// The row that stands for the whole catalogue.
const CATALOGUE: i64 = 0;

/// What one transaction touches, collected while it writes and applied at its end.
#[derive(Debug, Default)]
pub(super) struct Touched {
    /// Categories by id, with how many products they gained.
    categories: BTreeMap<i64, i64>,
}

impl Touched {
    /// A product of `category` came, went or changed.
    pub(super) fn products(&mut self, category: CategoryId, gained: i64) {
        *self.categories.entry(i64::from(category.get())).or_default() += gained;
    }

    /// The category itself came or got another name.
    pub(super) fn category(&mut self, category: CategoryId) {
        self.products(category, 0);
    }

    /// Raises what was touched: categories ascending, the whole catalogue last. A version
    /// is never below the clock, so a database restored to an earlier state does not give
    /// out a number twice.
    pub(super) fn raise(&self, tx: &Transaction<'_>, now: i64) -> Result<(), StoreError> {
        if self.categories.is_empty() {
            return Ok(());
        }
        let mut raise = tx.prepare_cached(
            "-- versions.raise
             INSERT INTO category_version (category_id, version, products) VALUES (?1, ?2, ?3)
             ON CONFLICT (category_id) DO UPDATE
             SET version = max(version + 1, ?2), products = products + ?3",
        )?;
        for (category, gained) in &self.categories {
            raise.execute((category, now, gained))?;
        }
        let gained: i64 = self.categories.values().sum();
        raise.execute((CATALOGUE, now, gained))?;
        Ok(())
    }
}

/// How many products a category has, or the whole catalogue; `None` for an unknown category.
pub(super) fn products(
    db: &Connection,
    category: Option<CategoryId>,
) -> Result<Option<u64>, StoreError> {
    use rusqlite::OptionalExtension as _;
    let row = category.map_or(CATALOGUE, |id| i64::from(id.get()));
    let mut find = db.prepare_cached(
        "-- versions.products
         SELECT products FROM category_version WHERE category_id = ?1
         AND (?1 = 0 OR EXISTS (SELECT 1 FROM categories WHERE id = ?1))",
    )?;
    Ok(find.query_row([row], |row| row.get(0)).optional()?)
}

/// Products and categories in all.
pub(super) fn totals(db: &Connection) -> Result<(u64, u64), StoreError> {
    Ok(db.query_row(
        "-- versions.totals
         SELECT products, (SELECT count(*) FROM categories)
         FROM category_version WHERE category_id = 0",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?)
}
