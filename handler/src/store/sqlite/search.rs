//! Titles by their words: the index, what it lags behind by, and a page of a search.
//!
//! Whoever loads products does not index them. New ones have higher ids than the
//! *watermark* up to which all are indexed; of the others those whose words changed are put
//! into a queue. A task of the serving process brings the index up to both, a short
//! transaction at a time, and not while a load goes on. Filling the index within the load
//! would cost it 11 s more for the data set, with every batch longer for other writers. A
//! product that is written by itself is indexed at once, see [`follow`].
//!
//! The index finds, the products themselves say how well they fit: a *stretch* of matches, as
//! many as one page may examine, is read and ranked at a time. A word that a million titles
//! hold is thus ranked stretch by stretch.

mod place;

use rusqlite::{CachedStatement, Connection, Transaction};

use self::place::Place;
use super::versions::Touched;
use super::{product_rows, schema, versions};
use crate::cache::versions::Row as VersionRow;
use crate::catalog::{Asin, CategoryId, PageQuery, Product, Words, rank};
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
    let mut place = Place::of(query);
    let Stretch { mut found, until, last: last_examined } = stretch(db, query, words, &place)?;
    place.until = until;
    if let Some(shown) = place.shown {
        found.retain(|found| (found.rank, found.asin) > shown);
    }
    let room = query.limit.get().min(RESULTS_MAX - place.count.min(RESULTS_MAX));
    let shown = &found[..found.len().min(room)];
    let count = place.count + shown.len();
    let next = match (shown.last(), until) {
        _ if count >= RESULTS_MAX => None,
        (Some(last), _) if found.len() > room => {
            // Its end is the same on every page: what is added meanwhile lies behind it.
            let until = until.or(Some((last_examined / Place::BLOCK + 1) * Place::BLOCK));
            Place { until, shown: Some((last.rank, last.asin)), count, ..place }.position()
        }
        (_, Some(until)) if has_more(db, query, words, until)? => {
            Place { behind: until, until: None, shown: None, count }.position()
        }
        _ => None,
    };
    let products = shown
        .iter()
        .map(|found| product_rows::by_id(db, found.id))
        .collect::<Result<_, StoreError>>()?;
    let page = Page { products, next, total: None, search: Some(state(db)?) };
    Ok(Read { value: Some(page), version })
}

/// A product that was found. The smaller its rank, the better it fits.
struct Found {
    rank: u16,
    asin: Asin,
    id: i64,
}

/// Matches that were examined at one go.
struct Stretch {
    /// Those that pass, best first, ties by asin.
    found: Vec<Found>,
    /// Where it ends, if there may be more behind it.
    until: Option<i64>,
    /// The last one examined.
    last: i64,
}

fn stretch(
    db: &Connection,
    query: &PageQuery,
    words: &Words,
    place: &Place,
) -> Result<Stretch, StoreError> {
    let mut matches = db.prepare_cached(
        "-- store.search
         SELECT rowid FROM search WHERE search MATCH ?1 AND rowid > ?2 AND rowid <= ?3
         ORDER BY rowid LIMIT ?4",
    )?;
    let mut product = db.prepare_cached(&product_rows::by_id_sql())?;
    let expression = expression(words, query.category);
    let end = place.until.unwrap_or(i64::MAX);
    // One that has been begun keeps its ends, and may have grown.
    let is_begun = place.shown.is_some();
    let most = if is_begun { 2 * EXAMINED_MAX } else { EXAMINED_MAX };
    let mut rows = matches.query((expression, place.behind, end, most))?;
    let (mut found, mut examined, mut last) = (Vec::new(), 0, place.behind);
    while let Some(row) = rows.next()? {
        let id = row.get(0)?;
        (examined, last) = (examined + 1, id);
        let mut known = product.query([id])?;
        // A product that was removed is still found until the index has caught up.
        let Some(row) = known.next()? else { continue };
        // And one that was moved is still found where it was.
        let is_here = query.category.is_none_or(|category| product_rows::is_in(row, category));
        if !is_here || !product_rows::passes(row, &query.filter)? {
            continue;
        }
        // And one that has another title by now, by the words of its old one.
        if let Some(rank) = rank(product_rows::title(row), words) {
            let rank = rank.min(Place::RANK_MAX);
            found.push(Found { rank, asin: product_rows::asin(row)?, id });
        }
    }
    let until = match examined {
        // No page examines more; a block alone does not hold as many.
        EXAMINED_MAX if !is_begun => Some(last - last % Place::BLOCK),
        _ => place.until,
    };
    found.retain(|found| until.is_none_or(|until| found.id <= until));
    found.sort_unstable_by_key(|found| (found.rank, found.asin));
    Ok(Stretch { found, until, last })
}

