//! `handler generate`.

use std::path::PathBuf;
use std::time::Instant;

use super::Failure;
use crate::generate::{Asins, Options, generate};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// How many products
    #[arg(long, value_name = "N")]
    rows: u64,
    /// Another seed gives other data; the same arguments give the same bytes
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// How many of a thousand rows are dirty, in every way an import must cope with
    #[arg(long, value_name = "PERMILLE", default_value_t = 0,
          value_parser = clap::value_parser!(u16).range(0..=1000))]
    dirty: u16,
    /// The folder to write into
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Arguments { rows, seed, dirty, out } = arguments;
    let options =
        Options { rows: *rows, seed: *seed, dirty_per_mille: *dirty, asins: Asins::Random };
    let begin = Instant::now();
    let written =
        generate(&options, out).map_err(|e| Failure::new(format!("{}: {e}", out.display())))?;
    println!(
        "{}: {} categories, {} products ({} of them dirty) in {:.1} s",
        out.display(),
        written.categories,
        written.products,
        written.dirty,
        begin.elapsed().as_secs_f64()
    );
    Ok(())
}
