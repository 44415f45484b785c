//! What HTTP asks of every reading route, asked of the real binary: a table of routes by
//! method, condition and encoding, and one of errors.

use std::sync::Arc;
use std::time::Instant;

use reqwest::{Method, Response, StatusCode};
use vitrine::store::Store;

use crate::support::TestFolder;
use crate::support::app::LIMITS;
use crate::support::decode::decoded;
use crate::support::files::{many, products, row};
use crate::support::process::header;
use crate::support::routes::{Kind, Row, Site, filled_site, kept_rows, refusal, rows};

/// Read routes take the first two.
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"];

/// `If-None-Match` with TAG for the answer's own tag, and whether it names the answer.
const CONDITIONS: [(Option<&str>, bool); 8] = [
    (None, false),
    (Some("\"TAG\""), true),
    (Some("W/\"TAG\""), true),
    (Some("\"TAG-gz\""), true),
    (Some("\"other\", \"TAG-br\""), true),
    (Some("\"TAG-zst\""), true),
    (Some("\"other\""), false),
    (Some("*"), true),
];

/// `Accept-Encoding`, and the encoding of a body that is worth it.
const ENCODINGS: [(Option<&str>, &str); 17] = [
    (None, ""),
    (Some(""), ""),
    (Some("gzip"), "gzip"),
    (Some("br"), "br"),
    (Some("gzip, deflate, br"), "br"),
    (Some("gzip, br;q=0.1"), "gzip"),
    (Some("br;q=0, gzip;q=0.001"), "gzip"),
    (Some("identity, br;q=0.5"), ""),
    (Some("*"), "br"),
    (Some("*;q=0"), ""),
    (Some("*;q=0, gzip"), "gzip"),
    // Nothing that we have is taken: the plain body is better than none.
    (Some("identity;q=0"), ""),
    (Some("identity;q=0, *"), "br"),
    (Some("gzip;q=nonsense, br;q=2"), ""),
    (Some("zstd"), "zstd"),
    (Some("deflate, compress"), ""),
    (Some(",;=, q=1;;"), ""),
];

/// What of a response the table speaks of.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    status: u16,
    content_type: String,
    content_encoding: String,
    cache_control: String,
    vary: String,
    allow: String,
    etag: String,
    body: Body,
}

#[derive(Debug, PartialEq, Eq)]
enum Body {
    Nothing,
    /// What the route answered at first, once it is decoded.
    TheAnswer,
    Problem,
    Other,
}

/// One request of the table.
struct Cell<'a> {
    row: &'a Row,
    /// The plain body and its bare tag, as the route answered at first.
    plain: &'a (Vec<u8>, String),
    method: &'static str,
    condition: (Option<&'static str>, bool),
    encoding: (Option<&'static str>, &'static str),
}

impl Cell<'_> {
    async fn ask(&self, site: &Site, path: &str, accept: Option<&str>) -> Seen {
        let tags = self.condition.0.map(|tags| tags.replace("TAG", &self.plain.1));
        let headers: Vec<_> = [
            ("if-none-match", tags.as_deref()),
            ("accept-encoding", self.encoding.0),
            ("accept", accept),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
        let method = Method::from_bytes(self.method.as_bytes()).unwrap();
        seen(site.ask(method, path, &headers).await, &self.plain.0).await
    }

    fn expected(&self, site: &Site) -> Seen {
        if !matches!(self.method, "GET" | "HEAD") {
            let (status, allow) = refusal(self.method, self.row.path);
            if site.is_through_host && status == 405 {
                return bare_404();
            }
            return Seen { allow, ..self.refused(status) };
        }
        match self.row.kind {
            Kind::Fresh => self.fresh(),
            Kind::Kept => self.kept(self.encoding.1),
            Kind::KeptSmall => self.kept(""),
        }
    }

    fn kept(&self, encoding: &str) -> Seen {
        let suffix = match encoding {
            "gzip" => "-gz",
            "br" => "-br",
            "zstd" => "-zst",
            _ => "",
        };
        let known = Seen {
            status: 304,
            content_type: String::new(),
            content_encoding: String::new(),
            cache_control: "public, no-cache".into(),
            vary: "accept, accept-encoding".into(),
            allow: String::new(),
            etag: format!("\"{}{suffix}\"", self.plain.1),
            body: Body::Nothing,
        };
        if self.condition.1 {
            return known;
        }
        Seen {
            status: 200,
            content_type: "application/json".into(),
            content_encoding: encoding.into(),
            body: self.unless_head(Body::TheAnswer),
            ..known
        }
    }

    fn fresh(&self) -> Seen {
        Seen {
            content_type: "application/json".into(),
            // A browser gets a page there.
            vary: if self.row.path == "/" { "accept".into() } else { String::new() },
            body: self.unless_head(Body::Other),
            ..self.refused(200)
        }
    }

    fn refused(&self, status: u16) -> Seen {
        Seen {
            status,
            content_type: "application/problem+json".into(),
            content_encoding: String::new(),
            cache_control: "no-store".into(),
            vary: String::new(),
            allow: String::new(),
            etag: String::new(),
            body: self.unless_head(Body::Problem),
        }
    }

    fn unless_head(&self, body: Body) -> Body {
        if self.method == "HEAD" { Body::Nothing } else { body }
    }

    fn name(&self) -> String {
        let (condition, encoding) = (self.condition.0, self.encoding.0);
        format!("{} {} {condition:?} {encoding:?}", self.method, self.row.path)
    }
}

