//! A serving process whose rows are on a server, and the folders beside it.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::database::open_server;
use crate::settings::{Settings, Sql};
use crate::store::late::LateStore;
use crate::store::{Store, StoreError};

/// How often a server that could not be opened is tried again.
const TRY_EVERY: Duration = Duration::from_secs(2);
/// How long a process on its own waits for its server before it listens without it (CONTRACT
/// 6.6: it listens within five seconds, whatever is away).
const HEAD_START: Duration = Duration::from_secs(3);

/// A store that is being opened in the background.
pub(super) struct Opening {
    pub(super) store: Arc<LateStore>,
    pub(super) task: JoinHandle<()>,
}

impl Opening {
    /// Begins to open the store. On its own a process is refused by a schema that is too new
    /// for it; everything else may change while it serves, and under a host so may that.
    pub(super) async fn begin(settings: &Settings, sql: &Sql) -> Result<Self, StoreError> {
        let store = Arc::new(LateStore::default());
        let (say, heard) = tokio::sync::oneshot::channel();
        let task = tokio::spawn(open(settings.clone(), sql.clone(), Arc::clone(&store), say));
        if !settings.under_host
            && let Ok(Ok(Some(too_new))) = timeout(HEAD_START, heard).await
        {
            task.abort();
            return Err(too_new);
        }
        Ok(Self { store, task })
    }
}

/// Opens it, trying until it works. Tells of the first try whether the schema is too new.
async fn open(
    settings: Settings,
    sql: Sql,
    late: Arc<LateStore>,
    say: tokio::sync::oneshot::Sender<Option<StoreError>>,
) {
    let mut say = Some(say);
    loop {
        let opened = open_server(&settings, &sql, sql.migrate).await;
        let (is_open, too_new) = match opened {
            Ok(store) => {
                late.opened(Arc::new(store) as Arc<dyn Store>);
                (true, None)
            }
            Err(StoreError::SchemaTooNew { schema, known }) => {
                note(&late, StoreError::SchemaTooNew { schema, known });
                (false, Some(StoreError::SchemaTooNew { schema, known }))
            }
            Err(e) => {
                note(&late, e);
                (false, None)
            }
        };
        if let Some(say) = say.take()
            && say.send(too_new).is_err()
        {
            tracing::debug!("nobody waits for the first try any more");
        }
        if is_open {
            return;
        }
        sleep(TRY_EVERY).await;
    }
}

fn note(late: &LateStore, error: StoreError) {
    let reason = error.with_cause();
    if late.failed(error) {
        tracing::error!("the database cannot be opened, and is tried again: {reason}");
    }
}
