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

use rusqlite::{CachedStatement, Connection, Transaction};

use super::versions::Touched;
use super::{product_rows, schema, versions};
use crate::cache::versions::Row as VersionRow;
use crate::catalog::{Asin, CategoryId, PageQuery, Position, Product, Words, rank};
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
    let place = Place::of(query);
    let Stretch { mut found, last_match } = stretch(db, query, words, place.behind)?;
    if let Some(shown) = place.shown {
        found.retain(|found| (found.rank, found.asin) > shown);
    }
    let room = query.limit.get().min(RESULTS_MAX - place.count.min(RESULTS_MAX));
    let shown = &found[..found.len().min(room)];
    let count = place.count + shown.len();
    let next = match (shown.last(), last_match) {
        _ if count >= RESULTS_MAX => None,
        (Some(last), _) if found.len() > room => {
            let shown = Some((last.rank, last.asin));
            Some(Place { shown, count, ..place }.position(last.asin))
        }
        (_, Some((id, asin))) => Some(Place { behind: id, shown: None, count }.position(asin)),
        _ => None,
    };
    let products = shown
        .iter()
        .map(|found| product_rows::by_id(db, found.id))
        .collect::<Result<_, StoreError>>()?;
    let page = Page { products, next, total: None, search: Some(state(db)?) };
    Ok(Read { value: Some(page), version })
}

/// Where in a search a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    /// The stretch is that of the matches with higher ids.
    behind: i64,
    /// Of the stretch everything up to this has been shown; nothing yet if `None`.
    shown: Option<(u16, Asin)>,
    /// Results shown on earlier pages.
    count: usize,
}

impl Place {
    const RANK_BITS: u32 = 17;
    const COUNT_BITS: u32 = 10;

    fn of(query: &PageQuery) -> Self {
        let Some(Position { key: Some(key), asin }) = query.after else {
            return Self { behind: 0, shown: None, count: 0 };
        };
        let low = |bits: u32, value: i64| value & ((1 << bits) - 1);
        let count = low(Self::COUNT_BITS, key);
        // One more than the rank, so that there is a number for none.
        let rank = low(Self::RANK_BITS, key >> Self::COUNT_BITS);
        Self {
            behind: key >> (Self::COUNT_BITS + Self::RANK_BITS),
            shown: u16::try_from(rank - 1).ok().map(|rank| (rank, asin)),
            count: usize::try_from(count).unwrap_or(0),
        }
    }

    /// Ids below 2^36 have room beside the rest: more products than any disk holds.
    fn position(self, asin: Asin) -> Position {
        let rank = self.shown.map_or(0, |(rank, _)| i64::from(rank) + 1);
        let count = i64::try_from(self.count).unwrap_or(0);
        let key = (self.behind << Self::RANK_BITS | rank) << Self::COUNT_BITS | count;
        Position { key: Some(key), asin }
    }
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
    /// The last that was examined, if there may be more behind it.
    last_match: Option<(i64, Asin)>,
}

fn stretch(
    db: &Connection,
    query: &PageQuery,
    words: &Words,
    behind: i64,
) -> Result<Stretch, StoreError> {
    let mut matches = db.prepare_cached(
        "-- store.search
         SELECT rowid FROM search WHERE search MATCH ?1 AND rowid > ?2 ORDER BY rowid LIMIT ?3",
    )?;
    let mut product = db.prepare_cached(&product_rows::by_id_sql())?;
    let mut rows = matches.query((expression(words, query.category), behind, EXAMINED_MAX))?;
    let (mut found, mut examined, mut last_match) = (Vec::new(), 0, None);
    while let Some(row) = rows.next()? {
        examined += 1;
        let id = row.get(0)?;
        let mut known = product.query([id])?;
        // A product that was removed is still found until the index has caught up.
        let Some(row) = known.next()? else { continue };
        let asin = product_rows::asin(row)?;
        last_match = Some((id, asin));
        // And one that was moved is still found where it was.
        let is_here = query.category.is_none_or(|category| product_rows::is_in(row, category));
        if !is_here || !product_rows::passes(row, &query.filter)? {
            continue;
        }
        // And one that has another title by now, by the words of its old one.
        if let Some(rank) = rank(product_rows::title(row), words) {
            found.push(Found { rank, asin, id });
        }
    }
    found.sort_unstable_by_key(|found| (found.rank, found.asin));
    Ok(Stretch { found, last_match: last_match.filter(|_| examined == EXAMINED_MAX) })
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
/// that do change depend on the product's category or on the whole catalogue.
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
    use super::*;

    #[test]
    fn a_place_is_found_again() {
        let asin = Asin::parse("B1").unwrap();
        for place in [
            Place { behind: 0, shown: Some((0, asin)), count: 0 },
            Place { behind: (1 << 36) - 1, shown: Some((u16::MAX, asin)), count: 999 },
            Place { behind: 20_001, shown: None, count: 7 },
        ] {
            let mut query = PageQuery::parse("q=x").unwrap();
            query.after = Some(place.position(asin));
            assert_eq!(Place::of(&query), place);
        }
    }

    #[test]
    fn nothing_in_a_word_is_syntax() {
        let words = Words::parse("a\"b OR* near(").unwrap();
        assert_eq!(expression(&words, None), r#"title : ("a""b" AND "near(" AND "or*")"#);
        let category = CategoryId::from_i64(5);
        assert!(expression(&words, category).ends_with(r#" AND category : "c5""#));
    }
}
