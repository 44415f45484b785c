//! A store that is being opened while the process serves already.
//!
//! The Functions host gives a process seconds until it must listen, whatever is away. What
//! needs the store before it is there is told so, as if it could not be reached.

mod users;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use tokio::sync::Notify;

use super::{
    Batch, Cancelled, Claim, Claimed, Committed, Edit, End, Lease, Once, Page, PoolUse, Read,
    Reject, Run, RunId, Store, StoreError, WriteError, Written,
};
use crate::cache::versions::Versions;
use crate::catalog::{Asin, Category, CategoryCount, PageQuery, Product};

/// Stands for a store until there is one.
#[derive(Default)]
pub struct LateStore {
    opened: OnceLock<Arc<dyn Store>>,
    /// Why it could not be opened the last time.
    fault: Mutex<Option<StoreError>>,
    /// Told of the first try, and of those after it.
    tried: Notify,
}

impl LateStore {
    /// The store is there. The first one counts.
    pub fn opened(&self, store: Arc<dyn Store>) {
        self.opened.get_or_init(|| store);
        self.tried.notify_one();
    }

    /// Waits until it has been opened, or could not be.
    pub async fn tried(&self) {
        self.tried.notified().await;
    }

    /// It could not be opened. Tells whether that is news.
    pub fn failed(&self, fault: StoreError) -> bool {
        let mut last = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = last.as_ref().is_none_or(|last| last.with_cause() != fault.with_cause());
        *last = Some(fault);
        self.tried.notify_one();
        is_news
    }

    fn store(&self) -> Result<&dyn Store, StoreError> {
        let fault = || {
            let last = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
            let reason = last
                .as_ref()
                .map_or_else(|| "it is being opened".to_owned(), StoreError::with_cause);
            StoreError::Unreachable(reason.into())
        };
        self.opened.get().map(AsRef::as_ref).ok_or_else(fault)
    }
}

#[async_trait]
impl Store for LateStore {
    async fn page(&self, query: &PageQuery) -> Result<Read<Option<Page>>, StoreError> {
        self.store()?.page(query).await
    }

    async fn product(&self, asin: &Asin) -> Result<Option<Product>, StoreError> {
        self.store()?.product(asin).await
    }

    async fn categories(&self) -> Result<Read<Vec<Category>>, StoreError> {
        self.store()?.categories().await
    }

    async fn category_counts(&self) -> Result<Read<Vec<CategoryCount>>, StoreError> {
        self.store()?.category_counts().await
    }

    async fn id(&self) -> Result<String, StoreError> {
        self.store()?.id().await
    }

    async fn versions(&self) -> Result<Arc<Versions>, StoreError> {
        self.store()?.versions().await
    }

    fn tells_versions_cheaply(&self) -> bool {
        self.store().is_ok_and(Store::tells_versions_cheaply)
    }

    async fn raise_versions(&self, above: &Versions) -> Result<Arc<Versions>, StoreError> {
        self.store()?.raise_versions(above).await
    }

    async fn create_product(
        &self,
        product: &Product,
        once: Option<&Once>,
    ) -> Result<Written, WriteError> {
        self.store()?.create_product(product, once).await
    }

    async fn edit_product(&self, asin: &Asin, edit: Edit) -> Result<Written, WriteError> {
        self.store()?.edit_product(asin, edit).await
    }

    async fn claim_run(&self, claim: &Claim) -> Result<Claimed, StoreError> {
        self.store()?.claim_run(claim).await
    }

    fn pauses_when_idle(&self) -> bool {
        self.store().is_ok_and(Store::pauses_when_idle)
    }

    fn expect_batches(&self) {
        if let Ok(store) = self.store() {
            store.expect_batches();
        }
    }

    fn batches_held(&self) -> usize {
        self.store().map_or(2, Store::batches_held)
    }

    fn batch_rows(&self) -> usize {
        // Asked only in a run, which only an opened store can have given.
        self.store().map_or(1, Store::batch_rows)
    }

    async fn send_ahead(&self, lease: &Lease, batch: &Batch) {
        if let Ok(store) = self.store() {
            store.send_ahead(lease, batch).await;
        }
    }

    async fn commit_batch(&self, lease: &Lease, batch: Batch) -> Result<Committed, StoreError> {
        self.store()?.commit_batch(lease, batch).await
    }

    async fn finish_loading(&self, lease: &Lease) -> Result<(), StoreError> {
        self.store()?.finish_loading(lease).await
    }

    async fn renew_lease(&self, lease: &Lease) -> Result<(), StoreError> {
        self.store()?.renew_lease(lease).await
    }

    async fn end_run(&self, lease: &Lease, end: End) -> Result<Run, StoreError> {
        self.store()?.end_run(lease, end).await
    }

    async fn cancel_run(&self, id: RunId) -> Result<Option<Cancelled>, StoreError> {
        self.store()?.cancel_run(id).await
    }

    async fn run(&self, id: RunId) -> Result<Option<Run>, StoreError> {
        self.store()?.run(id).await
    }

    async fn runs(&self, before: Option<RunId>, limit: usize) -> Result<Vec<Run>, StoreError> {
        self.store()?.runs(before, limit).await
    }

    async fn abandoned_runs(&self) -> Result<Vec<Run>, StoreError> {
        self.store()?.abandoned_runs().await
    }

    async fn rejects(
        &self,
        id: RunId,
        after_byte: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Reject>, StoreError> {
        self.store()?.rejects(id, after_byte, limit).await
    }

    async fn prune(&self) -> Result<u64, StoreError> {
        self.store()?.prune().await
    }

    async fn repair(&self) -> Result<(), StoreError> {
        self.store()?.repair().await
    }

    fn system(&self) -> &'static str {
        self.store().map_or("other_sql", Store::system)
    }

    fn pool(&self) -> Option<PoolUse> {
        self.store().ok()?.pool()
    }

    async fn is_unused(&self) -> Result<bool, StoreError> {
        self.store()?.is_unused().await
    }
}
