//! The part that knows people: accounts, tokens, limits.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use secrecy::SecretString;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout_at};

use crate::clock::Clock;
use crate::identity::accounts::Accounts;
use crate::identity::exchanged::Exchanged;
use crate::identity::firebase::Firebase;
use crate::identity::limits::Limits;
use crate::identity::local::LocalAccounts;
use crate::identity::token::Tokens;
use crate::identity::{Identity, IdentityError, own_key};
use crate::settings::Settings;
use crate::store::sqlite::folder::DataFolder;
use crate::store::{Store, StoreError};

use super::follow;

/// How often a key that could not be kept is tried again.
const TRY_EVERY: Duration = Duration::from_secs(2);

/// What requests of people work with.
pub struct People {
    /// Signing up, in and out.
    pub accounts: Arc<Accounts>,
    /// How often somebody may try.
    pub limits: Limits,
    /// Where the client's address is read from, if not from the connection.
    pub proxy_header: Option<HeaderName>,
    /// Whether the place of accounts is known: not before a vault has told it.
    pub are_known: bool,
}

impl People {
    /// The people of a store.
    ///
    /// Under a host a key that is to be kept in the data folder is waited for until
    /// `listen_by`, and used from when it can be.
    pub(super) async fn of(
        settings: &Settings,
        store: &Arc<dyn Store>,
        listen_by: Instant,
    ) -> Result<Self, PeopleError> {
        let given = &settings.people;
        let path = DataFolder::at(&settings.data_dir);
        let with = |key: &SecretString| {
            Arc::new(Tokens::new(key, given.previous_key.as_ref(), Clock::System))
        };
        let tokens = match &given.key {
            Some(key) => with(key),
            None if settings.under_host => {
                let tokens = with(&own_key::new());
                let keeping = tokio::spawn(keep_key(path, Arc::clone(&tokens)));
                // The task goes on by itself if the key is late.
                let _ = timeout_at(listen_by, keeping).await;
                tokens
            }
            None => with(&own_key_of(&path)?),
        };
        if given.key.is_some() {
            follow::keys(&settings.secrets, &tokens);
        }
        let identity = identity(settings, store)?;
        let accounts =
            Accounts::new(Arc::clone(store), identity, tokens, &given.admins, given.refresh_life);
        Ok(Self {
            accounts: Arc::new(accounts),
            limits: Limits::new(given.are_limited),
            proxy_header: given.proxy_header.clone(),
            are_known: true,
        })
    }
}

impl People {
    /// Those of a process that does not know its secrets yet, nor its store.
    pub(super) fn nobody_yet(settings: &Settings, store: &Arc<dyn Store>) -> Self {
        let given = &settings.people;
        let identity = Arc::new(LocalAccounts::new(Arc::clone(store)));
        let tokens = Arc::new(Tokens::waiting(Clock::System));
        let store = Arc::clone(store);
        let accounts = Accounts::new(store, identity, tokens, &given.admins, given.refresh_life);
        Self {
            accounts: Arc::new(accounts),
            limits: Limits::new(given.are_limited),
            proxy_header: given.proxy_header.clone(),
            are_known: false,
        }
    }
}

/// Why there is no such part.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    /// The key that signs tokens cannot be kept.
    #[error(transparent)]
    Key(#[from] StoreError),
    /// The place of accounts is set up wrongly.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

/// The place of accounts that the settings name.
pub fn identity(
    settings: &Settings,
    store: &Arc<dyn Store>,
) -> Result<Arc<dyn Identity>, IdentityError> {
    Ok(match &settings.people.firebase {
        Some(config) => {
            let firebase = Firebase::new(config, Clock::System)?;
            match settings.secrets.changes() {
                None => Arc::new(firebase),
                Some(changes) => {
                    let exchanged = Arc::new(Exchanged::new(Arc::new(firebase)));
                    follow::accounts(changes, config.clone(), Arc::clone(&exchanged));
                    exchanged
                }
            }
        }
        None => Arc::new(LocalAccounts::new(Arc::clone(store))),
    })
}

/// The key that is kept in the data folder; made if there is none.
fn own_key_of(folder: &DataFolder) -> Result<SecretString, StoreError> {
    let folder = DataFolder::make(folder.path())?;
    let path = folder.token_key();
    own_key::load_or_make(&path).map_err(|e| StoreError::Folder(format!("{}: {e}", path.display())))
}

/// Changes to the key in the data folder as soon as it can be read or made.
async fn keep_key(folder: DataFolder, tokens: Arc<Tokens>) {
    let mut last_reason = None;
    loop {
        let folder = folder.clone();
        let reason = match spawn_blocking(move || own_key_of(&folder)).await {
            Ok(Ok(key)) => return tokens.change_key(&key),
            Ok(Err(e)) => e.to_string(),
            Err(e) => e.to_string(),
        };
        if last_reason.as_ref() != Some(&reason) {
            tracing::error!("tokens end with this process until their key can be kept: {reason}");
            last_reason = Some(reason);
        }
        sleep(TRY_EVERY).await;
    }
}
