//! What the operator said outside the vault, and what it means together with secrets.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use secrecy::ExposeSecret as _;

use super::{BadSetting, OURS, Settings, Telemetry, Vault, bad, local_file};
use crate::secrets::Values;
use crate::secrets::names::NAMES;

/// What is about the parts that secrets belong to. Without the secrets it may be half of a
/// setting, or point to another part than with them.
const BESIDE_SECRETS: [&str; 11] = [
    "SQL_AUTHENTICATION",
    "SQL_ENCRYPT",
    "SQL_MIGRATE",
    "SQL_POOL_MAX",
    "REDIS_HOST",
    "REDIS_AUTHENTICATION",
    "CACHE_PREFIX",
    "FIREBASE_AUTH_EMULATOR_HOST",
    "VITRINE_EMBEDDED",
    "IMPORT_STORAGE__accountName",
    "IMPORT_STORAGE__blobServiceUri",
];

/// The variables, before anything is asked of a vault.
#[derive(Clone)]
pub struct Told(HashMap<String, String>);

/// Names what was said, and none of it.
impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys().filter(|name| OURS.contains(&name.as_str()))).finish()
    }
}

impl Told {
    /// Reads the process's environment and `local.settings.json`.
    pub fn read() -> Result<Self, BadSetting> {
        let mut variables: HashMap<String, String> = HashMap::new();
        for (name, value) in std::env::vars_os() {
            let Some(name) = name.to_str() else { continue };
            match value.to_str() {
                Some(value) => {
                    variables.insert(name.to_owned(), value.to_owned());
                }
                // Foreign variables may hold anything; ours are texts.
                None if OURS.contains(&name) => return Err(bad(name, "must be UTF-8")),
                None => {}
            }
        }
        if !variables.contains_key("FUNCTIONS_CUSTOMHANDLER_PORT") {
            for (name, value) in local_file::values(Path::new("local.settings.json"))? {
                variables.entry(name).or_insert(value);
            }
        }
        Ok(Self(variables))
    }

    /// These variables.
    pub fn these(variables: HashMap<String, String>) -> Self {
        Self(variables)
    }

    /// The log filter, which is no secret and needed first of all.
    pub fn log_filter(&self) -> Option<&str> {
        self.given("RUST_LOG")
    }

    /// The vault that secrets are taken from, if there is one.
    pub fn vault(&self) -> Result<Option<Vault>, BadSetting> {
        super::vault::read(&|name| self.given(name), super::is_production(&|name| self.given(name)))
    }

    /// Where telemetry goes, which is begun with before any secret is known.
    pub fn telemetry(&self) -> Result<Option<Telemetry>, BadSetting> {
        let production = super::is_production(&|name| self.given(name));
        super::telemetry::read(&|name| self.given(name), production)
    }

    /// Whether what needs no secret is right, and all of it where there is no vault.
    pub fn check(&self) -> Result<(), BadSetting> {
        match self.vault()? {
            Some(_) => self.without_secrets(),
            None => self.settings(),
        }
        .map(drop)
    }

    /// The user-assigned identity to use for everything.
    pub fn client_id(&self) -> Option<&str> {
        self.given("AZURE_CLIENT_ID")
    }

    /// Whether the process has an identity of its own, which the machine vouches for.
    pub fn has_identity(&self) -> bool {
        self.given("IDENTITY_ENDPOINT").is_some() || super::is_production(&|name| self.given(name))
    }

    /// The settings by the variables alone.
    pub fn settings(&self) -> Result<Settings, BadSetting> {
        Settings::from_variables(&self.0)
    }

    /// The settings with these secrets, which win over variables.
    pub fn with(&self, secrets: &Values) -> Result<Settings, BadSetting> {
        let mut variables = self.0.clone();
        for (name, value) in secrets {
            variables.insert((*name).to_owned(), value.expose_secret().to_owned());
        }
        Settings::from_variables(&variables)
    }

    /// The settings of a process that knows no secret yet, and so none of the parts that secrets
    /// belong to.
    pub fn without_secrets(&self) -> Result<Settings, BadSetting> {
        let mut variables = self.0.clone();
        for name in NAMES.iter().chain(&BESIDE_SECRETS) {
            variables.remove(*name);
        }
        // It serves nothing that could be taken for the real thing.
        variables.insert("VITRINE_EMBEDDED".to_owned(), "true".to_owned());
        Settings::from_variables(&variables)
    }

    fn given(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}
