//! How many requests each traced one stands for, so that counts in Application Insights are
//! those of all requests.

use opentelemetry::trace::SpanKind;
use opentelemetry_sdk::trace::SpanData;

use super::span::IS_ODD;
use super::whole;

/// What had happened by a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Requests of all routes.
    pub requests: u64,
    /// Of those: they failed or were slow.
    pub odd: u64,
}

/// Keeps account from one batch of spans to the next.
#[derive(Debug)]
pub struct Weights {
    /// Of the requests that had been seen when some were last told of: the odd ones.
    odd: u64,
    /// And the others.
    usual: u64,
    /// The share of the last requests of the usual kind, and so of what they called.
    share: f64,
}

impl Default for Weights {
    fn default() -> Self {
        Self { odd: 0, usual: 0, share: 1.0 }
    }
}

/// Spans, and which share of their likes they are: more than 0, up to 1.
pub type Share = (f64, Vec<SpanData>);

impl Weights {
    /// Splits a batch by what each of its spans stands for, given what was seen by now. Requests
    /// that nobody has told of yet are left to the next batch that tells of any.
    pub fn weigh(&mut self, batch: Vec<SpanData>, seen: Seen) -> Vec<Share> {
        let is_request = |span: &SpanData| span.span_kind == SpanKind::Server;
        let (requests, others): (Vec<_>, Vec<_>) = batch.into_iter().partition(is_request);
        let (odd, usual): (Vec<_>, Vec<_>) = requests.into_iter().partition(is_odd);
        let (whole, parts): (Vec<_>, Vec<_>) = others.into_iter().partition(whole::is_whole);
        let mut odd_share = 1.0;
        if !odd.is_empty() {
            odd_share = share(odd.len(), seen.odd.saturating_sub(self.odd));
            self.odd = seen.odd;
        }
        if !usual.is_empty() {
            let seen = seen.requests.saturating_sub(seen.odd);
            self.share = share(usual.len(), seen.saturating_sub(self.usual));
            self.usual = seen;
        }
        let shares = [(odd_share, odd), (self.share, usual), (self.share, parts), (1.0, whole)];
        shares.into_iter().filter(|(_, spans)| !spans.is_empty()).collect()
    }
}

fn is_odd(span: &SpanData) -> bool {
    span.attributes.iter().any(|attribute| attribute.key.as_str() == IS_ODD)
}

fn share(told: usize, seen: u64) -> f64 {
    // One that was counted a moment after it was traced must not stand for less than itself.
    (told as f64 / seen.max(1) as f64).min(1.0)
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{SpanContext, SpanId, Status};
    use opentelemetry::{InstrumentationScope, KeyValue};
    use opentelemetry_sdk::trace::{SpanEvents, SpanLinks};

    use super::*;

    fn span(span_kind: SpanKind, odd: bool) -> SpanData {
        let now = std::time::SystemTime::now();
        SpanData {
            span_context: SpanContext::NONE,
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind,
            name: "a".into(),
            start_time: now,
            end_time: now,
            attributes: if odd { vec![KeyValue::new(IS_ODD, true)] } else { Vec::new() },
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: InstrumentationScope::default(),
        }
    }

    /// What the spans of each share stand for together.
    fn counts(shares: &[Share], is_of: impl Fn(&SpanData) -> bool) -> f64 {
        let counted =
            |(share, spans): &Share| spans.iter().filter(|span| is_of(span)).count() as f64 / share;
        shares.iter().map(counted).sum()
    }

    #[test]
    fn the_traced_requests_stand_for_all_that_were_seen() {
        let mut weights = Weights::default();
        let batch = |usual: usize, odd: usize| {
            let usual = std::iter::repeat_with(|| span(SpanKind::Server, false)).take(usual);
            let odd = std::iter::repeat_with(|| span(SpanKind::Server, true)).take(odd);
            usual.chain(odd).chain([span(SpanKind::Client, false)]).collect::<Vec<_>>()
        };
        let close = |one: f64, other: f64| (one - other).abs() < 1e-6;
        let mut told = (0.0, 0.0);
        for (seen, usual, odd) in [
            (Seen { requests: 1_000, odd: 0 }, 5, 0),
            // Nobody was traced: these are made up for by the next one.
            (Seen { requests: 3_000, odd: 100 }, 0, 0),
            (Seen { requests: 80_000, odd: 200 }, 25, 10),
            (Seen { requests: 80_000, odd: 200 }, 0, 0),
            (Seen { requests: 80_003, odd: 201 }, 2, 1),
        ] {
            let shares = weights.weigh(batch(usual, odd), seen);
            assert!(shares.iter().all(|(share, _)| *share > 0.0 && *share <= 1.0));
            let is_request = |span: &SpanData| span.span_kind == SpanKind::Server;
            told.0 += counts(&shares, |span| is_request(span) && !is_odd(span));
            told.1 += counts(&shares, |span| is_request(span) && is_odd(span));
        }
        assert!(close(told.0, 80_003.0 - 201.0) && close(told.1, 201.0), "{told:?}");
    }

    #[test]
    fn what_is_traced_whole_stands_for_itself() {
        let mut weights = Weights::default();
        let seen = Seen { requests: 1_000, odd: 0 };
        weights.weigh(vec![span(SpanKind::Server, false)], seen);
        let whole = |kind| SpanData { span_context: whole::context(), ..span(kind, false) };
        let batch = vec![
            whole(SpanKind::Consumer),
            whole(SpanKind::Internal),
            whole(SpanKind::Client),
            span(SpanKind::Client, false),
        ];
        let shares = weights.weigh(batch, seen);
        let shares: Vec<_> = shares.iter().map(|(share, of)| (*share, of.len())).collect();
        assert_eq!(shares, [(0.001, 1), (1.0, 3)]);
    }
}
