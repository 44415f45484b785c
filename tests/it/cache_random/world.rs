//! The world of one run: what is so, what was answered, what is broken at the moment, and the
//! rules that nothing may breach.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use fastrand::Rng;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, sleep_until};
use vitrine::cache::shared::Place;
use vitrine::cache::versions::Versions;
use vitrine::cache::{Cache, Limits};
use vitrine::question::Question;

use super::database::{Database, Flaw, Object, State};
use super::shared::SharedOf;
use super::tally::{Kind, Tally};
use crate::support::twin::Memory;

/// While all parts can be reached.
pub const BOUND: Duration = Duration::from_secs(1);
/// Whatever happens.
pub const BOUND_OF_ALL: Duration = Duration::from_secs(5);
const LEASE: Duration = Duration::from_secs(5);

/// What may go wrong in a run. Where nothing is lost, more is promised.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::struct_excessive_bools, reason = "each may be so or not, whatever the others are")]
pub struct Weather {
    /// Anything else than late and lost messages.
    pub is_bad: bool,
    /// Messages get lost, or come seconds late.
    pub loses_messages: bool,
    /// Some loads take longer than a lease lasts.
    pub has_slow_loads: bool,
    /// The process keeps next to nothing.
    pub forgets: bool,
    /// Somebody polls in the background.
    pub polls: bool,
    /// The database may be restored, and then its clock jumps forward alone. What keeps a
    /// restored one from giving numbers out twice is that its clock has gone on meanwhile; set
    /// back as well it cannot be told from the one that was lost.
    pub restores: bool,
}

/// How a part fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Error,
    Silence,
}

pub struct Write {
    pub number: u64,
    pub is_removal: bool,
    pub instance: usize,
    pub life: u64,
    pub committed: Instant,
    pub answered: Option<Instant>,
}

/// One instance: the life that it lives, and what it does in it.
pub struct Instance {
    pub life: u64,
    pub cache: Arc<Cache>,
    background: Vec<AbortHandle>,
    inbox: UnboundedSender<Versions>,
    /// Until when the shared cache cannot be reached from it.
    cut_off_until: Instant,
    /// Loads without a lease.
    unlicensed: u64,
}

#[derive(Default)]
struct Outages {
    shared: Option<(Instant, Option<Fault>)>,
    database: Option<(Instant, Option<Fault>)>,
}

/// Who may load what, once, and until when nobody else may.
struct Grant {
    instance: usize,
    life: u64,
    until: Instant,
    is_used: bool,
}

pub struct World {
    pub flaw: Flaw,
    pub weather: Weather,
    state: Mutex<State>,
    memory: Mutex<Memory>,
    instances: Mutex<Vec<Instance>>,
    /// The writes that each object shows, oldest first.
    history: Mutex<[Vec<Write>; Object::ALL]>,
    /// Writes that a restore has undone, of each object, and when.
    undone: Mutex<[Vec<(Write, Instant)>; Object::ALL]>,
    outages: Mutex<Outages>,
    grants: Mutex<HashMap<(Place, String), Grant>>,
    began: Instant,
    /// What the database's clock is ahead by, in microseconds.
    ahead: Mutex<i64>,
    rng: Mutex<Rng>,
    tally: Mutex<Tally>,
    breach: Mutex<Option<String>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

impl World {
    pub fn new(flaw: Flaw, weather: Weather, instances: usize, rng: Rng) -> Arc<Self> {
        let world = Arc::new(Self {
            flaw,
            weather,
            state: Mutex::new(State::new()),
            memory: Mutex::default(),
            instances: Mutex::default(),
            history: Mutex::new(std::array::from_fn(|_| Vec::new())),
            undone: Mutex::new(std::array::from_fn(|_| Vec::new())),
            outages: Mutex::default(),
            grants: Mutex::default(),
            began: Instant::now(),
            ahead: Mutex::new(1_000_000_000),
            rng: Mutex::new(rng),
            tally: Mutex::default(),
            breach: Mutex::default(),
        });
        for instance in 0..instances {
            let born = world.born(instance, 1);
            lock(&world.instances).push(born);
        }
        world
    }

