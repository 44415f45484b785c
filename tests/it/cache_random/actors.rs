//! What happens in a run: readers, writers and misfortunes, in a random order.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fastrand::Rng;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use vitrine::cache::Outcome;
use vitrine::cache::encoding::Encoding;
use vitrine::catalog::{Asin, PageQuery};
use vitrine::question::Question;

use super::database::{Flaw, State, objects_of};
use super::tally::{Kind, Tally};
use super::world::{Weather, World};
use crate::support::twin::Memory;

/// Steps of a run.
pub const STEPS: usize = 60;
/// After which whoever still waits has been forgotten by a life that ended.
const LONGEST: Duration = Duration::from_mins(2);

/// One run; a breach is an error.
pub fn run(flaw: Flaw, seed: u64) -> Result<Tally, String> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    fastrand::seed(seed);
    runtime.block_on(async {
        let mut rng = Rng::with_seed(seed);
        let is_bad = rng.u8(..3) > 0;
        let weather = Weather {
            is_bad,
            loses_messages: rng.bool(),
            has_slow_loads: rng.u8(..4) == 0,
            forgets: rng.u8(..4) == 0,
            polls: rng.u8(..4) == 0,
            restores: rng.bool(),
        };
        let instances = rng.usize(2..=4);
        let world = World::new(flaw, weather, instances, rng.fork());
        let result = Story { world: Arc::clone(&world), rng, instances, number: Arc::default() };
        let result = result.happens().await;
        let tally = world.end();
        result.map(|()| tally)
    })
}

struct Story {
    world: Arc<World>,
    rng: Rng,
    instances: usize,
    /// Writes so far.
    number: Arc<AtomicU64>,
}

impl Story {
    async fn happens(mut self) -> Result<(), String> {
        let mut actors = JoinSet::new();
        let mut backups: Vec<State> = Vec::new();
        let mut replicas: Vec<Memory> = Vec::new();
        for _ in 0..STEPS {
            let pause = match self.rng.u8(..) {
                0..8 => self.rng.u64(800..5_000),
                8..80 => self.rng.u64(10..300),
                _ => self.rng.u64(0..10),
            };
            sleep(Duration::from_millis(pause)).await;
            let instance = self.rng.usize(..self.instances);
            // In fair weather nothing strikes.
            match self.rng.u8(..if self.world.weather.is_bad { 100 } else { 88 }) {
                0..70 => {
                    // Several may ask at once.
                    let readers = if self.rng.u8(..4) == 0 { 3 } else { 1 };
                    let question = question(&mut self.rng);
                    for _ in 0..readers {
                        let at = self.rng.usize(..self.instances);
                        let (world, question) = (Arc::clone(&self.world), question.clone());
                        actors.spawn(reads(world, at, question, self.rng.fork()));
                    }
                }
                70..88 => {
                    let (world, number) = (Arc::clone(&self.world), Arc::clone(&self.number));
                    actors.spawn(writes(world, instance, number, self.rng.fork()));
                }
                misfortune => self.strikes(misfortune, instance, &mut backups, &mut replicas),
            }
            if self.rng.u8(..8) == 0 {
                backups.push(self.world.state().clone());
                replicas.push(self.world.memory().clone());
            }
            if let Some(breach) = self.world.breach() {
                return Err(breach);
            }
        }
        let ended = timeout(LONGEST, async {
            while let Some(done) = actors.join_next().await {
                done.unwrap();
            }
        });
        // Those that wait in a life that has ended never come back.
        let _ = ended.await;
        self.world.breach().map_or(Ok(()), Err)
    }

