//! How pages are read from Redis: those that are wanted at once together, and in one round trip.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use tokio::time::{sleep, timeout};
use vitrine::cache::shared::{Shared as _, Turn};

use crate::contract_shared::{lease, page, place};
use crate::redis::{LIFE, SOON, node, until_there, until_whole};
use crate::support::redis::RedisServer;

/// A page and its life are asked for in one write and told in one answer.
#[tokio::test]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn a_page_takes_one_round_trip() {
    let server = RedisServer::start();
    let shared = server.shared("shop");
    shared.fill(&place("7", "a"), &page(7, 5, ""), LIFE, None).await.unwrap();
    until_echoed(&server, "calls").await;
    let reads = || server.statistic("total_reads_processed");
    let (first, second) = (reads(), reads());
    assert!(shared.get(&place("7", "a")).await.unwrap().is_some());
    let third = reads();
    assert_eq!(third - second, second - first + 1);
}

/// What is no text hides nobody's page, nor does who has gone. Each read wakes the server, and is
/// of many of them.
#[tokio::test]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn of_pages_that_are_wanted_at_once_each_is_given_to_who_wants_it() {
    const NO_TEXT: usize = 151;
    // A node of a cluster: a command for keys of two slots would be refused.
    let server = node("0", "16383");
    until_whole(&server).await;
    let shared = server.shared("shop");
    until_there(&*shared).await;
    let lies_there = |number: usize| number.is_multiple_of(3);
    let page_of = |number: usize| page(7, 5, &number.to_string());
    // In each slot some are there, beside what is no text too.
    let slot_of = |number: usize| (number % 4).to_string();
    let place_of = |number: usize| place(&slot_of(number), &number.to_string());
    let places: Vec<_> = (0..200).map(place_of).collect();
    for (number, place) in places.iter().enumerate().filter(|(number, _)| lies_there(*number)) {
        shared.fill(place, &page_of(number), LIFE, None).await.unwrap();
    }
    server.command(&["LPUSH", &format!("shop:7:{{{}}}:{NO_TEXT}", slot_of(NO_TEXT)), "x"]);
    let reads = || server.statistic("total_reads_processed");
    let calls = || ["time", "mget"].map(|name| server.command_statistic(name, "calls"));
    let (called, before) = (calls(), reads());
    // The first one goes before it is answered, and it was the one to ask for all.
    assert!(shared.get(&places[0]).now_or_never().is_none());
    let all = join_all(places.iter().map(|place| shared.get(place)));
    let found = timeout(SOON, all).await.expect("nobody is forgotten");
    let made = reads() - before;
    assert!(made <= 30, "{made} reads for 200 pages");
    let [times, mgets] = calls();
    let made = (times - called[0], mgets - called[1]);
    assert!(made.0 <= 30 && made.1 <= 4 * 30, "{made:?} looks at the clock, and commands");
    for (number, found) in found.into_iter().enumerate() {
        let bytes = found.unwrap().map(|kept| kept.bytes);
        assert_eq!(bytes, lies_there(number).then(|| page_of(number).bytes), "{number}");
    }
}

/// It would keep a page away for ever.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn what_is_no_text_is_nothing_and_makes_way_for_a_page() {
    let server = RedisServer::start();
    let shared = server.shared("shop");
    let (here, mine, page) = (place("7", "b"), lease("1", "mine"), page(7, 5, "page"));
    for key in ["shop:7:{7}:b", "shop:7:{7}:b:lease:1"] {
        server.command(&["LPUSH", key, "x"]);
    }
    assert_eq!(shared.get(&here).await.unwrap(), None);
    assert_eq!(shared.get_or_lease(&here, None, &mine).await.unwrap(), Turn::Granted);
    shared.fill(&here, &page, LIFE, Some(&mine)).await.unwrap();
    assert_eq!(shared.get(&here).await.unwrap().unwrap().bytes, page.bytes);
}

/// The echo of a long text only makes reads larger.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn each_connection_has_one_echo_and_a_server_may_refuse_it() {
    for (right, counted) in [("+echo", "calls"), ("-echo", "rejected_calls")] {
        let server = RedisServer::start();
        server.command(&["ACL", "SETUSER", "default", right]);
        let shared = server.shared("shop");
        shared.fill(&place("7", "a"), &page(7, 5, ""), LIFE, None).await.unwrap();
        assert!(shared.get(&place("7", "a")).await.unwrap().is_some(), "{right}");
        until_echoed(&server, counted).await;
        assert_eq!(server.command_statistic("echo", counted), 1, "{right}");
    }
}

/// It comes a second after the connection.
async fn until_echoed(server: &RedisServer, counted: &str) {
    let echoed = async {
        while server.command_statistic("echo", counted) == 0 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, echoed).await.unwrap();
}
