//! Every long-lived part, wired once; and the life of a serving process.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::time::{MissedTickBehavior, interval};

use crate::cache::{Cache, Limits};
use crate::clock::Clock;
use crate::http::{self, Streams};
use crate::import::maintain::{import_dropped, maintain};
use crate::import::rejects::RejectsFolder;
use crate::import::watch::WatchedFolder;
use crate::question::FromStore;
use crate::readiness::Readiness;
use crate::sample;
use crate::store::sqlite::folder::{DataFolder, ServingLock};
use crate::store::sqlite::{Purpose, SqliteStore};
use crate::store::{Store, StoreError};

/// DESIGN 4 and the contract: looked at once a second.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// When a dropped file that could not be begun with is tried again.
const POSTPONED: Duration = Duration::from_secs(5);
/// CONTRACT 4: not under a host, the process maintains itself every minute.
const MAINTAIN_EVERY: Duration = Duration::from_mins(1);

/// The parts that requests work with. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// Where the rows are.
    pub store: Arc<dyn Store>,
    /// Finished answers.
    pub cache: Arc<Cache>,
    /// Whether the parts can be reached.
    pub readiness: Arc<Readiness>,
    /// The places for lists that are streamed.
    pub streams: Arc<Streams>,
}

impl App {
    /// The parts around a store.
    pub fn new(store: Arc<dyn Store>, limits: Limits) -> Self {
        let origin = Arc::new(FromStore(Arc::clone(&store)));
        Self {
            store,
            cache: Arc::new(Cache::new(origin, limits)),
            readiness: Arc::default(),
            streams: Arc::default(),
        }
    }
}

/// A serving process: the parts, and what it does besides answering.
pub struct Server {
    app: App,
    sqlite: Arc<SqliteStore>,
    folder: DataFolder,
    rejects: RejectsFolder,
    listener: TcpListener,
    _serving: ServingLock,
}

/// Why a process cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nothing can listen there.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, #[source] io::Error),
}

impl Server {
    /// Opens the parts and binds the address.
    #[expect(clippy::unused_async, reason = "listening panics outside the runtime")]
    pub async fn start(
        folder: &DataFolder,
        listen: SocketAddr,
        limits: Limits,
    ) -> Result<Self, StartError> {
        // Held before the database is opened: a load that leaves indexes out must see us.
        let serving = folder.lock_for_serving()?;
        let sqlite = Arc::new(SqliteStore::open(folder, Purpose::Serving, Clock::System)?);
        let listener = http::serve::listen(listen).map_err(|e| StartError::Listen(listen, e))?;
        Ok(Self {
            app: App::new(Arc::<SqliteStore>::clone(&sqlite), limits),
            sqlite,
            folder: folder.clone(),
            rejects: RejectsFolder::new(folder.rejects()),
            listener,
            _serving: serving,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Loads the sample into a store that was never used.
    pub async fn load_sample(&self) -> Result<(), StoreError> {
        if !self.app.store.is_unused().await? {
            return Ok(());
        }
        if let Err(e) = sample::load(&self.app.store, &self.rejects).await {
            // A catalogue without the sample is still a catalogue.
            tracing::error!("the sample could not be loaded: {e}");
        }
        Ok(())
    }

    /// Serves until the process is told to stop, then lets requests end.
    pub async fn run(self) {
        let caretaker = tokio::spawn(take_care(
            Arc::clone(&self.app.store),
            self.sqlite,
            self.folder,
            self.rejects,
        ));
        let polling = tokio::spawn(poll(Arc::clone(&self.app.cache)));
        http::serve::serve(self.listener, self.app, told_to_stop()).await;
        polling.abort();
        // A run in the middle of a batch goes on at its checkpoint next time.
        caretaker.abort();
    }
}

/// What nobody asks for: files that are dropped, runs that are left behind.
async fn take_care(
    store: Arc<dyn Store>,
    sqlite: Arc<SqliteStore>,
    folder: DataFolder,
    rejects: RejectsFolder,
) {
    let dropped = watch(Arc::clone(&store), folder, rejects.clone());
    let search = index_search(Arc::clone(&sqlite));
    let left_behind = async {
        let mut ticks = interval(MAINTAIN_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let mended = sqlite.repair_indexes().await;
            if let Err(e) = mended.and(maintain(&store, &rejects).await) {
                tracing::warn!("maintenance met an error and tries again: {e}");
            }
        }
    };
    tokio::join!(dropped, search, left_behind);
}

/// Keeps the search index behind the products, a step at a time.
async fn index_search(sqlite: Arc<SqliteStore>) {
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        loop {
            match sqlite.index_search().await {
                Ok(true) => {}
                Ok(false) => break,
                Err(e) => {
                    tracing::warn!("the search index lags and is tried again: {e}");
                    break;
                }
            }
        }
    }
}

/// Keeps what the cache knows young while somebody asks, so that no reader has to wait.
async fn poll(cache: Arc<Cache>) {
    let mut ticks = interval(cache.poll_every());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        cache.poll().await;
    }
}

async fn watch(store: Arc<dyn Store>, folder: DataFolder, rejects: RejectsFolder) {
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
                    if !import_dropped(&store, &rejects, path.clone()).await {
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

async fn told_to_stop() {
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
}
