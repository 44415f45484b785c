//! W3C trace context: what a caller, or the Functions host, says a request is a part of.

use http::HeaderName;
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

/// The header that it comes in. Known beforehand: looked for in each request.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// `00-` trace `-` span `-` flags.
const LENGTH: usize = 55;

/// A span elsewhere that a request is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    trace: TraceId,
    span: SpanId,
    /// Whether the caller keeps its own part.
    pub is_sampled: bool,
}

impl Parent {
    /// Reads the header; `None` if it is none, or of a form that nobody knows yet.
    pub fn read(header: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(header).ok()?;
        let (known, rest) = text.split_at_checked(LENGTH)?;
        let mut parts = known.split('-');
        let mut part = |digits: usize| parts.next().and_then(|text| hex(text, digits));
        let (version, trace, span, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
        // Later versions may add something behind a hyphen; 255 is forbidden.
        let is_whole = rest.is_empty() || (version > 0 && rest.starts_with('-'));
        if trace == 0 || span == 0 || version == 0xff || !is_whole {
            return None;
        }
        Some(Self {
            trace: TraceId::from(trace),
            span: SpanId::from(u64::try_from(span).ok()?),
            is_sampled: flags & 1 == 1,
        })
    }

    /// The same as the exporter has it.
    pub fn context(&self) -> SpanContext {
        let flags = TraceFlags::SAMPLED;
        SpanContext::new(self.trace, self.span, flags, true, TraceState::NONE)
    }
}

/// A number of exactly so many lower-case digits.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let is_lower = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let is_right = text.len() == digits && text.bytes().all(is_lower);
    is_right.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_context_is_taken_as_it_comes() {
        let parent = Parent::read(GOOD.as_bytes()).unwrap();
        assert!(parent.is_sampled);
        let context = parent.context();
        assert_eq!(context.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(context.span_id().to_string(), "00f067aa0ba902b7");
        let unsampled = GOOD.replace("-01", "-02");
        assert!(!Parent::read(unsampled.as_bytes()).unwrap().is_sampled);
        for later in [GOOD.replace("00-4b", "01-4b"), GOOD.replace("00-4b", "01-4b") + "-more"] {
            assert!(Parent::read(later.as_bytes()).is_some(), "{later}");
        }
    }

    #[test]
    fn whatever_else_comes_is_none() {
        for bad in [
            "",
            "00",
            &GOOD[..54],
            &(GOOD.to_owned() + "-more"),
            &(GOOD.to_owned() + "0"),
            &GOOD.to_uppercase(),
            &GOOD.replace("00-4b", "ff-4b"),
            &GOOD.replace('-', "_"),
            &GOOD.replace("4bf9", "4bg9"),
            &GOOD.replace("4bf9", "+bf9"),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0é",
        ] {
            assert_eq!(Parent::read(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(Parent::read(b"\xff\xfe"), None);
    }
}
