//! Several real processes on one database and one real Redis: what one of them was answered the
//! others show in time, whatever happens to any of them.

use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
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

use crate::support::TestFolder;
use crate::support::fault_proxy::FaultProxy;
use crate::support::process::{Serving, handler};
use crate::support::redis::{PATIENT, RedisServer};
use crate::support::shop::{BOSS, administrator, counted, put};

const WRITERS: usize = 4;
const READERS: usize = 16;
/// CONTRACT 6.1, while all parts can be reached: `CACHE_STALENESS_MS`.
const BOUND: Duration = Duration::from_secs(1);
/// Whatever happens.
const BOUND_OF_ALL: Duration = Duration::from_secs(5);
/// How long a race lasts, unless `TEST_RACE_SECONDS` says otherwise.
const RACE: u64 = 5;
const PAGE: &str = "/products?category_id=1&limit=1000";

/// A write that was answered.
struct Answered {
    price: u64,
    by: usize,
    at: Instant,
}

/// A process, and where it is asked.
struct Instance {
    url: String,
    serving: Mutex<Serving>,
}

impl Instance {
    fn kill(&self) {
        let mut serving = self.serving.lock().unwrap();
        serving.child.kill().unwrap();
        serving.child.wait().unwrap();
    }
}

/// The processes, and what they were heard to answer.
struct Shop {
    folder: TestFolder,
    redis: RedisServer,
    instances: Vec<Instance>,
    client: Client,
    token: String,
    /// Of so many instances writes are asked for.
    written_to: usize,
    answered: [Mutex<Vec<Answered>>; WRITERS],
    begun: [AtomicU64; WRITERS],
}

fn serve(folder: &TestFolder, redis: &str) -> Instance {
    serve_with(folder, redis, |_| {})
}

fn serve_with(folder: &TestFolder, redis: &str, change: impl FnOnce(&mut Command)) -> Instance {
    let mut command = handler(folder.data.path());
    command.env("ADMIN_EMAILS", BOSS).env("REDIS_CONNECTION_STRING", redis);
    change(&mut command);
    let serving = Serving::start_by(&mut command);
    Instance { url: serving.url.clone(), serving: Mutex::new(serving) }
}

impl Shop {
    async fn of(instances: usize) -> Self {
        Self::of_those(instances, serve).await
    }

    async fn of_those(instances: usize, serve: impl Fn(&TestFolder, &str) -> Instance) -> Self {
        let (folder, redis) = (TestFolder::new(), RedisServer::start());
        let instances: Vec<_> = (0..instances).map(|_| serve(&folder, &redis.url())).collect();
        let client = Client::new();
        let token = administrator(&client, &instances[0].url).await;
        let shop = Self {
            folder,
            redis,
            written_to: instances.len(),
            instances,
            client,
            token,
            answered: Default::default(),
            begun: Default::default(),
        };
        for writer in 0..WRITERS {
            assert_eq!(
                put(&shop.client, &shop.instances[0].url, &shop.token, writer, 0).await,
                201
            );
        }
        shop
    }

    fn lasts() -> Duration {
        let seconds = std::env::var("TEST_RACE_SECONDS").ok().map(|text| text.parse().unwrap());
        Duration::from_secs(seconds.unwrap_or(RACE))
    }

    fn some_instance(&self, of: usize) -> (usize, String) {
        let at = fastrand::usize(..of);
        (at, self.instances[at].url.clone())
    }

    /// The least price of a writer's product that somebody may be shown who asks now.
    fn least(&self, writer: usize, at: usize, bound: Duration) -> u64 {
        let now = Instant::now();
        let answered = self.answered[writer].lock().unwrap();
        let must_be_seen = |write: &&Answered| write.by == at || now - write.at > bound;
        answered.iter().filter(must_be_seen).map(|write| write.price).max().unwrap_or(0)
    }

    async fn write(&self, writer: usize) {
        let (at, url) = self.some_instance(self.written_to);
        let price = self.begun[writer].fetch_add(1, Ordering::SeqCst) + 1;
        assert_eq!(put(&self.client, &url, &self.token, writer, price).await, 200);
        let answered = Answered { price, by: at, at: Instant::now() };
        self.answered[writer].lock().unwrap().push(answered);
    }

    /// Reads the page or one product somewhere; an error is what should not have been shown.
    async fn read(&self, bound: Duration) -> Result<(), String> {
        let (at, url) = self.some_instance(self.instances.len());
        let least: Vec<_> = (0..WRITERS).map(|writer| self.least(writer, at, bound)).collect();
        let one = fastrand::usize(..WRITERS);
        let path = if fastrand::bool() { PAGE.to_owned() } else { format!("/products/RACE-{one}") };
        let response = self.client.get(format!("{url}{path}")).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let status = response.headers()["cache-status"].to_str().unwrap().to_owned();
        let found: Value = response.json().await.unwrap();
        let all = if found.is_array() { found.as_array().unwrap().clone() } else { vec![found] };
        for product in &all {
            let asin = product["asin"].as_str().unwrap();
            assert_eq!(product["category_id"], 1, "{asin} is of another page");
            let Some(writer) = asin.strip_prefix("RACE-") else { continue };
            let writer: usize = writer.parse().unwrap();
            let price = price_of(product);
            assert!(price <= self.begun[writer].load(Ordering::SeqCst), "nobody wrote {price}");
            if price < least[writer] {
                let least = least[writer];
                return Err(format!("{path} of {at} shows {price} after {least}, {status}"));
            }
        }
        Ok(())
    }

