//! What tests are made of: a data folder each, files to import, a server on port 0, and the
//! real binary.

pub mod apart;
pub mod app;
pub mod azurite;
pub mod certificates;
pub mod decode;
pub mod delivery;
pub mod fake_handler;
pub mod fault_proxy;
pub mod files;
pub mod firebase_project;
pub mod google;
pub mod host;
pub mod identity;
pub mod ingestion;
pub mod instances;
pub mod office;
pub mod openapi;
pub mod process;
pub mod redis;
pub mod routes;
pub mod shop;
pub mod sqlserver;
pub mod storage;
pub mod tds;
pub mod twin;
pub mod vault;
pub mod wire;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use vitrine::clock::Clock;
use vitrine::import::rejects::Rejects;
use vitrine::import::source::Source;
use vitrine::import::{ImportError, Options, Outcome, import};
use vitrine::store::sqlite::folder::DataFolder;
use vitrine::store::sqlite::{Purpose, SqliteStore};
use vitrine::store::{HowStarted, Run, Store};

/// Tells what a test has found out also where it passes: what is printed is kept back then.
pub fn say(what: &str) {
    std::io::stderr().write_all(format!("{what}\n").as_bytes()).unwrap();
}

/// A moment to start a standing clock at: 2026-01-01.
pub const SOME_DAY: i64 = 1_767_225_600_000_000;

/// A data folder of the test's own, gone when the test ends.
pub struct TestFolder {
    pub dir: TempDir,
    pub data: DataFolder,
}

impl TestFolder {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = DataFolder::make(&dir.path().join("data")).unwrap();
        Self { dir, data }
    }

    pub fn store(&self) -> Arc<SqliteStore> {
        self.store_at(Clock::System)
    }

    pub fn store_at(&self, clock: Clock) -> Arc<SqliteStore> {
        Arc::new(SqliteStore::open(&self.data, Purpose::Loading, clock).unwrap())
    }

    pub fn rejects(&self) -> Rejects {
        Rejects::Folder(self.data.rejects())
    }

    /// Writes a file to import beside the data folder.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Imports a file as a person would.
    pub async fn import(&self, store: &Arc<dyn Store>, path: &Path) -> Result<Run, ImportError> {
        self.import_as(store, path, HowStarted::ByHand).await
    }

    pub async fn import_as(
        &self,
        store: &Arc<dyn Store>,
        path: &Path,
        how: HowStarted,
    ) -> Result<Run, ImportError> {
        let options = Options { how, rejects_max: None };
        let source = Source::File(path.to_owned());
        match import(store, &self.rejects(), source, options, &|_| {}).await? {
            Outcome::Done(run)
            | Outcome::DoneBefore(run)
            | Outcome::HeldElsewhere(run)
            | Outcome::Overtaken(run) => Ok(run),
        }
    }
}
