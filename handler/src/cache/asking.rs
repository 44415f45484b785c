//! Keeping what is known of the versions young: who is asked, when, and what is done with it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::sleep;

use super::Cache;
use super::breaker::BreakerState;
use super::counters::count;
use super::guard::{Caller, Ended};
use super::shared::SharedError;
use super::versions::{Gate, Moment, Versions, behind};
use crate::store::StoreError;

/// How long the store may take. Joiners wait on it.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);
/// How long it may take to tell the versions, a row each for a few hundred categories: readers
/// of kept answers wait for it, and are better served with an older one than later.
const ASK_DEADLINE: Duration = Duration::from_secs(2);
/// How long a call of what is shared may take, should it have no deadline of its own.
const SHARED_DEADLINE: Duration = Duration::from_secs(1);

/// Before a process that ends tries again to tell the others.
const SETTLE_AGAIN: Duration = Duration::from_millis(100);

/// Microseconds since 1970, against which what others tell is held.
pub(super) fn wall_clock() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// Who knows of versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// This instance alone.
    Here,
    /// Whoever looks at what is published.
    ByAll,
}

/// What came of the last question for the versions.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// When it failed and why: whoever was waiting by then need not ask again.
    failed: Option<(Moment, Arc<StoreError>)>,
}

impl Cache {
    /// Takes the versions of a write that this process has committed, and tells the others,
    /// before it is answered.
    pub async fn publish(&self, versions: &Versions) {
        self.arrival();
        self.raise_known(versions);
        self.announce(versions).await;
    }

    /// Something is being written that is not published by itself, an import say: the store is
    /// asked soon, and the others are told.
    pub fn nudge(&self) {
        self.nudged.notify_one();
    }

    /// Waits until somebody nudges.
    pub async fn nudged(&self) {
        self.nudged.notified().await;
    }

    /// Compares what the store has with what is published, and mends what is behind.
    pub async fn reconcile(&self) -> Result<(), StoreError> {
        let published = self.ask_shared(Caller::Background).await.ok();
        self.ask_store(published).await.map(|_| ())
    }

    /// Tells the other instances what this process has written, before it ends. Whom it does not
    /// reach in so long hears it from the store.
    pub async fn settle(&self, within: Duration) {
        let until = self.now() + within;
        while self.shared.is_some() {
            let published = self.ask_shared(Caller::Background).await.ok();
            if matches!(self.ask_store(published).await, Ok(Heard::ByAll)) {
                return;
            }
            if self.now() >= until {
                return tracing::warn!("the other instances hear from the store what was written");
            }
            sleep(SETTLE_AGAIN).await;
        }
    }

    /// How often [`Cache::poll`] should be called.
    pub fn poll_every(&self) -> Duration {
        self.limits.staleness / 4
    }

    /// Asks for the versions if what is known is half as old as it may be: called in the
    /// background while there is traffic, so that no reader has to ask. It is this, too, that
    /// tries whether a part has come back.
    pub async fn poll(&self) {
        if self.is_idle() {
            return;
        }
        let (now, known) = (self.now(), self.known());
        let is_due_of_store = known.age_of_store(now) > known.bound_of_store() / 2;
        if !is_due_of_store && known.age(now) <= self.limits.staleness / 2 {
            return;
        }
        let published = self.ask_shared(Caller::Background).await.ok();
        if is_due_of_store || published.is_none() {
            // A failure shows when somebody needs the answer.
            let _ = self.ask_store(published).await;
        }
    }

    /// Takes what the other instances tell, for as long as it is called.
    pub async fn listen(&self) {
        let Some(shared) = &self.shared else { return std::future::pending().await };
        loop {
            let told = shared.told().await;
            count(&self.counters.told);
            self.raise_known(&self.known().plausible(&told, wall_clock()));
        }
    }

    /// Makes what is known young enough to be used.
    pub(super) async fn refresh(&self) -> Result<(), Arc<StoreError>> {
        let arrived = self.now();
        let may_do_without_store =
            self.known().gate(arrived) == Gate::AskAnybody && self.may_ask_shared();
        let mut asked = match self.breaker() {
            BreakerState::Open | BreakerState::HalfOpen if !may_do_without_store => {
                // One tries whether the store has come back; nobody is kept waiting for it.
                self.asking.try_lock().map_err(|_| Arc::new(self.refusal()))?
            }
            _ => self.asking.lock().await,
        };
        // Whoever had the turn before has asked for us too.
        let gate = self.known().gate(self.now());
        if gate == Gate::Open {
            return Ok(());
        }
        let published = self.ask_shared(Caller::Waiting).await.ok();
        if gate == Gate::AskAnybody && published.is_some() {
            return Ok(());
        }
        if let Some((at, error)) = &asked.failed
            && *at >= arrived
        {
            return Err(Arc::clone(error));
        }
        let answered = self.ask_store(published).await.map(|_| ()).map_err(Arc::new);
        asked.failed = answered.as_ref().err().map(|error| (self.now(), Arc::clone(error)));
        answered
    }

