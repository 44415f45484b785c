//! What only the embedded store promises: plans, durability, several processes on one file.

use std::collections::BTreeSet;
use std::sync::Arc;

use rusqlite::Connection;
use vitrine::catalog::{Money, PageQuery};
use vitrine::clock::Clock;
use vitrine::store::sqlite::{
    CACHE_KIB_LOADING, PAGE_BYTES, Purpose, SCHEMA, SqliteStore, hot_statements,
};
use vitrine::store::{EXAMINED_MAX, End, Store, StoreError};

use crate::contract_store::{batch, begin, load, product, walk};
use crate::support::files::many;
use crate::support::{SOME_DAY, TestFolder};

fn direct(folder: &TestFolder) -> Connection {
    Connection::open(folder.data.database()).unwrap()
}

/// Those of the products.
fn indexes(db: &Connection) -> BTreeSet<String> {
    let mut query = db
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'products'")
        .unwrap();
    query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// Every list in every order reads a range of one index and sorts nothing.
#[tokio::test]
async fn every_hot_statement_is_a_search_without_a_sort() {
    let folder = TestFolder::new();
    let store: Arc<dyn Store> = folder.store();
    let file = folder.file("many.csv", many(2_000));
    folder.import(&store, &file).await.unwrap();
    let db = direct(&folder);
    for sql in hot_statements() {
        let mut explain = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let plan: Vec<String> =
            explain.raw_query().mapped(|row| row.get(3)).map(Result::unwrap).collect();
        assert_eq!(plan.len(), 1, "{sql}: {plan:?}");
        assert!(plan[0].starts_with("SEARCH products USING INDEX products_"), "{sql}: {plan:?}");
    }
    for sql in [
        "SELECT title FROM products WHERE asin = ?1",
        "SELECT 1 FROM import_run WHERE state IN ('loading', 'indexing') AND lease_until <= ?1",
    ] {
        let mut explain = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let plan: String = explain.raw_query().next().unwrap().unwrap().get(3).unwrap();
        assert!(plan.contains("USING INDEX") || plan.contains("USING COVERING"), "{sql}: {plan}");
    }
}

/// The benchmark against `sqlite3` is only fair, and a load only safe, with these.
#[tokio::test]
async fn the_writer_is_as_durable_as_it_says() {
    let pragmas = TestFolder::new().store().pragmas().await.unwrap();
    assert_eq!(
        pragmas,
        [
            ("page_size", PAGE_BYTES.to_string()),
            ("cache_size", format!("-{CACHE_KIB_LOADING}")),
            ("journal_mode", "wal".to_owned()),
            ("synchronous", "1".to_owned()),
        ]
    );
}

#[tokio::test]
async fn a_write_raises_what_it_touched_and_nothing_else() {
    let folder = TestFolder::new();
    let clock = Clock::standing_at(SOME_DAY);
    let store: Arc<dyn Store> = folder.store_at(clock);
    load(&store, "a", (1..=4).map(|i| product(&format!("B{i}"), Some(1), i)).collect()).await;
    let versions = || -> Vec<i64> {
        let db = direct(&folder);
        let mut query = db
            .prepare(
                "SELECT version FROM category_version WHERE category_id >= 0 ORDER BY category_id",
            )
            .unwrap();
        query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let before = versions();
    assert!(before.iter().all(|version| *version >= SOME_DAY), "never below the clock");
    let moved =
        vec![product("B1", Some(1), 2), product("B3", Some(1), 3), product("B4", Some(9), 4)];
    load(&store, "b", moved).await;
    let raised: Vec<_> = before.iter().zip(versions()).map(|(old, new)| new > *old).collect();
    // The catalogue; the old and the new category; not that of the unchanged row.
    assert_eq!(raised, [true, true, true, false, true]);
    let unchanged = versions();
    load(&store, "c", vec![product("B1", Some(1), 2)]).await;
    assert_eq!(versions(), unchanged);
}

#[tokio::test]
async fn a_load_into_an_empty_table_makes_the_indexes_at_its_end() {
    let folder = TestFolder::new();
    let store: Arc<dyn Store> = folder.store();
    let all = indexes(&direct(&folder));
    assert_eq!(all.len(), 10, "{all:?}");
    let (_, lease) = begin(&store, "a", "1").await;
    store.commit_batch(&lease, batch(0, 1, vec![product("B1", None, 1)])).await.unwrap();
    assert!(indexes(&direct(&folder)).is_empty());
    store.finish_loading(&lease).await.unwrap();
    store.end_run(&lease, End::Done).await.unwrap();
    assert_eq!(indexes(&direct(&folder)), all);

    let (_, lease) = begin(&store, "b", "1").await;
    store.commit_batch(&lease, batch(0, 1, vec![product("B2", None, 1)])).await.unwrap();
    assert_eq!(indexes(&direct(&folder)), all, "the table was not empty");
}

#[tokio::test]
async fn a_load_beside_a_server_keeps_the_indexes() {
    let folder = TestFolder::new();
    let store: Arc<dyn Store> = folder.store();
    let all = indexes(&direct(&folder));
    let serving = folder.data.lock_for_serving().unwrap();
    let (_, lease) = begin(&store, "a", "1").await;
    store.commit_batch(&lease, batch(0, 1, vec![product("B1", None, 1)])).await.unwrap();
    assert_eq!(indexes(&direct(&folder)), all);
    drop(serving);
}

#[tokio::test]
async fn a_server_that_comes_during_a_load_gets_its_indexes() {
    let folder = TestFolder::new();
    let store: Arc<dyn Store> = folder.store();
    let all = indexes(&direct(&folder));
    let (_, lease) = begin(&store, "a", "1").await;
    store.commit_batch(&lease, batch(0, 1, vec![product("B1", None, 1)])).await.unwrap();
    let _serving = folder.data.lock_for_serving().unwrap();
    store.commit_batch(&lease, batch(1, 2, vec![product("B2", None, 1)])).await.unwrap();
    assert_eq!(indexes(&direct(&folder)), all);
}

#[tokio::test]
async fn indexes_of_a_dead_load_are_made_by_whoever_comes() {
    let folder = TestFolder::new();
    let clock = Clock::standing_at(SOME_DAY);
    let store = folder.store_at(clock.clone());
    let as_store: Arc<dyn Store> = Arc::<SqliteStore>::clone(&store);
    let all = indexes(&direct(&folder));
    let (_, lease) = begin(&as_store, "a", "1").await;
    store.commit_batch(&lease, batch(0, 1, vec![product("B1", None, 1)])).await.unwrap();
    store.repair().await.unwrap();
    assert!(indexes(&direct(&folder)).is_empty(), "its owner lives and makes them itself");
    clock.turn(std::time::Duration::from_secs(31));
    store.repair().await.unwrap();
    assert_eq!(indexes(&direct(&folder)), all);
}

/// Rows of one asin, in one batch and far apart, while nothing keeps them from being
/// appended: of each the last stays, and the counts and counters say so.
#[tokio::test]
async fn what_was_appended_twice_is_settled_at_the_end() {
    let folder = TestFolder::new();
    let store: Arc<dyn Store> = folder.store();
    let (run, lease) = begin(&store, "a", "1").await;
    let first = vec![product("B1", Some(1), 1), product("B2", Some(1), 1), product("B3", None, 2)];
    store.commit_batch(&lease, batch(0, 1, first)).await.unwrap();
    let second = vec![product("B2", Some(2), 2), product("B1", Some(2), 1)];
    store.commit_batch(&lease, batch(1, 2, second)).await.unwrap();
    store.commit_batch(&lease, batch(2, 3, vec![product("B1", Some(3), 3)])).await.unwrap();
    store.finish_loading(&lease).await.unwrap();
    store.end_run(&lease, End::Done).await.unwrap();
    let counts = store.run(run.id).await.unwrap().unwrap().counts;
    assert_eq!((counts.read, counts.loaded, counts.replaced), (6, 3, 3));
    let listed = walk(&store, PageQuery::parse("").unwrap()).await;
    let listed: Vec<_> = listed
        .iter()
        .map(|p| (p.asin.to_string(), p.price.map(Money::hundredths), p.category_id.get()))
        .collect();
    let expected = [("B1", Some(3), 3), ("B2", Some(2), 2), ("B3", None, 2)];
    assert_eq!(listed, expected.map(|(asin, price, category)| (asin.to_owned(), price, category)));
    let counts = store.category_counts().await.unwrap().value;
    let counts: Vec<_> = counts.iter().map(|c| (c.category_id, c.total_products)).collect();
    assert_eq!(counts, [(2, 2), (3, 1)]);
}

/// A server comes in the middle: it never sees an asin twice, and a row that follows counts
/// as replacing what was appended before.
#[tokio::test]
async fn a_server_settles_before_it_serves() {
    let folder = TestFolder::new();
    let store: Arc<dyn Store> = folder.store();
    let (run, lease) = begin(&store, "a", "1").await;
    let first = vec![product("B1", Some(1), 1), product("B2", Some(1), 1)];
    store.commit_batch(&lease, batch(0, 1, first)).await.unwrap();
    store.commit_batch(&lease, batch(1, 2, vec![product("B1", Some(2), 1)])).await.unwrap();
    let _serving = folder.data.lock_for_serving().unwrap();
    let server = SqliteStore::open(&folder.data, Purpose::Serving, Clock::System).unwrap();
    let page = server.page(&PageQuery::parse("").unwrap()).await.unwrap().value.unwrap();
    assert_eq!((page.products.len(), page.total), (2, Some(2)));
    store.commit_batch(&lease, batch(2, 3, vec![product("B2", Some(3), 1)])).await.unwrap();
    let counts = store.run(run.id).await.unwrap().unwrap().counts;
    assert_eq!((counts.read, counts.loaded, counts.replaced), (4, 2, 2));
}

/// Two imports into one empty folder at once.
#[tokio::test]
async fn another_run_settles_before_it_writes() {
    let folder = TestFolder::new();
    let store: Arc<dyn Store> = folder.store();
    let (_, first) = begin(&store, "a", "1").await;
    store.commit_batch(&first, batch(0, 1, vec![product("B1", Some(1), 1)])).await.unwrap();
    let (_, second) = begin(&store, "b", "1").await;
    store.commit_batch(&second, batch(0, 1, vec![product("B1", Some(2), 1)])).await.unwrap();
    store.commit_batch(&first, batch(1, 2, vec![product("B1", Some(3), 1)])).await.unwrap();
    let page = store.page(&PageQuery::parse("").unwrap()).await.unwrap().value.unwrap();
    assert_eq!((page.products.len(), page.total), (1, Some(1)));
    assert_eq!(page.products[0].price.map(Money::hundredths), Some(3));
}

#[test]
fn ten_may_migrate_at_once() {
    let folder = TestFolder::new();
    std::thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| {
                SqliteStore::open(&folder.data, Purpose::Serving, Clock::System).unwrap()
            });
        }
    });
    let (schema, ids): (String, i64) = direct(&folder)
        .query_row(
            "SELECT value, (SELECT count(*) FROM meta WHERE name = 'database_id') FROM meta \
             WHERE name = 'schema'",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    assert_eq!((schema, ids), (SCHEMA.to_string(), 1));
}

