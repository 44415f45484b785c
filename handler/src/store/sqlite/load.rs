//! A batch of an import, applied in one transaction.

use rusqlite::{CachedStatement, OptionalExtension as _, Transaction};

use super::{
    deferral,
    folder::DataFolder,
    marks::Marks,
    product_rows::{self, write},
    runs, sample, search,
    versions::Touched,
};
use crate::catalog::{Category, CategoryId, CategoryName, Product};
use crate::store::{Batch, Committed, Counts, Lease, ProductColumns, Rows, StoreError};

/// Applies the batch behind the fence. A load into an empty table puts the indexes off if
/// nobody serves from the folder.
pub(super) fn commit(
    tx: &Transaction<'_>,
    lease: &Lease,
    batch: &Batch,
    folder: &DataFolder,
    now: i64,
) -> Result<Committed, StoreError> {
    let source = runs::pass_fence(tx, lease, batch, now)?;
    let mut touched = Touched::default();
    let lagged = search::lags(tx)?;
    if batch.start == 0 {
        sample::note_first_batch(tx, &source, &mut touched)?;
    }
    let mut counts = Counts {
        read: batch.read,
        replaced: batch.replaced,
        rejected: batch.rejects.len() as u64,
        loaded: 0,
    };
    let mut marks = Marks::of(tx, lease.run);
    let categories_made = match &batch.rows {
        Rows::Products { rows, columns, categories } => {
            let made = make_categories(tx, categories, &mut touched)?;
            if may_append(tx, lease, batch, folder, now)? {
                append(tx, rows, &mut touched)?;
                counts.loaded += rows.len() as u64;
            } else {
                Upsert::prepare(tx, *columns)?.all(rows, &mut marks, &mut counts, &mut touched)?;
            }
            made
        }
        Rows::Categories(rows) => {
            name_categories(tx, rows, &mut marks, &mut counts, &mut touched)?;
            0
        }
    };
    marks.save()?;
    // The sample that is taken away may have been all that waited.
    if lagged && !search::lags(tx)? {
        touched.search();
    }
    touched.raise(tx, now)?;
    runs::keep_rejects(tx, lease.run, &batch.rejects)?;
    let counts = runs::count(tx, lease.run, &counts, categories_made)?;
    Ok(Committed { counts })
}

/// Whether this run has put the indexes off, or does so now with its first batch.
fn may_append(
    tx: &Transaction<'_>,
    lease: &Lease,
    batch: &Batch,
    folder: &DataFolder,
    now: i64,
) -> Result<bool, StoreError> {
    // Asked within the transaction: a server that comes now settles behind it.
    if batch.start == 0 && is_empty(tx)? && !folder.is_served()? {
        deferral::begin(tx, lease.run)?;
    }
    let is_ours = deferral::owner(tx)? == Some(lease.run);
    if !is_ours {
        deferral::settle(tx, now)?;
    }
    Ok(is_ours)
}

/// Writes rows without a look at what is there, see [`deferral`].
fn append(
    tx: &Transaction<'_>,
    products: &[Product],
    touched: &mut Touched,
) -> Result<(), StoreError> {
    let mut insert =
        tx.prepare_cached(&format!("-- load.append\n{}", product_rows::insert_sql()))?;
    for product in products {
        write(&mut insert, product)?;
        touched.products(product.category_id, 1);
    }
    Ok(())
}

fn is_empty(tx: &Transaction<'_>) -> Result<bool, StoreError> {
    let row = tx.query_row("SELECT 1 FROM products LIMIT 1", [], |_| Ok(())).optional()?;
    Ok(row.is_none())
}

/// Makes the categories that products mention and that are not there.
fn make_categories(
    tx: &Transaction<'_>,
    mentioned: &[CategoryId],
    touched: &mut Touched,
) -> Result<u32, StoreError> {
    let mut make = tx.prepare_cached(
        "-- load.make_category
         INSERT INTO categories (id, name) VALUES (?1, ?2) ON CONFLICT (id) DO NOTHING",
    )?;
    let mut count = 0;
    for Category { id, name } in mentioned.iter().copied().map(Category::unnamed) {
        if make.execute((id.get(), name.as_str()))? > 0 {
            touched.category(id);
            count += 1;
        }
    }
    Ok(count)
}

