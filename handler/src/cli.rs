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

use crate::app::{database, vault};
use crate::doctor;
use crate::openapi;
use crate::secrets::OpenError;
use crate::settings::{Settings, Told};
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
    /// Print the `OpenAPI` document
    Openapi,
    /// Check every configured part and print a line for each
    Doctor,
}

/// Runs the command and gives the process's exit code.
pub fn run(cli: Cli) -> ExitCode {
    let command = cli.command.unwrap_or(Command::Serve);
    let told = Told::read();
    if let Command::Generate(arguments) = command {
        // Needs no setting, so a wrong one does not matter.
        return code(generate::run(&arguments));
    }
    if let Command::Openapi = command {
        println!("{}", openapi::printed());
        return ExitCode::SUCCESS;
    }
    if let Command::Doctor = command {
        return code(doctor::run(told));
    }
    let told = match told.and_then(|told| told.check().map(|()| told)) {
        Ok(told) => told,
        Err(e) => return refused(e),
    };
    // Commands print their own results: only what goes wrong is logged beside them.
    let default_filter = if matches!(command, Command::Serve) { "info" } else { "warn" };
    // What a command at a terminal does, its person sees.
    let place = match &command {
        Command::Serve => told.telemetry(),
        _ => Ok(None),
    };
    let place = match place {
        Ok(place) => place,
        Err(e) => return refused(e),
    };
    let export = match telemetry::start(told.log_filter(), default_filter, place.as_ref()) {
        Ok(export) => export,
        Err(e) => return refused(format!("RUST_LOG: {e}")),
    };
    match command {
        Command::Serve => on_runtime(serve::run(told, export)),
        Command::Import(arguments) => {
            on_runtime(with(told, async |settings| import::run(settings, arguments).await))
        }
        Command::Audit(arguments) => {
            on_runtime(with(told, async |settings| audit::run(settings, arguments).await))
        }
        Command::Migrate => on_runtime(with(told, migrate)),
        Command::User(arguments) => {
            on_runtime(with(told, async |settings| user::run(settings, arguments).await))
        }
        Command::Generate(_) | Command::Openapi | Command::Doctor => unreachable!("handled above"),
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

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let code = if matches!(error, OpenError::Bad(_)) { 2 } else { 1 };
        Self { code, message: error.to_string() }
    }
}

/// Runs a command with the settings that follow from what was told, and from the vault.
async fn with(
    told: Told,
    command: impl AsyncFnOnce(Settings) -> Result<(), Failure>,
) -> Result<(), Failure> {
    command(vault::settings(&told).await?).await
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
