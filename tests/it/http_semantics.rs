//! What HTTP asks of every reading route: method, condition, encoding, error.

use reqwest::{Method, Response, StatusCode};

use crate::support::TestFolder;
use crate::support::app::{LIMITS, TestApp};
use crate::support::files::many;

const ROUTES: [&str; 6] = [
    "/products?limit=50",
    "/products?category_id=1&sort=-price",
    "/products/B000000000",
    "/categories",
    "/category/name?category_id=1",
    "/category/count",
];

async fn app() -> TestApp {
    let folder = TestFolder::new();
    let store: std::sync::Arc<dyn vitrine::store::Store> = folder.store();
    folder.import(&store, &folder.file("p.csv", many(300))).await.unwrap();
    drop(store);
    TestApp::start_in(folder).await
}

async fn ask(app: &TestApp, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = app.client.request(method, format!("{}{path}", app.url));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn every_route_has_its_headers_and_is_a_hit_the_second_time() {
    let app = app().await;
    for path in ROUTES {
        let first = ask(&app, Method::GET, path, &[]).await;
        assert_eq!(first.status(), StatusCode::OK, "{path}");
        assert_eq!(header(&first, "content-type"), "application/json", "{path}");
        assert_eq!(header(&first, "cache-control"), "public, no-cache", "{path}");
        assert_eq!(header(&first, "vary"), "accept, accept-encoding", "{path}");
        assert_eq!(header(&first, "cache-status"), "vitrine; fwd=miss", "{path}");
        let etag = header(&first, "etag").to_owned();
        assert!(etag.len() == 34 && etag.starts_with('"'), "{path}: {etag}");
        let body = first.bytes().await.unwrap();
        let second = ask(&app, Method::GET, path, &[]).await;
        assert_eq!(header(&second, "cache-status"), "vitrine; hit", "{path}");
        assert_eq!(header(&second, "etag"), etag, "{path}");
        assert_eq!(second.bytes().await.unwrap(), body, "{path}");
    }
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let app = app().await;
    for path in ROUTES {
        let get = ask(&app, Method::GET, path, &[]).await;
        let head = ask(&app, Method::HEAD, path, &[]).await;
        assert_eq!(head.status(), StatusCode::OK, "{path}");
        for name in ["content-type", "content-length", "etag", "link", "x-total-count", "vary"] {
            assert_eq!(header(&head, name), header(&get, name), "{path}: {name}");
        }
        assert!(head.bytes().await.unwrap().is_empty(), "{path}");
    }
}

#[tokio::test]
async fn a_client_that_has_the_answer_gets_304_in_any_encoding() {
    let app = app().await;
    for path in ROUTES {
        let etag = header(&ask(&app, Method::GET, path, &[]).await, "etag").to_owned();
        let bare = etag.trim_matches('"').to_owned();
        for tags in [
            etag.clone(),
            format!("W/{etag}"),
            format!("\"{bare}-gz\""),
            format!("\"nonsense\", \"{bare}-br\""),
            "*".to_owned(),
        ] {
            for method in [Method::GET, Method::HEAD] {
                let known = ask(&app, method, path, &[("if-none-match", &tags)]).await;
                assert_eq!(known.status(), StatusCode::NOT_MODIFIED, "{path} {tags}");
                assert_eq!(header(&known, "etag"), etag);
                assert_eq!(header(&known, "cache-control"), "public, no-cache");
                assert_eq!(header(&known, "vary"), "accept, accept-encoding");
                assert!(known.bytes().await.unwrap().is_empty());
            }
        }
        let other = ask(&app, Method::GET, path, &[("if-none-match", "\"other\"")]).await;
        assert_eq!(other.status(), StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn bodies_are_compressed_for_whoever_asks() {
    use std::io::Read as _;
    let app = app().await;
    let path = ROUTES[0];
    let plain = ask(&app, Method::GET, path, &[]).await;
    let bare = header(&plain, "etag").trim_matches('"').to_owned();
    let plain = plain.bytes().await.unwrap();
    for (accept, encoding, suffix) in [
        ("gzip", "gzip", "-gz"),
        ("br", "br", "-br"),
        ("gzip, br;q=0.1", "gzip", "-gz"),
        ("zstd", "", ""),
    ] {
        for _ in 0..2 {
            let answer = ask(&app, Method::GET, path, &[("accept-encoding", accept)]).await;
            assert_eq!(header(&answer, "content-encoding"), encoding, "{accept}");
            assert_eq!(header(&answer, "etag"), format!("\"{bare}{suffix}\""), "{accept}");
            let body = answer.bytes().await.unwrap();
            let mut read = Vec::new();
            match encoding {
                "gzip" => {
                    flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut read).unwrap();
                }
                "br" => {
                    brotli::Decompressor::new(&body[..], 4_096).read_to_end(&mut read).unwrap();
                }
                _ => read.extend_from_slice(&body),
            }
            assert!(read == plain, "{accept}");
        }
    }
    let small =
        ask(&app, Method::GET, "/category/name?category_id=1", &[("accept-encoding", "br")]);
    assert_eq!(header(&small.await, "content-encoding"), "", "too small to gain");
}

#[tokio::test]
async fn a_client_that_reads_no_json_gets_406() {
    let app = app().await;
    for path in ROUTES {
        let refused = ask(&app, Method::GET, path, &[("accept", "image/png")]).await;
        assert_eq!(refused.status(), StatusCode::NOT_ACCEPTABLE, "{path}");
        assert_eq!(header(&refused, "content-type"), "application/problem+json", "{path}");
        let taken = ask(&app, Method::GET, path, &[("accept", "text/html, */*;q=0.1")]).await;
        assert_eq!(taken.status(), StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn a_request_id_is_echoed_or_made() {
    let app = app().await;
    for path in ["/products", "/nothing", "/health"] {
        let given = ask(&app, Method::GET, path, &[("x-request-id", "abc-1")]).await;
        assert_eq!(header(&given, "x-request-id"), "abc-1", "{path}");
        let long = "x".repeat(200);
        for unfit in [long.as_str(), "with space"] {
            let made = ask(&app, Method::GET, path, &[("x-request-id", unfit)]).await;
            assert_ne!(header(&made, "x-request-id"), unfit);
            assert!(header(&made, "x-request-id").len() > 10, "{path}");
        }
    }
}

#[tokio::test]
async fn an_error_is_a_problem_that_names_its_path_and_is_kept_by_nobody() {
    let app = app().await;
    for (method, path, status) in [
        (Method::GET, "/nothing", 404),
        (Method::POST, "/products", 405),
        (Method::DELETE, "/products/B000000000", 405),
        (Method::OPTIONS, "/products", 405),
        (Method::GET, "/products?limit=0", 400),
        (Method::GET, "/products/NONE", 404),
        (Method::GET, "/products?category_id=77", 404),
    ] {
        let refused = ask(&app, method, path, &[]).await;
        assert_eq!(refused.status().as_u16(), status, "{path}");
        assert_eq!(header(&refused, "cache-control"), "no-store", "{path}");
        if status == 405 {
            assert_eq!(header(&refused, "allow"), "GET, HEAD", "{path}");
        }
        let problem: serde_json::Value = refused.json().await.unwrap();
        assert_eq!(problem["instance"], path.split('?').next().unwrap());
    }
}

/// Absence is remembered too, and forgotten when the product comes.
#[tokio::test]
async fn a_product_that_comes_is_found_though_its_absence_was_kept() {
    let folder = TestFolder::new();
    let store: std::sync::Arc<dyn vitrine::store::Store> = folder.store();
    let late = folder.file("late.csv", many(10));
    let app = TestApp::start_in(folder).await;
    for _ in 0..2 {
        assert_eq!(app.get("/products/B000000000").await.status(), 404);
        assert_eq!(app.get("/products?category_id=1").await.status(), 404);
    }
    let options =
        vitrine::import::Options { how: vitrine::store::HowStarted::ByHand, rejects_max: None };
    let rejects = vitrine::import::rejects::RejectsFolder::new(std::env::temp_dir());
    let source = vitrine::import::source::Source::File(late);
    vitrine::import::import(&store, &rejects, source, options, &|_| {}).await.unwrap();
    // Another connection has written, as another process would: a request that is sent
    // later than the bound must see it, however slow the machine is.
    let ended = std::time::Instant::now();
    loop {
        let asked = std::time::Instant::now();
        if app.get("/products/B000000000").await.status() == 200 {
            break;
        }
        assert!(asked - ended < LIMITS.staleness, "older than the bound");
    }
    assert_eq!(app.get("/products?category_id=1").await.status(), 200);
}

#[tokio::test]
async fn ready_tells_of_each_part() {
    let app = app().await;
    let report = app.json("/health/ready").await;
    assert_eq!(report["status"], "ready");
    assert_eq!(report["parts"][0]["name"], "database");
    assert!(report["parts"][0]["latency_ms"].is_number());
}

/// Heads that are too large and clients that speak no HTTP end their own connection alone.
#[tokio::test]
async fn odd_clients_harm_nobody_else() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let app = app().await;
    let address = app.url.strip_prefix("http://").unwrap();
    for head in [
        format!("GET /products HTTP/1.1\r\nHost: x\r\nX-Large: {}\r\n\r\n", "x".repeat(100_000)),
        format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(100_000)),
        "\0\0\0rubbish\r\n\r\n".to_owned(),
    ] {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        // The other side may close before it has read everything.
        let _ = stream.write_all(head.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    let mut half = tokio::net::TcpStream::connect(address).await.unwrap();
    half.write_all(b"GET /products HTTP/1.1\r\nHost").await.unwrap();
    let mut idle = Vec::new();
    for _ in 0..200 {
        idle.push(tokio::net::TcpStream::connect(address).await.unwrap());
    }
    assert_eq!(app.get("/products").await.status(), 200);
}
