//! Every page of every list against the CSV itself, over HTTP.

use std::collections::BTreeMap;

use serde_json::Value;
use vitrine::generate::{Asins, Options, write_products};

use crate::support::TestFolder;
use crate::support::app::TestApp;

/// A field of a generated clean row as JSON has it.
fn number(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn every_list_over_http_is_the_file_sorted() {
    let folder = TestFolder::new();
    let options = Options { rows: 3_000, seed: 11, dirty_per_mille: 0, asins: Asins::Random };
    let mut text = Vec::new();
    write_products(&options, &mut text).unwrap();
    let store: std::sync::Arc<dyn vitrine::store::Store> = folder.store();
    folder.import(&store, &folder.file("p.csv", &text)).await.unwrap();
    drop(store);
    let app = TestApp::start_in(folder).await;

    // Read by another reader than ours: the titles are the only quoted fields.
    let text = String::from_utf8(text).unwrap();
    let rows: BTreeMap<String, Vec<String>> = text
        .lines()
        .skip(1)
        .map(|line| {
            let (asin, rest) = line.split_once(',').unwrap();
            let tail: Vec<_> = rest.rsplitn(10, ',').map(str::to_owned).collect();
            (asin.to_owned(), tail)
        })
        .collect();
    assert_eq!(rows.len(), 3_000);
    // rsplitn gives: bought, best seller, category, list price, price, reviews, stars, …
    let float = |asin: &str, at: usize| number(&rows[asin][at]).as_f64().unwrap();

    for (sort, column, sign) in [
        ("asin", 2, 0.0),
        ("price", 4, 1.0),
        ("-price", 4, -1.0),
        ("-stars", 6, -1.0),
        ("-reviews", 5, -1.0),
    ] {
        let mut expected: Vec<&String> = rows.keys().collect();
        expected.sort_by(|a, b| {
            let key = |asin: &String| float(asin, column) * sign;
            key(a).total_cmp(&key(b)).then_with(|| a.as_bytes().cmp(b.as_bytes()))
        });
        let mut path = format!("/products?limit=777&sort={sort}");
        let mut seen = Vec::new();
        loop {
            let response = app.get(&path).await;
            let link = response.headers().get("link").map(|l| l.to_str().unwrap().to_owned());
            let page: Vec<Value> = response.json().await.unwrap();
            for product in page {
                let asin = product["asin"].as_str().unwrap().to_owned();
                assert_eq!(product["price"].as_f64(), Some(float(&asin, 4)));
                assert_eq!(product["reviews"].as_f64(), Some(float(&asin, 5)));
                assert_eq!(product["stars"].as_f64(), Some(float(&asin, 6)));
                assert_eq!(product["category_id"].as_f64(), Some(float(&asin, 2)));
                seen.push(asin);
            }
            let Some(link) = link else { break };
            path = link.trim_start_matches('<').split('>').next().unwrap().to_owned();
        }
        assert!(seen.iter().eq(expected.iter().copied()), "{sort}");
    }
}
