//! Titles are found by their words: in the store, behind imports, and over HTTP.

use std::sync::Arc;

use vitrine::cache::versions::Row;
use vitrine::catalog::{Asin, PageQuery, Product, Title};
use vitrine::clock::Clock;
use vitrine::store::sqlite::{Purpose, SqliteStore};
use vitrine::store::{EXAMINED_MAX, End, Page, Store};

use crate::contract_store::{batch, begin, load, product, walk};
use crate::support::app::TestApp;
use crate::support::files::{products, row};
use crate::support::{SOME_DAY, TestFolder};

fn titled(asin: &str, title: &str, category: u32) -> Product {
    Product { title: Title::parse(title).unwrap(), ..product(asin, Some(100), category) }
}

struct Shop {
    sqlite: Arc<SqliteStore>,
    store: Arc<dyn Store>,
    clock: Clock,
    folder: TestFolder,
}

fn shop() -> Shop {
    let folder = TestFolder::new();
    let clock = Clock::standing_at(SOME_DAY);
    let sqlite = folder.store_at(clock.clone());
    Shop { store: Arc::<SqliteStore>::clone(&sqlite), sqlite, clock, folder }
}

impl Shop {
    async fn index(&self) {
        while self.sqlite.index_search().await.unwrap() {}
    }

    async fn page(&self, query: &str) -> Page {
        self.store.page(&PageQuery::parse(query).unwrap()).await.unwrap().value.unwrap()
    }

    /// How many results each page of a search has.
    async fn found_in_pages(&self, query: &str) -> Vec<usize> {
        let mut query = PageQuery::parse(query).unwrap();
        let mut sizes = Vec::new();
        loop {
            let page = self.store.page(&query).await.unwrap().value.unwrap();
            sizes.push(page.products.len());
            query.after = page.next;
            if query.after.is_none() {
                return sizes;
            }
        }
    }

    /// Everything found, sorted, where something happens behind the first page.
    async fn found_around(&self, query: &str, meanwhile: impl AsyncFn(&[String])) -> Vec<String> {
        let mut query = PageQuery::parse(query).unwrap();
        let mut found = Vec::new();
        loop {
            let page = self.store.page(&query).await.unwrap().value.unwrap();
            let is_first = query.after.is_none();
            found.extend(page.products.iter().map(|product| product.asin.to_string()));
            query.after = page.next;
            if query.after.is_none() {
                found.sort();
                return found;
            }
            if is_first {
                meanwhile(&found).await;
            }
        }
    }

    async fn found(&self, query: &str) -> Vec<String> {
        let products = walk(&self.store, PageQuery::parse(query).unwrap()).await;
        products.iter().map(|product| product.asin.to_string()).collect()
    }
}

#[tokio::test]
async fn a_title_is_found_by_all_of_its_words() {
    let shop = shop();
    let rows = vec![
        titled("B1", "Red wool jacket for women", 1),
        titled("B2", "Red T-Shirt, 100% cotton", 1),
        titled("B3", "Café lamp, red", 2),
        titled("B4", "Shirt of wool", 2),
        titled("B5", "\"Quoted\" OR * title", 2),
    ];
    load(&shop.store, "a", rows).await;
    shop.index().await;
    for (query, expected) in [
        ("q=red", vec!["B1", "B2", "B3"]),
        ("q=RED+wool", vec!["B1"]),
        ("q=wool+red", vec!["B1"]),
        ("q=wool", vec!["B1", "B4"]),
        ("q=t-shirt", vec!["B2"]),
        ("q=shirt", vec!["B2", "B4"]),
        ("q=cafe", vec!["B3"]),
        ("q=CAF%C3%89", vec!["B3"]),
        ("q=red&category_id=1", vec!["B1", "B2"]),
        ("q=red&category_id=2", vec!["B3"]),
        ("q=c1", vec![]),
        ("q=or", vec!["B5"]),
        ("q=%22quoted", vec!["B5"]),
        ("q=red+OR+lamp", vec![]),
        ("q=jack", vec![]),
        ("q=jack*", vec![]),
        ("q=title", vec!["B5"]),
        ("q=title:red", vec![]),
        ("q=100%25", vec!["B2"]),
    ] {
        let mut found = shop.found(query).await;
        found.sort();
        assert_eq!(found, expected, "{query}");
    }
}

