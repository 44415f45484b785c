//! Lists: pages of products by keyset, categories, counts. One round trip each.
//!
//! A list in an order other than the asin's has three stretches: the rest of the products
//! that tie with the last one shown, those beyond it, and those whose value is unknown. Each
//! is a plain range of one index; they are read one after the other until the page is full,
//! by the server, in one batch.

use std::fmt::Write as _;

use tiberius::numeric::Numeric;
use tiberius::{Row, ToSql};

use super::cells::{Cells as _, decimal};
use super::product_rows::{self, COLUMNS};
use super::session::{Results, Session};
use super::stop::{nonsense, read};
use crate::catalog::{
    Asin, Category, CategoryCount, CategoryId, CategoryName, Filter, Money, PageQuery, Position,
    Sort, Stars,
};
use crate::store::{EXAMINED_MAX, Page, Read, StoreError};

/// Tells the version and size of the list, and those of the catalogue: read before the rows.
pub(super) const VERSIONS: &str = "SELECT category_id, version, products \
     FROM amazon.category_version \
     WHERE category_id = 0 OR category_id IN (SELECT id FROM amazon.categories WHERE id = @P1);";

/// One page; `None` if the category is not known.
pub(super) async fn page(session: &mut Session, query: &PageQuery) -> tiberius::Result<Results> {
    let batch = Batch::of(query);
    let parameters: Vec<&dyn ToSql> = batch.parameters.iter().map(AsRef::as_ref).collect();
    session.query(&batch.sql, &parameters).await
}

/// What the results of [`page`] say.
pub(super) fn page_of(
    query: &PageQuery,
    results: &Results,
) -> Result<Read<Option<Page>>, StoreError> {
    let (versions, stretches) = results.split_first().ok_or_else(|| nonsense("no results"))?;
    let of_list = of_list(query.category, versions)?;
    let Some((version, total)) = of_list else {
        return Ok(Read { value: None, version: of_catalogue(versions)? });
    };
    let (mut products, mut examined_up_to) = (Vec::new(), None);
    for row in stretches.iter().flatten() {
        if row.len() == LAST_EXAMINED {
            examined_up_to = Some(position_of(row, query.sort)?);
        } else {
            products.push(product_rows::read(row)?);
        }
    }
    let next = if products.len() > query.limit.get() {
        products.truncate(query.limit.get());
        products.last().map(|last| Position::behind(last, query.sort))
    } else {
        examined_up_to
    };
    let total = query.filter.is_empty().then_some(total);
    Ok(Read { value: Some(Page { products, next, total, search: None }), version })
}

/// The version and size of the list; `None` if its category is not known.
pub(super) fn of_list(
    category: Option<CategoryId>,
    versions: &[Row],
) -> Result<Option<(i64, u64)>, StoreError> {
    let wanted = category.map_or(0, |id| i64::from(id.get()));
    for row in versions {
        if read(row.number(0))? == wanted {
            return Ok(Some((read(row.number(1))?, read(row.count(2))?)));
        }
    }
    Ok(None)
}

pub(super) fn of_catalogue(versions: &[Row]) -> Result<i64, StoreError> {
    of_list(None, versions)?.map(|(version, _)| version).ok_or_else(|| nonsense("no version 0"))
}

/// All categories by id, and the version of the catalogue.
pub(super) async fn categories(session: &mut Session) -> tiberius::Result<Results> {
    session
        .query(
            "-- store.categories
             SELECT version FROM amazon.category_version WHERE category_id = 0;
             SELECT id, name FROM amazon.categories ORDER BY id",
            &[],
        )
        .await
}

pub(super) fn categories_of(results: &Results) -> Result<Read<Vec<Category>>, StoreError> {
    let (version, rows) = versioned(results)?;
    let category = |row: &Row| {
        let (id, name) = (read(row.number(0))?, read(row.text(1))?);
        Ok(Category {
            id: CategoryId::from_i64(id).ok_or_else(|| nonsense(format!("category {id}")))?,
            name: CategoryName::parse(name).map_err(nonsense)?,
        })
    };
    let value = rows.iter().map(category).collect::<Result<_, StoreError>>()?;
    Ok(Read { value, version })
}

/// Categories that have products, most first. Reads the counters, never the products.
pub(super) async fn category_counts(session: &mut Session) -> tiberius::Result<Results> {
    session
        .query(
            "-- store.category_counts
             SELECT version FROM amazon.category_version WHERE category_id = 0;
             SELECT c.id, c.name, v.products
             FROM amazon.category_version AS v JOIN amazon.categories AS c ON c.id = v.category_id
             WHERE v.products > 0 ORDER BY v.products DESC, c.id",
            &[],
        )
        .await
}

