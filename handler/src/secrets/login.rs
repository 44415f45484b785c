//! A login whose password may be exchanged while it is used.

use std::fmt;
use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::watch;

use super::Secrets;
use crate::settings::{RedisLogin, Settings, SqlLogin};

/// Who, and what proves it.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The user's name, where there is one.
    pub user: Option<String>,
    /// The password.
    pub password: SecretString,
}

/// A handle to a login; what it is now stands with the secrets.
#[derive(Clone)]
pub struct KeptLogin {
    secrets: Secrets,
    settings: watch::Receiver<Arc<Settings>>,
    read: fn(&Settings) -> Option<Pair>,
}

impl fmt::Debug for KeptLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptLogin").finish_non_exhaustive()
    }
}

impl KeptLogin {
    /// The login to the database; `None` if it stays what it is.
    pub fn of_sql(secrets: &Secrets) -> Option<Self> {
        Self::of(secrets, |settings| match &settings.sql.as_ref()?.login {
            SqlLogin::Password { user, password } => {
                Some(Pair { user: Some(user.clone()), password: password.clone() })
            }
            SqlLogin::ManagedIdentity => None,
        })
    }

    /// The login to the shared cache; `None` if it stays what it is.
    pub fn of_redis(secrets: &Secrets) -> Option<Self> {
        Self::of(secrets, |settings| match &settings.redis.as_ref()?.login {
            RedisLogin::Key { user, password } => {
                Some(Pair { user: user.clone(), password: password.clone() })
            }
            RedisLogin::Open | RedisLogin::Entra => None,
        })
    }

    fn of(secrets: &Secrets, read: fn(&Settings) -> Option<Pair>) -> Option<Self> {
        let settings = secrets.changes()?;
        Some(Self { secrets: secrets.clone(), settings, read })
    }

    /// The login as it is now.
    pub fn now(&self) -> Pair {
        // The kind of a login does not change while the process runs.
        (self.read)(&self.settings.borrow()).expect("a login by password stays one")
    }

    /// The server has refused this login: the one that the vault has instead, if it is another.
    pub async fn after_refusal(&self, refused: &Pair) -> Option<Pair> {
        self.secrets.refused().await;
        let now = self.now();
        let is_another = now.user != refused.user
            || now.password.expose_secret() != refused.password.expose_secret();
        is_another.then_some(now)
    }
}
