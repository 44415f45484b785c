//! Command line → settings → App → run; nothing else.

mod memory;

use std::process::ExitCode;

use clap::Parser as _;
use vitrine::cli::{Cli, run};

fn main() -> ExitCode {
    memory::give_back_what_is_freed();
    vitrine::crypto::install_providers();
    run(Cli::parse())
}
