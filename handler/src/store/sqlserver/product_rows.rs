//! A product as a row of the table, in both directions.

use tiberius::numeric::Numeric;
use tiberius::{ColumnData, Row, ToSql, TokenRow};

use super::cells::{Cells as _, decimal};
use super::session::Session;
use super::stop::nonsense;
use crate::catalog::{Asin, CategoryId, Count, Money, Product, Stars, Title, WebUrl};
use crate::store::StoreError;

/// The columns in the order in which [`read`] takes them.
pub(super) const COLUMNS: &str = "asin, title, imgUrl, productURL, stars, reviews, price, \
     listPrice, category_id, isBestSeller, boughtInLastMonth";

/// A key as the column has it. As the driver sends it, it would be compared as NVARCHAR, and
/// the index would not be used.
pub(super) fn key(parameter: usize) -> String {
    format!("CAST(@P{parameter} AS VARCHAR(20))")
}

/// The product with this key.
pub(super) async fn find(session: &mut Session, asin: &Asin) -> tiberius::Result<Option<Row>> {
    let sql =
        format!("-- store.product\nSELECT {COLUMNS} FROM amazon.products WHERE asin = {}", key(1));
    session.row(&sql, &[&asin.as_str()]).await
}

/// Reads a row that holds [`COLUMNS`] from column 0 on.
pub(super) fn read(row: &Row) -> Result<Product, StoreError> {
    let cells = || -> tiberius::Result<_> {
        Ok((
            row.text(0)?,
            row.text(1)?,
            row.text_or_null(2)?,
            row.text_or_null(3)?,
            row.hundredths_or_null(4)?,
            row.number_or_null(5)?,
            row.hundredths_or_null(6)?,
            row.hundredths_or_null(7)?,
            row.number(8)?,
            row.number_or_null(9)?,
            row.number_or_null(10)?,
        ))
    };
    let (
        asin,
        title,
        img_url,
        product_url,
        stars,
        reviews,
        price,
        list_price,
        category,
        best,
        bought,
    ) = cells().map_err(nonsense)?;
    let url = |text: Option<&str>, name| {
        text.map(|url| WebUrl::parse(name, url)).transpose().map_err(nonsense)
    };
    Ok(Product {
        asin: Asin::parse(asin).map_err(nonsense)?,
        title: Title::parse(title).map_err(nonsense)?,
        img_url: url(img_url, "imgUrl")?,
        product_url: url(product_url, "productURL")?,
        stars: within(stars, "stars", Stars::from_hundredths)?,
        reviews: within(reviews, "reviews", Count::from_i64)?,
        price: within(price, "price", Money::from_hundredths)?,
        list_price: within(list_price, "listPrice", Money::from_hundredths)?,
        category_id: CategoryId::from_i64(category)
            .ok_or_else(|| nonsense(format!("category_id is {category}")))?,
        is_best_seller: best.map(|flag| flag != 0),
        bought_in_last_month: within(bought, "boughtInLastMonth", Count::from_i64)?,
    })
}

fn within<T>(
    value: Option<i64>,
    column: &str,
    take: fn(i64) -> Option<T>,
) -> Result<Option<T>, StoreError> {
    let Some(value) = value else { return Ok(None) };
    take(value).map(Some).ok_or_else(|| nonsense(format!("{column} is {value}")))
}

/// Adds a product that is not there.
pub(super) async fn insert(session: &mut Session, product: &Product) -> tiberius::Result<()> {
    let sql = format!(
        "-- store.insert_product
         INSERT INTO amazon.products ({COLUMNS}) VALUES ({asin}, @P2, @P3, @P4, @P5, @P6, @P7,
             @P8, @P9, @P10, @P11)",
        asin = key(1)
    );
    write(session, &sql, product).await
}

/// Sets all columns of the product with this key.
pub(super) async fn update(session: &mut Session, product: &Product) -> tiberius::Result<()> {
    let sql = format!(
        "-- store.update_product
         UPDATE amazon.products SET title = @P2, imgUrl = @P3, productURL = @P4, stars = @P5,
             reviews = @P6, price = @P7, listPrice = @P8, category_id = @P9,
             isBestSeller = @P10, boughtInLastMonth = @P11
         WHERE asin = {asin}",
        asin = key(1)
    );
    write(session, &sql, product).await
}

/// Removes the product with this key.
pub(super) async fn remove(session: &mut Session, asin: &Asin) -> tiberius::Result<()> {
    let sql =
        format!("-- store.remove_product\nDELETE FROM amazon.products WHERE asin = {}", key(1));
    session.execute(&sql, &[&asin.as_str()]).await.map(drop)
}

async fn write(session: &mut Session, sql: &str, product: &Product) -> tiberius::Result<()> {
    let cells = Written::of(product);
    let parameters: [&dyn ToSql; 11] = [
        &cells.asin,
        &cells.title,
        &cells.img_url,
        &cells.product_url,
        &cells.stars,
        &cells.reviews,
        &cells.price,
        &cells.list_price,
        &cells.category_id,
        &cells.is_best_seller,
        &cells.bought,
    ];
    session.execute(sql, &parameters).await.map(drop)
}

/// A product's cells in the driver's types, in the order of [`COLUMNS`].
struct Written<'a> {
    asin: &'a str,
    title: &'a str,
    img_url: Option<&'a str>,
    product_url: Option<&'a str>,
    stars: Option<Numeric>,
    reviews: Option<i64>,
    price: Option<Numeric>,
    list_price: Option<Numeric>,
    category_id: i32,
    is_best_seller: Option<bool>,
    bought: Option<i64>,
}

impl<'a> Written<'a> {
    fn of(product: &'a Product) -> Self {
        let count = |count: Option<Count>| count.map(|count| i64::from(count.get()));
        Self {
            asin: product.asin.as_str(),
            title: product.title.as_str(),
            img_url: product.img_url.as_ref().map(WebUrl::as_str),
            product_url: product.product_url.as_ref().map(WebUrl::as_str),
            stars: product.stars.map(|stars| decimal(stars.hundredths())),
            reviews: count(product.reviews),
            price: product.price.map(|price| decimal(price.hundredths())),
            list_price: product.list_price.map(|price| decimal(price.hundredths())),
            category_id: product.category_id.get().cast_signed(),
            is_best_seller: product.is_best_seller,
            bought: count(product.bought_in_last_month),
        }
    }
}

/// A product as a row to be sent in bulk, amounts in hundredths, in the order of [`COLUMNS`].
pub(super) fn sent(product: &Product) -> TokenRow<'_> {
    let text = |text: Option<&'_ str>| ColumnData::String(text.map(|text| text.to_owned().into()));
    let count = |count: Option<Count>| ColumnData::I64(count.map(|count| count.get().into()));
    let url = |url: &Option<WebUrl>| text(url.as_ref().map(WebUrl::as_str));
    let mut row = TokenRow::with_capacity(11);
    row.push(text(Some(product.asin.as_str())));
    row.push(text(Some(product.title.as_str())));
    row.push(url(&product.img_url));
    row.push(url(&product.product_url));
    row.push(ColumnData::I64(product.stars.map(Stars::hundredths)));
    row.push(count(product.reviews));
    row.push(ColumnData::I64(product.price.map(Money::hundredths)));
    row.push(ColumnData::I64(product.list_price.map(Money::hundredths)));
    row.push(ColumnData::I32(Some(product.category_id.get().cast_signed())));
    row.push(ColumnData::Bit(product.is_best_seller));
    row.push(count(product.bought_in_last_month));
    row
}
