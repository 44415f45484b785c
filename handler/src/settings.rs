//! The only reader of the environment.
//!
//! | variable | default | meaning |
//! |---|---|---|
//! | `FUNCTIONS_CUSTOMHANDLER_PORT` | – | set by the Functions host: listen on 127.0.0.1 and this port |
//! | `VITRINE_LISTEN` | `127.0.0.1:7071` | address when not under a host |
//! | `VITRINE_DATA_DIR` | `.vitrine` | embedded database, blob folder, rejects |
//! | `VITRINE_EMBEDDED` | – | `true` allows embedded parts in production |
//! | `AZURE_FUNCTIONS_ENVIRONMENT`, `WEBSITE_SITE_NAME` | – | tell that this is production |
//! | `AZURE_CLIENT_ID` | – | the user-assigned identity to use for everything |
//! | `KEY_VAULT_URL` | – | `https://<name>.vault.azure.net/`: secrets are taken from there, and from here what it lacks |
//! | `IDENTITY_ENDPOINT` | – | set by Azure where the process has an identity |
//! | `SQL_SERVER`, `SQL_DATABASE`, `SQL_USERNAME`, `SQL_PASSWORD` | – | the database on a server: `host` or `host,port`, a name without a dot gets `.database.windows.net` |
//! | `SQL_CONNECTION_STRING` | – | the same in ADO.NET form, wins |
//! | `SQL_AUTHENTICATION` | `password` | or `managed-identity` |
//! | `SQL_ENCRYPT` | `true` | `false` only outside production |
//! | `SQL_POOL_MAX` | 16 | connections |
//! | `SQL_MIGRATE` | `auto` | or `never` |
//! | `IMPORT_CONTAINER` | `imports` | the only container that imports are taken from |
//! | `IMPORT_STORAGE__accountName` or `IMPORT_STORAGE__blobServiceUri` | any | the only account, and where it is read by reference; the rest of that connection is the host's |
//! | `IMPORT_STORAGE__clientId` | `AZURE_CLIENT_ID` | the identity of that connection |
//! | `IMPORT_STORAGE_SAS` | – | a SAS token instead of the identity, for emulators |
//! | `CACHE_TTL_SECONDS` | 1800 | life of a cached page, ± 10 % |
//! | `CACHE_STALENESS_MS` | 1000 | 50–4000: how old what is known of the versions may be |
//! | `CACHE_LOCAL_BYTES` | 67108864 | size of the in-process cache |
//! | `REDIS_CONNECTION_STRING` | – | the cache that instances share: `rediss://:key@host:port`, or as Azure prints it (`host:6380,password=…,ssl=True`) |
//! | `REDIS_HOST` + `REDIS_AUTHENTICATION=entra` | – | the same by TLS and the identity: `host:port` |
//! | `CACHE_PREFIX` | the database's id | first part of every key in it |
//! | `APPLICATIONINSIGHTS_CONNECTION_STRING` | – | where telemetry goes |
//! | `OTEL_SERVICE_NAME` | `WEBSITE_SITE_NAME`, else `vitrine` | what the instances are called together there |
//! | `RUST_LOG` | `info` | log filter |
//!
//! When not under a host, `Values` of a `local.settings.json` in the current
//! folder serve as defaults.

mod local_file;
mod people;
mod redis;
mod sql;
mod storage;
mod telemetry;
mod told;
mod vault;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use crate::cache::Limits;
use crate::secrets::Secrets;

pub use self::redis::{Redis, RedisLogin};
pub use people::People;
pub use sql::{Sql, SqlLogin};
pub(crate) use storage::SAS;
pub use storage::Storage;
pub use telemetry::Telemetry;
pub use told::Told;
pub use vault::Vault;

/// What the program was told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Whether the Functions host started this process.
    pub under_host: bool,
    /// The folder of the embedded parts.
    pub data_dir: PathBuf,
    /// Whether this is production.
    pub production: bool,
    /// The database on a server; an embedded one without it.
    pub sql: Option<Sql>,
    /// The cache that instances share; each has only its own without it.
    pub redis: Option<Redis>,
    /// The user-assigned identity to use for everything; the machine's own without it.
    pub client_id: Option<String>,
    /// The only place that imports are taken from, and how it is read.
    pub storage: Storage,
    /// How long a delivered upload waits for a database that is away.
    pub import_patience: Duration,
    /// The limits of the in-process cache.
    pub cache: Limits,
    /// Who may sign in, and how.
    pub people: People,
    /// Where telemetry goes; nowhere without it.
    pub telemetry: Option<Telemetry>,
    /// The log filter, as `RUST_LOG` has it.
    pub log_filter: Option<String>,
    /// The secrets by name, and those that may be exchanged as they are now.
    pub secrets: Secrets,
}

