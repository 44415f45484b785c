//! Users of a store that is being opened.

use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::LateStore;
use crate::store::StoreError;
use crate::store::users::{
    Changed, Exchanged, Ongoing, Rights, RightsChange, Session, TokenHash, User, Users,
};

#[async_trait]
impl Users for LateStore {
    async fn begin_sign_up(&self, user: &User) -> Result<bool, StoreError> {
        self.store()?.begin_sign_up(user).await
    }

    async fn complete_sign_up(
        &self,
        id: Uuid,
        account: &str,
        rights: Rights,
    ) -> Result<(), StoreError> {
        self.store()?.complete_sign_up(id, account, rights).await
    }

    async fn abandon_sign_up(&self, id: Uuid) -> Result<(), StoreError> {
        self.store()?.abandon_sign_up(id).await
    }

    async fn pending_sign_ups(
        &self,
        age: Duration,
        after: Option<Uuid>,
    ) -> Result<Vec<User>, StoreError> {
        self.store()?.pending_sign_ups(age, after).await
    }

    async fn user(&self, id: Uuid) -> Result<Option<User>, StoreError> {
        self.store()?.user(id).await
    }

    async fn user_by_email(&self, email: &str) -> Result<Option<User>, StoreError> {
        self.store()?.user_by_email(email).await
    }

    async fn user_by_account(&self, account: &str) -> Result<Option<User>, StoreError> {
        self.store()?.user_by_account(account).await
    }

    async fn users(&self, after: Option<Uuid>, limit: usize) -> Result<Vec<User>, StoreError> {
        self.store()?.users(after, limit).await
    }

    async fn change_rights(&self, id: Uuid, change: RightsChange) -> Result<Changed, StoreError> {
        self.store()?.change_rights(id, change).await
    }

    async fn keep_session(&self, session: &Session) -> Result<bool, StoreError> {
        self.store()?.keep_session(session).await
    }

    async fn session(&self, token: &TokenHash) -> Result<Option<Ongoing>, StoreError> {
        self.store()?.session(token).await
    }

    async fn exchange_session(
        &self,
        token: &TokenHash,
        with: &TokenHash,
        lasts: Duration,
    ) -> Result<Exchanged, StoreError> {
        self.store()?.exchange_session(token, with, lasts).await
    }

    async fn end_sessions(&self, user: Uuid) -> Result<(), StoreError> {
        self.store()?.end_sessions(user).await
    }

    async fn end_tokens(&self, user: Uuid) -> Result<(), StoreError> {
        self.store()?.end_tokens(user).await
    }

    async fn prune_sessions(&self) -> Result<u64, StoreError> {
        self.store()?.prune_sessions().await
    }

    async fn keep_password(&self, user: Uuid, email: &str, hash: &str) -> Result<bool, StoreError> {
        self.store()?.keep_password(user, email, hash).await
    }

    async fn change_password(&self, email: &str, hash: &str) -> Result<bool, StoreError> {
        self.store()?.change_password(email, hash).await
    }

    async fn password(&self, email: &str) -> Result<Option<(Uuid, String)>, StoreError> {
        self.store()?.password(email).await
    }

    async fn has_password(&self, user: Uuid) -> Result<bool, StoreError> {
        self.store()?.has_password(user).await
    }

    async fn remove_password(&self, user: Uuid) -> Result<(), StoreError> {
        self.store()?.remove_password(user).await
    }
}
