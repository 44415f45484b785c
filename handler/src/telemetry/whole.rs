//! What is traced whole, and stands for itself: imports, what the host asks for, and work that
//! nobody waits for, each with all that it calls. A request is one of many instead, and so are
//! its parts (see [`super::weights`]).
//!
//! A span's parts end before it does, often in an earlier batch, so each carries the mark.

use opentelemetry::trace::{
    Link, SpanContext, SpanKind, TraceContextExt as _, TraceId, TraceState,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SamplingDecision, SamplingResult, ShouldSample, SpanData};

const KEY: &str = "vitrine";
const VALUE: &str = "whole";

/// Samples everything, for what must not be traced makes no span to begin with; and marks what
/// is traced whole.
#[derive(Debug, Clone)]
pub struct Marking;

impl ShouldSample for Marking {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        _: TraceId,
        _: &str,
        kind: &SpanKind,
        _: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        let parent = parent.map(|parent| parent.span().span_context().clone());
        let parent = parent.filter(|parent| parent.is_valid() && !parent.is_remote());
        let trace_state = match (parent, kind) {
            (_, SpanKind::Consumer) => mark(),
            (Some(parent), _) => parent.trace_state().clone(),
            (None, SpanKind::Server) => TraceState::NONE,
            (None, _) => mark(),
        };
        let decision = SamplingDecision::RecordAndSample;
        SamplingResult { decision, attributes: Vec::new(), trace_state }
    }
}

/// Whether a span is traced whole, or is a part of what is.
pub fn is_whole(span: &SpanData) -> bool {
    is_marked(&span.span_context)
}

fn is_marked(span: &SpanContext) -> bool {
    span.trace_state().get(KEY) == Some(VALUE)
}

fn mark() -> TraceState {
    TraceState::from_key_value([(KEY, VALUE)]).unwrap_or_default()
}

/// Of a span that is.
#[cfg(test)]
pub(super) fn context() -> SpanContext {
    use opentelemetry::trace::{SpanId, TraceFlags};
    let (trace, span) = (TraceId::from(1_u128), SpanId::from(1_u64));
    SpanContext::new(trace, span, TraceFlags::SAMPLED, false, mark())
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{SpanBuilder, Tracer as _, TracerProvider as _};
    use opentelemetry_sdk::trace::SdkTracerProvider;

    use super::*;

    /// Whether a span of the kind, and a part of a part of it, are traced whole.
    fn marked(kind: SpanKind, parent: &Context) -> [bool; 2] {
        let tracer = SdkTracerProvider::builder().with_sampler(Marking).build().tracer("test");
        let within = |kind, parent: &Context| {
            let span = SpanBuilder::from_name("a").with_kind(kind);
            parent.with_span(tracer.build_with_context(span, parent))
        };
        let root = within(kind, parent);
        let part = within(SpanKind::Client, &within(SpanKind::Internal, &root));
        [&root, &part].map(|of| is_marked(of.span().span_context()))
    }

    #[test]
    fn an_import_and_its_parts_are_traced_whole_and_a_request_and_its_parts_are_not() {
        let nobody = Context::new();
        assert_eq!(marked(SpanKind::Consumer, &nobody), [true, true]);
        assert_eq!(marked(SpanKind::Client, &nobody), [true, true], "a vault that is asked");
        assert_eq!(marked(SpanKind::Server, &nobody), [false, false]);
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let parent = super::super::parent::Parent::read(parent.as_bytes()).unwrap();
        let caller = Context::new().with_remote_span_context(parent.context());
        assert_eq!(marked(SpanKind::Server, &caller), [false, false]);
        assert_eq!(marked(SpanKind::Consumer, &caller), [true, true]);
    }
}
