//! A handler that does as it is told, for tests of the simulated host itself.
//!
//! It is this very test program, started again: an ignored test calls `serve`. Settings say
//! how it starts, paths say what it does, and it tells on stdout what it got.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::stream::unfold;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use super::host::wire::{self, Body};

/// Exits at once with this code.
pub const EXIT: &str = "FAKE_EXIT";
/// Listens only when a connection to this port has brought a byte.
pub const GATE: &str = "FAKE_GATE";
/// Passes every connection on to this address, and does nothing else.
pub const RELAY: &str = "FAKE_RELAY";
/// The status of `GET /`; 0 leaves it without an answer.
pub const HOME: &str = "FAKE_HOME";
/// Answers to envelopes, by function: one a try, the last one for all further ones.
pub const REPLIES: &str = "FAKE_REPLIES";

/// What an envelope is answered with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Reply {
    pub status: u16,
    pub kind: String,
    pub body: String,
    /// The header of a redirect.
    pub location: Option<String>,
    /// Not before `/release` is called.
    pub held: bool,
}

impl Reply {
    pub fn json(body: &Value) -> Self {
        Self {
            status: 200,
            kind: "application/json".to_owned(),
            body: body.to_string(),
            location: None,
            held: false,
        }
    }

    pub fn redirect(status: u16, location: &str) -> Self {
        Self { status, location: Some(location.to_owned()), ..Self::json(&json!({})) }
    }

    pub fn failure() -> Self {
        Self { status: 500, ..Self::json(&json!({})) }
    }

    /// None at all: the handler ends.
    pub fn death() -> Self {
        Self { status: 0, ..Self::json(&json!({})) }
    }

    fn into_response(self) -> Response<Body> {
        let mut response =
            Response::builder().status(self.status).header("content-type", self.kind);
        if let Some(location) = self.location {
            response = response.header("location", location);
        }
        response.body(wire::whole(self.body)).unwrap()
    }
}

#[derive(Default)]
struct Fake {
    released: Notify,
    replies: HashMap<String, Vec<Reply>>,
    answered: Mutex<HashMap<String, usize>>,
}

