//! A blob as a stream of bytes for a thread that waits: ranges, two of them ahead.

use std::collections::VecDeque;
use std::io::{self, Read, Seek, SeekFrom};

use bytes::{Buf as _, Bytes};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tracing::Instrument as _;

use super::{Blob, BlobError};

/// What is asked for at once.
const RANGE: u64 = 8 * 1_024 * 1_024;
/// Ranges that are on their way or waiting while one is read. The second is asked for when three
/// quarters of that are read and gone, so that no more than about 18 MiB are held.
const AHEAD: usize = 2;

/// One state of a blob; as soon as it is another the reading ends with
/// [`BlobError::Overwritten`] within the `io::Error`.
pub struct BlobReader {
    blob: Blob,
    etag: String,
    size: u64,
    runtime: Handle,
    /// What is left of the range that is being read, in the pieces that it came in.
    current: VecDeque<Bytes>,
    /// Where `current` begins.
    position: u64,
    /// Where the range that comes after `current` begins.
    until: u64,
    ahead: VecDeque<Fetch>,
    /// Where the next range to be asked for begins.
    next: u64,
}

/// A range on its way; it is not fetched on for a reader that is gone.
struct Fetch(JoinHandle<Result<VecDeque<Bytes>, BlobError>>);

impl Drop for Fetch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl BlobReader {
    /// Reads the state of a blob that has this tag and size. To be used on a thread that may
    /// wait, within the runtime.
    pub fn new(blob: Blob, etag: &str, size: u64) -> Self {
        Self {
            blob,
            etag: etag.to_owned(),
            size,
            runtime: Handle::current(),
            current: VecDeque::new(),
            position: 0,
            until: 0,
            ahead: VecDeque::new(),
            next: 0,
        }
    }

    fn ask(&mut self) {
        let range = self.next..self.size.min(self.next + RANGE);
        if range.is_empty() {
            return;
        }
        self.next = range.end;
        let (blob, etag) = (self.blob.clone(), self.etag.clone());
        let fetch = async move { blob.read(&etag, range).await };
        self.ahead.push_back(Fetch(self.runtime.spawn(fetch.in_current_span())));
    }

    /// Waits for the next range.
    fn fill(&mut self) -> io::Result<()> {
        if self.ahead.is_empty() {
            self.ask();
        }
        let Some(mut fetch) = self.ahead.pop_front() else { return Ok(()) };
        let fetched = self.runtime.block_on(&mut fetch.0).map_err(io::Error::other)?;
        self.current = fetched.map_err(io::Error::other)?;
        self.until = self.size.min(self.position + RANGE);
        Ok(())
    }

    /// Asks for what comes next. Whoever looks at the beginning only, to go on elsewhere, has
    /// asked for no more than that.
    fn ask_ahead(&mut self) {
        let left = self.until - self.position;
        let wanted = if left > RANGE / 4 { AHEAD - 1 } else { AHEAD };
        while self.ahead.len() < wanted && self.next < self.size {
            self.ask();
        }
    }
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.current.is_empty() && self.position < self.size {
            self.fill()?;
        } else if self.position > 0 {
            self.ask_ahead();
        }
        let Some(piece) = self.current.front_mut() else { return Ok(0) };
        let read = buffer.len().min(piece.len());
        piece.copy_to_slice(&mut buffer[..read]);
        if piece.is_empty() {
            self.current.pop_front();
        }
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for BlobReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let SeekFrom::Start(to) = to else { return Err(io::ErrorKind::Unsupported.into()) };
        if to != self.position {
            self.current.clear();
            self.ahead.clear();
            (self.position, self.until, self.next) = (to, to, to);
        }
        Ok(to)
    }
}
