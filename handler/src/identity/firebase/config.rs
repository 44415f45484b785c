//! What the operator says of a project, and where Firebase is.

use std::fmt::Display;
use std::time::Duration;

use secrecy::SecretString;

/// What the operator says of a Firebase project.
#[derive(Debug, Clone)]
pub struct Config {
    /// The project; the service account's own if it is not named. By API key alone it is not
    /// needed.
    pub project_id: Option<String>,
    /// The project's web API key. The emulator takes any.
    pub api_key: SecretString,
    /// The JSON of a service account that may manage the project's accounts.
    pub service_account: Option<SecretString>,
    /// `host:port` of an emulator, which stands in for Google and needs no service account.
    pub emulator_host: Option<String>,
}

/// Where Firebase is, and how long it is waited for.
#[derive(Debug, Clone)]
pub struct Reach {
    /// The URL under which `/v1/…` lies, without a slash at its end.
    pub toolkit: String,
    /// For a connection.
    pub connect_timeout: Duration,
    /// Between two pieces of an answer.
    pub read_timeout: Duration,
    /// For one operation, with all its tries.
    pub total_timeout: Duration,
}

impl Reach {
    fn new(toolkit: String) -> Self {
        Self {
            toolkit,
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(5),
            total_timeout: Duration::from_secs(10),
        }
    }

    /// Google.
    pub fn google() -> Self {
        Self::new("https://identitytoolkit.googleapis.com".to_owned())
    }

    /// An emulator at `host:port`.
    pub fn emulator(host: impl Display) -> Self {
        Self::new(format!("http://{host}/identitytoolkit.googleapis.com"))
    }
}