    /// An instance begins a life: it knows and keeps nothing.
    fn born(self: &Arc<Self>, instance: usize, life: u64) -> Instance {
        let (inbox, told) = unbounded_channel();
        let world = || Arc::clone(self);
        let database = Arc::new(Database { world: world(), instance, life });
        let told = tokio::sync::Mutex::new(told);
        let shared = Arc::new(SharedOf { world: world(), instance, life, told });
        let bytes = if self.weather.forgets { 3_000 } else { 1 << 20 };
        let limits = Limits { ttl: Duration::from_mins(30), staleness: BOUND, bytes };
        let cache = Arc::new(Cache::beside(database, limits, Some(shared)));
        let (listener, poller) = (Arc::clone(&cache), Arc::clone(&cache));
        let mut background = vec![tokio::spawn(async move { listener.listen().await })];
        if self.weather.polls {
            background.push(tokio::spawn(async move {
                loop {
                    sleep(poller.poll_every()).await;
                    poller.poll().await;
                }
            }));
        }
        let background = background.iter().map(tokio::task::JoinHandle::abort_handle).collect();
        let cut_off_until = self.began;
        Instance { life, cache, background, inbox, cut_off_until, unlicensed: 0 }
    }

    /// An instance ends in whatever it does, and begins anew.
    pub fn crash(self: &Arc<Self>, instance: usize) {
        let life = {
            let mut instances = lock(&self.instances);
            let dead = &mut instances[instance];
            dead.background.iter().for_each(AbortHandle::abort);
            dead.life += 1;
            dead.life
        };
        let born = self.born(instance, life);
        lock(&self.instances)[instance] = born;
    }

    /// What happened. Lets go of the instances: each holds the world that holds it, and of a
    /// hundred thousand worlds none would be given back.
    pub fn end(&self) -> Tally {
        let mut tally = *lock(&self.tally);
        for instance in std::mem::take(&mut *lock(&self.instances)) {
            instance.background.iter().for_each(AbortHandle::abort);
            tally.add(Kind::LeaseWait, instance.cache.counters().read().lease_waits);
        }
        tally
    }

    pub fn cache(&self, instance: usize) -> (u64, Arc<Cache>) {
        let instances = lock(&self.instances);
        (instances[instance].life, Arc::clone(&instances[instance].cache))
    }

    pub fn lives(&self, instance: usize, life: u64) -> bool {
        lock(&self.instances)[instance].life == life
    }

    /// Some time passes; for a life that ends meanwhile it never does.
    pub async fn while_it_lives(&self, instance: usize, life: u64, time: Duration) {
        sleep(time).await;
        if !self.lives(instance, life) {
            std::future::pending::<()>().await;
        }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub fn memory(&self) -> MutexGuard<'_, Memory> {
        lock(&self.memory)
    }

    pub fn published(&self) -> Versions {
        lock(&self.memory).told()
    }

    pub fn rng<T>(&self, draw: impl FnOnce(&mut Rng) -> T) -> T {
        draw(&mut lock(&self.rng))
    }

    /// How long a step takes.
    pub fn delay(&self) -> Duration {
        let is_bad = self.weather.is_bad;
        Duration::from_millis(self.rng(|rng| match rng.u8(..) {
            0 if is_bad => rng.u64(500..2_500),
            1..40 => rng.u64(20..120),
            _ => rng.u64(0..6),
        }))
    }

    pub fn slow_load(&self) -> Option<Duration> {
        let is_slow = self.weather.has_slow_loads && self.rng(|rng| rng.u8(..6) == 0);
        is_slow.then(|| Duration::from_millis(self.rng(|rng| rng.u64(3_000..9_000))))
    }

    /// The database's clock in microseconds, the simulated day being young.
    pub fn clock(&self) -> i64 {
        let elapsed = i64::try_from(self.began.elapsed().as_micros()).unwrap();
        elapsed + *lock(&self.ahead)
    }

