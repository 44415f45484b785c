//! Signing up, in and out: users of our own store and accounts of an [`Identity`] together.
//!
//! A sign-up touches both. It writes a pending user first, makes the account, and only then
//! lets the user be: whatever it is cut off between, [`Accounts::heal`] brings the rest to
//! its end, or takes it away.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use uuid::Uuid;

use super::names::first_and_last;
use super::token::{LIFE_SECONDS, Proved, Tokens, new_refresh_token, refresh_token_hash};
use super::{AccountId, AccountState, Checked, Identity, IdentityError, NewAccount};
use crate::cache::versions::Versions;
use crate::clock::micros_of;
use crate::store::users::{Changed, Exchanged, Ongoing, Rights, RightsChange, Session, User};
use crate::store::{Store, StoreError};

/// A sign-up takes a second or two: what is pending for longer was cut off.
const CUT_OFF_AFTER: Duration = Duration::from_mins(1);

/// The people who use the service.
pub struct Accounts {
    store: Arc<dyn Store>,
    identity: Arc<dyn Identity>,
    tokens: Arc<Tokens>,
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
        tokens: Arc<Tokens>,
        admins: &[String],
        refresh_life: Duration,
    ) -> Self {
        let admins = admins.iter().map(|email| email.to_lowercase()).collect();
        Self { store, identity, tokens, admins, refresh_life }
    }

    /// Whose token it is, and in which of the user's epochs it counts.
    pub fn whose(&self, token: &str) -> Option<Proved> {
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
            epoch: 0,
            created_at: 0,
        };
        if !self.begin(&user).await? {
            return Err(AccountError::EmailTaken);
        }
        let account = NewAccount { user: user.id, email: user.email.clone(), password };
        match self.identity.create(&account).await {
            Ok(account) => {
                self.store.complete_sign_up(user.id, &account.0, user.rights).await?;
                Ok(User { is_pending: false, ..user })
            }
            // Whether the account was made is not known: it is looked for later, or left to
            // whoever proves that the address is theirs.
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
        let left = self.store.user_by_email(&user.email).await?;
        let Some(left) = left.filter(|left| self.was_cut_off(left)) else { return Ok(false) };
        self.heal_one(&left).await?;
        Ok(self.store.begin_sign_up(user).await?)
    }

    fn was_cut_off(&self, user: &User) -> bool {
        let age = self.tokens.now_micros().saturating_sub(user.created_at);
        user.is_pending && age >= micros_of(CUT_OFF_AFTER)
    }

    /// Lets somebody in.
    pub async fn sign_in(
        &self,
        email: &str,
        password: &SecretString,
    ) -> Result<SignedIn, AccountError> {
        let checked = self.identity.check(email, password).await?;
        let user = self.user_of(&checked).await?.ok_or(AccountError::Refused)?;
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
            epoch: user.epoch,
            lasts: self.refresh_life,
        };
        if !self.store.keep_session(&session).await? {
            return Err(AccountError::Refused);
        }
        Ok(SignedIn { raised, ..self.signed_in(&user, refresh_token) })
    }

    /// The session that goes on under a refresh token.
    pub async fn session(&self, token: &str) -> Result<Option<Ongoing>, AccountError> {
        Ok(self.store.session(&refresh_token_hash(token)).await?)
    }

    /// Exchanges a refresh token for the next pair.
    pub async fn refresh(&self, token: &str) -> Result<SignedIn, AccountError> {
        if let Some(session) = self.session(token).await?
            && !self.still_counts(&session).await?
        {
            return Err(AccountError::Refused);
        }
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

    /// Whether the place of accounts would still let in whom it let in then; as far as it can
    /// be asked.
    async fn still_counts(&self, session: &Ongoing) -> Result<bool, AccountError> {
        if !self.identity.is_managed() {
            return Ok(true);
        }
        let account = self.identity.find(&AccountId(session.account.clone())).await?;
        Ok(account.is_some_and(|AccountState { is_disabled, valid_since }| {
            !is_disabled && session.began_at >= valid_since
        }))
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

    /// Brings sign-ups that were cut off to their end. One that cannot be keeps no other from
    /// it; the last error is told.
    pub async fn heal(&self) -> Result<(), AccountError> {
        let (mut after, mut failed) = (None, None);
        loop {
            let pending = self.store.pending_sign_ups(CUT_OFF_AFTER, after).await?;
            let Some(last) = pending.last() else { break };
            after = Some(last.id);
            for user in &pending {
                if let Err(e) = self.heal_one(user).await {
                    tracing::warn!(user = %user.id, "a sign-up could not be healed: {e}");
                    failed = Some(e);
                }
            }
            if matches!(failed, Some(AccountError::Identity(IdentityError::NotAsked(_)))) {
                // The place is away: those behind would fare no better.
                break;
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// An account under the user's own id is one that we have made. Where the place cannot be
    /// asked for it the address is set free: whoever has the account proves it at signing in.
    async fn heal_one(&self, user: &User) -> Result<(), AccountError> {
        let id = AccountId(user.id.to_string());
        let is_made = self.identity.is_managed() && self.identity.find(&id).await?.is_some();
        if is_made {
            tracing::info!(user = %user.id, "a sign-up was cut off behind its account");
            self.store.complete_sign_up(user.id, &id.0, user.rights).await?;
        } else {
            tracing::info!(user = %user.id, "a sign-up was cut off before its account");
            self.store.abandon_sign_up(user.id).await?;
        }
        Ok(())
    }

    /// The user of an account that has proved itself: one whose sign-up was cut off behind it
    /// is brought to its end, and an account that was made past us gets a new one.
    async fn user_of(&self, checked: &Checked) -> Result<Option<User>, AccountError> {
        if let Some(user) = self.store.user_by_account(&checked.account.0).await? {
            return Ok(Some(user));
        }
        let pending = self.store.user_by_email(&checked.email).await?;
        let pending = pending.filter(|user| user.is_pending);
        let rights = pending.as_ref().and_then(|user| self.rights_of_pending(user, checked));
        match (pending, rights) {
            (Some(user), Some(rights)) => {
                self.store.complete_sign_up(user.id, &checked.account.0, rights).await?;
            }
            _ if checked.is_verified => self.adopt(checked).await?,
            _ => return Ok(None),
        }
        Ok(self.store.user_by_account(&checked.account.0).await?)
    }

    /// What a pending user may do as the owner of this account; `None` if the account is
    /// another's. Anybody can make an account for any address past us, by the API key.
    fn rights_of_pending(&self, user: &User, checked: &Checked) -> Option<Rights> {
        if self.identity.is_managed() {
            (checked.account.0 == user.id.to_string()).then_some(user.rights)
        } else if checked.is_verified {
            Some(user.rights)
        } else {
            Some(Rights { admin: false, ..user.rights })
        }
    }

    /// Makes an ordinary user for an account that was not made by us, and whose owner has
    /// proved the address: they could neither sign up nor in. Leaves an address alone that
    /// another user has.
    async fn adopt(&self, checked: &Checked) -> Result<(), AccountError> {
        let (first_name, last_name) = first_and_last(checked.name.as_deref(), &checked.email);
        let user = User {
            id: Uuid::new_v4(),
            email: checked.email.clone(),
            first_name,
            last_name,
            rights: Rights::USUAL,
            is_pending: true,
            was_listed: false,
            epoch: 0,
            created_at: 0,
        };
        if self.begin(&user).await? {
            tracing::info!(user = %user.id, "an account that was there already gets a user");
            self.store.complete_sign_up(user.id, &checked.account.0, user.rights).await?;
        }
        Ok(())
    }

    /// Makes somebody an administrator whose listed address is proved to be theirs: once, so
    /// that a right that was taken away stays away. Whoever was let in before the proof may be
    /// somebody else: all tokens of that time end.
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
