//! Lists: pages of products by keyset, categories, counts.
//!
//! A list in an order other than the asin's has three stretches: the rest of the products
//! that tie with the last one shown, those beyond it, and those whose value is unknown.
//! Each is a plain range of one index. One condition for all three (`key > ?1 OR key = ?1
//! AND …`) would make SQLite scan from the first row.

use rusqlite::{Connection, Row, ToSql};

use super::{product_rows, versions};
use crate::catalog::{
    Category, CategoryCount, CategoryId, CategoryName, PageQuery, Position, Product, Sort,
};
use crate::store::{EXAMINED_MAX, Page, Read, StoreError};

/// One page, and whether there is more; `None` if the category is not known.
pub(super) fn page(db: &Connection, query: &PageQuery) -> Result<Read<Option<Page>>, StoreError> {
    let Some((version, total)) = versions::of_list(db, query.category)? else {
        return Ok(Read { value: None, version: versions::of_catalogue(db)? });
    };
    let mut gathered = Gathered::new(query);
    for stretch in stretches(query) {
        if !gathered.is_complete {
            stretch.read(db, query, &mut gathered)?;
        }
    }
    let Gathered { products, next, .. } = gathered;
    let total = query.filter.is_empty().then_some(total);
    Ok(Read { value: Some(Page { products, next, total, search: None }), version })
}

/// A page in the making.
struct Gathered<'a> {
    query: &'a PageQuery,
    products: Vec<Product>,
    examined: usize,
    /// Where the next page begins.
    next: Option<Position>,
    is_complete: bool,
}

impl<'a> Gathered<'a> {
    fn new(query: &'a PageQuery) -> Self {
        let products = Vec::with_capacity(query.limit.get());
        Self { query, products, examined: 0, next: None, is_complete: false }
    }

    /// Takes the list's next row in. One product more than the page holds tells that another
    /// page follows; so does the last row that a filtered page may examine.
    fn take(&mut self, row: &Row<'_>) -> Result<(), StoreError> {
        self.examined += 1;
        if product_rows::passes(row, &self.query.filter)? {
            if self.products.len() == self.query.limit.get() {
                self.next =
                    self.products.last().map(|last| Position::behind(last, self.query.sort));
                self.is_complete = true;
                return Ok(());
            }
            self.products.push(product_rows::read(row)?);
        }
        if self.examined == EXAMINED_MAX {
            self.next = Some(Position::behind(&product_rows::read(row)?, self.query.sort));
            self.is_complete = true;
        }
        Ok(())
    }
}

/// All categories by id.
pub(super) fn categories(db: &Connection) -> Result<Vec<Category>, StoreError> {
    let mut query =
        db.prepare_cached("-- store.categories\nSELECT id, name FROM categories ORDER BY id")?;
    let mut rows = query.query([])?;
    let mut categories = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, name): (i64, String) = (row.get(0)?, row.get(1)?);
        categories.push(Category {
            id: CategoryId::from_i64(id)
                .ok_or_else(|| StoreError::Corrupt(format!("category {id}").into()))?,
            name: CategoryName::parse(&name).map_err(|e| StoreError::Corrupt(e.into()))?,
        });
    }
    Ok(categories)
}

/// Categories that have products, most first. Reads the counters, never the products.
pub(super) fn category_counts(db: &Connection) -> Result<Vec<CategoryCount>, StoreError> {
    let mut query = db.prepare_cached(
        "-- store.category_counts
         SELECT id, name, products FROM category_version JOIN categories ON id = category_id
         WHERE products > 0 ORDER BY products DESC, id",
    )?;
    let counts = query.query_map([], |row| {
        Ok(CategoryCount {
            category_id: row.get(0)?,
            category_name: row.get(1)?,
            total_products: row.get(2)?,
        })
    })?;
    Ok(counts.collect::<Result<_, _>>()?)
}

/// The statements of every list in every order, for a test that looks at their plans.
pub fn hot_statements() -> Vec<String> {
    let mut statements = Vec::new();
    for sort in Sort::ALL {
        for scope in [Scope::Catalogue, Scope::Category] {
            match sort.column() {
                None => statements.push(Stretch::Asins { after: "" }.sql(sort, scope)),
                Some(_) => statements.extend(
                    [
                        Stretch::Ties { key: 0, after: "" },
                        Stretch::Beyond { key: 0, until: 0 },
                        Stretch::Unknown { after: "" },
                    ]
                    .map(|stretch| stretch.sql(sort, scope)),
                ),
            }
        }
    }
    statements
}