    pub fn clock_jumps(&self) {
        let least = if self.weather.restores { 0 } else { -900_000_000 };
        let by = self.rng(|rng| rng.i64(least..900_000_000));
        *lock(&self.ahead) += by;
        self.happened(Kind::ClockJump);
    }

    pub fn happened(&self, kind: Kind) {
        lock(&self.tally).count(kind);
    }

    pub fn breached(&self, what: String) {
        lock(&self.breach).get_or_insert(what);
    }

    pub fn breach(&self) -> Option<String> {
        lock(&self.breach).clone()
    }

    fn outage(&self) -> (Instant, Option<Fault>) {
        let ms = self.rng(|rng| rng.u64(200..8_000));
        let fault = self.rng(|rng| if rng.bool() { Fault::Error } else { Fault::Silence });
        (Instant::now() + Duration::from_millis(ms), Some(fault))
    }

    pub fn shared_goes_away(&self) {
        let outage = self.outage();
        lock(&self.outages).shared = Some(outage);
        self.happened(Kind::SharedAway);
    }

    pub fn database_goes_away(&self) {
        let outage = self.outage();
        lock(&self.outages).database = Some(outage);
        self.happened(Kind::DatabaseAway);
    }

    pub fn is_cut_off(&self, instance: usize) {
        let (until, _) = self.outage();
        lock(&self.instances)[instance].cut_off_until = until;
        self.happened(Kind::Partition);
    }

    pub fn shared_fault(&self, instance: usize) -> Option<Fault> {
        let now = Instant::now();
        if lock(&self.instances)[instance].cut_off_until > now {
            return Some(Fault::Error);
        }
        let outage = lock(&self.outages).shared;
        outage.filter(|(until, _)| *until > now).and_then(|(_, fault)| fault)
    }

    pub fn database_fault(&self) -> Option<Fault> {
        let outage = lock(&self.outages).database;
        outage.filter(|(until, _)| *until > Instant::now()).and_then(|(_, fault)| fault)
    }

    /// Tells every instance of versions, some late and some never.
    pub fn tell(self: &Arc<Self>, versions: &Versions) {
        for instance in lock(&self.instances).iter() {
            let loses = self.weather.loses_messages;
            let (is_lost, ms) = self.rng(|rng| match rng.u8(..8) {
                0 if loses => (true, 0),
                1 if loses => (false, rng.u64(500..6_000)),
                _ => (false, rng.u64(0..6)),
            });
            if is_lost {
                self.happened(Kind::LostMessage);
                continue;
            }
            if ms >= 500 {
                self.happened(Kind::DelayedMessage);
            }
            let (inbox, versions) = (instance.inbox.clone(), versions.clone());
            let at = Instant::now() + Duration::from_millis(ms);
            tokio::spawn(async move {
                sleep_until(at).await;
                // Nobody reads what a dead instance is told.
                let _ = inbox.send(versions);
            });
        }
    }

    /// A write is committed; gives its number.
    pub fn commit(
        &self,
        instance: usize,
        life: u64,
        is_removal: bool,
        number: u64,
        objects: &[Object],
    ) {
        let mut history = lock(&self.history);
        for object in objects {
            let committed = Instant::now();
            let answered = None;
            let write = Write { number, is_removal, instance, life, committed, answered };
            history[object.0].push(write);
        }
    }

    pub fn answered(&self, number: u64) {
        for writes in lock(&self.history).iter_mut() {
            for write in writes.iter_mut().filter(|write| write.number == number) {
                write.answered = Some(Instant::now());
            }
        }
    }

    /// An earlier state of the database is put in its place.
    pub fn restore(&self, state: State) {
        let shown: HashSet<u64> = state.shows.into();
        let newest = shown.into_iter().max().unwrap_or(0);
        let mut undone = lock(&self.undone);
        for (writes, undone) in lock(&self.history).iter_mut().zip(undone.iter_mut()) {
            let lost = writes.extract_if(.., |write| write.number > newest);
            undone.extend(lost.map(|write| (write, Instant::now())));
        }
        *lock(&self.state) = state;
        self.happened(Kind::Restore);
    }

