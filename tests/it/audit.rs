//! Answers that are older than is promised are found: in Redis by `handler audit`, and by each
//! serving process among its own.

use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};
use rusqlite::Connection;
use vitrine::cache::page::FORMAT;

use crate::support::TestFolder;
use crate::support::instances::{BOUND_OF_ALL, PAGE, Shop};
use crate::support::process::{Serving, handler, run};
use crate::support::shop::{BOSS, administrator, counted, put};

/// Somebody writes into the file and raises no version: nothing can know of it but an audit.
fn change_price_past_the_versions(folder: &TestFolder) {
    let db = Connection::open(folder.data.database()).unwrap();
    let changed = db.execute("UPDATE products SET price = 7700 WHERE asin = 'RACE-0'", []).unwrap();
    assert_eq!(changed, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn the_audit_finds_a_row_that_was_changed_past_the_versions() {
    let shop = Shop::of(2).await;
    let url = &shop.instances[0].url;
    let are_shared = async {
        let mut said = String::new();
        while !said.contains("pages=4 right=4") {
            // Anew: what was kept while Redis was late is not shared later.
            assert_eq!(put(&shop.client, url, &shop.token, 2, 1).await, 200);
            for path in [PAGE, "/products/RACE-0", "/products/RACE-1", "/category/count"] {
                let asked = shop.client.get(format!("{url}{path}")).send().await;
                assert_eq!(asked.unwrap().status(), StatusCode::OK);
            }
            // Nobody who asks waits until his page is shared.
            (_, said) = shop.audit().await;
        }
    };
    tokio::time::timeout(BOUND_OF_ALL * 4, are_shared).await.unwrap();
    shop.audit_finds_nothing().await;
    // Somebody else's key is none of ours, and keeps nobody from looking on.
    shop.redis.command(&["LPUSH", &format!("{}:{FORMAT}:{{7}}:other", shop.prefix()), "x"]);
    let (is_success, said) = shop.audit().await;
    assert!(is_success && said.contains("pages=4 ") && said.contains("foreign=1"), "{said}");
    change_price_past_the_versions(&shop.folder);
    let (is_success, said) = shop.audit().await;
    assert!(!is_success && said.contains("stale=2"), "{said}");
    assert!(said.contains("stale: /products/RACE-0: row 1, carries "), "{said}");
}

/// It looks every ten seconds; also at what it shares with nobody, as a list by price.
#[tokio::test]
async fn a_process_finds_an_answer_of_its_own_that_is_stale() {
    let folder = TestFolder::new();
    let categories = folder.file("categories.csv", "id,category_name\n1,Lamps\n");
    assert!(run(handler(folder.data.path()).arg("import").arg(categories)).status.success());
    let serving = Serving::start_by(handler(folder.data.path()).env("ADMIN_EMAILS", BOSS));
    let client = Client::new();
    let token = administrator(&client, &serving.url).await;
    assert_eq!(put(&client, &serving.url, &token, 0, 5).await, 201);
    let list = client.get(format!("{}/products?category_id=1&min_price=1", serving.url));
    assert_eq!(list.send().await.unwrap().status(), StatusCode::OK);
    change_price_past_the_versions(&folder);
    let began = Instant::now();
    loop {
        let counts = counted(&client, &serving.url, &token).await;
        if counts["audits_stale"].as_u64().unwrap() > 0 {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(40), "{counts}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
