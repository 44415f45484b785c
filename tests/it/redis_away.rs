//! Redis servers that die, hang, say nothing or are no longer in charge, and come back.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};
use vitrine::cache::redis::{Login, Prefix, RedisShared, Target, probe};
use vitrine::cache::shared::Shared as _;
use vitrine::cache::versions::Row;
use vitrine::crypto::install_providers;

use crate::contract_shared::{Pair, listening, place, versions};
use crate::redis::{HASTY, SOON, is_away, until_there};
use crate::support::fault_proxy::{Break, FaultProxy};
use crate::support::redis::{FORMAT, PASSWORD, RedisServer, begin, clients, log};

/// What a busy machine adds to a deadline.
const SLACK: Duration = Duration::from_millis(1_500);

fn hasty(server: &RedisServer) -> RedisShared {
    RedisShared::begin(server.target(), Prefix::given("x".to_owned()), FORMAT, HASTY)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn a_server_that_dies_is_away_at_once_and_found_again() {
    let server = RedisServer::start();
    let pair: Pair = [server.shared("x"), server.shared("x")];
    listening(&pair).await;
    let [one, _] = &pair;
    server.kill();
    let began = Instant::now();
    assert!(is_away(&one.get(&place("7", "a")).await));
    // Nobody waits for a server that refuses connections.
    while began.elapsed() < Duration::from_millis(200) {
        assert!(is_away(&one.versions().await));
        sleep(Duration::from_millis(5)).await;
    }
    let asked = Instant::now();
    assert!(is_away(&one.raise(&versions([(0, 1)])).await));
    assert!(asked.elapsed() < SLACK, "{:?}", asked.elapsed());
    assert!(timeout(Duration::from_millis(20), one.told()).await.is_err(), "it waits");

    server.restart();
    for shared in &pair {
        until_there(shared.as_ref()).await;
    }
    listening(&pair).await;
    for shared in &pair {
        shared.raise(&versions([(0, 5)])).await.unwrap();
    }
    assert_eq!(pair[1].versions().await.unwrap()[&Row(0)], 5);
}

/// One that hangs keeps its connections; they are given up only if it does for long.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn a_server_that_hangs_costs_a_deadline() {
    let server = RedisServer::start();
    let shared = hasty(&server);
    until_there(&shared).await;
    server.pause();
    for round in 0..12 {
        let asked = Instant::now();
        assert!(is_away(&shared.get(&place("7", "a")).await));
        let took = asked.elapsed();
        assert!(took < HASTY.reading + SLACK, "round {round}: {took:?}");
    }
    let asked = Instant::now();
    assert!(is_away(&shared.raise(&versions([(0, 1)])).await));
    assert!(asked.elapsed() < HASTY.writing + SLACK);
    server.resume();
    until_there(&shared).await;
    shared.raise(&versions([(0, 2)])).await.unwrap();
    assert_eq!(shared.versions().await.unwrap(), versions([(0, 2)]));
}

