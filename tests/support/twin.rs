//! A shared cache in memory: keeps the contract of the real one, and fails when it is told to.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;
use vitrine::cache::shared::{Kept, LEASE, Lease, Page, Place, Shared, SharedError, Stamp, Turn};
use vitrine::cache::versions::{Row, Versions};

const WORD: Duration = Duration::from_secs(15);

/// What it remembers, and how it is asked.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    // In an order of their own, so that a run of random steps goes the same way each time.
    pub versions: BTreeMap<Row, i64>,
    pub pages: BTreeMap<Place, (Page, Instant)>,
    /// The token, and until when it holds.
    leases: HashMap<(Place, String), (String, Instant)>,
}

impl Memory {
    pub fn told(&self) -> Versions {
        self.versions.iter().map(|(row, version)| (*row, *version)).collect()
    }

    /// Raises versions; gives those that have risen.
    pub fn raise(&mut self, versions: &Versions) -> Versions {
        let mut risen = Versions::new();
        for (row, version) in versions {
            if self.versions.get(row).is_none_or(|here| here < version) {
                self.versions.insert(*row, *version);
                risen.insert(*row, *version);
            }
        }
        risen
    }

    pub fn page(&self, place: &Place) -> Option<Kept> {
        let (page, until) = self.pages.get(place)?;
        let left = until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then(|| Kept { bytes: page.bytes.clone(), left })
    }

    pub fn page_or_lease(&mut self, place: &Place, seen: Option<&Stamp>, lease: &Lease) -> Turn {
        if let Some(kept) = self.page(place)
            && Stamp::read(&kept.bytes).as_ref() != seen
        {
            return Turn::Page(kept);
        }
        let (key, now) = ((place.clone(), lease.under.clone()), Instant::now());
        if self.leases.get(&key).is_some_and(|(_, until)| *until > now) {
            return Turn::Held;
        }
        self.leases.insert(key, (lease.token.clone(), now + LEASE));
        Turn::Granted
    }

    pub fn put(&mut self, place: &Place, page: &Page, life: Duration) {
        let is_newer_there = self.page(place).is_some_and(|_| {
            let (row, version) = row_and_version(&page.stamp);
            let (its_row, its_version) = row_and_version(&self.pages[place].0.stamp);
            its_row == row && its_version > version
        });
        if !is_newer_there {
            self.pages.insert(place.clone(), (page.clone(), Instant::now() + life));
        }
    }

    /// Whether the lease is this one, and not another of the same name.
    pub fn holds(&self, place: &Place, lease: &Lease) -> bool {
        let key = (place.clone(), lease.under.clone());
        self.leases.get(&key).is_some_and(|(token, _)| *token == lease.token)
    }

    /// Drops the lease, whosever it is.
    pub fn drop_lease(&mut self, place: &Place, lease: &Lease) {
        self.leases.remove(&(place.clone(), lease.under.clone()));
    }

    pub fn give_back(&mut self, place: &Place, lease: &Lease) {
        if self.holds(place, lease) {
            self.drop_lease(place, lease);
        }
    }
}

/// What a stamp says.
pub fn row_and_version(stamp: &Stamp) -> (i64, i64) {
    let (row, version) = stamp.as_str().split_at(11);
    (row.parse().unwrap(), version.parse().unwrap())
}

#[derive(Default)]
struct State {
    memory: Memory,
    words: HashMap<String, (String, Instant)>,
    listeners: Vec<UnboundedSender<Versions>>,
}

/// One instance's end of it.
pub struct Twin {
    state: Arc<Mutex<State>>,
    told: tokio::sync::Mutex<UnboundedReceiver<Versions>>,
    is_away: AtomicBool,
    refuses_to_read: AtomicBool,
}

