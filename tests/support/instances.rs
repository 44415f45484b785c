//! Several real processes on one database and one real Redis, with readers and writers who hold
//! them to what they were answered.

use std::collections::HashMap;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};
use rusqlite::Connection;
use serde_json::Value;
use tokio::task::JoinSet;
use vitrine::cache::redis::RedisShared;
use vitrine::cache::shared::{Kept, Shared as _};
use vitrine::question::Question;

use super::process::{Serving, handler};
use super::redis::RedisServer;
use super::shop::{BOSS, administrator, put, told_of_itself};
use super::{TestFolder, say};

const WRITERS: usize = 4;
const READERS: usize = 16;
/// CONTRACT 6.1, while all parts can be reached: `CACHE_STALENESS_MS`.
pub const BOUND: Duration = Duration::from_secs(1);
/// Whatever happens.
pub const BOUND_OF_ALL: Duration = Duration::from_secs(5);
/// How long a race lasts, unless `TEST_RACE_SECONDS` says otherwise.
const RACE: u64 = 5;
pub const PAGE: &str = "/products?category_id=1&limit=1000";

/// A write that was answered.
struct Answered {
    price: u64,
    by: usize,
    at: Instant,
}

/// A process, and where it is asked.
pub struct Instance {
    pub url: String,
    serving: Mutex<Serving>,
}

impl Instance {
    pub fn kill(&self) {
        let mut serving = self.serving.lock().unwrap();
        serving.child.kill().unwrap();
        serving.child.wait().unwrap();
    }
}

