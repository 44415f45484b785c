//! The cache itself, whole, through random interleavings: readers and writers of two
//! instances on one database whose every step takes a random while. Time is the runtime's own
//! and stands still while anybody has something to do, so a run is as fast as the processor
//! and the same each time.
//!
//! What is promised: whoever asks an instance after it has answered a write sees the write;
//! whoever asks another one sees it once the bound has passed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use fastrand::Rng;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use vitrine::cache::answer::Answer;
use vitrine::cache::encoding::Encoding;
use vitrine::cache::versions::{Known, Row, Tag, Versions};
use vitrine::cache::{Cache, Limits, Origin, Outcome};
use vitrine::catalog::{Asin, PageQuery};
use vitrine::question::Question;
use vitrine::store::StoreError;

const BOUND: Duration = Duration::from_secs(1);
const CATEGORIES: i64 = 3;
const READERS: usize = 6;
const WRITERS: usize = 2;
const ROUNDS: usize = 40;

/// In which order a load reads the two things that it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    VersionFirst,
    /// Broken: what is read may be older than its tag.
    RowsFirst,
}

/// One row a category, whose value is the number of the write that it is by.
struct Database {
    rows: Mutex<(Versions, HashMap<i64, u64>)>,
    order: Order,
    /// One answer in so many is lost on the way.
    loses: u32,
    rng: Mutex<Rng>,
}

impl Database {
    fn new(order: Order, loses: u32, seed: u64) -> Arc<Self> {
        let versions = (0..=CATEGORIES).map(|row| (Row(row), 1)).collect();
        let values = (1..=CATEGORIES).map(|category| (category, 0)).collect();
        let (rows, rng) = (Mutex::new((versions, values)), Mutex::new(Rng::with_seed(seed)));
        Arc::new(Self { rows, order, loses, rng })
    }

    fn write(&self, category: i64, number: u64) -> Versions {
        let (versions, values) = &mut *self.rows.lock().unwrap();
        values.insert(category, number);
        for row in [Row(category), Row::CATALOGUE] {
            *versions.get_mut(&row).unwrap() += 1;
        }
        versions.clone()
    }

    fn version(&self, row: Row) -> i64 {
        self.rows.lock().unwrap().0[&row]
    }

    fn value(&self, category: i64) -> u64 {
        self.rows.lock().unwrap().1[&category]
    }

    /// Some time passes, and what was asked for may get lost in it.
    async fn pass(&self) -> Result<(), StoreError> {
        let (ms, is_lost) = {
            let mut rng = self.rng.lock().unwrap();
            (rng.u64(0..250), rng.u32(0..self.loses) == 0)
        };
        sleep(Duration::from_millis(ms)).await;
        if is_lost { Err(StoreError::Unreachable("lost".into())) } else { Ok(()) }
    }
}

fn category_of(question: &Question) -> i64 {
    match question {
        Question::Page(query) => query.category.unwrap().get().into(),
        Question::Product(asin) => asin.as_str().parse().unwrap(),
        _ => unreachable!("not asked"),
    }
}

#[async_trait]
impl Origin for Database {
    async fn versions(&self) -> Result<Arc<Versions>, StoreError> {
        self.pass().await?;
        let versions = self.rows.lock().unwrap().0.clone();
        self.pass().await?;
        Ok(Arc::new(versions))
    }

    async fn raise(&self, _: &Versions) -> Result<Arc<Versions>, StoreError> {
        unreachable!("this database is never restored")
    }

    async fn load(&self, question: &Question, known: &Known) -> Result<Answer, StoreError> {
        let category = category_of(question);
        let row = Row(category);
        self.pass().await?;
        let (version, value) = match (question, self.order) {
            // Its category is in the row, so nothing can be read before it (DESIGN 4.7).
            (Question::Product(_), Order::VersionFirst) => {
                (known.version(row), self.value(category))
            }
            (_, Order::VersionFirst) => {
                let version = self.version(row);
                self.pass().await?;
                (version, self.value(category))
            }
            (_, Order::RowsFirst) => {
                let value = self.value(category);
                self.pass().await?;
                (self.version(row), value)
            }
        };
        self.pass().await?;
        Ok(Answer::found(Tag { row, version }, value.to_string().into_bytes()))
    }
}

/// The writes that were answered: which, of what, where, when.
#[derive(Default)]
struct Answered(Mutex<Vec<(u64, i64, usize, Instant)>>);

impl Answered {
    /// The newest write that a reader must see who comes now.
    fn must_be_seen(&self, category: i64, instance: usize) -> u64 {
        let now = Instant::now();
        let all = self.0.lock().unwrap();
        let counts = |(_, c, i, at): &&(u64, i64, usize, Instant)| {
            *c == category && (*i == instance || *at + BOUND < now)
        };
        all.iter().filter(counts).map(|(number, ..)| *number).max().unwrap_or(0)
    }
}

