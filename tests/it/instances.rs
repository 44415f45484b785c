//! What one of several processes was answered the others show in time, whatever happens to any
//! of them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};
use rusqlite::Connection;
use serde_json::Value;
use tokio::task::JoinSet;
use vitrine::cache::page::FORMAT;
use vitrine::cache::redis::{Prefix, RedisShared};
use vitrine::cache::shared::{Page, Shared as _, Stamp};
use vitrine::cache::versions::{Row, Tag};
use vitrine::question::Question;
use xxhash_rust::xxh3::xxh3_64;

use crate::support::TestFolder;
use crate::support::decode::decoded;
use crate::support::fault_proxy::FaultProxy;
use crate::support::instances::{BOUND, BOUND_OF_ALL, PAGE, Shop, price_of, serve, serve_with};
use crate::support::process::{handler, header};
use crate::support::redis::{PASSWORD, PATIENT, RedisServer};
use crate::support::shop::{administrator, counted, put, told_of_itself};
use crate::support::sqlserver::TestDatabase;

/// `handler audit` over what they share: its exit code, and what it says.
async fn audit(shop: &Shop) -> (bool, String) {
    let mut audit = handler(shop.folder.data.path());
    audit.arg("audit").env("REDIS_CONNECTION_STRING", shop.redis.url());
    audit.envs(&shop.environment);
    let audit = tokio::task::spawn_blocking(move || audit.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&audit.stdout).trim().to_owned();
    println!("handler audit: {said}");
    (audit.status.success(), said)
}

async fn audit_finds_nothing(shop: &Shop) {
    let (is_success, said) = audit(shop).await;
    assert!(is_success && said.contains("stale=0"), "{said}");
}

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

async fn fair_weather(instances: usize) {
    hold_a_race(Shop::of(instances).await).await;
}

