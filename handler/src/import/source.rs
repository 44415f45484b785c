//! Where an import's bytes come from, and whether they are still the same.

use std::fmt::Write as _;
use std::fs::{File, Metadata};
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use flate2::bufread::GzDecoder;
use sha2::{Digest as _, Sha256};
use xxhash_rust::xxh3::xxh3_128;

use super::Stop;
use crate::blobs::reader::BlobReader;
use crate::blobs::{Blob, BlobError, Blobs};
use crate::sample;

/// How much of a file's beginning goes into its state.
const DIGESTED_BYTES: usize = 64 * 1_024;
/// Read at once from the disk.
const READ_BYTES: usize = 256 * 1_024;
/// What the state of content without one begins with.
const DIGEST: &str = "sha256-";
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Something that can be imported.
#[derive(Debug, Clone)]
pub enum Source {
    /// A local file.
    File(PathBuf),
    /// Bytes that are at hand, under a name of their own.
    Bytes {
        /// What stands for them in the run table.
        uri: String,
        /// Their state where somebody has told it; otherwise their own digest.
        etag: Option<String>,
        /// When they were written, µs since 1970, where it is known.
        modified: Option<i64>,
        /// The bytes.
        content: Bytes,
    },
    /// A blob, read from where it lies.
    Blob(Blob),
}

/// Finds sources again by their names.
#[derive(Clone, Default)]
pub struct Sources {
    /// The account of uploads, if one is named.
    pub blobs: Option<Arc<Blobs>>,
}

impl Sources {
    /// The source of an earlier run; `None` if it cannot be read any more by its name alone.
    pub fn find(&self, uri: &str) -> Option<Source> {
        sample::source(uri)
            .or_else(|| Path::new(uri).is_absolute().then(|| Source::File(uri.into())))
            .or_else(|| self.blobs.as_ref()?.blob(uri).ok().map(Source::Blob))
    }
}

/// One state of a source: another `etag` as soon as its content may be another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceState {
    /// The absolute path, or the URI.
    pub uri: String,
    /// The last part of the path, for the rejects' file.
    pub name: String,
    /// Size, modification time and a digest of the beginning.
    pub etag: String,
    /// When it was written, µs since 1970, if its states are to be told apart as older and
    /// newer. A file is not: whoever puts an old one back wants it back.
    pub modified: Option<i64>,
    /// Bytes as stored.
    pub size: u64,
}

/// A source that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It is there but is no file.
    #[error("{} is not a file", .0.display())]
    NotAFile(PathBuf),
    /// Its name is no text.
    #[error("{} has a name that is not UTF-8: rename it", .0.display())]
    NotText(PathBuf),
    /// The system says no.
    #[error("{}: {}", .0.display(), .1)]
    Io(PathBuf, #[source] io::Error),
    /// It is another file by now.
    #[error("{0} has changed while it was read: what was read is kept, import it again")]
    Changed(String),
    /// A blob cannot be read.
    #[error("{0}: {1}")]
    Blob(String, #[source] BlobError),
}

impl SourceError {
    /// Whether the same may work later, with nothing else done about it.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Io(_, e) => e.kind() != io::ErrorKind::NotFound,
            Self::Blob(_, e) => e.may_pass(),
            _ => false,
        }
    }

    /// Whether somebody has to let us in first.
    pub(super) fn is_denied(&self) -> bool {
        matches!(self, Self::Blob(_, BlobError::Denied(_)))
    }

    /// The fault of a reader of this source: a blob's are told within an [`io::Error`].
    fn of_reader(uri: &str, error: io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<BlobError>()) {
            Some(blob) => Self::Blob(uri.to_owned(), blob.clone()),
            None => Self::Io(uri.into(), error),
        }
    }

    pub(super) fn into_stop(self) -> Stop {
        match self {
            Self::Io(..) | Self::Blob(_, BlobError::Away(_) | BlobError::Denied(_)) => {
                Stop::ForNow(self.to_string())
            }
            Self::Blob(_, BlobError::Overwritten) => Stop::Overwritten(self.to_string()),
            Self::NotAFile(_) | Self::NotText(_) | Self::Changed(_) | Self::Blob(..) => {
                Stop::ForGood(self.to_string())
            }
        }
    }
}

