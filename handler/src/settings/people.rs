//! Settings about people: where their accounts are, what signs their tokens, who administers.

use std::time::Duration;

use email_address::EmailAddress;
use http::HeaderName;
use secrecy::SecretString;

use super::{BadSetting, bad};
use crate::identity::firebase;
use crate::identity::token::KEY_BYTES_MIN;

/// Who may sign in, and how.
#[derive(Debug, Clone)]
pub struct People {
    /// The key that signs tokens; one is made and kept in the data folder if there is none.
    pub key: Option<SecretString>,
    /// The key before it, which still verifies.
    pub previous_key: Option<SecretString>,
    /// How long somebody stays signed in without asking.
    pub refresh_life: Duration,
    /// Addresses of those who administer from the beginning.
    pub admins: Vec<String>,
    /// Whether attempts are counted.
    pub are_limited: bool,
    /// Where the client's address is read from, if not from the connection.
    pub proxy_header: Option<HeaderName>,
    /// Firebase Authentication; local accounts without it.
    pub firebase: Option<firebase::Config>,
}

type Given<'a> = dyn Fn(&str) -> Option<&'a str> + 'a;

pub(super) fn read(given: &Given<'_>, under_host: bool) -> Result<People, BadSetting> {
    let days = given("REFRESH_TTL_DAYS").unwrap_or("30");
    let days: Option<u64> = days.parse().ok().filter(|days| (1..=365).contains(days));
    let days = days.ok_or_else(|| {
        bad("REFRESH_TTL_DAYS", "must be a whole number of days between 1 and 365")
    })?;
    let default_header = under_host.then_some("x-forwarded-for");
    Ok(People {
        key: key(given, "JWT_SECRET_KEY")?,
        previous_key: key(given, "JWT_SECRET_KEY_PREVIOUS")?,
        refresh_life: Duration::from_hours(24 * days),
        admins: admins(given("ADMIN_EMAILS").unwrap_or_default())?,
        are_limited: limits(given("RATE_LIMITS").unwrap_or("on"))?,
        proxy_header: given("TRUSTED_PROXY_HEADER").or(default_header).map(header).transpose()?,
        firebase: firebase_of(given)?,
    })
}

fn key(given: &Given<'_>, name: &str) -> Result<Option<SecretString>, BadSetting> {
    match given(name) {
        Some(key) if key.len() < KEY_BYTES_MIN => {
            Err(bad(name, format!("must have at least {KEY_BYTES_MIN} bytes")))
        }
        key => Ok(key.map(SecretString::from)),
    }
}

fn admins(list: &str) -> Result<Vec<String>, BadSetting> {
    let emails = list.split(',').map(str::trim).filter(|email| !email.is_empty());
    emails
        .map(|email| {
            let reason = "must be e-mail addresses with commas between them";
            let is_one = EmailAddress::is_valid(email);
            is_one.then(|| email.to_owned()).ok_or_else(|| bad("ADMIN_EMAILS", reason))
        })
        .collect()
}

fn limits(word: &str) -> Result<bool, BadSetting> {
    match word {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(bad("RATE_LIMITS", "must be `on` or `off`")),
    }
}

fn header(name: &str) -> Result<HeaderName, BadSetting> {
    name.parse().map_err(|_| bad("TRUSTED_PROXY_HEADER", "must be the name of a header"))
}

fn firebase_of(given: &Given<'_>) -> Result<Option<firebase::Config>, BadSetting> {
    let Some(api_key) = given("FIREBASE_API_KEY") else {
        let others = ["FIREBASE_PROJECT_ID", "FIREBASE_SECRET", "FIREBASE_AUTH_EMULATOR_HOST"];
        // One misspelt name must not mean local accounts.
        return match others.into_iter().find(|name| given(name).is_some()) {
            Some(name) => Err(bad("FIREBASE_API_KEY", format!("must be set beside {name}"))),
            None => Ok(None),
        };
    };
    let project_id = given("FIREBASE_PROJECT_ID")
        .ok_or_else(|| bad("FIREBASE_PROJECT_ID", "must be set beside FIREBASE_API_KEY"))?;
    let emulator_host = given("FIREBASE_AUTH_EMULATOR_HOST");
    if emulator_host.is_some_and(|host| host.contains("://") || !host.contains(':')) {
        return Err(bad("FIREBASE_AUTH_EMULATOR_HOST", "must be host:port"));
    }
    Ok(Some(firebase::Config {
        project_id: Some(project_id.to_owned()),
        api_key: SecretString::from(api_key),
        service_account: given("FIREBASE_SECRET").map(SecretString::from),
        emulator_host: emulator_host.map(str::to_owned),
    }))
}
