//! `handler user`: changes a user in the configured database.

use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};

use super::Failure;
use super::import::SETTLE_WITHIN;
use crate::app::people::identity;
use crate::app::{database, shared};
use crate::identity::local::LocalAccounts;
use crate::identity::own_key;
use crate::settings::Settings;
use crate::store::Store;
use crate::store::users::{Changed, RightsChange, User};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// What to do
    action: Action,
    /// The user's e-mail address
    email: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Action {
    /// Make the user an administrator
    Grant,
    /// Take that away, but never from the last one
    Revoke,
    /// Keep the user from signing in, and end every session
    Disable,
    /// Let the user in again
    Enable,
    /// Give the user another password; with Firebase, a mail with a link
    ResetPassword,
}

pub(super) async fn run(settings: Settings, arguments: Arguments) -> Result<(), Failure> {
    let store = database::open(&settings).await?;
    let Arguments { action, email } = arguments;
    let unknown = || Failure::new(format!("there is no user with the address {email}"));
    let user = store.user_by_email(&email).await?.filter(|user| !user.is_pending);
    let user = user.ok_or_else(unknown)?;
    match action {
        Action::ResetPassword => reset_password(&settings, &store, &user).await?,
        other => change_rights(&store, &user, other).await?,
    }
    let (cache, _) = shared::cache_beside(&settings, &store);
    cache.settle(SETTLE_WITHIN).await;
    Ok(())
}

async fn change_rights(store: &Arc<dyn Store>, user: &User, action: Action) -> Result<(), Failure> {
    let none = RightsChange::default();
    let change = match action {
        Action::Grant => RightsChange { admin: Some(true), ..none },
        Action::Revoke => RightsChange { admin: Some(false), ..none },
        Action::Disable => RightsChange { active: Some(false), ..none },
        Action::Enable => RightsChange { active: Some(true), ..none },
        Action::ResetPassword => unreachable!("it changes no right"),
    };
    match store.change_rights(user.id, change).await? {
        Changed::Done(user, _) => {
            let is = |what, flag| format!("{}{what}", if flag { "" } else { "not " });
            let (active, admin) = (user.rights.active, user.rights.admin);
            println!("{}: {}, {}", user.email, is("active", active), is("administrator", admin));
            Ok(())
        }
        Changed::LastAdministrator => Err(Failure::new("nobody would be left to administer")),
        Changed::Unknown => Err(Failure::new("the user has gone meanwhile")),
    }
}

async fn reset_password(
    settings: &Settings,
    store: &Arc<dyn Store>,
    user: &User,
) -> Result<(), Failure> {
    if settings.people.firebase.is_some() {
        let identity = identity(settings, store).map_err(Failure::new)?;
        identity.reset_password(&user.email).await.map_err(Failure::new)?;
        store.end_tokens(user.id).await?;
        println!("{}: a mail with a link is on its way", user.email);
    } else {
        let password = new_password();
        let accounts = LocalAccounts::new(Arc::clone(store));
        let is_changed = accounts.change_password(&user.email, password.clone()).await;
        if !is_changed.map_err(Failure::new)? {
            return Err(Failure::new("the user has no password here"));
        }
        // Shown once, to whoever sits at the machine that has the database.
        println!("{}: the new password is {}", user.email, password.expose_secret());
    }
    Ok(())
}

/// Within CONTRACT 4's limits, and nothing to be guessed.
fn new_password() -> SecretString {
    let random = own_key::new();
    SecretString::from(format!("A1!{}", &random.expose_secret()[..24]))
}
