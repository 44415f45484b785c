//! A line for each configured part: does it work, and what is it.
//!
//! Each part adds its line in `examine`; a line shows no secret.

use std::fmt;
use std::path::Path;

use crate::cli::Failure;
use crate::clock::Clock;
use crate::settings::{BadSetting, Settings};
use crate::store::Store as _;
use crate::store::sqlite::folder::DataFolder;
use crate::store::sqlite::{Purpose, SqliteStore};

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
pub(crate) async fn run(settings: Result<Settings, BadSetting>) -> Result<(), Failure> {
    let findings = match settings {
        Ok(settings) => examine(&settings).await,
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

async fn examine(settings: &Settings) -> Vec<Finding> {
    vec![
        Finding { part: "settings", result: Ok(describe(settings)) },
        Finding { part: "database", result: database(&settings.data_dir).await },
        Finding { part: "watched folder", result: watched(&settings.data_dir) },
    ]
}

fn describe(settings: &Settings) -> String {
    let place = if settings.under_host { "under a host" } else { "on its own" };
    let stage = if settings.production { "production" } else { "development" };
    format!("{stage}, {place}, listens on {}", settings.listen)
}

async fn database(data_dir: &Path) -> Result<String, String> {
    let folder = DataFolder::at(data_dir);
    if !folder.database().exists() {
        let place = folder.database();
        return Ok(format!("SQLite {}, made at the first use", place.display()));
    }
    let store = SqliteStore::open(&folder, Purpose::Serving, Clock::System);
    store.map_err(|e| e.to_string())?.check().await.map_err(|e| e.to_string())
}

fn watched(data_dir: &Path) -> Result<String, String> {
    let imports = DataFolder::at(data_dir).imports();
    if !imports.exists() {
        return Ok(format!("{}, made at the first use", imports.display()));
    }
    let files = std::fs::read_dir(&imports).map_err(|e| format!("{}: {e}", imports.display()))?;
    Ok(format!("{}, {} entries", imports.display(), files.count()))
}
