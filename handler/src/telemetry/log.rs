//! What the process says of itself: log lines on stdout.
//!
//! Stdout and not stderr: the Functions host reports every line on stderr as an error.
//! Fields: `product.asin`, `category.id`, `import.id`, `request.id`, `invocation.id`.

use std::io::{self, IsTerminal as _, Write};

use tracing_subscriber::EnvFilter;

/// Whether a filter can be read; if not, what is wrong with it.
pub fn check(filter: &str) -> Result<(), String> {
    EnvFilter::try_new(filter).map(drop).map_err(|e| e.to_string())
}

/// Starts logging with the filter of `RUST_LOG`, or else with `default`.
///
/// A filter that cannot be read is an error naming what is wrong with it.
pub fn start(filter: Option<&str>, default: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter.unwrap_or(default)).map_err(|e| e.to_string())?;
    let has_colours = io::stdout().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(has_colours)
        .with_writer(move || OneLine { out: io::stdout().lock(), has_colours })
        .try_init()
        .map_err(|e| e.to_string())?;
    // A panic is told of by Rust on stderr; here it is a line like any other.
    std::panic::set_hook(Box::new(|panic| tracing::error!("a bug: {panic}")));
    Ok(())
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
