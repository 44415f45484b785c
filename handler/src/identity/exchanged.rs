//! A place of accounts that another one may take the stead of, under other keys of the operator's
//! say. What has begun ends where it began.

use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use secrecy::SecretString;

use super::{AccountId, AccountState, Checked, Identity, IdentityError, NewAccount};

/// The place as it is now.
pub struct Exchanged(RwLock<Arc<dyn Identity>>);

impl Exchanged {
    /// This one, until it is exchanged.
    pub fn new(place: Arc<dyn Identity>) -> Self {
        Self(RwLock::new(place))
    }

    /// Another one from now on.
    pub fn exchange(&self, place: Arc<dyn Identity>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = place;
    }

    fn now(&self) -> Arc<dyn Identity> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Identity for Exchanged {
    async fn create(&self, account: &NewAccount) -> Result<AccountId, IdentityError> {
        self.now().create(account).await
    }

    async fn check(&self, email: &str, password: &SecretString) -> Result<Checked, IdentityError> {
        self.now().check(email, password).await
    }

    async fn find(&self, account: &AccountId) -> Result<Option<AccountState>, IdentityError> {
        self.now().find(account).await
    }

    async fn remove(&self, account: &AccountId) -> Result<(), IdentityError> {
        self.now().remove(account).await
    }

    async fn reset_password(&self, email: &str) -> Result<(), IdentityError> {
        self.now().reset_password(email).await
    }

    async fn probe(&self) -> Result<(), IdentityError> {
        self.now().probe().await
    }

    fn trusts_addresses(&self) -> bool {
        self.now().trusts_addresses()
    }

    fn is_managed(&self) -> bool {
        self.now().is_managed()
    }
}