    /// Whether somebody who came then may be shown this: the number of the last write that it
    /// shows, `None` if it shows that nothing is there.
    pub fn may_show(
        &self,
        object: Object,
        number: Option<u64>,
        instance: usize,
        life: u64,
        came: Instant,
    ) -> Result<(), String> {
        let undone = lock(&self.undone);
        let mut undone = undone[object.0].iter();
        let is_shown = |write: &Write| number.map_or(write.is_removal, |n| n == write.number);
        let is_forgotten = |at: Instant| at + BOUND_OF_ALL < came;
        // Answers of a lost time may be given a little longer; and one can hold a write for which
        // nobody has heard of a version, so that nobody ever misses it.
        let is_unheard = |write: &Write, at: Instant| write.committed + BOUND_OF_ALL > at;
        let is_excused = |(write, at): &(Write, Instant)| {
            is_shown(write) && (!is_forgotten(*at) || is_unheard(write, *at))
        };
        if undone.clone().any(is_excused) {
            return Ok(());
        }
        if number.is_some() && undone.any(|(write, _)| is_shown(write)) {
            return Err(format!("{object:?} shows {number:?}, which was undone long ago"));
        }
        let history = lock(&self.history);
        let writes = &history[object.0];
        let must = writes.iter().rev().find_map(|write| {
            let is_own = write.instance == instance && write.life == life;
            let why = match write.answered {
                Some(at) if is_own && at < came => "this instance has answered it",
                Some(at) if !self.weather.is_bad && at + BOUND < came => "it was answered",
                _ if write.committed + BOUND_OF_ALL < came => "it was committed",
                _ => return None,
            };
            Some((write, why))
        });
        let Some((must, why)) = must else { return Ok(()) };
        let is_shown = number.map_or_else(
            // Any removal since then will do.
            || writes.iter().any(|write| write.number >= must.number && write.is_removal),
            |number| number >= must.number,
        );
        if is_shown {
            return Ok(());
        }
        let (began, number_of) = (self.began, must.number);
        Err(format!(
            "a reader who came at {:?} to {instance} is shown {number:?} of {object:?}, and not \
             {number_of}: {why} ({:?}, {:?})",
            came - began,
            must.committed - began,
            must.answered.map(|at| at - began),
        ))
    }

    /// A lease is given out.
    pub fn lease_is_granted(&self, instance: usize, life: u64, place: &Place, under: &str) {
        if self.weather.is_bad {
            return;
        }
        let key = (place.clone(), under.to_owned());
        let now = Instant::now();
        let grant = Grant { instance, life, until: now + LEASE, is_used: false };
        if let Some(before) = lock(&self.grants).insert(key, grant)
            && before.until > now
            && self.lives(before.instance, before.life)
        {
            let other = before.instance;
            self.breached(format!("{instance} may load {place:?} while {other} does"));
        }
    }

    /// Its holder gives it back.
    pub fn lease_is_over(&self, place: &Place, under: &str) {
        lock(&self.grants).remove(&(place.clone(), under.to_owned()));
    }

    /// An instance loads. While nothing is lost it must have been allowed to.
    pub fn loads(&self, instance: usize, life: u64, question: &Question) {
        self.happened(Kind::Load);
        let Some(place) = question.place().filter(|_| !self.weather.is_bad) else { return };
        let mut grants = lock(&self.grants);
        let granted = grants.iter_mut().find(|((at, _), grant)| {
            *at == place && (grant.instance, grant.life) == (instance, life) && !grant.is_used
        });
        if let Some((_, grant)) = granted {
            grant.is_used = true;
            return;
        }
        drop(grants);
        let mut instances = lock(&self.instances);
        let here = &mut instances[instance];
        here.unlicensed += 1;
        let counted = here.cache.counters().read();
        let excused = counted.lease_waits_given_up + counted.joins_outrun / 4;
        if here.life == life && here.unlicensed > excused {
            drop(instances);
            self.breached(format!("{instance} loads {place:?} without a lease"));
        }
    }
}
