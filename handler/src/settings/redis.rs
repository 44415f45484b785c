//! Settings of the cache that instances share. One way or the other: a connection string, as a
//! URL or as Azure prints it (that of its .NET client), or a host and the process's identity.

use std::net::IpAddr;

use percent_encoding::percent_decode_str;
use secrecy::SecretString;

use super::{BadSetting, bad};

const STRING: &str = "REDIS_CONNECTION_STRING";
const HOST: &str = "REDIS_HOST";
const AUTHENTICATION: &str = "REDIS_AUTHENTICATION";
const PREFIX: &str = "CACHE_PREFIX";
/// Where Redis listens by itself.
const PORT: u16 = 6_379;
/// Where that client expects it with TLS.
const PORT_TLS: u16 = 6_380;
/// Where Azure Managed Redis listens.
const PORT_MANAGED: u16 = 10_000;
const PREFIX_MAX: usize = 64;

/// The cache that instances share.
#[derive(Debug, Clone)]
pub struct Redis {
    /// The server's name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether connections are encrypted.
    pub is_encrypted: bool,
    /// Which of the server's numbered databases.
    pub database: u16,
    /// As whom to log in.
    pub login: RedisLogin,
    /// The first part of every key; the database's id without it.
    pub prefix: Option<String>,
}

/// As whom to log in.
#[derive(Debug, Clone)]
pub enum RedisLogin {
    /// As nobody: the server lets everybody in.
    Open,
    /// By a key, which is the password of a user or of the default one.
    Key {
        /// The user, if not the default one.
        user: Option<String>,
        /// The password.
        password: SecretString,
    },
    /// As the identity that Azure has given the process.
    Entra,
}

type Given<'a> = dyn Fn(&str) -> Option<&'a str> + 'a;

pub(super) fn read(given: &Given<'_>, production: bool) -> Result<Option<Redis>, BadSetting> {
    let redis = match (given(STRING), given(HOST)) {
        (Some(_), Some(_)) => {
            return Err(bad(HOST, format!("must not be set beside {STRING}")));
        }
        (Some(_), None) if given(AUTHENTICATION).is_some() => {
            return Err(bad(AUTHENTICATION, format!("must not be set beside {STRING}")));
        }
        (Some(string), None) => of_string(string.trim())?,
        (None, Some(host)) => of_host(given, host)?,
        (None, None) => return nothing_else(given).map(|()| None),
    };
    if production && !redis.is_encrypted && !is_loopback(&redis.host) {
        return Err(bad(STRING, "must use TLS in production: `rediss://` or `ssl=True`"));
    }
    Ok(Some(Redis { prefix: given(PREFIX).map(prefix).transpose()?, ..redis }))
}

/// One misspelt name must not mean that instances share nothing.
fn nothing_else(given: &Given<'_>) -> Result<(), BadSetting> {
    if given(AUTHENTICATION).is_some() {
        return Err(bad(HOST, format!("must be set beside {AUTHENTICATION}")));
    }
    match given(PREFIX) {
        Some(_) => Err(bad(STRING, format!("or {HOST} must be set beside {PREFIX}"))),
        None => Ok(()),
    }
}

fn of_host(given: &Given<'_>, text: &str) -> Result<Redis, BadSetting> {
    match given(AUTHENTICATION) {
        Some("entra") => {}
        Some(_) => return Err(bad(AUTHENTICATION, "must be `entra`")),
        None => {
            let reason = format!("must be `entra` beside {HOST}; a key goes with {STRING}");
            return Err(bad(AUTHENTICATION, reason));
        }
    }
    let (host, port) = place(text).ok_or_else(|| bad(HOST, "must be `host` or `host:port`"))?;
    let port = port.unwrap_or(PORT_MANAGED);
    let login = RedisLogin::Entra;
    Ok(Redis { host, port, is_encrypted: true, database: 0, login, prefix: None })
}

fn of_string(string: &str) -> Result<Redis, BadSetting> {
    match string.split_once("://") {
        Some(("redis", rest)) => of_url(rest, false),
        Some(("rediss", rest)) => of_url(rest, true),
        Some((scheme, _)) if scheme.bytes().all(|b| b.is_ascii_alphanumeric()) => {
            Err(bad(STRING, "must begin with `redis://` or `rediss://` if it is a URL"))
        }
        _ => of_pairs(string),
    }
}

/// `[user]:key@host:port[/database]`. A key as Azure makes them ends in `=` and may hold `/`, so
/// the last `@` ends the login, and what is not percent-encoded stands for itself.
fn of_url(rest: &str, is_encrypted: bool) -> Result<Redis, BadSetting> {
    let malformed =
        || bad(STRING, "must be `rediss://[user]:key@host:port[/database]` if it is a URL");
    let (login, rest) = match rest.rsplit_once('@') {
        Some((login, rest)) => (Some(login), rest),
        None => (None, rest),
    };
    // Options of other clients.
    let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
    let (server, number) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = place(server).ok_or_else(malformed)?;
    let login = match login.map(|login| login.split_once(':').unwrap_or((login, ""))) {
        None => RedisLogin::Open,
        Some((user, key)) => {
            let user = decoded(user).ok_or_else(malformed)?;
            login_by(Some(user), Some(decoded(key).ok_or_else(malformed)?))?
        }
    };
    let database = if number.is_empty() { 0 } else { database(number)? };
    let port = port.unwrap_or(PORT);
    Ok(Redis { host, port, is_encrypted, database, login, prefix: None })
}