async fn hold_a_race(shop: Shop) {
    let instances = shop.instances.len();
    let shop = Arc::new(shop);
    let tally = shop
        .race(BOUND, async {
            tokio::time::sleep(Shop::lasts() / 2).await;
            audit_finds_nothing(&shop).await;
            tokio::time::sleep(Shop::lasts() / 2).await;
        })
        .await;
    tally.check(&format!("{instances} processes"));
    audit_finds_nothing(&shop).await;
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
    let url = format!("{}/stats", shop.instances[0].url);
    let began = Instant::now();
    loop {
        let asked = shop.client.get(&url).header("authorization", &shop.token).send().await;
        let stats: Value = asked.unwrap().json().await.unwrap();
        let listed = stats["instances"].as_array().unwrap();
        if listed.len() == shop.instances.len() {
            let hits = |counts: &Value| counts["cache"]["hits"].as_u64().unwrap();
            let sum: u64 = listed.iter().map(|instance| hits(&instance["counts"])).sum();
            assert_eq!(hits(&stats["totals"]), sum);
            assert!(listed.iter().all(|instance| instance["breakers"]["shared_cache"] == "closed"));
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(15), "{stats}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Somebody writes into the file and raises no version: nothing can know of it but an audit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn the_audit_finds_a_row_that_was_changed_past_the_versions() {
    let shop = Shop::of(2).await;
    for path in [PAGE, "/products/RACE-0", "/products/RACE-1", "/category/count"] {
        let asked = shop.client.get(format!("{}{path}", shop.instances[0].url)).send().await;
        assert_eq!(asked.unwrap().status(), StatusCode::OK);
    }
    // Nobody who asks waits until his page is shared.
    let are_shared = async { while !audit(&shop).await.1.contains("pages=4 ") {} };
    tokio::time::timeout(BOUND_OF_ALL * 4, are_shared).await.unwrap();
    audit_finds_nothing(&shop).await;
    let db = Connection::open(shop.folder.data.database()).unwrap();
    let changed = db.execute("UPDATE products SET price = 7700 WHERE asin = 'RACE-0'", []).unwrap();
    assert_eq!(changed, 1);
    let (is_success, said) = audit(&shop).await;
    assert!(!is_success && said.contains("stale=2"), "{said}");
    assert!(said.contains("stale: /products/RACE-0: row 1, carries "), "{said}");
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
    for limit in 1..100 {
        for instance in [&one, &other] {
            let url = format!("{}/products?limit={limit}", instance.url);
            assert_eq!(client.get(url).send().await.unwrap().status(), StatusCode::OK);
        }
    }
    let counts = counted(&client, &other.url, &token).await;
    assert!(counts["shared_hits"].as_u64().unwrap() > 50, "{counts}");
}

/// Redis loses connections, everything it has, time, and its life; and another release fills it
/// with pages of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn a_redis_that_fails_makes_nothing_stale() {
    let shop = Arc::new(Shop::of(3).await);
    let other_release =
        RedisShared::begin(shop.redis.target(), Prefix::given(shop.prefix()), FORMAT + 1, PATIENT);
    let pause = || tokio::time::sleep(Shop::lasts() / 8);
    let tally = shop
        .race(BOUND_OF_ALL, async {
            for _ in 0..2 {
                leave_foreign_pages(&other_release).await;
                pause().await;
                shop.redis.command(&["CLIENT", "KILL", "TYPE", "normal"]);
                shop.redis.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
                pause().await;
                shop.redis.command(&["FLUSHALL"]);
                pause().await;
                shop.redis.pause();
                tokio::time::sleep(Duration::from_millis(1_500)).await;
                shop.redis.resume();
                pause().await;
            }
        })
        .await;
    tally.check("a Redis that fails");
    // Whoever is left is asked once more when everything has healed.
    for instance in &shop.instances {
        let counts = counted(&shop.client, &instance.url, &shop.token).await;
        println!("{}: {counts}", instance.url);
    }
    audit_finds_nothing(&shop).await;
}

async fn leave_foreign_pages(release: &RedisShared) {
    for path in [PAGE, "/products/RACE-0", "/products/RACE-1"] {
        let place = Question::at_path(path).unwrap().place().unwrap();
        let stamp = Stamp::of(Tag { row: Row(1), version: i64::MAX / 2 });
        let bytes = format!("{}of another format", stamp.as_str()).into();
        let page = Page { stamp, bytes };
        // Its connection may have been killed like the others.
        while release.fill(&place, &page, Duration::from_mins(10), None).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn a_redis_that_is_killed_is_done_without_and_found_again() {
    let mut shop = Shop::of(2).await;
    for _ in 0..2 {
        shop.redis.kill();
        let running = Arc::new(shop);
        let tally = running.race(BOUND_OF_ALL, tokio::time::sleep(Shop::lasts())).await;
        tally.check("without Redis");
        shop = Arc::into_inner(running).expect("every actor has ended");
        shop.redis.restart();
        let running = Arc::new(shop);
        let tally = running.race(BOUND_OF_ALL, tokio::time::sleep(Shop::lasts())).await;
        tally.check("with Redis again");
        shop = Arc::into_inner(running).expect("every actor has ended");
        shop.until_everything_is_published().await;
    }
}

/// The wire to Redis is held, so what the write has committed is never published; then the
/// process is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn a_writer_that_dies_before_it_publishes_is_heard_from_the_database() {
    let mut shop = Shop::of(2).await;
    let wire = FaultProxy::before(([127, 0, 0, 1], shop.redis.port).into()).await;
    let mut writer = serve(&shop.folder, &format!("redis://127.0.0.1:{}", wire.port));
    let mut unpublished = 0;
    for price in 1..=10_u64 {
        if unpublished == 3 {
            break;
        }
        // Both keep the page now, and the writer is connected.
        for instance in &shop.instances {
            let asked = shop.client.get(format!("{}{PAGE}", instance.url)).send().await;
            assert_eq!(asked.unwrap().status(), 200);
        }
        let before = shop.stored_version(1);
        wire.hold();
        let (client, url, token) = (shop.client.clone(), writer.url.clone(), shop.token.clone());
        let writing = tokio::spawn(async move {
            let body = serde_json::json!({"title": "A lamp", "category_id": 1, "price": price});
            let request = client.put(format!("{url}/products/RACE-0")).json(&body);
            // Its end is the other's.
            let _ = request.header("authorization", token).send().await;
        });
        let began = Instant::now();
        while shop.stored_version(1) == before {
            assert!(began.elapsed() < Duration::from_secs(5), "nothing is committed");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let committed = Instant::now();
        writer.kill();
        writing.abort();
        // Unless somebody asks the database just then.
        unpublished += u64::from(shop.published_version(1) <= before);
        for at in 0..shop.instances.len() {
            while price_at(&shop, at).await < price {
                assert!(committed.elapsed() < BOUND_OF_ALL, "{at} does not hear of it");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        println!("unpublished {price}: seen by all after {:?}", committed.elapsed());
        // The one that heard it from the database has told the others.
        shop.until_everything_is_published().await;
        writer = serve(&shop.folder, &format!("redis://127.0.0.1:{}", wire.port));
        wire.release();
    }
    assert_eq!(unpublished, 3, "it was published after all, again and again");
    shop.instances.push(writer);
    audit_finds_nothing(&shop).await;
}

async fn price_at(shop: &Shop, at: usize) -> u64 {
    let asked = shop.client.get(format!("{}{PAGE}", shop.instances[at].url)).send().await;
    let all: Vec<Value> = asked.unwrap().json().await.unwrap();
    price_of(all.iter().find(|product| product["asin"] == "RACE-0").unwrap())
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

/// Its hashes are right, so it is believed until somebody wants it plain.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn a_page_that_cannot_be_unpacked_is_loaded_anew() {
    let shop = Shop::of(2).await;
    let [here, there] = [&shop.instances[0].url, &shop.instances[1].url];
    for writer in 10..20 {
        assert_eq!(put(&shop.client, here, &shop.token, writer, 0).await, 201);
    }
    let get = async |url: &str| {
        let page = shop.client.get(format!("{url}{PAGE}")).send().await.unwrap();
        assert_eq!(page.status(), StatusCode::OK);
        page.bytes().await.unwrap()
    };
    let plain = get(here).await;
    let shared =
        RedisShared::begin(shop.redis.target(), Prefix::given(shop.prefix()), FORMAT, PATIENT);
    let place = Question::at_path(PAGE).unwrap().place().unwrap();
    let kept = loop {
        match shared.get(&place).await.unwrap() {
            Some(kept) => break kept,
            None => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    let stamp = Stamp::read(&kept.bytes).unwrap();
    let page = Page { stamp, bytes: with_body(&kept.bytes, b"nonsense").into() };
    shared.remove(&place).await.unwrap();
    shared.fill(&place, &page, Duration::from_mins(10), None).await.unwrap();
    assert_eq!(get(there).await, plain);
    let counts = counted(&shop.client, there, &shop.token).await;
    assert_eq!((&counts["shared_hits"], &counts["shared_unreadable"]), (&1.into(), &1.into()));
    audit_finds_nothing(&shop).await;
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

/// Killed while it serves, and started again: nobody is shown anything old by whoever is left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn a_process_that_comes_late_knows_what_was_written_before() {
    let mut shop = Shop::of(2).await;
    for _ in 0..3 {
        let running = Arc::new(shop);
        let tally = running.race(BOUND, tokio::time::sleep(Duration::from_secs(1))).await;
        tally.check("before a process dies");
        shop = Arc::into_inner(running).expect("every actor has ended");
        shop.instances.swap_remove(0).kill();
        shop.instances.push(serve(&shop.folder, &shop.redis.url()));
        shop.nobody_is_left();
    }
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
        undisturbed += u32::from(alone == 0);
    }
    assert!(undisturbed > 0, "Redis answered nobody in time");
}

/// Loads of all instances.
struct Loads {
    all: u64,
    /// So many of them may be of instances that Redis did not answer in time, which wait for
    /// nobody: a busy machine has such.
    alone: u64,
}

impl Loads {
    async fn of(shop: &Shop) -> Self {
        let mut loads = Self { all: 0, alone: 0 };
        for instance in &shop.instances {
            let counts = loop {
                let told = told_of_itself(&shop.client, &instance.url, &shop.token).await;
                // While Redis is left alone an instance loads by itself, and counts no failure.
                if told["breakers"]["shared_cache"] == "closed" {
                    break told["counts"]["cache"].clone();
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            };
            let count = |name: &str| counts[name].as_u64().unwrap();
            loads.all += count("loads");
            loads.alone += count("shared_failures") + count("lease_waits_given_up");
        }
        loads
    }
}
