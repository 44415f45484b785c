//! Every long-lived part, wired once; and the life of a serving process.

pub(crate) mod care;
pub mod database;
mod embedded;
mod follow;
pub mod people;
mod server;
pub mod shared;
pub mod vault;
mod waiting;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout_at;
use uuid::Uuid;

use crate::blobs::{Blobs, Unusable};
use crate::cache::Cache;
use crate::host::Functions;
use crate::http::{self, Streams};
use crate::import::rejects::Rejects;
use crate::import::source::Sources;
use crate::imports::Imports;
use crate::maintenance::Maintenance;
use crate::readiness::Readiness;
use crate::secrets::OpenError;
use crate::settings::Settings;
use crate::store::late::LateStore;
use crate::store::observed::Observed;
use crate::store::sqlite::folder::DataFolder;
use crate::store::{Store, StoreError};
use crate::telemetry::activity::Activity;
use crate::writes::Writes;
use embedded::Embedded;
use people::{People, PeopleError};
use server::Opening;

/// How long the parts may take before a process listens without them: CONTRACT 6 gives it
/// five seconds.
const OPEN_WITHIN: Duration = Duration::from_millis(2_500);

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
    /// The way by which products are written.
    pub writes: Writes,
    /// Import runs, and the retries that this process carries on.
    pub imports: Arc<Imports>,
    /// Accounts, tokens, limits.
    pub people: Arc<People>,
    /// Which of several instances this is.
    pub instance: Arc<Instance>,
    /// What has happened in it so far.
    pub activity: Arc<Activity>,
    /// What the Functions host may ask for; nothing without one.
    pub functions: Option<Arc<Functions>>,
}

impl App {
    /// The parts around a store.
    fn new(
        store: Arc<dyn Store>,
        cache: Arc<Cache>,
        people: People,
        readiness: Readiness,
        imports: Imports,
        functions: Option<Functions>,
    ) -> Self {
        Self {
            writes: Writes::new(Arc::clone(&store), Arc::clone(&cache)),
            store,
            cache,
            people: Arc::new(people),
            instance: Arc::default(),
            activity: Arc::default(),
            readiness: Arc::new(readiness),
            streams: Arc::default(),
            imports: Arc::new(imports),
            functions: functions.map(Arc::new),
        }
    }
}

/// One process among several.
pub struct Instance {
    /// Drawn at random at the start.
    pub id: String,
    /// When it started.
    pub began: Instant,
}

impl Default for Instance {
    fn default() -> Self {
        Self { id: Uuid::new_v4().to_string(), began: Instant::now() }
    }
}

/// A serving process: the parts, and what it does besides answering.
pub struct Server {
    app: App,
    parts: Parts,
    maintenance: Maintenance,
    listener: TcpListener,
}

/// The database and the folders.
enum Parts {
    /// On its own a process opens them before it listens.
    Opened(Embedded),
    /// Under a host it listens even if they cannot be opened.
    Late(JoinHandle<Embedded>),
    /// The rows are on a server, which may be away.
    Server(DataFolder, Opening),
}

