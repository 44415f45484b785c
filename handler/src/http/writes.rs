//! Products that are created, replaced, changed and removed.
//!
//! Whoever routes here has made sure that the caller may. Everything that a request can get
//! wrong by itself is told before the store is asked; what depends on the stored product is
//! decided within the transaction that writes it.

use sha2::{Digest as _, Sha256};
use uuid::Uuid;
use warp::http::header::{CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH, LOCATION};
use warp::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use warp::reply::Response;

use super::body::Body;
use super::problem::ApiError;
use super::{products, respond};
use crate::cache::encoding::Encoding;
use crate::cache::entity_tag::EntityTag;
use crate::catalog::{Invalid, Product, ProductPatch};
use crate::store::{Edit, IdempotencyKey, Once, WriteError, Written};
use crate::writes::Writes;

/// CONTRACT 4. A product with every field at its limit takes 10 KiB.
const BODY_BYTES_MAX: usize = 1_024 * 1_024;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";

/// `POST /products`: adds a product; with an `Idempotency-Key` once.
pub async fn create(
    writes: &Writes,
    caller: Uuid,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let key = idempotency_key(headers)?;
    let body = read(headers, body, &[JSON]).await?;
    let product = Product::parse_json(&body, None)?;
    let once = key.map(|key| Once { user: caller, key, digest: Sha256::digest(&body).into() });
    Ok(answer(&writes.create(product, once).await?))
}

/// `PUT /products/{asin}`: the product is what the body says, whether it was there or not.
pub async fn replace(
    writes: &Writes,
    segment: &str,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let asin = products::asin(segment)?;
    let body = read(headers, body, &[JSON]).await?;
    let product = Product::parse_json(&body, Some(&asin))?;
    let preconditions = Preconditions::of(headers);
    let edit: Edit = Box::new(move |old| {
        preconditions.check(old)?;
        Ok(Some(product.clone()))
    });
    Ok(answer(&writes.edit(asin, edit).await?))
}

/// `PATCH /products/{asin}`: changes some fields of a product.
pub async fn update(
    writes: &Writes,
    segment: &str,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let asin = products::asin(segment)?;
    let body = read(headers, body, &[MERGE_PATCH, JSON]).await?;
    let patch = ProductPatch::parse_json(&body, &asin)?;
    let preconditions = Preconditions::of(headers);
    let edit: Edit = Box::new(move |old| {
        let old = old.ok_or(WriteError::NoSuchProduct(asin))?;
        preconditions.check(Some(old))?;
        Ok(Some(patch.apply(old)))
    });
    Ok(answer(&writes.edit(asin, edit).await?))
}

/// `DELETE /products/{asin}`: removes a product.
pub async fn delete(
    writes: &Writes,
    segment: &str,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let asin = products::asin(segment)?;
    let preconditions = Preconditions::of(headers);
    let edit: Edit = Box::new(move |old| {
        let old = old.ok_or(WriteError::NoSuchProduct(asin))?;
        preconditions.check(Some(old))?;
        Ok(None)
    });
    Ok(answer(&writes.edit(asin, edit).await?))
}

/// In what state a product must be to be written. Both lists are as the client sent them.
struct Preconditions {
    if_match: Option<String>,
    if_none_match: Option<String>,
}

impl Preconditions {
    fn of(headers: &HeaderMap) -> Self {
        let list = |name| {
            let lines = headers.get_all(name).iter();
            // One that cannot be read names no state that there is.
            let lines: Vec<_> = lines.map(|line| line.to_str().unwrap_or_default()).collect();
            (!lines.is_empty()).then(|| lines.join(","))
        };
        Self { if_match: list(IF_MATCH), if_none_match: list(IF_NONE_MATCH) }
    }

    fn check(&self, product: Option<&Product>) -> Result<(), WriteError> {
        let state = product.map(state);
        let is_matched = |list: &String| state.is_some_and(|tag| tag.is_strongly_in(list));
        let is_excluded = |list: &String| state.is_some_and(|tag| tag.is_in(list));
        let is_met = self.if_match.as_ref().is_none_or(is_matched)
            && !self.if_none_match.as_ref().is_some_and(is_excluded);
        if is_met { Ok(()) } else { Err(WriteError::PreconditionFailed) }
    }
}

fn state(product: &Product) -> EntityTag {
    EntityTag::of(&json(product))
}

fn json(product: &Product) -> Vec<u8> {
    let mut json = Vec::with_capacity(400);
    product.write_json(&mut json);
    json
}

/// The caller's name for what is to be done once.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, ApiError> {
    let mut lines = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    let key = line.to_str().ok().and_then(IdempotencyKey::parse);
    match (key, lines.next()) {
        (Some(key), None) => Ok(Some(key)),
        _ => Err(ApiError::InvalidHeader(Invalid::new(
            "Idempotency-Key",
            "must be given once, as 1 to 255 visible ASCII characters",
        ))),
    }
}

/// A body of JSON.
pub(super) async fn read_json(headers: &HeaderMap, body: Body) -> Result<bytes::Bytes, ApiError> {
    read(headers, body, &[JSON]).await
}

/// The body, if it says that it is of one of these types, the first of which is told of.
async fn read(
    headers: &HeaderMap,
    body: Body,
    types: &[&'static str],
) -> Result<bytes::Bytes, ApiError> {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    // Parameters say nothing: JSON is UTF-8.
    let given = given.map(|value| value.split(';').next().unwrap_or_default().trim());
    let is_taken = given.is_some_and(|given| types.iter().any(|t| given.eq_ignore_ascii_case(t)));
    let is_plain = headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if !is_taken || !is_plain {
        return Err(ApiError::UnsupportedMediaType(types[0]));
    }
    body.read_up_to(BODY_BYTES_MAX).await.map_err(ApiError::Body)
}

fn answer(written: &Written) -> Response {
    let Some(product) = &written.after else { return respond::nothing() };
    let json = json(product);
    let etag = EntityTag::of(&json).header(Encoding::Identity);
    let is_new = written.before.is_none();
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = respond::written_json(json, status);
    let headers = response.headers_mut();
    headers.insert(ETAG, etag);
    if is_new {
        let location = format!("/products/{}", product.asin);
        headers.insert(LOCATION, HeaderValue::try_from(location).expect("an asin is ASCII"));
    }
    response
}
