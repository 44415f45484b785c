//! A shared cache that forgets, is away, and delivers late or never.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Mutex;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep};
use vitrine::cache::shared::{Kept, LEASE, Lease, Page, Place, Shared, SharedError, Stamp, Turn};
use vitrine::cache::versions::{Row, Versions};

use super::database::Flaw;
use super::world::{Fault, World};

/// What it remembers. A failover brings an earlier state back.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    pub versions: HashMap<Row, i64>,
    pub pages: HashMap<Place, (Page, Instant)>,
    /// The token, and until when it holds.
    pub leases: HashMap<(Place, String), (String, Instant)>,
}

impl Memory {
    /// Raises versions; gives those that have risen.
    pub fn raise(&mut self, versions: &Versions) -> Versions {
        let mut risen = Versions::new();
        for (row, version) in versions {
            let here = self.versions.entry(*row).or_insert(i64::MIN);
            if *version > *here {
                *here = *version;
                risen.insert(*row, *version);
            }
        }
        risen
    }

    fn page(&mut self, place: &Place) -> Option<Kept> {
        let (page, until) = self.pages.get(place)?;
        let left = until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then(|| Kept { bytes: page.bytes.clone(), left })
    }

    /// Takes the lease if nobody has it.
    fn lease(&mut self, place: &Place, lease: &Lease) -> bool {
        let key = (place.clone(), lease.under.clone());
        let now = Instant::now();
        if self.leases.get(&key).is_some_and(|(_, until)| *until > now) {
            return false;
        }
        self.leases.insert(key, (lease.token.clone(), now + LEASE));
        true
    }
}

fn row_and_version(stamp: &Stamp) -> (i64, i64) {
    let (row, version) = stamp.as_str().split_at(11);
    (row.parse().unwrap(), version.parse().unwrap())
}

/// The shared cache, as one life of an instance sees it.
pub struct SharedOf {
    pub world: Arc<World>,
    pub instance: usize,
    pub life: u64,
    pub told: Mutex<UnboundedReceiver<Versions>>,
}

impl SharedOf {
    /// Some time passes, and what was asked for may get lost in it.
    async fn pass(&self) -> Result<(), SharedError> {
        self.world.while_it_lives(self.instance, self.life, self.world.delay()).await;
        match self.world.shared_fault(self.instance) {
            None => Ok(()),
            Some(Fault::Error) => Err(SharedError::Away("away".to_owned())),
            Some(Fault::Silence) => {
                sleep(Duration::from_secs(30)).await;
                Err(SharedError::Away("silent".to_owned()))
            }
        }
    }

    async fn ask<T>(&self, ask: impl FnOnce(&mut Memory) -> T + Send) -> Result<T, SharedError>
    where
        T: Send,
    {
        self.pass().await?;
        let answer = ask(&mut self.world.memory());
        self.pass().await?;
        Ok(answer)
    }

    fn drop_lease(&self, memory: &mut Memory, place: &Place, lease: &Lease) {
        let key = (place.clone(), lease.under.clone());
        let is_ours = memory.leases.get(&key).is_some_and(|(token, _)| *token == lease.token);
        if is_ours || self.world.flaw == Flaw::NoToken {
            memory.leases.remove(&key);
        }
        if is_ours {
            self.world.lease_is_over(place, &lease.under);
        }
    }
}

#[async_trait]
impl Shared for SharedOf {
    async fn versions(&self) -> Result<Versions, SharedError> {
        let is_kept = self.world.flaw != Flaw::Deletion;
        self.ask(|memory| if is_kept { memory.versions.clone() } else { Versions::new() }).await
    }

    async fn raise(&self, versions: &Versions) -> Result<(), SharedError> {
        let world = &self.world;
        let flaw = world.flaw;
        let risen = self
            .ask(|memory| {
                let risen = memory.raise(versions);
                if flaw == Flaw::Deletion {
                    memory.pages.retain(|_, (page, _)| {
                        !risen.contains_key(&Row(row_and_version(&page.stamp).0))
                    });
                    return Versions::new();
                }
                if !risen.is_empty() {
                    world.tell(&risen);
                }
                risen
            })
            .await?;
        drop(risen);
        Ok(())
    }

    async fn told(&self) -> Versions {
        match self.told.lock().await.recv().await {
            Some(versions) => versions,
            None => std::future::pending().await,
        }
    }

    async fn get(&self, place: &Place) -> Result<Option<Kept>, SharedError> {
        self.ask(|memory| memory.page(place)).await
    }

    async fn get_or_lease(
        &self,
        place: &Place,
        seen: Option<&Stamp>,
        lease: &Lease,
    ) -> Result<Turn, SharedError> {
        self.ask(|memory| {
            if let Some(kept) = memory.page(place)
                && Stamp::read(&kept.bytes).as_ref() != seen
            {
                return Turn::Page(kept);
            }
            if memory.lease(place, lease) {
                self.world.lease_is_granted(self.instance, self.life, place, &lease.under);
                Turn::Granted
            } else {
                Turn::Held
            }
        })
        .await
    }

    async fn fill(
        &self,
        place: &Place,
        page: &Page,
        life: Duration,
        lease: Option<&Lease>,
    ) -> Result<(), SharedError> {
        self.ask(|memory| {
            let (row, version) = row_and_version(&page.stamp);
            let is_newer_there = memory.pages.get(place).is_some_and(|(there, _)| {
                let (its_row, its_version) = row_and_version(&there.stamp);
                its_row == row && its_version > version
            });
            if !is_newer_there {
                memory.pages.insert(place.clone(), (page.clone(), Instant::now() + life));
            }
            if let Some(lease) = lease {
                self.drop_lease(memory, place, lease);
            }
        })
        .await
    }

    async fn give_back(&self, place: &Place, lease: &Lease) -> Result<(), SharedError> {
        self.ask(|memory| self.drop_lease(memory, place, lease)).await
    }

    async fn leave_word(&self, _: &str, _: &str) -> Result<(), SharedError> {
        Ok(())
    }

    async fn words(&self) -> Result<Vec<String>, SharedError> {
        Ok(Vec::new())
    }
}
