//! A connection that gives the head of a request only so much time.
//!
//! hyper's own limit counts a kept connection's rest as well, and must therefore be minutes; a
//! client that sends a head byte by byte would hold a place and a buffer for as long. So the
//! time is taken here, from the first byte of a head until the head has come whole.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// From the first byte of a head to its last.
const HEAD_MAX: Duration = Duration::from_secs(10);

/// What a connection's service tells its stream.
#[derive(Debug, Clone, Default)]
pub(super) struct Heads(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// Heads that have come whole.
    count: AtomicU64,
    /// Whether a request is being answered: what comes meanwhile is its body, whose reader has
    /// limits of its own.
    is_answering: AtomicBool,
}

impl Heads {
    /// A head has come whole.
    pub(super) fn one_more(&self) {
        self.0.count.fetch_add(1, Ordering::Relaxed);
    }

    /// Says that an answer is being made, until it is.
    pub(super) async fn answering<T>(self, answer: impl Future<Output = T>) -> T {
        self.0.is_answering.store(true, Ordering::Relaxed);
        let answer = answer.await;
        self.0.is_answering.store(false, Ordering::Relaxed);
        answer
    }

    fn count(&self) -> u64 {
        self.0.count.load(Ordering::Relaxed)
    }

    fn is_answering(&self) -> bool {
        self.0.is_answering.load(Ordering::Relaxed)
    }
}

/// A stream that fails once a head has taken too long.
pub(super) struct SlowHead<S> {
    stream: S,
    heads: Heads,
    /// How many heads had come whole when the last byte of one came.
    begun_after: Option<u64>,
    /// Made only for a head that does not come in one piece; most do.
    until: Option<Pin<Box<Sleep>>>,
}

impl<S> SlowHead<S> {
    pub(super) fn new(stream: S, heads: Heads) -> Self {
        Self { stream, heads, begun_after: None, until: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for SlowHead<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, heads, begun_after, until } = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(stream).poll_read(context, buffer);
        let (count, is_answering) = (heads.count(), heads.is_answering());
        if is_answering || begun_after.is_some_and(|begun| begun != count) {
            *begun_after = None;
            *until = None;
        }
        if read.is_ready() {
            if !is_answering && buffer.filled().len() > before {
                *begun_after = Some(count);
            }
            return read;
        }
        if begun_after.is_some() {
            let until = until.get_or_insert_with(|| Box::pin(sleep(HEAD_MAX)));
            ready!(until.as_mut().poll(context));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for SlowHead<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_head_that_drips_is_cut_off_and_a_rest_is_not() {
        let (mut client, server) = duplex(64);
        let heads = Heads::default();
        let mut stream = SlowHead::new(server, heads.clone());
        let mut piece = [0; 64];
        // At rest before the first head and after it.
        let rest = tokio::time::timeout(Duration::from_mins(4), stream.read(&mut piece));
        assert!(rest.await.is_err());
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        assert!(stream.read(&mut piece).await.unwrap() > 0);
        heads.one_more();
        let rest = tokio::time::timeout(Duration::from_mins(4), stream.read(&mut piece));
        assert!(rest.await.is_err());
        // A body may take its time.
        client.write_all(b"POST / HTTP/1.1\r\n\r\n").await.unwrap();
        assert!(stream.read(&mut piece).await.unwrap() > 0);
        heads.one_more();
        let body = async {
            client.write_all(b"a").await.unwrap();
            assert!(stream.read(&mut piece).await.unwrap() > 0);
            advance(HEAD_MAX).await;
            client.write_all(b"b").await.unwrap();
            assert!(stream.read(&mut piece).await.unwrap() > 0);
        };
        heads.clone().answering(body).await;
        // Byte by byte, each well within the time, all of them not.
        for _ in 0..4 {
            client.write_all(b"G").await.unwrap();
            assert!(stream.read(&mut piece).await.unwrap() > 0);
            let waited = tokio::time::timeout(Duration::from_secs(3), stream.read(&mut piece));
            if let Ok(cut) = waited.await {
                assert_eq!(cut.unwrap_err().kind(), io::ErrorKind::TimedOut);
                return;
            }
        }
        panic!("it drips on");
    }
}