#[tokio::test]
async fn what_looks_like_a_word_to_us_and_not_to_the_index_is_no_error() {
    let shop = shop();
    load(&shop.store, "a", vec![titled("B1", "Ⓐ lamp ² ⅷ", 1)]).await;
    shop.index().await;
    for query in ["q=%C2%B2", "q=%E2%85%B7", "q=a%CD%85"] {
        shop.found(query).await;
    }
    for query in ["q=lamp", "q=lamp+%E2%92%B6", "q=lamp+%26"] {
        assert_eq!(shop.found(query).await, ["B1"], "{query}");
    }
    assert!(PageQuery::parse("q=%E2%92%B6").is_err(), "nothing is left of it");
}

/// Short titles that begin with the word first; equal ones by asin; in pages of every size
/// the same.
#[tokio::test]
async fn results_go_by_relevance_and_ties_by_asin() {
    let shop = shop();
    let mut rows = vec![titled("Z", "Lamp", 1), titled("Y", "Of a long kind: a lamp", 1)];
    rows.extend((0..20).map(|i| titled(&format!("B{:02}", i * 7 % 20), "A lamp of a kind", 1)));
    load(&shop.store, "a", rows).await;
    shop.index().await;
    let all = shop.found("q=lamp&limit=1000").await;
    assert_eq!(all.len(), 22);
    assert_eq!((all[0].as_str(), all[21].as_str()), ("Z", "Y"));
    assert!(all[1..21].is_sorted(), "{all:?}");
    for limit in [1, 3, 7, 22] {
        assert_eq!(shop.found(&format!("q=lamp&limit={limit}")).await, all, "{limit}");
    }
}

#[tokio::test]
async fn filters_narrow_a_search() {
    let shop = shop();
    let mut rows: Vec<_> = (0..30).map(|i| titled(&format!("B{i:02}"), "A lamp", 1)).collect();
    for (row, price) in rows.iter_mut().zip(0_i64..) {
        row.price = vitrine::catalog::Money::from_hundredths(price * 100);
    }
    load(&shop.store, "a", rows).await;
    shop.index().await;
    let found = shop.found("q=lamp&min_price=10&max_price=12&limit=2").await;
    assert_eq!(found, ["B10", "B11", "B12"]);
}

#[tokio::test]
async fn a_search_ends_after_a_thousand_results() {
    let shop = shop();
    let rows = (0..1_200).map(|i| titled(&format!("B{i:04}"), "A lamp", 1)).collect();
    load(&shop.store, "a", rows).await;
    shop.index().await;
    assert_eq!(shop.found("q=lamp&limit=300").await.len(), 1_000);
    assert_eq!(shop.page("q=lamp").await.total, None);
}

/// Products that have nothing to do with the search come while somebody pages through it.
#[tokio::test]
async fn a_search_goes_on_where_it_was_whatever_is_indexed_meanwhile() {
    let shop = shop();
    let rows = (0..40).map(|i| titled(&format!("B{i:02}"), "Sofa model blue", 1)).collect();
    load(&shop.store, "a", rows).await;
    shop.index().await;
    let mut query = PageQuery::parse("q=sofa&limit=10").unwrap();
    let mut found = Vec::new();
    for round in 0.. {
        let page = shop.store.page(&query).await.unwrap().value.unwrap();
        found.extend(page.products.iter().map(|product| product.asin.to_string()));
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
        let other = titled(&format!("X{round}"), "Chair of another length altogether", 1);
        load(&shop.store, &format!("x{round}"), vec![other]).await;
        shop.index().await;
    }
    assert_eq!(found.len(), 40);
    assert!(found.is_sorted());
}