pub(super) fn category_counts_of(
    results: &Results,
) -> Result<Read<Vec<CategoryCount>>, StoreError> {
    let (version, rows) = versioned(results)?;
    let count = |row: &Row| {
        Ok(CategoryCount {
            category_id: u32::try_from(read(row.number(0))?).map_err(nonsense)?,
            category_name: read(row.text(1))?.to_owned(),
            total_products: read(row.count(2))?,
        })
    };
    let value = rows.iter().map(count).collect::<Result<_, StoreError>>()?;
    Ok(Read { value, version })
}

fn versioned(results: &Results) -> Result<(i64, &[Row]), StoreError> {
    match results.as_slice() {
        [version, rows] => {
            let row = version.first().ok_or_else(|| nonsense("no version 0"))?;
            Ok((read(row.number(0))?, rows))
        }
        _ => Err(nonsense(format!("{} results", results.len()))),
    }
}

/// Columns of a row that tells how far a filtered page was examined: key and asin.
const LAST_EXAMINED: usize = 2;

/// The statements of a page and their parameters.
struct Batch {
    sql: String,
    parameters: Vec<Box<dyn ToSql>>,
}

impl Batch {
    fn of(query: &PageQuery) -> Self {
        let category = query.category.map_or(0, |id| id.get().cast_signed());
        let mut batch = Self { sql: String::new(), parameters: vec![Box::new(category)] };
        // One product more than the page holds tells that another page follows.
        let limit = query.limit.get() + 1;
        batch.sql = format!("-- store.page\nDECLARE @left INT = {limit};\n{VERSIONS}\n");
        let stretches = batch.stretches(query);
        match filter(&mut batch.parameters, &query.filter) {
            None => stretches.iter().for_each(|stretch| batch.plain(stretch)),
            Some(filter) => batch.filtered(query.sort, &stretches, &filter),
        }
        batch
    }

    // Writing into a String cannot fail, here and below.
    fn plain(&mut self, Stretch { condition, order }: &Stretch) {
        let _ = write!(
            self.sql,
            "IF @left > 0
             BEGIN
                 SELECT TOP (@left) {COLUMNS} FROM amazon.products WHERE {condition}
                 ORDER BY {order};
                 SET @left = @left - @@ROWCOUNT;
             END;\n"
        );
    }

    /// Examines so many rows and no more. A page that is short by then tells how far it has
    /// come, so that the next one goes on there.
    fn filtered(&mut self, sort: Sort, stretches: &[Stretch], filter: &str) {
        let _ = writeln!(self.sql, "DECLARE @budget INT = {EXAMINED_MAX}, @examined INT;");
        let key = sort.column().unwrap_or("CAST(NULL AS BIGINT)");
        for Stretch { condition, order } in stretches {
            let backwards = backwards(order);
            let _ = write!(
                self.sql,
                "IF @left > 0 AND @budget > 0
                 BEGIN
                     SELECT TOP (@left) {COLUMNS}
                     FROM (SELECT TOP (@budget) {COLUMNS} FROM amazon.products
                           WHERE {condition} ORDER BY {order}) AS examined
                     WHERE {filter} ORDER BY {order};
                     SET @left = @left - @@ROWCOUNT;
                     IF @left > 0
                     BEGIN
                         SELECT @examined = COUNT(*)
                         FROM (SELECT TOP (@budget) asin FROM amazon.products
                               WHERE {condition} ORDER BY {order}) AS examined;
                         IF @examined = @budget
                             SELECT TOP (1) {key} AS last_key, asin AS last_asin
                             FROM (SELECT TOP (@budget) {COLUMNS} FROM amazon.products
                                   WHERE {condition} ORDER BY {order}) AS examined
                             ORDER BY {backwards};
                         SET @budget = @budget - @examined;
                     END;
                 END;\n"
            );
        }
    }

    fn parameter(&mut self, value: impl ToSql + 'static) -> String {
        self.parameters.push(Box::new(value));
        format!("@P{}", self.parameters.len())
    }

    fn asin(&mut self, asin: Option<Asin>) -> String {
        // No asin is empty, so the empty text comes before them all.
        let text = asin.map_or_else(String::new, |asin| asin.as_str().to_owned());
        format!("CAST({} AS VARCHAR(20))", self.parameter(text))
    }

    /// A value of the sort's column, in the column's own type: of another type it would keep
    /// the index from being used.
    fn key(&mut self, sort: Sort, value: i64) -> String {
        let amount = |value: i64, max: i64| -> Numeric { decimal(value.clamp(0, max)) };
        match sort {
            Sort::Asin => unreachable!("the order by asin has no other key"),
            Sort::Price | Sort::PriceDescending => {
                let value = amount(value, Money::HUNDREDTHS_MAX);
                format!("CAST({} AS DECIMAL(10, 2))", self.parameter(value))
            }
            Sort::StarsDescending => {
                let value = amount(value, Stars::HUNDREDTHS_MAX.into());
                format!("CAST({} AS DECIMAL(3, 2))", self.parameter(value))
            }
            Sort::ReviewsDescending => self.parameter(value),
        }
    }

