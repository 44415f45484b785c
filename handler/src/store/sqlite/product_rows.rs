//! A product as a row of the table, in both directions.

use rusqlite::{CachedStatement, Connection, OptionalExtension as _, Row, Transaction, params};

use crate::catalog::{Asin, CategoryId, Count, Filter, Money, Product, Stars, Title, WebUrl};
use crate::store::StoreError;

/// The columns in the order in which [`read`] takes them.
pub(super) const COLUMNS: &str = "asin, title, img_url, product_url, stars, reviews, price, \
     list_price, category_id, is_best_seller, bought_in_last_month";

/// The product with this key.
pub(super) fn find(db: &Connection, asin: &Asin) -> Result<Option<Product>, StoreError> {
    let mut query = db.prepare_cached(&format!(
        "-- store.product\nSELECT {COLUMNS} FROM products WHERE asin = ?1"
    ))?;
    query.query_row([asin.as_str()], |row| Ok(read(row))).optional()?.transpose()
}

/// The product with this key, behind its id.
pub(super) fn find_with_id(
    db: &Connection,
    asin: &Asin,
) -> Result<Option<(i64, Product)>, StoreError> {
    let mut query = db.prepare_cached(&format!(
        "-- store.product_with_id\nSELECT id, {COLUMNS} FROM products WHERE asin = ?1"
    ))?;
    let found = query.query_row([asin.as_str()], |row| Ok((row.get(0)?, read_from(row, 1))));
    found.optional()?.map(|(id, product)| Ok((id, product?))).transpose()
}

/// Finds a product by its id, as [`COLUMNS`].
pub(super) fn by_id_sql() -> String {
    format!("-- store.product_by_id\nSELECT {COLUMNS} FROM products WHERE id = ?1")
}

/// The product with this id, which must be there.
pub(super) fn by_id(db: &Connection, id: i64) -> Result<Product, StoreError> {
    db.prepare_cached(&by_id_sql())?.query_row([id], |row| Ok(read(row)))?
}

/// Whether a row that holds [`COLUMNS`] passes; reads no more of it than it must.
pub(super) fn passes(row: &Row<'_>, filter: &Filter) -> Result<bool, StoreError> {
    if filter.is_empty() {
        return Ok(true);
    }
    let number = |at: usize| row.get::<_, Option<i64>>(at);
    Ok(filter.admits(
        within(number(6)?, "price", Money::from_hundredths)?,
        within(number(4)?, "stars", Stars::from_hundredths)?,
        number(9)?.map(|flag| flag != 0),
    ))
}

/// The key of a row that holds [`COLUMNS`].
pub(super) fn asin(row: &Row<'_>) -> Result<Asin, StoreError> {
    Asin::parse(row.get_ref(0)?.as_str().unwrap_or_default()).map_err(nonsense)
}

/// The title of a row that holds [`COLUMNS`].
pub(super) fn title<'a>(row: &'a Row<'_>) -> &'a str {
    row.get_ref(1).ok().and_then(|title| title.as_str().ok()).unwrap_or_default()
}

/// Whether a row that holds [`COLUMNS`] is one of this category.
pub(super) fn is_in(row: &Row<'_>, category: CategoryId) -> bool {
    row.get(8).is_ok_and(|id: i64| id == i64::from(category.get()))
}

/// Reads a row that holds [`COLUMNS`] from column 0 on.
pub(super) fn read(row: &Row<'_>) -> Result<Product, StoreError> {
    read_from(row, 0)
}

/// Reads a row that holds [`COLUMNS`] from column `first` on.
pub(super) fn read_from(row: &Row<'_>, first: usize) -> Result<Product, StoreError> {
    let text = |at: usize| -> Result<Option<&str>, StoreError> {
        let value = row.get_ref(first + at)?;
        value.as_str_or_null().map_err(|e| StoreError::Corrupt(e.into()))
    };
    let number = |at: usize| row.get::<_, Option<i64>>(first + at);
    let url = |at: usize, name| {
        text(at)?.map(|url| WebUrl::parse(name, url)).transpose().map_err(nonsense)
    };
    Ok(Product {
        asin: Asin::parse(text(0)?.unwrap_or_default()).map_err(nonsense)?,
        title: Title::parse(text(1)?.unwrap_or_default()).map_err(nonsense)?,
        img_url: url(2, "imgUrl")?,
        product_url: url(3, "productURL")?,
        stars: within(number(4)?, "stars", Stars::from_hundredths)?,
        reviews: within(number(5)?, "reviews", Count::from_i64)?,
        price: within(number(6)?, "price", Money::from_hundredths)?,
        list_price: within(number(7)?, "list_price", Money::from_hundredths)?,
        category_id: within(number(8)?, "category_id", CategoryId::from_i64)?
            .ok_or_else(|| nonsense("category_id is null"))?,
        is_best_seller: number(9)?.map(|flag| flag != 0),
        bought_in_last_month: within(number(10)?, "bought_in_last_month", Count::from_i64)?,
    })
}

/// Adds a product that is not there; gives its id.
pub(super) fn insert(tx: &Transaction<'_>, product: &Product) -> Result<i64, StoreError> {
    let mut insert = tx.prepare_cached(&format!("-- store.insert_product\n{}", insert_sql()))?;
    write(&mut insert, product)?;
    Ok(tx.last_insert_rowid())
}

/// Sets all columns of the product with this key.
pub(super) fn update(tx: &Transaction<'_>, product: &Product) -> Result<(), StoreError> {
    let mut update = tx.prepare_cached(&format!("-- store.update_product\n{UPDATE}"))?;
    write(&mut update, product)?;
    Ok(())
}

/// Removes the product with this id.
pub(super) fn remove(tx: &Transaction<'_>, id: i64) -> Result<(), StoreError> {
    let mut remove =
        tx.prepare_cached("-- store.remove_product\nDELETE FROM products WHERE id = ?1")?;
    remove.execute([id])?;
    Ok(())
}

/// Adds a row, as [`write`] fills it in.
pub(super) fn insert_sql() -> String {
    format!(
        "INSERT INTO products ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
    )
}

/// Changes a row, as [`write`] fills it in.
pub(super) const UPDATE: &str = "UPDATE products SET title = ?2, img_url = ?3, product_url = ?4, \
     stars = ?5, reviews = ?6, price = ?7, list_price = ?8, category_id = ?9, \
     is_best_seller = ?10, bought_in_last_month = ?11 WHERE asin = ?1";

/// Executes a statement whose parameters are [`COLUMNS`]; tells how many rows it changed.
pub(super) fn write(
    statement: &mut CachedStatement<'_>,
    product: &Product,
) -> Result<usize, StoreError> {
    Ok(statement.execute(params![
        product.asin.as_str(),
        product.title.as_str(),
        product.img_url.as_ref().map(WebUrl::as_str),
        product.product_url.as_ref().map(WebUrl::as_str),
        product.stars.map(Stars::hundredths),
        product.reviews.map(Count::get),
        product.price.map(Money::hundredths),
        product.list_price.map(Money::hundredths),
        product.category_id.get(),
        product.is_best_seller,
        product.bought_in_last_month.map(Count::get),
    ])?)
}

fn within<T>(
    value: Option<i64>,
    column: &str,
    take: fn(i64) -> Option<T>,
) -> Result<Option<T>, StoreError> {
    let Some(value) = value else { return Ok(None) };
    take(value).map(Some).ok_or_else(|| nonsense(format!("{column} is {value}")))
}

fn nonsense(cause: impl Into<crate::store::BoxError>) -> StoreError {
    StoreError::Corrupt(cause.into())
}