/// Users and hashes lie in it: nobody else may read it, whatever the folder allows.
#[cfg(unix)]
#[tokio::test]
async fn the_database_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = TestFolder::new();
    std::fs::set_permissions(folder.data.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let store: Arc<dyn Store> = folder.store();
    store.prune_sessions().await.unwrap();
    for end in ["", "-wal", "-shm"] {
        let path = folder.data.path().join(format!("vitrine.db{end}"));
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    }
}

#[test]
fn only_a_schema_that_serves_no_such_old_handler_is_refused() {
    let folder = TestFolder::new();
    drop(folder.store());
    let set = |name: &str, value: i64| {
        direct(&folder)
            .execute("UPDATE meta SET value = ?2 WHERE name = ?1", (name, value.to_string()))
            .unwrap();
    };
    let open = || SqliteStore::open(&folder.data, Purpose::Serving, Clock::System);
    set("schema", SCHEMA + 2);
    assert!(open().is_ok(), "the newer schema still serves this handler");
    set("oldest_handler", SCHEMA + 1);
    assert!(matches!(open(), Err(StoreError::SchemaTooNew { .. })));
}

/// A run that an older handler has left is shown with what is known of it, and goes on.
#[tokio::test]
async fn runs_of_an_older_schema_are_brought_along() {
    let folder = TestFolder::new();
    let store: Arc<dyn Store> = folder.store();
    let (_, lease) = begin(&store, "a", "1").await;
    store.commit_batch(&lease, batch(0, 1, vec![product("B1", None, 1)])).await.unwrap();
    drop(store);
    let db = direct(&folder);
    for column in ["stored_offset", "taken_at", "taken_read", "taken_stored", "moved_at"] {
        db.execute_batch(&format!("ALTER TABLE import_run DROP COLUMN {column}")).unwrap();
    }
    db.execute("UPDATE meta SET value = '6' WHERE name = 'schema'", []).unwrap();
    drop(db);
    let store: Arc<dyn Store> = folder.store();
    let run = store.runs(None, 1).await.unwrap().remove(0);
    assert_eq!((run.id, run.checkpoint.offset, run.checkpoint.stored), (lease.run, 1, 1));
    assert_eq!((run.stretch.since, run.rate()), (run.created_at, None));
    store.commit_batch(&lease, batch(1, 2, vec![product("B2", None, 1)])).await.unwrap();
    let now = store.run(run.id).await.unwrap().unwrap();
    assert!(now.rate().unwrap() > 0.0);
}