impl Source {
    /// Whether its state is what lies there in this moment, and nothing that was told.
    pub(super) fn is_told_by_its_place(&self) -> bool {
        matches!(self, Self::Blob(_))
    }

    /// What stands for it in the run table, but for a file's absolute path.
    pub fn uri(&self) -> &str {
        match self {
            Self::File(path) => path.to_str().unwrap_or_default(),
            Self::Bytes { uri, .. } => uri,
            Self::Blob(blob) => blob.uri(),
        }
    }

    /// What the source is in this moment.
    pub async fn state(&self) -> Result<SourceState, SourceError> {
        match self {
            Self::File(path) => file_state(path).map_err(|e| e.of(path)),
            Self::Blob(blob) => {
                let state = blob.state().await;
                let state = state.map_err(|e| SourceError::Blob(blob.uri().to_owned(), e))?;
                Ok(SourceState {
                    uri: blob.uri().to_owned(),
                    name: blob.name(),
                    etag: state.etag,
                    modified: state.modified,
                    size: state.size,
                })
            }
            Self::Bytes { uri, etag, modified, content } => Ok(SourceState {
                uri: uri.clone(),
                name: file_name(uri).to_owned(),
                etag: etag.clone().unwrap_or_else(|| digest(content, *modified)),
                modified: *modified,
                size: content.len() as u64,
            }),
        }
    }

    /// The decompressed text from `offset` on, read by a thread that may wait. A plain file is
    /// sought in; gzip has to be inflated from its start, and what comes before `offset` is
    /// thrown away unparsed. What is read of the stored form is counted in `stored_bytes`.
    pub(super) fn open(
        &self,
        state: &SourceState,
        offset: u64,
        stored_bytes: &StoredBytes,
    ) -> Result<Text, SourceError> {
        let count = stored_bytes.clone();
        let opened: io::Result<Box<dyn Read + Send>> = match self {
            Self::File(path) => {
                File::open(path).and_then(|file| inflated_from(file, offset, count))
            }
            Self::Bytes { content, .. } => {
                inflated_from(Cursor::new(content.clone()), offset, count)
            }
            Self::Blob(blob) => {
                let reader = BlobReader::new(blob.clone(), &state.etag, state.size);
                inflated_from(reader, offset, count)
            }
        };
        let reader = opened.map_err(|e| SourceError::of_reader(&state.uri, e))?;
        Ok(Text { reader, offset })
    }

    /// Fails if the source is no longer what it was when `state` was taken.
    pub fn is_unchanged(&self, state: &SourceState) -> Result<(), SourceError> {
        let is_same = match self {
            Self::File(path) => file_state(path).map_err(|e| e.of(path))? == *state,
            // The one cannot change, and the other's reader has seen to it.
            Self::Bytes { .. } | Self::Blob(_) => true,
        };
        if is_same { Ok(()) } else { Err(SourceError::Changed(state.uri.clone())) }
    }
}

/// DESIGN 5.1: content that nobody has named a state for is known by its SHA-256.
/// The moment is part of it where it is known: a content that comes back after another one is
/// a new state.
fn digest(content: &[u8], modified: Option<i64>) -> String {
    let mut text = String::from(DIGEST);
    for byte in Sha256::digest(content) {
        // Writing into a String cannot fail, here and below.
        let _ = write!(text, "{byte:02x}");
    }
    if let Some(modified) = modified {
        let _ = write!(text, "@{modified}");
    }
    text
}

/// Whether a state is the digest of content that came without one.
pub(crate) fn is_of_content(etag: &str) -> bool {
    etag.starts_with(DIGEST)
}

/// The last part of a path or a URI.
pub fn file_name(uri: &str) -> &str {
    uri.rsplit([':', '/']).next().unwrap_or(uri)
}

/// The decompressed text of a source.
pub struct Text {
    reader: Box<dyn Read + Send>,
    /// Where in the whole text the first byte lies.
    pub(super) offset: u64,
}

impl Read for Text {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }
}

/// How many bytes of the stored form were read so far; shared with whoever shows progress.
#[derive(Debug, Clone, Default)]
pub(super) struct StoredBytes(Arc<AtomicU64>);

