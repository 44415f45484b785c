//! Requests passed through: as they are, or rebuilt with losses.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream::unfold;
use http::HeaderMap;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::{Request, Response};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::{header, host_json, open_host, open_package};
use crate::support::host::folder::PackageFolder;
use crate::support::host::invocation::Outcome;
use crate::support::host::log::until_true;
use crate::support::host::wire::{self, Body};
use crate::support::host::{Host, HostOptions, VERSION};

async fn forwarding_host() -> (PackageFolder, Host) {
    let mut json = host_json();
    let handler = json["customHandler"].as_object_mut().unwrap();
    handler.remove("enableProxyingHttpRequest");
    handler.insert("enableForwardingHttpRequest".to_owned(), json!(true));
    let folder = open_package(&json);
    let host = Host::start(folder.path(), HostOptions::default()).await;
    (folder, host)
}

/// A request of exactly these bytes: no client rewrites it.
async fn send(
    host: &Host,
    target: &str,
    headers: &[(&str, &str)],
    body: Body,
) -> Response<Incoming> {
    let port = host.url.rsplit_once(':').unwrap().1.parse().unwrap();
    let mut request = Request::post(target).header("host", "shop.example");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    wire::Pool::new(port).send(request.body(body).unwrap()).await.unwrap()
}

async fn echo(host: &Host, target: &str, headers: &[(&str, &str)], body: &'static str) -> Value {
    let response = send(host, target, headers, wire::whole(body)).await;
    assert_eq!(response.status(), 200);
    serde_json::from_slice(&wire::read(response.into_body()).await.unwrap()).unwrap()
}

/// A body whose pieces a test sends one by one: nobody knows its length beforehand.
fn piecewise() -> (mpsc::Sender<&'static str>, Body) {
    let (send, pieces) = mpsc::channel::<&'static str>(1);
    let stream = unfold(pieces, async |mut pieces| {
        let piece = pieces.recv().await?;
        Some((Ok(Frame::data(Bytes::from(piece))), pieces))
    });
    (send, StreamBody::new(stream).boxed_unsync())
}

async fn next_piece(body: &mut Incoming) -> String {
    let piece = body.frame().await.unwrap().unwrap().into_data().unwrap();
    String::from_utf8(piece.to_vec()).unwrap()
}

const ODD_TARGET: &str = "/echo/a%3Fb%2Fc%20d?x=1&y=%41&x=2";

#[tokio::test]
async fn proxied_path_query_and_host_stay_as_they_were() {
    let (_folder, host) = open_host(HostOptions::default()).await;
    let echo = echo(&host, ODD_TARGET, &[], "").await;
    assert_eq!(echo["target"], ODD_TARGET);
    assert_eq!(echo["method"], "POST");
    assert_eq!(header(&echo, "host"), ["shop.example"]);
}

#[tokio::test]
async fn a_forwarded_url_was_decoded_and_repeated_keys_are_one() {
    let (_folder, host) = forwarding_host().await;
    let told = echo(&host, ODD_TARGET, &[], "").await;
    assert_eq!(told["target"], "/echo/a?b%2Fc+d=&x=1%2C2&y=A");
    assert_eq!(header(&told, "host"), ["shop.example"]);
    let told = echo(&host, "/echo/a%20b%23c", &[], "").await;
    assert_eq!(told["target"], "/echo/a%20b");
}

const SPOOFED: [(&str, &str); 3] = [
    ("x-azure-functions-invocationid", "mine"),
    ("x-azure-functions-hostversion", "mine"),
    ("user-agent", "curl"),
];

#[tokio::test]
async fn proxying_adds_three_headers_over_the_clients_own() {
    let (_folder, host) = open_host(HostOptions::default()).await;
    let echo = echo(&host, "/echo", &SPOOFED, "").await;
    let id = host.invocations().next().await.id.to_string();
    assert_eq!(header(&echo, "x-azure-functions-invocationid"), [id.as_str()]);
    assert_eq!(header(&echo, "x-ms-invocation-id"), [id.as_str()]);
    assert_eq!(header(&echo, "x-azure-functions-hostversion"), [VERSION]);
    assert_eq!(header(&echo, "user-agent"), ["curl"]);
}

