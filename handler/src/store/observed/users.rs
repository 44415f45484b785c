//! Users of a store whose calls are counted.

use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::{Observed, none};
use crate::store::StoreError;
use crate::store::users::{
    Changed, Exchanged, Ongoing, Rights, RightsChange, Session, TokenHash, User, Users,
};
use crate::telemetry::calls::Call;

#[async_trait]
impl Users for Observed {
    async fn begin_sign_up(&self, user: &User) -> Result<bool, StoreError> {
        self.call(Call::BeginSignUp, none, self.inner.begin_sign_up(user)).await
    }

    async fn complete_sign_up(
        &self,
        id: Uuid,
        account: &str,
        rights: Rights,
    ) -> Result<(), StoreError> {
        self.call(Call::CompleteSignUp, none, self.inner.complete_sign_up(id, account, rights))
            .await
    }

    async fn abandon_sign_up(&self, id: Uuid) -> Result<(), StoreError> {
        self.call(Call::AbandonSignUp, none, self.inner.abandon_sign_up(id)).await
    }

    async fn pending_sign_ups(
        &self,
        age: Duration,
        after: Option<Uuid>,
    ) -> Result<Vec<User>, StoreError> {
        self.call(Call::PendingSignUps, Vec::len, self.inner.pending_sign_ups(age, after)).await
    }

    async fn user(&self, id: Uuid) -> Result<Option<User>, StoreError> {
        self.call(Call::User, |one| one.iter().count(), self.inner.user(id)).await
    }

    async fn user_by_email(&self, email: &str) -> Result<Option<User>, StoreError> {
        self.call(Call::UserByEmail, |one| one.iter().count(), self.inner.user_by_email(email))
            .await
    }

    async fn user_by_account(&self, account: &str) -> Result<Option<User>, StoreError> {
        self.call(
            Call::UserByAccount,
            |one| one.iter().count(),
            self.inner.user_by_account(account),
        )
        .await
    }

    async fn users(&self, after: Option<Uuid>, limit: usize) -> Result<Vec<User>, StoreError> {
        self.call(Call::Users, Vec::len, self.inner.users(after, limit)).await
    }

    async fn change_rights(&self, id: Uuid, change: RightsChange) -> Result<Changed, StoreError> {
        self.call(Call::ChangeRights, none, self.inner.change_rights(id, change)).await
    }

    async fn keep_session(&self, session: &Session) -> Result<bool, StoreError> {
        self.call(Call::KeepSession, none, self.inner.keep_session(session)).await
    }

    async fn session(&self, token: &TokenHash) -> Result<Option<Ongoing>, StoreError> {
        self.call(Call::Session, |one| one.iter().count(), self.inner.session(token)).await
    }

    async fn exchange_session(
        &self,
        token: &TokenHash,
        with: &TokenHash,
        lasts: Duration,
    ) -> Result<Exchanged, StoreError> {
        self.call(Call::ExchangeSession, none, self.inner.exchange_session(token, with, lasts))
            .await
    }

    async fn end_sessions(&self, user: Uuid) -> Result<(), StoreError> {
        self.call(Call::EndSessions, none, self.inner.end_sessions(user)).await
    }

    async fn end_tokens(&self, user: Uuid) -> Result<(), StoreError> {
        self.call(Call::EndTokens, none, self.inner.end_tokens(user)).await
    }

    async fn prune_sessions(&self) -> Result<u64, StoreError> {
        self.call(Call::PruneSessions, none, self.inner.prune_sessions()).await
    }

    async fn keep_password(&self, user: Uuid, email: &str, hash: &str) -> Result<bool, StoreError> {
        self.call(Call::KeepPassword, none, self.inner.keep_password(user, email, hash)).await
    }

    async fn change_password(&self, email: &str, hash: &str) -> Result<bool, StoreError> {
        self.call(Call::ChangePassword, none, self.inner.change_password(email, hash)).await
    }

    async fn password(&self, email: &str) -> Result<Option<(Uuid, String)>, StoreError> {
        self.call(Call::Password, |one| one.iter().count(), self.inner.password(email)).await
    }

    async fn has_password(&self, user: Uuid) -> Result<bool, StoreError> {
        self.call(Call::HasPassword, none, self.inner.has_password(user)).await
    }

    async fn remove_password(&self, user: Uuid) -> Result<(), StoreError> {
        self.call(Call::RemovePassword, none, self.inner.remove_password(user)).await
    }
}
