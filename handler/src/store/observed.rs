//! A store whose calls are counted and traced, whatever it is.
//!
//! Stands before the store of a serving process. What becomes of imports is seen here, too:
//! each of their steps is a call.

mod users;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tracing::Instrument as _;
use tracing::field::Empty;

use super::{
    Batch, Cancelled, Claim, Claimed, Committed, Edit, End, Lease, Once, Page, PoolUse, Read,
    Reject, Run, RunId, RunState, Store, StoreError, WriteError, Written,
};
use crate::cache::versions::Versions;
use crate::catalog::{Asin, Category, CategoryCount, PageQuery, Product};
use crate::telemetry::activity::Activity;
use crate::telemetry::calls::{Call, CallOutcome};
use crate::telemetry::span;
use crate::telemetry::tallies::add;

/// Runs that were lost of late, so that each is counted once.
const LOST_MAX: usize = 16;

/// Counts the calls of the store behind it.
pub struct Observed {
    inner: Arc<dyn Store>,
    activity: Arc<Activity>,
    lost: Mutex<VecDeque<RunId>>,
}

impl Observed {
    /// The store, with what happens counted there.
    pub fn around(inner: Arc<dyn Store>, activity: &Arc<Activity>) -> Arc<dyn Store> {
        let activity = Arc::clone(activity);
        Arc::new(Self { inner, activity, lost: Mutex::default() })
    }

    async fn call<T, E: Ended>(
        &self,
        call: Call,
        rows: impl FnOnce(&T) -> usize,
        calling: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let span = span::part!(
            "store",
            otel.kind = "client",
            otel.name = call.name(),
            db.system.name = self.inner.system(),
            db.operation.name = call.name(),
            rows = Empty,
            attempt = 1,
            outcome = CallOutcome::Deadline.word(),
        );
        let mut given_up = GivenUp { activity: &self.activity, call, is_armed: true };
        let result = calling.instrument(span.clone()).await;
        given_up.is_armed = false;
        let outcome = result.as_ref().err().map_or(CallOutcome::Ok, Ended::outcome);
        self.activity.calls.count(call, outcome);
        span.record("outcome", outcome.word());
        if let Ok(value) = &result
            && !span.is_none()
        {
            span.record("rows", rows(value));
        }
        span::ended(&span, outcome == CallOutcome::Ok);
        result
    }

    /// A run of ours may have ended elsewhere.
    async fn watch_for_loss<T>(&self, lease: &Lease, result: &Result<T, StoreError>) {
        if !matches!(result, Err(StoreError::RunLost)) {
            return;
        }
        let is_superseded = matches!(
            self.inner.run(lease.run).await,
            Ok(Some(Run { state: RunState::Superseded, .. }))
        );
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_superseded || lost.contains(&lease.run) {
            return;
        }
        if lost.len() == LOST_MAX {
            lost.pop_front();
        }
        lost.push_back(lease.run);
        add(&self.activity.imports.runs_superseded, 1);
    }

    /// The run is in this state now.
    fn count_end(&self, state: RunState) {
        let imports = &self.activity.imports;
        let counter = match state {
            RunState::Done => &imports.runs_done,
            RunState::Failed => &imports.runs_failed,
            RunState::Superseded => &imports.runs_superseded,
            RunState::Cancelled => &imports.runs_cancelled,
            RunState::Loading | RunState::Indexing => return,
        };
        add(counter, 1);
    }
}

/// Counts a call whose caller did not wait for its end.
struct GivenUp<'a> {
    activity: &'a Activity,
    call: Call,
    is_armed: bool,
}

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        if self.is_armed {
            self.activity.calls.count(self.call, CallOutcome::Deadline);
        }
    }
}

/// How an error counts.
trait Ended {
    fn outcome(&self) -> CallOutcome;
}

impl Ended for StoreError {
    fn outcome(&self) -> CallOutcome {
        match self {
            Self::Busy => CallOutcome::Refused,
            // An answer like any other: the run has another owner, words cannot be found.
            Self::RunLost | Self::NoSearch => CallOutcome::Ok,
            _ => CallOutcome::Failed,
        }
    }
}

impl Ended for WriteError {
    fn outcome(&self) -> CallOutcome {
        match self {
            Self::Store(error) => error.outcome(),
            _ => CallOutcome::Ok,
        }
    }
}

fn none<T>(_: &T) -> usize {
    0
}

#[async_trait]
impl Store for Observed {
    async fn page(&self, query: &PageQuery) -> Result<Read<Option<Page>>, StoreError> {
        self.call(
            Call::Page,
            |r| r.value.as_ref().map_or(0, |page| page.products.len()),
            self.inner.page(query),
        )
        .await
    }

    async fn product(&self, asin: &Asin) -> Result<Option<Product>, StoreError> {
        self.call(Call::Product, |one| one.iter().count(), self.inner.product(asin)).await
    }

    async fn categories(&self) -> Result<Read<Vec<Category>>, StoreError> {
        self.call(Call::Categories, |r| r.value.len(), self.inner.categories()).await
    }

    async fn category_counts(&self) -> Result<Read<Vec<CategoryCount>>, StoreError> {
        self.call(Call::CategoryCounts, |r| r.value.len(), self.inner.category_counts()).await
    }

