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

/// Imports `file`, killing it at random moments until it gets through; gives the kills.
fn import_with_kills(data: &Path, file: &Path, undisturbed: Duration, moments: &mut f64) -> u32 {
    let mut killed = 0;
    loop {
        // A fixed sequence that is spread evenly and never the same.
        *moments = (*moments + 0.618_034) % 1.0;
        let patience = undisturbed.mul_f64(0.05 + 0.5 * *moments);
        let mut child = start_import(data, file);
        let begin = Instant::now();
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success());
                return killed;
            }
            if begin.elapsed() >= patience {
                break;
            }
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        killed += 1;
    }
}

/// As many imports as it takes to be killed twenty times in all, each in a folder of its own
/// and each compared with the undisturbed one.
fn kill_and_compare(mut import: impl FnMut(&TestFolder, &Path, Duration) -> u32) {
    let calm = TestFolder::new();
    let file = big_file(&calm);
    let begin = Instant::now();
    assert!(start_import(calm.data.path(), &file).wait().unwrap().success());
    let undisturbed = begin.elapsed();
    let mut killed = 0;
    while killed < KILLS {
        let rough = TestFolder::new();
        killed += import(&rough, &file, undisturbed);
        assert_equal(&calm, &rough);
    }
}

/// Row by row, so that a difference is shown and not the whole of two databases.
pub fn assert_equal(calm: &TestFolder, rough: &TestFolder) {
    let (expected, found) = (everything(&calm.data.database()), everything(&rough.data.database()));
    assert!(expected.len() > 70_000);
    for (expected, found) in expected.iter().zip(&found) {
        assert_eq!(expected, found);
    }
    assert_eq!(expected.len(), found.len());
}

#[test]
fn an_import_killed_twenty_times_ends_like_an_undisturbed_one() {
    let mut moments = 0.0;
    kill_and_compare(|rough, file, undisturbed| {
        import_with_kills(rough.data.path(), file, undisturbed, &mut moments)
    });
}

#[test]
fn the_same_with_a_server_that_keeps_reading() {
    let mut moments = 0.5;
    kill_and_compare(|rough, file, undisturbed| {
        let serving = Serving::start(rough.data.path());
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| keep_reading(&serving.url, &stop));
            // Beside a server it takes several times as long.
            let patience = undisturbed * 2;
            let killed = import_with_kills(rough.data.path(), file, patience, &mut moments);
            stop.store(true, Ordering::Relaxed);
            killed
        })
    });
}

fn keep_reading(url: &str, stop: &AtomicBool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = reqwest::Client::new();
        let paths = ["/products?sort=price", "/category/count", "/products?sort=-stars"];
        for path in paths.into_iter().cycle() {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let answer = client.get(format!("{url}{path}")).send().await.unwrap();
            assert_eq!(answer.status(), 200);
        }
    });
}