/// What the host says of itself to a method that no function declares.
fn bare_404() -> Seen {
    Seen {
        status: 404,
        content_type: String::new(),
        content_encoding: String::new(),
        cache_control: String::new(),
        vary: String::new(),
        allow: String::new(),
        etag: String::new(),
        body: Body::Nothing,
    }
}

async fn seen(response: Response, plain: &[u8]) -> Seen {
    let text = |name| header(&response, name).to_owned();
    let mut seen = Seen {
        status: response.status().as_u16(),
        content_type: text("content-type"),
        content_encoding: text("content-encoding"),
        cache_control: text("cache-control"),
        vary: text("vary"),
        allow: text("allow"),
        etag: text("etag"),
        body: Body::Nothing,
    };
    let body = response.bytes().await.unwrap();
    if !body.is_empty() {
        let body = decoded(&body, &seen.content_encoding);
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        seen.body = if body == plain {
            Body::TheAnswer
        } else if json["instance"].is_string() {
            Body::Problem
        } else {
            Body::Other
        };
    }
    seen
}

/// The plain body of a kept answer and its bare tag; nothing of one that is made anew.
async fn plain(site: &Site, row: &Row) -> (Vec<u8>, String) {
    let response = site.get(row.path).await;
    assert_eq!(response.status(), StatusCode::OK, "{}", row.path);
    if !row.is_kept() {
        return (Vec::new(), "none".to_owned());
    }
    let etag = header(&response, "etag").trim_matches('"').to_owned();
    (response.bytes().await.unwrap().to_vec(), etag)
}

/// Every combination of method, condition and encoding for one row.
fn cells<'a>(
    row: &'a Row,
    plain: &'a (Vec<u8>, String),
    methods: &'static [&'static str],
) -> impl Iterator<Item = Cell<'a>> {
    methods.iter().flat_map(move |method| {
        CONDITIONS.into_iter().flat_map(move |condition| {
            ENCODINGS.into_iter().map(move |encoding| Cell {
                row,
                plain,
                method,
                condition,
                encoding,
            })
        })
    })
}

#[tokio::test]
async fn every_route_answers_every_method_condition_and_encoding_as_http_asks() {
    let (_folder, site) = filled_site().await;
    for row in rows() {
        let plain = plain(&site, &row).await;
        // For other methods the host has a page of its own at the root.
        let methods =
            if site.is_through_host && row.path == "/" { &METHODS[..2] } else { &METHODS };
        for cell in cells(&row, &plain, methods) {
            let seen = cell.ask(&site, row.path, None).await;
            assert_eq!(seen, cell.expected(&site), "{}", cell.name());
        }
    }
}

/// No condition makes a 304 of it, and no encoding is worth it.
#[tokio::test]
async fn an_error_stays_one_whatever_the_condition_and_the_encoding() {
    let (_folder, site) = filled_site().await;
    for row in rows() {
        let plain = plain(&site, &row).await;
        for cell in cells(&row, &plain, &METHODS[..2]) {
            for (path, status) in row.errors {
                let seen = cell.ask(&site, path, None).await;
                assert_eq!(seen, cell.refused(*status), "{path}: {}", cell.name());
            }
            let seen = cell.ask(&site, row.path, Some("image/png")).await;
            // Whoever asks how we are is told, whatever it says that it takes.
            let expected = if row.is_kept() { cell.refused(406) } else { cell.expected(&site) };
            assert_eq!(seen, expected, "no JSON: {}", cell.name());
        }
    }
}

#[tokio::test]
async fn every_kept_answer_is_a_hit_the_second_time() {
    let (_folder, site) = filled_site().await;
    for Row { path, .. } in kept_rows() {
        let first = site.get(path).await;
        assert_eq!(header(&first, "cache-status"), "vitrine; fwd=miss", "{path}");
        let etag = header(&first, "etag").to_owned();
        assert!(etag.len() == 34 && etag.starts_with('"'), "{path}: {etag}");
        let body = first.bytes().await.unwrap();
        let second = site.get(path).await;
        assert_eq!(header(&second, "cache-status"), "vitrine; hit", "{path}");
        assert_eq!(header(&second, "etag"), etag, "{path}");
        assert_eq!(second.bytes().await.unwrap(), body, "{path}");
    }
}

