//! What a store keeps of people: users, their rights, the sessions that refresh their tokens.
//!
//! A sign-up touches two systems, so a user is *pending* until its account is there; whoever
//! finds one that was left behind brings it to its end or takes it away.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::StoreError;
use crate::cache::versions::Versions;

/// A place for users.
#[async_trait]
pub trait Users: Send + Sync {
    /// Writes a pending user; `false` if there is one for the address, pending or not.
    async fn begin_sign_up(&self, user: &User) -> Result<bool, StoreError>;

    /// Brings a pending user to its end. Does nothing to one that is not pending any more.
    async fn complete_sign_up(&self, id: Uuid, account: &str) -> Result<(), StoreError>;

    /// Takes a pending user away. Does nothing to one that is not pending any more.
    async fn abandon_sign_up(&self, id: Uuid) -> Result<(), StoreError>;

    /// Users that have been pending for at least so long, oldest first, 100 at the most.
    async fn pending_sign_ups(&self, age: Duration) -> Result<Vec<User>, StoreError>;

    /// The user with this id, pending or not.
    async fn user(&self, id: Uuid) -> Result<Option<User>, StoreError>;

    /// The user with this e-mail address, however it is spelt, pending or not.
    async fn user_by_email(&self, email: &str) -> Result<Option<User>, StoreError>;

    /// The user whom an account belongs to.
    async fn user_by_account(&self, account: &str) -> Result<Option<User>, StoreError>;

    /// At most `limit` users that are not pending, by id, behind this one.
    async fn users(&self, after: Option<Uuid>, limit: usize) -> Result<Vec<User>, StoreError>;

    /// Changes a user's rights, unless nobody would be left who is an active administrator.
    /// Raises the row of rights. A user who is not active any more loses every session.
    async fn change_rights(&self, id: Uuid, change: RightsChange) -> Result<Changed, StoreError>;

    /// Keeps a new session of a user.
    async fn keep_session(&self, session: &Session) -> Result<(), StoreError>;

    /// Exchanges the token of a session for another one. A token that was exchanged before
    /// was stolen from one side or the other: every token that came of it is ended.
    async fn exchange_session(
        &self,
        token: &TokenHash,
        with: &TokenHash,
        lasts: Duration,
    ) -> Result<Exchanged, StoreError>;

    /// Ends every session of a user.
    async fn end_sessions(&self, user: Uuid) -> Result<(), StoreError>;

    /// Removes sessions that have ended; tells how many.
    async fn prune_sessions(&self) -> Result<u64, StoreError>;

    /// Keeps the hash of a password under an address; `false` if the address has one.
    async fn keep_password(&self, user: Uuid, email: &str, hash: &str) -> Result<bool, StoreError>;

    /// Changes the hash of a password; `false` if the address has none.
    async fn change_password(&self, email: &str, hash: &str) -> Result<bool, StoreError>;

    /// The account of an address and the hash of its password.
    async fn password(&self, email: &str) -> Result<Option<(Uuid, String)>, StoreError>;

    /// Removes an account and its password.
    async fn remove_password(&self, user: Uuid) -> Result<(), StoreError>;
}

/// Somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Drawn at random.
    pub id: Uuid,
    /// The address, as it was given.
    pub email: String,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// What the user may do.
    pub rights: Rights,
    /// Whether the account is still being made.
    pub is_pending: bool,
    /// Whether being listed in `ADMIN_EMAILS` has had its effect: it has one only once, so
    /// that a right that was taken away stays away.
    pub was_listed: bool,
    /// When the user signed up, µs since 1970. Set by the store.
    pub created_at: i64,
}

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Rights {
    /// Whether they may sign in and do anything at all.
    pub active: bool,
    /// Whether they administer.
    pub admin: bool,
}

/// Rights that are to be changed; the others stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RightsChange {
    /// See [`Rights::active`].
    pub active: Option<bool>,
    /// See [`Rights::admin`].
    pub admin: Option<bool>,
    /// Whether the change is the effect of being listed, see [`User::was_listed`].
    pub as_listed: bool,
}

/// What became of a [`RightsChange`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// The user as it is now, and the whole version table.
    Done(Box<User>, Arc<Versions>),
    /// Nobody would be left to administer; nothing was changed.
    LastAdministrator,
    /// There is no such user.
    Unknown,
}

/// The SHA-256 of a token: the token itself is kept by nobody but its owner.
pub type TokenHash = [u8; 32];

/// A session: whoever has its token may refresh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Of the token that is good for the next exchange.
    pub token: TokenHash,
    /// Shared by all tokens that came of one sign-in.
    pub family: Uuid,
    /// Whose it is.
    pub user: Uuid,
    /// How long it lasts.
    pub lasts: Duration,
}

/// What became of an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exchanged {
    /// The session goes on under the new token.
    Done(Box<User>),
    /// The token is unknown, has ended, or its user is not active.
    Refused,
    /// The token was exchanged before: the whole family has ended.
    Reused,
}