    fn strikes(
        &mut self,
        misfortune: u8,
        instance: usize,
        backups: &mut Vec<State>,
        replicas: &mut Vec<Memory>,
    ) {
        let world = &self.world;
        match misfortune {
            88 | 89 => {
                world.crash(instance);
                world.happened(Kind::Crash);
            }
            90 => {
                *world.memory() = Memory::default();
                world.happened(Kind::Flush);
            }
            91 => {
                // What came to the first and not yet to its replica is lost.
                if let Some(replica) = replicas.pop() {
                    *world.memory() = replica;
                    world.happened(Kind::Failover);
                }
            }
            92 | 93 => {
                let mut memory = world.memory();
                let rng = &mut self.rng;
                memory.pages.retain(|_, _| rng.bool());
                if rng.bool() {
                    memory.versions.retain(|_, _| rng.bool());
                }
                drop(memory);
                world.happened(Kind::Eviction);
            }
            94 => world.clock_jumps(),
            95 => world.shared_goes_away(),
            96 | 97 => world.is_cut_off(instance),
            98 => world.database_goes_away(),
            _ => {
                if let Some(backup) = backups.pop().filter(|_| world.weather.restores) {
                    world.restore(backup);
                }
            }
        }
    }
}

fn question(rng: &mut Rng) -> Question {
    let page = |query: &str| Question::Page(PageQuery::parse(query).unwrap());
    match rng.u8(..6) {
        0 => page(""),
        1 => page("category_id=1"),
        2 => page("category_id=2"),
        3 => page("category_id=1&q=lamp"),
        number => Question::Product(Asin::parse(&(number - 4).to_string()).unwrap()),
    }
}

async fn reads(world: Arc<World>, instance: usize, question: Question, mut rng: Rng) {
    let came = Instant::now();
    let (life, cache) = world.cache(instance);
    let reply = match cache.at_hand(&question) {
        Some(reply) => reply,
        // A client that hangs up may leave anything half done.
        None if rng.u8(..10) == 0 => {
            let limit = Duration::from_millis(rng.u64(..200));
            let _ = timeout(limit, cache.answer(&question)).await;
            return world.happened(Kind::HangUp);
        }
        None => match cache.answer(&question).await {
            Ok(reply) => reply,
            Err(e) if e.is_away() && world.weather.is_bad => return,
            Err(e) => return world.breached(format!("{question:?}: {e}")),
        },
    };
    if !world.lives(instance, life) {
        return;
    }
    if let Outcome::Stale(seconds) = reply.outcome {
        if !world.weather.is_bad {
            let why = "and the database is there";
            return world.breached(format!("{question:?}: marked as {seconds} s old, {why}"));
        }
        return world.happened(Kind::StaleRead);
    }
    let body = reply.answer.body(Encoding::Identity).await.unwrap();
    // None at all if nothing is there.
    let mut numbers = std::str::from_utf8(&body).unwrap().split(' ').filter_map(|n| n.parse().ok());
    for object in objects_of(&question) {
        if let Err(breach) = world.may_show(object, numbers.next(), instance, life, came) {
            return world.breached(format!("{question:?}: {breach}"));
        }
    }
    world.happened(Kind::FreshRead);
}

/// Writes, publishes, answers; in bad weather the process may end between any two of these.
async fn writes(world: Arc<World>, instance: usize, number: Arc<AtomicU64>, mut rng: Rng) {
    let (life, cache) = world.cache(instance);
    if world.database_fault().is_some() {
        return;
    }
    let number = number.fetch_add(1, Ordering::Relaxed) + 1;
    let (product, is_index) = (rng.usize(..2), rng.u8(..5) == 0);
    let to = Some(rng.i64(1..=2)).filter(|_| rng.u8(..5) > 0);
    let clock = world.clock();
    let versions = {
        let mut state = world.state();
        if world.flaw == Flaw::CountedInShared {
            // Where nothing is remembered it begins anew.
            let published = world.published();
            for (row, version) in &mut state.versions {
                *version = published.get(row).copied().unwrap_or(0);
            }
        }
        let clock = if world.flaw == Flaw::CountedInShared { 0 } else { clock };
        let objects = if is_index {
            state.index(number, clock)
        } else {
            state.write(product, to, number, clock)
        };
        let is_removal = !is_index && to.is_none();
        world.commit(instance, life, is_removal, number, &objects);
        state.table()
    };
    world.happened(Kind::Write);
    world.while_it_lives(instance, life, world.delay()).await;
    if world.weather.is_bad && rng.u8(..20) == 0 {
        world.happened(Kind::CrashOfWriter);
        return world.crash(instance);
    }
    cache.publish(&versions).await;
    world.while_it_lives(instance, life, world.delay()).await;
    world.answered(number);
}