/// Whether there are matches behind this id.
fn has_more(
    db: &Connection,
    query: &PageQuery,
    words: &Words,
    until: i64,
) -> Result<bool, StoreError> {
    let mut more = db.prepare_cached(
        "-- store.search_more
         SELECT 1 FROM search WHERE search MATCH ?1 AND rowid > ?2 LIMIT 1",
    )?;
    Ok(more.exists((expression(words, query.category), until))?)
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

/// Indexes one product that was written by itself, in the transaction that wrote it: `None`
/// was removed. What the indexer has still to come to is left to it.
///
/// Results of other categories do not change by it, so the index's version is not raised: those
/// that do change depend on the product's category or on the whole catalogue. Whoever writes
/// raises it when the lag ends by it, which all of them tell of.
pub(super) fn follow(
    tx: &Transaction<'_>,
    id: i64,
    product: Option<&Product>,
) -> Result<(), StoreError> {
    let watermark = watermark(tx)?;
    let is_beyond = id > watermark;
    if is_beyond && (product.is_none() || !is_next(tx, watermark, id)?) {
        return Ok(());
    }
    let mut index = Index::of(tx)?;
    index.remove(id)?;
    if let Some(product) = product {
        index.put(id, product.title.as_str(), product.category_id.get().into())?;
    }
    if is_beyond { set_watermark(tx, id) } else { Ok(()) }
}

/// Whether no other product waits beyond the watermark before this one.
fn is_next(tx: &Transaction<'_>, watermark: i64, id: i64) -> Result<bool, StoreError> {
    let mut between = tx.prepare_cached(
        "-- search.is_next\nSELECT 1 FROM products WHERE id > ?1 AND id < ?2 LIMIT 1",
    )?;
    Ok(!between.exists((watermark, id))?)
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
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_in_a_word_is_syntax() {
        let words = Words::parse("a\"b OR* near(").unwrap();
        assert_eq!(expression(&words, None), r#"title : ("a""b" AND "near(" AND "or*")"#);
        let category = CategoryId::from_i64(5);
        assert!(expression(&words, category).ends_with(r#" AND category : "c5""#));
    }

    /// An index like the one of the schema, with a title in it.
    fn indexed(title: &str) -> Connection {
        let db = Connection::open_in_memory().unwrap();
        let schema = include_str!("../../../migrations/sqlite/0002_search.sql");
        db.execute_batch(schema.split_once(';').unwrap().0).unwrap();
        db.execute("INSERT INTO search (rowid, title, category) VALUES (1, ?1, 'c1')", [title])
            .unwrap();
        db
    }

    /// By the index and by ourselves.
    fn finds_itself(title: &str) -> bool {
        let Ok(words) = Words::parse(title) else { return true };
        let expression = expression(&words, None);
        let sql = "SELECT 1 FROM search WHERE search MATCH ?1";
        let is_found = indexed(title).prepare(sql).unwrap().exists([expression]).unwrap();
        is_found && rank(title, &words).is_some()
    }

    #[test]
    fn a_title_is_found_by_its_own_text() {
        for title in ["ΟΔΟΣ ΣΣ", "Οδός", "İstanbul ILIK", "STRASSE Straße", "Ⓐlamp", "한국어 ВЕЩЬ"]
        {
            assert!(finds_itself(title), "{title}");
        }
    }

    proptest! {
        /// In the alphabets that the index knows: of those that are newer than Unicode 6.1 it
        /// does not know which capital goes with which letter.
        #[test]
        fn every_title_is_found_by_its_own_text(
            title in "[ -\u{24f}\u{300}-\u{36f}\u{386}-\u{527}\u{5d0}-\u{5ea}\u{1e00}-\u{1fff}\\p{Han}\\p{Nd}\\p{P}\\p{S}]{1,40}"
        ) {
            prop_assert!(finds_itself(&title));
        }
    }
}
