//! Accounts in the same database, for a process that has no other place for them.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::{AccountId, AccountState, Checked, Identity, IdentityError, NewAccount};
use crate::store::{Store, StoreError};

/// OWASP's password storage sheet: Argon2id with 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1_024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Each takes 19 MiB and a core for about 30 ms.
const HASHES_AT_ONCE: usize = 2;
/// How long somebody waits for a turn.
const TURN: Duration = Duration::from_secs(5);
/// Seconds after which a try may be made again when all turns are taken.
const RETRY_SECONDS: u32 = 5;

/// The accounts of a store.
pub struct LocalAccounts {
    store: Arc<dyn Store>,
    turns: Arc<Semaphore>,
    /// The hash of a password that nobody has: checking an unknown address takes as long as
    /// checking a known one.
    nobodys: Arc<OnceLock<String>>,
}

impl LocalAccounts {
    /// The accounts of this store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, turns: Arc::new(Semaphore::new(HASHES_AT_ONCE)), nobodys: Arc::default() }
    }

    /// Gives an address another password and ends its user's tokens; `false` if it has none.
    pub async fn change_password(
        &self,
        email: &str,
        password: SecretString,
    ) -> Result<bool, IdentityError> {
        let hash = self.in_turn(move || hash(&password)).await?;
        Ok(self.store.change_password(email, &hash).await?)
    }

    /// Off the threads that serve, and only so many at once.
    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, IdentityError> {
        let turn = timeout(TURN, Arc::clone(&self.turns).acquire_owned()).await;
        let turn = turn.map_err(|_| IdentityError::TooManyAttempts(RETRY_SECONDS))?;
        let turn = turn.expect("the semaphore is never closed");
        let working = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        working.await.map_err(|e| IdentityError::Unreachable(e.into()))
    }
}

#[async_trait]
impl Identity for LocalAccounts {
    async fn create(&self, account: &NewAccount) -> Result<AccountId, IdentityError> {
        let password = account.password.clone();
        let hash = self.in_turn(move || hash(&password)).await?;
        if self.store.keep_password(account.user, &account.email, &hash).await? {
            Ok(AccountId(account.user.to_string()))
        } else {
            Err(IdentityError::EmailTaken)
        }
    }

    async fn check(&self, email: &str, password: &SecretString) -> Result<Checked, IdentityError> {
        let found = self.store.password(email).await?;
        let (user, hash) = found.map_or((None, None), |(user, hash)| (Some(user), Some(hash)));
        let (password, nobodys) = (password.clone(), Arc::clone(&self.nobodys));
        let is_right = self
            .in_turn(move || {
                verify(&password, hash.as_deref().unwrap_or_else(|| of_nobody(&nobodys)))
            })
            .await?;
        let user = user.filter(|_| is_right).ok_or(IdentityError::WrongCredentials)?;
        let account = AccountId(user.to_string());
        Ok(Checked { account, is_verified: false, email: email.to_owned(), name: None })
    }

    /// Who changes a password here ends the sessions with it.
    async fn find(&self, account: &AccountId) -> Result<Option<AccountState>, IdentityError> {
        let Ok(user) = account.0.parse() else { return Ok(None) };
        let is_there = self.store.has_password(user).await?;
        Ok(is_there.then_some(AccountState { is_disabled: false, valid_since: 0 }))
    }

    async fn remove(&self, account: &AccountId) -> Result<(), IdentityError> {
        match account.0.parse() {
            Ok(user) => Ok(self.store.remove_password(user).await?),
            Err(_) => Ok(()),
        }
    }

    /// There is nobody who could send a mail: `handler user reset-password` does it.
    async fn reset_password(&self, _: &str) -> Result<(), IdentityError> {
        Ok(())
    }

    async fn probe(&self) -> Result<(), IdentityError> {
        Ok(())
    }

    fn trusts_addresses(&self) -> bool {
        true
    }

    fn is_managed(&self) -> bool {
        true
    }
}

impl From<StoreError> for IdentityError {
    fn from(error: StoreError) -> Self {
        Self::Unreachable(error.into())
    }
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).expect("the numbers are in range");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn hash(password: &SecretString) -> String {
    let hash = argon2().hash_password(password.expose_secret().as_bytes());
    hash.expect("the system gives random bytes and 19 MiB").to_string()
}

fn verify(password: &SecretString, hash: &str) -> bool {
    argon2().verify_password(password.expose_secret().as_bytes(), hash).is_ok()
}

fn of_nobody(hash_of_nobody: &OnceLock<String>) -> &str {
    hash_of_nobody.get_or_init(|| hash(&SecretString::from(uuid::Uuid::new_v4().to_string())))
}
