//! A request's body, read in pieces and within limits.

use std::pin::Pin;
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt as _};
use tokio::time::timeout;

/// How long a client may send nothing in the middle of a body.
const STALL: Duration = Duration::from_secs(30);

/// A body that has not been read.
pub struct Body(Pin<Box<dyn Stream<Item = Result<Bytes, warp::Error>> + Send>>);

/// Why a body cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The client has gone away, or sent nothing for a while.
    #[error("did not come whole")]
    Incomplete,
    /// It is larger than this many bytes.
    #[error("is larger than {0} bytes")]
    TooLarge(usize),
}

impl Body {
    /// Wraps warp's stream of buffers.
    pub fn new(stream: impl Stream<Item = Result<impl Buf, warp::Error>> + Send + 'static) -> Self {
        Self(Box::pin(stream.map(|piece| {
            piece.map(|mut buffer| {
                let bytes = buffer.remaining();
                buffer.copy_to_bytes(bytes)
            })
        })))
    }

    /// The next piece; `None` at the end.
    pub async fn next_piece(&mut self) -> Result<Option<Bytes>, BodyError> {
        match timeout(STALL, self.0.next()).await {
            Ok(None) => Ok(None),
            Ok(Some(Ok(piece))) => Ok(Some(piece)),
            Ok(Some(Err(_))) | Err(_) => Err(BodyError::Incomplete),
        }
    }
}