#[tokio::test]
async fn forwarding_adds_two_headers_beside_the_clients_own_and_names_itself() {
    let (_folder, host) = forwarding_host().await;
    let echo = echo(&host, "/echo", &SPOOFED, "").await;
    let id = host.invocations().next().await.id.to_string();
    assert_eq!(header(&echo, "x-azure-functions-invocationid"), ["mine", id.as_str()]);
    assert_eq!(header(&echo, "x-azure-functions-hostversion"), ["mine", VERSION]);
    assert_eq!(header(&echo, "x-ms-invocation-id"), [""; 0]);
    let agent = format!("curl Azure-Functions-Host/{VERSION}");
    assert_eq!(header(&echo, "user-agent"), [agent.as_str()]);
}

const CONTENT: [(&str, &str); 4] = [
    ("content-type", "text/plain"),
    ("content-encoding", "identity"),
    ("content-md5", "x"),
    ("x-other", "kept"),
];

#[tokio::test]
async fn proxying_keeps_all_headers_of_the_content() {
    let (_folder, host) = open_host(HostOptions::default()).await;
    let echo = echo(&host, "/echo", &CONTENT, "hello").await;
    for (name, value) in CONTENT {
        assert_eq!(header(&echo, name), [value]);
    }
    assert_eq!((&echo["body"], header(&echo, "content-length")), (&json!("hello"), vec!["5"]));
}

#[tokio::test]
async fn forwarding_loses_headers_of_the_content_but_for_type_and_length() {
    let (_folder, host) = forwarding_host().await;
    let echo = echo(&host, "/echo", &CONTENT, "hello").await;
    assert_eq!(header(&echo, "content-encoding"), [""; 0]);
    assert_eq!(header(&echo, "content-md5"), [""; 0]);
    assert_eq!(header(&echo, "content-type"), ["text/plain"]);
    assert_eq!(header(&echo, "x-other"), ["kept"]);
    assert_eq!((&echo["body"], header(&echo, "content-length")), (&json!("hello"), vec!["5"]));
}

/// Each piece comes back before the next one is sent.
#[tokio::test]
async fn proxying_streams_both_ways() {
    let (_folder, host) = open_host(HostOptions::default()).await;
    let (pieces, body) = piecewise();
    pieces.send("one").await.unwrap();
    let mut answer = send(&host, "/stream", &[], body).await.into_body();
    assert_eq!(next_piece(&mut answer).await, "one");
    pieces.send("three").await.unwrap();
    assert_eq!(next_piece(&mut answer).await, "three");
    drop(pieces);
    assert!(answer.frame().await.is_none());
    let invocation = host.invocations().next().await;
    assert!(invocation.succeeded());
    assert_eq!(invocation.body_sent, "onethree".len());
}

#[tokio::test]
async fn forwarding_fails_a_chunked_body_before_the_handler_sees_it() {
    let (_folder, host) = forwarding_host().await;
    let (pieces, body) = piecewise();
    pieces.send("one").await.unwrap();
    drop(pieces);
    assert_eq!(send(&host, "/stream", &[], body).await.status(), 500);
    let invocation = host.invocations().next().await;
    assert!(matches!(invocation.outcome, Outcome::Failed(_)));
    assert_eq!(invocation.status, None);
}

#[tokio::test]
async fn proxying_shows_the_beginning_of_an_answer_before_its_end_is_there() {
    let (_folder, host) = open_host(HostOptions::default()).await;
    let mut held = send(&host, "/hold", &[], wire::whole("")).await.into_body();
    assert_eq!(next_piece(&mut held).await, "first ");
    host.get("/release").await;
    assert_eq!(next_piece(&mut held).await, "second");
}

