//! A connection that gives the head of a request only so much time.
//!
//! hyper's own limit counts a kept connection's rest as well, and must therefore be minutes; a
//! client that sends a head byte by byte, or nothing at all, would hold a place and a buffer for
//! as long. So the time is taken here: of the first head from the connection's begin, of the
//! others from their first byte, until the head has come whole.
//!
//! Where a head ends is read off the bytes: what follows the empty line of a request without a
//! body belongs to the next head. Behind a body only what comes after it is known to, so the
//! begin of a head in the same packet as a body's end has hyper's time.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Until the last byte of a head.
pub(super) const HEAD_MAX: Duration = Duration::from_secs(10);

/// What a connection's service tells its stream.
#[derive(Debug, Clone, Default)]
pub(super) struct Heads(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// Heads that have come whole.
    count: AtomicU64,
    /// Whether a body belongs to the last of them.
    has_body: AtomicBool,
    /// How many are at a request: who answers it, and who reads its body. What comes meanwhile
    /// is the body, whose reader has limits of its own.
    busy: AtomicU32,
}

/// Somebody is at a request, until this is dropped.
#[derive(Debug)]
pub(super) struct Busy(Heads);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Heads {
    /// A head has come whole.
    pub(super) fn one_more(&self, has_body: bool) {
        self.0.has_body.store(has_body, Ordering::Relaxed);
        self.0.count.fetch_add(1, Ordering::Relaxed);
    }

    /// Says that an answer is being made, until it is.
    pub(super) async fn answering<T>(self, answer: impl Future<Output = T>) -> T {
        let _busy = self.busy();
        answer.await
    }

    /// Says that somebody is at the request that has come.
    pub(super) fn busy(&self) -> Busy {
        self.0.busy.fetch_add(1, Ordering::Relaxed);
        Busy(self.clone())
    }

    fn count(&self) -> u64 {
        self.0.count.load(Ordering::Relaxed)
    }

    fn has_body(&self) -> bool {
        self.0.has_body.load(Ordering::Relaxed)
    }

    fn is_answering(&self) -> bool {
        self.0.busy.load(Ordering::Relaxed) > 0
    }
}

/// A stream that fails once a head has taken too long.
pub(super) struct SlowHead<S> {
    stream: S,
    heads: Heads,
    first: Duration,
    tail: Tail,
    /// How many heads had come whole when one was begun.
    begun_after: Option<u64>,
    /// Made only for a head that does not come in one piece; most do.
    until: Option<Pin<Box<Sleep>>>,
}

impl<S> SlowHead<S> {
    /// `first`: how long it may take until the first byte.
    pub(super) fn new(stream: S, heads: Heads, first: Duration) -> Self {
        Self { stream, heads, first, tail: Tail::default(), begun_after: None, until: None }
    }
}

/// The last bytes that have come.
#[derive(Debug, Default)]
struct Tail([u8; 3]);

impl Tail {
    fn take(&mut self, bytes: &[u8]) {
        for byte in &bytes[bytes.len().saturating_sub(3)..] {
            self.0.rotate_left(1);
            self.0[2] = *byte;
        }
    }

    /// Whether nothing has come.
    fn is_empty(&self) -> bool {
        self.0 == [0; 3]
    }

