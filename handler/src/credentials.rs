//! The tokens of the identity that Azure has given the process, for whatever asks for one.
//!
//! The SDK keeps a token for each scope, asks for the next one five minutes before it ends,
//! and lets one caller ask while the others wait. Added here is what it lacks: a deadline, and
//! that a token which still lasts is better than an error while its next one cannot be had.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use azure_core::credentials::TokenCredential;
use azure_identity::{ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId};
use secrecy::SecretString;
use tokio::time::timeout;

/// What a token is waited for. The endpoint is on the same machine.
const WAIT: Duration = Duration::from_secs(10);
/// A token that ends sooner is not given out: it has to outlast what it was asked for.
const LASTS_MIN: Duration = Duration::from_secs(30);
/// What is told of an endpoint's answer.
const SHOWN_MAX: usize = 200;

/// The identity, and the tokens that it was given.
pub struct Credentials {
    identity: Arc<dyn TokenCredential>,
    last: Mutex<HashMap<String, Kept>>,
}

#[derive(Clone)]
struct Kept {
    secret: SecretString,
    ends_at: SystemTime,
}

/// Proof of who the process is.
#[derive(Debug, Clone)]
pub struct Token {
    /// To be sent to what it was asked for, and to nobody else.
    pub secret: SecretString,
    /// How long it still lasts.
    pub lasts: Duration,
}

/// Why there is no token. One line, without any secret.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CredentialsError {
    /// This machine has no identity that can be asked for, or the settings name another one.
    #[error("there is no managed identity here: {0}")]
    NoIdentity(String),
    /// It was asked, and gave none.
    #[error("the managed identity gives no token for {scope}: {reason}")]
    Refused {
        /// What the token was for.
        scope: String,
        /// What was said.
        reason: String,
    },
    /// It did not answer in time.
    #[error("the managed identity does not answer")]
    Silent,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

impl Credentials {
    /// The user-assigned identity with this client id, else the one of the machine. Nothing is
    /// asked yet.
    pub fn managed_identity(client_id: Option<&str>) -> Result<Self, CredentialsError> {
        let options = ManagedIdentityCredentialOptions {
            user_assigned_id: client_id.map(|id| UserAssignedId::ClientId(id.to_owned())),
            ..ManagedIdentityCredentialOptions::default()
        };
        let identity = ManagedIdentityCredential::new(Some(options))
            .map_err(|e| CredentialsError::NoIdentity(one_line(&e)))?;
        Ok(Self { identity, last: Mutex::default() })
    }

    /// A token for a scope such as `https://database.windows.net/.default`.
    pub async fn token(&self, scope: &str) -> Result<Token, CredentialsError> {
        let error = match timeout(WAIT, self.identity.get_token(&[scope], None)).await {
            Ok(Ok(given)) => {
                let secret = SecretString::from(given.token.secret());
                let kept = Kept { secret, ends_at: given.expires_on.into() };
                self.last().insert(scope.to_owned(), kept.clone());
                return Ok(kept.token());
            }
            Ok(Err(e)) => {
                CredentialsError::Refused { scope: scope.to_owned(), reason: one_line(&e) }
            }
            Err(_) => CredentialsError::Silent,
        };
        let last = self.last().get(scope).map(Kept::token);
        match last.filter(|token| token.lasts > LASTS_MIN) {
            Some(token) => {
                tracing::warn!("the last token is used on: {error}");
                Ok(token)
            }
            None => Err(error),
        }
    }

    fn last(&self) -> std::sync::MutexGuard<'_, HashMap<String, Kept>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn token(&self) -> Token {
        let lasts = self.ends_at.duration_since(SystemTime::now()).unwrap_or_default();
        Token { secret: self.secret.clone(), lasts }
    }
}

/// The endpoint's own words, cut short and without line breaks.
fn one_line(error: &azure_core::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    let mut text = cause.to_string();
    while let Some(below) = cause.source() {
        let said = below.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = below;
    }
    let words: Vec<_> = text.split_whitespace().collect();
    words.join(" ").chars().take(SHOWN_MAX).collect()
}
