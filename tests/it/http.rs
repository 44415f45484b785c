//! The routes, asked over a real connection.

use serde_json::{Value, json};

use crate::support::TestFolder;
use crate::support::app::TestApp;
use crate::support::files::{products, row};

async fn app() -> TestApp {
    let folder = TestFolder::new();
    let store: std::sync::Arc<dyn vitrine::store::Store> = folder.store();
    let categories =
        folder.file("c.csv", "id,category_name\n1,Kids' Electronics\n2,Beds\n3,Empty\n");
    let rows: Vec<_> = (1..=250)
        .map(|i| row(&format!("B{i:03}"), &format!("Lamp {i}"), &format!("{}.5", i % 7), 1 + i % 2))
        .collect();
    let lines: Vec<_> = rows.iter().map(String::as_str).collect();
    let file = folder.file("p.csv", products(&lines));
    folder.import(&store, &categories).await.unwrap();
    folder.import(&store, &file).await.unwrap();
    drop(store);
    TestApp::start_in(folder).await
}

#[tokio::test]
async fn every_route_answers_as_the_contract_says() {
    let app = app().await;
    let home = app.json("/").await;
    assert_eq!(home["name"], "Vitrine");
    for link in home["links"].as_array().unwrap() {
        assert_eq!(app.get(link.as_str().unwrap()).await.status(), 200, "{link}");
    }
    assert_eq!(app.json("/health").await["status"], "healthy");
    assert_eq!(
        app.json("/products/B007").await,
        json!({"asin": "B007", "title": "Lamp 7", "imgUrl": "https://img.example/B007.jpg",
            "productURL": "https://shop.example/dp/B007", "stars": 4.5, "reviews": 10,
            "price": 0.5, "listPrice": 0.0, "category_id": 2, "isBestSeller": false,
            "boughtInLastMonth": 50})
    );
    assert_eq!(
        app.json("/categories").await,
        json!([{"id": 1, "category_name": "Kids' Electronics", "slug": "kids_electronics"},
            {"id": 2, "category_name": "Beds", "slug": "beds"},
            {"id": 3, "category_name": "Empty", "slug": "empty"}])
    );
    assert_eq!(app.json("/category/name?category_id=1").await, json!("kids_electronics"));
    assert_eq!(
        app.json("/category/count").await,
        json!([{"category_id": 1, "category_name": "Kids' Electronics", "total_products": 125},
            {"category_id": 2, "category_name": "Beds", "total_products": 125}])
    );
    assert_eq!(app.json("/products?category_id=3").await, json!([]));
    assert_eq!(app.json("/products/B%30%307").await["asin"], "B007", "a path is decoded");
}

