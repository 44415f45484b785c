//! What needs no store: the home page and the process's health.

use serde::Serialize;
use warp::reply::Response;

use super::respond::json;

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

/// Who this is, and where to go on.
pub(super) fn home() -> Response {
    json(&Home {
        name: "Vitrine",
        version: VERSION,
        links: &["/products", "/categories", "/category/count", "/health"],
    })
}

/// The process answers, so it lives. Says nothing of the parts it uses.
pub(super) fn health() -> Response {
    json(&Health { status: "healthy", version: VERSION })
}
