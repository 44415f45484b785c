//! Start, pings, ends, limits.

use std::io::Write as _;
use std::net::TcpListener;
use std::time::Duration;

use hyper::StatusCode;
use serde_json::{Value, json};

use super::{extend, host_json, http, open_host, open_package, package_of, replying};
use crate::support::fake_handler::{EXIT, GATE, HOME, Reply};
use crate::support::host::blobs::Account;
use crate::support::host::invocation::Outcome;
use crate::support::host::log::until_true;
use crate::support::host::process::State;
use crate::support::host::{Host, HostOptions};

/// `host.json` with a handler that must start within a fifth of a second.
fn impatient() -> Value {
    let mut json = host_json();
    extend(&mut json["customHandler"], &json!({ "initializationTimeout": "00:00:00.2" }));
    json
}

const INVOCATION: &str = "x-azure-functions-invocationid";

/// Lets the handler end with this code. A request without a body would be sent again.
async fn end(host: &Host, code: i32) {
    let request = host.client.post(format!("{}/exit/{code}", host.url)).body("now");
    assert_eq!(request.send().await.unwrap().status(), 500);
}

fn is_running(pid: u32) -> bool {
    std::path::Path::new(&format!("/proc/{pid}")).exists()
}

#[tokio::test]
async fn the_handler_gets_five_variables_on_top_of_the_app_settings_and_nothing_else() {
    let (folder, host) = {
        let account = Account::Elsewhere("https://account.blob.core.windows.net".to_owned());
        let options = HostOptions { account, ..HostOptions::default() };
        open_host(options.with("COLOUR", "blue")).await
    };
    let told: Value = host.get("/environment").await.json().await.unwrap();
    let variables = &told["variables"];
    let root = folder.path().to_str().unwrap();
    assert_eq!(variables["COLOUR"], "blue");
    assert_eq!(variables["FUNCTIONS_APP_ROOT_PATH"], root);
    assert_eq!(told["folder"], root);
    assert_eq!(variables["FUNCTIONS_HTTPWORKER_PORT"], variables["FUNCTIONS_CUSTOMHANDLER_PORT"]);
    let id = variables["FUNCTIONS_CUSTOMHANDLER_WORKER_ID"].as_str().unwrap();
    uuid::Uuid::parse_str(id).unwrap();
    assert_eq!(variables["FUNCTIONS_HTTPWORKER_ID"], id);
    // PATH is needed to find a command.
    assert_eq!(variables.as_object().unwrap().len(), 5 + 2);
}

