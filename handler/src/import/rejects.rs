//! Refused rows as a file beside the watched folder, never in it.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::store::{RunId, Store};

/// Rows read from the store at once: a record is at most 192 KiB, so 12 MiB.
const PAGE: usize = 64;
/// Bytes of a file's name that are kept: with the run's number and the ending it stays below
/// the 255 that file systems allow.
const NAME_BYTES_MAX: usize = 200;

/// The folder `<data>/blobs/rejects`.
#[derive(Debug, Clone)]
pub struct RejectsFolder {
    path: PathBuf,
}

impl RejectsFolder {
    /// Names the folder; it must exist by the time a file with refused rows ends.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The file of a run.
    pub fn file(&self, id: RunId, name: &str) -> PathBuf {
        let name = &name[..name.floor_char_boundary(NAME_BYTES_MAX)];
        self.path.join(format!("{name}.{id}.ndjson"))
    }

    /// Writes all refused rows of a run from the store's table, one a line; no file if there
    /// are none. Written beside and renamed, so a reader never sees half of it.
    pub async fn write(&self, store: &dyn Store, id: RunId, name: &str) -> Result<(), String> {
        let path = self.file(id, name);
        let refuse = |e: io::Error| format!("{}: {e}", path.display());
        let mut page = store.rejects(id, None, PAGE).await.map_err(|e| e.to_string())?;
        if page.is_empty() {
            return Ok(());
        }
        let beside = path.with_extension("ndjson.part");
        let mut file = io::BufWriter::new(std::fs::File::create(&beside).map_err(refuse)?);
        while let Some(last) = page.last().map(|reject| reject.byte) {
            for reject in &page {
                serde_json::to_writer(&mut file, reject).map_err(|e| refuse(e.into()))?;
                file.write_all(b"\n").map_err(refuse)?;
            }
            page = store.rejects(id, Some(last), PAGE).await.map_err(|e| e.to_string())?;
        }
        keep(file, &beside, &path).map_err(refuse)
    }
}

fn keep(file: io::BufWriter<std::fs::File>, beside: &Path, path: &Path) -> io::Result<()> {
    file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    std::fs::rename(beside, path)
}
