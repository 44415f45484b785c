//! A process that listens before it knows its secrets.
//!
//! Without them nobody knows which parts are meant: the database may be named in the vault, and
//! a store chosen without it would be the wrong one. So such a process has a store that is away
//! and a key that is not known: it answers what needs neither, and 503 to the rest. Once the
//! vault has answered, the real server takes over the same socket.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::people::People;
use super::{App, OPEN_WITHIN, Server, StartError, care, shared, vault};
use tokio_util::sync::CancellationToken;

use crate::host::Functions;
use crate::http;
use crate::import::rejects::Rejects;
use crate::import::source::Sources;
use crate::imports::Imports;
use crate::maintenance::Maintenance;
use crate::readiness::Readiness;
use crate::secrets::{self, OpenError, Pace, Vault};
use crate::settings::{Settings, Told};
use crate::store::late::LateStore;
use crate::store::sqlite::folder::DataFolder;
use crate::store::{Store, StoreError};

/// What the vault is waited for before a process listens without it. A token of a cold
/// identity takes a second, the secrets some tenths.
const TELLS_WITHIN: Duration = Duration::from_secs(2);
/// From the first moment on; CONTRACT 6.6 has five seconds.
const LISTENS_WITHIN: Duration = Duration::from_secs(4);
/// How long one reason is waited out before it is looked at again.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(10);

impl Server {
    /// Starts by what was told, and by what the vault holds if there is one; `None` if it was told
    /// to stop before that was known.
    pub async fn start_told(told: &Told) -> Result<Option<(Settings, Self)>, StartError> {
        let began = Instant::now();
        let Some(vault) = vault::of(told).map_err(OpenError::from)? else {
            let settings = told.settings().map_err(OpenError::from)?;
            let server = Self::start(&settings).await?;
            return Ok(Some((settings, server)));
        };
        match secrets::open(told, &vault, Pace::default(), began + TELLS_WITHIN).await {
            Ok(settings) => {
                let listen_by = (began + LISTENS_WITHIN).min(Instant::now() + OPEN_WITHIN);
                let server = Self::start_by(&settings, listen_by, None).await?;
                Ok(Some((settings, server)))
            }
            Err(OpenError::Away(reason)) => start_late(told, &vault, reason).await,
            Err(bad) => Err(bad.into()),
        }
    }
}

async fn start_late(
    told: &Told,
    vault: &Arc<Vault>,
    reason: String,
) -> Result<Option<(Settings, Server)>, StartError> {
    let waiting = Waiting::begin(&told.without_secrets().map_err(OpenError::from)?)?;
    let settings = tokio::select! {
        settings = told_at_last(told, vault, reason) => settings?,
        () = waiting.told_to_stop() => return Ok(None),
    };
    tracing::info!("the vault has told the secrets");
    let listener = waiting.listener().map_err(|e| StartError::Listen(settings.listen, e))?;
    // Meanwhile the other one answers.
    let listen_by = Instant::now() + OPEN_WITHIN;
    let server = tokio::select! {
        server = Server::start_by(&settings, listen_by, Some(listener)) => server?,
        () = waiting.told_to_stop() => return Ok(None),
    };
    waiting.end();
    Ok(Some((settings, server)))
}

async fn told_at_last(
    told: &Told,
    vault: &Arc<Vault>,
    mut reason: String,
) -> Result<Settings, OpenError> {
    tracing::error!("only 503 is answered until the vault {vault:?} tells the secrets: {reason}");
    loop {
        let deadline = Instant::now() + LOOKED_AT_EVERY;
        match secrets::open(told, vault, Pace::default(), deadline).await {
            Err(OpenError::Away(other)) => {
                if other != reason {
                    tracing::error!("the vault tells no secrets yet: {other}");
                }
                reason = other;
            }
            settings => return settings,
        }
    }
}

/// What answers meanwhile.
struct Waiting {
    socket: std::net::TcpListener,
    end: oneshot::Sender<()>,
    /// Ends what the host's functions are held for.
    held: CancellationToken,
    is_under_host: bool,
}

impl Waiting {
    /// Listens, and serves in the background.
    fn begin(settings: &Settings) -> Result<Self, StartError> {
        let no = |e: io::Error| StartError::Listen(settings.listen, e);
        let socket = socket(settings.listen).map_err(no)?;
        let listener = TcpListener::from_std(socket.try_clone().map_err(no)?).map_err(no)?;
        let (end, ended) = oneshot::channel::<()>();
        let held = CancellationToken::new();
        let app = app_without_secrets(settings, held.clone());
        tokio::spawn(http::serve::serve(listener, app, async {
            // Also if nobody is left to tell.
            let _ = ended.await;
        }));
        Ok(Self { socket, end, held, is_under_host: settings.under_host })
    }

    /// The same socket for whoever comes after.
    fn listener(&self) -> io::Result<TcpListener> {
        TcpListener::from_std(self.socket.try_clone()?)
    }

    /// Takes no more connections, and lets the requests of those that it has end.
    fn end(self) {
        self.held.cancel();
        if self.end.send(()).is_err() {
            tracing::debug!("it had ended by itself");
        }
    }

    fn told_to_stop(&self) -> impl Future<Output = ()> + use<> {
        if self.is_under_host { care::never() } else { care::told_to_stop() }
    }
}

fn socket(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    http::serve::listen(address)?.into_std()
}

fn app_without_secrets(settings: &Settings, held: CancellationToken) -> App {
    let late = LateStore::default();
    late.failed(StoreError::Unreachable("the vault has not told where it is".into()));
    let store: Arc<dyn Store> = Arc::new(late);
    let people = People::nobody_yet(settings, &store);
    let (cache, _) = shared::cache_beside(settings, &store);
    let maintenance = Maintenance {
        store: Arc::clone(&store),
        rejects: Rejects::Folder(DataFolder::at(&settings.data_dir).rejects()),
        sources: Sources::default(),
        accounts: Arc::clone(&people.accounts),
        cache: Arc::clone(&cache),
    };
    let imports = Imports::new(&maintenance);
    let functions = settings.under_host.then(|| Functions::waiting(maintenance, settings, held));
    let readiness = Readiness::default().waiting_for_vault();
    App::new(store, cache, people, readiness, imports, functions)
}
