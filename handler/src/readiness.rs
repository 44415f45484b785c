//! Whether the parts can be reached, asked of them at most every five seconds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::cache::redis::RedisShared;
use crate::secrets::Secrets;
use crate::store::Store;

/// CONTRACT 4.
const PROBE_EVERY: Duration = Duration::from_secs(5);
/// A part that takes longer counts as away.
const PROBE_MAX: Duration = Duration::from_secs(2);

/// A part that can be asked whether it is there.
#[async_trait]
pub trait Probe: Send + Sync {
    /// Whether it has answered.
    async fn answers(&self) -> bool;
}

#[async_trait]
impl Probe for RedisShared {
    async fn answers(&self) -> bool {
        self.ping().await.is_ok()
    }
}

/// The vault is not asked for it: what came of asking it last is enough.
#[async_trait]
impl Probe for Secrets {
    async fn answers(&self) -> bool {
        self.vault_answers() != Some(false)
    }
}

/// The last report, shared by all who ask meanwhile.
#[derive(Default)]
pub struct Readiness {
    shared: Option<Arc<dyn Probe>>,
    vault: Option<Arc<dyn Probe>>,
    last: Mutex<Option<(Instant, Arc<Report>)>>,
}

/// What was found out about the parts.
#[derive(Debug, Serialize)]
pub struct Report {
    status: State,
    parts: Vec<Part>,
}

#[derive(Debug, Serialize)]
struct Part {
    name: &'static str,
    state: State,
    latency_ms: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ready,
    Away,
}

impl Report {
    /// Whether every part that answers depend on can be reached. The shared cache is none of
    /// them: without it everything is served from the database, and whoever left this process
    /// out because of it would leave all others out, too. Nor is the vault, whose secrets stay.
    pub fn is_ready(&self) -> bool {
        self.status == State::Ready
    }
}

impl Readiness {
    /// Asks the shared cache as well.
    pub fn with_shared(shared: Arc<dyn Probe>) -> Self {
        Self { shared: Some(shared), ..Self::default() }
    }

    /// Tells of the vault as well, where there is one.
    #[must_use]
    pub fn and_vault(self, secrets: &Secrets) -> Self {
        let vault = secrets.vault_answers().map(|_| Arc::new(secrets.clone()) as Arc<dyn Probe>);
        Self { vault, ..self }
    }

    /// Tells of a vault that has told no secrets yet.
    #[must_use]
    pub fn waiting_for_vault(self) -> Self {
        Self { vault: Some(Arc::new(NotYet)), ..self }
    }

    /// The report of the last probe if it is young, else of a new one.
    pub async fn report(&self, store: &dyn Store) -> Arc<Report> {
        let mut last = self.last.lock().await;
        if let Some((at, report)) = &*last
            && at.elapsed() < PROBE_EVERY
        {
            return Arc::clone(report);
        }
        let report = Arc::new(self.probe(store).await);
        *last = Some((Instant::now(), Arc::clone(&report)));
        report
    }

    async fn probe(&self, store: &dyn Store) -> Report {
        // A read: a long import holds writers up, and the service serves all the same.
        let database = ask("database", async { store.categories().await.is_ok() });
        let shared = async {
            let shared = self.shared.as_ref()?;
            Some(ask("shared cache", shared.answers()).await)
        };
        let vault = async {
            let vault = self.vault.as_ref()?;
            Some(ask("vault", vault.answers()).await)
        };
        let (database, shared, vault) = tokio::join!(database, shared, vault);
        let status = database.state;
        Report { status, parts: std::iter::once(database).chain(shared).chain(vault).collect() }
    }
}

/// A vault that has not answered since the process began.
struct NotYet;

#[async_trait]
impl Probe for NotYet {
    async fn answers(&self) -> bool {
        false
    }
}

async fn ask(name: &'static str, answers: impl Future<Output = bool>) -> Part {
    let began = Instant::now();
    let answered = timeout(PROBE_MAX, answers).await.unwrap_or(false);
    let state = if answered { State::Ready } else { State::Away };
    let latency_ms = (began.elapsed().as_secs_f64() * 1e6).round() / 1e3;
    Part { name, state, latency_ms }
}
