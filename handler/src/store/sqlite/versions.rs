//! Versions and counters of the categories, raised by whoever writes.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, Transaction};

use crate::cache::versions::{Row, Version, Versions};
use crate::catalog::CategoryId;
use crate::store::StoreError;

/// What one transaction touches, collected while it writes and applied at its end.
#[derive(Debug, Default)]
pub(super) struct Touched {
    /// Categories by id, with how many products they gained.
    categories: BTreeMap<i64, i64>,
    has_search: bool,
    has_rights: bool,
}

impl Touched {
    /// A product of `category` came, went or changed.
    pub(super) fn products(&mut self, category: CategoryId, gained: i64) {
        *self.categories.entry(i64::from(category.get())).or_default() += gained;
    }

    /// The search index has moved.
    pub(super) fn search(&mut self) {
        self.has_search = true;
    }

    /// Somebody's rights have changed.
    pub(super) fn rights(&mut self) {
        self.has_rights = true;
    }

    /// The category itself came or got another name.
    pub(super) fn category(&mut self, category: CategoryId) {
        self.products(category, 0);
    }

    /// Raises what was touched: categories ascending, the whole catalogue last. A version
    /// is never below the clock, so a database restored to an earlier state does not give
    /// out a number twice.
    pub(super) fn raise(&self, tx: &Transaction<'_>, now: i64) -> Result<(), StoreError> {
        let mut raise = tx.prepare_cached(
            "-- versions.raise
             INSERT INTO category_version (category_id, version, products) VALUES (?1, ?2, ?3)
             ON CONFLICT (category_id) DO UPDATE
             SET version = max(version + 1, ?2), products = products + ?3",
        )?;
        if self.has_rights {
            raise.execute((Row::RIGHTS.0, now, 0))?;
        }
        if self.has_search {
            raise.execute((Row::SEARCH.0, now, 0))?;
        }
        for (category, gained) in &self.categories {
            raise.execute((category, now, gained))?;
        }
        if !self.categories.is_empty() {
            let gained: i64 = self.categories.values().sum();
            raise.execute((Row::CATALOGUE.0, now, gained))?;
        }
        Ok(())
    }
}

/// Raises rows above what they are, above these and above the clock.
pub(super) fn raise_above(
    tx: &Transaction<'_>,
    above: &Versions,
    now: i64,
) -> Result<(), StoreError> {
    let mut raise = tx.prepare_cached(
        "-- versions.raise_above
         INSERT INTO category_version (category_id, version, products) VALUES (?1, ?2, 0)
         ON CONFLICT (category_id) DO UPDATE SET version = max(version + 1, ?2)",
    )?;
    for (Row(row), version) in above {
        raise.execute((row, now.max(version.saturating_add(1))))?;
    }
    Ok(())
}

/// The version of a category, or of the whole catalogue, and how many products it has;
/// `None` for an unknown category.
pub(super) fn of_list(
    db: &Connection,
    category: Option<CategoryId>,
) -> Result<Option<(Version, u64)>, StoreError> {
    let mut find = db.prepare_cached(
        "-- versions.of_list
         SELECT version, products FROM category_version WHERE category_id = ?1
         AND (?1 = 0 OR EXISTS (SELECT 1 FROM categories WHERE id = ?1))",
    )?;
    let Row(row) = category.map_or(Row::CATALOGUE, Row::category);
    Ok(find.query_row([row], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

/// The version of the whole catalogue.
pub(super) fn of_catalogue(db: &Connection) -> Result<Version, StoreError> {
    let found = of_list(db, None)?;
    let (version, _) = found.ok_or_else(|| StoreError::Corrupt("no version 0".into()))?;
    Ok(version)
}

/// The version of a row that is always there.
pub(super) fn of_row(db: &Connection, row: Row) -> Result<Version, StoreError> {
    let mut find = db.prepare_cached(
        "-- versions.of_row\nSELECT version FROM category_version WHERE category_id = ?1",
    )?;
    Ok(find.query_row([row.0], |row| row.get(0))?)
}

/// The whole table.
pub(super) fn all(db: &Connection) -> Result<Versions, StoreError> {
    let mut query =
        db.prepare_cached("-- versions.all\nSELECT category_id, version FROM category_version")?;
    let rows = query.query_map([], |row| Ok((Row(row.get(0)?), row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
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
