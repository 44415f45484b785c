//! Asking for the versions, cheaply while nothing was written.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

use super::{connections, versions};
use crate::cache::versions::Versions;
use crate::store::StoreError;

/// A connection of its own that watches the file: `PRAGMA data_version` changes with every
/// commit of any other connection, of whichever process, and takes a microsecond.
pub(super) struct Probe {
    path: PathBuf,
    last: Arc<Mutex<Option<Last>>>,
}

struct Last {
    connection: Connection,
    data_version: i64,
    versions: Arc<Versions>,
}

impl Probe {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), last: Arc::default() }
    }

    pub(super) async fn ask(&self) -> Result<Arc<Versions>, StoreError> {
        let (path, last) = (self.path.clone(), Arc::clone(&self.last));
        let asked = tokio::task::spawn_blocking(move || {
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            let answer = ask(last.take(), &path)?;
            let versions = Arc::clone(&answer.versions);
            // A connection on which something failed is not put back.
            *last = Some(answer);
            Ok(versions)
        });
        asked.await.map_err(|e| StoreError::Corrupt(e.into()))?
    }
}

fn ask(last: Option<Last>, path: &Path) -> Result<Last, StoreError> {
    let Some(last) = last else {
        let connection = connections::open_for_reading(path)?;
        return read(connection);
    };
    // Outside of a transaction: within one it would not change.
    if data_version(&last.connection)? == last.data_version {
        return Ok(last);
    }
    read(last.connection)
}

/// The number first: if a commit comes in between, the next question reads again.
fn read(connection: Connection) -> Result<Last, StoreError> {
    let data_version = data_version(&connection)?;
    let versions = Arc::new(versions::all(&connection)?);
    Ok(Last { connection, data_version, versions })
}

fn data_version(connection: &Connection) -> Result<i64, StoreError> {
    let mut probe = connection.prepare_cached("PRAGMA data_version")?;
    Ok(probe.query_row([], |row| row.get(0))?)
}
