//! What one of several processes was answered the others show in time, from what they share; and
//! they load it once.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use reqwest::{Client, StatusCode};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::timeout;
use vitrine::cache::page::FORMAT;
use vitrine::cache::redis::{Prefix, RedisShared};
use vitrine::cache::shared::{Page, Shared as _, Stamp};
use vitrine::question::Question;
use xxhash_rust::xxh3::xxh3_64;

use crate::support::TestFolder;
use crate::support::decode::decoded;
use crate::support::instances::{
    BOUND, BOUND_OF_ALL, PAGE, Shop, serve_with, until_it_has_redis, until_shared,
};
use crate::support::process::header;
use crate::support::redis::{PASSWORD, PATIENT, RedisServer};
use crate::support::shop::{administrator, counted, put, stats, told_of_itself};
use crate::support::sqlserver::TestDatabase;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn two_processes_show_what_either_was_answered() {
    fair_weather(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn four_processes_show_what_any_was_answered() {
    fair_weather(4).await;
}

/// The same on a server: its triggers raise the versions, and the file has no part in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_REDIS_SERVER and TEST_SQL_CONNECTION_STRING"]
async fn on_sqlserver_two_processes_show_what_either_was_answered() {
    let database = TestDatabase::make().await;
    hold_a_race(Shop::on(database.environment(), 2).await).await;
}

/// Each asks the database so seldom that what it hears in time it was told by the others.
async fn fair_weather(instances: usize) {
    let seldom = HashMap::from([("CACHE_STALENESS_MS".to_owned(), "4000".to_owned())]);
    hold_a_race(Shop::on(seldom, instances).await).await;
}

async fn hold_a_race(shop: Shop) {
    let instances = shop.instances.len();
    let shop = Arc::new(shop);
    let tally = shop
        .race(BOUND, async {
            tokio::time::sleep(Shop::lasts() / 2).await;
            shop.audit_finds_nothing().await;
            tokio::time::sleep(Shop::lasts() / 2).await;
        })
        .await;
    tally.check(&format!("{instances} processes"));
    shop.audit_finds_nothing().await;
    let mut shared_hits = 0;
    for instance in &shop.instances {
        let counts = counted(&shop.client, &instance.url, &shop.token).await;
        assert_eq!(counts["audits_stale"], 0);
        assert_eq!(counts["shared_unreadable"], 0);
        shared_hits += counts["shared_hits"].as_u64().unwrap();
    }
    assert!(shared_hits > 0, "nothing was ever shared");
    every_instance_is_told_of(&shop).await;
}

/// CONTRACT 4: each one leaves word of itself every five seconds.
async fn every_instance_is_told_of(shop: &Shop) {
    let began = Instant::now();
    loop {
        let told = stats(&shop.client, &shop.instances[0].url, &shop.token).await;
        let listed = told["instances"].as_array().unwrap();
        if listed.len() == shop.instances.len() {
            let hits = |counts: &Value| counts["cache"]["hits"].as_u64().unwrap();
            let sum: u64 = listed.iter().map(|instance| hits(&instance["counts"])).sum();
            assert_eq!(hits(&told["totals"]), sum);
            assert!(listed.iter().all(|instance| instance["breakers"]["shared_cache"] == "closed"));
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(15), "{told}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The race can be lost: by processes that tell each other nothing and ask too seldom.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn processes_that_share_nothing_are_found_stale() {
    let apart = |folder: &TestFolder, redis: &str| {
        let prefix = format!("apart-{}", fastrand::u32(..));
        serve_with(folder, redis, |command| {
            command.env("CACHE_PREFIX", prefix).env("CACHE_STALENESS_MS", "4000");
        })
    };
    let mut shop = Shop::of_those(HashMap::new(), 2, apart).await;
    // A write reads the whole table of versions, so whoever writes knows.
    shop.written_to = 1;
    let shop = Arc::new(shop);
    let tally = shop.race(BOUND, tokio::time::sleep(Shop::lasts())).await;
    let stale = tally.stale.into_inner().unwrap();
    println!("of {} reads {} were stale", tally.reads.into_inner(), stale.len());
    assert!(!stale.is_empty());
}

/// CONTRACT 6.1: a second process on the same embedded file, whatever it shares with the first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn a_process_that_shares_nothing_is_heard_through_the_file() {
    let is_first = AtomicBool::new(true);
    let one_alone = |folder: &TestFolder, redis: &str| {
        serve_with(folder, redis, |command| {
            if is_first.swap(false, Ordering::SeqCst) {
                command.env_remove("REDIS_CONNECTION_STRING");
            }
        })
    };
    let mut shop = Shop::of_those(HashMap::new(), 2, one_alone).await;
    shop.written_to = 1;
    let tally = Arc::new(shop).race(BOUND, tokio::time::sleep(Shop::lasts())).await;
    tally.check("a process that shares nothing");
}

/// As in Azure: TLS, and a certificate that the machine's authorities vouch for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn processes_share_through_tls() {
    let (folder, redis) = (TestFolder::new(), RedisServer::start_with_tls());
    let port = redis.tls_port.unwrap();
    let url = format!("localhost:{port},password={PASSWORD},ssl=True,abortConnect=False");
    let serve = || {
        serve_with(&folder, &url, |command| {
            command.env("SSL_CERT_FILE", redis.ca());
        })
    };
    let (one, other) = (serve(), serve());
    let client = Client::new();
    let token = administrator(&client, &one.url).await;
    for instance in [&one, &other] {
        until_it_has_redis(&client, &instance.url, &token).await;
    }
    for limit in 1..100 {
        for instance in [&one, &other] {
            let url = format!("{}/products?limit={limit}", instance.url);
            assert_eq!(client.get(url).send().await.unwrap().status(), StatusCode::OK);
        }
    }
    let counts = counted(&client, &other.url, &token).await;
    assert!(counts["shared_hits"].as_u64().unwrap() > 50, "{counts}");
}

/// It goes on to a client as it lies in Redis, if the client takes it so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn a_page_of_another_process_is_the_same_in_every_encoding() {
    let shop = Shop::of(2).await;
    let [here, there] = [&shop.instances[0].url, &shop.instances[1].url];
    for writer in 10..20 {
        assert_eq!(put(&shop.client, here, &shop.token, writer, 0).await, 201);
    }
    let get = async |url: &str, accepted: &str| {
        let request = shop.client.get(format!("{url}{PAGE}")).header("accept-encoding", accepted);
        let page = request.send().await.unwrap();
        assert_eq!(page.status(), StatusCode::OK);
        let named = |name| header(&page, name).to_owned();
        let (encoding, etag) = (named("content-encoding"), named("etag"));
        let body = decoded(&page.bytes().await.unwrap(), &encoding);
        (encoding, etag.trim_matches('"').to_owned(), body)
    };
    let (_, state, plain) = get(here, "identity").await;
    assert!(plain.len() > 1_024, "it is not compressed: {}", plain.len());
    for (accepted, encoding, suffix) in [
        ("gzip, deflate, br, zstd", "zstd", "-zst"),
        ("identity", "", ""),
        ("gzip", "gzip", "-gz"),
        ("gzip, deflate, br", "br", "-br"),
        // Now the smallest form is there.
        ("gzip, deflate, br, zstd", "br", "-br"),
        ("zstd", "zstd", "-zst"),
    ] {
        let expected = (encoding.to_owned(), format!("{state}{suffix}"), plain.clone());
        assert!(get(there, accepted).await == expected, "{accepted}");
    }
    let counts = counted(&shop.client, there, &shop.token).await;
    assert_eq!(counts["shared_hits"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn a_page_that_cannot_be_unpacked_is_loaded_anew() {
    let (shop, shared) = long_pages().await;
    let [here, there] = [&shop.instances[0].url, &shop.instances[1].url];
    let plain = damage(&shop, here, &shared, PAGE).await;
    assert_eq!(self::plain(&shop, there, PAGE).await, plain);
    let counts = counted(&shop.client, there, &shop.token).await;
    assert_eq!((&counts["shared_hits"], &counts["shared_unreadable"]), (&1.into(), &1.into()));
    until_shared(&shared, PAGE).await;
    shop.audit_finds_nothing().await;
}

/// Some have it from Redis, while others have found out what it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn nobody_of_a_crowd_is_refused_a_page_that_cannot_be_unpacked() {
    let (shop, shared) = long_pages().await;
    let [here, there] = [&shop.instances[0].url, &shop.instances[1].url];
    for limit in 800..850 {
        let path = format!("/products?category_id=1&limit={limit}");
        let plain = damage(&shop, here, &shared, &path).await;
        let crowd = (0..32).map(|_| self::plain(&shop, there, &path));
        assert!(join_all(crowd).await.iter().all(|body| *body == plain), "{path}");
    }
}

/// Two processes with pages so long that they are shared packed; and what they share.
async fn long_pages() -> (Shop, RedisShared) {
    let shop = Shop::of(2).await;
    for writer in 10..20 {
        let here = &shop.instances[0].url;
        assert_eq!(put(&shop.client, here, &shop.token, writer, 0).await, 201);
    }
    let prefix = Prefix::given(shop.prefix());
    let shared = RedisShared::begin(shop.redis.target(), prefix, FORMAT, PATIENT);
    (shop, shared)
}

async fn plain(shop: &Shop, url: &str, path: &str) -> Bytes {
    let page = shop.client.get(format!("{url}{path}")).send().await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    page.bytes().await.unwrap()
}

/// Puts a page where that of a path is whose hashes are right, so that it is believed until
/// somebody wants it plain. Gives the plain body.
async fn damage(shop: &Shop, url: &str, shared: &RedisShared, path: &str) -> Bytes {
    let mut price = 0;
    let (plain, kept) = loop {
        let plain = plain(shop, url, path).await;
        let kept = timeout(BOUND, until_shared(shared, path)).await;
        if let Ok(kept) = kept {
            break (plain, kept);
        }
        // Anew: what was kept while Redis was late is not shared later. A write that changes
        // nothing makes nothing anew.
        price += 1;
        assert!(price < 20, "{path} is not shared");
        assert_eq!(put(&shop.client, url, &shop.token, 19, price).await, 200);
    };
    let place = Question::at_path(path).unwrap().place().unwrap();
    let stamp = Stamp::read(&kept.bytes).unwrap();
    let page = Page { stamp, bytes: with_body(&kept.bytes, b"nonsense").into() };
    shared.remove(&place).await.unwrap();
    shared.fill(&place, &page, Duration::from_mins(10), None).await.unwrap();
    plain
}

/// The page with another body, and the hashes of that.
fn with_body(page: &[u8], body: &[u8]) -> Vec<u8> {
    // Before the body's hash: stamp, flags, life, entity tag and length.
    let (head, mut rest) = (&page[..60], &page[68..]);
    let mut made = [head, &xxh3_64(body).to_be_bytes()].concat();
    for _ in 0..3 {
        let text = 2 + usize::from(u16::from_be_bytes([rest[0], rest[1]]));
        made.extend(&rest[..text]);
        rest = &rest[text..];
    }
    let hash = xxh3_64(&made);
    made.extend(hash.to_be_bytes());
    made.extend(body);
    made
}

/// CONTRACT 6.3: however many ask, on however many instances.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn two_hundred_misses_over_four_processes_are_one_query() {
    let shop = Shop::of(4).await;
    // Each learns of the last write: one that knows an older version waits for no newer load.
    for instance in &shop.instances {
        let last = shop.client.get(format!("{}/products/RACE-3", instance.url));
        assert_eq!(last.send().await.unwrap().status(), StatusCode::OK);
    }
    let mut undisturbed = 0;
    for limit in 11..16 {
        let before = Loads::of(&shop).await;
        let mut asked = JoinSet::new();
        for _ in 0..50 {
            for instance in &shop.instances {
                let url = format!("{}/products?category_id=1&limit={limit}", instance.url);
                let client = shop.client.clone();
                asked.spawn(async move { client.get(url).send().await.unwrap().status() });
            }
        }
        while let Some(status) = asked.join_next().await {
            assert_eq!(status.unwrap(), StatusCode::OK);
        }
        let after = Loads::of(&shop).await;
        let loads = after.all - before.all;
        let alone = after.alone - before.alone;
        assert!((1..=1 + alone).contains(&loads), "limit {limit}: {loads} loads, {alone} alone");
        assert_eq!(after.queries - before.queries, loads, "limit {limit}: as the store counts");
        undisturbed += u32::from(alone == 0);
    }
    assert!(undisturbed > 0, "Redis answered nobody in time");
}

/// Loads of all instances.
struct Loads {
    all: u64,
    /// Pages that the stores were asked for.
    queries: u64,
    /// So many of them may be of instances that Redis did not answer in time, which wait for
    /// nobody: a busy machine has such.
    alone: u64,
}

impl Loads {
    async fn of(shop: &Shop) -> Self {
        let began = Instant::now();
        let mut loads = Self { all: 0, queries: 0, alone: 0 };
        for instance in &shop.instances {
            let counts = loop {
                let told = told_of_itself(&shop.client, &instance.url, &shop.token).await;
                assert!(began.elapsed() < BOUND_OF_ALL * 4, "{told}");
                // While Redis is left alone an instance loads by itself, and counts no failure.
                if told["breakers"]["shared_cache"] == "closed" {
                    break told["counts"].clone();
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            };
            let count = |name: &str| counts["cache"][name].as_u64().unwrap();
            loads.all += count("loads");
            let calls = counts["store"].as_array().unwrap().iter();
            let pages = calls.filter(|call| call["name"] == "page");
            loads.queries += pages.map(|call| call["count"].as_u64().unwrap()).sum::<u64>();
            loads.alone += count("shared_failures") + count("lease_waits_given_up");
        }
        loads
    }
}