/// Why a process cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The account of uploads cannot be used as it is set.
    #[error(transparent)]
    Storage(#[from] Unusable),
    /// The settings are not known.
    #[error(transparent)]
    Secrets(#[from] OpenError),
    /// Users cannot be let in.
    #[error(transparent)]
    People(#[from] PeopleError),
    /// Nothing can listen there.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, #[source] io::Error),
}

impl Server {
    /// Opens the parts and binds the address. A new folder gets the sample.
    ///
    /// Under a host it is listened within seconds, whatever is away: the host takes a process
    /// that ends for broken. Parts that can be opened by then are, since the host's first
    /// request comes as soon as somebody listens.
    pub async fn start(settings: &Settings) -> Result<Self, StartError> {
        let listen_by = tokio::time::Instant::now() + OPEN_WITHIN;
        Self::start_by(settings, listen_by, None).await
    }

    /// The same with less time, or on what listens there already.
    async fn start_by(
        settings: &Settings,
        listen_by: tokio::time::Instant,
        listener: Option<TcpListener>,
    ) -> Result<Self, StartError> {
        let folder = DataFolder::at(&settings.data_dir);
        let blobs = blobs(settings)?;
        let rejects = Rejects::at(folder.rejects(), blobs.as_ref());
        let (parts, store) = if let Some(sql) = &settings.sql {
            let opening = Opening::begin(settings, sql).await?;
            let store = Arc::<LateStore>::clone(&opening.store);
            if settings.under_host {
                // As below.
                let _ = timeout_at(listen_by, store.tried()).await;
            }
            (Parts::Server(folder.clone(), opening), store as Arc<dyn Store>)
        } else if settings.under_host {
            let late = Arc::new(LateStore::default());
            let opening = embedded::open_late(folder.clone(), rejects.clone(), Arc::clone(&late));
            let opening = tokio::spawn(opening);
            // Nothing depends on how it ends: what is not there by then is late.
            let _ = timeout_at(listen_by, late.tried()).await;
            (Parts::Late(opening), late as Arc<dyn Store>)
        } else {
            let embedded = Embedded::open(&folder, rejects.clone())?;
            embedded.load_sample().await?;
            let store = embedded.store();
            (Parts::Opened(embedded), store)
        };
        let activity = Arc::<Activity>::default();
        let store = Observed::around(store, &activity);
        let people = People::of(settings, &store, listen_by).await?;
        let (cache, shared) = shared::cache_beside(settings, &store);
        let readiness = shared.map_or_else(Readiness::default, |s| Readiness::with_shared(s));
        let readiness = readiness.and_vault(&settings.secrets);
        let maintenance = Maintenance {
            store: Arc::clone(&store),
            rejects,
            sources: Sources { blobs },
            accounts: Arc::clone(&people.accounts),
            cache: Arc::clone(&cache),
        };
        let functions = settings.under_host.then(|| Functions::new(maintenance.clone(), settings));
        let imports = Imports::new(&maintenance);
        let mut app = App::new(store, cache, people, readiness, imports, functions);
        app.activity = activity;
        let listen = settings.listen;
        let listener = match listener {
            Some(listener) => listener,
            None => http::serve::listen(listen).map_err(|e| StartError::Listen(listen, e))?,
        };
        Ok(Self { app, parts, maintenance, listener })
    }

    /// The parts that its requests work with.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves. On its own the process is told to stop, and lets requests end; a host kills it.
    pub async fn run(self) {
        let under_host = self.app.functions.is_some();
        let stop = if under_host { care::never() } else { care::told_to_stop() };
        let cache = Arc::clone(&self.app.cache);
        let self_cache = Arc::clone(&cache);
        let store = Arc::clone(&self.app.store);
        let versions = tokio::spawn(care::of_versions(Arc::clone(&cache)));
        let word = tokio::spawn(care::of_word(self.app.clone()));
        let caretaker = match self.parts {
            Parts::Opened(embedded) => tokio::spawn(care::of_all(embedded, self.maintenance)),
            Parts::Late(opening) => tokio::spawn(async {
                if let Ok(embedded) = opening.await {
                    care::under_host(embedded, store, cache).await;
                }
            }),
            Parts::Server(folder, opening) => {
                let rejects = self.maintenance.rejects.clone();
                let maintenance = (!under_host).then_some(self.maintenance);
                tokio::spawn(care::beside_server(
                    opening,
                    folder,
                    rejects,
                    (store, cache),
                    maintenance,
                ))
            }
        };
        http::serve::serve(self.listener, self.app, stop).await;
        versions.abort();
        word.abort();
        self_cache.end().await;
        // A run in the middle of a batch goes on at its checkpoint next time.
        caretaker.abort();
    }
}

/// The account of uploads. A host is served without it rather than not at all.
fn blobs(settings: &Settings) -> Result<Option<Arc<Blobs>>, Unusable> {
    match Blobs::of(settings) {
        Err(e) if settings.under_host => {
            tracing::error!("no blob is read by its address: {e}");
            Ok(None)
        }
        blobs => blobs,
    }
}