#[derive(Clone, Copy)]
enum Scope {
    Catalogue,
    Category,
}

/// A range of one index. No asin is empty, so the empty text comes before them all.
enum Stretch<'a> {
    /// The order by asin has no other key.
    Asins { after: &'a str },
    /// The same key as the last product shown, behind its asin.
    Ties { key: i64, after: &'a str },
    /// Keys that come behind `key`, up to and with `until`.
    Beyond { key: i64, until: i64 },
    /// No key at all.
    Unknown { after: &'a str },
}

/// What is left of the list behind the query's position, in order.
fn stretches(query: &PageQuery) -> Vec<Stretch<'_>> {
    let after = query.after.as_ref();
    let asin = after.map_or("", |after| after.asin.as_str());
    if query.sort.column().is_none() {
        return vec![Stretch::Asins { after: asin }];
    }
    let Keys { before_all, until, has_unknown } = keys(query);
    let unknown = has_unknown.then_some(Stretch::Unknown { after: "" });
    match after.map(|after| after.key) {
        None => {
            let known = Stretch::Beyond { key: before_all, until };
            [known].into_iter().chain(unknown).collect()
        }
        Some(Some(key)) => {
            let known = [Stretch::Ties { key, after: asin }, Stretch::Beyond { key, until }];
            known.into_iter().chain(unknown).collect()
        }
        Some(None) => vec![Stretch::Unknown { after: asin }],
    }
}

/// The keys among which a list's products lie.
struct Keys {
    /// Before every one of them.
    before_all: i64,
    /// The last that may be met.
    until: i64,
    has_unknown: bool,
}

/// A filter on the column that a list goes by is a shorter range of its index: nothing
/// outside of it is examined. Stored keys are not negative.
fn keys(query: &PageQuery) -> Keys {
    let (min, max) = query.key_bounds();
    let has_unknown = min.is_none() && max.is_none();
    let (min, max) = (min.unwrap_or(0), max.unwrap_or(i64::MAX - 1));
    if query.sort.is_descending() {
        Keys { before_all: max + 1, until: min, has_unknown }
    } else {
        Keys { before_all: min - 1, until: max, has_unknown }
    }
}

impl Stretch<'_> {
    fn read(
        &self,
        db: &Connection,
        query: &PageQuery,
        gathered: &mut Gathered<'_>,
    ) -> Result<(), StoreError> {
        let scope = if query.category.is_some() { Scope::Category } else { Scope::Catalogue };
        let mut statement = db.prepare_cached(&self.sql(query.sort, scope))?;
        let category = query.category.map(CategoryId::get);
        let mut given: Vec<(&str, &dyn ToSql)> = Vec::with_capacity(3);
        if category.is_some() {
            given.push((":category", &category));
        }
        match self {
            Stretch::Asins { after } | Stretch::Unknown { after } => given.push((":after", after)),
            Stretch::Ties { key, after } => {
                given.push((":key", key));
                given.push((":after", after));
            }
            Stretch::Beyond { key, until } => {
                given.push((":key", key));
                given.push((":until", until));
            }
        }
        let mut rows = statement.query(given.as_slice())?;
        while !gathered.is_complete
            && let Some(row) = rows.next()?
        {
            gathered.take(row)?;
        }
        Ok(())
    }

    fn sql(&self, sort: Sort, scope: Scope) -> String {
        let key = sort.column().unwrap_or("asin");
        let (behind, to, direction) =
            if sort.is_descending() { ("<", ">=", " DESC") } else { (">", "<=", "") };
        let (condition, order) = match self {
            Stretch::Asins { .. } => ("asin > :after".to_owned(), "asin".to_owned()),
            Stretch::Ties { .. } => (format!("{key} = :key AND asin > :after"), "asin".to_owned()),
            Stretch::Beyond { .. } => {
                let range = format!("{key} {behind} :key AND {key} {to} :until");
                (range, format!("{key}{direction}, asin"))
            }
            Stretch::Unknown { .. } => {
                (format!("{key} IS NULL AND asin > :after"), "asin".to_owned())
            }
        };
        let scope = match scope {
            Scope::Catalogue => "",
            Scope::Category => "category_id = :category AND ",
        };
        let columns = product_rows::COLUMNS;
        format!(
            "-- store.page\nSELECT {columns} FROM products \
             WHERE {scope}{condition} ORDER BY {order}"
        )
    }
}
