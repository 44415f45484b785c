//! The cache itself, whole, through random interleavings: readers and writers of two
//! instances on one database whose every step takes a random while. Time is the runtime's own
//! and stands still while anybody has something to do, so a run is as fast as the processor
//! and the same each time.
//!
//! What is promised: whoever asks an instance after it has answered a write sees the write;
//! whoever asks another one sees it once the bound has passed. In some worlds a backup is put
//! in place of the database: what was written since is soon seen by nobody.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use fastrand::Rng;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use vitrine::cache::answer::Answer;
use vitrine::cache::encoding::Encoding;
use vitrine::cache::versions::{Known, Row, Tag, Tags, Versions};
use vitrine::cache::{Cache, Limits, Origin, Outcome};
use vitrine::catalog::{Asin, PageQuery};
use vitrine::question::Question;
use vitrine::store::StoreError;

const BOUND: Duration = Duration::from_secs(1);
const CATEGORIES: i64 = 3;
const READERS: usize = 6;
const WRITERS: usize = 2;
const ROUNDS: usize = 40;
/// After which nothing is seen any more of what a restore has undone: an answer may be on its
/// way while it happens, and is found out by the next question.
const FORGOTTEN: Duration = Duration::from_secs(3);

/// What is wrong with the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    Nothing,
    /// Rows are read before their version: they may be older than their tag.
    RowsFirst,
    /// A search depends on its category alone.
    NoIndex,
    /// What was not there is said to depend on nothing.
    AbsentForEver,
    /// After a restore the versions are left as they are.
    NothingRaised,
}

/// A value for each category and one for the search index: the number of the write that it is
/// by. Of a product every fourth write is its removal.
struct Database {
    rows: Mutex<(Versions, HashMap<Row, u64>)>,
    began: Instant,
    flaw: Flaw,
    /// One answer in so many is lost on the way.
    loses: u32,
    rng: Mutex<Rng>,
}

fn is_removal(number: u64) -> bool {
    number > 0 && number.is_multiple_of(4)
}

impl Database {
    fn new(flaw: Flaw, loses: u32, seed: u64) -> Arc<Self> {
        let rows = || (Row::SEARCH.0..=CATEGORIES).map(Row);
        let rows = (rows().map(|row| (row, 1)).collect(), rows().map(|row| (row, 0)).collect());
        let (rows, rng) = (Mutex::new(rows), Mutex::new(Rng::with_seed(seed)));
        Arc::new(Self { rows, began: Instant::now(), flaw, loses, rng })
    }

    /// Above what it was, and never below the clock.
    fn raised(&self, version: i64) -> i64 {
        (version + 1).max(i64::try_from(self.began.elapsed().as_micros()).unwrap())
    }

    fn write(&self, row: Row, number: u64) -> Versions {
        let (versions, values) = &mut *self.rows.lock().unwrap();
        values.insert(row, number);
        let of_all = (row != Row::SEARCH).then_some(Row::CATALOGUE);
        for row in [row].into_iter().chain(of_all) {
            let version = versions.get_mut(&row).unwrap();
            *version = self.raised(*version);
        }
        versions.clone()
    }

    fn version(&self, row: Row) -> i64 {
        self.rows.lock().unwrap().0[&row]
    }

    fn value(&self, row: Row) -> u64 {
        self.rows.lock().unwrap().1[&row]
    }

    async fn product(&self, row: Row, known: &Known) -> Result<Answer, StoreError> {
        // Its category is in the row, so nothing can be read before it (DESIGN 4.7).
        let known = |row| Tag { row, version: known.version(row) };
        let (tag, value) = match self.flaw {
            Flaw::RowsFirst => {
                let value = self.value(row);
                self.pass().await?;
                (Tag { row, version: self.version(row) }, value)
            }
            _ => (known(row), self.value(row)),
        };
        self.pass().await?;
        Ok(match (is_removal(value), self.flaw) {
            (false, _) => Answer::found(tag, value.to_string().into_bytes()),
            (true, Flaw::AbsentForEver) => Answer::absent(known(Row(77))),
            (true, _) => Answer::absent(known(Row::CATALOGUE)),
        })
    }