    async fn id(&self) -> Result<String, StoreError> {
        self.call(Call::Id, none, self.inner.id()).await
    }

    async fn versions(&self) -> Result<Arc<Versions>, StoreError> {
        self.call(Call::Versions, |all| all.len(), self.inner.versions()).await
    }

    async fn raise_versions(&self, above: &Versions) -> Result<Arc<Versions>, StoreError> {
        self.call(Call::RaiseVersions, |all| all.len(), self.inner.raise_versions(above)).await
    }

    async fn create_product(
        &self,
        product: &Product,
        once: Option<&Once>,
    ) -> Result<Written, WriteError> {
        self.call(Call::CreateProduct, none, self.inner.create_product(product, once)).await
    }

    async fn edit_product(&self, asin: &Asin, edit: Edit) -> Result<Written, WriteError> {
        self.call(Call::EditProduct, none, self.inner.edit_product(asin, edit)).await
    }

    async fn run(&self, id: RunId) -> Result<Option<Run>, StoreError> {
        self.call(Call::Run, |one| one.iter().count(), self.inner.run(id)).await
    }

    async fn runs(&self, before: Option<RunId>, limit: usize) -> Result<Vec<Run>, StoreError> {
        self.call(Call::Runs, Vec::len, self.inner.runs(before, limit)).await
    }

    async fn abandoned_runs(&self) -> Result<Vec<Run>, StoreError> {
        self.call(Call::AbandonedRuns, Vec::len, self.inner.abandoned_runs()).await
    }

    async fn rejects(
        &self,
        id: RunId,
        after_byte: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Reject>, StoreError> {
        self.call(Call::Rejects, Vec::len, self.inner.rejects(id, after_byte, limit)).await
    }

    async fn prune(&self) -> Result<u64, StoreError> {
        self.call(Call::Prune, none, self.inner.prune()).await
    }

    async fn repair(&self) -> Result<(), StoreError> {
        self.call(Call::Repair, none, self.inner.repair()).await
    }

    async fn is_unused(&self) -> Result<bool, StoreError> {
        self.call(Call::IsUnused, none, self.inner.is_unused()).await
    }

    async fn claim_run(&self, claim: &Claim) -> Result<Claimed, StoreError> {
        let claimed = self.call(Call::ClaimRun, none, self.inner.claim_run(claim)).await;
        if let Ok(Claimed::Ours(run, _)) = &claimed
            && run.checkpoint.offset == 0
            && run.errors == 0
        {
            add(&self.activity.imports.runs_begun, 1);
        }
        claimed
    }

    async fn send_ahead(&self, lease: &Lease, batch: &Batch) {
        self.inner.send_ahead(lease, batch).await;
    }

    async fn commit_batch(&self, lease: &Lease, batch: Batch) -> Result<Committed, StoreError> {
        let (read, replaced) = (batch.read, batch.replaced);
        let rejected = batch.rejects.len() as u64;
        let rows = usize::try_from(read).unwrap_or(usize::MAX);
        let committing = self.inner.commit_batch(lease, batch);
        let committed = self.call(Call::CommitBatch, move |_| rows, committing).await;
        if committed.is_ok() {
            let imports = &self.activity.imports;
            add(&imports.rows_rejected, rejected);
            add(&imports.rows_replaced, replaced);
            add(&imports.rows_loaded, read.saturating_sub(replaced + rejected));
        }
        self.watch_for_loss(lease, &committed).await;
        committed
    }

    async fn finish_loading(&self, lease: &Lease) -> Result<(), StoreError> {
        let calling = self.inner.finish_loading(lease);
        let finished = self.call(Call::FinishLoading, none, calling).await;
        self.watch_for_loss(lease, &finished).await;
        finished
    }

    async fn renew_lease(&self, lease: &Lease) -> Result<(), StoreError> {
        let renewed = self.call(Call::RenewLease, none, self.inner.renew_lease(lease)).await;
        self.watch_for_loss(lease, &renewed).await;
        renewed
    }

    async fn end_run(&self, lease: &Lease, end: End) -> Result<Run, StoreError> {
        let ended = self.call(Call::EndRun, none, self.inner.end_run(lease, end)).await;
        if let Ok(run) = &ended {
            self.count_end(run.state);
        }
        self.watch_for_loss(lease, &ended).await;
        ended
    }

    async fn cancel_run(&self, id: RunId) -> Result<Option<Cancelled>, StoreError> {
        let cancelled =
            self.call(Call::CancelRun, |one| one.iter().count(), self.inner.cancel_run(id)).await;
        if let Ok(Some(Cancelled::Now(_))) = &cancelled {
            self.count_end(RunState::Cancelled);
        }
        cancelled
    }

    fn tells_versions_cheaply(&self) -> bool {
        self.inner.tells_versions_cheaply()
    }

    fn pauses_when_idle(&self) -> bool {
        self.inner.pauses_when_idle()
    }

    fn expect_batches(&self) {
        self.inner.expect_batches();
    }

    fn batches_held(&self) -> usize {
        self.inner.batches_held()
    }

    fn batch_rows(&self) -> usize {
        self.inner.batch_rows()
    }

    fn pool(&self) -> Option<PoolUse> {
        self.inner.pool()
    }

    fn system(&self) -> &'static str {
        self.inner.system()
    }
}
