//! HTTP/1.1 to the handler, a connection a request, nothing rewritten on the way.

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

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

pub async fn connect(port: u16) -> std::io::Result<TcpStream> {
    TcpStream::connect(("127.0.0.1", port)).await
}

/// Sends one request over a connection of its own.
pub async fn send(stream: TcpStream, request: Request<Body>) -> Result<Response<Incoming>, Fault> {
    let (mut sender, connection): (SendRequest<Body>, _) = handshake(TokioIo::new(stream)).await?;
    // It ends by itself when the body is read, or when nobody wants it any more.
    tokio::spawn(connection);
    Ok(sender.send_request(request).await?)
}

pub async fn read(body: Incoming) -> Result<Bytes, Fault> {
    Ok(body.collect().await?.to_bytes())
}
