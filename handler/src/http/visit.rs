//! A request from its arrival to its answer: counted, and traced where the sampler says so.

use std::time::Instant;

use tracing::Span;
use warp::http::{HeaderMap, StatusCode};
use warp::reply::Response;

use super::routes::Endpoint;
use super::{Ask, INVOCATION_ID, respond};
use crate::app::App;
use crate::catalog::Asin;
use crate::telemetry::parent::{Parent, TRACEPARENT};
use crate::telemetry::requests::Led;
use crate::telemetry::sampling::{SAMPLER, Traced, is_odd};
use crate::telemetry::span;
use crate::telemetry::tallies::{Auth, add};

/// Bytes of what is exported of a name that a client or the host gave.
const ID_BYTES_MAX: usize = 64;

/// A request on its way.
pub(super) struct Visit {
    arrived: Instant,
    led: Led,
    span: Span,
}

impl Visit {
    pub(super) fn begin(ask: &Ask<'_>, led: Led, parameter: &str, traced: Option<Traced>) -> Self {
        let arrived = Instant::now();
        let traced = match led {
            // The host asks seldom, and for much.
            Led::ToFunction(_) if SAMPLER.work() => Some(Traced { parent: parent(ask.headers) }),
            _ => traced,
        };
        let span = traced.map_or_else(Span::none, |traced| span::request(led, traced));
        if !span.is_none() {
            describe(&span, ask, led, parameter);
        }
        Self { arrived, led, span }
    }

    /// What happens on its way is a part of this.
    pub(super) fn span(&self) -> Span {
        self.span.clone()
    }

    pub(super) fn end(self, app: &App, headers: &HeaderMap, response: &Response) {
        let Self { arrived, led, span } = self;
        let (status, took) = (response.status(), arrived.elapsed());
        app.activity.requests.count(led, status, took);
        if let Led::To(endpoint) = led {
            count_attempt(&app.activity.auth, endpoint, status);
        }
        let id = || harmless(respond::request_id(response));
        let is_odd = is_odd(status, took) && !matches!(led, Led::ToFunction(_));
        if is_odd {
            SAMPLER.count_odd();
        }
        if !span.is_none() {
            span.record("http.response.status_code", status.as_u16());
            if let Some(id) = id() {
                span.record("request.id", id);
            }
            if is_odd {
                span.record(span::IS_ODD, true);
            }
            span::ended(&span, !status.is_server_error());
            span::close(&span);
        } else if is_odd && SAMPLER.odd() {
            span::tell_of(led, parent(headers), status, took, id().unwrap_or_default());
        }
    }
}

fn parent(headers: &HeaderMap) -> Option<Parent> {
    headers.get(&TRACEPARENT).and_then(|value| Parent::read(value.as_bytes()))
}

/// What it is about. Never what a client wrote, but for what can be nothing else than a name.
fn describe(span: &Span, ask: &Ask<'_>, led: Led, parameter: &str) {
    let invocation = ask.headers.get(INVOCATION_ID).and_then(|id| id.to_str().ok());
    if let Some(id) = harmless(invocation) {
        span.record("invocation.id", id);
    }
    let is_of_product = matches!(
        led,
        Led::To(
            Endpoint::GetProduct
                | Endpoint::ReplaceProduct
                | Endpoint::UpdateProduct
                | Endpoint::DeleteProduct
        )
    );
    if is_of_product && let Ok(asin) = Asin::parse(parameter) {
        span.record("product.asin", asin.as_str());
    }
    let is_of_category = matches!(led, Led::To(Endpoint::ListProducts | Endpoint::CategoryName));
    if is_of_category && let Some(id) = category(ask.query) {
        span.record("category.id", id);
    }
}

/// A name that can be neither an address nor a token of ours.
fn harmless(id: Option<&str>) -> Option<&str> {
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-_:.".contains(&b);
    id.filter(|id| id.len() <= ID_BYTES_MAX && id.bytes().all(is_name))
}

fn category(query: &str) -> Option<u32> {
    let mut parts = query.split('&').filter_map(|part| part.split_once('='));
    parts.find(|(name, _)| *name == "category_id").and_then(|(_, id)| id.parse().ok())
}

/// Counts an attempt to sign up, to sign in or to refresh by what it was answered with.
fn count_attempt(auth: &Auth, endpoint: Endpoint, status: StatusCode) {
    if !matches!(endpoint, Endpoint::SignUp | Endpoint::Login | Endpoint::RefreshToken) {
        return;
    }
    let counter = match status.as_u16() {
        ..400 => &auth.ok,
        429 => &auth.limited,
        400..500 => &auth.refused,
        500.. => &auth.failed,
    };
    add(counter, 1);
}