#[tokio::test]
async fn forwarding_shows_nothing_of_an_answer_before_its_end() {
    let (_folder, host) = forwarding_host().await;
    let held = tokio::spawn(host.client.get(format!("{}/hold", host.url)).send());
    host.stdout().line_with("held").await;
    // Another request goes there and back, and the held one has still not begun to answer.
    assert_eq!(host.get("/echo").await.status(), 200);
    assert!(!held.is_finished());
    host.get("/release").await;
    assert_eq!(held.await.unwrap().unwrap().text().await.unwrap(), "first second");
}

#[tokio::test]
async fn whatever_the_handler_answers_is_a_success_and_comes_through() {
    for (_folder, host) in [open_host(HostOptions::default()).await, forwarding_host().await] {
        let answer = host.get("/elsewhere").await;
        assert_eq!(answer.status(), 302);
        let cookies = |headers: &HeaderMap| headers.get_all("set-cookie").iter().count();
        assert_eq!(
            (&answer.headers()["location"], cookies(answer.headers())),
            (&"/echo".parse().unwrap(), 2)
        );
        assert_eq!(answer.text().await.unwrap(), "moved");
        assert_eq!(host.get("/nowhere").await.status(), 404);
        let mut invocations = host.invocations();
        for _ in 0..2 {
            assert!(invocations.next().await.succeeded());
        }
    }
}

#[tokio::test]
async fn head_goes_through_as_head() {
    let (_folder, host) = open_host(HostOptions::default()).await;
    let answer = host.client.head(format!("{}/echo", host.url)).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.headers()["content-length"].len() > 1);
    assert_eq!(answer.text().await.unwrap(), "");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_a_failure_and_breaks_off_for_the_client() {
    let (_folder, host) = open_host(HostOptions::default()).await;
    let mut held = send(&host, "/hold", &[], wire::whole("")).await.into_body();
    assert_eq!(next_piece(&mut held).await, "first ");
    send(&host, "/exit/200", &[], wire::whole("now")).await;
    assert!(held.frame().await.unwrap().is_err());
    let ended = host.invocations().find(|i| i.status.is_some()).await;
    assert!(matches!(ended.outcome, Outcome::Failed(_)), "{ended:?}");
}

#[tokio::test]
async fn a_client_that_hangs_up_is_recorded() {
    let (_folder, host) = open_host(HostOptions::default()).await;
    let held = send(&host, "/hold", &[], wire::whole("")).await;
    drop(held);
    let ended = host.invocations().next().await;
    assert_eq!(ended.outcome, Outcome::Failed("the caller hung up".to_owned()));
}

/// The handler ends without an answer, is started again, and the client sees none of it.
#[tokio::test]
async fn proxying_asks_again_where_no_answer_came_and_no_body_was_sent() {
    let (_folder, host) = open_host(HostOptions::default()).await;
    let answer = host.get("/die-once").await;
    assert_eq!(answer.status(), 200);
    assert_eq!(host.status().starts, 2);
    assert!(host.invocations().next().await.succeeded(), "all tries are one invocation");
}

#[tokio::test]
async fn a_body_that_was_sent_is_not_sent_again() {
    let (_folder, host) = open_host(HostOptions::default()).await;
    assert_eq!(send(&host, "/die-once", &[], wire::whole("once")).await.status(), 500);
    host.until_started(2).await;
    assert_eq!(echo(&host, "/echo", &[], "once").await["body"], "once");
}

#[tokio::test]
async fn forwarding_does_not_ask_again() {
    let (_folder, host) = forwarding_host().await;
    assert_eq!(host.get("/die-once").await.status(), 500);
}

