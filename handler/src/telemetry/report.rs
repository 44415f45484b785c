//! Log lines that are exported: errors, as exceptions, and warnings.
//!
//! Of their fields go only those that name a thing ([`FIELDS`]); a cause from below may quote
//! what is in the database. From the text goes what looks like an address or a secret.

use std::fmt::{self, Write as _};
use std::sync::OnceLock;

use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _, Severity};
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry_sdk::logs::SdkLogger;
use tracing::dispatcher::WeakDispatch;
use tracing::field::{Field, Visit};
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::names::FIELDS;
use super::sampling::SAMPLER;
use super::span::TARGET;

/// Lines of other crates are not ours to vouch for.
const OURS: &str = "vitrine";
/// Our own lines about the export must not become more of it.
pub const ABOUT_US: &str = "vitrine::telemetry";
/// Characters of a text.
const TEXT_MAX: usize = 1_000;
/// A word that is longer is a key, a token or an address.
const WORD_MAX: usize = 60;

/// Hands lines on.
pub struct Report {
    logger: SdkLogger,
    dispatch: OnceLock<WeakDispatch>,
}

impl Report {
    /// To this logger.
    pub fn to(logger: SdkLogger) -> Self {
        Self { logger, dispatch: OnceLock::new() }
    }

    /// Whether a line may be one to be handed on.
    pub fn takes(metadata: &Metadata<'_>) -> bool {
        let target = metadata.target();
        metadata.is_event()
            && *metadata.level() <= Level::WARN
            && target.starts_with(OURS)
            && target != ABOUT_US
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Report {
    fn on_register_dispatch(&self, subscriber: &Dispatch) {
        self.dispatch.get_or_init(|| subscriber.downgrade());
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        if !SAMPLER.line() {
            return;
        }
        let mut line = Line::default();
        event.record(&mut line);
        let mut record = self.logger.create_log_record();
        record.set_timestamp(std::time::SystemTime::now());
        let text = harmless(&line.text);
        if *metadata.level() == Level::ERROR {
            record.set_severity_number(Severity::Error);
            record.add_attribute("exception.type", metadata.target().to_owned());
            record.add_attribute("exception.message", text);
        } else {
            record.set_severity_number(Severity::Warn);
            record.set_body(AnyValue::from(text));
        }
        for (name, value) in line.fields {
            record.add_attribute(name, value);
        }
        let mut spans = context.event_scope(event).into_iter().flatten();
        if let Some(span) = spans.find(|span| span.metadata().target() == TARGET)
            && let Some(dispatch) = self.dispatch.get().and_then(WeakDispatch::upgrade)
            && let Some(of) = tracing_opentelemetry::get_otel_context(&span.id(), &dispatch)
        {
            let of = of.span().span_context().clone();
            record.set_trace_context(of.trace_id(), of.span_id(), Some(of.trace_flags()));
        }
        self.logger.emit(record);
    }
}

/// What a line says.
#[derive(Default)]
struct Line {
    text: String,
    fields: Vec<(&'static str, String)>,
}

impl Line {
    fn take(&mut self, field: &Field, value: impl fmt::Display) {
        if field.name() == "message" {
            // A string takes whatever it is given.
            let _ = write!(self.text, "{value}");
        } else if let Some(name) = FIELDS.iter().find(|name| **name == field.name()) {
            self.fields.push((name, harmless(&value.to_string())));
        }
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.take(field, format_args!("{value:?}"));
    }
}

/// A text without what looks like an address or a secret, and of bounded length.
pub fn harmless(text: &str) -> String {
    let mut clean = String::new();
    for word in text.split_inclusive(char::is_whitespace).take(TEXT_MAX) {
        let end = word.trim_end();
        if end.contains('@') || end.contains("sig=") || end.len() > WORD_MAX {
            clean.push('…');
            clean.push_str(&word[end.len()..]);
        } else {
            clean.push_str(word);
        }
    }
    match clean.char_indices().nth(TEXT_MAX) {
        Some((end, _)) => clean[..end].to_owned(),
        None => clean,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_an_address_or_a_secret_does_not_go() {
        for (text, expected) in [
            ("import 7 stopped: the disk is full", "import 7 stopped: the disk is full"),
            ("no account for ann@shop.example: 404", "no account for … 404"),
            ("duplicate key (ann@shop.example)", "duplicate key …"),
            ("GET https://a.example/b?sv=1&sig=abc failed", "GET … failed"),
        ] {
            assert_eq!(harmless(text), expected);
        }
        assert_eq!(harmless(&format!("a token {} is", "x".repeat(61))), "a token … is");
        assert_eq!(harmless(&"ü ".repeat(5_000)).chars().count(), TEXT_MAX);
    }
}
