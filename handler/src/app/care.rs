//! What a serving process does without being asked: files that are dropped, runs that are
//! left behind, the search index, the versions.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::App;
use super::embedded::Embedded;
use super::server::Opening;
use crate::cache::Cache;
use crate::http::stats::{self, LEAVE_WORD_EVERY};
use crate::import::maintain::import_dropped;
use crate::import::rejects::Rejects;
use crate::import::watch::WatchedFolder;
use crate::maintenance::Maintenance;
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::folder::DataFolder;
use crate::store::{Store, StoreError};

/// DESIGN 4 and the contract: looked at once a second.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// When a dropped file that could not be begun with is tried again.
const POSTPONED: Duration = Duration::from_secs(5);
/// CONTRACT 4: not under a host, the process maintains itself every minute.
const MAINTAIN_EVERY: Duration = Duration::from_mins(1);
/// A query in ten seconds for the certainty that what is given is so.
const AUDIT_EVERY: Duration = Duration::from_secs(10);

/// Takes care of everything.
pub(super) async fn of_all(embedded: Embedded, maintenance: Maintenance) {
    let cache = Arc::clone(&maintenance.cache);
    let store = Arc::clone(&maintenance.store);
    tokio::join!(under_host(embedded, store, cache), keep_maintaining(maintenance));
}

/// Takes care of all that the host does not ask for by its timer.
pub(super) async fn under_host(embedded: Embedded, store: Arc<dyn Store>, cache: Arc<Cache>) {
    let Embedded { sqlite, folder, rejects, .. } = &embedded;
    let dropped = watch(store, folder.clone(), rejects.clone(), Arc::clone(&cache));
    tokio::join!(dropped, index_search(Arc::clone(sqlite), cache));
}

/// Takes care of what lies beside a database on a server, once it is opened. Without
/// `maintenance` the host's timer asks for it.
pub(super) async fn beside_server(
    opening: Opening,
    folder: DataFolder,
    rejects: Rejects,
    (store, cache): (Arc<dyn Store>, Arc<Cache>),
    maintenance: Option<Maintenance>,
) {
    let Opening { mut task, .. } = opening;
    // Ends with this one, and not only when the server comes.
    let stopping = AbortOnDrop(task.abort_handle());
    if let Err(e) = (&mut task).await {
        tracing::error!("the database is not opened any more: {e}");
        return;
    }
    drop(stopping);
    let dropped = async {
        match DataFolder::make(folder.path()) {
            Ok(folder) => {
                watch(store, folder, rejects, cache).await;
            }
            // A host may give the process no folder of its own.
            Err(e) => tracing::warn!("no folder is watched for files: {e}"),
        }
    };
    let maintained = async {
        if let Some(maintenance) = maintenance {
            keep_maintaining(maintenance).await;
        }
    };
    tokio::join!(dropped, maintained);
}

/// Ends a task when it is dropped.
pub(crate) struct AbortOnDrop(AbortHandle);

impl AbortOnDrop {
    /// Begins a task that ends with this.
    pub(crate) fn of(task: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(task).abort_handle())
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn keep_maintaining(maintenance: Maintenance) {
    let mut ticks = interval(MAINTAIN_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(e) = maintenance.run().await {
            tracing::warn!("maintenance met an error and tries again: {e}");
        }
    }
}

/// Keeps the search index behind the products, a step at a time.
async fn index_search(sqlite: Arc<SqliteStore>, cache: Arc<Cache>) {
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match catch_up(&sqlite).await {
            Ok(0) => {}
            Ok(_) => cache.nudge(),
            Err(e) => tracing::warn!("the search index lags and is tried again: {e}"),
        }
    }
}

/// In how many steps.
async fn catch_up(sqlite: &SqliteStore) -> Result<u64, StoreError> {
    let mut steps = 0;
    while sqlite.index_search().await? {
        steps += 1;
    }
    // Indexing fills the writer's page cache, which nobody needs at rest.
    if steps > 0 {
        sqlite.shrink().await?;
    }
    Ok(steps)
}

/// Keeps what the cache knows young while somebody asks, so that no reader has to wait; hears
/// what other instances tell; and tells them what was written without being published.
pub(crate) async fn of_versions(cache: Arc<Cache>) {
    let poll = async {
        let mut ticks = interval(cache.poll_every());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            cache.poll().await;
        }
    };
    tokio::join!(poll, cache.listen(), tell(Arc::clone(&cache)));
}

/// Tells the other instances what was written without being published, as an import does.
pub(crate) async fn tell(cache: Arc<Cache>) {
    loop {
        cache.nudged().await;
        if let Err(e) = cache.reconcile().await {
            tracing::debug!("the other instances hear it from the store: {e}");
        }
    }
}

/// Compares an answer now and then with the store, and leaves word of what has happened.
pub(super) async fn of_word(app: App) {
    let words = async {
        let mut ticks = interval(LEAVE_WORD_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            stats::leave_word(&app).await;
        }
    };
    let audits = async {
        let mut ticks = interval(AUDIT_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            app.cache.audit().await;
        }
    };
    tokio::join!(words, audits);
}

async fn watch(store: Arc<dyn Store>, folder: DataFolder, rejects: Rejects, cache: Arc<Cache>) {
    let mut watched = WatchedFolder::new(&folder.imports());
    let mut postponed: Vec<(Instant, PathBuf)> = Vec::new();
    let mut was_readable = true;
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for (_, path) in postponed.extract_if(.., |(at, _)| *at <= Instant::now()) {
            watched.give_again(&path);
        }
        match watched.look() {
            Ok(uploaded) => {
                was_readable = true;
                for path in uploaded {
                    let tell = |_| cache.nudge();
                    if !import_dropped(&store, &rejects, path.clone(), &tell).await {
                        postponed.push((Instant::now() + POSTPONED, path));
                    }
                }
            }
            Err(e) if was_readable => {
                was_readable = false;
                tracing::warn!("the watched folder cannot be read: {e}");
            }
            Err(_) => {}
        }
    }
}

type Stop = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A host kills; being told to stop has its usual effect of ending the process at once, with
/// a code that is not 0.
pub(super) fn never() -> Stop {
    Box::pin(std::future::pending())
}

pub(super) fn told_to_stop() -> Stop {
    Box::pin(async {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            if let Ok(mut term) = signal(SignalKind::terminate()) {
                tokio::select! {
                    _ = term.recv() => {}
                    _ = tokio::signal::ctrl_c() => {}
                }
                return;
            }
        }
        // Without signals the process serves until it is killed.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
