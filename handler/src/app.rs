//! Every long-lived part, wired once; and the life of a serving process.

mod care;
mod embedded;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

use crate::cache::{Cache, Limits};
use crate::host::Functions;
use crate::http::{self, Streams};
use crate::import::rejects::RejectsFolder;
use crate::question::FromStore;
use crate::readiness::Readiness;
use crate::settings::Settings;
use crate::store::late::LateStore;
use crate::store::sqlite::folder::DataFolder;
use crate::store::{Store, StoreError};
use embedded::Embedded;

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
    /// What the Functions host may ask for; nothing without one.
    pub functions: Option<Arc<Functions>>,
}

impl App {
    /// The parts around a store.
    fn new(store: Arc<dyn Store>, limits: Limits, functions: Option<Functions>) -> Self {
        let origin = Arc::new(FromStore(Arc::clone(&store)));
        Self {
            store,
            cache: Arc::new(Cache::new(origin, limits)),
            readiness: Arc::default(),
            streams: Arc::default(),
            functions: functions.map(Arc::new),
        }
    }
}

/// A serving process: the parts, and what it does besides answering.
pub struct Server {
    app: App,
    parts: Parts,
    listener: TcpListener,
}

/// The embedded parts.
enum Parts {
    /// On its own a process opens them before it listens.
    Opened(Embedded),
    /// Under a host it listens first.
    Late(DataFolder, Arc<LateStore>),
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
    /// Opens the parts and binds the address. A new folder gets the sample.
    ///
    /// Under a host nothing is opened yet: it must be listened within seconds, whatever is
    /// away, and the host takes a process that ends for broken.
    pub async fn start(settings: &Settings) -> Result<Self, StartError> {
        let folder = DataFolder::at(&settings.data_dir);
        let (parts, store) = if settings.under_host {
            let late = Arc::new(LateStore::default());
            (Parts::Late(folder.clone(), Arc::clone(&late)), late as Arc<dyn Store>)
        } else {
            let embedded = Embedded::open(&folder)?;
            embedded.load_sample().await?;
            let store = embedded.store();
            (Parts::Opened(embedded), store)
        };
        let functions = settings.under_host.then(|| {
            let rejects = RejectsFolder::new(folder.rejects());
            Functions::new(Arc::clone(&store), rejects, settings.import_container.clone())
        });
        let app = App::new(store, settings.cache, functions);
        let listen = settings.listen;
        let listener = http::serve::listen(listen).map_err(|e| StartError::Listen(listen, e))?;
        Ok(Self { app, parts, listener })
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves. On its own the process is told to stop, and lets requests end; a host kills it.
    pub async fn run(self) {
        let polling = tokio::spawn(care::poll(Arc::clone(&self.app.cache)));
        let (caretaker, stop) = match self.parts {
            Parts::Opened(embedded) => (tokio::spawn(care::of_all(embedded)), care::told_to_stop()),
            Parts::Late(folder, late) => {
                let opened = embedded::open_late(folder, late);
                (tokio::spawn(async { care::under_host(opened.await).await }), care::never())
            }
        };
        http::serve::serve(self.listener, self.app, stop).await;
        polling.abort();
        // A run in the middle of a batch goes on at its checkpoint next time.
        caretaker.abort();
    }
}
