//! The pages and the API document, as a browser and as anybody else asks for them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, Response};
use sha2::{Digest as _, Sha256};

use crate::support::TestFolder;
use crate::support::decode::decoded;
use crate::support::process::header;
use crate::support::routes::Site;

/// What Chromium sends for a page.
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,\
                       image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7";
const PAGES: [&str; 3] = ["/", "/dashboard", "/docs"];
const DOCUMENTS: [&str; 4] = ["/", "/dashboard", "/docs", "/openapi.json"];
/// What is asked for, and what comes.
const ENCODINGS: [(&str, &str, &str); 4] = [
    ("identity", "", ""),
    ("gzip", "gzip", "-gz"),
    ("gzip, deflate, br, zstd", "br", "-br"),
    ("zstd", "zstd", "-zst"),
];
/// A page may have so many bytes on its way to a browser.
const PAGE_BYTES_MAX: usize = 60_000;

async fn site() -> (TestFolder, Site) {
    let folder = TestFolder::new();
    let site = Site::start(folder.data.path()).await;
    (folder, site)
}

/// What a browser gets, which says that it takes anything where it loads no page.
async fn browse(site: &Site, path: &str, more: &[(&str, &str)]) -> Response {
    let accept = if path == "/openapi.json" { "*/*" } else { BROWSER };
    let headers = [&[("accept", accept)], more].concat();
    site.ask(Method::GET, path, &headers).await
}

/// The text of an element that has no other of its name within it.
fn element<'a>(html: &'a str, opening: &str, closing: &str) -> Vec<&'a str> {
    html.split(opening).skip(1).map(|rest| rest.split(closing).next().unwrap()).collect()
}

fn hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}

/// The sources that a policy has for a directive.
fn sources<'a>(policy: &'a str, directive: &str) -> &'a str {
    let mut directives = policy.split(';').filter_map(|part| part.trim().split_once(' '));
    directives.find(|(name, _)| *name == directive).unwrap_or_else(|| panic!("{directive}")).1
}

#[tokio::test]
async fn a_policy_names_the_script_and_the_style_that_are_served_in_every_encoding() {
    let (_folder, site) = site().await;
    for path in PAGES {
        for (accepted, encoding, _) in ENCODINGS {
            let page = browse(&site, path, &[("accept-encoding", accepted)]).await;
            assert_eq!(page.status(), 200, "{path}");
            assert_eq!(header(&page, "content-type"), "text/html; charset=utf-8", "{path}");
            assert_eq!(header(&page, "content-encoding"), encoding, "{path} {accepted}");
            let policy = header(&page, "content-security-policy").to_owned();
            let html = decoded(&page.bytes().await.unwrap(), encoding);
            let html = String::from_utf8(html).unwrap();
            let scripts = element(&html, "<script type=\"module\">", "</script>");
            let styles = element(&html, "<style>", "</style>");
            assert_eq!((scripts.len(), styles.len()), (1, 1), "{path}");
            assert_eq!(html.matches("<script").count(), 1, "{path}: no other script");
            assert_eq!(sources(&policy, "script-src"), hash(scripts[0]), "{path}");
            assert_eq!(sources(&policy, "style-src"), hash(styles[0]), "{path}");
        }
    }
}

