//! One product, written by itself: row, versions, counters and search index together.

use std::sync::Arc;

use rusqlite::{OptionalExtension as _, Transaction};

use super::versions::{self, Touched};
use super::{deferral, idempotency, product_rows, search};
use crate::catalog::{Asin, CategoryId, Product};
use crate::store::{Edit, Once, StoreError, WriteError, Written};

/// See [`crate::store::Store::create_product`].
pub(super) fn create(
    tx: &Transaction<'_>,
    product: &Product,
    once: Option<&Once>,
    now: i64,
) -> Result<Written, WriteError> {
    let is_repeated = match once {
        Some(once) => idempotency::is_repeated(tx, once, now)?,
        None => false,
    };
    let after = Some(product.clone());
    if is_repeated {
        // The same body is the same product, whatever has become of it since.
        return Ok(Written { before: None, after, versions: Arc::new(versions::all(tx)?) });
    }
    let only_new: Edit = Box::new(move |old| match old {
        Some(old) => Err(WriteError::Exists(old.asin)),
        None => Ok(after.clone()),
    });
    let written = edit(tx, &product.asin, &only_new, now)?;
    if let Some(once) = once {
        idempotency::keep(tx, once, &product.asin, now)?;
    }
    Ok(written)
}

/// See [`crate::store::Store::edit_product`].
pub(super) fn edit(
    tx: &Transaction<'_>,
    asin: &Asin,
    edit: &Edit,
    now: i64,
) -> Result<Written, WriteError> {
    // Until then an asin may be there twice.
    deferral::settle(tx, now)?;
    let (id, before) = product_rows::find_with_id(tx, asin)?.unzip();
    let after = edit(before.as_ref())?;
    if after.as_ref().is_some_and(|after| after.asin != *asin) {
        return Err(StoreError::Corrupt("an edit has changed the asin".into()).into());
    }
    if after != before {
        if let Some(after) = &after {
            must_exist(tx, after.category_id)?;
        }
        apply(tx, id, before.as_ref(), after.as_ref(), now)?;
    }
    Ok(Written { before, after, versions: Arc::new(versions::all(tx)?) })
}

fn must_exist(tx: &Transaction<'_>, category: CategoryId) -> Result<(), WriteError> {
    let mut find = tx
        .prepare_cached("-- writes.category\nSELECT 1 FROM categories WHERE id = ?1")
        .map_err(StoreError::from)?;
    let found = find.query_row([category.get()], |_| Ok(())).optional();
    found.map_err(StoreError::from)?.ok_or(WriteError::UnknownCategory(category))
}

fn apply(
    tx: &Transaction<'_>,
    id: Option<i64>,
    before: Option<&Product>,
    after: Option<&Product>,
    now: i64,
) -> Result<(), StoreError> {
    let lagged = search::lags(tx)?;
    let id = match (id, after) {
        (None, None) => return Ok(()),
        (None, Some(new)) => product_rows::insert(tx, new)?,
        (Some(id), Some(new)) => {
            product_rows::update(tx, new)?;
            id
        }
        (Some(id), None) => {
            product_rows::remove(tx, id)?;
            id
        }
    };
    let words = |product: &Product| (product.title.clone(), product.category_id);
    if before.map(words) != after.map(words) {
        search::follow(tx, id, after)?;
    }
    let mut touched = touched(before, after);
    if lagged && !search::lags(tx)? {
        // The lag has ended with this write, and the indexer finds nothing to do.
        touched.search();
    }
    touched.raise(tx, now)
}

/// A product that moves touches both of its categories, one that stays its own alone.
fn touched(before: Option<&Product>, after: Option<&Product>) -> Touched {
    let mut touched = Touched::default();
    if let Some(before) = before {
        touched.products(before.category_id, -1);
    }
    if let Some(after) = after {
        touched.products(after.category_id, 1);
    }
    touched
}
