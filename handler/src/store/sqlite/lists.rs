//! Lists: pages of products by keyset, categories, counts.
//!
//! A list in an order other than the asin's has three stretches: the rest of the products
//! that tie with the last one shown, those beyond it, and those whose value is unknown.
//! Each is a plain range of one index. One condition for all three (`key > ?1 OR key = ?1
//! AND …`) would make SQLite scan from the first row.

use rusqlite::{Connection, ToSql};

use super::{product_rows, versions};
use crate::catalog::{
    Category, CategoryCount, CategoryId, CategoryName, Money, PageQuery, Position, Product, Sort,
    Stars,
};
use crate::store::{Page, Read, StoreError};

/// One page, and whether there is more; `None` if the category is not known.
pub(super) fn page(db: &Connection, query: &PageQuery) -> Result<Read<Option<Page>>, StoreError> {
    let Some((version, total)) = versions::of_list(db, query.category)? else {
        return Ok(Read { value: None, version: versions::of_catalogue(db)? });
    };
    let limit = query.limit.get();
    let mut products = Vec::with_capacity(limit + 1);
    for stretch in stretches(query) {
        // One more than the page holds tells whether another page follows.
        let wanted = limit + 1 - products.len();
        if wanted > 0 {
            stretch.read(db, query, wanted, &mut products)?;
        }
    }
    let next = if products.len() > limit {
        products.truncate(limit);
        products.last().map(|last| position(last, query.sort))
    } else {
        None
    };
    Ok(Read { value: Some(Page { products, next, total }), version })
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
            match column(sort) {
                None => statements.push(Stretch::Asins { after: "" }.sql(sort, scope)),
                Some(_) => statements.extend(
                    [
                        Stretch::Ties { key: 0, after: "" },
                        Stretch::Beyond { key: 0 },
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
    /// Keys that come behind `key`.
    Beyond { key: i64 },
    /// No key at all.
    Unknown { after: &'a str },
}

/// What is left of the list behind the query's position, in order.
fn stretches(query: &PageQuery) -> Vec<Stretch<'_>> {
    let after = query.after.as_ref();
    let asin = after.map_or("", |after| after.asin.as_str());
    if column(query.sort).is_none() {
        return vec![Stretch::Asins { after: asin }];
    }
    match after.map(|after| after.key) {
        // Before every key there is: stored keys are not negative.
        None if is_descending(query.sort) => {
            vec![Stretch::Beyond { key: i64::MAX }, Stretch::Unknown { after: "" }]
        }
        None => vec![Stretch::Beyond { key: -1 }, Stretch::Unknown { after: "" }],
        Some(Some(key)) => vec![
            Stretch::Ties { key, after: asin },
            Stretch::Beyond { key },
            Stretch::Unknown { after: "" },
        ],
        Some(None) => vec![Stretch::Unknown { after: asin }],
    }
}

impl Stretch<'_> {
    fn read(
        &self,
        db: &Connection,
        query: &PageQuery,
        wanted: usize,
        products: &mut Vec<Product>,
    ) -> Result<(), StoreError> {
        let scope = if query.category.is_some() { Scope::Category } else { Scope::Catalogue };
        let mut statement = db.prepare_cached(&self.sql(query.sort, scope))?;
        let wanted = i64::try_from(wanted).unwrap_or(i64::MAX);
        let category = query.category.map(CategoryId::get);
        let mut given: Vec<(&str, &dyn ToSql)> = vec![(":wanted", &wanted)];
        if category.is_some() {
            given.push((":category", &category));
        }
        match self {
            Stretch::Asins { after } | Stretch::Unknown { after } => given.push((":after", after)),
            Stretch::Ties { key, after } => {
                given.push((":key", key));
                given.push((":after", after));
            }
            Stretch::Beyond { key } => given.push((":key", key)),
        }
        let mut rows = statement.query(given.as_slice())?;
        while let Some(row) = rows.next()? {
            products.push(product_rows::read(row)?);
        }
        Ok(())
    }

    fn sql(&self, sort: Sort, scope: Scope) -> String {
        let key = column(sort).unwrap_or("asin");
        let (behind, direction) = if is_descending(sort) { ("<", " DESC") } else { (">", "") };
        let (condition, order) = match self {
            Stretch::Asins { .. } => ("asin > :after".to_owned(), "asin".to_owned()),
            Stretch::Ties { .. } => (format!("{key} = :key AND asin > :after"), "asin".to_owned()),
            Stretch::Beyond { .. } => {
                (format!("{key} {behind} :key"), format!("{key}{direction}, asin"))
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
             WHERE {scope}{condition} ORDER BY {order} LIMIT :wanted"
        )
    }
}

fn column(sort: Sort) -> Option<&'static str> {
    match sort {
        Sort::Asin => None,
        Sort::Price | Sort::PriceDescending => Some("price"),
        Sort::StarsDescending => Some("stars"),
        Sort::ReviewsDescending => Some("reviews"),
    }
}

fn is_descending(sort: Sort) -> bool {
    matches!(sort, Sort::PriceDescending | Sort::StarsDescending | Sort::ReviewsDescending)
}

fn position(product: &Product, sort: Sort) -> Position {
    let key = match sort {
        Sort::Asin => None,
        Sort::Price | Sort::PriceDescending => product.price.map(Money::hundredths),
        Sort::StarsDescending => product.stars.map(Stars::hundredths),
        Sort::ReviewsDescending => product.reviews.map(|reviews| i64::from(reviews.get())),
    };
    Position { key, asin: product.asin }
}
