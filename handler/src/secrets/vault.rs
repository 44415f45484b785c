//! A vault of Azure's, asked for one secret.
//!
//! The SDK is told to try once: when to try again is decided where it is known who waits, and
//! for how long. It follows no redirect, and shows a token only to a host within the domain that
//! the token is for.

use std::sync::Arc;

use azure_core::error::ErrorKind;
use azure_core::http::{ClientOptions, HttpClient, RetryOptions, Transport};
use azure_security_keyvault_secrets::{SecretClient, SecretClientOptions};
use secrecy::SecretString;
use serde::Deserialize;
use tracing::Instrument as _;

use super::names;
use super::pass::VaultPass;
use crate::credentials::{Credentials, innermost, one_line};
use crate::settings;
use crate::telemetry::span;

/// What a vault says when it is asked for a secret.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    /// This is it.
    Found(SecretString),
    /// There is none of this name.
    Missing,
    /// There is one that is not to be used.
    Unfit(&'static str),
    /// It is not for this identity.
    Closed(String),
    /// It could not be asked. May work later.
    Failed(String),
}

/// A vault, and who asks it.
pub struct Vault {
    client: SecretClient,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.client.endpoint())
    }
}

impl Vault {
    /// The vault that the settings name, reached by the SDK's own client or by this one. Nothing
    /// is asked yet.
    pub fn at(
        place: &settings::Vault,
        credentials: Credentials,
        http: Option<Arc<dyn HttpClient>>,
    ) -> Result<Self, String> {
        crate::crypto::install_providers();
        let options = SecretClientOptions {
            client_options: ClientOptions {
                retry: RetryOptions::none(),
                transport: http.map(Transport::new),
                ..ClientOptions::default()
            },
            // An emulator is not in the domain that its tokens are for.
            verify_challenge_resource: Some(!place.is_emulator),
            ..SecretClientOptions::default()
        };
        let pass = Arc::new(VaultPass(credentials));
        let client = SecretClient::new(place.url.as_str(), pass, Some(options));
        Ok(Self { client: client.map_err(|e| one_line(&e))? })
    }

    /// Asks for the secret of this name.
    pub(super) async fn ask(&self, name: &str) -> Answer {
        // Asked in the background, by the round.
        let span = span::work!(
            "vault",
            "client",
            otel.name = "vault secret",
            rpc.system.name = "azure_key_vault",
            secret = name,
        );
        let secret = names::in_vault(name);
        let asked = self.client.get_secret(&secret, None).instrument(span.clone()).await;
        // A body that cannot be read is not quoted: it may hold what it is about.
        let answer = match asked.map(azure_core::http::Response::into_model) {
            Ok(Ok(secret)) => found(secret.value),
            Ok(Err(_)) => Answer::Failed("its answer cannot be read".to_owned()),
            Err(e) => refused(&e),
        };
        span::ended(&span, !matches!(answer, Answer::Failed(_) | Answer::Closed(_)));
        answer
    }
}

/// A secret that was put in from a file or by `echo` ends in a line break that nobody meant.
fn found(value: Option<String>) -> Answer {
    let value = value.unwrap_or_default();
    match value.trim_end_matches(['\r', '\n']) {
        "" => Answer::Unfit("it is empty"),
        value => Answer::Found(SecretString::from(value)),
    }
}

fn refused(error: &azure_core::Error) -> Answer {
    let (status, code, body) = match error.kind() {
        ErrorKind::HttpResponse { status, error_code, raw_response } => {
            let body = raw_response.as_ref().map(|raw| raw.body().as_ref()).unwrap_or_default();
            (u16::from(*status), error_code.as_deref().unwrap_or_default(), body)
        }
        ErrorKind::Connection | ErrorKind::Io => return Answer::Failed(innermost(error)),
        ErrorKind::DataConversion => {
            return Answer::Failed("its answer cannot be read".to_owned());
        }
        _ => return Answer::Failed(one_line(error)),
    };
    let code = inner_code(body).unwrap_or_else(|| code.to_owned());
    let code = if is_word(&code) { format!("{status} {code}") } else { status.to_string() };
    match status {
        404 => Answer::Missing,
        403 if code.ends_with("SecretDisabled") => Answer::Unfit("it is disabled"),
        403 if code.ends_with("ForbiddenByFirewall") || code.ends_with("ForbiddenByConnection") => {
            Answer::Closed(format!("its network rules keep this process out ({code})"))
        }
        403 => Answer::Closed(format!(
            "the identity may not read it ({code}): give it the role Key Vault Secrets User"
        )),
        401 => Answer::Failed(format!("it does not take the identity's token ({code})")),
        429 => Answer::Failed(format!("it is asked too often ({code})")),
        _ => Answer::Failed(format!("it answers {code}")),
    }
}

/// The vault's own reason stands one level deeper than its code.
fn inner_code(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Body {
        error: Outer,
    }
    #[derive(Deserialize)]
    struct Outer {
        innererror: Inner,
    }
    #[derive(Deserialize)]
    struct Inner {
        code: String,
    }
    serde_json::from_slice(body).ok().map(|body: Body| body.error.innererror.code)
}

/// What a code is made of; anything else is not repeated.
fn is_word(code: &str) -> bool {
    (1..=64).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_line_break_at_the_end_is_nobodys_password() {
        for (value, meant) in [("x", "x"), ("x\n", "x"), ("x\r\n", "x"), (" x ", " x ")] {
            let Answer::Found(found) = found(Some(value.to_owned())) else { panic!("{value:?}") };
            assert_eq!(found.expose_secret(), meant);
        }
        for nothing in [None, Some(""), Some("\n")] {
            assert!(matches!(found(nothing.map(str::to_owned)), Answer::Unfit(_)));
        }
    }

    #[test]
    fn the_reason_is_the_inner_one() {
        let body = br#"{"error":{"code":"Forbidden","innererror":{"code":"ForbiddenByRbac"}}}"#;
        assert_eq!(inner_code(body).as_deref(), Some("ForbiddenByRbac"));
        assert_eq!(inner_code(b"hunter2"), None);
        assert!(is_word("ForbiddenByRbac") && !is_word("hunter 2") && !is_word(""));
    }
}