/// Counting the products of a category reads the counters: no statement of it may touch
/// the table of products.
#[tokio::test]
async fn counting_categories_does_not_read_products() {
    let folder = TestFolder::new();
    let store: Arc<dyn Store> = folder.store();
    load(&store, "a", vec![product("B1", None, 1)]).await;
    direct(&folder).execute_batch("ALTER TABLE products RENAME TO hidden").unwrap();
    assert_eq!(store.category_counts().await.unwrap().value.len(), 1);
}

/// A filter that few rows pass: a page ends when it has examined its share, and leads on.
#[tokio::test]
async fn a_filtered_page_examines_a_bounded_number_of_rows() {
    let folder = TestFolder::new();
    let store: Arc<dyn Store> = folder.store();
    let rows = (0..2 * EXAMINED_MAX + 5_000)
        .map(|i| product(&format!("B{i:06}"), Some(if i % 15_000 == 14_999 { 900 } else { 1 }), 1))
        .collect();
    load(&store, "a", rows).await;
    let mut query = PageQuery::parse("min_price=9").unwrap();
    let mut sizes = Vec::new();
    loop {
        let page = store.page(&query).await.unwrap().value.unwrap();
        sizes.push(page.products.len());
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    assert_eq!(sizes, [1, 1, 1], "14,999 and 29,999 and 44,999, 20,000 rows a page");
    // In the order of its own column a filter is a range: nothing else is examined.
    let by_price = PageQuery::parse("min_price=9&sort=price").unwrap();
    let page = store.page(&by_price).await.unwrap().value.unwrap();
    assert_eq!((page.products.len(), page.next), (3, None));
}