#[tokio::test]
async fn that_there_is_no_such_thing_is_kept_too() {
    let (_folder, site) = filled_site().await;
    for path in ["/products/NONE", "/products?category_id=77", "/category/name?category_id=77"] {
        for status in ["vitrine; fwd=miss", "vitrine; hit"] {
            let absent = site.get(path).await;
            assert_eq!(absent.status(), 404, "{path}");
            assert_eq!(header(&absent, "cache-status"), status, "{path}");
            assert_eq!(header(&absent, "content-type"), "application/problem+json", "{path}");
        }
    }
    let refused = site.get("/products?limit=0").await;
    assert_eq!(header(&refused, "cache-status"), "", "nothing was asked");
}

#[tokio::test]
async fn head_has_the_headers_of_get() {
    let (_folder, site) = filled_site().await;
    for row in rows() {
        for encoding in ["identity", "gzip", "br", "zstd"] {
            let asked = [("accept-encoding", encoding)];
            let get = site.ask(Method::GET, row.path, &asked).await;
            let head = site.ask(Method::HEAD, row.path, &asked).await;
            for name in ["content-type", "content-length", "etag", "link", "x-total-count"] {
                // A readiness that was probed between the two may have more digits.
                if row.is_kept() || name != "content-length" {
                    assert_eq!(header(&head, name), header(&get, name), "{}: {name}", row.path);
                }
            }
            assert_ne!(header(&head, "content-length"), "", "{}", row.path);
        }
    }
}

#[tokio::test]
async fn a_client_that_prefers_another_type_but_takes_any_gets_json() {
    let (_folder, site) = filled_site().await;
    for Row { path, .. } in kept_rows() {
        let asked = [("accept", "image/png, */*;q=0.1")];
        assert_eq!(site.ask(Method::GET, path, &asked).await.status(), 200, "{path}");
    }
}

#[tokio::test]
async fn a_request_id_is_echoed_or_made() {
    let (_folder, site) = filled_site().await;
    let long = "x".repeat(200);
    // What no function declares the host answers by itself.
    let nothing = (!site.is_through_host).then_some("/nothing");
    for path in rows().iter().map(|row| row.path).chain(nothing) {
        let given = site.ask(Method::GET, path, &[("x-request-id", "abc-1")]).await;
        assert_eq!(header(&given, "x-request-id"), "abc-1", "{path}");
        for unfit in [long.as_str(), "with space", ""] {
            let made = site.ask(Method::GET, path, &[("x-request-id", unfit)]).await;
            assert_ne!(header(&made, "x-request-id"), unfit);
            assert!(header(&made, "x-request-id").len() > 10, "{path}");
        }
    }
}

#[tokio::test]
async fn an_error_names_its_path_alone() {
    let (_folder, site) = filled_site().await;
    let nothing = (!site.is_through_host).then_some(&("/nothing", 404));
    let errors = rows().into_iter().flat_map(|row| row.errors).chain(nothing);
    for (path, status) in errors {
        let refused = site.get(path).await;
        assert_eq!(refused.status().as_u16(), *status, "{path}");
        let problem: serde_json::Value = refused.json().await.unwrap();
        assert_eq!(problem["instance"], path.split('?').next().unwrap());
        assert_eq!(problem["status"], *status, "{path}");
    }
    for method in METHODS {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let refused = site.ask(method, "/nothing", &[]).await;
        assert_eq!(refused.status(), 404, "the path is looked at before the method");
    }
}

/// Absence is remembered too, and forgotten when the product comes.
#[tokio::test]
async fn a_product_that_comes_is_found_though_its_absence_was_kept() {
    let folder = TestFolder::new();
    let store: Arc<dyn Store> = folder.store();
    folder.import(&store, &folder.file("first.csv", many(10))).await.unwrap();
    let site = Site::start(folder.data.path()).await;
    for _ in 0..2 {
        assert_eq!(site.get("/products/LATE").await.status(), 404);
        assert_eq!(site.get("/products?category_id=77").await.status(), 404);
    }
    let late = folder.file("late.csv", products(&[&row("LATE", "Lamp", "1.0", 77)]));
    folder.import(&store, &late).await.unwrap();
    // Another process has written: a request that is sent later than the bound must see it,
    // however slow the machine is.
    let ended = Instant::now();
    loop {
        let asked = Instant::now();
        if site.get("/products/LATE").await.status() == 200 {
            break;
        }
        assert!(asked - ended < LIMITS.staleness, "older than the bound");
    }
    assert_eq!(site.get("/products?category_id=77").await.status(), 200);
}

#[tokio::test]
async fn ready_tells_of_each_part() {
    let (_folder, site) = filled_site().await;
    let report: serde_json::Value = site.get("/health/ready").await.json().await.unwrap();
    assert_eq!(report["status"], "ready");
    assert_eq!(report["parts"][0]["name"], "database");
    assert!(report["parts"][0]["latency_ms"].is_number());
}
