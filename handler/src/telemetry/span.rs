//! Spans: what a request, an import or a round of maintenance did on its way.
//!
//! They are made for what the sampler picked, and for nothing else: a part of something that is
//! not traced makes no span. The log never shows them; its lines have fields of their own.

use std::time::{Duration, SystemTime};

use http::StatusCode;
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanKind, Status, TraceContextExt as _, Tracer as _,
};
use opentelemetry::{Context, KeyValue};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::export;
use super::parent::Parent;
use super::requests::Led;
use super::sampling::{SAMPLER, Traced};

/// The target of every span that is exported.
pub const TARGET: &str = "vitrine::trace";
/// Marks a request that failed or was slow.
pub const IS_ODD: &str = "vitrine.odd";

/// Whether what happens now is a part of something that is traced.
pub fn is_within() -> bool {
    SAMPLER.is_on() && is_traced(&Span::current())
}

fn is_traced(span: &Span) -> bool {
    span.metadata().is_some_and(|metadata| metadata.target() == TARGET)
}

/// A span of a part of what happens now; none if that is not traced. Says how it ended by
/// [`ended`].
macro_rules! part {
    ($name:literal, $($fields:tt)+) => {
        if $crate::telemetry::span::is_within() {
            tracing::info_span!(
                target: $crate::telemetry::span::TARGET,
                $name,
                otel.status_code = tracing::field::Empty,
                $($fields)+
            )
        } else {
            tracing::Span::none()
        }
    };
}

/// A span of work that nobody waits for; a part of what happens now, if that is traced.
macro_rules! work {
    ($name:literal, $kind:literal, $($fields:tt)+) => {
        if $crate::telemetry::span::is_within() || $crate::telemetry::sampling::SAMPLER.work() {
            tracing::info_span!(
                target: $crate::telemetry::span::TARGET,
                $name,
                otel.kind = $kind,
                otel.status_code = tracing::field::Empty,
                $($fields)+
            )
        } else {
            tracing::Span::none()
        }
    };
}

pub(crate) use {part, work};

/// How what a span is of has ended.
pub fn ended(span: &Span, is_well: bool) {
    span.record("otel.status_code", if is_well { "OK" } else { "ERROR" });
}

/// Ends what is exported of a span, whoever still holds it: work in the background goes on under
/// it, and may take longer than what it was made for.
pub fn close(span: &Span) {
    span.context().span().end();
}

/// The span of a request.
pub fn request(led: Led, traced: Traced) -> Span {
    let (route, method) = led.names();
    let kind = if let Led::ToFunction(_) = led { "consumer" } else { "server" };
    let span = tracing::info_span!(
        target: TARGET,
        "request",
        otel.kind = kind,
        otel.name = name(led),
        otel.status_code = tracing::field::Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = tracing::field::Empty,
        request.id = tracing::field::Empty,
        invocation.id = tracing::field::Empty,
        product.asin = tracing::field::Empty,
        category.id = tracing::field::Empty,
        vitrine.odd = tracing::field::Empty,
    );
    if let Some(parent) = traced.parent {
        // Fails only where nothing is exported.
        let _ = span.set_parent(Context::new().with_remote_span_context(parent.context()));
    }
    span
}

fn name(led: Led) -> String {
    match (led, led.names()) {
        (Led::Nowhere, (other, _)) => other.to_owned(),
        (_, (route, method)) => format!("{method} {route}"),
    }
}

/// Tells of a request that has ended, and was not traced.
pub fn tell_of(led: Led, parent: Option<Parent>, status: StatusCode, took: Duration, id: &str) {
    let Some(tracer) = export::tracer() else { return };
    let (route, method) = led.names();
    let end = SystemTime::now();
    let attributes = vec![
        KeyValue::new("http.request.method", method),
        KeyValue::new("http.route", route),
        KeyValue::new("http.response.status_code", i64::from(status.as_u16())),
        KeyValue::new("request.id", id.to_owned()),
        KeyValue::new(IS_ODD, true),
    ];
    let is_error = status.is_server_error();
    let builder = SpanBuilder::from_name(name(led))
        .with_kind(SpanKind::Server)
        .with_start_time(end.checked_sub(took).unwrap_or(end))
        .with_attributes(attributes);
    let context = match parent {
        Some(parent) => Context::new().with_remote_span_context(parent.context()),
        None => Context::new(),
    };
    let mut span = tracer.build_with_context(builder, &context);
    span.set_status(if is_error { Status::error("") } else { Status::Ok });
    span.end_with_timestamp(end);
}