/// More matches than one page may examine: the list leads on and loses none.
#[tokio::test]
async fn matches_beyond_what_a_page_examines_are_on_the_next() {
    let shop = shop();
    let rows = (0..EXAMINED_MAX + 5_000)
        .map(|i| Product {
            price: vitrine::catalog::Money::from_hundredths(if i % 7_000 == 0 { 900 } else { 1 }),
            ..titled(&format!("B{i:06}"), "A lamp", 1)
        })
        .collect();
    load(&shop.store, "a", rows).await;
    shop.index().await;
    let found = shop.found_in_pages("q=lamp&min_price=9").await;
    assert_eq!(found, [3, 1], "0, 7,000 and 14,000, then 21,000");
    assert_eq!(shop.found_in_pages("q=lamp&limit=400").await, [400, 400, 200]);
}

/// Products go while somebody pages through more matches than one page examines. Those that
/// move up take nobody's place, however well they fit.
#[tokio::test]
async fn products_that_are_removed_meanwhile_hide_no_others() {
    let shop = shop();
    let rows = (0..EXAMINED_MAX + 200)
        .map(|i| {
            let title = if i < EXAMINED_MAX { "A lamp of a kind" } else { "Lamp" };
            let is_dear = i % 4_000 == 0 || i == EXAMINED_MAX + 100;
            let price = vitrine::catalog::Money::from_hundredths(if is_dear { 900 } else { 1 });
            Product { price, ..titled(&format!("B{i:06}"), title, 1) }
        })
        .collect();
    load(&shop.store, "a", rows).await;
    shop.index().await;
    let found = shop
        .found_around("q=lamp&min_price=9&limit=2", async |_first| {
            for i in 100..250 {
                let asin = Asin::parse(&format!("B{i:06}")).unwrap();
                shop.store.edit_product(&asin, Box::new(|_| Ok(None))).await.unwrap();
            }
        })
        .await;
    let dear = [0, 4_000, 8_000, 12_000, 16_000, 20_000, 20_100].map(|i| format!("B{i:06}"));
    assert_eq!(found, dear);
}

/// Products come while somebody pages through nearly as many matches as one page examines: what
/// has been shown is not shown again.
#[tokio::test]
async fn products_that_come_meanwhile_repeat_no_others() {
    let shop = shop();
    let lamp = |i: usize| {
        let (title, is_dear) = match i {
            // Shown first, and behind the last whole block.
            19_000 => ("Lamp", true),
            _ => ("A lamp of a kind", i.is_multiple_of(4_000)),
        };
        let price = vitrine::catalog::Money::from_hundredths(if is_dear { 900 } else { 1 });
        Product { price, ..titled(&format!("B{i:06}"), title, 1) }
    };
    load(&shop.store, "a", (0..EXAMINED_MAX - 10).map(lamp).collect()).await;
    shop.index().await;
    let found = shop
        .found_around("q=lamp&min_price=9&limit=2", async |first| {
            assert_eq!(first[0], "B019000");
            load(&shop.store, "b", (20_001..20_100).map(lamp).collect()).await;
            shop.index().await;
        })
        .await;
    let dear = [0, 4_000, 8_000, 12_000, 16_000, 19_000].map(|i| format!("B{i:06}"));
    assert_eq!(found, dear);
}

/// While the index lags a moved product is still found where it was: it is not shown there,
/// where a later write to it would not be noticed.
#[tokio::test]
async fn a_product_that_was_moved_is_not_shown_in_its_old_category() {
    let shop = shop();
    load(&shop.store, "a", vec![titled("B1", "Sofa", 5), titled("B2", "Sofa", 5)]).await;
    shop.index().await;
    load(&shop.store, "b", vec![titled("B1", "Sofa", 6)]).await;
    assert_eq!(shop.found("q=sofa&category_id=5").await, ["B2"]);
}