/// A variable that cannot be used, and what it must be. One line, no value of a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {reason}")]
pub struct BadSetting {
    /// The variable's name.
    pub variable: String,
    /// What it must be.
    pub reason: String,
}

/// The variables that are read.
const OURS: [&str; 43] = [
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "OTEL_SERVICE_NAME",
    "AZURE_CLIENT_ID",
    "IDENTITY_ENDPOINT",
    "KEY_VAULT_URL",
    "SQL_AUTHENTICATION",
    "SQL_CONNECTION_STRING",
    "SQL_DATABASE",
    "SQL_ENCRYPT",
    "SQL_MIGRATE",
    "SQL_PASSWORD",
    "SQL_POOL_MAX",
    "SQL_SERVER",
    "SQL_USERNAME",
    "FIREBASE_API_KEY",
    "FIREBASE_AUTH_EMULATOR_HOST",
    "FIREBASE_PROJECT_ID",
    "FIREBASE_SECRET",
    "JWT_SECRET_KEY",
    "JWT_SECRET_KEY_PREVIOUS",
    "REFRESH_TTL_DAYS",
    "ADMIN_EMAILS",
    "RATE_LIMITS",
    "TRUSTED_PROXY_HEADER",
    "IMPORT_CONTAINER",
    "IMPORT_STORAGE__accountName",
    "IMPORT_STORAGE__blobServiceUri",
    "IMPORT_STORAGE__clientId",
    "IMPORT_STORAGE_SAS",
    "FUNCTIONS_CUSTOMHANDLER_PORT",
    "VITRINE_LISTEN",
    "VITRINE_DATA_DIR",
    "VITRINE_EMBEDDED",
    "AZURE_FUNCTIONS_ENVIRONMENT",
    "WEBSITE_SITE_NAME",
    "RUST_LOG",
    "CACHE_TTL_SECONDS",
    "CACHE_STALENESS_MS",
    "CACHE_LOCAL_BYTES",
    "REDIS_CONNECTION_STRING",
    "REDIS_HOST",
    "REDIS_AUTHENTICATION",
    "CACHE_PREFIX",
];

/// A paused database takes up to a minute to wake, one that is moved some more; the host tries
/// an upload five times, one right after the other, and then puts it aside.
const IMPORT_PATIENCE: Duration = Duration::from_mins(4);

impl Settings {
    /// Reads the given variables; the first that is wrong is named.
    pub fn from_variables(variables: &HashMap<String, String>) -> Result<Self, BadSetting> {
        let given = |name: &str| variables.get(name).map(String::as_str).filter(|v| !v.is_empty());
        let port = given("FUNCTIONS_CUSTOMHANDLER_PORT").map(port).transpose()?;
        let listen = match port {
            Some(port) => SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            None => listen(given("VITRINE_LISTEN").unwrap_or("127.0.0.1:7071"))?,
        };
        let number = |name: &str, default: u64, range: RangeInclusive<u64>| match given(name) {
            None => Ok(default),
            Some(text) => text.parse().ok().filter(|n| range.contains(n)).ok_or_else(|| {
                let (low, high) = range.into_inner();
                bad(name, format!("must be a whole number between {low} and {high}"))
            }),
        };
        let production = is_production(&given);
        vault::read(&given, production)?;
        let settings = Self {
            listen,
            under_host: port.is_some(),
            data_dir: given("VITRINE_DATA_DIR").unwrap_or(".vitrine").into(),
            production,
            sql: sql::read(&given, production)?,
            redis: redis::read(&given, production)?,
            client_id: given("AZURE_CLIENT_ID").map(str::to_owned),
            storage: storage::read(&given, production)?,
            import_patience: IMPORT_PATIENCE,
            cache: Limits {
                ttl: Duration::from_secs(number("CACHE_TTL_SECONDS", 1_800, 1..=31_536_000)?),
                staleness: Duration::from_millis(number("CACHE_STALENESS_MS", 1_000, 50..=4_000)?),
                bytes: number("CACHE_LOCAL_BYTES", 67_108_864, 0..=1 << 40)?,
            },
            people: people::read(&given, port.is_some())?,
            telemetry: telemetry::read(&given, production)?,
            log_filter: given("RUST_LOG").map(str::to_owned),
            secrets: Secrets::fixed(variables),
        };
        let allowed = given("VITRINE_EMBEDDED").map(truth).transpose()?.unwrap_or(false);
        settings.guard_production(allowed)?;
        Ok(settings)
    }

