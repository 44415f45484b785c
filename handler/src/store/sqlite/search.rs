//! Titles by their words: the index, what it lags behind by, and a page of a search.
//!
//! Whoever writes products does not index them. New ones have higher ids than the
//! *watermark* up to which all are indexed; of the others those whose words changed are put
//! into a queue. A task of the serving process brings the index up to both, a short
//! transaction at a time, and not while a load goes on. Filling the index within the load
//! would cost it 11 s more for the data set, with every batch longer for other writers.

use rusqlite::{CachedStatement, Connection, Transaction};

use super::versions::Touched;
use super::{product_rows, schema, versions};
use crate::cache::versions::Row as VersionRow;
use crate::catalog::{Asin, CategoryId, PageQuery, Position, Words};
use crate::store::{EXAMINED_MAX, Page, Read, SearchState, StoreError};

/// Up to which product's id everything is indexed or queued.
const WATERMARK: &str = "search_watermark";
/// Products indexed in one transaction: it holds other writers up for about 35 ms.
const INDEXED_AT_ONCE: usize = 2_000;
/// CONTRACT 5: a search ends after so many results.
const RESULTS_MAX: usize = 1_000;

/// One page of a search; `None` if the category is not known.
pub(super) fn page(
    db: &Connection,
    query: &PageQuery,
    words: &Words,
) -> Result<Read<Option<Page>>, StoreError> {
    let Some((version, _)) = versions::of_list(db, query.category)? else {
        return Ok(Read { value: None, version: versions::of_catalogue(db)? });
    };
    let mut results = results(db, query, words)?;
    if let Some(Position { key: Some(rank), asin }) = query.after {
        results.retain(|result| (result.rank, result.asin) > (rank, asin));
    }
    let limit = query.limit.get();
    let shown = &results[..results.len().min(limit)];
    let next = shown.last().filter(|_| results.len() > limit);
    let next = next.map(|last| Position { key: Some(last.rank), asin: last.asin });
    let products = shown
        .iter()
        .map(|result| product_rows::by_id(db, result.id))
        .collect::<Result<_, StoreError>>()?;
    let page = Page { products, next, total: None, search: Some(state(db)?) };
    Ok(Read { value: Some(page), version })
}

/// A product that was found. The smaller its rank, the better it fits.
struct Found {
    rank: i64,
    asin: Asin,
    id: i64,
}

/// The best products that pass the filter, best first, ties by asin. Of more matches than a
/// page may examine those are ranked that came first: a word that a million titles hold would
/// take 0.7 s to rank, so it takes 0.05 s.
fn results(db: &Connection, query: &PageQuery, words: &Words) -> Result<Vec<Found>, StoreError> {
    // The inner order is the index's own and costs nothing; without it SQLite would take the
    // limit for one of the outer order, and rank every match.
    let mut ranked = db.prepare_cached(
        "-- store.search
         SELECT id, rank FROM (
             SELECT rowid AS id, bm25(search, 1.0, 0.0) AS rank
             FROM search WHERE search MATCH ?1 ORDER BY rowid LIMIT ?2)
         ORDER BY rank, id",
    )?;
    let mut product = db.prepare_cached(&product_rows::by_id_sql())?;
    let mut rows = ranked.query((expression(words, query.category), EXAMINED_MAX))?;
    let mut results = Vec::new();
    while results.len() < RESULTS_MAX
        && let Some(row) = rows.next()?
    {
        let (id, rank): (i64, f64) = (row.get(0)?, row.get(1)?);
        let mut found = product.query([id])?;
        // A product that was removed is still found until the index has caught up.
        let Some(row) = found.next()? else { continue };
        if product_rows::passes(row, &query.filter)? {
            results.push(Found { rank: ordered(rank), asin: product_rows::asin(row)?, id });
        }
    }
    results.sort_unstable_by_key(|result| (result.rank, result.asin));
    Ok(results)
}

/// A whole number that is ordered as the float is.
fn ordered(rank: f64) -> i64 {
    let bits = rank.to_bits().cast_signed();
    // As `f64::total_cmp` does it: the bits of a negative number count backwards.
    bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed()
}

/// Every word in the title; each is quoted, so that nothing in it is taken for syntax.
fn expression(words: &Words, category: Option<CategoryId>) -> String {
    let quoted: Vec<_> =
        words.iter().map(|word| format!("\"{}\"", word.replace('"', "\"\""))).collect();
    let title = format!("title : ({})", quoted.join(" AND "));
    match category {
        Some(id) => format!("{title} AND category : \"{}\"", category_word(id.get().into())),
        None => title,
    }
}

fn category_word(id: i64) -> String {
    format!("c{id}")
}

/// How far the index has come.
pub(super) fn state(db: &Connection) -> Result<SearchState, StoreError> {
    let version = versions::of_row(db, VersionRow::SEARCH)?;
    let (total, _) = versions::totals(db)?;
    Ok(SearchState { version, indexed: total.saturating_sub(pending(db)?), total })
}

/// About how many products wait to be indexed: never none when one does.
fn pending(db: &Connection) -> Result<u64, StoreError> {
    let mut last = db.prepare_cached("-- search.last\nSELECT max(id) FROM products")?;
    let last: i64 = last.query_row([], |row| row.get::<_, Option<i64>>(0))?.unwrap_or(0);
    let mut queue = db.prepare_cached(
        "-- search.queued\nSELECT coalesce(max(seq) - min(seq) + 1, 0) FROM search_queue",
    )?;
    let queued: i64 = queue.query_row([], |row| row.get(0))?;
    let beyond = last.saturating_sub(watermark(db)?).max(0);
    Ok(beyond.saturating_add(queued).cast_unsigned())
}