impl Twin {
    /// Ends of one shared cache.
    pub fn ends<const N: usize>() -> [Arc<Self>; N] {
        let state = Arc::<Mutex<State>>::default();
        std::array::from_fn(|_| {
            let (listener, told) = unbounded_channel();
            state.lock().unwrap().listeners.push(listener);
            let state = Arc::clone(&state);
            let [is_away, refuses_to_read] = [false; 2].map(AtomicBool::new);
            Arc::new(Self { state, told: told.into(), is_away, refuses_to_read })
        })
    }

    /// Whether this end cannot reach it.
    pub fn is_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::SeqCst);
    }

    /// Whether this end may not read a page without a lease.
    pub fn refuses_to_read(&self, refuses: bool) {
        self.refuses_to_read.store(refuses, Ordering::SeqCst);
    }

    /// Has a page live for so long from now on.
    pub fn prolong(&self, place: &Place, life: Duration) {
        let mut state = self.state.lock().unwrap();
        let (_, until) = state.memory.pages.get_mut(place).expect("a page to be prolonged");
        *until = Instant::now() + life;
    }

    /// Puts bytes where a page lies.
    pub fn spoil(&self, place: &Place, spoil: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state.lock().unwrap();
        let (page, _) = state.memory.pages.get_mut(place).expect("a page to be spoilt");
        let mut bytes = page.bytes.to_vec();
        spoil(&mut bytes);
        page.bytes = bytes.into();
    }

    fn state(&self) -> Result<MutexGuard<'_, State>, SharedError> {
        if self.is_away.load(Ordering::SeqCst) {
            return Err(SharedError::Away("told to be".to_owned()));
        }
        Ok(self.state.lock().unwrap())
    }
}

#[async_trait]
impl Shared for Twin {
    async fn versions(&self) -> Result<Versions, SharedError> {
        Ok(self.state()?.memory.told())
    }

    async fn raise(&self, versions: &Versions) -> Result<(), SharedError> {
        let mut state = self.state()?;
        let risen = state.memory.raise(versions);
        if !risen.is_empty() {
            state.listeners.retain(|listener| listener.send(risen.clone()).is_ok());
        }
        Ok(())
    }

    async fn told(&self) -> Versions {
        match self.told.lock().await.recv().await {
            Some(versions) => versions,
            None => std::future::pending().await,
        }
    }

    async fn get(&self, place: &Place) -> Result<Option<Kept>, SharedError> {
        if self.refuses_to_read.load(Ordering::SeqCst) {
            return Err(SharedError::Nonsense("told to give one".to_owned()));
        }
        Ok(self.state()?.memory.page(place))
    }

    async fn get_or_lease(
        &self,
        place: &Place,
        seen: Option<&Stamp>,
        lease: &Lease,
    ) -> Result<Turn, SharedError> {
        Ok(self.state()?.memory.page_or_lease(place, seen, lease))
    }

    async fn fill(
        &self,
        place: &Place,
        page: &Page,
        life: Duration,
        lease: Option<&Lease>,
    ) -> Result<(), SharedError> {
        let memory = &mut self.state()?.memory;
        memory.put(place, page, life);
        if let Some(lease) = lease {
            memory.give_back(place, lease);
        }
        Ok(())
    }

    async fn give_back(&self, place: &Place, lease: &Lease) -> Result<(), SharedError> {
        self.state()?.memory.give_back(place, lease);
        Ok(())
    }

    async fn remove(&self, place: &Place) -> Result<(), SharedError> {
        self.state()?.memory.pages.remove(place);
        Ok(())
    }

    async fn forget(&self, rows: &[Row]) -> Result<(), SharedError> {
        self.state()?.memory.versions.retain(|row, _| !rows.contains(row));
        Ok(())
    }

    async fn leave_word(&self, instance: &str, word: &str) -> Result<(), SharedError> {
        let word = (word.to_owned(), Instant::now());
        self.state()?.words.insert(instance.to_owned(), word);
        Ok(())
    }

    async fn words(&self) -> Result<Vec<String>, SharedError> {
        let state = self.state()?;
        let words = state.words.values().filter(|(_, at)| at.elapsed() < WORD);
        Ok(words.map(|(word, _)| word.clone()).collect())
    }
}