/// `host:port,password=…,ssl=True,abortConnect=False`. What concerns the client that the form
/// comes from is left alone.
fn of_pairs(string: &str) -> Result<Redis, BadSetting> {
    let (mut servers, mut user, mut key) = (Vec::new(), None, None);
    let (mut is_encrypted, mut number) = (false, 0);
    for part in string.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        // A key ends in `=` as Azure makes them.
        let Some((name, value)) = part.split_once('=') else {
            servers.push(part);
            continue;
        };
        match name.trim().to_ascii_lowercase().as_str() {
            "password" => key = Some(value.to_owned()),
            "user" => user = Some(value.trim().to_owned()),
            "ssl" => is_encrypted = truth(value.trim())?,
            "defaultdatabase" => number = database(value.trim())?,
            _ => {}
        }
    }
    let [server] = servers[..] else {
        let reason = "must be a URL, or name one server as `host:port,password=…,ssl=True`";
        return Err(bad(STRING, reason));
    };
    let (host, port) =
        place(server).ok_or_else(|| bad(STRING, "must begin with the server as `host:port`"))?;
    let port = port.unwrap_or(if is_encrypted { PORT_TLS } else { PORT });
    let login = login_by(user, key)?;
    Ok(Redis { host, port, is_encrypted, database: number, login, prefix: None })
}

fn login_by(user: Option<String>, key: Option<String>) -> Result<RedisLogin, BadSetting> {
    let user = user.filter(|user| !user.is_empty());
    match key.filter(|key| !key.is_empty()) {
        Some(key) => Ok(RedisLogin::Key { user, password: SecretString::from(key) }),
        None if user.is_some() => Err(bad(STRING, "must have a password beside the user")),
        None => Ok(RedisLogin::Open),
    }
}

/// A host and its port, if there is one: `host`, `host:port`, `[::1]:port`.
fn place(text: &str) -> Option<(String, Option<u16>)> {
    let text = text.trim();
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, behind) = rest.split_once(']')?;
            host.parse::<IpAddr>().ok()?;
            (host, if behind.is_empty() { None } else { Some(behind.strip_prefix(':')?) })
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let is_fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if host.is_empty() || !host.chars().all(is_fit) {
        return None;
    }
    match port.map(str::parse) {
        None => Some((host.to_owned(), None)),
        Some(Ok(port)) if port > 0 => Some((host.to_owned(), Some(port))),
        Some(_) => None,
    }
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn decoded(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

fn database(text: &str) -> Result<u16, BadSetting> {
    text.parse().map_err(|_| bad(STRING, "must have a number from 0 as the database"))
}

fn truth(text: &str) -> Result<bool, BadSetting> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(bad(STRING, "must have `True` or `False` as `ssl`")),
    }
}