/// Waits until a process that has just been started asks the shared cache and is answered, if it
/// has one: it leaves one alone for a while that was late three times.
pub async fn until_it_has_redis(client: &Client, url: &str, token: &str) {
    let began = Instant::now();
    loop {
        // It asks for versions when somebody asks it; a search is shared with nobody.
        client.get(format!("{url}/products?q=lamp")).send().await.unwrap();
        let told = told_of_itself(client, url, token).await;
        let (breakers, counts) = (&told["breakers"], &told["counts"]["cache"]);
        let is_there = match breakers["shared_cache"].as_str() {
            Some(state) => state == "closed" && counts["reconciliations"] != 0,
            None => breakers.is_object(),
        };
        if is_there {
            return;
        }
        assert!(began.elapsed() < 4 * BOUND_OF_ALL, "{url}: {told}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The processes, and what they were heard to answer.
pub struct Shop {
    pub folder: TestFolder,
    pub redis: RedisServer,
    pub instances: Vec<Instance>,
    pub client: Client,
    pub token: String,
    /// Of so many instances writes are asked for.
    pub written_to: usize,
    /// What the processes are told besides.
    pub environment: HashMap<String, String>,
    answered: [Mutex<Vec<Answered>>; WRITERS],
    begun: [AtomicU64; WRITERS],
}

pub fn serve(folder: &TestFolder, redis: &str) -> Instance {
    serve_with(folder, redis, |_| {})
}

pub fn serve_with(folder: &TestFolder, redis: &str, change: impl FnOnce(&mut Command)) -> Instance {
    let mut command = handler(folder.data.path());
    command.env("ADMIN_EMAILS", BOSS).env("REDIS_CONNECTION_STRING", redis);
    change(&mut command);
    let serving = Serving::start_by(&mut command);
    Instance { url: serving.url.clone(), serving: Mutex::new(serving) }
}

impl Shop {
    pub async fn of(instances: usize) -> Self {
        Self::of_those(HashMap::new(), instances, serve).await
    }

    /// Of processes whose rows are where these variables say.
    pub async fn on(environment: HashMap<String, String>, instances: usize) -> Self {
        let serve = |folder: &TestFolder, redis: &str| {
            serve_with(folder, redis, |command| {
                command.envs(&environment);
            })
        };
        Self::of_those(environment.clone(), instances, serve).await
    }

    pub async fn of_those(
        environment: HashMap<String, String>,
        instances: usize,
        serve: impl Fn(&TestFolder, &str) -> Instance,
    ) -> Self {
        let (folder, redis) = (TestFolder::new(), RedisServer::start());
        let instances: Vec<_> = (0..instances).map(|_| serve(&folder, &redis.url())).collect();
        let client = Client::new();
        let token = administrator(&client, &instances[0].url).await;
        let shop = Self {
            folder,
            redis,
            written_to: instances.len(),
            environment,
            instances,
            client,
            token,
            answered: Default::default(),
            begun: Default::default(),
        };
        // Somebody else imports the categories that are written to.
        let file = shop.folder.file("categories.csv", "id,category_name\n1,Lamps\n2,Chairs\n");
        let mut import = handler(shop.folder.data.path());
        import.arg("import").arg(file).env("REDIS_CONNECTION_STRING", shop.redis.url());
        let imported = import.envs(&shop.environment).output().unwrap();
        assert!(imported.status.success(), "{imported:?}");
        for writer in 0..WRITERS {
            assert_eq!(
                put(&shop.client, &shop.instances[0].url, &shop.token, writer, 0).await,
                201
            );
        }
        for instance in &shop.instances {
            until_it_has_redis(&shop.client, &instance.url, &shop.token).await;
        }
        shop
    }

    pub fn lasts() -> Duration {
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
    pub async fn race(
        self: &Arc<Self>,
        bound: Duration,
        while_it: impl Future<Output = ()>,
    ) -> Tally {
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
        let enough = async {
            while_it.await;
            // A busy machine takes longer to show anything.
            while !tally.is_enough() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            () = enough => {}
            Some(ended) = actors.join_next() => ended.unwrap(),
        }
        actors.shutdown().await;
        Arc::into_inner(tally).expect("every actor has ended")
    }

    /// Every write so far was by nobody who is left: all have to show it in time.
    pub fn nobody_is_left(&self) {
        for writes in &self.answered {
            writes.lock().unwrap().iter_mut().for_each(|write| write.by = usize::MAX);
        }
    }

    /// `handler audit` over what they share: its exit code, and what it says.
    pub async fn audit(&self) -> (bool, String) {
        let mut audit = handler(self.folder.data.path());
        audit.arg("audit").env("REDIS_CONNECTION_STRING", self.redis.url());
        audit.envs(&self.environment);
        let audit = tokio::task::spawn_blocking(move || audit.output().unwrap()).await.unwrap();
        let said = String::from_utf8_lossy(&audit.stdout).trim().to_owned();
        say(&format!("handler audit: {said}"));
        (audit.status.success(), said)
    }

    /// It looks at some pages, and none of them is stale.
    pub async fn audit_finds_nothing(&self) {
        let (is_success, said) = self.audit().await;
        assert!(is_success && said.contains("stale=0"), "{said}");
        assert!(!said.contains("pages=0 "), "{said}");
    }

    pub fn prefix(&self) -> String {
        let db = Connection::open(self.folder.data.database()).unwrap();
        let id = "SELECT value FROM meta WHERE name = 'database_id'";
        db.query_row(id, [], |row| row.get(0)).unwrap()
    }

    /// What was read from the database is published a moment later.
    pub async fn until_everything_is_published(&self) {
        let began = Instant::now();
        while self.published_version(1) < self.stored_version(1) {
            assert!(began.elapsed() < BOUND_OF_ALL, "what the database has is not published");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub fn stored_version(&self, row: i64) -> i64 {
        let db = Connection::open(self.folder.data.database()).unwrap();
        let version = "SELECT version FROM category_version WHERE category_id = ?1";
        db.query_row(version, [row], |row| row.get(0)).unwrap()
    }

    pub fn published_version(&self, row: i64) -> i64 {
        let key = format!("{}:{{versions}}", self.prefix());
        self.redis.text(&["HGET", &key, &row.to_string()]).parse().unwrap()
    }
}

/// Nobody who asks waits until his page is shared.
pub async fn until_shared(shared: &RedisShared, path: &str) -> Kept {
    let place = Question::at_path(path).unwrap().place().unwrap();
    let began = Instant::now();
    loop {
        if let Some(kept) = shared.get(&place).await.unwrap() {
            return kept;
        }
        assert!(began.elapsed() < BOUND_OF_ALL, "{path} is not shared");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[derive(Default)]
pub struct Tally {
    pub reads: AtomicU64,
    writes: AtomicU64,
    pub stale: Mutex<Vec<String>>,
}

impl Tally {
    fn is_enough(&self) -> bool {
        self.reads.load(Ordering::Relaxed) > 200 && self.writes.load(Ordering::Relaxed) > 20
    }

    pub fn check(self, what: &str) {
        let (reads, writes) = (self.reads.into_inner(), self.writes.into_inner());
        let stale = self.stale.into_inner().unwrap();
        say(&format!("{what}: {reads} reads, {writes} writes, {} stale", stale.len()));
        assert_eq!(stale.first(), None, "{what}");
    }
}

pub fn price_of(product: &Value) -> u64 {
    // Whole numbers far below 2^52.
    #[expect(clippy::cast_sign_loss, reason = "prices are not negative")]
    let price = product["price"].as_f64().unwrap() as u64;
    price
}
