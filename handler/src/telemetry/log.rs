//! Log lines on stdout, and the export beside them.
//!
//! Stdout and not stderr: the Functions host reports every line on stderr as an error.

use std::io::{self, IsTerminal as _, Write};

use tracing::Metadata;
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use super::export::{Export, Ways};
use super::report::Report;
use super::span::TARGET;
use crate::settings::Telemetry;

/// Whether a filter can be read; if not, what is wrong with it.
pub fn check(filter: &str) -> Result<(), String> {
    EnvFilter::try_new(filter).map(drop).map_err(|e| e.to_string())
}

/// Starts logging with the filter of `RUST_LOG`, or else with `default`, and the export if there
/// is a place for it.
///
/// A filter that cannot be read is an error naming what is wrong with it.
pub fn start(
    filter: Option<&str>,
    default: &str,
    telemetry: Option<&Telemetry>,
) -> Result<Option<Export>, String> {
    let filter = EnvFilter::try_new(filter.unwrap_or(default)).map_err(|e| e.to_string())?;
    let has_colours = io::stdout().is_terminal();
    let lines = tracing_subscriber::fmt::layer()
        .with_target(false)
        .with_ansi(has_colours)
        .with_writer(move || OneLine { out: io::stdout().lock(), has_colours })
        // The spans that are exported would stand before every line.
        .with_filter(filter.and(filter_fn(|metadata| !is_exported_span(metadata))));
    let registry = tracing_subscriber::registry().with(lines);
    let (begun, export) = match telemetry.map(Export::begin).transpose() {
        Ok(Some((export, Ways { tracer, logger }))) => {
            let spans = tracing_opentelemetry::layer()
                .with_tracer(tracer)
                .with_context_activation(false)
                .with_location(false)
                .with_target(false)
                .with_threads(false)
                .with_tracked_inactivity(false)
                .with_filter(filter_fn(is_exported_span));
            let report = Report::to(logger).with_filter(filter_fn(Report::takes));
            (registry.with(spans).with(report).try_init(), Ok(Some(export)))
        }
        Ok(None) => (registry.try_init(), Ok(None)),
        Err(e) => (registry.try_init(), Err(e)),
    };
    begun.map_err(|e| e.to_string())?;
    // A panic is told of by Rust on stderr; here it is a line like any other.
    std::panic::set_hook(Box::new(|panic| tracing::error!("a bug: {panic}")));
    // Nothing is noticed of an export that cannot be had.
    Ok(export.unwrap_or_else(|e| {
        tracing::error!("no telemetry is exported: {e}");
        None
    }))
}

fn is_exported_span(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.target() == TARGET
}

/// Writes each event as one line, whatever its texts hold: who reads the log goes by lines, and
/// the Functions host by how they begin. Holds the output for as long: no other event comes in
/// between.
struct OneLine<W> {
    out: W,
    has_colours: bool,
}

impl<W: Write> Write for OneLine<W> {
    /// Takes a whole event, as the subscriber hands it over.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let (text, end) = match event.strip_suffix(b"\n") {
            Some(text) => (text, &b"\n"[..]),
            None => (event, &[][..]),
        };
        let mut rest = text;
        while let Some(at) = rest.iter().position(|byte| self.must_not_stand(*byte)) {
            self.out.write_all(&rest[..at])?;
            write!(self.out, "{}", rest[at].escape_ascii())?;
            rest = &rest[at + 1..];
        }
        self.out.write_all(rest)?;
        self.out.write_all(end)?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl<W> OneLine<W> {
    fn must_not_stand(&self, byte: u8) -> bool {
        const ESCAPE: u8 = 0x1b;
        byte.is_ascii_control() && !(self.has_colours && byte == ESCAPE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(event: &str, has_colours: bool) -> String {
        let mut line = OneLine { out: Vec::new(), has_colours };
        line.write_all(event.as_bytes()).unwrap();
        String::from_utf8(line.out).unwrap()
    }

    #[test]
    fn an_event_is_one_line_whatever_its_texts_hold() {
        assert_eq!(written("import begins ü\n", false), "import begins ü\n");
        assert_eq!(
            written("unknown header `a\nazfuncjsonlog:{}\r\n\u{1b}[31m`\n", false),
            "unknown header `a\\nazfuncjsonlog:{}\\r\\n\\x1b[31m`\n"
        );
        assert_eq!(
            written("\u{1b}[31mERROR\u{1b}[0m a\tb\n", true),
            "\u{1b}[31mERROR\u{1b}[0m a\\tb\n"
        );
    }
}
