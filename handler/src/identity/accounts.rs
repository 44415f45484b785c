//! Signing up, in and out: users of our own store and accounts of an [`Identity`] together.
//!
//! A sign-up touches both. It writes a pending user first, makes the account, and only then
//! lets the user be: whatever it is cut off between, [`Accounts::heal`] brings the rest to
//! its end, or takes it away.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use uuid::Uuid;

use super::token::{LIFE_SECONDS, Tokens, new_refresh_token, refresh_token_hash};
use super::{AccountId, Identity, IdentityError, NewAccount};
use crate::cache::versions::Versions;
use crate::store::users::{Changed, Exchanged, Rights, RightsChange, Session, User};
use crate::store::{Store, StoreError};

/// A sign-up takes a second or two: what is pending for longer was cut off.
const CUT_OFF_AFTER: Duration = Duration::from_mins(1);

/// The people who use the service.
pub struct Accounts {
    store: Arc<dyn Store>,
    identity: Arc<dyn Identity>,
    tokens: Tokens,
    /// `ADMIN_EMAILS`, in lower case.
    admins: Vec<String>,
    refresh_life: Duration,
}

/// What somebody signs up with.
#[derive(Debug, Clone)]
pub struct SignUp {
    /// The address, well formed.
    pub email: String,
    /// The password, within its limits.
    pub password: SecretString,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// What the user may do, as whoever signs them up is entitled to say.
    pub rights: Rights,
}

/// What a client gets at signing in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIn {
    /// Proves who the client is.
    pub id_token: String,
    /// Gets the next pair of tokens, once.
    pub refresh_token: String,
    /// Seconds that the first is good for.
    pub expires_in: i64,
    /// The version table, if signing in has changed the user's rights.
    pub raised: Option<Arc<Versions>>,
}

/// Why somebody was not let in, up or out.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// There is a user or an account for the address.
    #[error("there is an account for this e-mail address already")]
    EmailTaken,
    /// Whatever it was: an unknown address, a wrong password, a user who is not active, a
    /// token that is unknown, has ended or was used before.
    #[error("signing in failed")]
    Refused,
    /// The place of accounts said something else.
    #[error(transparent)]
    Identity(IdentityError),
    /// The store said no.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<IdentityError> for AccountError {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::EmailTaken => Self::EmailTaken,
            IdentityError::WrongCredentials => Self::Refused,
            other => Self::Identity(other),
        }
    }
}

impl Accounts {
    /// The people of a store, and the place of their accounts. `admins`: addresses of those
    /// who administer from the beginning.
    pub fn new(
        store: Arc<dyn Store>,
        identity: Arc<dyn Identity>,
        tokens: Tokens,
        admins: &[String],
        refresh_life: Duration,
    ) -> Self {
        let admins = admins.iter().map(|email| email.to_lowercase()).collect();
        Self { store, identity, tokens, admins, refresh_life }
    }

    /// Whose token it is.
    pub fn whose(&self, token: &str) -> Option<Uuid> {
        self.tokens.verify(token).ok()
    }

    /// Makes a user with an account.
    pub async fn sign_up(&self, sign_up: SignUp) -> Result<User, AccountError> {
        let SignUp { email, password, first_name, last_name, rights } = sign_up;
        let is_first = self.identity.trusts_addresses() && self.is_listed(&email);
        let user = User {
            id: Uuid::new_v4(),
            rights: Rights { admin: rights.admin || is_first, ..rights },
            was_listed: is_first,
            email,
            first_name,
            last_name,
            is_pending: true,
            created_at: 0,
        };
        if !self.begin(&user).await? {
            return Err(AccountError::EmailTaken);
        }
        let account = NewAccount { user: user.id, email: user.email.clone(), password };
        match self.identity.create(&account).await {
            Ok(account) => {
                self.store.complete_sign_up(user.id, &account.0).await?;
                Ok(User { is_pending: false, ..user })
            }
            // Whether the account was made is not known: it is looked for later.
            Err(e @ IdentityError::Unreachable(_)) => Err(e.into()),
            Err(e) => {
                self.store.abandon_sign_up(user.id).await?;
                Err(e.into())
            }
        }
    }

    /// Writes the pending user, past what a sign-up that was cut off has left.
    async fn begin(&self, user: &User) -> Result<bool, AccountError> {
        if self.store.begin_sign_up(user).await? {
            return Ok(true);
        }
        let left = self.store.pending_sign_ups(CUT_OFF_AFTER).await?;
        let same = |other: &&User| other.email.to_lowercase() == user.email.to_lowercase();
        let Some(left) = left.iter().find(same) else { return Ok(false) };
        self.heal_one(left).await?;
        Ok(self.store.begin_sign_up(user).await?)
    }