    /// Whether there is something shared that is not being left alone.
    pub(super) fn may_ask_shared(&self) -> bool {
        self.shared_breaker() == Some(BreakerState::Closed)
    }

    /// Asks for what the instances have told each other.
    async fn ask_shared(&self, caller: Caller) -> Result<Versions, SharedError> {
        let Some(shared) = &self.shared else {
            return Err(SharedError::Away("there is none".to_owned()));
        };
        let sent = self.now();
        count(&self.counters.shared_asks);
        let told = self.ask_shared_to(caller, shared.versions()).await?;
        let versions = self.known().plausible(&told, wall_clock());
        let damaged: Vec<_> = told.into_keys().filter(|row| !versions.contains_key(row)).collect();
        if !damaged.is_empty() {
            tracing::warn!(rows = damaged.len(), "what was published of these is no version");
            count(&self.counters.shared_unreadable);
            self.ask_shared_to(caller, shared.forget(&damaged)).await?;
        }
        self.known.write().unwrap_or_else(PoisonError::into_inner).heard(sent, &versions);
        Ok(versions)
    }

    /// Asks the store. What it says is so: what the instances have told each other is raised to
    /// it, and where it is behind them it has been restored and is raised itself. `published` was
    /// asked for before: only so does a higher version there mean that the store has gone back.
    async fn ask_store(&self, published: Option<Versions>) -> Result<Heard, StoreError> {
        let (known, sent) = (self.known(), self.now());
        count(&self.counters.asks);
        let failed = |_: &StoreError| count(&self.counters.asks_failed);
        let asked = self.guarded(ASK_DEADLINE, self.origin.versions()).await;
        let mut versions = asked.inspect_err(failed)?;
        let lost = known.lost_in(&versions);
        if !lost.is_empty() {
            count(&self.counters.restores);
            tracing::warn!(rows = lost.len(), "the database has gone back to an earlier state");
            // Every row: of some of them nobody may know any more what they were.
            let mut all = Versions::clone(&versions);
            all.extend(lost);
            let raised = self.guarded(DEADLINE, self.origin.raise(&all)).await;
            versions = raised.inspect_err(failed)?;
        }
        {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            known.heard_of_store(sent, &versions);
            if self.origin.is_cheap_to_ask() {
                known.store_is_cheap();
            }
        }
        let Some(published) = published else { return Ok(Heard::Here) };
        count(&self.counters.reconciliations);
        let unpublished = behind(&published, &versions);
        if unpublished.is_empty() {
            return Ok(Heard::ByAll);
        }
        count(&self.counters.reconciliations_found);
        Ok(self.announce(&unpublished).await)
    }

    /// Tells the others of versions. Whom it does not reach hears it from the store.
    pub(super) async fn announce(&self, versions: &Versions) -> Heard {
        let Some(shared) = &self.shared else { return Heard::Here };
        match self.ask_shared_to(Caller::Waiting, shared.raise(versions)).await {
            Ok(()) => {
                self.is_unheard.store(false, Ordering::Relaxed);
                Heard::ByAll
            }
            Err(e) => {
                count(&self.counters.announcements_failed);
                // Once, until somebody has been told again.
                if !self.is_unheard.swap(true, Ordering::Relaxed) {
                    tracing::warn!("the other instances hear of writes from the store alone: {e}");
                }
                Heard::Here
            }
        }
    }

    /// Asks what is shared for something unless it is being left alone, within a deadline.
    pub(super) async fn ask_shared_to<T>(
        &self,
        caller: Caller,
        call: impl Future<Output = Result<T, SharedError>>,
    ) -> Result<T, SharedError> {
        let is_away = |result: &Result<T, _>| matches!(result, Err(SharedError::Away(_)));
        let ended =
            self.shared_guard.call(caller, || self.now(), SHARED_DEADLINE, call, is_away).await;
        let away = |why: &str| SharedError::Away(why.to_owned());
        let result = match ended {
            Ended::With(result) => result,
            Ended::Late => Err(away("it took too long")),
            Ended::Refused => {
                count(&self.counters.shared_refusals);
                return Err(away("it is left alone for a second"));
            }
        };
        result.inspect_err(|_| count(&self.counters.shared_failures))
    }

    /// Asks the store unless it is being left alone, within a deadline.
    pub(super) async fn guarded<T>(
        &self,
        deadline: Duration,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let is_away =
            |result: &Result<T, StoreError>| result.as_ref().is_err_and(StoreError::is_away);
        // Whoever comes when its rest is over tries whether the store is back.
        let caller = Caller::Background;
        match self.store_guard.call(caller, || self.now(), deadline, call, is_away).await {
            Ended::With(result) => {
                if let Err(StoreError::Busy) = &result {
                    count(&self.counters.busy);
                }
                result
            }
            Ended::Late => {
                count(&self.counters.deadlines_passed);
                Err(StoreError::Unreachable("it took too long".into()))
            }
            Ended::Refused => Err(self.refusal()),
        }
    }

    fn refusal(&self) -> StoreError {
        count(&self.counters.breaker_refusals);
        StoreError::Unreachable("the store is left alone for a second".into())
    }
}
