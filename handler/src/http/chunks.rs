//! A body that is sent piece by piece while it is read from the store.
//!
//! What is in memory is a piece or two, however long the whole and however slow the client. A
//! body whose end was not sent is cut: the client sees that it is not whole.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::poll_fn;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::store::StoreError;

/// How long a page may take to be read.
const PAGE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a store that has no time is left alone.
const BUSY_PAUSE: Duration = Duration::from_millis(200);
/// How long a client may take for a page's worth of bytes before its place is given away.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(30);

/// What goes to the client. A stream whose other side goes away without an end is cut.
enum Chunk {
    Bytes(Bytes),
    End,
}

/// The sending side of a body.
pub(super) struct Chunks(mpsc::Sender<Chunk>);

/// A body, and what fills it.
pub(super) fn channel() -> (Chunks, impl Stream<Item = io::Result<Bytes>> + use<>) {
    let (send, chunks) = mpsc::channel(1);
    (Chunks(send), body(chunks))
}

impl Chunks {
    /// Sends a piece; `false` if the client has gone away.
    pub(super) async fn give(&self, bytes: Vec<u8>) -> Result<bool, String> {
        self.send(Chunk::Bytes(bytes.into())).await
    }

    /// That was the whole.
    pub(super) async fn end(self) -> Result<(), String> {
        self.send(Chunk::End).await.map(drop)
    }

    async fn send(&self, chunk: Chunk) -> Result<bool, String> {
        match self.0.send_timeout(chunk, CLIENT_TIMEOUT).await {
            Ok(()) => Ok(true),
            Err(mpsc::error::SendTimeoutError::Closed(_)) => Ok(false),
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => {
                Err(format!("the client took less than a page in {} s", CLIENT_TIMEOUT.as_secs()))
            }
        }
    }
}

/// Reads a page. A store that has no time is asked again for a while: a stream that has begun
/// can only be cut.
pub(super) async fn read_patiently<T, F: Future<Output = Result<T, StoreError>>>(
    read: impl Fn() -> F,
) -> Result<T, StoreError> {
    let reading = async {
        loop {
            match read().await {
                Err(StoreError::Busy) => sleep(BUSY_PAUSE).await,
                read => return read,
            }
        }
    };
    let read = timeout(PAGE_TIMEOUT, reading).await;
    read.map_err(|late| StoreError::Unreachable(late.into()))?
}

/// The body that the chunks make.
fn body(mut chunks: mpsc::Receiver<Chunk>) -> impl Stream<Item = io::Result<Bytes>> {
    let mut is_whole = false;
    poll_fn(move |context| {
        chunks.poll_recv(context).map(|chunk| match chunk {
            Some(Chunk::Bytes(bytes)) => Some(Ok(bytes)),
            Some(Chunk::End) => {
                is_whole = true;
                None
            }
            None if is_whole => None,
            // An error in place of the end: the client sees that the list is not whole.
            None => Some(Err(io::Error::other("the list was cut short"))),
        })
    })
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;

    use super::*;

    #[tokio::test]
    async fn only_a_list_that_was_told_to_end_ends_well() {
        for is_told in [true, false] {
            let (send, chunks) = mpsc::channel(2);
            send.send(Chunk::Bytes(Bytes::from_static(b"x"))).await.unwrap();
            if is_told {
                send.send(Chunk::End).await.unwrap();
            }
            drop(send);
            let mut body = std::pin::pin!(body(chunks));
            assert_eq!(body.next().await.unwrap().unwrap(), "x");
            assert_eq!(body.next().await.is_none(), is_told);
        }
    }
}
