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

    /// Brings a pending user to its end, with these rights. Does nothing to one that is not
    /// pending any more.
    async fn complete_sign_up(
        &self,
        id: Uuid,
        account: &str,
        rights: Rights,
    ) -> Result<(), StoreError>;

    /// Takes a pending user away. Does nothing to one that is not pending any more.
    async fn abandon_sign_up(&self, id: Uuid) -> Result<(), StoreError>;

    /// Users that have been pending for at least so long, by id, behind this one, 100 at the
    /// most.
    async fn pending_sign_ups(
        &self,
        age: Duration,
        after: Option<Uuid>,
    ) -> Result<Vec<User>, StoreError>;

    /// The user with this id, pending or not.
    async fn user(&self, id: Uuid) -> Result<Option<User>, StoreError>;

    /// The user with this e-mail address, however it is spelt, pending or not.
    async fn user_by_email(&self, email: &str) -> Result<Option<User>, StoreError>;

    /// The user whom an account belongs to.
    async fn user_by_account(&self, account: &str) -> Result<Option<User>, StoreError>;

    /// At most `limit` users that are not pending, by id, behind this one.
    async fn users(&self, after: Option<Uuid>, limit: usize) -> Result<Vec<User>, StoreError>;

    /// Changes a user's rights, unless nobody would be left who is an active administrator.
    /// Raises the row of rights. Who is not active any more, or administers as the effect of
    /// being listed, loses every session and every token. That effect is had only once.
    async fn change_rights(&self, id: Uuid, change: RightsChange) -> Result<Changed, StoreError>;

    /// Keeps a new session of a user; `false` if the user's tokens were ended meanwhile.
    async fn keep_session(&self, session: &Session) -> Result<bool, StoreError>;

    /// Whose session goes on under a token; `None` if none does.
    async fn session(&self, token: &TokenHash) -> Result<Option<Ongoing>, StoreError>;

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

    /// Ends every session of a user, and every token that was given out. Raises the row of
    /// rights.
    async fn end_tokens(&self, user: Uuid) -> Result<(), StoreError>;

    /// Removes sessions that have ended; tells how many.
    async fn prune_sessions(&self) -> Result<u64, StoreError>;

    /// Keeps the hash of a password under an address; `false` if the address has one.
    async fn keep_password(&self, user: Uuid, email: &str, hash: &str) -> Result<bool, StoreError>;

    /// Changes the hash of a password, and ends every session and token that its owner has;
    /// `false` if the address has none.
    async fn change_password(&self, email: &str, hash: &str) -> Result<bool, StoreError>;

    /// The account of an address and the hash of its password.
    async fn password(&self, email: &str) -> Result<Option<(Uuid, String)>, StoreError>;

    /// Whether there is a password under a user's id.
    async fn has_password(&self, user: Uuid) -> Result<bool, StoreError>;

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
    /// Raised when every token given out before must end. Set by the store.
    pub epoch: i64,
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

impl Rights {
    /// What everybody has who signs up.
    pub const USUAL: Self = Self { active: true, admin: false };
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
    /// The user's epoch as it was when they were let in.
    pub epoch: i64,
    /// How long it lasts.
    pub lasts: Duration,
}

/// A session that goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ongoing {
    /// Shared by all tokens that came of one sign-in.
    pub family: Uuid,
    /// What the place of accounts calls its user.
    pub account: String,
    /// When the user signed in, µs since 1970.
    pub began_at: i64,
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
