//! An import that is killed at random moments ends like one that was not.

use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rusqlite::types::ValueRef;
use vitrine::generate::{Asins, Options, write_products};

use crate::support::TestFolder;
use crate::support::process::{Serving, handler};

const KILLS: u32 = 20;

/// Everything an import leaves behind, but for moments, leases and rowids.
fn everything(database: &Path) -> Vec<String> {
    let db = Connection::open(database).unwrap();
    let mut lines = Vec::new();
    for sql in [
        "SELECT asin, title, img_url, product_url, stars, reviews, price, list_price, category_id,
             is_best_seller, bought_in_last_month FROM products ORDER BY asin",
        "SELECT id, name FROM categories ORDER BY id",
        "SELECT category_id, products FROM category_version ORDER BY category_id",
        "SELECT byte, line, field, reason, record FROM import_reject ORDER BY byte",
        "SELECT state, byte_offset, line, digest, rows_read, rows_loaded, rows_replaced,
             rows_rejected, categories_made FROM import_run WHERE source NOT LIKE 'sample:%'",
        "SELECT count(*) FROM import_mark",
        "SELECT name FROM sqlite_schema WHERE type = 'index' ORDER BY name",
    ] {
        let mut query = db.prepare(sql).unwrap();
        let width = query.column_count();
        let rows = query
            .query_map([], |row| {
                (0..width).map(|i| row.get_ref(i).map(shown)).collect::<Result<Vec<_>, _>>()
            })
            .unwrap();
        lines.extend(rows.map(|row| row.unwrap().join("|")));
    }
    lines
}

fn shown(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        other => format!("{other:?}"),
    }
}

fn start_import(data: &Path, file: &Path) -> Child {
    handler(data)
        .arg("import")
        .arg(file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// A dirty file large enough that a kill hits it in the middle: rejects, rows replaced far
/// apart and new categories included.
fn big_file(folder: &TestFolder) -> std::path::PathBuf {
    let options = Options { rows: 150_000, seed: 3, dirty_per_mille: 40, asins: Asins::Random };
    let mut text = Vec::new();
    write_products(&options, &mut text).unwrap();
    folder.file("big.csv", text)
}

/// Kills the import of `file` until it has been killed often enough, then lets it end.
fn import_with_kills(data: &Path, file: &Path, undisturbed: Duration) {
    // A fixed sequence of fractions of the undisturbed time: spread evenly, never the same.
    let mut fraction = 0.382;
    let mut killed = 0;
    while killed < KILLS {
        fraction = (fraction + 0.618) % 1.0;
        let mut child = start_import(data, file);
        let patience = undisturbed.mul_f64(0.02 + 0.12 * fraction);
        let begin = Instant::now();
        while begin.elapsed() < patience && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        if child.try_wait().unwrap().is_some_and(|status| status.success()) {
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        killed += 1;
    }
    assert!(killed >= 5, "the file is too small to be hit: {killed} kills");
    assert!(start_import(data, file).wait().unwrap().success());
}

#[test]
fn an_import_killed_twenty_times_ends_like_an_undisturbed_one() {
    let calm = TestFolder::new();
    let file = big_file(&calm);
    let begin = Instant::now();
    assert!(start_import(calm.data.path(), &file).wait().unwrap().success());
    let undisturbed = begin.elapsed();

    let rough = TestFolder::new();
    import_with_kills(rough.data.path(), &file, undisturbed);
    assert_equal(&calm, &rough);
}

/// Row by row, so that a difference is shown and not the whole of two databases.
fn assert_equal(calm: &TestFolder, rough: &TestFolder) {
    let (expected, found) = (everything(&calm.data.database()), everything(&rough.data.database()));
    assert!(expected.len() > 140_000);
    for (expected, found) in expected.iter().zip(&found) {
        assert_eq!(expected, found);
    }
    assert_eq!(expected.len(), found.len());
}

#[test]
fn the_same_with_a_server_that_keeps_reading() {
    let calm = TestFolder::new();
    let file = big_file(&calm);
    let begin = Instant::now();
    assert!(start_import(calm.data.path(), &file).wait().unwrap().success());
    let undisturbed = begin.elapsed();

    let rough = TestFolder::new();
    let serving = Serving::start(rough.data.path());
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let client = reqwest::Client::new();
                for path in ["/products?sort=price", "/category/count", "/products?sort=-stars"]
                    .into_iter()
                    .cycle()
                {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let url = format!("{}{path}", serving.url);
                    assert_eq!(client.get(url).send().await.unwrap().status(), 200);
                }
            });
        });
        // The server itself may take an abandoned run up between two kills; that is fine.
        import_with_kills(rough.data.path(), &file, undisturbed);
        stop.store(true, Ordering::Relaxed);
    });
    drop(serving);
    assert_equal(&calm, &rough);
}