fn name_categories(
    tx: &Transaction<'_>,
    categories: &[Category],
    marks: &mut Marks<'_>,
    counts: &mut Counts,
    touched: &mut Touched,
) -> Result<(), StoreError> {
    let mut put = tx.prepare_cached(
        "-- load.name_category
         INSERT INTO categories (id, name) VALUES (?1, ?2)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name WHERE name <> excluded.name",
    )?;
    for Category { id, name } in categories {
        if put.execute((id.get(), CategoryName::as_str(name)))? > 0 {
            touched.category(*id);
        }
        tally(marks.mark(i64::from(id.get()))?, counts);
    }
    Ok(())
}

/// A row that meets an earlier one of the same run takes over its place among the loaded.
fn tally(met_earlier_row: bool, counts: &mut Counts) {
    if met_earlier_row {
        counts.replaced += 1;
    } else {
        counts.loaded += 1;
    }
}

/// Inserts new products and changes those that differ.
///
/// The old row, and with it the old category, is read in the write transaction, never
/// before it: only so are the counters right when somebody moves the product meanwhile.
struct Upsert<'tx> {
    insert: CachedStatement<'tx>,
    find: CachedStatement<'tx>,
    update: CachedStatement<'tx>,
    columns: ProductColumns,
    words: search::Changes<'tx>,
    tx: &'tx Transaction<'tx>,
}

impl<'tx> Upsert<'tx> {
    fn prepare(tx: &'tx Transaction<'tx>, columns: ProductColumns) -> Result<Self, StoreError> {
        let names = product_rows::COLUMNS;
        Ok(Self {
            insert: tx.prepare_cached(&format!(
                "-- load.insert\n{} ON CONFLICT (asin) DO NOTHING",
                product_rows::insert_sql()
            ))?,
            find: tx.prepare_cached(&format!(
                "-- load.find\nSELECT id, {names} FROM products WHERE asin = ?1"
            ))?,
            update: tx.prepare_cached(&format!("-- load.update\n{}", product_rows::UPDATE))?,
            columns,
            words: search::Changes::of(tx)?,
            tx,
        })
    }

    fn all(
        &mut self,
        products: &[Product],
        marks: &mut Marks<'_>,
        counts: &mut Counts,
        touched: &mut Touched,
    ) -> Result<(), StoreError> {
        for product in products {
            if write(&mut self.insert, product)? > 0 {
                // Certainly not met before: whatever the mark says belongs to a row that is gone.
                let row = self.tx.last_insert_rowid();
                marks.mark(row)?;
                self.words.note(row)?;
                counts.loaded += 1;
                touched.products(product.category_id, 1);
            } else {
                let row = self.merge(product, touched)?;
                tally(marks.mark(row)?, counts);
            }
        }
        Ok(())
    }

    /// Brings a stored product up to what the file says; gives its rowid. An unchanged
    /// row is not written and raises nothing.
    fn merge(&mut self, new: &Product, touched: &mut Touched) -> Result<i64, StoreError> {
        let (row, old) = self.find.query_row([new.asin.as_str()], |row| {
            Ok((row.get::<_, i64>(0)?, product_rows::read_from(row, 1)))
        })?;
        let old = old?;
        let merged = overlay(&old, new, self.columns);
        if merged != old {
            write(&mut self.update, &merged)?;
            if merged.title != old.title || merged.category_id != old.category_id {
                self.words.note(row)?;
            }
            if merged.category_id == old.category_id {
                touched.products(merged.category_id, 0);
            } else {
                touched.products(old.category_id, -1);
                touched.products(merged.category_id, 1);
            }
        }
        Ok(row)
    }
}

/// The stored product with the columns that the file has.
fn overlay(old: &Product, new: &Product, columns: ProductColumns) -> Product {
    fn pick<T: Clone>(from_file: bool, new: &T, old: &T) -> T {
        if from_file { new.clone() } else { old.clone() }
    }
    Product {
        asin: old.asin,
        title: new.title.clone(),
        category_id: new.category_id,
        img_url: pick(columns.img_url, &new.img_url, &old.img_url),
        product_url: pick(columns.product_url, &new.product_url, &old.product_url),
        stars: pick(columns.stars, &new.stars, &old.stars),
        reviews: pick(columns.reviews, &new.reviews, &old.reviews),
        price: pick(columns.price, &new.price, &old.price),
        list_price: pick(columns.list_price, &new.list_price, &old.list_price),
        is_best_seller: pick(columns.is_best_seller, &new.is_best_seller, &old.is_best_seller),
        bought_in_last_month: pick(
            columns.bought_in_last_month,
            &new.bought_in_last_month,
            &old.bought_in_last_month,
        ),
    }
}