/// Whether anything waits to be indexed.
pub(super) fn lags(db: &Connection) -> Result<bool, StoreError> {
    Ok(pending(db)? > 0)
}

/// Indexes some of what waits; tells whether more may wait.
pub(super) fn index_some(tx: &Transaction<'_>, now: i64) -> Result<bool, StoreError> {
    let new = index_new(tx)?;
    let queued = index_queued(tx, INDEXED_AT_ONCE - new)?;
    if new + queued > 0 {
        // In the transaction that moves the index: a result that was kept while it lagged
        // does not count any more.
        let mut touched = Touched::default();
        touched.search();
        touched.raise(tx, now)?;
    }
    Ok(new + queued == INDEXED_AT_ONCE)
}

/// Indexes products beyond the watermark and moves it.
fn index_new(tx: &Transaction<'_>) -> Result<usize, StoreError> {
    let mut select = tx.prepare_cached(
        "-- search.beyond
         SELECT id, title, category_id FROM products WHERE id > ?1 ORDER BY id LIMIT ?2",
    )?;
    let mut index = Index::of(tx)?;
    let mut rows = select.query((watermark(tx)?, INDEXED_AT_ONCE))?;
    let (mut count, mut last) = (0, None);
    while let Some(row) = rows.next()? {
        let id = row.get(0)?;
        index.put(id, row.get_ref(1)?.as_str().unwrap_or_default(), row.get(2)?)?;
        (count, last) = (count + 1, Some(id));
    }
    if let Some(last) = last {
        set_watermark(tx, last)?;
    }
    Ok(count)
}

/// Indexes queued products anew, the longest waiting first.
fn index_queued(tx: &Transaction<'_>, limit: usize) -> Result<usize, StoreError> {
    let mut select = tx.prepare_cached(
        "-- search.queue
         SELECT seq, product_id, title, category_id
         FROM search_queue LEFT JOIN products ON id = product_id ORDER BY seq LIMIT ?1",
    )?;
    let mut index = Index::of(tx)?;
    let mut rows = select.query([limit])?;
    let (mut count, mut last) = (0, 0_i64);
    while let Some(row) = rows.next()? {
        let id = row.get(1)?;
        index.remove(id)?;
        if let Some(title) = row.get_ref(2)?.as_str_or_null().unwrap_or_default() {
            index.put(id, title, row.get(3)?)?;
        }
        (count, last) = (count + 1, row.get(0)?);
    }
    drop(rows);
    tx.execute("-- search.unqueue\nDELETE FROM search_queue WHERE seq <= ?1", [last])?;
    Ok(count)
}

/// The index itself.
pub(super) struct Index<'tx> {
    put: CachedStatement<'tx>,
    remove: CachedStatement<'tx>,
}

impl<'tx> Index<'tx> {
    pub(super) fn of(tx: &'tx Transaction<'tx>) -> Result<Self, StoreError> {
        Ok(Self {
            put: tx.prepare_cached(
                "-- search.put\nINSERT INTO search (rowid, title, category) VALUES (?1, ?2, ?3)",
            )?,
            remove: tx.prepare_cached("-- search.remove\nDELETE FROM search WHERE rowid = ?1")?,
        })
    }

    fn put(&mut self, id: i64, title: &str, category: i64) -> Result<(), StoreError> {
        self.put.execute((id, title, category_word(category)))?;
        Ok(())
    }

    /// Forgets a product, known or not.
    pub(super) fn remove(&mut self, id: i64) -> Result<(), StoreError> {
        self.remove.execute([id])?;
        Ok(())
    }
}

/// Forgets everything, for a table that is empty.
pub(super) fn begin_anew(tx: &Transaction<'_>) -> Result<(), StoreError> {
    tx.execute_batch(
        "INSERT INTO search (search) VALUES ('delete-all'); DELETE FROM search_queue;",
    )?;
    set_watermark(tx, 0)
}

/// What a transaction that writes products tells of their words.
pub(super) struct Changes<'tx> {
    watermark: i64,
    queue: CachedStatement<'tx>,
}

impl<'tx> Changes<'tx> {
    pub(super) fn of(tx: &'tx Transaction<'tx>) -> Result<Self, StoreError> {
        Ok(Self {
            watermark: watermark(tx)?,
            queue: tx.prepare_cached(
                "-- search.enqueue\nINSERT INTO search_queue (product_id) VALUES (?1)",
            )?,
        })
    }

    /// The product is new, or its title or category is another.
    pub(super) fn note(&mut self, id: i64) -> Result<(), StoreError> {
        if id <= self.watermark {
            self.queue.execute([id])?;
        }
        Ok(())
    }
}

fn watermark(db: &Connection) -> Result<i64, StoreError> {
    Ok(schema::get(db, WATERMARK)?.and_then(|text| text.parse().ok()).unwrap_or(0))
}

fn set_watermark(tx: &Transaction<'_>, id: i64) -> Result<(), StoreError> {
    schema::set(tx, WATERMARK, &id.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_keep_their_order() {
        let ranks = [-12.5, -1.7e-6, -1.6e-6, -0.0, 0.0, 3.0];
        assert!(ranks.windows(2).all(|pair| ordered(pair[0]) < ordered(pair[1])));
    }

    #[test]
    fn nothing_in_a_word_is_syntax() {
        let words = Words::parse("a\"b OR* near(").unwrap();
        assert_eq!(expression(&words, None), r#"title : ("a""b" AND "near(" AND "or*")"#);
        let category = CategoryId::from_i64(5);
        assert!(expression(&words, category).ends_with(r#" AND category : "c5""#));
    }
}
