//! The commands of `handler`.
//!
//! Exit codes: 0 it is done, 1 it could not be done, 2 a setting or an argument is wrong
//! or the database is too new for this handler.

mod audit;
mod generate;
mod import;
mod serve;
mod user;

use std::fmt::Display;
use std::future::Future;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::app::database;
use crate::doctor;
use crate::settings::Settings;
use crate::store::StoreError;
use crate::telemetry;

/// A product catalogue: imported from files, served over HTTP.
#[derive(Debug, Parser)]
#[command(name = "handler", version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the catalogue (what happens without a command, too)
    Serve,
    /// Import CSV files into the configured store
    Import(import::Arguments),
    /// Write synthetic data: `amazon_categories.csv` and `amazon_products.csv`
    Generate(generate::Arguments),
    /// Bring the configured database to the newest schema
    Migrate,
    /// Change a user: rights, access, password
    User(user::Arguments),
    /// Compare cached pages with the database
    Audit(audit::Arguments),
    /// Check every configured part and print a line for each
    Doctor,
}

/// Runs the command and gives the process's exit code.
pub fn run(cli: Cli) -> ExitCode {
    let command = cli.command.unwrap_or(Command::Serve);
    let settings = Settings::read();
    if let Command::Generate(arguments) = command {
        // Needs no setting, so a wrong one does not matter.
        return code(generate::run(&arguments));
    }
    if let Command::Doctor = command {
        return code(doctor::run(settings));
    }
    let settings = match settings {
        Ok(settings) => settings,
        Err(e) => return refused(e),
    };
    // Commands print their own results: only what goes wrong is logged beside them.
    let default_filter = if matches!(command, Command::Serve) { "info" } else { "warn" };
    if let Err(e) = telemetry::start(settings.log_filter.as_deref(), default_filter) {
        return refused(format!("RUST_LOG: {e}"));
    }
    match command {
        Command::Import(arguments) => on_runtime(import::run(settings, arguments)),
        Command::Audit(arguments) => on_runtime(audit::run(settings, arguments)),
        Command::Migrate => on_runtime(migrate(settings)),
        Command::Serve => on_runtime(serve::run(settings)),
        Command::User(arguments) => on_runtime(user::run(settings, arguments)),
        Command::Generate(_) | Command::Doctor => unreachable!("handled above"),
    }
}

/// Why a command ends without having done its work.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    pub(crate) fn new(message: impl Display) -> Self {
        Self { code: 1, message: message.to_string() }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let code = if matches!(error, StoreError::SchemaTooNew { .. }) { 2 } else { 1 };
        Self { code, message: error.with_cause() }
    }
}

fn on_runtime(command: impl Future<Output = Result<(), Failure>>) -> ExitCode {
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => code(runtime.block_on(command)),
        Err(e) => code(Err(Failure::new(format!("no threads can be started: {e}")))),
    }
}

fn code(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { code, message }) => {
            if !message.is_empty() {
                eprintln!("handler: {message}");
            }
            ExitCode::from(code)
        }
    }
}

fn refused(reason: impl Display) -> ExitCode {
    eprintln!("handler: {reason}");
    ExitCode::from(2)
}

async fn migrate(settings: Settings) -> Result<(), Failure> {
    println!("{}", database::migrate(&settings).await?);
    Ok(())
}