    /// Lets somebody in.
    pub async fn sign_in(
        &self,
        email: &str,
        password: &SecretString,
    ) -> Result<SignedIn, AccountError> {
        let checked = self.identity.check(email, password).await?;
        let user = self.user_of(&checked.account, email).await?.ok_or(AccountError::Refused)?;
        let (user, raised) = if checked.is_verified || self.identity.trusts_addresses() {
            self.promote_listed(user).await?
        } else {
            (user, None)
        };
        if !user.rights.active {
            return Err(AccountError::Refused);
        }
        let (refresh_token, hash) = new_refresh_token();
        let session = Session {
            token: hash,
            family: Uuid::new_v4(),
            user: user.id,
            lasts: self.refresh_life,
        };
        self.store.keep_session(&session).await?;
        Ok(SignedIn { raised, ..self.signed_in(&user, refresh_token) })
    }

    /// Exchanges a refresh token for the next pair.
    pub async fn refresh(&self, token: &str) -> Result<SignedIn, AccountError> {
        let (next, hash) = new_refresh_token();
        let old = refresh_token_hash(token);
        match self.store.exchange_session(&old, &hash, self.refresh_life).await? {
            Exchanged::Done(user) => Ok(self.signed_in(&user, next)),
            Exchanged::Refused => Err(AccountError::Refused),
            Exchanged::Reused => {
                tracing::warn!("a refresh token was used twice: its family has ended");
                Err(AccountError::Refused)
            }
        }
    }

    /// Ends every session of a user.
    pub async fn sign_out(&self, user: Uuid) -> Result<(), AccountError> {
        Ok(self.store.end_sessions(user).await?)
    }

    /// Lets the owner of the address choose a new password; says nothing of whether there is
    /// an account.
    pub async fn reset_password(&self, email: &str) -> Result<(), AccountError> {
        Ok(self.identity.reset_password(email).await?)
    }

    /// Brings sign-ups that were cut off to their end.
    pub async fn heal(&self) -> Result<(), AccountError> {
        for user in self.store.pending_sign_ups(CUT_OFF_AFTER).await? {
            self.heal_one(&user).await?;
        }
        Ok(())
    }

    async fn heal_one(&self, user: &User) -> Result<(), AccountError> {
        if let Some(account) = self.identity.find(&user.email).await? {
            tracing::info!(user = %user.id, "a sign-up was cut off behind its account");
            self.store.complete_sign_up(user.id, &account.0).await?;
        } else {
            tracing::info!(user = %user.id, "a sign-up was cut off before its account");
            self.store.abandon_sign_up(user.id).await?;
        }
        Ok(())
    }

    /// The user of an account that has proved itself; one whose sign-up was cut off behind it
    /// is brought to its end.
    async fn user_of(
        &self,
        account: &AccountId,
        email: &str,
    ) -> Result<Option<User>, AccountError> {
        if let Some(user) = self.store.user_by_account(&account.0).await? {
            return Ok(Some(user));
        }
        let pending = self.store.user_by_email(email).await?.filter(|user| user.is_pending);
        let Some(user) = pending else { return Ok(None) };
        self.store.complete_sign_up(user.id, &account.0).await?;
        Ok(self.store.user_by_account(&account.0).await?)
    }

    /// Makes somebody an administrator whose listed address is proved to be theirs: once, so
    /// that a right that was taken away stays away.
    async fn promote_listed(
        &self,
        user: User,
    ) -> Result<(User, Option<Arc<Versions>>), AccountError> {
        if user.was_listed || !self.is_listed(&user.email) {
            return Ok((user, None));
        }
        let change = RightsChange { admin: Some(true), active: None, as_listed: true };
        match self.store.change_rights(user.id, change).await? {
            Changed::Done(user, versions) => Ok((*user, Some(versions))),
            Changed::LastAdministrator | Changed::Unknown => Ok((user, None)),
        }
    }

    fn is_listed(&self, email: &str) -> bool {
        self.admins.contains(&email.to_lowercase())
    }

    fn signed_in(&self, user: &User, refresh_token: String) -> SignedIn {
        let id_token = self.tokens.issue(user);
        SignedIn { id_token, refresh_token, expires_in: LIFE_SECONDS, raised: None }
    }
}
