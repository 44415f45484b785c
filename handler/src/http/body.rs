//! A request's body, read in pieces and within limits.

use std::pin::Pin;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{FutureExt as _, Stream, StreamExt as _};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::slow_head::Heads;

/// How long a client may send nothing in the middle of a body.
const STALL: Duration = Duration::from_secs(30);
/// How long a whole body may take that is read at once: its sender may not drip for hours.
const WHOLE: Duration = Duration::from_mins(1);

/// How much of a body that nobody wants is read on, and for how long: a sender that is cut off
/// in the middle never sees the answer. The data set as one text in base64 takes 505 MB.
const UNWANTED_BYTES_MAX: usize = 640 * 1_024 * 1_024;
const UNWANTED: Duration = Duration::from_mins(2);

type Pieces = Pin<Box<dyn Stream<Item = Result<Bytes, warp::Error>> + Send>>;

/// A body that has not been read. What is left of it when it is dropped is read on behind the
/// answer's back.
pub struct Body {
    /// None at its end.
    rest: Option<Pieces>,
    /// The connection that it comes by, where that counts the time of heads.
    heads: Option<Heads>,
}

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
        Self { rest: None, heads: None }
    }
}

impl Body {
    /// Wraps warp's stream of buffers.
    pub fn new(stream: impl Stream<Item = Result<impl Buf, warp::Error>> + Send + 'static) -> Self {
        let pieces = stream.map(|piece| {
            piece.map(|mut buffer| {
                let bytes = buffer.remaining();
                buffer.copy_to_bytes(bytes)
            })
        });
        Self { rest: Some(Box::pin(pieces)), heads: None }
    }

    /// By the connection that counts the time of heads.
    pub(super) fn by(self, heads: Option<Heads>) -> Self {
        let mut body = self;
        body.heads = heads;
        body
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
        let Some(pieces) = &mut self.rest else { return Ok(None) };
        match timeout(STALL, pieces.next()).await {
            Ok(Some(Ok(piece))) => Ok(Some(piece)),
            Ok(None) => {
                self.rest = None;
                Ok(None)
            }
            Ok(Some(Err(_))) | Err(_) => {
                self.rest = None;
                Err(BodyError::Incomplete)
            }
        }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        let Some(mut rest) = self.rest.take() else { return };
        // Most requests have none, and their end is at hand.
        if let Some(Some(Ok(_))) | None = rest.next().now_or_never()
            && let Ok(runtime) = Handle::try_current()
        {
            // What comes behind the answer is still no head.
            let busy = self.heads.as_ref().map(Heads::busy);
            runtime.spawn(async move {
                // Whatever is left then is left.
                let _ = timeout(UNWANTED, read_on(rest)).await;
                drop(busy);
            });
        }
    }
}

async fn read_on(mut rest: Pieces) {
    let mut left = UNWANTED_BYTES_MAX;
    while let Ok(Some(Ok(piece))) = timeout(STALL, rest.next()).await {
        match left.checked_sub(piece.len()) {
            Some(fewer) => left = fewer,
            None => return,
        }
    }
}