impl StoredBytes {
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

struct Counted<R> {
    inner: R,
    count: StoredBytes,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count.0.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

fn inflated_from<R: Read + Seek + Send + 'static>(
    mut stored: R,
    offset: u64,
    count: StoredBytes,
) -> io::Result<Box<dyn Read + Send>> {
    let mut magic = [0; 2];
    let begun = read_whole(&mut stored, &mut magic)?;
    let is_gzip = begun == 2 && magic == GZIP_MAGIC;
    // Not by going back: what lies far away was asked for once.
    let begins = Cursor::new(magic).take(begun as u64);
    if is_gzip {
        let stored = Counted { inner: begins.chain(stored), count };
        let stored = BufReader::with_capacity(READ_BYTES, stored);
        let mut text = Members::new(stored);
        let skipped = io::copy(&mut (&mut text).take(offset), &mut io::sink())?;
        if skipped < offset {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Box::new(text))
    } else {
        count.0.store(offset, Ordering::Relaxed);
        if offset < begun as u64 {
            let mut stored = begins.chain(stored);
            io::copy(&mut (&mut stored).take(offset), &mut io::sink())?;
            return Ok(Box::new(Counted { inner: stored, count }));
        }
        stored.seek(SeekFrom::Start(offset))?;
        Ok(Box::new(Counted { inner: stored, count }))
    }
}

/// The members of a gzip file, one after the other. Zeros behind the last one are padding,
/// as tapes and some tools leave it.
struct Members<R> {
    /// `None` only while a member is exchanged for the next.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Members<R> {
    fn new(stored: R) -> Self {
        Self { member: Some(GzDecoder::new(stored)) }
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let read = member.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            if let Some(mut rest) = self.member.take().map(GzDecoder::into_inner)
                && skip_zeros(&mut rest)?
            {
                self.member = Some(GzDecoder::new(rest));
            }
        }
        Ok(0)
    }
}

/// Tells whether anything but zeros follows.
fn skip_zeros(input: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let available = input.fill_buf()?;
        if available.is_empty() {
            return Ok(false);
        }
        let zeros = available.iter().take_while(|byte| **byte == 0).count();
        let is_all_zero = zeros == available.len();
        input.consume(zeros);
        if !is_all_zero {
            return Ok(true);
        }
    }
}

enum StateFault {
    NotAFile,
    NotText,
    Io(io::Error),
}

impl From<io::Error> for StateFault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl StateFault {
    fn of(self, path: &Path) -> SourceError {
        match self {
            Self::NotAFile => SourceError::NotAFile(path.to_owned()),
            Self::NotText => SourceError::NotText(path.to_owned()),
            Self::Io(e) => SourceError::Io(path.to_owned(), e),
        }
    }
}

fn file_state(path: &Path) -> Result<SourceState, StateFault> {
    let absolute = path.canonicalize()?;
    let metadata = std::fs::metadata(&absolute)?;
    if !metadata.is_file() {
        return Err(StateFault::NotAFile);
    }
    let mut beginning = vec![0; DIGESTED_BYTES];
    let read = read_whole(&mut File::open(&absolute)?, &mut beginning)?;
    let digest = xxh3_128(&beginning[..read]);
    // The path names the run in the database: a name that is no text could not be found again.
    let uri = absolute.to_str().ok_or(StateFault::NotText)?.to_owned();
    let name = file_name(&uri).to_owned();
    Ok(SourceState {
        uri,
        name,
        etag: format!("{}-{}-{digest:032x}", metadata.len(), modified_nanos(&metadata)),
        modified: None,
        size: metadata.len(),
    })
}

pub(super) fn modified_nanos(metadata: &Metadata) -> u128 {
    let modified = metadata.modified().ok();
    modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map_or(0, |t| t.as_nanos())
}

/// Fills the buffer as far as the input goes; tells how far, and the fault that ended it.
pub(super) fn read_up_to(input: &mut impl Read, buffer: &mut [u8]) -> (usize, Option<io::Error>) {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return (filled, Some(e)),
        }
    }
    (filled, None)
}

/// The same where a fault means that nothing is of use.
fn read_whole(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    match read_up_to(input, buffer) {
        (read, None) => Ok(read),
        (_, Some(fault)) => Err(fault),
    }
}