/// Nothing but itself, this server, and on the catalogue the pictures that products name.
#[tokio::test]
async fn a_page_may_ask_nobody_else() {
    let (_folder, site) = site().await;
    for path in PAGES {
        let page = browse(&site, path, &[]).await;
        assert_eq!(header(&page, "x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header(&page, "referrer-policy"), "no-referrer", "{path}");
        let policy = header(&page, "content-security-policy").to_owned();
        for (directive, expected) in [
            ("default-src", "'none'"),
            ("connect-src", "'self'"),
            ("base-uri", "'none'"),
            ("form-action", "'none'"),
            ("frame-ancestors", "'none'"),
            ("img-src", if path == "/" { "https: data:" } else { "data:" }),
        ] {
            assert_eq!(sources(&policy, directive), expected, "{path}: {directive}");
        }
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        let html = page.text().await.unwrap();
        for part in ["<link rel=\"stylesheet", "<script src", "<iframe"] {
            assert!(!html.contains(part), "{path}: {part}");
        }
        for style in element(&html, "<style>", "</style>") {
            assert!(!style.contains("url(") && !style.contains("@import"), "{path}");
        }
    }
    for path in ["/", "/dashboard"] {
        let page = browse(&site, path, &[]).await;
        let policy = header(&page, "content-security-policy");
        assert_eq!(sources(policy, "trusted-types"), "'none'", "{path}");
        assert_eq!(sources(policy, "require-trusted-types-for"), "'script'", "{path}");
    }
}

#[tokio::test]
async fn a_page_is_small_on_its_way() {
    let (_folder, site) = site().await;
    for path in ["/", "/dashboard"] {
        for accepted in ["gzip", "br"] {
            let page = browse(&site, path, &[("accept-encoding", accepted)]).await;
            assert_eq!(header(&page, "content-encoding"), accepted);
            let bytes = page.bytes().await.unwrap().len();
            println!("{path}: {bytes} bytes by {accepted}");
            assert!(bytes < PAGE_BYTES_MAX, "{path}: {bytes} bytes by {accepted}");
        }
    }
}

#[tokio::test]
async fn a_document_is_kept_and_asked_for_each_time() {
    let (_folder, site) = site().await;
    for path in DOCUMENTS {
        let plain = browse(&site, path, &[]).await;
        let tag = header(&plain, "etag").trim_matches('"').to_owned();
        assert_eq!(tag.len(), 32, "{path}: {tag}");
        let body = plain.bytes().await.unwrap();
        for (accepted, encoding, suffix) in ENCODINGS {
            let asked = [("accept-encoding", accepted)];
            let whole = browse(&site, path, &asked).await;
            let etag = format!("\"{tag}{suffix}\"");
            assert_eq!(header(&whole, "etag"), etag, "{path}");
            assert_eq!(header(&whole, "cache-control"), "public, no-cache", "{path}");
            let vary = if path == "/" { "accept, accept-encoding" } else { "accept-encoding" };
            assert_eq!(header(&whole, "vary"), vary, "{path}");
            let policy = header(&whole, "content-security-policy").to_owned();
            let answer = decoded(&whole.bytes().await.unwrap(), encoding);
            assert!(answer == body, "{path} by {accepted} is another document");
            for (given, is_known) in [
                (etag.clone(), true),
                (format!("W/{etag}"), true),
                (format!("\"other\", \"{tag}-br\""), true),
                ("*".to_owned(), true),
                ("\"other\"".to_owned(), false),
            ] {
                let headers = [asked[0], ("if-none-match", given.as_str())];
                let answer = browse(&site, path, &headers).await;
                let status = if is_known { 304 } else { 200 };
                assert_eq!(answer.status(), status, "{path}: {given}");
                assert_eq!(header(&answer, "etag"), etag, "{path}");
                assert_eq!(header(&answer, "content-security-policy"), policy, "{path}");
                assert_eq!(answer.bytes().await.unwrap().is_empty(), is_known, "{path}: {given}");
            }
        }
    }
}

#[tokio::test]
async fn head_has_the_headers_of_get_and_no_body() {
    let (_folder, site) = site().await;
    for path in DOCUMENTS {
        for (accepted, ..) in ENCODINGS {
            let get = browse(&site, path, &[("accept-encoding", accepted)]).await;
            let accept = if path == "/" { BROWSER } else { "*/*" };
            let headers = [("accept", accept), ("accept-encoding", accepted)];
            let head = site.ask(Method::HEAD, path, &headers).await;
            assert_eq!(head.status(), 200, "{path}");
            for name in [
                "content-type",
                "content-length",
                "content-encoding",
                "etag",
                "vary",
                "cache-control",
                "content-security-policy",
            ] {
                assert_eq!(header(&head, name), header(&get, name), "{path}: {name}");
            }
            assert_ne!(header(&head, "content-length"), "", "{path}");
            assert!(head.bytes().await.unwrap().is_empty());
        }
    }
}

/// The host's pings and whoever else says nothing get JSON, which is made of constants.
#[tokio::test]
async fn the_root_is_a_page_for_browsers_alone() {
    let (_folder, site) = site().await;
    for (accept, is_page) in [
        (None, false),
        (Some(""), false),
        (Some("*/*"), false),
        (Some("application/json"), false),
        (Some("application/json, text/html"), false),
        (Some("text/html;q=0.4, application/json;q=0.5"), false),
        (Some("text/html;q=0, */*"), false),
        (Some("image/png"), false),
        (Some(BROWSER), true),
        (Some("text/html"), true),
        (Some("text/html, */*"), true),
        (Some("application/json;q=0.4, text/html;q=0.5"), true),
    ] {
        let headers: Vec<_> = accept.map(|accept| ("accept", accept)).into_iter().collect();
        for path in ["/", "/?q=lamp&cursor=x", "/?code=key"] {
            let root = site.ask(Method::GET, path, &headers).await;
            assert_eq!(root.status(), 200, "{path} {accept:?}");
            let kind = if is_page { "text/html; charset=utf-8" } else { "application/json" };
            assert_eq!(header(&root, "content-type"), kind, "{path} {accept:?}");
            assert!(header(&root, "vary").starts_with("accept"), "{accept:?}");
            let body = root.text().await.unwrap();
            assert_eq!(body.starts_with("<!doctype html>"), is_page, "{accept:?}");
            assert_eq!(body.contains("\"name\":\"Vitrine\""), !is_page, "{accept:?}");
        }
    }
    // A cache between must not give a browser's page to a program.
    let page = browse(&site, "/", &[]).await;
    let tag = header(&page, "etag").to_owned();
    let json = site.ask(Method::GET, "/", &[("if-none-match", tag.as_str())]).await;
    assert_eq!((json.status().as_u16(), header(&json, "content-type")), (200, "application/json"));
}

#[tokio::test]
async fn who_cannot_read_a_document_is_told_what_there_is() {
    let (_folder, site) = site().await;
    for (path, accept, kind) in [
        ("/dashboard", "application/json", "text/html"),
        ("/docs", "image/png", "text/html"),
        ("/openapi.json", "text/html", "application/json"),
    ] {
        let refused = site.ask(Method::GET, path, &[("accept", accept)]).await;
        assert_eq!(refused.status(), 406, "{path}");
        let problem: serde_json::Value = refused.json().await.unwrap();
        assert!(problem["detail"].as_str().unwrap().contains(kind), "{path}: {problem}");
    }
}

/// The page's own state stands in its address, and others add what they like to it.
#[tokio::test]
async fn parameters_of_a_page_are_its_own() {
    let (_folder, site) = site().await;
    for path in ["/dashboard?utm_source=x", "/docs?a=b", "/openapi.json?v=1", "/dashboard/"] {
        assert_eq!(site.get(path).await.status(), 200, "{path}");
    }
}