/// It stands in every key, and between braces there the server looks for the key's place.
fn prefix(text: &str) -> Result<String, BadSetting> {
    let is_fit = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if text.len() > PREFIX_MAX || !text.bytes().all(is_fit) {
        let reason = format!("must be 1 to {PREFIX_MAX} letters, digits, dots, `_` and `-`");
        return Err(bad(PREFIX, reason));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use secrecy::ExposeSecret as _;

    use super::*;

    fn of(variables: &[(&str, &str)], production: bool) -> Result<Option<Redis>, BadSetting> {
        let variables: HashMap<_, _> = variables.iter().copied().collect();
        read(&|name| variables.get(name).copied(), production)
    }

    /// What a string says: server, TLS, database, user, key.
    fn said(string: &str) -> (String, bool, u16, Option<String>, Option<String>) {
        let redis = of(&[(STRING, string)], false).unwrap().unwrap();
        let (user, key) = match redis.login {
            RedisLogin::Open => (None, None),
            RedisLogin::Key { user, password } => (user, Some(password.expose_secret().to_owned())),
            RedisLogin::Entra => panic!("{string}"),
        };
        (format!("{} {}", redis.host, redis.port), redis.is_encrypted, redis.database, user, key)
    }

    #[test]
    fn both_forms_of_the_string_are_read() {
        for (string, server, is_encrypted, database, user, key) in [
            ("redis://localhost", "localhost 6379", false, 0, None, None),
            ("redis://127.0.0.1:7000/3", "127.0.0.1 7000", false, 3, None, None),
            (
                "rediss://:k/y+=@shop.example:6380",
                "shop.example 6380",
                true,
                0,
                None,
                Some("k/y+="),
            ),
            ("rediss://ann:a%40b@[::1]:1/?x=y", "::1 1", true, 0, Some("ann"), Some("a@b")),
            (
                "shop.redis.cache.windows.net:6380,password=abc=,ssl=True,abortConnect=False",
                "shop.redis.cache.windows.net 6380",
                true,
                0,
                None,
                Some("abc="),
            ),
            (
                "shop, SSL=true, user=ann, password=x, defaultDatabase=2, syncTimeout=5000",
                "shop 6380",
                true,
                2,
                Some("ann"),
                Some("x"),
            ),
            ("localhost:6379", "localhost 6379", false, 0, None, None),
        ] {
            let (user, key) = (user.map(str::to_owned), key.map(str::to_owned));
            let expected = (server.to_owned(), is_encrypted, database, user, key);
            assert_eq!(said(string), expected, "{string}");
        }
    }

    #[test]
    fn a_host_goes_with_the_identity() {
        let entra = (AUTHENTICATION, "entra");
        for (host, port) in [("shop.redis.azure.net", 10_000), ("shop.redis.azure.net:6380", 6_380)]
        {
            let redis = of(&[(HOST, host), entra], true).unwrap().unwrap();
            assert_eq!((redis.host.as_str(), redis.port), ("shop.redis.azure.net", port));
            assert!(redis.is_encrypted && matches!(redis.login, RedisLogin::Entra));
        }
    }

    #[test]
    fn the_prefix_is_optional() {
        let with = |prefix| of(&[(STRING, "redis://localhost"), (PREFIX, prefix)], false);
        assert_eq!(with("shop-1.a_b").unwrap().unwrap().prefix.as_deref(), Some("shop-1.a_b"));
        let longest = "x".repeat(64);
        assert_eq!(with(&longest).unwrap().unwrap().prefix, Some(longest));
        assert!(of(&[(STRING, "redis://localhost")], false).unwrap().unwrap().prefix.is_none());
        assert!(of(&[], true).unwrap().is_none());
    }

    #[test]
    fn what_is_wrong_is_named_and_its_value_is_not() {
        let server = (STRING, "redis://:hunter2@localhost");
        let longer = "hunter".repeat(11);
        for (given, named) in [
            (&[(AUTHENTICATION, "entra")][..], HOST),
            (&[(PREFIX, "hunter")], STRING),
            (&[(HOST, "hunter.example")], AUTHENTICATION),
            (&[(HOST, "hunter.example"), (AUTHENTICATION, "hunter")], AUTHENTICATION),
            (&[(HOST, "hunter.example:0"), (AUTHENTICATION, "entra")], HOST),
            (&[(HOST, "redis://hunter"), (AUTHENTICATION, "entra")], HOST),
            (&[server, (HOST, "hunter.example")], HOST),
            (&[server, (AUTHENTICATION, "entra")], AUTHENTICATION),
            (&[server, (PREFIX, "hunter{2}")], PREFIX),
            (&[server, (PREFIX, &longer)], PREFIX),
            (&[(STRING, "https://hunter2@shop.example")], STRING),
            (&[(STRING, "rediss://:hunter2@")], STRING),
            (&[(STRING, "rediss://:hunter2@shop.example:x")], STRING),
            (&[(STRING, "rediss://:hunter2@shop.example/x")], STRING),
            (&[(STRING, "rediss://:hunter%ff@shop.example")], STRING),
            (&[(STRING, "rediss://hunter2@shop.example")], STRING),
            (&[(STRING, "password=hunter2")], STRING),
            (&[(STRING, "a:1,b:1,password=hunter2")], STRING),
            (&[(STRING, "a:1,password=hunter2,ssl=hunter2")], STRING),
            (&[(STRING, "a:1,password=hunter2,defaultDatabase=-1")], STRING),
            (&[(STRING, "a:1,user=hunter2")], STRING),
        ] {
            let refused = of(given, false).unwrap_err();
            assert_eq!(refused.variable, named, "{given:?}");
            let text = refused.to_string();
            assert!(!text.contains("hunter") && text.lines().count() == 1, "{text}");
        }
        let redis = of(&[server], false).unwrap().unwrap();
        assert!(!format!("{redis:?}").contains("hunter"), "{redis:?}");
    }

    #[test]
    fn in_production_a_key_travels_in_the_clear_to_nobody() {
        for (string, is_allowed) in [
            ("rediss://:k@shop.example", true),
            ("redis://:k@shop.example", false),
            ("shop.example:6379,password=k", false),
            ("shop.example:6380,password=k,ssl=True", true),
            ("redis://localhost", true),
            ("redis://127.0.0.1:7000", true),
            ("redis://[::1]:7000", true),
        ] {
            let read = of(&[(STRING, string)], true);
            assert_eq!(read.is_ok(), is_allowed, "{string}");
            assert!(of(&[(STRING, string)], false).is_ok());
        }
    }
}
