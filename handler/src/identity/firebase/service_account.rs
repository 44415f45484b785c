//! A service account, and the access token that it gets from Google.
//!
//! It signs a statement with its own key and exchanges it for a token of an hour (RFC 7523).
//! One exchange serves everybody until shortly before the token ends.

use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::{Client, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::wire::{Failure, ask};
use crate::clock::{Clock, micros_of};

/// The ones that Google's own library asks for to manage accounts.
const SCOPES: &str = "https://www.googleapis.com/auth/cloud-platform https://www.googleapis.com/auth/identitytoolkit";
const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// The longest that Google takes.
const STATEMENT_SECONDS: i64 = 3_600;
/// How long before its end a token is renewed.
const RENEW_BEFORE: Duration = Duration::from_mins(5);
/// Longer lives are not believed.
const TOKEN_LIFE_MAX: Duration = Duration::from_hours(1);

/// Who may manage the accounts of a project.
pub struct ServiceAccount {
    email: String,
    key_id: Option<String>,
    key: EncodingKey,
    token_uri: Url,
    clock: Clock,
    /// Held while a token is got, so that one exchange serves all who wait.
    token: Mutex<Option<Token>>,
}

#[derive(Clone)]
struct Token {
    text: SecretString,
    renew_at: i64,
    ends_at: i64,
}

/// What we read of the file that Google hands out.
#[derive(Deserialize)]
struct File {
    client_email: String,
    private_key: String,
    private_key_id: Option<String>,
    project_id: Option<String>,
    token_uri: String,
}

#[derive(Serialize)]
struct Statement<'a> {
    iss: &'a str,
    scope: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
}

impl ServiceAccount {
    /// Reads the file; with it comes the project it belongs to. `is_private` where plain HTTP
    /// is allowed, as it is to a test.
    pub fn parse(
        json: &SecretString,
        is_private: bool,
        clock: Clock,
    ) -> Result<(Self, Option<String>), Failure> {
        let wrong = |what: &str| Failure::Misconfigured(format!("FIREBASE_SECRET: {what}"));
        // The causes are dropped: they quote the file.
        let file: File = serde_json::from_str(json.expose_secret())
            .map_err(|_| wrong("must be the JSON of a service account"))?;
        let key = EncodingKey::from_rsa_pem(file.private_key.as_bytes())
            .map_err(|_| wrong("private_key must be an RSA key in PEM"))?;
        let token_uri = Url::parse(&file.token_uri)
            .ok()
            .filter(|uri| uri.scheme() == "https" || (is_private && uri.scheme() == "http"))
            .ok_or_else(|| wrong("token_uri must be an https URL"))?;
        let account = Self {
            email: file.client_email,
            key_id: file.private_key_id,
            key,
            token_uri,
            clock,
            token: Mutex::new(None),
        };
        Ok((account, file.project_id))
    }

    /// A token that is good for some minutes more.
    pub async fn token(&self, client: &Client) -> Result<SecretString, Failure> {
        let mut token = self.token.lock().await;
        let now = self.clock.now_micros();
        if let Some(token) = &*token
            && now < token.renew_at
        {
            return Ok(token.text.clone());
        }
        match self.exchange(client, now).await {
            Ok(new) => Ok(token.insert(new).text.clone()),
            // Renewed early so that a token service which is away for a moment is not noticed.
            Err(failure) => match &*token {
                Some(old) if now < old.ends_at => Ok(old.text.clone()),
                _ => Err(failure),
            },
        }
    }

    /// Forgets a token that was refused, unless another has taken its place.
    pub async fn forget(&self, refused: &SecretString) {
        let mut token = self.token.lock().await;
        if token.as_ref().is_some_and(|t| t.text.expose_secret() == refused.expose_secret()) {
            *token = None;
        }
    }

    async fn exchange(&self, client: &Client, now: i64) -> Result<Token, Failure> {
        #[derive(Deserialize)]
        struct Granted {
            access_token: String,
            /// In seconds.
            expires_in: u32,
        }
        let statement = self.statement(now)?;
        let form = [("grant_type", GRANT_TYPE), ("assertion", &statement)];
        let answer = ask(client.post(self.token_uri.clone()).form(&form)).await;
        match answer.and_then(super::wire::Answer::granted::<Granted>) {
            Ok(granted) => {
                let life = Duration::from_secs(granted.expires_in.into()).min(TOKEN_LIFE_MAX);
                let used = life.saturating_sub(RENEW_BEFORE).max(life / 2);
                Ok(Token {
                    text: granted.access_token.into(),
                    renew_at: now.saturating_add(micros_of(used)),
                    ends_at: now.saturating_add(micros_of(life)),
                })
            }
            Err(Failure::Refused(refusal)) if refusal.status.as_u16() != 429 => {
                Err(Failure::Misconfigured(format!(
                    "the token service answered {} to the service account: check FIREBASE_SECRET \
                     and this machine's clock",
                    refusal.status.as_u16()
                )))
            }
            // What the token was wanted for has not been sent.
            Err(Failure::Unanswered(cause)) => Err(Failure::NotSent(cause)),
            Err(failure) => Err(failure),
        }
    }

    fn statement(&self, now: i64) -> Result<String, Failure> {
        let iat = now / 1_000_000;
        let aud = self.token_uri.as_str();
        let exp = iat + STATEMENT_SECONDS;
        let statement = Statement { iss: &self.email, scope: SCOPES, aud, iat, exp };
        let mut header = Header::new(Algorithm::RS256);
        header.kid.clone_from(&self.key_id);
        encode(&header, &statement, &self.key).map_err(|_| {
            Failure::Misconfigured("FIREBASE_SECRET: private_key cannot sign".to_owned())
        })
    }
}
