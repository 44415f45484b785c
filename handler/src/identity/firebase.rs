//! Accounts with Firebase Authentication, over its REST interface (Identity Toolkit).
//!
//! Passwords are only checked as a user would, by the project's API key. All else is asked with
//! the service account where there is one: it lets us choose the account's id, look accounts up
//! and remove them. Without one Firebase chooses the id, nothing can be looked up, and Google
//! takes 100 sign-ups an hour from one address, which for us is the whole service.
//!
//! A sign-up without an answer may have made an account. With our own id we can look, and a
//! second try cannot make a second one; by API key it is left to the caller.

mod config;
mod lookup;
mod manager;
mod replies;
mod service_account;
mod wire;

use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use reqwest::{Client, RequestBuilder, StatusCode, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Value, json};
use tokio::time::timeout;

pub use self::config::{Config, Reach};
use self::lookup::Found;
use self::manager::{Manager, Proof};
use self::replies::Refusal;
use self::wire::{Answer, Failure, ask, at_most_once, repeat};
use super::{AccountId, AccountState, Checked, Identity, IdentityError, NewAccount};
use crate::clock::Clock;
use crate::crypto;

/// The accounts of a Firebase project.
pub struct Firebase {
    client: Client,
    /// `…/v1/`.
    base: Url,
    api_key: SecretString,
    manager: Option<Manager>,
    total_timeout: Duration,
}

/// An answer that says whose account it is about; the other fields are not read.
#[derive(Deserialize)]
struct Account {
    #[serde(rename = "localId")]
    id: String,
}

impl Firebase {
    /// The project on Google's side, or in the emulator if one is named. Asks nobody yet.
    pub fn new(config: &Config, clock: Clock) -> Result<Self, IdentityError> {
        let reach = config.emulator_host.as_ref().map_or_else(Reach::google, Reach::emulator);
        Self::at(&reach, config, clock)
    }

    /// The project, within another reach.
    pub fn at(reach: &Reach, config: &Config, clock: Clock) -> Result<Self, IdentityError> {
        crypto::install_providers();
        let base = Url::parse(&format!("{}/v1/", reach.toolkit))
            .map_err(|_| "FIREBASE_AUTH_EMULATOR_HOST must be a host and a port".to_owned())
            .map_err(IdentityError::Misconfigured)?;
        let client = wire::client(reach)
            .map_err(|e| IdentityError::Misconfigured(format!("no TLS for Firebase: {e}")))?;
        let manager = Manager::of(config, base.scheme() == "http", clock)?;
        Ok(Self {
            client,
            base,
            api_key: config.api_key.clone(),
            manager,
            total_timeout: reach.total_timeout,
        })
    }

    fn manager(&self) -> Result<&Manager, Failure> {
        self.manager.as_ref().ok_or_else(|| {
            Failure::Misconfigured("FIREBASE_SECRET is needed to manage accounts".to_owned())
        })
    }

    fn url(&self, path: &str) -> Result<Url, Failure> {
        // A path such as `accounts:signUp` alone would be taken for a scheme.
        self.base
            .join(&format!("./{path}"))
            .map_err(|_| Failure::Misconfigured("FIREBASE_PROJECT_ID is no project's".to_owned()))
    }

    /// Asks as a user of the project.
    async fn as_user<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, Failure> {
        let question = self.with_key(self.client.post(self.url(path)?)).json(body);
        ask(question).await.and_then(Answer::granted)
    }

    fn with_key(&self, question: RequestBuilder) -> RequestBuilder {
        question.query(&[("key", self.api_key.expose_secret())])
    }

    /// Asks as the project's manager.
    async fn as_manager<T: DeserializeOwned>(
        &self,
        manager: &Manager,
        what: &str,
        body: &Value,
    ) -> Result<T, Failure> {
        let url = self.url(&format!("projects/{}/accounts{what}", manager.project))?;
        let token = manager.proof.token(&self.client).await?;
        let answer = self.with_token(&url, &token, body).await;
        match (&answer, &manager.proof) {
            // A token can be called back before its end. Nothing was done by it.
            (Err(Failure::Refused(Refusal { status, .. })), Proof::ServiceAccount(account))
                if *status == StatusCode::UNAUTHORIZED =>
            {
                account.forget(&token).await;
                let token = account.token(&self.client).await?;
                self.with_token(&url, &token, body).await
            }
            _ => answer,
        }
    }

    async fn with_token<T: DeserializeOwned>(
        &self,
        url: &Url,
        token: &SecretString,
        body: &Value,
    ) -> Result<T, Failure> {
        let question = self.client.post(url.clone()).bearer_auth(token.expose_secret());
        ask(question.json(body)).await.and_then(Answer::granted)
    }

    async fn sign_up(&self, account: &NewAccount) -> Result<AccountId, Failure> {
        let body = json!({
            "email": account.email,
            "password": account.password.expose_secret(),
            "returnSecureToken": false,
        });
        let made: Account = at_most_once(|| self.as_user("accounts:signUp", &body)).await?;
        Ok(AccountId(made.id))
    }

