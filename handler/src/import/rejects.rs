//! Refused rows, written where an operator finds them: a file in a folder beside the watched one,
//! or a blob in a container of its own; never where a new file would be imported.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use super::Stop;
use crate::blobs::{BlobError, Blobs};
use crate::store::{Reject, RunId, Store};

/// Rows read from the store at once: a record is at most 192 KiB, so 12 MiB.
const PAGE: usize = 64;
/// Bytes of a file's name that are kept: with the run's number and the ending it stays below
/// the 255 that file systems allow.
const NAME_BYTES_MAX: usize = 200;
/// CONTRACT 7: the container of refused rows.
const CONTAINER: &str = "rejects";
/// A piece of a blob; it may have 50,000 of them.
const PIECE: usize = 4 * 1_024 * 1_024;

/// Why refused rows are not where they belong. They stay in the store's table.
#[derive(Debug, thiserror::Error)]
#[error("all rows are in, and the refused ones cannot be written to {place}: {reason}")]
pub struct Unwritten {
    place: String,
    reason: String,
    may_pass: bool,
}

impl Unwritten {
    pub(super) fn into_stop(self) -> Stop {
        let reason = self.to_string();
        if self.may_pass { Stop::ForNow(reason) } else { Stop::ForGood(reason) }
    }
}

/// Where refused rows are written.
#[derive(Clone)]
pub enum Rejects {
    /// The folder `<data>/blobs/rejects`; it must exist by the time a file with refused rows
    /// ends.
    Folder(PathBuf),
    /// The container `rejects` of the account.
    Container(Arc<Blobs>),
}

impl Rejects {
    /// In the container if an account is named, else in the folder.
    pub fn at(folder: PathBuf, blobs: Option<&Arc<Blobs>>) -> Self {
        match blobs {
            Some(blobs) => Self::Container(Arc::clone(blobs)),
            None => Self::Folder(folder),
        }
    }

    /// What is written for a run, as an operator looks for it.
    pub fn shown(&self, id: RunId, name: &str) -> String {
        let file = file_name(id, name);
        match self {
            Self::Folder(folder) => folder.join(file).display().to_string(),
            Self::Container(_) => format!("{CONTAINER}/{file} of the storage account"),
        }
    }

    /// Writes all refused rows of a run from the store's table, one a line; nothing if there
    /// are none. A reader never sees half of it.
    pub async fn write(&self, store: &dyn Store, id: RunId, name: &str) -> Result<(), Unwritten> {
        let refuse = |reason: &dyn Display, may_pass| Unwritten {
            place: self.shown(id, name),
            reason: reason.to_string(),
            may_pass,
        };
        let first = store.rejects(id, None, PAGE).await;
        let first = first.map_err(|e| refuse(&e, e.may_pass()))?;
        if first.is_empty() {
            return Ok(());
        }
        let rows = Rows { store, id, page: first };
        match self {
            Self::Folder(folder) => {
                let written = write_file(rows, folder.join(file_name(id, name))).await;
                written.map_err(|e| refuse(&e, true))
            }
            Self::Container(blobs) => {
                let written = write_blob(rows, blobs, &file_name(id, name)).await;
                written.map_err(|e| refuse(&e, e.may_pass()))
            }
        }
    }
}

/// `<name>.<run id>.ndjson`
fn file_name(id: RunId, name: &str) -> String {
    let name = &name[..name.floor_char_boundary(NAME_BYTES_MAX)];
    format!("{name}.{id}.ndjson")
}

/// The refused rows of a run, page by page.
struct Rows<'a> {
    store: &'a dyn Store,
    id: RunId,
    page: Vec<Reject>,
}

impl Rows<'_> {
    /// The next lines; none at the end.
    async fn lines(&mut self) -> Result<Option<Vec<u8>>, io::Error> {
        let Some(last) = self.page.last().map(|reject| reject.byte) else { return Ok(None) };
        let mut lines = Vec::new();
        for reject in &self.page {
            serde_json::to_writer(&mut lines, reject)?;
            lines.push(b'\n');
        }
        let next = self.store.rejects(self.id, Some(last), PAGE).await;
        self.page = next.map_err(io::Error::other)?;
        Ok(Some(lines))
    }
}

/// Written beside and renamed.
async fn write_file(mut rows: Rows<'_>, path: PathBuf) -> io::Result<()> {
    let beside = path.with_extension("ndjson.part");
    let mut file = io::BufWriter::new(std::fs::File::create(&beside)?);
    while let Some(lines) = rows.lines().await? {
        file.write_all(&lines)?;
    }
    file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    std::fs::rename(beside, path)
}

async fn write_blob(mut rows: Rows<'_>, blobs: &Blobs, name: &str) -> Result<(), BlobError> {
    let mut upload = blobs.upload(CONTAINER, name)?;
    let mut piece = Vec::new();
    let read = |e: io::Error| BlobError::Away(e.to_string());
    while let Some(lines) = rows.lines().await.map_err(read)? {
        piece.extend_from_slice(&lines);
        if piece.len() >= PIECE {
            upload.put(Bytes::from(std::mem::take(&mut piece))).await?;
        }
    }
    if !piece.is_empty() {
        upload.put(Bytes::from(piece)).await?;
    }
    upload.end().await
}
