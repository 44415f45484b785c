//! The home page, the process's health, and whether its parts can be reached.

use serde::Serialize;
use warp::http::header::VARY;
use warp::http::{HeaderMap, HeaderValue, StatusCode};
use warp::reply::Response;

use super::respond::json;
use super::{accept, pages};
use crate::app::App;

const VERSION: &str = env!("CARGO_PKG_VERSION");

#[derive(Serialize)]
struct Home {
    name: &'static str,
    version: &'static str,
    links: &'static [&'static str],
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
    version: &'static str,
}

/// Who this is, and where to go on: the catalogue as a page for a browser, JSON for anybody else.
/// The host takes us for broken unless it is answered, so nothing here waits for a part.
pub(super) async fn home(asked: &HeaderMap) -> Response {
    if accept::prefers_html(asked) {
        return pages::catalogue(asked).await;
    }
    let home = Home {
        name: "Vitrine",
        version: VERSION,
        links: &[
            "/products",
            "/categories",
            "/category/count",
            "/health",
            "/health/ready",
            "/dashboard",
            "/docs",
            "/openapi.json",
        ],
    };
    let mut response = json(&home, StatusCode::OK);
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
    response
}

/// The process answers, so it lives. Says nothing of the parts it uses.
pub(super) fn health() -> Response {
    json(&Health { status: "healthy", version: VERSION }, StatusCode::OK)
}

/// One entry for each part; 503 if one cannot be reached.
pub(super) async fn ready(app: &App) -> Response {
    let report = app.readiness.report(app.store.as_ref()).await;
    let status = if report.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(&*report, status)
}