/// Serves on the host's port; returns at once where there is no host.
#[tokio::main]
pub async fn serve() {
    let Ok(port) = std::env::var("FUNCTIONS_CUSTOMHANDLER_PORT") else { return };
    if let Ok(code) = std::env::var(EXIT) {
        std::process::exit(code.parse().unwrap());
    }
    if let Ok(gate) = std::env::var(GATE) {
        let mut gate = std::net::TcpStream::connect(format!("127.0.0.1:{gate}")).unwrap();
        gate.read_exact(&mut [0]).unwrap();
    }
    let replies = std::env::var(REPLIES).unwrap_or_else(|_| "{}".to_owned());
    let fake =
        Arc::new(Fake { replies: serde_json::from_str(&replies).unwrap(), ..Fake::default() });
    let listener = wire::listen(port.parse().unwrap()).unwrap();
    let relay = std::env::var(RELAY).ok();
    let mut farewell = signal(SignalKind::terminate()).unwrap();
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => accepted.unwrap(),
            _ = farewell.recv() => { println!("goodbye"); continue; }
        };
        if let Some(address) = relay.clone() {
            tokio::spawn(pass_on(stream, address));
            continue;
        }
        let fake = Arc::clone(&fake);
        let service = service_fn(move |mut request: Request<Incoming>| {
            let fake = Arc::clone(&fake);
            request.extensions_mut().insert(peer);
            async move { Ok::<_, Infallible>(fake.answer(request).await) }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn pass_on(mut from: TcpStream, address: String) {
    let mut to = wire::connect(address.parse().unwrap()).await.unwrap();
    // Whoever ends first ends both.
    let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
}

impl Fake {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let word = path.trim_start_matches('/').split('/').next().unwrap_or_default();
        match word {
            "" if request.method() == "GET" => home(&request).await,
            "echo" => Response::new(wire::whole(echo(request).await.to_string())),
            "environment" => Response::new(wire::whole(environment().to_string())),
            "exit" => std::process::exit(path["/exit/".len()..].parse().unwrap()),
            "die-once" => die_once(request).await,
            "landed" => {
                println!("LANDED {}", echo(request).await);
                Reply::json(&json!({})).into_response()
            }
            "stall" => {
                println!("stalled");
                std::future::pending().await
            }
            "stream" => Response::new(wire::streamed(request.into_body())),
            "hold" => self.hold(),
            "release" => {
                self.released.notify_one();
                wire::bare(StatusCode::NO_CONTENT)
            }
            "elsewhere" => Response::builder()
                .status(StatusCode::FOUND)
                .header("location", "/echo")
                .header("set-cookie", "a=1")
                .header("set-cookie", "b=2")
                .body(wire::whole("moved"))
                .unwrap(),
            "complain" => {
                eprintln!("something is wrong");
                wire::bare(StatusCode::NO_CONTENT)
            }
            function if request.method() == "POST" => {
                let function = function.to_owned();
                println!("ENVELOPE {}", echo(request).await);
                self.reply(&function).await
            }
            _ => wire::bare(StatusCode::NOT_FOUND),
        }
    }

    /// A body in two pieces, the second when it is released.
    fn hold(self: Arc<Self>) -> Response<Body> {
        let pieces = unfold((self, 0), async |(fake, number)| {
            let piece = match number {
                0 => "first ",
                1 => {
                    println!("held");
                    fake.released.notified().await;
                    "second"
                }
                _ => return None,
            };
            Some((Ok(Frame::data(Bytes::from(piece))), (fake, number + 1)))
        });
        Response::new(StreamBody::new(pieces).boxed_unsync())
    }

    async fn reply(&self, function: &str) -> Response<Body> {
        let reply = self.next_reply(function);
        if reply.status == 0 {
            std::process::exit(7);
        }
        if reply.held {
            self.released.notified().await;
        }
        reply.into_response()
    }

    fn next_reply(&self, function: &str) -> Reply {
        let Some(replies) = self.replies.get(function).filter(|replies| !replies.is_empty()) else {
            return Reply::json(&json!({}));
        };
        let mut answered = self.answered.lock().unwrap();
        let number = answered.entry(function.to_owned()).or_default();
        *number += 1;
        replies[(*number - 1).min(replies.len() - 1)].clone()
    }
}

async fn home(request: &Request<Incoming>) -> Response<Body> {
    let headers: Vec<_> = request.headers().keys().map(http::HeaderName::as_str).collect();
    println!("HOME {headers:?}");
    match std::env::var(HOME).as_deref().unwrap_or("200") {
        "0" => std::future::pending().await,
        status => wire::bare(status.parse().unwrap()),
    }
}

/// Ends at the first request of its folder, be it that of an earlier start.
async fn die_once(request: Request<Incoming>) -> Response<Body> {
    if std::fs::File::create_new("died-once").is_ok() {
        std::process::exit(200);
    }
    Response::new(wire::whole(echo(request).await.to_string()))
}

/// A request as it came, and the port it came from.
async fn echo(request: Request<Incoming>) -> Value {
    let (parts, body) = request.into_parts();
    let headers = parts
        .headers
        .iter()
        .map(|(name, value)| json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())]));
    let headers: Vec<_> = headers.collect();
    let body = wire::read(body).await.unwrap();
    json!({
        "from": parts.extensions.get::<SocketAddr>().map(SocketAddr::port),
        "method": parts.method.as_str(),
        "target": parts.uri.to_string(),
        "headers": headers,
        "body": String::from_utf8_lossy(&body),
    })
}

fn environment() -> Value {
    json!({
        "variables": std::env::vars().collect::<HashMap<_, _>>(),
        "folder": std::env::current_dir().unwrap(),
        "pid": std::process::id(),
    })
}