    async fn sign_up_as(
        &self,
        manager: &Manager,
        account: &NewAccount,
    ) -> Result<AccountId, Failure> {
        let id = account.user.to_string();
        let wish = json!({
            "localId": id,
            "email": account.email,
            "password": account.password.expose_secret(),
        });
        let make = || self.as_manager::<Account>(manager, "", &wish);
        match at_most_once(make).await {
            Err(Failure::Unanswered(_)) => {}
            answer => return Ok(AccountId(answer?.id)),
        }
        let id = AccountId(id);
        let second = async {
            if self.look_up(manager, &id).await?.is_some() {
                return Ok(());
            }
            match at_most_once(make).await {
                // The first try may have been carried out after we had looked.
                Err(refused @ Failure::Refused(_)) => {
                    self.look_up(manager, &id).await?.map(drop).ok_or(refused)
                }
                answer => answer.map(drop),
            }
        };
        second.await.map_err(Failure::behind_unanswered)?;
        Ok(id)
    }

    async fn look_up(
        &self,
        manager: &Manager,
        account: &AccountId,
    ) -> Result<Option<AccountState>, Failure> {
        let who = json!({ "localId": [account.0] });
        let found: Found = repeat(|| self.as_manager(manager, ":lookup", &who)).await?;
        Ok(found.state())
    }

    /// Runs one operation within its time.
    async fn in_time<T>(
        &self,
        operation: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, IdentityError> {
        match timeout(self.total_timeout, operation).await {
            Ok(done) => Ok(done?),
            Err(elapsed) => Err(IdentityError::Unreachable(elapsed.into())),
        }
    }
}

#[async_trait]
impl Identity for Firebase {
    async fn create(&self, account: &NewAccount) -> Result<AccountId, IdentityError> {
        self.in_time(async {
            match &self.manager {
                Some(manager) => self.sign_up_as(manager, account).await,
                None => self.sign_up(account).await,
            }
        })
        .await
    }

    async fn check(&self, email: &str, password: &SecretString) -> Result<Checked, IdentityError> {
        #[derive(Deserialize)]
        struct SignedIn {
            #[serde(flatten)]
            account: Account,
            #[serde(rename = "idToken")]
            id_token: Option<String>,
            email: Option<String>,
            #[serde(rename = "displayName")]
            name: Option<String>,
        }
        let body = json!({
            "email": email,
            "password": password.expose_secret(),
            "returnSecureToken": true,
        });
        let question = || self.as_user("accounts:signInWithPassword", &body);
        let answer: Result<SignedIn, _> = self.in_time(repeat(question)).await;
        match answer {
            Ok(SignedIn { account, id_token: Some(token), email: told, name }) => Ok(Checked {
                account: AccountId(account.id),
                is_verified: says_verified(&token),
                email: told.unwrap_or_else(|| email.to_owned()),
                name,
            }),
            // Without a token Google wants a second factor: a password alone must not open it.
            Ok(SignedIn { id_token: None, .. }) => Err(IdentityError::WrongCredentials),
            // What can be no address or password opens no account either.
            Err(IdentityError::BadEmail | IdentityError::WeakPassword) => {
                Err(IdentityError::WrongCredentials)
            }
            Err(other) => Err(other),
        }
    }

    async fn find(&self, account: &AccountId) -> Result<Option<AccountState>, IdentityError> {
        self.in_time(async { self.look_up(self.manager()?, account).await }).await
    }

    async fn remove(&self, account: &AccountId) -> Result<(), IdentityError> {
        let body = json!({ "localId": account.0 });
        self.in_time(async {
            let manager = self.manager()?;
            let removed = repeat(|| self.as_manager::<IgnoredAny>(manager, ":delete", &body));
            match removed.await {
                Err(Failure::Refused(refusal)) if refusal.is_one_of(&["USER_NOT_FOUND"]) => Ok(()),
                removed => removed.map(|_| ()),
            }
        })
        .await
    }

    async fn reset_password(&self, email: &str) -> Result<(), IdentityError> {
        /// What is only said of an address that has an account, or of one that has none.
        const TELLING: [&str; 5] = [
            "EMAIL_NOT_FOUND",
            "INVALID_EMAIL",
            "MISSING_EMAIL",
            "USER_DISABLED",
            "RESET_PASSWORD_EXCEED_LIMIT",
        ];
        let body = json!({ "requestType": "PASSWORD_RESET", "email": email });
        self.in_time(async {
            let question = || self.as_user::<IgnoredAny>("accounts:sendOobCode", &body);
            // A second question would be a second mail.
            match at_most_once(question).await {
                Err(Failure::Refused(refusal)) if refusal.is_one_of(&TELLING) => Ok(()),
                sent => sent.map(|_| ()),
            }
        })
        .await
    }

    /// Asks for the project's public settings, and for a token if there is a service account.
    async fn probe(&self) -> Result<(), IdentityError> {
        self.in_time(async {
            let question = self.with_key(self.client.get(self.url("projects")?));
            ask(question).await.and_then(Answer::granted::<IgnoredAny>)?;
            if let Some(manager) = &self.manager {
                manager.proof.token(&self.client).await?;
            }
            Ok(())
        })
        .await
    }

    fn trusts_addresses(&self) -> bool {
        false
    }

    fn is_managed(&self) -> bool {
        self.manager.is_some()
    }
}

/// Whether an identity token says that the address is verified. Its signature is not looked
/// at: it has just come from Google itself, over TLS.
fn says_verified(token: &str) -> bool {
    #[derive(Deserialize)]
    struct Claims {
        #[serde(default)]
        email_verified: bool,
    }
    let claims = token
        .split('.')
        .nth(1)
        .and_then(|part| BASE64_URL_SAFE_NO_PAD.decode(part).ok())
        .and_then(|json| serde_json::from_slice::<Claims>(&json).ok());
    claims.is_some_and(|claims| claims.email_verified)
}
