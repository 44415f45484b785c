//! Clients that send what they should not, or not all of it, against the real binary: each
//! gets its answer or loses its own connection, and nobody else notices.

use std::process::Command;

use reqwest::Method;
use serde_json::Value;

use crate::support::TestFolder;
use crate::support::process::{Serving, handler, header};
use crate::support::routes::{filled, kept_rows, refusal, rows};
use crate::support::wire::{Answer, Wire};

/// Appends a query to a path that may have one.
fn with_query(path: &str, query: &str) -> String {
    format!("{path}{}{query}", if path.contains('?') { '&' } else { '?' })
}

/// Asks with a target as it stands, which no library leaves alone.
async fn get(serving: &Serving, target: impl AsRef<[u8]>) -> Option<Answer> {
    let mut wire = Wire::connect(&serving.url).await;
    wire.send([b"GET ", target.as_ref(), b" HTTP/1.1\r\nHost: x\r\n\r\n"].concat()).await;
    wire.answer().await
}

/// Asks for products with these header lines as they stand.
async fn products_with(serving: &Serving, lines: impl AsRef<[u8]>) -> Answer {
    let mut wire = Wire::connect(&serving.url).await;
    let head = b"GET /products HTTP/1.1\r\nHost: x\r\n";
    wire.send([&head[..], lines.as_ref(), b"\r\n"].concat()).await;
    wire.answer().await.unwrap()
}

async fn is_well(serving: &Serving) {
    let answer = serving.get("/products").await;
    assert_eq!(answer.status(), 200, "others are served");
    // To its end, so that the client keeps its one connection.
    assert!(answer.bytes().await.unwrap().starts_with(b"[{"));
}

#[tokio::test]
async fn every_kept_route_names_a_parameter_that_it_does_not_know() {
    let (_folder, serving) = filled().await;
    for row in kept_rows() {
        for query in ["colour=red", "colour", "code=x&colour=", "Colour=1", "col%6Fur=1"] {
            let refused = get(&serving, with_query(row.path, query)).await.unwrap();
            assert_eq!(refused.status, 400, "{} {query}", row.path);
            let problem: Value = serde_json::from_slice(&refused.body).unwrap();
            let detail = problem["detail"].as_str().unwrap().to_lowercase();
            assert!(detail.contains("no parameter `colour`"), "{}: {detail}", row.path);
        }
    }
}

#[tokio::test]
async fn home_and_health_ignore_what_hosts_and_probes_add() {
    let (_folder, serving) = filled().await;
    for row in rows().iter().filter(|row| !row.is_kept()) {
        for query in ["ping=1", "code=x&code=y", "%FF=%00", "limit=0"] {
            let answer = get(&serving, with_query(row.path, query)).await.unwrap();
            assert_eq!(answer.status, 200, "{} {query}", row.path);
        }
    }
}

/// They are not even a part of what is kept: the answer with them is a hit, and its link leads
/// on without them.
#[tokio::test]
async fn the_platforms_keys_change_nothing_on_any_route() {
    let (_folder, serving) = filled().await;
    for row in kept_rows() {
        let plain = serving.get(row.path).await;
        for query in ["code=secret&clientId=x", "code=secret&code=secret", "clientId=%FF"] {
            let keyed = serving.get(&with_query(row.path, query)).await;
            assert_eq!(header(&keyed, "cache-status"), "vitrine; hit", "{}", row.path);
            for name in ["etag", "link"] {
                assert_eq!(header(&keyed, name), header(&plain, name), "{} {query}", row.path);
            }
        }
    }
}