    async fn list(&self, rows: [Row; 2]) -> Result<Answer, StoreError> {
        let tags = || rows.map(|row| Tag { row, version: self.version(row) });
        let values = || rows.map(|row| self.value(row));
        let (tags, values) = if self.flaw == Flaw::RowsFirst {
            let values = values();
            self.pass().await?;
            (tags(), values)
        } else {
            let tags = tags();
            self.pass().await?;
            (tags, values())
        };
        self.pass().await?;
        let body = format!("{} {}", values[0], values[1]).into_bytes();
        Ok(match self.flaw {
            Flaw::NoIndex => Answer::found(tags[0], body),
            _ => Answer::found(Tags::both(tags[0], tags[1]), body),
        })
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

/// The rows whose values an answer has. A page by category alone has one twice.
fn rows_of(question: &Question) -> [Row; 2] {
    match question {
        Question::Page(query) => {
            let row = Row::category(query.category.unwrap());
            [row, if query.words.is_some() { Row::SEARCH } else { row }]
        }
        Question::Product(asin) => [Row(asin.as_str().parse().unwrap()); 2],
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

    async fn raise(&self, above: &Versions) -> Result<Arc<Versions>, StoreError> {
        self.pass().await?;
        let versions = {
            let (versions, _) = &mut *self.rows.lock().unwrap();
            for (row, version) in above.iter().filter(|_| self.flaw != Flaw::NothingRaised) {
                let here = versions.get_mut(row).unwrap();
                *here = self.raised(*version.max(here));
            }
            versions.clone()
        };
        self.pass().await?;
        Ok(Arc::new(versions))
    }

    async fn load(&self, question: &Question, known: &Known) -> Result<Answer, StoreError> {
        self.pass().await?;
        let rows = rows_of(question);
        match question {
            Question::Product(_) => self.product(rows[0], known).await,
            _ => self.list(rows).await,
        }
    }
}

/// The writes that were answered: which, of what, where, when.
#[derive(Default)]
struct Answered(Mutex<Vec<(u64, Row, usize, Instant)>>);

/// Every write in the order of the commits, the first is number 1; and what a restore undid.
#[derive(Default)]
struct Log {
    rows: Vec<Row>,
    undone: Range<u64>,
    undone_at: Option<Instant>,
}

struct World {
    database: Arc<Database>,
    caches: Vec<Arc<Cache>>,
    answered: Answered,
    log: Mutex<Log>,
}

/// When a reader came, and how many writes had been answered by then.
struct Arrival {
    instance: usize,
    at: Instant,
    answered: usize,
}

impl World {
    fn arrival(&self, instance: usize) -> Arrival {
        Arrival { instance, at: Instant::now(), answered: self.answered.0.lock().unwrap().len() }
    }

    /// The newest write that must be seen. What was undone while the reader waited need not be.
    fn least(&self, row: Row, arrival: &Arrival) -> u64 {
        let log = self.log.lock().unwrap();
        let answered = self.answered.0.lock().unwrap();
        let counts = |(number, r, instance, at): &&(u64, Row, usize, Instant)| {
            let is_known = *instance == arrival.instance || *at + BOUND < arrival.at;
            *r == row && is_known && !log.undone.contains(number)
        };
        let all = answered[..arrival.answered].iter();
        all.filter(counts).map(|(number, ..)| *number).max().unwrap_or(0)
    }

    /// Whether a reader may see this value; `None` if nothing is there.
    fn may_see(&self, row: Row, number: Option<u64>, arrival: &Arrival) -> bool {
        let least = self.least(row, arrival);
        let log = self.log.lock().unwrap();
        let is_forgotten = log.undone_at.is_some_and(|at| at + FORGOTTEN < arrival.at);
        let is_right = |n: &u64| *n >= least && !(is_forgotten && log.undone.contains(n));
        let Some(number) = number else {
            let removals = (1..).zip(&log.rows).filter(|(n, r)| **r == row && is_removal(*n));
            return removals.map(|(n, _)| n).any(|n| is_right(&n));
        };
        is_right(&number)
    }

    /// A backup of some time ago is put in place of the database.
    async fn is_restored(&self, mut rng: Rng) {
        sleep(Duration::from_millis(rng.u64(0..10_000))).await;
        let backup = {
            let log = self.log.lock().unwrap();
            (log.rows.len() as u64, self.database.rows.lock().unwrap().clone())
        };
        sleep(Duration::from_millis(rng.u64(0..2_000))).await;
        let mut log = self.log.lock().unwrap();
        *self.database.rows.lock().unwrap() = backup.1;
        log.undone = backup.0 + 1..log.rows.len() as u64 + 1;
        log.undone_at = Some(Instant::now());
    }
}

fn questions(category: i64) -> [Question; 3] {
    let page = |query: String| Question::Page(PageQuery::parse(&query).unwrap());
    [
        page(format!("category_id={category}")),
        page(format!("category_id={category}&q=lamp")),
        Question::Product(Asin::parse(&category.to_string()).unwrap()),
    ]
}

async fn reads(world: Arc<World>, instance: usize, mut rng: Rng) -> Result<usize, String> {
    let mut fresh = 0;
    for _ in 0..ROUNDS {
        sleep(Duration::from_millis(rng.u64(0..300))).await;
        let category = rng.i64(1..=CATEGORIES);
        let question = &questions(category)[rng.usize(0..3)];
        let rows = rows_of(question);
        let arrival = world.arrival(instance);
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
        // None at all if nothing is there.
        let numbers = std::str::from_utf8(&body).unwrap().split(' ');
        let numbers: Vec<u64> = numbers.filter_map(|number| number.parse().ok()).collect();
        for (at, row) in rows.into_iter().enumerate() {
            let number = numbers.get(at).or(numbers.first()).copied();
            if !world.may_see(row, number, &arrival) {
                let least = world.least(row, &arrival);
                return Err(format!("{question:?} at {instance}: {number:?} after {least}"));
            }
        }
        fresh += 1;
    }
    Ok(fresh)
}

async fn writes(world: Arc<World>, instance: usize, mut rng: Rng) -> Result<usize, String> {
    for _ in 0..ROUNDS / 2 {
        sleep(Duration::from_millis(rng.u64(0..600))).await;
        // The indexer is a writer like the others.
        let row = Row(rng.i64(0..=CATEGORIES));
        let row = if row == Row::CATALOGUE { Row::SEARCH } else { row };
        let (number, versions) = {
            let mut log = world.log.lock().unwrap();
            log.rows.push(row);
            let number = log.rows.len() as u64;
            (number, world.database.write(row, number))
        };
        sleep(Duration::from_millis(rng.u64(0..400))).await;
        world.caches[instance].publish(&versions);
        let answered = (number, row, instance, Instant::now());
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
fn run(flaw: Flaw, seed: u64) -> Result<usize, String> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut rng = Rng::with_seed(seed);
        let instances = rng.usize(1..=2);
        // In some worlds nothing gets lost, in some the answers have hardly any room.
        let loses = if rng.bool() { u32::MAX } else { 40 };
        let bytes = if rng.bool() { 64 << 20 } else { 5_000 };
        let database = Database::new(flaw, loses, rng.u64(..));
        let limits = Limits { ttl: Duration::from_mins(30), staleness: BOUND, bytes };
        let cache = |_| Arc::new(Cache::new(Arc::<Database>::clone(&database), limits));
        let caches = (0..instances).map(cache).collect();
        let (answered, log) = (Answered::default(), Mutex::default());
        let world = Arc::new(World { database, caches, answered, log });
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
        if rng.bool() {
            let (world, rng) = (Arc::clone(&world), rng.fork());
            pollers.spawn(async move { world.is_restored(rng).await });
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
        fresh += run(Flaw::Nothing, seed).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
    }
    assert!(fresh > 50_000, "only {fresh} reads were fresh");
}

#[test]
fn whatever_is_wrong_is_caught() {
    for flaw in [Flaw::RowsFirst, Flaw::NoIndex, Flaw::AbsentForEver, Flaw::NothingRaised] {
        assert!((0..300).any(|seed| run(flaw, seed).is_err()), "{flaw:?}");
    }
}
