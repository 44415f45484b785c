//! Titles by their words, where the server has full-text search. The index is kept by the
//! server itself, behind the writes.

use tiberius::ToSql;

use super::cells::Cells as _;
use super::lists;
use super::product_rows::{self, COLUMNS};
use super::session::{Results, Session};
use super::stop::{nonsense, read};
use crate::catalog::{PageQuery, Position, Words};
use crate::store::{Page, Read, SearchState, StoreError};

/// CONTRACT 5: a search ends after so many results.
const RESULTS_MAX: usize = 1_000;
/// Bits of a position's key that hold how many results were shown before.
const COUNT_BITS: u32 = 10;

/// Makes the index where the server can have one. Not within a transaction: the server
/// refuses that.
pub(super) const MAKE_INDEX: &str = "-- search.make
    IF FULLTEXTSERVICEPROPERTY('IsFullTextInstalled') = 1
       AND OBJECTPROPERTY(OBJECT_ID(N'amazon.products'), 'TableHasActiveFulltextIndex') = 0
    BEGIN
        IF NOT EXISTS (SELECT 1 FROM sys.fulltext_catalogs WHERE name = N'vitrine')
            EXEC(N'CREATE FULLTEXT CATALOG vitrine');
        EXEC(N'CREATE FULLTEXT INDEX ON amazon.products (title) KEY INDEX pk_products
               ON vitrine WITH CHANGE_TRACKING AUTO, STOPLIST = OFF');
    END";

/// Tells whether there is an index.
pub(super) const HAS_INDEX: &str = "-- search.has_index
    SELECT COALESCE(OBJECTPROPERTY(OBJECT_ID(N'amazon.products'), 'TableHasActiveFulltextIndex'), 0)";

/// One page of a search.
pub(super) async fn page(
    session: &mut Session,
    query: &PageQuery,
    words: &Words,
) -> tiberius::Result<Results> {
    let (shown, behind) = place(query);
    let room = query.limit.get().min(RESULTS_MAX.saturating_sub(shown)) + 1;
    let category = query.category.map_or(0, |id| id.get().cast_signed());
    let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(category), Box::new(expression(words))];
    let mut conditions = String::new();
    if query.category.is_some() {
        conditions += " AND p.category_id = @P1";
    }
    if let Some((rank, asin)) = behind {
        values.extend([Box::new(rank) as Box<dyn ToSql>, Box::new(asin)]);
        conditions +=
            " AND (k.[RANK] < @P3 OR (k.[RANK] = @P3 AND p.asin > CAST(@P4 AS VARCHAR(20))))";
    }
    if let Some(filter) = lists::filter(&mut values, &query.filter) {
        conditions.push_str(" AND ");
        conditions.push_str(&filter);
    }
    let columns: Vec<_> = COLUMNS.split(", ").map(|column| format!("p.{column}")).collect();
    let sql = format!(
        "-- store.search\n{versions}
         SELECT version FROM amazon.category_version WHERE category_id = -1;
         SELECT COALESCE(OBJECTPROPERTYEX(OBJECT_ID(N'amazon.products'),
                                          'TableFulltextPendingChanges'), 0);
         SELECT TOP ({room}) {columns}, k.[RANK]
         FROM CONTAINSTABLE(amazon.products, title, @P2) AS k
         JOIN amazon.products AS p ON p.asin = k.[KEY]
         WHERE 1 = 1{conditions} ORDER BY k.[RANK] DESC, p.asin",
        versions = lists::VERSIONS,
        columns = columns.join(", "),
    );
    let parameters: Vec<&dyn ToSql> = values.iter().map(AsRef::as_ref).collect();
    session.query(&sql, &parameters).await
}

/// What the results of [`page`] say; `None` if the category is not known.
pub(super) fn page_of(
    query: &PageQuery,
    results: &Results,
) -> Result<Read<Option<Page>>, StoreError> {
    let [versions, index, pending, rows] = results.as_slice() else {
        return Err(nonsense(format!("{} results", results.len())));
    };
    let Some((version, _)) = lists::of_list(query.category, versions)? else {
        return Ok(Read { value: None, version: lists::of_catalogue(versions)? });
    };
    let (shown, _) = place(query);
    let room = query.limit.get().min(RESULTS_MAX.saturating_sub(shown));
    let products = rows.iter().take(room).map(product_rows::read).collect::<Result<Vec<_>, _>>()?;
    let count = shown + products.len();
    let next = match (rows.get(room), room.checked_sub(1).and_then(|last| rows.get(last))) {
        (Some(_), Some(last)) if count < RESULTS_MAX => {
            let rank = read(last.number(11))?;
            let asin = products[room - 1].asin;
            let count = i64::try_from(count).unwrap_or(0);
            Some(Position { key: Some(rank << COUNT_BITS | count), asin })
        }
        _ => None,
    };
    let (_, total) = lists::of_list(None, versions)?.ok_or_else(|| nonsense("no version 0"))?;
    let first = |rows: &[tiberius::Row]| -> Result<i64, StoreError> {
        read(rows.first().ok_or_else(|| nonsense("no state of the index"))?.number(0))
    };
    let pending = u64::try_from(first(pending)?).unwrap_or(0);
    let search =
        SearchState { version: first(index)?, indexed: total.saturating_sub(pending), total };
    let page = Page { products, next, total: None, search: Some(search) };
    Ok(Read { value: Some(page), version })
}

/// How many results were shown before, and the rank and asin of the last.
fn place(query: &PageQuery) -> (usize, Option<(i32, String)>) {
    let Some(Position { key: Some(key), asin }) = query.after else { return (0, None) };
    let count = usize::try_from(key & ((1 << COUNT_BITS) - 1)).unwrap_or(0);
    let rank = i32::try_from(key >> COUNT_BITS).unwrap_or(i32::MAX);
    (count, Some((rank, asin.as_str().to_owned())))
}

/// Every word in the title; each is quoted, so that nothing in it is taken for syntax.
fn expression(words: &Words) -> String {
    let quoted: Vec<_> =
        words.iter().map(|word| format!("\"{}\"", word.replace('"', "\"\""))).collect();
    quoted.join(" AND ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_word_is_syntax() {
        let words = Words::parse("a\"b OR* near(").unwrap();
        assert_eq!(expression(&words), r#""a""b" AND "near(" AND "or*""#);
    }
}