#[tokio::test]
async fn connections_to_the_handler_are_kept_for_the_next_request() {
    for (_folder, host) in [open_host(HostOptions::default()).await, forwarding_host().await] {
        let from = async || echo(&host, "/echo", &[], "").await["from"].as_u64().unwrap();
        let mut last = from().await;
        // It comes to rest a moment after its answer.
        until_true("a connection is used twice", async || {
            let before = std::mem::replace(&mut last, from().await);
            before == last
        })
        .await;
        send(&host, "/exit/200", &[], wire::whole("now")).await;
        host.until_started(2).await;
        assert_ne!(from().await, last, "the old one ended with the old handler");
    }
}

/// As the real one's 240 seconds: the handler lives on.
#[tokio::test]
async fn a_request_of_which_nothing_moves_fails() {
    let options =
        HostOptions { activity_timeout: Duration::from_millis(200), ..HostOptions::default() };
    let (_folder, host) = open_host(options).await;
    assert_eq!(host.get("/stall").await.status(), 500);
    let mut held = send(&host, "/hold", &[], wire::whole("")).await.into_body();
    assert_eq!(next_piece(&mut held).await, "first ");
    assert!(held.frame().await.unwrap().is_err(), "it breaks off");
    let idle = Outcome::Failed("nothing has moved for too long".to_owned());
    let mut invocations = host.invocations();
    for _ in 0..2 {
        assert_eq!(invocations.next().await.outcome, idle);
    }
    assert_eq!(host.status().starts, 1);
}

/// Longer than the limit in all, and never still for so long.
#[tokio::test]
async fn a_request_that_moves_now_and_then_may_take_its_time() {
    const LIMIT: Duration = Duration::from_secs(1);
    let options = HostOptions { activity_timeout: LIMIT, ..HostOptions::default() };
    let (_folder, host) = open_host(options).await;
    let (pieces, body) = piecewise();
    pieces.send("one").await.unwrap();
    let mut answer = send(&host, "/stream", &[], body).await.into_body();
    let begin = Instant::now();
    while begin.elapsed() < LIMIT * 2 {
        next_piece(&mut answer).await;
        sleep(LIMIT / 20).await;
        pieces.send("more").await.unwrap();
    }
    drop(pieces);
    next_piece(&mut answer).await;
    assert!(answer.frame().await.is_none());
    assert!(host.invocations().next().await.succeeded());
}

const BODY_LIMIT: &str = "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT";

#[tokio::test]
async fn a_body_over_the_limit_of_the_hosts_own_server_is_refused() {
    let folder = open_package(&host_json());
    let host = Host::start(folder.path(), HostOptions::default().with(BODY_LIMIT, "10")).await;
    assert_eq!(echo(&host, "/echo", &[], "ten bytes.").await["body"], "ten bytes.");
    let refused = send(&host, "/echo", &[], wire::whole("eleven byte")).await;
    assert_eq!(refused.status(), 413);
    // Nobody knows the length of this one before it comes.
    let (pieces, body) = piecewise();
    let (answer, ()) = tokio::join!(send(&host, "/echo", &[], body), async {
        for piece in ["five ", "and ", "five "] {
            pieces.send(piece).await.unwrap();
        }
        drop(pieces);
    });
    assert_eq!(answer.status(), 413);
    let invocations = host.stop().await.invocations;
    assert_eq!(invocations.len(), 2, "{invocations:?}");
    assert!(invocations[0].succeeded() && !invocations[1].succeeded());
}

#[tokio::test]
async fn the_limit_is_100_mib_unless_a_setting_says_otherwise() {
    let (_folder, host) = open_host(HostOptions::default()).await;
    let head = |length: &'static str| [("content-length", length), ("expect", "100-continue")];
    let (_pieces, body) = piecewise();
    let refused = send(&host, "/echo", &head("104857601"), body).await;
    assert_eq!(refused.status(), 413);
    // One byte less gets through to the handler, which begins to send it back.
    let (pieces, body) = piecewise();
    pieces.send("begin").await.unwrap();
    let answer = send(&host, "/stream", &head("104857600"), body).await;
    assert_eq!(answer.status(), 200);
}
