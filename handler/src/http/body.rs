//! A request's body, read in pieces and within limits.

use std::pin::Pin;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use tokio::time::timeout;

/// How long a client may send nothing in the middle of a body.
const STALL: Duration = Duration::from_secs(30);
/// How long a whole body may take that is read at once: its sender may not drip for hours.
const WHOLE: Duration = Duration::from_mins(1);

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

/// Nothing.
impl Default for Body {
    fn default() -> Self {
        Self(Box::pin(futures_util::stream::empty()))
    }
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

    /// The whole body, if it has at most so many bytes. Counted, not believed: one that comes
    /// in chunks does not tell its length.
    pub async fn read_up_to(mut self, bytes_max: usize) -> Result<Bytes, BodyError> {
        let whole = async {
            let mut whole = BytesMut::new();
            while let Some(piece) = self.next_piece().await? {
                if whole.len() + piece.len() > bytes_max {
                    return Err(BodyError::TooLarge(bytes_max));
                }
                whole.extend_from_slice(&piece);
            }
            Ok(whole.freeze())
        };
        timeout(WHOLE, whole).await.unwrap_or(Err(BodyError::Incomplete))
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