#[tokio::test]
async fn money_has_two_decimals_in_the_text() {
    let text = app().await.get("/products/B007").await.text().await.unwrap();
    assert!(text.contains(r#""price":0.50,"listPrice":0.00"#), "{text}");
}

#[tokio::test]
async fn the_links_lead_through_the_whole_list() {
    let app = app().await;
    for sort in ["asin", "price", "-price", "-stars", "-reviews"] {
        let mut path = format!("/products?category_id=1&limit=40&sort={sort}");
        let mut asins = Vec::new();
        let mut pages = 0;
        loop {
            let response = app.get(&path).await;
            assert_eq!(response.headers()["x-total-count"], "125");
            let link = response.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
            let page: Vec<Value> = response.json().await.unwrap();
            asins.extend(page.iter().map(|product| product["asin"].as_str().unwrap().to_owned()));
            pages += 1;
            let Some(link) = link else { break };
            let next = link.strip_prefix('<').and_then(|l| l.strip_suffix(">; rel=\"next\""));
            path = next.unwrap().to_owned();
            assert!(path.starts_with("/products?"), "path-absolute: {path}");
        }
        asins.sort();
        asins.dedup();
        assert_eq!((asins.len(), pages), (125, 4), "{sort}");
    }
    let all = app.json("/products").await;
    assert_eq!(all.as_array().unwrap().len(), 100, "the default limit");
}

#[tokio::test]
async fn a_trailing_slash_changes_nothing() {
    let app = app().await;
    for path in ["/products", "/products/B001", "/categories", "/category/count", "/health"] {
        let plain = app.get(path).await.text().await.unwrap();
        let slashed = app.get(&format!("{path}/")).await;
        assert_eq!(slashed.status(), 200, "{path}/");
        assert_eq!(slashed.text().await.unwrap(), plain);
    }
}

#[tokio::test]
async fn errors_are_problem_documents_that_name_the_fault() {
    let app = app().await;
    let tampered = {
        let link =
            app.get("/products?limit=1").await.headers()["link"].to_str().unwrap().to_owned();
        let path = link.trim_start_matches('<').split('>').next().unwrap().to_owned();
        let last = path.chars().last().unwrap();
        format!("{}{}", &path[..path.len() - 1], if last == 'A' { 'B' } else { 'A' })
    };
    let of_other_list = {
        let link =
            app.get("/products?limit=1").await.headers()["link"].to_str().unwrap().to_owned();
        let path = link.trim_start_matches('<').split('>').next().unwrap().to_owned();
        format!("{path}&sort=price")
    };
    for (path, status, word, detail) in [
        ("/products?limit=0", 400, "invalid-parameter", "limit: must be"),
        ("/products?limit=x&sort=up", 400, "invalid-parameter", "sort: must be"),
        ("/products?colour=red", 400, "invalid-parameter", "`colour`"),
        ("/products?category_id=", 400, "invalid-parameter", "category_id: must be"),
        ("/products?category_id=9", 404, "unknown-category", "no category 9"),
        ("/products?cursor=abc", 400, "invalid-parameter", "cursor: "),
        (&tampered, 400, "invalid-parameter", "cursor: "),
        (&of_other_list, 400, "invalid-parameter", "another list"),
        ("/products/NONE", 404, "no-such-product", "`NONE`"),
        ("/products/B001?colour=red", 400, "invalid-parameter", "`colour`"),
        ("/categories?colour=red", 400, "invalid-parameter", "`colour`"),
        ("/category/count?category_id=1", 400, "invalid-parameter", "`category_id`"),
        ("/products/not_an_asin", 400, "invalid-parameter", "asin: must"),
        ("/category/name", 400, "invalid-parameter", "category_id: must be"),
        ("/category/name?category_id=9", 404, "unknown-category", "no category 9"),
        ("/category/name?category_id=1&category_id=1", 400, "invalid-parameter", "only once"),
        ("/nothing", 404, "not-found", "nothing at this path"),
        ("/products/B001/more", 404, "not-found", "nothing at this path"),
        ("/ImportBlob", 404, "not-found", "nothing at this path"),
    ] {
        let response = app.get(path).await;
        assert_eq!(response.status(), status, "{path}");
        if word == "not-found" && app.is_through_host() {
            continue;
        }
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{path}");
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["type"], format!("/problems/{word}"), "{path}");
        assert_eq!(problem["status"], status, "{path}");
        assert!(problem["detail"].as_str().unwrap().contains(detail), "{path}: {problem}");
    }
}

#[tokio::test]
async fn other_methods_are_refused_with_those_that_are_allowed() {
    let app = app().await;
    for (path, allowed) in [
        ("/products", "GET, HEAD, POST"),
        ("/products/B001", "GET, HEAD, PUT, PATCH, DELETE"),
        ("/categories", "GET, HEAD"),
        ("/", "GET, HEAD"),
    ] {
        let url = format!("{}{path}", app.url);
        let response = app.client.request(reqwest::Method::OPTIONS, &url).send().await.unwrap();
        if app.is_through_host() {
            // The platform's own; it has its own opinion of the root, too.
            assert!(path == "/" || response.status() == 404, "OPTIONS {path}");
        } else {
            assert_eq!(
                (response.status().as_u16(), response.headers()["allow"].to_str().unwrap()),
                (405, allowed)
            );
        }
        let head = app.client.head(&url).send().await.unwrap();
        assert_eq!(head.status(), 200, "HEAD {path}");
    }
    let url = format!("{}/nothing", app.url);
    assert_eq!(app.client.post(&url).send().await.unwrap().status(), 404, "path before method");
}
