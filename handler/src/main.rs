//! Command line → settings → App → run; nothing else.

use std::process::ExitCode;

use clap::Parser as _;
use mimalloc::MiMalloc;
use vitrine::cli::{Cli, run};

/// The system's own keeps what a hundred threads have freed: under a load of cold and
/// compressed pages it holds half as much again as the limit.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    vitrine::crypto::install_providers();
    run(Cli::parse())
}
