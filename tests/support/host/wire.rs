//! HTTP/1.1 to the handler, nothing rewritten on the way.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

pub type Fault = Box<dyn std::error::Error + Send + Sync>;
/// A body of either direction, streamed or whole.
pub type Body = UnsyncBoxBody<Bytes, Fault>;

pub fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

pub fn streamed(body: Incoming) -> Body {
    body.map_err(Fault::from).boxed_unsync()
}

/// An answer of the host's own, with no body: it says nothing but the status.
pub fn bare(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(whole(""));
    *response.status_mut() = status;
    response
}

/// Connections to one port, kept for the next request as .NET's client keeps them.
#[derive(Debug)]
pub struct Pool {
    pub port: u16,
    at_rest: Mutex<Vec<SendRequest<Body>>>,
}

/// Why a request has no answer, and the request itself if nothing of it was sent.
#[derive(Debug)]
pub struct Unanswered {
    pub fault: Fault,
    pub unsent: Option<Request<Body>>,
}

impl From<Unanswered> for Fault {
    fn from(unanswered: Unanswered) -> Self {
        unanswered.fault
    }
}

impl Pool {
    pub fn new(port: u16) -> Arc<Self> {
        Arc::new(Self { port, at_rest: Mutex::default() })
    }

    /// Sends one request over a connection that is at rest, or else over a new one.
    pub async fn send(
        self: &Arc<Self>,
        mut request: Request<Body>,
    ) -> Result<Response<Incoming>, Unanswered> {
        while let Some(connection) = self.take() {
            match self.send_over(connection, request).await {
                // Closed while it was at rest: the next one may do.
                Err(Unanswered { unsent: Some(unsent), .. }) => request = unsent,
                answer => return answer,
            }
        }
        match open(self.port).await {
            Ok(connection) => self.send_over(connection, request).await,
            Err(fault) => Err(Unanswered { fault, unsent: Some(request) }),
        }
    }

    async fn send_over(
        self: &Arc<Self>,
        mut connection: SendRequest<Body>,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, Unanswered> {
        match connection.try_send_request(request).await {
            Ok(response) => {
                let pool = Arc::clone(self);
                tokio::spawn(async move {
                    // So it is when the answer has been read, and never if it was not.
                    if connection.ready().await.is_ok() {
                        pool.at_rest.lock().unwrap().push(connection);
                    }
                });
                Ok(response)
            }
            Err(mut e) => {
                let unsent = e.take_message();
                Err(Unanswered { fault: e.into_error().into(), unsent })
            }
        }
    }

    fn take(&self) -> Option<SendRequest<Body>> {
        let mut at_rest = self.at_rest.lock().unwrap();
        at_rest.retain(SendRequest::is_ready);
        at_rest.pop()
    }
}

/// A socket that holds little on its way: what nobody reads stands still behind the host as
/// soon as it does without one.
fn socket() -> std::io::Result<TcpSocket> {
    const BYTES: u32 = 64 * 1_024;
    let socket = TcpSocket::new_v4()?;
    // As tokio's own listeners; a port may be left over from the last start.
    socket.set_reuseaddr(true)?;
    socket.set_recv_buffer_size(BYTES)?;
    socket.set_send_buffer_size(BYTES)?;
    Ok(socket)
}

pub fn listen(port: u16) -> std::io::Result<TcpListener> {
    let socket = socket()?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    socket.listen(1_024)
}

pub async fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    socket()?.connect(address).await
}

async fn open(port: u16) -> Result<SendRequest<Body>, Fault> {
    let stream = connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    // It ends by itself when nobody wants it any more.
    tokio::spawn(connection);
    Ok(sender)
}

pub async fn read(
    body: impl hyper::body::Body<Data = Bytes, Error: Into<Fault>>,
) -> Result<Bytes, Fault> {
    Ok(body.collect().await.map_err(Into::into)?.to_bytes())
}
