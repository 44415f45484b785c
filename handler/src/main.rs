//! Command line → settings → App → run; nothing else.

use std::process::ExitCode;

use clap::Parser as _;
use vitrine::cli::{Cli, run};

fn main() -> ExitCode {
    vitrine::crypto::install_providers();
    run(Cli::parse())
}
