//! Command line → settings → App → run; nothing else.

use std::process::ExitCode;

use clap::Parser as _;
use vitrine::cli::{Cli, run};

/// Bodies and the database's pages come and go by the megabyte. The system's own allocator
/// keeps what is freed among what is not; this one gives it back
/// (`.cargo/config.toml` says how).
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    vitrine::crypto::install_providers();
    run(Cli::parse())
}
