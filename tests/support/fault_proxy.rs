//! A stretch of wire that breaks where a test says: connections are passed on byte by byte,
//! and cut behind so many of them. What the bytes mean is nothing to it, so it
//! breaks encrypted connections too.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What becomes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// It ends when so many bytes have gone to the server.
    AfterSent(usize),
    /// It ends when so many bytes have come back.
    AfterReceived(usize),
}

/// Bytes that have passed by, both ways.
#[derive(Debug, Default)]
struct Passed {
    sent: AtomicUsize,
    received: AtomicUsize,
    connections: AtomicUsize,
}

/// The stretch of wire, on a port of the system's choice.
pub struct FaultProxy {
    pub port: u16,
    breaks: Arc<Mutex<VecDeque<Break>>>,
    passed: Arc<Passed>,
    held: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl FaultProxy {
    pub async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let breaks = Arc::<Mutex<VecDeque<Break>>>::default();
        let passed = Arc::<Passed>::default();
        let (plan, counted) = (Arc::clone(&breaks), Arc::clone(&passed));
        let (held, holding) = watch::channel(false);
        let serving = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                counted.connections.fetch_add(1, Ordering::SeqCst);
                let broken = plan.lock().unwrap().pop_front();
                let (counted, holding) = (Arc::clone(&counted), holding.clone());
                tokio::spawn(pass(client, server, broken, counted, holding));
            }
        });
        Self { port, breaks, passed, held, serving }
    }

    /// The next connections break so, one after the other; those behind them are whole.
    pub fn breaks(&self, breaks: impl IntoIterator<Item = Break>) {
        *self.breaks.lock().unwrap() = breaks.into_iter().collect();
    }

    /// From now on nothing passes: what is on its way stays there.
    pub fn hold(&self) {
        self.held.send_replace(true);
    }

    /// Bytes that went to the server and came back, and connections, since this was asked last.
    pub fn passed(&self) -> (usize, usize, usize) {
        let take = |count: &AtomicUsize| count.swap(0, Ordering::SeqCst);
        (take(&self.passed.sent), take(&self.passed.received), take(&self.passed.connections))
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn pass(
    client: TcpStream,
    server: SocketAddr,
    broken: Option<Break>,
    passed: Arc<Passed>,
    held: watch::Receiver<bool>,
) {
    // A server that is not there is a connection that ends.
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let (sent_max, received_max) = match broken {
        Some(Break::AfterSent(bytes)) => (bytes, usize::MAX),
        Some(Break::AfterReceived(bytes)) => (usize::MAX, bytes),
        None => (usize::MAX, usize::MAX),
    };
    // Whichever way ends first ends both.
    tokio::select! {
        () = copy(from_client, to_server, sent_max, &passed.sent, held.clone()) => {}
        () = copy(from_server, to_client, received_max, &passed.received, held) => {}
    }
}

/// Copies until the one side ends, the other is gone, or so many bytes have passed.
async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    most: usize,
    passed: &AtomicUsize,
    mut held: watch::Receiver<bool>,
) {
    let mut left = most;
    let mut buffer = vec![0; 16 * 1_024];
    while left > 0 {
        let room = buffer.len().min(left);
        let Ok(read @ 1..) = from.read(&mut buffer[..room]).await else { return };
        // A proxy that is gone holds nothing any more.
        let _ = held.wait_for(|is_held| !is_held).await;
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
        passed.fetch_add(read, Ordering::SeqCst);
        left -= read;
    }
}