struct World {
    database: Arc<Database>,
    caches: Vec<Arc<Cache>>,
    answered: Answered,
    /// Writes have numbers in the order in which they are committed.
    next: Mutex<u64>,
}

fn questions(category: i64) -> [Question; 2] {
    [
        Question::Page(PageQuery::parse(&format!("category_id={category}")).unwrap()),
        Question::Product(Asin::parse(&category.to_string()).unwrap()),
    ]
}

async fn reads(world: Arc<World>, instance: usize, mut rng: Rng) -> Result<usize, String> {
    let mut fresh = 0;
    for _ in 0..ROUNDS {
        sleep(Duration::from_millis(rng.u64(0..300))).await;
        let category = rng.i64(1..=CATEGORIES);
        let question = &questions(category)[rng.usize(0..2)];
        let least = world.answered.must_be_seen(category, instance);
        let cache = &world.caches[instance];
        let reply = match cache.at_hand(question) {
            Some(reply) => reply,
            // A client that hangs up may leave anything half done.
            None if rng.u8(0..10) == 0 => {
                let limit = Duration::from_millis(rng.u64(0..200));
                let _ = tokio::time::timeout(limit, cache.answer(question)).await;
                continue;
            }
            None => match cache.answer(question).await {
                Ok(reply) => reply,
                Err(e) if e.is_away() => continue,
                Err(e) => return Err(e.to_string()),
            },
        };
        if matches!(reply.outcome, Outcome::Stale(_)) {
            continue;
        }
        let body = reply.answer.body(Encoding::Identity).await;
        let seen: u64 = std::str::from_utf8(&body).unwrap().parse().unwrap();
        if seen < least {
            return Err(format!("{question:?} at {instance}: {seen} after {least} was answered"));
        }
        fresh += 1;
    }
    Ok(fresh)
}

async fn writes(world: Arc<World>, instance: usize, mut rng: Rng) -> Result<usize, String> {
    for _ in 0..ROUNDS / 2 {
        sleep(Duration::from_millis(rng.u64(0..600))).await;
        let category = rng.i64(1..=CATEGORIES);
        let (number, versions) = {
            let mut next = world.next.lock().unwrap();
            *next += 1;
            (*next, world.database.write(category, *next))
        };
        sleep(Duration::from_millis(rng.u64(0..400))).await;
        world.caches[instance].publish(&versions);
        let answered = (number, category, instance, Instant::now());
        world.answered.0.lock().unwrap().push(answered);
    }
    Ok(0)
}

async fn polls(world: Arc<World>, instance: usize) {
    loop {
        sleep(BOUND / 4).await;
        world.caches[instance].poll().await;
    }
}

/// How many reads were fresh; an error is one that was not.
fn run(order: Order, seed: u64) -> Result<usize, String> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut rng = Rng::with_seed(seed);
        let instances = rng.usize(1..=2);
        // In some worlds nothing gets lost, in some the answers have hardly any room.
        let loses = if rng.bool() { u32::MAX } else { 40 };
        let bytes = if rng.bool() { 64 << 20 } else { 5_000 };
        let database = Database::new(order, loses, rng.u64(..));
        let limits = Limits { ttl: Duration::from_mins(30), staleness: BOUND, bytes };
        let cache = |_| Arc::new(Cache::new(Arc::<Database>::clone(&database), limits));
        let caches = (0..instances).map(cache).collect();
        let next = Mutex::default();
        let world = Arc::new(World { database, caches, answered: Answered::default(), next });
        let mut actors = JoinSet::new();
        let mut pollers = JoinSet::new();
        for instance in 0..instances {
            for _ in 0..READERS {
                actors.spawn(reads(Arc::clone(&world), instance, rng.fork()));
            }
            for _ in 0..WRITERS {
                actors.spawn(writes(Arc::clone(&world), instance, rng.fork()));
            }
            if rng.bool() {
                pollers.spawn(polls(Arc::clone(&world), instance));
            }
        }
        let mut fresh = 0;
        while let Some(done) = actors.join_next().await {
            fresh += done.unwrap()?;
        }
        Ok(fresh)
    })
}

#[test]
fn no_answered_write_stays_unseen() {
    let mut fresh = 0;
    for seed in 0..300 {
        fresh += run(Order::VersionFirst, seed).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
    }
    assert!(fresh > 50_000, "only {fresh} reads were fresh");
}

#[test]
fn rows_read_before_their_version_are_caught() {
    assert!((0..300).any(|seed| run(Order::RowsFirst, seed).is_err()));
}
