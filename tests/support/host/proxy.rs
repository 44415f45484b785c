//! Requests passed through as they are, streamed both ways.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::unfold;
use http::{HeaderMap, HeaderValue};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Body as _, Frame, Incoming};
use hyper::{Request, Response, StatusCode};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::activity::Activity;
use super::core::{Core, Deadline};
use super::front;
use super::invocation::{Outcome, Recording, Returned};
use super::wire::{self, Body, Fault, Pool, Unanswered, bare};

const TRIES_MAX: u32 = 10;
const PAUSE_FIRST: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_millis(250);
/// What a request fails of whose bytes have stopped, either way.
const IDLE: &str = "nothing has moved for too long";
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

pub async fn pass(core: Arc<Core>, function: &str, request: Request<Body>) -> Response<Body> {
    let mut recording = Recording::begin(&core.invocations, function, 1);
    let start = match core.until_up().await {
        Ok(start) => start,
        Err(why) => return failed(recording, &why.into()),
    };
    let (deadline, activity) = (core.deadline(), Activity::begin(core.activity_timeout));
    let request = passed_on(request, &recording, &activity);
    let answer = async {
        tokio::select! {
            answer = send_patiently(&core.worker.connections, request) => answer,
            () = activity.ceases() => Err(IDLE.into()),
        }
    };
    match deadline.hold(answer).await {
        Some(Ok(response)) => {
            recording.answered(response.status());
            let passing = Passing { core, recording, deadline, activity, start };
            passing.back(response)
        }
        Some(Err(fault)) => failed(recording, &fault),
        None => {
            core.worker.timed_out(start).await;
            recording.end(Outcome::TimedOut);
            bare(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

fn failed(recording: Recording, fault: &Fault) -> Response<Body> {
    recording.end(Outcome::Failed(fault.to_string()));
    bare(front::status_of(fault))
}

/// The same request, path and query untouched, with what the host adds.
fn passed_on(request: Request<Body>, recording: &Recording, activity: &Activity) -> Request<Body> {
    let (mut parts, body) = request.into_parts();
    remove_hop_by_hop(&mut parts.headers);
    let id = HeaderValue::try_from(recording.id().to_string()).expect("a UUID is plain text");
    // Whatever a client sent under these names is overwritten.
    parts.headers.insert("x-azure-functions-hostversion", HeaderValue::from_static(super::VERSION));
    parts.headers.insert("x-azure-functions-invocationid", id.clone());
    parts.headers.insert("x-ms-invocation-id", id);
    let (sent, activity) = (Arc::clone(&recording.body_sent), activity.clone());
    let counted = body.map_frame(move |frame| {
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        sent.fetch_add(bytes, Ordering::SeqCst);
        activity.mark();
        frame
    });
    Request::from_parts(parts, counted.boxed_unsync())
}

/// A handler that is being started again refuses connections for a moment, and one that ends
/// leaves requests without an answer. Both are tried again, but for a body that is on its way.
async fn send_patiently(
    connections: &Arc<Pool>,
    request: Request<Body>,
) -> Result<Response<Incoming>, Fault> {
    let (head, body) = request.into_parts();
    let is_bodiless = body.is_end_stream();
    let mut request = Request::from_parts(head.clone(), body);
    let mut pause = PAUSE_FIRST;
    for _ in 1..TRIES_MAX {
        let Unanswered { fault, unsent } = match connections.send(request).await {
            Ok(response) => return Ok(response),
            Err(unanswered) => unanswered,
        };
        request = match unsent {
            Some(unsent) => unsent,
            None if is_bodiless => Request::from_parts(head.clone(), wire::whole("")),
            None => return Err(fault),
        };
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
    Ok(connections.send(request).await?)
}

/// A request that has its answer's head, and what it takes to bring the rest.
struct Passing {
    core: Arc<Core>,
    recording: Recording,
    deadline: Deadline,
    activity: Activity,
    start: u32,
}

impl Passing {
    /// The answer, each piece as it comes; the invocation ends with its last one.
    fn back(self, response: Response<Incoming>) -> Response<Body> {
        let (mut parts, body) = response.into_parts();
        remove_hop_by_hop(&mut parts.headers);
        let (pieces, read) = mpsc::channel(1);
        tokio::spawn(self.bring(body, pieces));
        let stream = unfold(read, async |mut read| read.recv().await.map(|piece| (piece, read)));
        Response::from_parts(parts, StreamBody::new(stream).boxed_unsync())
    }

    async fn bring(self, body: Incoming, pieces: Pieces) {
        let copying = async {
            tokio::select! {
                outcome = copy(body, &pieces, &self.activity) => Some(outcome),
                () = self.activity.ceases() => None,
            }
        };
        let (outcome, broken) = match self.deadline.hold(copying).await {
            Some(Some(outcome)) => (outcome, None),
            Some(None) => (Outcome::Failed(IDLE.to_owned()), Some(IDLE)),
            None => {
                self.core.worker.timed_out(self.start).await;
                (Outcome::TimedOut, Some("the function timed out"))
            }
        };
        self.recording.end(outcome);
        if let Some(why) = broken {
            // Without an error the client would take what it has for the whole.
            let _ = pieces.send(Err(why.into())).await;
        }
    }
}

type Pieces = mpsc::Sender<Result<Frame<Bytes>, Fault>>;

async fn copy(mut body: Incoming, pieces: &Pieces, activity: &Activity) -> Outcome {
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
        activity.mark();
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
