//! Redis, the wire to it and processes die and come back, while others read and write: nobody is
//! shown what is older than is promised.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use vitrine::cache::page::FORMAT;
use vitrine::cache::redis::{Prefix, RedisShared};
use vitrine::cache::shared::{Page, Shared as _, Stamp};
use vitrine::cache::versions::{Row, Tag};
use vitrine::question::Question;

use crate::sqlserver_faults::{numbers, page};
use crate::support::fault_proxy::FaultProxy;
use crate::support::instances::{
    BOUND, BOUND_OF_ALL, Instance, PAGE, Shop, price_of, serve, serve_with, until_it_has_redis,
    until_shared,
};
use crate::support::process::header;
use crate::support::redis::{PATIENT, RedisServer};
use crate::support::shop::counted;
use crate::support::tds::{Answer, Responder};
use crate::support::{TestFolder, say};

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
        say(&format!("{}: {counts}", instance.url));
    }
    shop.audit_finds_nothing().await;
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

/// It comes back with nothing of what it had.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn a_redis_that_is_killed_is_done_without_and_found_again() {
    let shop = Arc::new(Shop::of(2).await);
    let pause = || tokio::time::sleep(Shop::lasts() / 2);
    let tally = shop
        .race(BOUND_OF_ALL, async {
            for _ in 0..3 {
                pause().await;
                shop.redis.kill();
                pause().await;
                shop.redis.restart();
            }
            pause().await;
        })
        .await;
    tally.check("a Redis that is killed");
    shop.until_everything_is_published().await;
    shop.audit_finds_nothing().await;
}

/// Nobody else writes, so what was committed is published by whoever finds it in the database.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn a_writer_that_dies_before_it_publishes_is_heard_from_the_database() {
    let shop = Shop::of(2).await;
    let mut unpublished = 0;
    for price in 1..=10 {
        unpublished += u64::from(a_writer_dies(&shop, price).await);
        // The one that heard it from the database has told the others.
        shop.until_everything_is_published().await;
        if unpublished == 3 {
            return shop.audit_finds_nothing().await;
        }
    }
    panic!("it was published after all, again and again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn writers_that_die_before_they_publish_make_nothing_stale() {
    let shop = Arc::new(Shop::of(2).await);
    let tally = shop
        .race(BOUND_OF_ALL, async {
            for price in 1..=5 {
                a_writer_dies(&shop, price).await;
            }
        })
        .await;
    tally.check("writers that die");
    shop.audit_finds_nothing().await;
}

/// The wire to Redis is held, so what the write has committed is never published; then the
/// process is killed, and the others show it in time. Whether nobody has published it meanwhile:
/// somebody may ask the database just then.
async fn a_writer_dies(shop: &Shop, price: u64) -> bool {
    const CATEGORY: i64 = 2;
    let wire = FaultProxy::before(([127, 0, 0, 1], shop.redis.port).into()).await;
    let writer = serve(&shop.folder, &format!("redis://127.0.0.1:{}", wire.port));
    let put_chair = async |url: &str, price: u64| {
        let product = json!({"title": "A chair", "category_id": CATEGORY, "price": price});
        let request = shop.client.put(format!("{url}/products/LOST-1")).json(&product);
        request.header("authorization", &shop.token).send().await
    };
    let first = &shop.instances[0].url;
    assert!(put_chair(first, price - 1).await.unwrap().status().is_success());
    until_it_has_redis(&shop.client, &writer.url, &shop.token).await;
    // All keep the page now.
    for url in [first, &shop.instances[1].url, &writer.url] {
        price_at(shop, url).await;
    }
    let before = shop.stored_version(CATEGORY);
    wire.hold();
    let committed = async {
        let began = Instant::now();
        while shop.stored_version(CATEGORY) == before {
            assert!(began.elapsed() < Duration::from_secs(5), "nothing is committed");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Instant::now()
    };
    let committed = tokio::select! {
        committed = committed => committed,
        answered = put_chair(&writer.url, price) => panic!("nothing was held: {answered:?}"),
    };
    writer.kill();
    let is_unpublished = shop.published_version(CATEGORY) <= before;
    for instance in &shop.instances {
        while price_at(shop, &instance.url).await < price {
            let url = &instance.url;
            assert!(committed.elapsed() < BOUND_OF_ALL, "{url} does not hear of it");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    say(&format!("unpublished {price}: seen by all after {:?}", committed.elapsed()));
    is_unpublished
}

async fn price_at(shop: &Shop, url: &str) -> u64 {
    let page = shop.client.get(format!("{url}/products?category_id=2")).send().await.unwrap();
    let all: Vec<Value> = page.json().await.unwrap();
    price_of(all.iter().find(|product| product["asin"] == "LOST-1").unwrap())
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

/// Pages go on being served while the database is away, and say how old they may be: those that a
/// process keeps, and those that only Redis has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn older_pages_are_marked_while_the_database_is_away() {
    let (folder, redis, responder) =
        (TestFolder::new(), RedisServer::start(), Responder::start().await);
    let here = |name: &str, answer: Answer| responder.answer(name, [answer]);
    here("store.page", Answer::Results(page()));
    here("versions.all", Answer::Results(vec![vec![numbers(&[0, 7])]]));
    let serve = || {
        serve_with(&folder, &redis.url(), |command| {
            command
                .env("SQL_SERVER", format!("127.0.0.1,{}", responder.port))
                .env("SQL_DATABASE", "shop")
                .env("SQL_USERNAME", "ann")
                .env("SQL_PASSWORD", "hunter2-hunter2")
                .env("SQL_ENCRYPT", "false")
                .env("CACHE_PREFIX", "away");
        })
    };
    let (keeps, asks_redis) = (serve(), serve());
    let client = Client::new();
    let status = async |instance: &Instance| {
        let page = client.get(format!("{}/products", instance.url)).send().await.unwrap();
        assert_eq!(page.status(), StatusCode::OK);
        header(&page, "cache-status").to_owned()
    };
    assert_eq!(status(&keeps).await, "vitrine; fwd=miss");
    let prefix = Prefix::given("away".to_owned());
    let shared = RedisShared::begin(redis.target(), prefix, FORMAT, PATIENT);
    until_shared(&shared, "/products").await;
    for name in ["store.page", "versions.all"] {
        here(name, Answer::Gone);
    }
    for instance in [&keeps, &asks_redis] {
        let began = Instant::now();
        // What was heard of the versions is good for a while.
        while !status(instance).await.starts_with("vitrine; hit; ttl=-") {
            assert!(began.elapsed() < BOUND_OF_ALL * 4, "{}", instance.url);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
