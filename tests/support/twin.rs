//! A shared cache in memory: keeps the contract of the real one, and fails when it is told to.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;
use vitrine::cache::shared::{Kept, LEASE, Lease, Page, Place, Shared, SharedError, Stamp, Turn};
use vitrine::cache::versions::{Row, Versions};

const WORD: Duration = Duration::from_secs(15);

#[derive(Default)]
struct Memory {
    versions: HashMap<Row, i64>,
    pages: HashMap<Place, (Page, Instant)>,
    leases: HashMap<(Place, String), (String, Instant)>,
    words: HashMap<String, (String, Instant)>,
    listeners: Vec<UnboundedSender<Versions>>,
}

/// One instance's end of it.
pub struct Twin {
    memory: Arc<Mutex<Memory>>,
    told: tokio::sync::Mutex<UnboundedReceiver<Versions>>,
    is_away: AtomicBool,
}

impl Twin {
    /// Ends of one shared cache.
    pub fn ends<const N: usize>() -> [Arc<Self>; N] {
        let memory = Arc::<Mutex<Memory>>::default();
        std::array::from_fn(|_| {
            let (listener, told) = unbounded_channel();
            memory.lock().unwrap().listeners.push(listener);
            let memory = Arc::clone(&memory);
            let (told, is_away) = (told.into(), AtomicBool::new(false));
            Arc::new(Self { memory, told, is_away })
        })
    }

    /// Whether this end cannot reach it.
    pub fn is_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::SeqCst);
    }

    /// Puts bytes where a page lies.
    pub fn spoil(&self, place: &Place, spoil: impl FnOnce(&mut Vec<u8>)) {
        let mut memory = self.memory.lock().unwrap();
        let (page, _) = memory.pages.get_mut(place).expect("a page to be spoilt");
        let mut bytes = page.bytes.to_vec();
        spoil(&mut bytes);
        page.bytes = bytes.into();
    }

    fn memory(&self) -> Result<MutexGuard<'_, Memory>, SharedError> {
        if self.is_away.load(Ordering::SeqCst) {
            return Err(SharedError::Away("told to be".to_owned()));
        }
        Ok(self.memory.lock().unwrap())
    }
}

impl Memory {
    fn page(&self, place: &Place) -> Option<Kept> {
        let (page, until) = self.pages.get(place)?;
        let left = until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then(|| Kept { bytes: page.bytes.clone(), left })
    }

    fn give_back(&mut self, place: &Place, lease: &Lease) {
        let key = (place.clone(), lease.under.clone());
        if self.leases.get(&key).is_some_and(|(token, _)| *token == lease.token) {
            self.leases.remove(&key);
        }
    }
}

#[async_trait]
impl Shared for Twin {
    async fn versions(&self) -> Result<Versions, SharedError> {
        Ok(self.memory()?.versions.clone())
    }

    async fn raise(&self, versions: &Versions) -> Result<(), SharedError> {
        let mut memory = self.memory()?;
        let mut risen = Versions::new();
        for (row, version) in versions {
            if memory.versions.get(row).is_none_or(|here| here < version) {
                memory.versions.insert(*row, *version);
                risen.insert(*row, *version);
            }
        }
        if !risen.is_empty() {
            memory.listeners.retain(|listener| listener.send(risen.clone()).is_ok());
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
        Ok(self.memory()?.page(place))
    }

    async fn get_or_lease(
        &self,
        place: &Place,
        seen: Option<&Stamp>,
        lease: &Lease,
    ) -> Result<Turn, SharedError> {
        let mut memory = self.memory()?;
        if let Some(kept) = memory.page(place)
            && Stamp::read(&kept.bytes).as_ref() != seen
        {
            return Ok(Turn::Page(kept));
        }
        let (key, now) = ((place.clone(), lease.under.clone()), Instant::now());
        if memory.leases.get(&key).is_some_and(|(_, until)| *until > now) {
            return Ok(Turn::Held);
        }
        memory.leases.insert(key, (lease.token.clone(), now + LEASE));
        Ok(Turn::Granted)
    }

    async fn fill(
        &self,
        place: &Place,
        page: &Page,
        life: Duration,
        lease: Option<&Lease>,
    ) -> Result<(), SharedError> {
        let mut memory = self.memory()?;
        let parts = |stamp: &Stamp| stamp.as_str().split_at(11).0.to_owned();
        let is_newer_there = memory.page(place).is_some_and(|_| {
            let there = &memory.pages[place].0.stamp;
            parts(there) == parts(&page.stamp) && there.as_str() > page.stamp.as_str()
        });
        if !is_newer_there {
            memory.pages.insert(place.clone(), (page.clone(), Instant::now() + life));
        }
        if let Some(lease) = lease {
            memory.give_back(place, lease);
        }
        Ok(())
    }

    async fn give_back(&self, place: &Place, lease: &Lease) -> Result<(), SharedError> {
        self.memory()?.give_back(place, lease);
        Ok(())
    }

    async fn leave_word(&self, instance: &str, word: &str) -> Result<(), SharedError> {
        let word = (word.to_owned(), Instant::now());
        self.memory()?.words.insert(instance.to_owned(), word);
        Ok(())
    }

    async fn words(&self) -> Result<Vec<String>, SharedError> {
        let memory = self.memory()?;
        let words = memory.words.values().filter(|(_, at)| at.elapsed() < WORD);
        Ok(words.map(|(word, _)| word.clone()).collect())
    }
}