#[tokio::test]
async fn a_parameter_that_is_malformed_is_named() {
    let (_folder, serving) = filled().await;
    let long = "9".repeat(5_000);
    for (target, named) in [
        ("/products?limit=1&limit=1", "limit: must be given only once"),
        ("/products?category_id=1&sort=asin&category_id=2", "category_id: must be given only once"),
        ("/products?cursor=&cursor=", "cursor: must be given only once"),
        ("/products?limit=", "limit: "),
        ("/products?limit", "limit: "),
        ("/products?category_id=", "category_id: "),
        ("/products?sort=", "sort: "),
        ("/products?cursor=", "cursor: "),
        ("/products?=", "no parameter ``"),
        ("/products?limit=ten", "limit: "),
        ("/products?limit=1.0", "limit: "),
        ("/products?limit=-1", "limit: "),
        ("/products?limit=+1", "limit: "),
        ("/products?limit=1e2", "limit: "),
        ("/products?limit=%201", "limit: "),
        ("/products?limit=18446744073709551616", "limit: "),
        ("/products?limit=%D9%A1", "limit: "),
        ("/products?category_id=0x1", "category_id: "),
        ("/products?category_id=4294967297", "category_id: "),
        ("/products?sort=PRICE", "sort: "),
        ("/products?sort=price;drop", "sort: "),
        ("/products?limit=%FF", "limit: "),
        ("/products?limit=%00", "limit: "),
        ("/products?limit=1%", "limit: "),
        ("/products?limit=%zz", "limit: "),
        ("/products?sort=%2", "sort: "),
        ("/products?cursor=%FF%00%", "cursor: "),
        ("/products?%FF=1", "no parameter `\u{fffd}`"),
        ("/products?%00=1", "no parameter `\0`"),
        ("/products?limit%=1", "no parameter `limit%`"),
        ("/products/%FF", "asin: "),
        ("/products/B%00", "asin: "),
        ("/products/B%", "asin: "),
        ("/products/%zz", "asin: "),
        ("/products/..%2Fcategories", "asin: "),
        ("/category/name", "category_id: "),
        ("/category/name?category_id=1&category_id=1", "category_id: must be given only once"),
        ("/category/name?category_id=%FF", "category_id: "),
        ("/category/name?category_id=one", "category_id: "),
        (&format!("/products?limit={long}"), "limit: "),
        (&format!("/products?sort={long}"), "sort: "),
        (&format!("/products?cursor={long}"), "cursor: "),
        (&format!("/products?{long}=1"), "no parameter `9999"),
        (&format!("/products/{long}"), "asin: "),
        (&format!("/category/name?category_id={long}"), "category_id: "),
        (&format!("/products?{}", "a&".repeat(3_000)), "no parameter `a`"),
    ] {
        let shown: String = target.chars().take(80).collect();
        let refused = get(&serving, target).await.unwrap();
        assert_eq!(refused.status, 400, "{shown}");
        // Its path is sent back whole, else but a little of what it sent.
        let bytes = refused.body.len();
        assert!(bytes < 1_000 + target.len(), "{shown}: {bytes} bytes are sent back");
        let problem: Value = serde_json::from_slice(&refused.body).unwrap();
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(named), "{shown}: {detail}");
    }
}

#[tokio::test]
async fn an_odd_request_target_is_refused_or_understood() {
    let (_folder, serving) = filled().await;
    for (target, statuses) in [
        (&b"/categories?"[..], &[200][..]),
        (b"/categories?&&", &[200]),
        (b"http://elsewhere.example/categories", &[200]),
        (b"/categories#part", &[200, 400]),
        (b"*", &[404]),
        (b"", &[400]),
        (b"categories", &[404]),
        (b"elsewhere.example:443", &[404]),
        (b"//categories", &[404]),
        (b"/./categories", &[404]),
        (b"/products/../categories", &[404]),
        (b"/CATEGORIES", &[404]),
        (b"/categories%2F", &[404]),
        (b"/categories two", &[400]),
        (b"/products?limit=\xFF", &[400]),
        (b"/products/\xC3\xA4", &[400]),
        (b"/products/\x00", &[400]),
    ] {
        let shown = String::from_utf8_lossy(target);
        let answer = get(&serving, target).await.unwrap();
        assert!(statuses.contains(&answer.status), "{shown}: {}", answer.status);
    }
    is_well(&serving).await;
}