#[tokio::test]
async fn any_status_counts_as_up() {
    let (_folder, host) = open_host(HostOptions::default().with(HOME, "503")).await;
    assert_eq!(host.ping().await.unwrap(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(host.status().state, State::Up);
}

#[tokio::test]
async fn a_ping_carries_no_invocation_and_a_forwarded_request_does() {
    let (_folder, host) = open_host(HostOptions::default()).await;
    let mut stdout = host.stdout();
    let first = stdout.line_with("HOME").await;
    assert!(!first.contains(INVOCATION), "{first}");
    host.get("/").await;
    // Pings may lie between.
    stdout.find(|line| line.contains("HOME") && line.contains(INVOCATION)).await;
}

#[tokio::test]
async fn a_handler_that_is_up_is_pinged_now_and_then() {
    let options = HostOptions { ping_every: Duration::from_millis(10), ..HostOptions::default() };
    let (_folder, host) = open_host(options).await;
    let mut stdout = host.stdout();
    for _ in 0..4 {
        let ping = stdout.line_with("HOME").await;
        assert!(!ping.contains(INVOCATION), "{ping}");
    }
    // Started again, it is pinged again.
    end(&host, 200).await;
    host.until_started(2).await;
    let begun = stdout.so_far().len();
    until_true("it is pinged on", async || {
        host.get("/echo").await;
        stdout.so_far().len() > begun + 1
    })
    .await;
    assert_eq!(host.status().state, State::Up);
}

#[tokio::test]
async fn an_invocation_waits_until_the_handler_listens() {
    let gate = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = gate.local_addr().unwrap().port();
    let folder = open_package(&host_json());
    let options = HostOptions::default().with(GATE, port.to_string());
    let host = Host::launch(folder.path(), options).unwrap();
    let request = tokio::spawn(host.client.get(format!("{}/echo", host.url)).send());
    let (mut waiting, _) =
        tokio::task::spawn_blocking(move || gate.accept()).await.unwrap().unwrap();
    assert_eq!(host.status().state, State::Starting);
    assert!(!request.is_finished());
    waiting.write_all(b"!").unwrap();
    assert_eq!(request.await.unwrap().unwrap().status(), 200);
}

#[tokio::test]
async fn a_handler_that_does_not_listen_in_time_is_started_thrice_and_then_no_more() {
    let gate = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = gate.local_addr().unwrap().port();
    let folder = open_package(&impatient());
    let options = HostOptions::default().with(GATE, port.to_string());
    let host = Host::launch(folder.path(), options).unwrap();
    assert!(host.until_stopped().await.contains("did not start in time"));
    assert_eq!(host.status().starts, 3);
    assert_eq!(host.get("/echo").await.status(), 500);
}

/// It accepts and never answers, and no time limit ends that: only an invocation's patience.
#[tokio::test]
async fn the_host_stops_when_an_invocation_has_waited_four_times_as_long_as_a_start_may_take() {
    let folder = open_package(&impatient());
    let options = HostOptions::default().with(HOME, "0");
    let host = Host::launch(folder.path(), options).unwrap();
    assert_eq!(host.get("/echo").await.status(), 500);
    assert!(host.until_stopped().await.contains("waited in vain"));
    assert_eq!(host.status().starts, 1);
}

#[tokio::test]
async fn a_handler_that_cannot_be_started_stops_the_host() {
    let mut json = host_json();
    json["customHandler"]["description"]["defaultExecutablePath"] = json!("no-such-handler");
    let folder = open_package(&json);
    let host = Host::launch(folder.path(), HostOptions::default()).unwrap();
    assert!(host.until_stopped().await.contains("no-such-handler"));
}

#[tokio::test]
async fn the_executable_may_be_named_by_a_setting() {
    let mut json = host_json();
    json["customHandler"]["description"]["defaultExecutablePath"] = json!("%HANDLER%");
    let folder = open_package(&json);
    let host = Host::start(folder.path(), HostOptions::default().with("HANDLER", "fake")).await;
    assert_eq!(host.get("/echo").await.status(), 200);
}

/// It is not started again, the host goes on believing in it, and every request fails.
#[tokio::test]
async fn a_handler_that_exits_with_0_is_gone_and_nobody_notices() {
    let (_folder, host) = open_host(HostOptions::default()).await;
    end(&host, 0).await;
    host.until_gone().await;
    let begin = std::time::Instant::now();
    assert_eq!(host.get("/echo").await.status(), 500);
    // Ten tries with 50, 100, 200 and then 250 ms between them.
    assert!(begin.elapsed() > Duration::from_millis(1_800), "{:?}", begin.elapsed());
    let status = host.status();
    assert_eq!((status.state, status.starts), (State::Up, 1));
}

#[tokio::test]
async fn a_handler_that_exits_with_200_is_started_again_as_often_as_it_likes() {
    let (_folder, host) = open_host(HostOptions::default()).await;
    for start in 1..=5 {
        host.until_started(start).await;
        end(&host, 200).await;
    }
    host.until_started(6).await;
    assert_eq!(host.get("/echo").await.status(), 200);
}

#[tokio::test]
async fn the_third_failure_stops_the_host() {
    let (_folder, host) = open_host(HostOptions::default()).await;
    for start in 1..=3 {
        host.until_started(start).await;
        end(&host, 7).await;
    }
    assert!(host.until_stopped().await.contains("exit status: 7"));
    assert_eq!(host.get("/echo").await.status(), 500);
    assert_eq!(host.status().starts, 3);
}

#[tokio::test]
async fn failures_that_lie_far_apart_do_not_add_up() {
    let options = HostOptions { error_window: Duration::ZERO, ..HostOptions::default() };
    let (_folder, host) = open_host(options).await;
    for start in 1..=4 {
        host.until_started(start).await;
        end(&host, 7).await;
    }
    host.until_started(5).await;
}

#[tokio::test]
async fn a_handler_that_fails_at_its_start_is_started_thrice() {
    let folder = open_package(&host_json());
    let options = HostOptions::default().with(EXIT, "2");
    let host = Host::launch(folder.path(), options).unwrap();
    assert!(host.until_stopped().await.contains("exit status: 2"));
    assert_eq!(host.status().starts, 3);
}

/// The fake handler would say goodbye if it were asked to end.
#[tokio::test]
async fn stopping_is_sigkill() {
    let (_folder, host) = open_host(HostOptions::default()).await;
    let pid = host.status().pid.unwrap();
    host.get("/complain").await;
    host.stderr().line_with("something is wrong").await;
    let remains = host.stop().await;
    assert!(!is_running(pid));
    assert!(!remains.stdout.iter().any(|line| line.contains("goodbye")), "{:?}", remains.stdout);
    assert_eq!(remains.stderr, ["something is wrong"]);
    assert_eq!(remains.invocations.len(), 1);
}

/// No cancel message reaches it, all else under way dies with it, and it does not count as an
/// error of the handler's.
#[tokio::test]
async fn an_invocation_that_takes_too_long_kills_the_handler_and_all_that_is_under_way() {
    let options = HostOptions {
        function_timeout: Some(Duration::from_millis(400)),
        ..HostOptions::default()
    };
    let (_folder, host) = open_host(options).await;
    let mut stdout = host.stdout();
    for start in 1..=4 {
        host.until_started(start).await;
        let get = || tokio::spawn(host.client.get(format!("{}/stall", host.url)).send());
        let late = get();
        stdout.line_with("stalled").await;
        let other = get();
        stdout.line_with("stalled").await;
        for request in [late, other] {
            assert_eq!(request.await.unwrap().unwrap().status(), 500);
        }
        host.until_started(start + 1).await;
    }
    let remains = host.stop().await;
    let late = remains.invocations.iter().filter(|i| i.outcome == Outcome::TimedOut).count();
    assert!(late >= 4, "{:?}", remains.invocations);
    assert!(!remains.stdout.iter().any(|line| line.contains("goodbye")));
}

#[tokio::test]
async fn the_time_limit_is_that_of_host_json() {
    let mut json = host_json();
    json["functionTimeout"] = json!("00:00:00.3");
    let timer = json!({ "name": "timer", "type": "timerTrigger", "direction": "in", "schedule": "0 0 * * * *" });
    let folder = package_of(&json).with_function("Nightly", &json!({ "bindings": [timer] }));
    let held = Reply { held: true, ..Reply::json(&json!({})) };
    let host = Host::start(folder.path(), replying("Nightly", &[held])).await;
    assert_eq!(host.fire_timer("Nightly").await.outcome, Outcome::TimedOut);
    host.until_started(2).await;
}

/// Without its port, nothing of another's listens there meanwhile.
#[tokio::test]
async fn the_port_stays_the_same_over_all_starts() {
    let folder = package_of(&host_json()).with_function("All", &http("{*path}", &json!({})));
    let host = Host::start(folder.path(), HostOptions::default()).await;
    let port = async || {
        let told: Value = host.get("/environment").await.json().await.unwrap();
        told["variables"]["FUNCTIONS_CUSTOMHANDLER_PORT"].clone()
    };
    let before = port().await;
    end(&host, 200).await;
    host.until_started(2).await;
    assert_eq!(port().await, before);
}
