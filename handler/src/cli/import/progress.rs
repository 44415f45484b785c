//! How far an import has come: a bar on a terminal, else a plain line every few seconds.

use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::import::Progress;

const LINE_EVERY: Duration = Duration::from_secs(3);

pub(super) enum Shown {
    Bar(ProgressBar),
    Lines { file: String, last: Mutex<Instant> },
}

impl Shown {
    pub(super) fn begin(file: &Path) -> Self {
        let file = file.display().to_string();
        if !(std::io::stdout().is_terminal() && std::io::stderr().is_terminal()) {
            return Self::Lines { file, last: Mutex::new(Instant::now()) };
        }
        let style = ProgressStyle::with_template(
            "{prefix} [{bar:30}] {bytes}/{total_bytes}, {msg}, {elapsed} (about {eta} left)",
        );
        let bar = ProgressBar::new(0).with_prefix(file);
        Self::Bar(match style {
            Ok(style) => bar.with_style(style.progress_chars("=> ")),
            Err(_) => bar,
        })
    }

    pub(super) fn update(&self, now: Progress) {
        let rows = format!("{} rows, {} refused", now.counts.read, now.counts.rejected);
        match self {
            Self::Bar(bar) => {
                bar.set_length(now.bytes_total);
                bar.set_position(now.bytes);
                bar.set_message(rows);
            }
            Self::Lines { file, last } => {
                let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                if last.elapsed() >= LINE_EVERY {
                    *last = Instant::now();
                    println!("{file}: {} of {} bytes, {rows}", now.bytes, now.bytes_total);
                }
            }
        }
    }

    pub(super) fn end(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}