    /// Whether they end in an empty line.
    fn ends_a_head(&self) -> bool {
        self.0.ends_with(b"\n\r\n") || self.0.ends_with(b"\n\n")
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for SlowHead<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, heads, first, tail, begun_after, until } = self.get_mut();
        let before = buffer.filled().len();
        let (count, is_answering) = (heads.count(), heads.is_answering());
        if is_answering || *begun_after != Some(count) {
            // The last head has come whole; another may be begun by what came with it.
            let is_begun = !is_answering && !heads.has_body() && !tail.ends_a_head();
            *begun_after = is_begun.then_some(count);
            *until = None;
        }
        let read = Pin::new(stream).poll_read(context, buffer);
        if read.is_ready() {
            let come = &buffer.filled()[before..];
            if tail.is_empty() {
                // The time of the head itself begins.
                *until = None;
            }
            tail.take(come);
            if !is_answering && !come.is_empty() {
                *begun_after = Some(count);
            }
            return read;
        }
        if begun_after.is_some() {
            let most = if tail.is_empty() { *first } else { HEAD_MAX };
            let until = until.get_or_insert_with(|| Box::pin(sleep(most)));
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
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::time::{advance, timeout};

    use super::*;

    const REST: Duration = Duration::from_mins(4);

    async fn is_cut(stream: &mut SlowHead<DuplexStream>, within: Duration) -> bool {
        match timeout(within, stream.read(&mut [0; 64])).await {
            Ok(read) => read.is_err_and(|cut| cut.kind() == io::ErrorKind::TimedOut),
            Err(_) => false,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_sends_nothing_is_cut_off() {
        let (_client, server) = duplex(64);
        let mut stream = SlowHead::new(server, Heads::default(), HEAD_MAX);
        assert!(!is_cut(&mut stream, HEAD_MAX.mul_f64(0.9)).await);
        assert!(is_cut(&mut stream, HEAD_MAX.mul_f64(0.2)).await);
    }

    /// A host that keeps connections in store may not use one for a while.
    #[tokio::test(start_paused = true)]
    async fn a_connection_in_store_has_longer_until_its_first_byte() {
        let (mut client, server) = duplex(64);
        let mut stream = SlowHead::new(server, Heads::default(), REST);
        assert!(!is_cut(&mut stream, REST.mul_f64(0.9)).await);
        client.write_all(b"G").await.unwrap();
        assert!(stream.read(&mut [0; 64]).await.unwrap() > 0);
        assert!(!is_cut(&mut stream, HEAD_MAX.mul_f64(0.9)).await);
        assert!(is_cut(&mut stream, HEAD_MAX.mul_f64(0.2)).await);
    }

    /// Requests, each as it comes in one packet, and whether the next head is begun by it.
    #[tokio::test(start_paused = true)]
    async fn a_head_that_is_begun_behind_another_is_cut_off() {
        for (packet, has_body, is_begun) in [
            (&b"GET / HTTP/1.1\r\n\r\n"[..], false, false),
            (b"GET / HTTP/1.1\n\n", false, false),
            (b"GET / HTTP/1.1\r\n\r\nG", false, true),
            (b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n", false, true),
            (b"PUT / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", true, false),
        ] {
            let (mut client, server) = duplex(64);
            let heads = Heads::default();
            let mut stream = SlowHead::new(server, heads.clone(), HEAD_MAX);
            client.write_all(packet).await.unwrap();
            assert!(stream.read(&mut [0; 64]).await.unwrap() > 0);
            heads.one_more(has_body);
            heads.clone().answering(advance(REST)).await;
            let shown = String::from_utf8_lossy(packet);
            assert_eq!(is_cut(&mut stream, REST).await, is_begun, "{shown}");
        }
    }

    /// A body that is read on behind its answer, and the rest after it.
    #[tokio::test(start_paused = true)]
    async fn a_body_that_outlives_its_answer_is_no_head() {
        let (mut client, server) = duplex(64);
        let heads = Heads::default();
        let mut stream = SlowHead::new(server, heads.clone(), HEAD_MAX);
        let mut piece = [0; 64];
        client.write_all(b"POST / HTTP/1.1\r\n\r\na").await.unwrap();
        assert!(stream.read(&mut piece).await.unwrap() > 0);
        heads.one_more(true);
        let reading = heads.clone().answering(async { heads.busy() }).await;
        for _ in 0..5 {
            assert!(!is_cut(&mut stream, HEAD_MAX * 2).await);
            client.write_all(b"b").await.unwrap();
            assert!(stream.read(&mut piece).await.unwrap() > 0);
        }
        drop(reading);
        assert!(!is_cut(&mut stream, REST).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_drips_is_cut_off_and_a_rest_is_not() {
        let (mut client, server) = duplex(64);
        let heads = Heads::default();
        let mut stream = SlowHead::new(server, heads.clone(), HEAD_MAX);
        let mut piece = [0; 64];
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        assert!(stream.read(&mut piece).await.unwrap() > 0);
        heads.one_more(false);
        assert!(timeout(REST, stream.read(&mut piece)).await.is_err());
        // A body may take its time.
        client.write_all(b"POST / HTTP/1.1\r\n\r\n").await.unwrap();
        assert!(stream.read(&mut piece).await.unwrap() > 0);
        heads.one_more(true);
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
            let waited = timeout(Duration::from_secs(3), stream.read(&mut piece));
            if let Ok(cut) = waited.await {
                assert_eq!(cut.unwrap_err().kind(), io::ErrorKind::TimedOut);
                return;
            }
        }
        panic!("it drips on");
    }
}
