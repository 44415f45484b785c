//! The accept loop: HTTP/1.1 on hyper, with limits that warp's own server lacks.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::Either;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper::{Request, Uri};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use warp::reply::Response;

use super::auth::Peer;
use super::catalogue::{self, Reading, Wanted};
use super::problem::ApiError;
use super::slow_head::{Busy, HEAD_MAX, Heads, SlowHead};
use crate::app::App;
use crate::telemetry::sampling::{SAMPLER, Traced};

/// Connections at once. More wait in the system's queue. Each may hold a head and 10 kB more:
/// DESIGN 8 has 192 MiB for all that happens at once.
const CONNECTIONS_MAX: usize = 6_000;
/// A line for each connection that waits would only add to what is wrong.
const FULL_TOLD_EVERY: Duration = Duration::from_mins(1);
/// Connections that the system keeps until they are accepted; it may have a lower cap of its
/// own. The usual 128 is full after a burst, and a client that meets a full queue tries again
/// only after a second.
const BACKLOG: u32 = 4_096;
/// How long a kept connection may rest: above the four minutes after which Azure's front end
/// lets go of an idle one, so that it never sends a request into a connection that is being
/// closed here. Of a head that has begun, and of the first, see [`super::slow_head`].
const HEAD_TIMEOUT: Duration = Duration::from_secs(250);
/// Bytes of a request's head: what most servers take, and the least that hyper allows. Each
/// connection may hold as much.
const HEAD_BYTES_MAX: usize = 8 * 1_024;
/// How long a client may take nothing of an answer before its connection is cut.
const WRITE_TIMEOUT: Duration = Duration::from_mins(1);
/// How long requests may take to end once the process is told to stop.
const DRAIN: Duration = Duration::from_secs(10);
/// The pause after a failed accept, when the process has no file handles left, say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Binds the address.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A server that starts again must not wait for its old connections to be forgotten. On
    // Windows the same option would let two servers share a port.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until `stop` ends, then lets requests end for ten seconds at the most.
pub async fn serve(listener: TcpListener, app: App, stop: impl Future<Output = ()>) {
    let mut places = Places::default();
    let graceful = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(HEAD_BYTES_MAX);
    let app = Arc::new(app);
    // A host is the only one to connect, and keeps connections that it has not used yet.
    let first = if app.functions.is_some() { HEAD_TIMEOUT } else { HEAD_MAX };
    let filter = TowerToHyperService::new(warp::service(super::filter(&app)));
    let answer = move |request: Request<Incoming>, peer: SocketAddr, heads: &Heads| {
        heads.one_more(!request.body().is_end_stream());
        let traced = SAMPLER.request(request.headers());
        if let Some(reading) = Reading::of(&request) {
            let wanted = reading.wanted();
            // One that is traced goes the long way, and pays for it.
            if traced.is_none()
                && let Some(response) = catalogue::at_hand(&reading, &wanted, &app)
            {
                return Either::Left(ready(Ok(response)));
            }
            let answering = read(request, wanted, Arc::clone(&app), traced, heads.busy());
            return Either::Right(Either::Left(Box::pin(answering)));
        }
        let mut request = with_path(request);
        request.extensions_mut().insert(Peer(peer));
        request.extensions_mut().insert(heads.clone());
        if let Some(traced) = traced {
            request.extensions_mut().insert(traced);
        }
        // The server moves the future of each request: a large one would cost those who are
        // answered at once.
        Either::Right(Either::Right(Box::pin(heads.clone().answering(filter.call(request)))))
    };
    tokio::pin!(stop);
    loop {
        let accepted = async {
            let place = places.take().await;
            (place, listener.accept().await)
        };
        let (place, stream, peer) = tokio::select! {
            (place, accepted) = accepted => match accepted {
                Ok((stream, peer)) => (place, stream, peer),
                Err(e) => {
                    tracing::warn!("a connection could not be accepted: {e}");
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            () = &mut stop => break,
        };
        if let Err(e) = stream.set_nodelay(true) {
            tracing::debug!("a connection is gone before it began: {e}");
        }
        let answer = answer.clone();
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(WRITE_TIMEOUT));
        let heads = Heads::default();
        let stream = SlowHead::new(Box::pin(stream), heads.clone(), first);
        let connection = http.serve_connection(
            TokioIo::new(stream),
            service_fn(move |request| answer(request, peer, &heads)),
        );
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // A client that goes away or speaks no HTTP is its own affair.
            if let Err(e) = connection.await {
                tracing::debug!("a connection ended early: {e}");
            }
            drop(place);
        });
    }
    drop(listener);
    if timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not end in time");
    }
}

/// The response to a reader.
async fn read(
    request: Request<Incoming>,
    wanted: Result<Wanted, ApiError>,
    app: Arc<App>,
    traced: Option<Traced>,
    _busy: Busy,
) -> Result<Response, Infallible> {
    let reading = Reading::of(&request).expect("it was a reader's when it came");
    Ok(reading.respond(wanted, &app, traced).await)
}

/// The places of connections.
struct Places {
    free: Arc<Semaphore>,
    /// When it was last told that there is none left.
    told_at: Option<Instant>,
}

impl Default for Places {
    fn default() -> Self {
        Self { free: Arc::new(Semaphore::new(CONNECTIONS_MAX)), told_at: None }
    }
}

impl Places {
    async fn take(&mut self) -> OwnedSemaphorePermit {
        if self.is_to_be_told(Instant::now()) {
            tracing::warn!(
                "all {CONNECTIONS_MAX} connections are taken: others wait until one is closed"
            );
        }
        let place = Arc::clone(&self.free).acquire_owned();
        place.await.expect("the semaphore is never closed")
    }

    fn is_to_be_told(&mut self, now: Instant) -> bool {
        let is_due = self.told_at.is_none_or(|told_at| now - told_at >= FULL_TOLD_EVERY);
        let is_to_be_told = is_due && self.free.available_permits() == 0;
        if is_to_be_told {
            self.told_at = Some(now);
        }
        is_to_be_told
    }
}

/// Gives a request that has no path the one that leads nowhere. `CONNECT` and whoever leaves
/// out the first slash name a host alone; warp's path filters panic at that.
fn with_path<B>(mut request: Request<B>) -> Request<B> {
    if request.uri().path_and_query().is_none() {
        *request.uri_mut() = Uri::from_static("*");
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn that_all_places_are_taken_is_told_once_a_minute() {
        let mut places = Places { free: Arc::new(Semaphore::new(1)), told_at: None };
        assert!(!places.is_to_be_told(Instant::now()));
        let place = places.take().await;
        for _ in 0..2 {
            assert!(places.is_to_be_told(Instant::now()));
            assert!(!places.is_to_be_told(Instant::now()));
            tokio::time::advance(FULL_TOLD_EVERY).await;
        }
        drop(place);
        assert!(!places.is_to_be_told(Instant::now()), "there is room");
    }
}
