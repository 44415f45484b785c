//! A blob as a stream of bytes for a thread that waits: ranges, a few of them ahead.

use std::collections::VecDeque;
use std::io::{self, Read, Seek, SeekFrom};

use bytes::{Buf as _, Bytes};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::{Blob, BlobError};

/// What is asked for at once.
const RANGE: u64 = 8 * 1_024 * 1_024;
/// Ranges that are on their way while one is read. With it three of them are held: 24 MiB.
const AHEAD: usize = 2;

/// One state of a blob; as soon as it is another the reading ends with
/// [`BlobError::Overwritten`] within the `io::Error`.
pub struct BlobReader {
    blob: Blob,
    etag: String,
    size: u64,
    runtime: Handle,
    /// What is left of the range that is being read.
    current: Bytes,
    /// Where `current` begins.
    position: u64,
    ahead: VecDeque<Fetch>,
    /// Where the next range to be asked for begins.
    next: u64,
}

/// A range on its way; it is not fetched on for a reader that is gone.
struct Fetch(JoinHandle<Result<Bytes, BlobError>>);

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
            current: Bytes::new(),
            position: 0,
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
        self.ahead.push_back(Fetch(self.runtime.spawn(fetch)));
    }

    /// The next range; empty at the end.
    fn fill(&mut self) -> io::Result<()> {
        let is_first = self.next == self.position && self.ahead.is_empty();
        if is_first {
            self.ask();
        }
        let Some(mut fetch) = self.ahead.pop_front() else { return Ok(()) };
        // Whoever looks at the beginning only, to go on elsewhere, asks for no more than that.
        while !is_first && self.ahead.len() < AHEAD && self.next < self.size {
            self.ask();
        }
        let fetched = self.runtime.block_on(&mut fetch.0).map_err(io::Error::other)?;
        self.current = fetched.map_err(io::Error::other)?;
        Ok(())
    }
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.current.is_empty() && self.position < self.size {
            self.fill()?;
        }
        let read = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..read]);
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for BlobReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let SeekFrom::Start(to) = to else { return Err(io::ErrorKind::Unsupported.into()) };
        let begins = self.position;
        match to.checked_sub(begins).and_then(|ahead| usize::try_from(ahead).ok()) {
            Some(ahead) if ahead <= self.current.len() => self.current.advance(ahead),
            _ => {
                self.current.clear();
                self.ahead.clear();
                self.next = to;
            }
        }
        self.position = to;
        Ok(to)
    }
}
