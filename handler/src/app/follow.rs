//! Parts that take up secrets that have been exchanged. Logins to the database and to the shared
//! cache need none of this: they are asked for anew at each connection.

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::clock::Clock;
use crate::identity::exchanged::Exchanged;
use crate::identity::firebase::{Config, Firebase};
use crate::identity::token::Tokens;
use crate::secrets::Secrets;
use crate::settings::Settings;

/// The vault is asked at most so often because of a token: anybody may send one.
const FOREIGN_EVERY: Duration = Duration::from_secs(30);

/// When it may be asked again, if it was a moment ago.
const SOON: Duration = Duration::from_secs(1);

/// Signs with the key that the vault holds. A token under a key that is not known here may come
/// from an instance that has the next one already, so the vault is asked.
pub(super) fn keys(secrets: &Secrets, tokens: &Arc<Tokens>) {
    let Some(mut changes) = secrets.changes() else { return };
    let signing = Arc::clone(tokens);
    tokio::spawn(async move {
        while changes.changed().await.is_ok() {
            let people = &changes.borrow_and_update().people;
            if let Some(key) = &people.key {
                signing.replace_keys(key, people.previous_key.as_ref());
            }
        }
    });
    tokio::spawn(ask_because_of_tokens(secrets.clone(), Arc::clone(tokens)));
}

async fn ask_because_of_tokens(secrets: Secrets, tokens: Arc<Tokens>) {
    loop {
        tokens.meets_foreign_key().await;
        while !secrets.refused().await {
            sleep(SOON).await;
        }
        sleep(FOREIGN_EVERY).await;
    }
}

/// Asks Firebase by the keys that the vault holds, where they are other ones than `known`.
pub(super) fn accounts(
    mut changes: watch::Receiver<Arc<Settings>>,
    mut known: Config,
    exchanged: Arc<Exchanged>,
) {
    tokio::spawn(async move {
        while changes.changed().await.is_ok() {
            let now = changes.borrow_and_update().people.firebase.clone();
            let Some(now) = now else { continue };
            if is_same(&known, &now) {
                continue;
            }
            match Firebase::new(&now, Clock::System) {
                Ok(firebase) => exchanged.exchange(Arc::new(firebase)),
                Err(e) => tracing::error!("Firebase is asked by the secrets before: {e}"),
            }
            known = now;
        }
    });
}

fn is_same(one: &Config, other: &Config) -> bool {
    let text = |secret: &Option<SecretString>| {
        secret.as_ref().map(|secret| secret.expose_secret().to_owned())
    };
    one.api_key.expose_secret() == other.api_key.expose_secret()
        && text(&one.service_account) == text(&other.service_account)
}
