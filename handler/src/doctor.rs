//! A line for each configured part: does it work, and what is it.
//!
//! Each part adds its line in `examine`; a line shows no secret.

use std::fmt;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use crate::app::database::inspect;
use crate::app::{self, shared};
use crate::blobs::Blobs;
use crate::cli::Failure;
use crate::clock::Clock;
use crate::identity::Identity as _;
use crate::identity::firebase::Firebase;
use crate::secrets::{self, Look, Values};
use crate::settings::{BadSetting, Settings, Told};
use crate::store::sqlite::folder::DataFolder;
use crate::telemetry;

/// A login by the developer's tools takes seconds.
const VAULT_ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// What was found out about a part.
#[derive(Debug)]
struct Finding {
    part: &'static str,
    result: Result<String, String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (state, text) = match &self.result {
            Ok(text) => ("ok", text),
            Err(text) => ("FAILED", text),
        };
        write!(f, "{:<14} {state:<7} {text}", self.part)
    }
}

/// Prints the table; fails if a part does.
pub(crate) fn run(told: Result<Told, BadSetting>) -> Result<(), Failure> {
    let findings = match told.and_then(|told| told.vault().map(|_| told)) {
        Ok(told) => examine_told(&told),
        Err(e) => vec![Finding { part: "settings", result: Err(e.to_string()) }],
    };
    for finding in &findings {
        println!("{finding}");
    }
    match findings.iter().filter(|finding| finding.result.is_err()).count() {
        0 => Ok(()),
        failed => Err(Failure::new(format!("{failed} of {} parts failed", findings.len()))),
    }
}

/// With the vault's secrets if it tells them; without them the rest may look wrong too, and is
/// shown all the same.
fn examine_told(told: &Told) -> Vec<Finding> {
    let (vault, found) = match on_runtime(look(told)) {
        Ok(Ok(Some(Look { found, line }))) => (line, found),
        Ok(Ok(None)) => {
            (Ok("none: secrets are those of the environment".to_owned()), Values::new())
        }
        Ok(Err(e)) => (Err(e.to_string()), Values::new()),
        Err(e) => (Err(e), Values::new()),
    };
    let mut findings = match told.with(&found) {
        Ok(settings) => examine(&settings),
        Err(e) => vec![Finding { part: "settings", result: Err(e.to_string()) }],
    };
    findings.insert(1, Finding { part: "vault", result: vault });
    findings
}

async fn look(told: &Told) -> Result<Option<Look>, BadSetting> {
    match app::vault::of(told)? {
        Some(vault) => Ok(Some(secrets::look(&vault, VAULT_ANSWERS_WITHIN).await)),
        None => Ok(None),
    }
}

fn examine(settings: &Settings) -> Vec<Finding> {
    vec![
        Finding { part: "settings", result: Ok(describe(settings)) },
        Finding { part: "telemetry", result: telemetry_arrives(settings) },
        Finding { part: "logging", result: logging(settings.log_filter.as_deref()) },
        Finding { part: "data folder", result: data_folder(&settings.data_dir) },
        Finding { part: "database", result: database(settings) },
        Finding { part: "shared cache", result: shared_cache(settings) },
        Finding { part: "accounts", result: accounts(settings) },
        Finding { part: "tokens", result: Ok(tokens(settings)) },
        Finding { part: "storage", result: storage(settings) },
        Finding { part: "watched folder", result: watched(&settings.data_dir) },
    ]
}

fn describe(settings: &Settings) -> String {
    let place = if settings.under_host { "under a host" } else { "on its own" };
    let stage = if settings.production { "production" } else { "development" };
    format!("{stage}, {place}, listens on {}", settings.listen)
}

fn data_folder(data_dir: &Path) -> Result<String, String> {
    let shown = data_dir.display();
    match std::fs::metadata(data_dir) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(format!("{shown}, made at the first use")),
        Err(e) => Err(format!("{shown}: {e}")),
        Ok(data) if !data.is_dir() => Err(format!("{shown} is not a folder")),
        Ok(data) if data.permissions().readonly() => Err(format!("{shown} cannot be written to")),
        Ok(_) => Ok(shown.to_string()),
    }
}

/// Looks without migrating or mending anything.
fn database(settings: &Settings) -> Result<String, String> {
    on_runtime(inspect(settings))?.map_err(|e| e.with_cause())
}

fn shared_cache(settings: &Settings) -> Result<String, String> {
    on_runtime(shared::inspect(settings))?
}

fn storage(settings: &Settings) -> Result<String, String> {
    match Blobs::of(settings).map_err(|e| e.to_string())? {
        None => Ok("no account is named: uploads are read out of envelopes alone".to_owned()),
        Some(blobs) => on_runtime(async {
            let told =
                blobs.probe().await.map(|name| format!("the container `{name}` may be read"));
            told.map_err(|e| format!("the container `{}`: {e}", settings.storage.place.container))
        })?,
    }
}

fn on_runtime<T>(work: impl Future<Output = T>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(runtime.map_err(|e| e.to_string())?.block_on(work))
}

fn logging(filter: Option<&str>) -> Result<String, String> {
    let filter = filter.unwrap_or("info");
    telemetry::check(filter).map_err(|e| format!("RUST_LOG: {e}"))?;
    Ok(format!("lines on stdout, filter {filter}"))
}

/// One event is sent, and must be said to have arrived.
fn telemetry_arrives(settings: &Settings) -> Result<String, String> {
    let Some(place) = &settings.telemetry else {
        return Ok("none: lines on stdout, the dashboard".to_owned());
    };
    let host = place.endpoint.host_str().unwrap_or_default();
    on_runtime(telemetry::prove(place))?.map_err(|e| format!("{host}: {e}"))?;
    Ok(format!("Application Insights at {host} takes an event of `{}`", place.role))
}

fn accounts(settings: &Settings) -> Result<String, String> {
    let admins = settings.people.admins.len();
    let Some(config) = &settings.people.firebase else {
        return Ok(format!("in the database, {admins} listed as administrators"));
    };
    let firebase = Firebase::new(config, Clock::System).map_err(|e| e.to_string())?;
    on_runtime(firebase.probe())?.map_err(|e| e.to_string())?;
    let project = config.project_id.as_deref().unwrap_or_default();
    Ok(format!("Firebase project {project}, {admins} listed as administrators"))
}

fn tokens(settings: &Settings) -> String {
    if settings.people.key.is_some() {
        return "signed with JWT_SECRET_KEY".to_owned();
    }
    let key = DataFolder::at(&settings.data_dir).token_key();
    let shown = key.display();
    if key.exists() {
        format!("signed with a key of our own, {shown}")
    } else {
        format!("signed with a key of our own, {shown}, made at the first use")
    }
}

fn watched(data_dir: &Path) -> Result<String, String> {
    let imports = DataFolder::at(data_dir).imports();
    if !imports.exists() {
        return Ok(format!("{}, made at the first use", imports.display()));
    }
    let files = std::fs::read_dir(&imports).map_err(|e| format!("{}: {e}", imports.display()))?;
    Ok(format!("{}, {} entries", imports.display(), files.count()))
}