    /// What is left of the list behind the query's position, in order.
    fn stretches(&mut self, query: &PageQuery) -> Vec<Stretch> {
        let scope = if query.category.is_some() { "category_id = @P1 AND " } else { "" };
        let after = query.after.map(|after| after.asin);
        let Some(column) = query.sort.column() else {
            let asin = self.asin(after);
            return vec![Stretch::new(format!("{scope}asin > {asin}"), "asin")];
        };
        let unknown =
            |asin: &str| Stretch::new(format!("{scope}{column} IS NULL AND asin > {asin}"), "asin");
        let (beyond, direction) =
            if query.sort.is_descending() { ("<", " DESC") } else { (">", "") };
        let order = format!("{column}{direction}, asin");
        let bounds = self.bounds(query, column);
        let has_unknown = bounds.is_empty();
        match query.after.map(|after| after.key) {
            None => {
                let all = Stretch::new(format!("{scope}{column} IS NOT NULL{bounds}"), &order);
                let unknown = has_unknown.then(|| unknown("''"));
                [all].into_iter().chain(unknown).collect()
            }
            Some(Some(key)) => {
                let (key, asin) = (self.key(query.sort, key), self.asin(after));
                let ties =
                    Stretch::new(format!("{scope}{column} = {key} AND asin > {asin}"), "asin");
                let rest = Stretch::new(format!("{scope}{column} {beyond} {key}{bounds}"), &order);
                // Behind the known ones all that are unknown come, from the first.
                let unknown = has_unknown.then(|| unknown("''"));
                [ties, rest].into_iter().chain(unknown).collect()
            }
            Some(None) => vec![unknown(&self.asin(after))],
        }
    }

    /// A filter on the column that a list goes by is a shorter range of its index: nothing
    /// outside of it is examined.
    fn bounds(&mut self, query: &PageQuery, column: &str) -> String {
        let (min, max) = query.key_bounds();
        let mut bounds = String::new();
        for (bound, operator) in [(min, ">="), (max, "<=")] {
            if let Some(bound) = bound {
                let bound = self.key(query.sort, bound);
                let _ = write!(bounds, " AND {column} {operator} {bound}");
            }
        }
        bounds
    }
}

/// The filter as a condition whose values are added to these; `None` without one.
pub(super) fn filter(values: &mut Vec<Box<dyn ToSql>>, filter: &Filter) -> Option<String> {
    let mut place = |value: Box<dyn ToSql>| {
        values.push(value);
        format!("@P{}", values.len())
    };
    let mut conditions = Vec::new();
    for (price, operator) in [(filter.min_price, ">="), (filter.max_price, "<=")] {
        if let Some(price) = price {
            let price = place(Box::new(decimal(price.hundredths())));
            conditions.push(format!("price {operator} CAST({price} AS DECIMAL(10, 2))"));
        }
    }
    if let Some(stars) = filter.min_stars {
        let stars = place(Box::new(decimal(stars.hundredths())));
        conditions.push(format!("stars >= CAST({stars} AS DECIMAL(3, 2))"));
    }
    if let Some(flag) = filter.best_seller {
        let flag = place(Box::new(flag));
        conditions.push(format!("isBestSeller = {flag}"));
    }
    (!conditions.is_empty()).then(|| conditions.join(" AND "))
}

/// A range of one index.
struct Stretch {
    condition: String,
    order: String,
}

impl Stretch {
    fn new(condition: String, order: &str) -> Self {
        Self { condition, order: order.to_owned() }
    }
}

/// The same order from its other end.
fn backwards(order: &str) -> String {
    let turned = order.split(", ").map(|part| match part.strip_suffix(" DESC") {
        Some(column) => column.to_owned(),
        None => format!("{part} DESC"),
    });
    turned.collect::<Vec<_>>().join(", ")
}

fn position_of(row: &Row, sort: Sort) -> Result<Position, StoreError> {
    let key = match sort {
        Sort::Asin => None,
        Sort::ReviewsDescending => read(row.number_or_null(0))?,
        _ => read(row.hundredths_or_null(0))?,
    };
    Ok(Position { key, asin: Asin::parse(read(row.text(1))?).map_err(nonsense)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_turned_around() {
        assert_eq!(backwards("price DESC, asin"), "price, asin DESC");
        assert_eq!(backwards("asin"), "asin DESC");
    }

    #[test]
    fn a_page_is_one_batch_that_begins_with_its_name_and_names_no_value() {
        for raw in ["", "category_id=5&sort=-price", "min_price=1&best_seller=true&sort=price"] {
            let batch = Batch::of(&PageQuery::parse(raw).unwrap());
            assert!(batch.sql.starts_with("-- store.page\n"));
            for number in 1..=batch.parameters.len() {
                assert!(batch.sql.contains(&format!("@P{number}")), "{raw}: @P{number}");
            }
        }
    }
}