#[tokio::test]
async fn a_changed_title_is_found_by_its_new_words_only() {
    let shop = shop();
    load(&shop.store, "a", vec![titled("B1", "Old lamp", 1), titled("B2", "Old chair", 1)]).await;
    shop.index().await;
    load(&shop.store, "b", vec![titled("B1", "New lamp", 2)]).await;
    let lagging = shop.page("q=lamp").await.search.unwrap();
    assert_eq!((lagging.indexed, lagging.total), (1, 2));
    shop.index().await;
    let now = shop.page("q=lamp").await.search.unwrap();
    assert_eq!((now.indexed, now.total), (2, 2));
    assert!(now.version > lagging.version, "what was kept while it lagged does not count");
    assert_eq!(shop.found("q=old").await, ["B2"]);
    assert_eq!(shop.found("q=new").await, ["B1"]);
    assert_eq!(shop.found("q=lamp&category_id=2").await, ["B1"]);
    assert!(shop.found("q=lamp&category_id=1").await.is_empty());
}

/// The only product that the index has yet to come to is removed: with it the lag has ended, and
/// what was kept while it lagged says otherwise. A write that leaves the lag as it is leaves the
/// pages of other categories where they are.
#[tokio::test]
async fn a_write_that_ends_the_lag_says_so() {
    let shop = shop();
    load(&shop.store, "a", vec![titled("B1", "A lamp", 1), titled("B3", "A lamp", 2)]).await;
    shop.index().await;
    load(&shop.store, "b", vec![titled("B2", "A lamp", 2), titled("B4", "A lamp", 2)]).await;
    let remove = async |asin: &str| {
        let remove: vitrine::store::Edit = Box::new(|_| Ok(None));
        shop.store.edit_product(&Asin::parse(asin).unwrap(), remove).await.unwrap()
    };
    let written = remove("B4").await;
    let lagging = shop.page("q=lamp&category_id=1").await.search.unwrap();
    assert_eq!((lagging.indexed, lagging.total), (2, 3));
    assert_eq!(written.versions[&Row::SEARCH], lagging.version, "it still lags");
    let written = remove("B2").await;
    let now = shop.page("q=lamp&category_id=1").await.search.unwrap();
    assert_eq!((now.indexed, now.total), (2, 2));
    assert!(now.version > lagging.version, "what was kept while it lagged does not count");
    assert_eq!(written.versions[&Row::SEARCH], now.version, "the writer publishes it");
    let written = remove("B3").await;
    assert_eq!(written.versions[&Row::SEARCH], now.version);
}

/// In the middle of the work everything is dropped; another process goes on.
#[tokio::test]
async fn indexing_goes_on_where_it_was_cut_off() {
    let mut shop = shop();
    let rows = (0..5_000).map(|i| titled(&format!("B{i:04}"), "A lamp", 1)).collect();
    load(&shop.store, "a", rows).await;
    assert!(shop.sqlite.index_search().await.unwrap(), "one step does not do it");
    let lagging = shop.page("q=lamp").await.search.unwrap();
    assert!((1..5_000).contains(&lagging.indexed), "{lagging:?}");
    let other = SqliteStore::open(&shop.folder.data, Purpose::Serving, shop.clock.clone()).unwrap();
    shop.sqlite = Arc::new(other);
    shop.store = Arc::<SqliteStore>::clone(&shop.sqlite);
    shop.index().await;
    let now = shop.page("q=lamp").await.search.unwrap();
    assert_eq!((now.indexed, now.total), (5_000, 5_000));
    assert_eq!(shop.found("q=lamp&limit=1000").await.len(), 1_000);
}

