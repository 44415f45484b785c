//! The tokens of the identity that Azure has given the process, for whatever asks for one; on a
//! developer's machine, those of whoever has signed in there.
//!
//! The SDK keeps a token for each scope, asks for the next one five minutes before it ends,
//! and lets one caller ask while the others wait. Added here is what it lacks: a deadline, and
//! that a token which still lasts is better than an error while its next one cannot be had.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind;
use azure_identity::{
    DeveloperToolsCredential, ManagedIdentityCredential, ManagedIdentityCredentialOptions,
    UserAssignedId,
};
use secrecy::SecretString;
use tokio::time::timeout;

/// What a token is waited for. The endpoint is on the same machine, and so are the tools.
const WAIT: Duration = Duration::from_secs(10);
/// Parts of that wait. The tool of a developer is a program that takes seconds to start; the
/// endpoint of a virtual machine answers at once, and elsewhere nobody does.
const DEVELOPER_WAIT: Duration = Duration::from_millis(7_500);
const MACHINE_WAIT: Duration = Duration::from_secs(2);
/// A token that ends sooner is not given out: it has to outlast what it was asked for.
const LASTS_MIN: Duration = Duration::from_secs(30);
/// What is told of an endpoint's answer; of two that were asked, half of it each.
const SHOWN_MAX: usize = 400;

/// The identity, and the tokens that it was given.
pub struct Credentials {
    owner: &'static str,
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
    #[error("the {owner} gives no token for {scope}: {reason}")]
    Refused {
        /// Who was asked.
        owner: &'static str,
        /// What the token was for.
        scope: String,
        /// What was said.
        reason: String,
    },
    /// It did not answer in time.
    #[error("the {0} does not answer")]
    Silent(&'static str),
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
        Ok(Self::of("managed identity", identity))
    }

    /// Another identity, called `owner` where it is told of.
    pub fn of(owner: &'static str, identity: Arc<dyn TokenCredential>) -> Self {
        Self { owner, identity, last: Mutex::default() }
    }

    /// Whoever has signed in with the tools of Azure on this machine (`az login`,
    /// `azd auth login`). Nothing is asked yet.
    pub fn developer() -> Result<Self, CredentialsError> {
        let identity = DeveloperToolsCredential::new(None)
            .map_err(|e| CredentialsError::NoIdentity(one_line(&e)))?;
        Ok(Self::of("login of the Azure CLI", identity))
    }

    /// The identity of a process that has one (`has_identity`: Azure says so) or that was told
    /// which to be; elsewhere whoever has signed in there, and on a machine where nobody has, the
    /// machine's own, which its virtual hardware may have. Nothing is asked yet.
    pub fn of_process(
        has_identity: bool,
        client_id: Option<&str>,
    ) -> Result<Self, CredentialsError> {
        if has_identity || client_id.is_some() {
            return Self::managed_identity(client_id);
        }
        let turns = [
            Turn { whose: Self::developer()?, wait: DEVELOPER_WAIT },
            Turn { whose: Self::managed_identity(None)?, wait: MACHINE_WAIT },
        ];
        Ok(Self::of("login of this machine", Arc::new(InTurn(turns))))
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
                let (owner, scope) = (self.owner, scope.to_owned());
                CredentialsError::Refused { owner, scope, reason: one_line(&e) }
            }
            Err(_) => CredentialsError::Silent(self.owner),
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

/// Identities that are asked one after the other, for each token anew.
#[derive(Debug)]
struct InTurn<const N: usize>([Turn; N]);

#[derive(Debug)]
struct Turn {
    whose: Credentials,
    wait: Duration,
}

#[async_trait]
impl<const N: usize> TokenCredential for InTurn<N> {
    async fn get_token(
        &self,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let mut refused = Vec::new();
        for Turn { whose, wait } in &self.0 {
            let asked = whose.identity.get_token(scopes, options.clone());
            match timeout(*wait, asked).await {
                Ok(Ok(token)) => return Ok(token),
                Ok(Err(e)) => {
                    let said: String = one_line(&e).chars().take(SHOWN_MAX / N - 30).collect();
                    refused.push(format!("{}: {said}", whose.owner));
                }
                Err(_) => refused.push(format!("{}: no answer", whose.owner)),
            }
        }
        Err(azure_core::Error::with_message(ErrorKind::Credential, refused.join("; ")))
    }
}

impl Kept {
    fn token(&self) -> Token {
        let lasts = self.ends_at.duration_since(SystemTime::now()).unwrap_or_default();
        Token { secret: self.secret.clone(), lasts }
    }
}

/// What an error comes from in the end.
pub(crate) fn innermost(error: &azure_core::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(below) = cause.source() {
        cause = below;
    }
    cause.to_string().chars().take(SHOWN_MAX).collect()
}

/// The endpoint's own words, cut short and without line breaks.
pub(crate) fn one_line(error: &azure_core::Error) -> String {
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
