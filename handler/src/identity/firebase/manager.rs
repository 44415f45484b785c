//! Who may do more with a project's accounts than its users.

use reqwest::Client;
use secrecy::SecretString;

use super::config::Config;
use super::service_account::ServiceAccount;
use super::wire::Failure;
use crate::clock::Clock;

/// Who may do more than a user.
pub struct Manager {
    /// The project's id, fit for a path.
    pub project: String,
    /// What it shows.
    pub proof: Proof,
}

/// What a manager shows to be let in.
pub enum Proof {
    /// A token of its own, renewed from time to time.
    ServiceAccount(Box<ServiceAccount>),
    /// The emulator lets in whoever says that they own it.
    Emulator,
}

impl Manager {
    /// The manager that the operator has named; `None` if it is nobody.
    pub fn of(config: &Config, is_private: bool, clock: Clock) -> Result<Option<Self>, Failure> {
        let (proof, own_project) = if config.emulator_host.is_some() {
            (Proof::Emulator, None)
        } else if let Some(json) = &config.service_account {
            let (account, project) = ServiceAccount::parse(json, is_private, clock)?;
            (Proof::ServiceAccount(Box::new(account)), project)
        } else {
            return Ok(None);
        };
        let project = config.project_id.clone().or(own_project);
        let project = project.filter(|id| is_project_id(id)).ok_or_else(|| {
            let reason = "FIREBASE_PROJECT_ID must be lower-case letters, digits and hyphens";
            Failure::Misconfigured(reason.to_owned())
        })?;
        Ok(Some(Self { project, proof }))
    }
}

impl Proof {
    /// What goes into the request's `Authorization: Bearer`.
    pub async fn token(&self, client: &Client) -> Result<SecretString, Failure> {
        match self {
            Self::ServiceAccount(account) => account.token(client).await,
            Self::Emulator => Ok("owner".into()),
        }
    }
}

/// Old projects of a domain are called `example.com:name`.
fn is_project_id(id: &str) -> bool {
    id.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && id.bytes().all(|b| {
            b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.' | b':')
        })
}
