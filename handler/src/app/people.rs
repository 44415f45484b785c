//! The part that knows people: accounts, tokens, limits.

use std::sync::Arc;

use http::HeaderName;
use secrecy::SecretString;

use crate::clock::Clock;
use crate::identity::accounts::Accounts;
use crate::identity::firebase::Firebase;
use crate::identity::limits::Limits;
use crate::identity::local::LocalAccounts;
use crate::identity::token::Tokens;
use crate::identity::{Identity, IdentityError, own_key};
use crate::settings::Settings;
use crate::store::sqlite::folder::DataFolder;
use crate::store::{Store, StoreError};

/// What requests of people work with.
pub struct People {
    /// Signing up, in and out.
    pub accounts: Arc<Accounts>,
    /// How often somebody may try.
    pub limits: Limits,
    /// Where the client's address is read from, if not from the connection.
    pub proxy_header: Option<HeaderName>,
}

impl People {
    /// The people of a store.
    pub(super) fn of(settings: &Settings, store: &Arc<dyn Store>) -> Result<Self, PeopleError> {
        let given = &settings.people;
        let key = match &given.key {
            Some(key) => key.clone(),
            None => own_key_of(settings)?,
        };
        let tokens = Tokens::new(&key, given.previous_key.as_ref(), Clock::System);
        let identity = identity(settings, store)?;
        let accounts =
            Accounts::new(Arc::clone(store), identity, tokens, &given.admins, given.refresh_life);
        Ok(Self {
            accounts: Arc::new(accounts),
            limits: Limits::new(given.are_limited),
            proxy_header: given.proxy_header.clone(),
        })
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
        Some(config) => Arc::new(Firebase::new(config, Clock::System)?),
        None => Arc::new(LocalAccounts::new(Arc::clone(store))),
    })
}

fn own_key_of(settings: &Settings) -> Result<SecretString, StoreError> {
    let made = DataFolder::make(&settings.data_dir).and_then(|folder| {
        let path = folder.token_key();
        own_key::load_or_make(&path)
            .map_err(|e| StoreError::Folder(format!("{}: {e}", path.display())))
    });
    match made {
        // Under a host a process must listen whatever is away.
        Err(e) if settings.under_host => {
            tracing::error!("tokens end with this process, since their key cannot be kept: {e}");
            Ok(own_key::new())
        }
        made => made,
    }
}
