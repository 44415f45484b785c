//! Requests passed through as they are, streamed both ways.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::unfold;
use http::{HeaderMap, HeaderValue};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::{Request, Response, StatusCode};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::core::{Core, Deadline};
use super::invocation::{Outcome, Recording, Returned};
use super::wire::{self, Body, Fault, bare};

const CONNECTS_MAX: u32 = 10;
const PAUSE_FIRST: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_millis(250);
/// Headers of one connection, not of the request.
const HOP_BY_HOP: [&str; 7] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

pub async fn pass(core: Arc<Core>, function: &str, request: Request<Incoming>) -> Response<Body> {
    let mut recording = Recording::begin(&core.invocations, function, 1);
    let start = match core.until_up().await {
        Ok(start) => start,
        Err(why) => return failed(recording, Outcome::Failed(why)),
    };
    let deadline = core.deadline();
    let request = passed_on(request, &recording);
    let answer = async {
        let stream = connect_patiently(core.worker.port).await?;
        wire::send(stream, request).await
    };
    match deadline.hold(answer).await {
        Some(Ok(response)) => {
            recording.answered(response.status());
            passed_back(core, response, recording, deadline, start)
        }
        Some(Err(fault)) => failed(recording, Outcome::Failed(fault.to_string())),
        None => {
            core.worker.timed_out(start).await;
            failed(recording, Outcome::TimedOut)
        }
    }
}

fn failed(recording: Recording, outcome: Outcome) -> Response<Body> {
    recording.end(outcome);
    bare(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The same request, path and query untouched, with what the host adds.
fn passed_on(request: Request<Incoming>, recording: &Recording) -> Request<Body> {
    let (mut parts, body) = request.into_parts();
    remove_hop_by_hop(&mut parts.headers);
    let id = HeaderValue::try_from(recording.id().to_string()).expect("a UUID is plain text");
    // Whatever a client sent under these names is overwritten.
    parts.headers.insert("x-azure-functions-hostversion", HeaderValue::from_static(super::VERSION));
    parts.headers.insert("x-azure-functions-invocationid", id.clone());
    parts.headers.insert("x-ms-invocation-id", id);
    let sent = Arc::clone(&recording.body_sent);
    let counted = body.map_frame(move |frame| {
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        sent.fetch_add(bytes, Ordering::SeqCst);
        frame
    });
    Request::from_parts(parts, counted.map_err(Fault::from).boxed_unsync())
}

/// A handler that is being started again refuses connections for a moment.
async fn connect_patiently(port: u16) -> Result<TcpStream, Fault> {
    let mut pause = PAUSE_FIRST;
    let mut tries = 1;
    loop {
        match wire::connect(port).await {
            Ok(stream) => return Ok(stream),
            Err(e) if tries == CONNECTS_MAX => return Err(e.into()),
            Err(_) => sleep(pause).await,
        }
        tries += 1;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// The answer, each piece as it comes; the invocation ends with its last one.
fn passed_back(
    core: Arc<Core>,
    response: Response<Incoming>,
    recording: Recording,
    deadline: Deadline,
    start: u32,
) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    remove_hop_by_hop(&mut parts.headers);
    let (pieces, read) = mpsc::channel(1);
    tokio::spawn(async move {
        let outcome = deadline.hold(copy(body, &pieces)).await;
        let is_late = outcome.is_none();
        if is_late {
            core.worker.timed_out(start).await;
        }
        recording.end(outcome.unwrap_or(Outcome::TimedOut));
        if is_late {
            // Without an error the client would take what it has for the whole.
            let _ = pieces.send(Err("the function timed out".into())).await;
        }
    });
    let stream = unfold(read, async |mut read| read.recv().await.map(|piece| (piece, read)));
    Response::from_parts(parts, StreamBody::new(stream).boxed_unsync())
}

async fn copy(mut body: Incoming, pieces: &mpsc::Sender<Result<Frame<Bytes>, Fault>>) -> Outcome {
    loop {
        let piece = tokio::select! {
            // At the end of an answer both may be so, and then it has ended.
            biased;
            piece = body.frame() => piece,
            () = pieces.closed() => return Outcome::Failed("the caller hung up".to_owned()),
        };
        let (piece, fault) = match piece {
            None => return Outcome::Succeeded(Returned::default()),
            Some(Ok(frame)) => (Ok(frame), None),
            Some(Err(e)) => (Err(e.to_string().into()), Some(e.to_string())),
        };
        if pieces.send(piece).await.is_err() {
            return Outcome::Failed("the caller hung up".to_owned());
        }
        if let Some(fault) = fault {
            return Outcome::Failed(fault);
        }
    }
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}