#[tokio::test]
async fn a_head_that_is_too_large_ends_its_own_connection_alone() {
    let (_folder, serving) = filled().await;
    let large = "x".repeat(100_000);
    let many = "X-Many: 1\r\n".repeat(20_000);
    for head in [
        format!("GET /products?limit={large} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("GET /products?{large}=1 HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("GET /products/{large} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("GET /products HTTP/1.1\r\nHost: x\r\nX-Large: {large}\r\n\r\n"),
        format!("GET /products HTTP/1.1\r\nHost: x\r\n{large}: 1\r\n\r\n"),
        format!("GET /products HTTP/1.1\r\nHost: x\r\n{many}\r\n"),
        format!("{large} /products HTTP/1.1\r\nHost: x\r\n\r\n"),
        // No end in sight.
        large.repeat(20),
    ] {
        let mut wire = Wire::connect(&serving.url).await;
        wire.send(&head).await;
        if let Some(answer) = wire.answer().await {
            assert!(matches!(answer.status, 400 | 414 | 431), "{}", answer.head);
        }
        assert_eq!(wire.closed().await, 0, "nothing follows");
        is_well(&serving).await;
    }
}

#[tokio::test]
async fn what_is_no_http_is_refused_and_closed() {
    let (_folder, serving) = filled().await;
    for rubbish in [
        &b"\0\0\0rubbish\r\n\r\n"[..],
        // The beginning of a TLS greeting: somebody took the port for https.
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /products\r\n\r\n",
        b"GET /products HTTP/9.9\r\n\r\n",
        b"GET /products HTTP/1.1\r\nNo colon\r\n\r\n",
        b"GET /products HTTP/1.1\r\n: no name\r\n\r\n",
        b"GET /products HTTP/1.1\r\nX: \0\r\n\r\n",
        b"GET /products HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET /products HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET /products HTTP/1.1\r\nTransfer-Encoding: nonsense\r\n\r\n",
    ] {
        let shown = String::from_utf8_lossy(rubbish);
        let mut wire = Wire::connect(&serving.url).await;
        wire.send(rubbish).await;
        if let Some(answer) = wire.answer().await {
            assert_eq!(answer.status, 400, "{shown}");
        }
        assert_eq!(wire.closed().await, 0, "{shown}: nothing follows");
        is_well(&serving).await;
    }
}

/// Several lines are one list (RFC 9110, 5.3); what cannot be read says nothing.
#[tokio::test]
async fn accept_is_read_in_whatever_form_it_comes() {
    let (_folder, serving) = filled().await;
    for (lines, status) in [
        (&b""[..], 200),
        (b"Accept:\r\n", 200),
        (b"Accept: ,\r\n", 200),
        (b"Accept: ;;;===\r\n", 200),
        (b"Accept: */*\r\n", 200),
        (b"ACCEPT: APPLICATION/JSON\r\n", 200),
        (b"Accept: application/*;q=0.001\r\n", 200),
        (b"Accept: image/png\r\nAccept: application/json\r\n", 200),
        (b"Accept: application/json\r\nAccept: image/png\r\n", 200),
        (b"Accept: \xFF\xFE\r\n", 200),
        (b"Accept: \xFF\r\nAccept: application/json\r\n", 200),
        (b"Accept: image/png\r\n", 406),
        (b"Accept: image/png\r\nAccept: image/gif\r\n", 406),
        (b"Accept: application/json;q=0\r\n", 406),
        (b"Accept: */*;q=0\r\n", 406),
        (b"Accept: json\r\n", 406),
    ] {
        let shown = String::from_utf8_lossy(lines);
        assert_eq!(products_with(&serving, lines).await.status, status, "{shown}");
    }
}

#[tokio::test]
async fn accept_encoding_is_read_in_whatever_form_it_comes() {
    let (_folder, serving) = filled().await;
    let long = format!("Accept-Encoding: {}gzip\r\n", "x, ".repeat(2_000));
    for (lines, encoding) in [
        (&b"Accept-Encoding:\r\n"[..], ""),
        (b"Accept-Encoding: \xFF\r\n", ""),
        (b"Accept-Encoding: \xFF\r\nAccept-Encoding: gzip\r\n", "gzip"),
        (b"Accept-Encoding: deflate\r\nAccept-Encoding: gzip\r\n", "gzip"),
        (b"Accept-Encoding: gzip\r\nAccept-Encoding: br\r\n", "br"),
        (b"Accept-Encoding: br;q=0\r\nAccept-Encoding: *\r\n", "gzip"),
        (b"Accept-Encoding: *\r\nAccept-Encoding: br;q=0\r\n", "gzip"),
        (b"Accept-Encoding: gzip;q=0.5;q=1\r\n", "gzip"),
        (b"Accept-Encoding: gzip;q=99999999999\r\n", ""),
        (b"Accept-Encoding: gzip;q=-1\r\n", ""),
        (b"Accept-Encoding: gzip;q=NaN\r\n", ""),
        (long.as_bytes(), "gzip"),
    ] {
        let answer = products_with(&serving, lines).await;
        let shown: String = String::from_utf8_lossy(lines).chars().take(80).collect();
        assert_eq!(answer.status, 200, "{shown}");
        assert_eq!(answer.header("content-encoding"), encoding, "{shown}");
    }
}

#[tokio::test]
async fn a_client_that_sends_its_head_byte_by_byte_holds_nobody_up() {
    let (_folder, serving) = filled().await;
    let mut slow = Wire::connect(&serving.url).await;
    for byte in b"GET /categories HTTP/1.1\r\nHost: x\r\n\r\n" {
        is_well(&serving).await;
        slow.send([*byte]).await;
    }
    assert_eq!(slow.answer().await.unwrap().status, 200);
}

/// More often than there are threads, so that not one of them may be lost.
#[tokio::test]
async fn clients_that_hang_up_leave_nothing_behind() {
    let (_folder, serving) = filled().await;
    is_well(&serving).await;
    for request in [
        &b""[..],
        b"GET /prod",
        b"GET /products HTTP/1.1\r\nHost",
        b"POST /products HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n0123456789",
        b"POST /products HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01",
        b"GET /products?limit=300 HTTP/1.1\r\nHost: x\r\n\r\n",
    ] {
        let before = sockets(&serving);
        for _ in 0..50 {
            let mut wire = Wire::connect(&serving.url).await;
            wire.send(request).await;
        }
        // Each look is a request: the connections that were left are met before it, or soon.
        while sockets(&serving) > before {
            is_well(&serving).await;
        }
    }
}

/// How many sockets the server holds.
fn sockets(serving: &Serving) -> usize {
    let files = std::fs::read_dir(format!("/proc/{}/fd", serving.child.id())).unwrap();
    // One that was listed may be closed before it is looked at.
    let targets = files.filter_map(|file| std::fs::read_link(file.unwrap().path()).ok());
    targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
}

/// A body that nobody asked for: it is refused, and what follows on the connection is not
/// taken for a request.
#[tokio::test]
async fn a_body_that_nobody_asked_for_is_refused_of_any_size_and_form() {
    let (_folder, serving) = filled().await;
    let large = "GET /health HTTP/1.1\r\n\r\n".repeat(2 * 1_024 * 1_024 / 24);
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n0\r\n\r\n", text.len());
    for row in rows() {
        for (name, length, body) in [
            ("small", "Content-Length: 2", "{}".to_owned()),
            ("large", &format!("Content-Length: {}", large.len()), large.clone()),
            ("chunked", "Transfer-Encoding: chunked", chunk("{}")),
            ("large and chunked", "Transfer-Encoding: chunked", chunk(&large)),
        ] {
            let mut wire = Wire::connect(&serving.url).await;
            let path = row.path;
            wire.send(format!("POST {path} HTTP/1.1\r\nHost: x\r\n{length}\r\n\r\n{body}")).await;
            let refused = wire.answer().await;
            let refused = refused.unwrap_or_else(|| panic!("{name} {path}: no answer"));
            assert_eq!(refused.status, refusal("POST", path).0, "{name} {path}");
            wire.send("GET /categories HTTP/1.1\r\nHost: x\r\n\r\n").await;
            if let Some(next) = wire.answer().await {
                assert!(next.text().starts_with("[{\"id\":1,"), "{name} {path}: {}", next.text());
            }
        }
    }
    let posted = serving.ask(Method::POST, "/products", &[]).await;
    assert_eq!(posted.status(), 401);
    is_well(&serving).await;
}

/// The client may send its body only once it is told to; here it never is.
#[tokio::test]
async fn a_client_that_asks_before_it_sends_a_body_is_refused_at_once() {
    let (_folder, serving) = filled().await;
    let mut wire = Wire::connect(&serving.url).await;
    wire.send("POST /products HTTP/1.1\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n").await;
    assert_eq!(wire.answer().await.unwrap().status, 401);
    is_well(&serving).await;
}

#[tokio::test]
async fn a_get_with_a_body_is_answered_without_it() {
    let (_folder, serving) = filled().await;
    let mut wire = Wire::connect(&serving.url).await;
    let get = "GET /categories HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello";
    wire.send(format!("{get}{get}")).await;
    for _ in 0..2 {
        assert_eq!(wire.answer().await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn a_client_of_1996_is_answered_and_let_go() {
    let (_folder, serving) = filled().await;
    let mut wire = Wire::connect(&serving.url).await;
    wire.send("GET /categories HTTP/1.0\r\n\r\n").await;
    let answer = wire.answer().await.unwrap();
    assert!(answer.head.starts_with("http/1.0 200 "), "{}", answer.head);
    assert_eq!(wire.closed().await, 0, "it keeps no connection");
}

#[tokio::test]
async fn requests_that_are_sent_at_once_are_answered_in_their_order() {
    let (_folder, serving) = filled().await;
    let mut wire = Wire::connect(&serving.url).await;
    let request = |method: &str, path: &str| format!("{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    let round = [
        request("GET", "/products/B000000000"),
        request("HEAD", "/products"),
        request("GET", "/nothing"),
        request("DELETE", "/products"),
        request("GET", "/health"),
    ]
    .concat();
    wire.send(round.repeat(20)).await;
    for _ in 0..20 {
        assert!(wire.answer().await.unwrap().text().contains("B000000000"));
        assert_eq!(wire.answer_to_head().await.unwrap().status, 200);
        assert_eq!(wire.answer().await.unwrap().status, 404);
        assert_eq!(wire.answer().await.unwrap().status, 405);
        assert!(wire.answer().await.unwrap().text().contains("healthy"));
    }
}

#[tokio::test]
async fn a_client_that_takes_the_server_for_a_proxy_is_refused() {
    let (_folder, serving) = filled().await;
    let mut wire = Wire::connect(&serving.url).await;
    wire.send("CONNECT elsewhere.example:443 HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n").await;
    assert_eq!(wire.answer().await.unwrap().status, 404);
}

const IDLE: u64 = 5_000;

/// Started with the soft limit that most systems have: the server raises its own.
#[tokio::test]
async fn beside_five_thousand_idle_connections_a_request_is_answered() {
    // Its own end of each connection, and what else the tests of this process hold.
    let limit = rlimit::increase_nofile_limit(u64::MAX).unwrap();
    assert!(
        limit > IDLE + 1_000,
        "this machine allows {limit} open files (`ulimit -Hn`): too few for {IDLE} connections"
    );
    let folder = TestFolder::new();
    let server = handler(folder.data.path());
    let mut limited = Command::new("/bin/sh");
    limited.args(["-c", "ulimit -S -n 1024 && exec \"$0\" serve"]).arg(server.get_program());
    limited.env_clear().envs(server.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let serving = Serving::start_by(limited.current_dir(folder.dir.path()));

    let mut idle = Vec::new();
    for _ in 0..IDLE {
        let mut wire = Wire::connect(&serving.url).await;
        // A connection rests between requests; one that sends none is soon closed.
        wire.send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert_eq!(wire.answer().await.unwrap().status, 200);
        idle.push(wire);
    }
    // Connections are accepted in their order: a new one that is answered comes behind them all.
    let mut last = Wire::connect(&serving.url).await;
    last.send("GET /products HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(last.answer().await.unwrap().status, 200);
    assert!(sockets(&serving) as u64 > IDLE);
    for wire in [0, 2_500, 4_999] {
        idle[wire].send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert_eq!(idle[wire].answer().await.unwrap().status, 200, "it was idle, not lost");
    }
}