    /// One misspelt setting must not turn production into a toy (CONTRACT 3).
    fn guard_production(&self, embedded_allowed: bool) -> Result<(), BadSetting> {
        if !self.production {
            return Ok(());
        }
        if !self.people.are_limited {
            return Err(bad("RATE_LIMITS", "must not be `off` in production"));
        }
        if self.people.firebase.as_ref().is_some_and(|firebase| firebase.emulator_host.is_some()) {
            return Err(bad("FIREBASE_AUTH_EMULATOR_HOST", "is refused in production"));
        }
        let embedded = self.embedded_parts();
        if embedded_allowed || embedded.is_empty() {
            return Ok(());
        }
        let embedded = embedded.join(", ");
        let reason = format!("in production these are refused unless this is `true`: {embedded}");
        Err(bad("VITRINE_EMBEDDED", reason))
    }

    /// Whether nothing is left that a vault could add a part by, but for what is shared.
    pub fn names_every_part(&self) -> bool {
        let people = &self.people;
        self.sql.is_some() && people.firebase.is_some() && people.key.is_some()
    }

    /// The parts that are not what production wants, and what would configure them.
    fn embedded_parts(&self) -> Vec<&'static str> {
        let parts = [
            (self.sql.is_none(), "an embedded database (no SQL_SERVER or SQL_CONNECTION_STRING)"),
            (
                self.storage.place.service.is_none(),
                "a blob folder (no IMPORT_STORAGE__accountName or IMPORT_STORAGE__blobServiceUri)",
            ),
            (self.people.firebase.is_none(), "an embedded user store (no FIREBASE_API_KEY)"),
            (self.people.key.is_none(), "a self-made key (no JWT_SECRET_KEY)"),
        ];
        parts.into_iter().filter_map(|(is_embedded, name)| is_embedded.then_some(name)).collect()
    }
}

fn is_production<'a>(given: &impl Fn(&str) -> Option<&'a str>) -> bool {
    given("WEBSITE_SITE_NAME").is_some()
        || given("AZURE_FUNCTIONS_ENVIRONMENT")
            .is_some_and(|name| name.eq_ignore_ascii_case("production"))
}

fn bad(variable: &str, reason: impl Into<String>) -> BadSetting {
    BadSetting { variable: variable.to_owned(), reason: reason.into() }
}

fn port(text: &str) -> Result<u16, BadSetting> {
    text.parse()
        .ok()
        .filter(|port| *port > 0)
        .ok_or_else(|| bad("FUNCTIONS_CUSTOMHANDLER_PORT", "must be a port between 1 and 65535"))
}

fn listen(text: &str) -> Result<SocketAddr, BadSetting> {
    text.parse()
        .map_err(|_| bad("VITRINE_LISTEN", "must be an address and a port, such as 127.0.0.1:7071"))
}

/// Azure's own rules, so that a name that can be no container is met here and not there.
fn container(name: &str) -> Result<String, BadSetting> {
    let is_fit = (3..=63).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !name.contains("--");
    let reason = "must be 3 to 63 lower-case letters, digits and single hyphens";
    if is_fit { Ok(name.to_owned()) } else { Err(bad("IMPORT_CONTAINER", reason)) }
}

