//! The pages and the API document: the same for everybody, made once, answered from memory.
//!
//! A page is one document that asks nobody else for anything. Its policy lets the browser run
//! the one script and take the one style that stand in it, named by their hashes, and talk to
//! this server alone: whatever gets into it by way of data stays a text.

mod join;

use std::sync::LazyLock;

use bytes::Bytes;
use warp::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use warp::http::{HeaderMap, HeaderValue, StatusCode};
use warp::reply::Response;

use self::join::{Sources, join};
use super::accept;
use super::problem::ApiError;
use super::respond::{self, CATALOGUE as KEPT};
use crate::cache::encoding::Encoding;
use crate::cache::entity_tag::EntityTag;
use crate::cache::forms::Forms;
use crate::openapi;

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const BY_ENCODING: HeaderValue = HeaderValue::from_static("accept-encoding");
/// Of a document that is not a page: it loads nothing, and nobody frames it.
const NOTHING: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// Strings that become markup or code are refused by the browser, whoever makes them.
const NO_MARKUP_FROM_TEXT: &str = "trusted-types 'none'; require-trusted-types-for 'script'";

const CATALOGUE_SOURCES: Sources = Sources {
    html: include_str!("../../pages/catalogue.html"),
    styles: &[include_str!("../../pages/shared.css"), include_str!("../../pages/catalogue.css")],
    scripts: &[
        include_str!("../../pages/theme.js"),
        include_str!("../../pages/shared.js"),
        include_str!("../../pages/catalogue-query.js"),
        include_str!("../../pages/catalogue-card.js"),
        include_str!("../../pages/catalogue.js"),
    ],
    // Products name pictures of any host.
    images: "https: data:",
    more: NO_MARKUP_FROM_TEXT,
};
const DASHBOARD_SOURCES: Sources = Sources {
    html: include_str!("../../pages/dashboard.html"),
    styles: &[include_str!("../../pages/shared.css"), include_str!("../../pages/dashboard.css")],
    scripts: &[
        include_str!("../../pages/theme.js"),
        include_str!("../../pages/shared.js"),
        include_str!("../../pages/dashboard-session.js"),
        include_str!("../../pages/dashboard-series.js"),
        include_str!("../../pages/dashboard-charts.js"),
        include_str!("../../pages/dashboard-imports.js"),
        include_str!("../../pages/dashboard-tables.js"),
        include_str!("../../pages/dashboard.js"),
    ],
    images: "data:",
    more: NO_MARKUP_FROM_TEXT,
};
const DOCS_SOURCES: Sources = Sources {
    html: include_str!("../../pages/docs.html"),
    styles: &[include_str!("../../pages/docs.css")],
    scripts: &[include_str!("../../pages/theme.js"), include_str!("../../pages/docs.js")],
    images: "data:",
    more: NO_MARKUP_FROM_TEXT,
};

static CATALOGUE: LazyLock<Document> =
    LazyLock::new(|| Document::page(&CATALOGUE_SOURCES, respond::VARIES));
static DASHBOARD: LazyLock<Document> =
    LazyLock::new(|| Document::page(&DASHBOARD_SOURCES, BY_ENCODING));
static DOCS: LazyLock<Document> = LazyLock::new(|| Document::page(&DOCS_SOURCES, BY_ENCODING));
static OPENAPI: LazyLock<Document> = LazyLock::new(|| Document {
    kind: JSON,
    policy: NOTHING,
    varies: BY_ENCODING,
    state: EntityTag::of(openapi::document().as_bytes()),
    body: Forms::plain(Bytes::from_static(openapi::document().as_bytes())),
});

/// `GET /` of a browser.
pub(super) async fn catalogue(asked: &HeaderMap) -> Response {
    CATALOGUE.answer(asked).await
}

/// `GET /dashboard`
pub(super) async fn dashboard(asked: &HeaderMap) -> Result<Response, ApiError> {
    accept::html(asked)?;
    Ok(DASHBOARD.answer(asked).await)
}

/// `GET /docs`
pub(super) async fn docs(asked: &HeaderMap) -> Result<Response, ApiError> {
    accept::html(asked)?;
    Ok(DOCS.answer(asked).await)
}

/// `GET /openapi.json`
pub(super) async fn openapi(asked: &HeaderMap) -> Result<Response, ApiError> {
    accept::json(asked)?;
    Ok(OPENAPI.answer(asked).await)
}

/// What is sent of a document, whoever asks.
struct Document {
    kind: HeaderValue,
    policy: HeaderValue,
    varies: HeaderValue,
    state: EntityTag,
    body: Forms,
}

impl Document {
    fn page(sources: &Sources, varies: HeaderValue) -> Self {
        let page = join(sources);
        let policy = HeaderValue::try_from(page.policy).expect("a policy is ASCII");
        Self {
            kind: HTML,
            policy,
            varies,
            state: EntityTag::of(page.html.as_bytes()),
            body: Forms::plain(page.html.into()),
        }
    }

    /// 304 and no body if the client has it.
    async fn answer(&self, asked: &HeaderMap) -> Response {
        let accepted = respond::list(asked, &ACCEPT_ENCODING);
        let encoding = self.body.choose(accepted.as_deref());
        let known = respond::list(asked, &IF_NONE_MATCH);
        let is_known = known.is_some_and(|tags| self.state.is_in(&tags));
        let body = if is_known { Bytes::new() } else { self.body(encoding).await };
        let mut response = Response::new(body.into());
        let headers = response.headers_mut();
        if !is_known {
            headers.insert(CONTENT_TYPE, self.kind.clone());
            if let Some(name) = encoding.header() {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static(name));
            }
        }
        headers.insert(ETAG, self.state.header(encoding));
        headers.insert(CACHE_CONTROL, KEPT);
        headers.insert(VARY, self.varies.clone());
        // On a 304 too: the browser then keeps these and not those of another release.
        headers.insert(CONTENT_SECURITY_POLICY, self.policy.clone());
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        // Nobody is told what somebody looks for.
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        if is_known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        response
    }

    async fn body(&self, encoding: Encoding) -> Bytes {
        self.body.get(encoding).await.expect("what came plain is not unpacked")
    }
}