/// An index that is written during a load would make its batches wait.
#[tokio::test]
async fn an_import_never_waits_for_the_index() {
    let shop = shop();
    let (_, lease) = begin(&shop.store, "a", "1").await;
    let rows = vec![titled("B1", "A lamp", 1)];
    shop.store.commit_batch(&lease, batch(0, 1, rows)).await.unwrap();
    assert!(!shop.sqlite.index_search().await.unwrap());
    assert_eq!(shop.page("q=lamp").await.search.unwrap().indexed, 0, "the load still goes on");
    shop.store.finish_loading(&lease).await.unwrap();
    shop.store.end_run(&lease, End::Done).await.unwrap();
    shop.index().await;
    assert_eq!(shop.found("q=lamp").await, ["B1"]);
    // An owner that is gone does not keep the index waiting for ever.
    let (_, lease) = begin(&shop.store, "b", "1").await;
    let rows = vec![titled("B2", "A lamp", 1)];
    shop.store.commit_batch(&lease, batch(0, 1, rows)).await.unwrap();
    shop.clock.turn(std::time::Duration::from_secs(31));
    shop.index().await;
    assert_eq!(shop.found("q=lamp").await, ["B1", "B2"]);
}

/// The sample is indexed, and goes; the ids of its products are given out again.
#[tokio::test]
async fn words_of_rows_that_are_gone_find_nothing() {
    let shop = shop();
    vitrine::sample::load(&shop.store, &shop.folder.rejects()).await.unwrap();
    shop.index().await;
    let sample = shop.page("limit=1000").await.products;
    let words: Vec<_> = sample.iter().map(|p| p.title.as_str().split(' ').next()).collect();
    // Somebody serves, so that the rows are not appended to an index that is put off.
    let _serving = shop.folder.data.lock_for_serving().unwrap();
    load(&shop.store, "mine", vec![titled("B1", "Zyzzyva", 1)]).await;
    shop.index().await;
    for word in words.into_iter().flatten().take(20) {
        assert!(shop.found(&format!("q={word}")).await.is_empty(), "{word}");
    }
    assert_eq!(shop.found("q=zyzzyva").await, ["B1"]);
}

/// The header tells that the index lags; once it has caught up, what was kept meanwhile is
/// not given any more.
#[tokio::test]
async fn over_http_a_lagging_search_says_so_and_is_not_kept() {
    let folder = TestFolder::new();
    let store: Arc<dyn Store> = folder.store();
    let rows: Vec<_> = (0..50).map(|i| row(&format!("B{i:02}"), "A lamp", "1", 1)).collect();
    let lines: Vec<_> = rows.iter().map(String::as_str).collect();
    folder.import(&store, &folder.file("p.csv", products(&lines))).await.unwrap();
    // Another run that is under way keeps the index from being written.
    let (_, lease) = begin(&store, "b", "1").await;
    store.commit_batch(&lease, batch(0, 1, vec![])).await.unwrap();
    let app = TestApp::start_in(folder).await;
    for _ in 0..2 {
        let lagging = app.get("/products?q=lamp").await;
        assert_eq!(lagging.headers()["x-search-indexed"], "0/50");
        assert_eq!(lagging.text().await.unwrap(), "[]");
    }
    store.finish_loading(&lease).await.unwrap();
    store.end_run(&lease, End::Done).await.unwrap();
    loop {
        let now = app.get("/products?q=lamp&limit=20").await;
        if now.headers().get("x-search-indexed").is_none() {
            assert!(now.headers()["link"].to_str().unwrap().contains("q=lamp"));
            assert!(now.headers().get("x-total-count").is_none());
            assert_eq!(now.json::<Vec<serde_json::Value>>().await.unwrap().len(), 20);
            break;
        }
    }
    // The page that was kept while the index lagged, asked for later than the bound.
    let caught_up = std::time::Instant::now();
    loop {
        let asked = std::time::Instant::now();
        if app.json("/products?q=lamp").await.as_array().unwrap().len() == 50 {
            break;
        }
        assert!(asked - caught_up < crate::support::app::LIMITS.staleness, "kept too long");
    }
}
