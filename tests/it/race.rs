//! Readers and writers of one category, over HTTP and against the real binary.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use reqwest::Client;
use rusqlite::Connection;
use serde_json::Value;

use crate::support::TestFolder;
use crate::support::process::{Serving, handler};
use crate::support::shop::{BOSS, administrator, put};

const READERS: usize = 64;
const WRITERS: usize = 8;
const LASTS: Duration = Duration::from_secs(10);

/// Each writer has a product of its own, whose price counts its writes. A reader notes what
/// was answered before it asks, and must not see less.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_read_after_an_answered_write_sees_it() {
    let folder = TestFolder::new();
    let mut command = handler(folder.data.path());
    command.env("ADMIN_EMAILS", BOSS);
    let serving = Serving::start_by(&mut command);
    let (client, url) = (Client::new(), serving.url.clone());
    let token = administrator(&client, &url).await;
    let answered: Arc<[AtomicU64; WRITERS]> = Arc::default();
    for writer in 0..WRITERS {
        assert_eq!(put(&client, &url, &token, writer, 0).await, 201);
    }
    let until = Instant::now() + LASTS;
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (client, url, token) = (client.clone(), url.clone(), token.clone());
            let answered = Arc::clone(&answered);
            tokio::spawn(async move {
                let mut writes = 0;
                while Instant::now() < until {
                    writes += 1;
                    assert_eq!(put(&client, &url, &token, writer, writes).await, 200);
                    answered[writer].store(writes, Ordering::SeqCst);
                }
                writes
            })
        })
        .collect();
    let readers: Vec<_> = (0..READERS)
        .map(|_| {
            let (client, url, answered) = (client.clone(), url.clone(), Arc::clone(&answered));
            tokio::spawn(async move {
                let mut reads = 0_u64;
                while Instant::now() < until {
                    let before: Vec<u64> =
                        answered.iter().map(|count| count.load(Ordering::SeqCst)).collect();
                    let seen = page(&client, &url).await;
                    for (writer, least) in before.into_iter().enumerate() {
                        assert!(seen[writer] >= least, "{} after {least}", seen[writer]);
                    }
                    reads += 1;
                }
                reads
            })
        })
        .collect();
    let (mut reads, mut written) = (0, 0);
    for reader in readers {
        reads += reader.await.unwrap();
    }
    for writer in writers {
        written += writer.await.unwrap();
    }
    println!("{reads} reads, {written} writes");
    assert!(reads > 100 && written > 50, "{reads} reads, {written} writes");
    let db = Connection::open(folder.data.database()).unwrap();
    let wrong: u64 = db
        .query_row(
            "SELECT count(*) FROM category_version AS v WHERE category_id > 0 AND products <>
                 (SELECT count(*) FROM products AS p WHERE p.category_id = v.category_id)",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(wrong, 0, "counters are the counts");
}

async fn page(client: &Client, url: &str) -> [u64; WRITERS] {
    let all = client.get(format!("{url}/products?category_id=1&limit=1000")).send().await.unwrap();
    let all: Vec<Value> = all.json().await.unwrap();
    let mut seen = [0; WRITERS];
    for product in &all {
        let asin = product["asin"].as_str().unwrap();
        if let Some(writer) = asin.strip_prefix("RACE-") {
            let price = product["price"].as_f64().unwrap();
            // Whole numbers far below 2^52.
            #[expect(clippy::cast_sign_loss, reason = "prices are not negative")]
            let price = price as u64;
            seen[writer.parse::<usize>().unwrap()] = price;
        }
    }
    seen
}