    /// Readers and writers until something ends.
    async fn race(self: &Arc<Self>, bound: Duration, while_it: impl Future<Output = ()>) -> Tally {
        let tally = Arc::new(Tally::default());
        let mut actors = JoinSet::new();
        for writer in 0..WRITERS {
            let (shop, tally) = (Arc::clone(self), Arc::clone(&tally));
            actors.spawn(async move {
                loop {
                    shop.write(writer).await;
                    tally.writes.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(fastrand::u64(1..60))).await;
                }
            });
        }
        for _ in 0..READERS {
            let (shop, tally) = (Arc::clone(self), Arc::clone(&tally));
            actors.spawn(async move {
                loop {
                    if let Err(stale) = shop.read(bound).await {
                        tally.stale.lock().unwrap().push(stale);
                    }
                    tally.reads.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        tokio::select! {
            () = while_it => {}
            Some(ended) = actors.join_next() => ended.unwrap(),
        }
        actors.shutdown().await;
        Arc::into_inner(tally).expect("every actor has ended")
    }

    fn prefix(&self) -> String {
        let db = Connection::open(self.folder.data.database()).unwrap();
        let id = "SELECT value FROM meta WHERE name = 'database_id'";
        db.query_row(id, [], |row| row.get(0)).unwrap()
    }

    fn stored_version(&self, row: i64) -> i64 {
        let db = Connection::open(self.folder.data.database()).unwrap();
        let version = "SELECT version FROM category_version WHERE category_id = ?1";
        db.query_row(version, [row], |row| row.get(0)).unwrap()
    }

    fn published_version(&self, row: i64) -> i64 {
        let key = format!("{}:{{versions}}", self.prefix());
        self.redis.text(&["HGET", &key, &row.to_string()]).parse().unwrap()
    }
}

#[derive(Default)]
struct Tally {
    reads: AtomicU64,
    writes: AtomicU64,
    stale: Mutex<Vec<String>>,
}

impl Tally {
    fn check(self, what: &str) {
        let (reads, writes) = (self.reads.into_inner(), self.writes.into_inner());
        let stale = self.stale.into_inner().unwrap();
        println!("{what}: {reads} reads, {writes} writes, {} stale", stale.len());
        assert_eq!(stale.first(), None, "{what}");
        assert!(reads > 200 && writes > 20, "{what}: {reads} reads, {writes} writes");
    }
}

fn price_of(product: &Value) -> u64 {
    // Whole numbers far below 2^52.
    #[expect(clippy::cast_sign_loss, reason = "prices are not negative")]
    let price = product["price"].as_f64().unwrap() as u64;
    price
}

async fn audit_finds_nothing(shop: &Shop) {
    let mut audit = handler(shop.folder.data.path());
    audit.arg("audit").env("REDIS_CONNECTION_STRING", shop.redis.url());
    let audit = tokio::task::spawn_blocking(move || audit.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&audit.stdout).into_owned();
    println!("handler audit: {}", said.trim());
    assert!(audit.status.success() && said.contains("stale=0"), "{said}");
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

async fn fair_weather(instances: usize) {
    let shop = Arc::new(Shop::of(instances).await);
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
}

/// The race can be lost: by processes that tell each other nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn processes_that_share_nothing_are_found_stale() {
    let apart = |folder: &TestFolder, redis: &str| {
        let prefix = format!("apart-{}", fastrand::u32(..));
        serve_with(folder, redis, |command| {
            command.env("CACHE_PREFIX", prefix);
        })
    };
    let mut shop = Shop::of_those(2, apart).await;
    // A write reads the whole table of versions, so whoever writes knows.
    shop.written_to = 1;
    let shop = Arc::new(shop);
    let tally = shop.race(BOUND, tokio::time::sleep(Shop::lasts())).await;
    let stale = tally.stale.into_inner().unwrap();
    println!("of {} reads {} were stale", tally.reads.into_inner(), stale.len());
    assert!(!stale.is_empty());
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
        assert_eq!(shop.published_version(1), shop.stored_version(1));
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
    for price in 1..=3_u64 {
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
        assert!(shop.published_version(1) <= before, "it was published after all");
        for at in 0..shop.instances.len() {
            while price_at(&shop, at).await < price {
                assert!(committed.elapsed() < BOUND_OF_ALL, "{at} does not hear of it");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        println!("unpublished {price}: seen by all after {:?}", committed.elapsed());
        // The one that heard it from the database has told the others.
        assert_eq!(shop.published_version(1), shop.stored_version(1));
        writer = serve(&shop.folder, &format!("redis://127.0.0.1:{}", wire.port));
        wire.release();
    }
    shop.instances.push(writer);
    audit_finds_nothing(&shop).await;
}

async fn price_at(shop: &Shop, at: usize) -> u64 {
    let asked = shop.client.get(format!("{}{PAGE}", shop.instances[at].url)).send().await;
    let all: Vec<Value> = asked.unwrap().json().await.unwrap();
    price_of(all.iter().find(|product| product["asin"] == "RACE-0").unwrap())
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
        for writes in &shop.answered {
            // By nobody who is left: all have to show them in time.
            writes.lock().unwrap().iter_mut().for_each(|write| write.by = usize::MAX);
        }
    }
}

/// CONTRACT 6.3: however many ask, on however many instances.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn two_hundred_misses_over_four_processes_are_one_query() {
    let shop = Shop::of(4).await;
    for limit in 11..16 {
        let before = loads(&shop).await;
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
        assert_eq!(loads(&shop).await - before, 1, "limit {limit}");
    }
}

async fn loads(shop: &Shop) -> u64 {
    let mut loads = 0;
    for instance in &shop.instances {
        let counts = counted(&shop.client, &instance.url, &shop.token).await;
        loads += counts["loads"].as_u64().unwrap();
    }
    loads
}