fn truth(text: &str) -> Result<bool, BadSetting> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(bad("VITRINE_EMBEDDED", "must be `true` or `false`")),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, BadSetting> {
        let owned = variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Settings::from_variables(&owned)
    }

    #[test]
    fn nothing_set_is_the_embedded_default() {
        let settings = read(&[("PATH", "/bin"), ("VITRINE_LISTEN", "")]).unwrap();
        assert_eq!(settings.listen.to_string(), "127.0.0.1:7071");
        assert_eq!(settings.data_dir, Path::new(".vitrine"));
        assert!(!settings.under_host && !settings.production);
    }

    #[test]
    fn the_hosts_port_wins() {
        let settings =
            read(&[("FUNCTIONS_CUSTOMHANDLER_PORT", "5000"), ("VITRINE_LISTEN", "0.0.0.0:1")]);
        let settings = settings.unwrap();
        assert_eq!(
            (settings.listen.to_string().as_str(), settings.under_host),
            ("127.0.0.1:5000", true)
        );
    }

    #[test]
    fn a_malformed_value_is_refused_by_name() {
        for (variable, value) in [
            ("VITRINE_LISTEN", "here"),
            ("VITRINE_LISTEN", "127.0.0.1"),
            ("FUNCTIONS_CUSTOMHANDLER_PORT", "0"),
            ("FUNCTIONS_CUSTOMHANDLER_PORT", "70000"),
            ("VITRINE_EMBEDDED", "yes"),
            ("CACHE_STALENESS_MS", "49"),
            ("CACHE_STALENESS_MS", "4001"),
            ("CACHE_TTL_SECONDS", "0"),
            ("CACHE_LOCAL_BYTES", "-1"),
            ("IMPORT_CONTAINER", "Imports"),
            ("IMPORT_CONTAINER", "a--b"),
            ("KEY_VAULT_URL", "http://shop.vault.azure.net"),
        ] {
            assert_eq!(read(&[(variable, value)]).unwrap_err().variable, variable, "{value}");
        }
    }

    #[test]
    fn settings_about_people_are_read_or_named() {
        let key = "0123456789abcdef0123456789abcdef";
        let people = read(&[
            ("JWT_SECRET_KEY", key),
            ("ADMIN_EMAILS", "a@b.example, C@D.example"),
            ("REFRESH_TTL_DAYS", "7"),
        ]);
        let people = people.unwrap().people;
        assert_eq!(people.admins, ["a@b.example", "C@D.example"]);
        assert_eq!(people.refresh_life, Duration::from_hours(7 * 24));
        assert!(people.are_limited && people.firebase.is_none() && people.proxy_header.is_none());
        assert!(!format!("{people:?}").contains(key));
        for (variable, value) in [
            ("JWT_SECRET_KEY", "short"),
            ("JWT_SECRET_KEY_PREVIOUS", "short"),
            ("ADMIN_EMAILS", "a@b.example;c"),
            ("REFRESH_TTL_DAYS", "0"),
            ("RATE_LIMITS", "maybe"),
            ("TRUSTED_PROXY_HEADER", "x forwarded"),
        ] {
            let refused = read(&[(variable, value)]).unwrap_err();
            assert_eq!(refused.variable, variable);
            assert!(!refused.to_string().contains(value) || value == "0", "{refused}");
        }
        for (given, named) in [
            ("FIREBASE_PROJECT_ID", "FIREBASE_API_KEY"),
            ("FIREBASE_SECRET", "FIREBASE_API_KEY"),
            ("FIREBASE_API_KEY", "FIREBASE_PROJECT_ID"),
        ] {
            assert_eq!(read(&[(given, "x")]).unwrap_err().variable, named);
        }
    }

    #[test]
    fn what_is_for_trying_things_is_refused_in_production() {
        let production = [("WEBSITE_SITE_NAME", "shop"), ("VITRINE_EMBEDDED", "true")];
        let with = |more: &[(&str, &str)]| read(&[&production, more].concat());
        assert_eq!(with(&[("RATE_LIMITS", "off")]).unwrap_err().variable, "RATE_LIMITS");
        let emulator = [
            ("FIREBASE_API_KEY", "x"),
            ("FIREBASE_PROJECT_ID", "x"),
            ("FIREBASE_AUTH_EMULATOR_HOST", "127.0.0.1:9099"),
        ];
        assert_eq!(with(&emulator).unwrap_err().variable, "FIREBASE_AUTH_EMULATOR_HOST");
        assert!(with(&emulator[..2]).is_ok());
    }

    #[test]
    fn a_token_for_storage_is_read_or_named_and_never_shown() {
        let service = ("IMPORT_STORAGE__blobServiceUri", "http://127.0.0.1:10000/devstoreaccount1");
        let token = |text| ("IMPORT_STORAGE_SAS", text);
        let storage = read(&[service, token("?sv=1&sig=hunter2")]).unwrap().storage;
        assert!(storage.sas.is_some() && !format!("{storage:?}").contains("hunter2"));
        for given in [&[service, token("hunter2")][..], &[token("sig=hunter2")]] {
            let refused = read(given).unwrap_err();
            assert_eq!(refused.variable, "IMPORT_STORAGE_SAS");
            assert!(!refused.to_string().contains("hunter2"), "{refused}");
        }
    }

    /// A function app has it from the first, in the form that Azure prints.
    #[test]
    fn telemetry_goes_where_it_is_said_and_nowhere_else() {
        let place = "InstrumentationKey=00000000-0000-0000-0000-000000000001;";
        let settings = read(&[("APPLICATIONINSIGHTS_CONNECTION_STRING", place)]).unwrap();
        assert!(settings.telemetry.is_some() && read(&[]).unwrap().telemetry.is_none());
        let malformed = read(&[("APPLICATIONINSIGHTS_CONNECTION_STRING", "x")]).unwrap_err();
        assert_eq!(malformed.variable, "APPLICATIONINSIGHTS_CONNECTION_STRING");
    }

    #[test]
    fn the_place_of_imports_is_read_or_named() {
        let imports = read(&[]).unwrap().storage.place;
        assert_eq!((imports.service, imports.container.as_str()), (None, "imports"));
        for (variable, value, service) in [
            ("IMPORT_STORAGE__accountName", "shop1", "https://shop1.blob.core.windows.net/"),
            (
                "IMPORT_STORAGE__blobServiceUri",
                "https://S.blob.core.windows.net/",
                "https://s.blob.core.windows.net/",
            ),
            (
                "IMPORT_STORAGE__blobServiceUri",
                "http://azurite:10000/devstoreaccount1",
                "http://azurite:10000/devstoreaccount1",
            ),
        ] {
            let sas = ("IMPORT_STORAGE_SAS", "sig=x");
            let imports = read(&[(variable, value), sas]).unwrap().storage.place;
            assert_eq!(imports.service.as_ref().map(url::Url::as_str), Some(service));
        }
        for (variable, value) in [
            ("IMPORT_STORAGE__accountName", "Shop"),
            ("IMPORT_STORAGE__accountName", "shop.evil.example/"),
            ("IMPORT_STORAGE__blobServiceUri", "shop"),
            ("IMPORT_STORAGE__blobServiceUri", "https://user@shop.example"),
            ("IMPORT_STORAGE__blobServiceUri", "https://shop.example?sig=1"),
            // An identity would be shown to anybody.
            ("IMPORT_STORAGE__blobServiceUri", "http://azurite:10000/devstoreaccount1"),
        ] {
            assert_eq!(read(&[(variable, value)]).unwrap_err().variable, variable, "{value}");
        }
        // The rest of the connection is the host's.
        assert!(read(&[("IMPORT_STORAGE__credential", "managedidentity")]).is_ok());
        let two = [
            ("IMPORT_STORAGE__accountName", "shop1"),
            ("IMPORT_STORAGE__blobServiceUri", "https://shop2.blob.core.windows.net"),
        ];
        assert_eq!(read(&two).unwrap_err().variable, "IMPORT_STORAGE__blobServiceUri");
        let in_the_clear = [
            ("WEBSITE_SITE_NAME", "shop"),
            ("VITRINE_EMBEDDED", "true"),
            ("IMPORT_STORAGE_SAS", "sig=x"),
            ("IMPORT_STORAGE__blobServiceUri", "http://azurite:10000/devstoreaccount1"),
        ];
        assert_eq!(read(&in_the_clear).unwrap_err().variable, "IMPORT_STORAGE__blobServiceUri");
    }

    #[test]
    fn production_does_not_run_on_embedded_parts_by_accident() {
        for sign in [("WEBSITE_SITE_NAME", "shop"), ("AZURE_FUNCTIONS_ENVIRONMENT", "Production")] {
            assert_eq!(read(&[sign]).unwrap_err().variable, "VITRINE_EMBEDDED");
            assert!(read(&[sign, ("VITRINE_EMBEDDED", "false")]).is_err());
            assert!(read(&[sign, ("VITRINE_EMBEDDED", "true")]).unwrap().production);
        }
        assert!(read(&[("AZURE_FUNCTIONS_ENVIRONMENT", "Development")]).is_ok());
        let sql = [
            ("WEBSITE_SITE_NAME", "shop"),
            ("SQL_SERVER", "shop"),
            ("SQL_DATABASE", "shop"),
            ("SQL_AUTHENTICATION", "managed-identity"),
        ];
        let refused = read(&sql).unwrap_err();
        assert_eq!(refused.variable, "VITRINE_EMBEDDED");
        assert!(!refused.reason.contains("database"), "{refused}");
        assert!(refused.reason.contains("blob folder") && refused.reason.contains("user store"));
    }
}