/// Nothing is sent that could fail, so it is asked now and then; that takes seven seconds.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn a_peer_that_says_nothing_is_left() {
    let server = RedisServer::start();
    let pair: Pair = [server.shared("x"), server.shared("x")];
    listening(&pair).await;
    let numbers = || ["normal", "pubsub"].map(|kind| clients(&server.url(), kind));
    let before = numbers();
    server.pause();
    sleep(Duration::from_millis(7_500)).await;
    server.resume();
    let left = async {
        while numbers().iter().flatten().any(|client| before.iter().flatten().any(|b| b == client))
        {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(SOON, left).await.expect("all four");
    for shared in &pair {
        until_there(shared.as_ref()).await;
    }
    listening(&pair).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn connections_that_are_cut_are_made_anew() {
    let server = RedisServer::start();
    let pair: Pair = [server.shared("x"), server.shared("x")];
    listening(&pair).await;
    for kind in ["normal", "pubsub"] {
        server.command(&["CLIENT", "KILL", "TYPE", kind]);
    }
    for shared in &pair {
        until_there(shared.as_ref()).await;
    }
    listening(&pair).await;
}

/// A server that has been made a replica refuses writes on connections that it keeps.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn a_connection_to_who_is_no_longer_in_charge_is_left() {
    let server = RedisServer::start();
    let shared = server.shared("x");
    until_there(shared.as_ref()).await;
    let before = clients(&server.url(), "normal");
    server.command(&["REPLICAOF", "127.0.0.1", "1"]);
    assert!(is_away(&shared.raise(&versions([(0, 1)])).await));
    // It can still read on it.
    let left = async {
        while clients(&server.url(), "normal").iter().any(|client| before.contains(client)) {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(SOON, left).await.expect("another connection");
    server.command(&["REPLICAOF", "NO", "ONE"]);
    until_there(shared.as_ref()).await;
    shared.raise(&versions([(0, 1)])).await.unwrap();
}

/// Whoever goes on writing to it connects no more than once a second, and disturbs no reader.
#[tokio::test]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn a_server_that_stays_read_only_is_not_stormed() {
    let (log, _logging) = log();
    let server = RedisServer::start();
    let shared = server.shared("x");
    shared.raise(&versions([(0, 1)])).await.unwrap();
    let connections = || server.statistic("total_connections_received");
    server.command(&["REPLICAOF", "127.0.0.1", "1"]);
    let (before, began) = (connections(), Instant::now());
    while began.elapsed() < Duration::from_secs(3) {
        assert!(is_away(&shared.raise(&versions([(0, 2)])).await));
        assert_eq!(shared.versions().await.unwrap(), versions([(0, 1)]));
    }
    // One was made in order to ask.
    let made = connections() - before - 1;
    assert!((1..=began.elapsed().as_secs() + 1).contains(&made), "{made}");
    let log = log();
    assert_eq!(log.matches("WARN").count(), 1, "{log}");
    assert!(log.contains("READONLY") && !log.contains("there again"), "{log}");
}

/// One that greets whoever comes and hangs up is left alone longer and longer.
#[tokio::test]
async fn a_server_that_drops_its_connections_is_not_stormed() {
    let (log, _logging) = log();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (host, port) = ("127.0.0.1".to_owned(), listener.local_addr().unwrap().port());
    let came = Arc::new(AtomicUsize::new(0));
    std::thread::spawn({
        let came = Arc::clone(&came);
        move || {
            for stream in listener.incoming() {
                came.fetch_add(1, Ordering::Relaxed);
                let (mut stream, mut said) = (stream.unwrap(), [0; 1_024]);
                let length = stream.read(&mut said).unwrap_or(0);
                let commands = String::from_utf8_lossy(&said[..length]).matches('*').count();
                // Whoever came may have gone.
                let _ = stream.write_all("+OK\r\n".repeat(commands).as_bytes());
            }
        }
    });
    let target = Target { host, port, is_encrypted: false, database: 0, login: Login::Open };
    let shared = begin(target, "x");
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        assert!(is_away(&shared.versions().await));
        sleep(Duration::from_millis(1)).await;
    }
    // Pauses of 25 ms and more that double, by the connection for commands and the other.
    let came = came.load(Ordering::Relaxed);
    assert!((4..=30).contains(&came), "{came}");
    let log = log();
    assert_eq!(log.matches("WARN").count(), 1, "{log}");
    assert!(log.contains("is lost") && !log.contains("there again"), "{log}");
}

/// What only makes reads larger must not cost every connection.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn a_peer_that_hangs_up_over_a_long_text_is_sent_no_other() {
    let server = RedisServer::start();
    let wire = FaultProxy::before(([127, 0, 0, 1], server.port).into()).await;
    wire.breaks([Break::AfterSent(40_000); 100]);
    let shared = begin(Target { port: wire.port, ..server.target() }, "x");
    until_there(shared.as_ref()).await;
    // One for commands, one to listen, and the one that follows the first.
    let mut connections = 0;
    let again = async {
        while connections < 3 {
            connections += wire.passed().2;
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(SOON, again).await.expect("a long text is sent");
    until_there(shared.as_ref()).await;
    sleep(Duration::from_secs(3)).await;
    assert_eq!(wire.passed().2, 0, "it is used on");
    assert!(shared.versions().await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_away() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (host, port) = ("127.0.0.1".to_owned(), nobody.port());
    let target = Target { host, port, is_encrypted: false, database: 0, login: Login::Open };
    let shared = begin(target.clone(), "x");
    assert!(is_away(&shared.versions().await));
    assert!(is_away(&shared.ping().await));
    assert!(is_away(&probe(&target).await));
}

/// A server that takes connections and says nothing costs each command its deadline.
#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_does_not_end_costs_a_deadline() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let (host, port) = ("127.0.0.1".to_owned(), silent.local_addr().unwrap().port());
    for is_encrypted in [false, true] {
        install_providers();
        let login = Login::Key { user: None, password: PASSWORD.into() };
        let target = Target { host: host.clone(), port, is_encrypted, database: 1, login };
        let shared = RedisShared::begin(target, Prefix::given("x".to_owned()), FORMAT, HASTY);
        let asked = Instant::now();
        assert!(is_away(&shared.versions().await));
        assert!(asked.elapsed() < HASTY.reading + SLACK, "{:?}", asked.elapsed());
    }
}
