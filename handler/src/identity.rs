//! Who somebody is: accounts, and what proves them.
//!
//! A *user* is a row of our own store: name, rights, whether it may do anything at all. An
//! *account* is what a password opens, and lies where the passwords lie: in the same
//! database, or with Firebase Authentication. What each kind of [`Identity`] promises is
//! checked by one suite, `tests/it/contract_identity.rs`.

pub mod accounts;
pub mod exchanged;
pub mod firebase;
pub mod limits;
pub mod local;
pub mod names;
pub mod own_key;
pub mod token;

use async_trait::async_trait;
use secrecy::SecretString;
use uuid::Uuid;

/// A place for accounts.
#[async_trait]
pub trait Identity: Send + Sync {
    /// Makes an account. The id is ours where the place lets us choose it; what it gives back
    /// is what the place calls the account from then on.
    ///
    /// [`IdentityError::EmailTaken`] if there is an account for the address, whoever made it.
    async fn create(&self, account: &NewAccount) -> Result<AccountId, IdentityError>;

    /// Checks an e-mail address and a password. An unknown address and a wrong password are
    /// both [`IdentityError::WrongCredentials`], and take the same time.
    async fn check(&self, email: &str, password: &SecretString) -> Result<Checked, IdentityError>;

    /// How an account stands; `None` if there is none. Only a place that [is managed] can say.
    ///
    /// [is managed]: Identity::is_managed
    async fn find(&self, account: &AccountId) -> Result<Option<AccountState>, IdentityError>;

    /// Removes an account that nobody's user row belongs to. Removing none is no error.
    async fn remove(&self, account: &AccountId) -> Result<(), IdentityError>;

    /// Lets the owner of the address choose a new password. Tells nobody whether there is one.
    async fn reset_password(&self, email: &str) -> Result<(), IdentityError>;

    /// Whether the place can be reached.
    async fn probe(&self) -> Result<(), IdentityError>;

    /// Whether an address counts as its owner's without a proof: only where there is nobody
    /// who could prove it.
    fn trusts_addresses(&self) -> bool;

    /// Whether accounts are called what we want them to be called, and can be looked up. Then
    /// an account under a user's id is one that we have made for that user, and no other is.
    fn is_managed(&self) -> bool;
}

/// How an account stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountState {
    /// Whether its password opens nothing any more.
    pub is_disabled: bool,
    /// µs since 1970: whoever was let in before that must prove themselves anew.
    pub valid_since: i64,
}

/// What the place of accounts calls one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountId(pub String);

/// The wish for an account.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// Our own id of the user that it is for.
    pub user: Uuid,
    /// The address, well formed.
    pub email: String,
    /// The password, within the limits of CONTRACT 4.
    pub password: SecretString,
}

/// A password that was right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Whose it is.
    pub account: AccountId,
    /// Whether the owner has proved that the address is theirs.
    pub is_verified: bool,
    /// The address, as the place writes it.
    pub email: String,
    /// What the owner is called, if the place knows.
    pub name: Option<String>,
}

/// Why a place of accounts did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// There is an account for this address.
    #[error("there is an account for this e-mail address already")]
    EmailTaken,
    /// The place wants another password.
    #[error("the password is too weak")]
    WeakPassword,
    /// The place does not take this address.
    #[error("the e-mail address is not accepted")]
    BadEmail,
    /// Address and password do not open an account.
    #[error("e-mail address or password is wrong")]
    WrongCredentials,
    /// Too many tries; seconds after which the next may be made.
    #[error("too many attempts, try again later")]
    TooManyAttempts(u32),
    /// It was not asked, so nothing has happened. May work later.
    #[error("the accounts cannot be reached")]
    NotAsked(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Nobody knows what has happened. May work later.
    #[error("the accounts cannot be reached")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Will not work until somebody changes something: a wrong key, a provider that is off.
    /// The text is for the log and holds no secret.
    #[error("the accounts are not set up: {0}")]
    Misconfigured(String),
}
