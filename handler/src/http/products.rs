//! `GET /products` and `GET /products/{asin}`.

use percent_encoding::percent_decode_str;
use warp::http::HeaderValue;
use warp::http::header::LINK;
use warp::reply::Response;

use super::problem::ApiError;
use super::respond::{json_bytes, or_problem};
use crate::app::App;
use crate::catalog::{Asin, CategoryId, PageQuery, write_json_array};

/// One page of the catalogue. Where it goes on stands in `Link`, how many products the
/// whole list has in `X-Total-Count`.
pub(super) async fn list(raw_query: String, app: App) -> Response {
    or_problem(page(&raw_query, &app).await, "/products")
}

/// One product.
pub(super) async fn show(asin: String, app: App) -> Response {
    or_problem(product(&asin, &app).await, &format!("/products/{asin}"))
}

async fn page(raw_query: &str, app: &App) -> Result<Response, ApiError> {
    let query = PageQuery::parse(raw_query)?;
    let page = app
        .store
        .page(&query)
        .await?
        .ok_or_else(|| ApiError::UnknownCategory(query.category.map_or(0, CategoryId::get)))?;
    let mut response = json_bytes(write_json_array(&page.products));
    let headers = response.headers_mut();
    headers.insert("x-total-count", HeaderValue::from(page.total));
    if let Some(next) = &page.next {
        let link = format!("<{}>; rel=\"next\"", query.link_after(next));
        headers.insert(LINK, HeaderValue::try_from(link).expect("a link is ASCII"));
    }
    Ok(response)
}

async fn product(asin: &str, app: &App) -> Result<Response, ApiError> {
    let asin = Asin::parse(&percent_decode_str(asin).decode_utf8_lossy())?;
    let product = app.store.product(&asin).await?;
    let product = product.ok_or_else(|| ApiError::NoSuchProduct(asin.to_string()))?;
    let mut body = Vec::with_capacity(400);
    product.write_json(&mut body);
    Ok(json_bytes(body))
}
