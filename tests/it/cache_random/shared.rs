//! A shared cache that forgets, is away, and delivers late or never.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Mutex;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::sleep;
use vitrine::cache::shared::{Kept, Lease, Page, Place, Shared, SharedError, Stamp, Turn};
use vitrine::cache::versions::{Row, Versions};

use super::database::Flaw;
use super::world::{Fault, World};
use crate::support::twin::{Memory, row_and_version};

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

    fn give_back(&self, memory: &mut Memory, place: &Place, lease: &Lease) {
        if memory.holds(place, lease) {
            memory.drop_lease(place, lease);
            self.world.lease_is_over(place, &lease.under);
        } else if self.world.flaw == Flaw::NoToken {
            memory.drop_lease(place, lease);
        }
    }
}

#[async_trait]
impl Shared for SharedOf {
    async fn versions(&self) -> Result<Versions, SharedError> {
        let is_kept = self.world.flaw != Flaw::Deletion;
        self.ask(|memory| if is_kept { memory.told() } else { Versions::new() }).await
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
            let turn = memory.page_or_lease(place, seen, lease);
            if turn == Turn::Granted {
                self.world.lease_is_granted(self.instance, self.life, place, &lease.under);
            }
            turn
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
            memory.put(place, page, life);
            if let Some(lease) = lease {
                self.give_back(memory, place, lease);
            }
        })
        .await
    }

    async fn give_back(&self, place: &Place, lease: &Lease) -> Result<(), SharedError> {
        self.ask(|memory| SharedOf::give_back(self, memory, place, lease)).await
    }

    async fn remove(&self, place: &Place) -> Result<(), SharedError> {
        self.ask(|memory| drop(memory.pages.remove(place))).await
    }

    async fn forget(&self, rows: &[Row]) -> Result<(), SharedError> {
        self.ask(|memory| memory.versions.retain(|row, _| !rows.contains(row))).await
    }

    async fn leave_word(&self, _: &str, _: &str) -> Result<(), SharedError> {
        Ok(())
    }

    async fn words(&self) -> Result<Vec<String>, SharedError> {
        Ok(Vec::new())
    }
}
