//! Settings of the database on a server. One way or the other: a connection string as Azure
//! prints it (ADO.NET), or the server, the database and the login by themselves.

use std::collections::HashMap;
use std::net::IpAddr;

use secrecy::SecretString;

use super::{BadSetting, bad};
use crate::store::sqlserver::Migrate;

const STRING: &str = "SQL_CONNECTION_STRING";
const PORT: u16 = 1_433;
const CONNECTIONS_MAX: u32 = 16;
/// What the names of Azure's servers end in.
const AZURE: &str = ".database.windows.net";

/// The database on a server.
#[derive(Debug, Clone)]
pub struct Sql {
    /// The server's name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The database.
    pub database: String,
    /// As whom to log in.
    pub login: SqlLogin,
    /// Whether connections are encrypted.
    pub is_encrypted: bool,
    /// Whether any certificate will do.
    pub trusts_any_certificate: bool,
    /// The name that the certificate must have, if not the server's.
    pub name_in_certificate: Option<String>,
    /// Connections at once.
    pub connections_max: u32,
    /// Who applies missing steps of the schema.
    pub migrate: Migrate,
}

/// As whom to log in.
#[derive(Debug, Clone)]
pub enum SqlLogin {
    /// By name and password.
    Password {
        /// The login's name.
        user: String,
        /// Its password.
        password: SecretString,
    },
    /// As the identity that Azure has given the process.
    ManagedIdentity,
}

type Given<'a> = dyn Fn(&str) -> Option<&'a str> + 'a;

pub(super) fn read(given: &Given<'_>, production: bool) -> Result<Option<Sql>, BadSetting> {
    let parts = match (given(STRING), given("SQL_SERVER")) {
        (Some(string), _) => Parts::of_string(string)?,
        (None, Some(server)) => Parts::of_settings(given, server)?,
        (None, None) => return nothing_else(given).map(|()| None),
    };
    let is_managed = match given("SQL_AUTHENTICATION") {
        None => parts.is_managed,
        Some("password") => false,
        Some("managed-identity") => true,
        Some(_) => {
            return Err(bad("SQL_AUTHENTICATION", "must be `password` or `managed-identity`"));
        }
    };
    let is_encrypted = is_encrypted(given, parts.encrypt, production)?;
    if parts.trusts_any_certificate && production {
        return Err(bad(STRING, "must not have TrustServerCertificate=true in production"));
    }
    let login = if is_managed {
        SqlLogin::ManagedIdentity
    } else {
        let (name, secret) = parts.names_of_login;
        let needed = |name: &str| {
            bad(name, "must be given, or SQL_AUTHENTICATION must be `managed-identity`")
        };
        SqlLogin::Password {
            user: parts.user.ok_or_else(|| needed(name))?,
            password: parts.password.ok_or_else(|| needed(secret))?,
        }
    };
    let connections_max = match given("SQL_POOL_MAX") {
        None => CONNECTIONS_MAX,
        Some(text) => {
            let number = text.parse().ok().filter(|number| (1..=1_000).contains(number));
            number.ok_or_else(|| bad("SQL_POOL_MAX", "must be a number between 1 and 1000"))?
        }
    };
    let migrate = match given("SQL_MIGRATE").unwrap_or("auto") {
        "auto" => Migrate::Auto,
        "never" => Migrate::Never,
        _ => return Err(bad("SQL_MIGRATE", "must be `auto` or `never`")),
    };
    Ok(Some(Sql {
        host: parts.host,
        port: parts.port,
        database: parts.database,
        login,
        is_encrypted,
        trusts_any_certificate: parts.trusts_any_certificate,
        name_in_certificate: parts.name_in_certificate,
        connections_max,
        migrate,
    }))
}

/// One misspelt name must not mean the embedded database.
fn nothing_else(given: &Given<'_>) -> Result<(), BadSetting> {
    let others = [
        "SQL_DATABASE",
        "SQL_USERNAME",
        "SQL_PASSWORD",
        "SQL_AUTHENTICATION",
        "SQL_ENCRYPT",
        "SQL_POOL_MAX",
        "SQL_MIGRATE",
    ];
    match others.into_iter().find(|name| given(name).is_some()) {
        Some(name) => Err(bad("SQL_SERVER", format!("must be set beside {name}"))),
        None => Ok(()),
    }
}

fn is_encrypted(
    given: &Given<'_>,
    by_string: Option<bool>,
    production: bool,
) -> Result<bool, BadSetting> {
    let wanted = match given("SQL_ENCRYPT") {
        None => None,
        Some("true") => Some(true),
        Some("false") if production => {
            return Err(bad("SQL_ENCRYPT", "must not be `false` in production"));
        }
        Some("false") => Some(false),
        Some(_) => return Err(bad("SQL_ENCRYPT", "must be `true` or `false`")),
    };
    match (wanted, by_string) {
        (Some(false), by_string) => Ok(by_string.unwrap_or(false)),
        (_, Some(false)) => {
            Err(bad(STRING, "must not have Encrypt=false unless SQL_ENCRYPT is `false` too"))
        }
        _ => Ok(true),
    }
}

/// What either way says.
struct Parts {
    host: String,
    port: u16,
    database: String,
    user: Option<String>,
    password: Option<SecretString>,
    /// Where to look for the user and the password if they are missing.
    names_of_login: (&'static str, &'static str),
    is_managed: bool,
    encrypt: Option<bool>,
    trusts_any_certificate: bool,
    name_in_certificate: Option<String>,
}

impl Parts {
    fn of_settings(given: &Given<'_>, server: &str) -> Result<Self, BadSetting> {
        let (host, port) = host_and_port("SQL_SERVER", server)?;
        let is_azure = !host.contains('.') && host != "localhost" && !is_address(&host);
        let database = given("SQL_DATABASE")
            .ok_or_else(|| bad("SQL_DATABASE", "must be set beside SQL_SERVER"))?;
        Ok(Self {
            host: if is_azure { format!("{host}{AZURE}") } else { host },
            port,
            database: database.to_owned(),
            user: given("SQL_USERNAME").map(str::to_owned),
            password: given("SQL_PASSWORD").map(SecretString::from),
            names_of_login: ("SQL_USERNAME", "SQL_PASSWORD"),
            is_managed: false,
            encrypt: None,
            trusts_any_certificate: false,
            name_in_certificate: None,
        })
    }

    fn of_string(string: &str) -> Result<Self, BadSetting> {
        let mut said = pairs(string)?;
        let mut take = |names: &[&str]| names.iter().find_map(|name| said.remove(*name));
        let server = take(&["server", "datasource", "address", "addr", "networkaddress"])
            .ok_or_else(|| bad(STRING, "must name a Server"))?;
        let (host, port) = host_and_port(STRING, &server)?;
        if take(&["integratedsecurity", "trusted_connection"]).is_some_and(|text| is_yes(&text)) {
            return Err(bad(STRING, "must not have Integrated Security: no such login here"));
        }
        let is_managed = match take(&["authentication"]) {
            None => false,
            Some(how) => match how.to_lowercase().replace(' ', "").as_str() {
                "sqlpassword" => false,
                "activedirectorymanagedidentity"
                | "activedirectorymsi"
                | "activedirectorydefault" => true,
                _ => {
                    let reason = "must have the Authentication `Sql Password` or \
                                  `Active Directory Managed Identity`";
                    return Err(bad(STRING, reason));
                }
            },
        };
        let encrypt = take(&["encrypt"]).map(|text| {
            let text = text.to_lowercase();
            match text.as_str() {
                "mandatory" | "strict" => Ok(true),
                "optional" => Ok(false),
                other => truth(other),
            }
        });
        Ok(Self {
            host,
            port,
            database: take(&["database", "initialcatalog"])
                .ok_or_else(|| bad(STRING, "must name a Database"))?,
            user: take(&["userid", "uid", "user", "username"]),
            password: take(&["password", "pwd"]).map(SecretString::from),
            names_of_login: (STRING, STRING),
            is_managed,
            encrypt: encrypt.transpose()?,
            trusts_any_certificate: take(&["trustservercertificate"])
                .map(|text| truth(&text))
                .transpose()?
                .unwrap_or(false),
            name_in_certificate: take(&["hostnameincertificate"]),
        })
    }
}

fn is_address(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok()
}

fn is_yes(text: &str) -> bool {
    ["true", "yes", "sspi"].iter().any(|yes| text.eq_ignore_ascii_case(yes))
}

fn truth(text: &str) -> Result<bool, BadSetting> {
    match text.to_lowercase().as_str() {
        "true" | "yes" => Ok(true),
        "false" | "no" => Ok(false),
        _ => Err(bad(STRING, "must have `true` or `false` where one of them is meant")),
    }
}

fn host_and_port(variable: &str, text: &str) -> Result<(String, u16), BadSetting> {
    let text = text.trim();
    let text = text.strip_prefix("tcp:").unwrap_or(text);
    let (host, port) = match text.split_once(',') {
        None => (text, PORT),
        Some((host, port)) => {
            let port = port.trim().parse().ok().filter(|port| *port > 0);
            let reason = "must have a port between 1 and 65535 behind the comma";
            (host, port.ok_or_else(|| bad(variable, reason))?)
        }
    };
    let host = match host.trim() {
        "(local)" | "." => "localhost",
        host => host,
    };
    let is_fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if host.is_empty() || !(host.chars().all(is_fit) || is_address(host)) {
        return Err(bad(variable, "must name the server as `host` or `host,port`"));
    }
    Ok((host.to_owned(), port))
}

/// The pairs of `name=value;…`, names in lower case and without spaces. A value in quotes may
/// hold anything; a quote in it is doubled.
fn pairs(string: &str) -> Result<HashMap<String, String>, BadSetting> {
    let malformed = || {
        bad(
            STRING,
            "must be `name=value` pairs with `;` between them; a value that holds `;` or \
                     begins with a quote stands in quotes",
        )
    };
    let mut pairs = HashMap::new();
    let mut rest = string.trim_start_matches([' ', ';']);
    while !rest.trim().is_empty() {
        let (name, behind) = rest.split_once('=').ok_or_else(malformed)?;
        let name = name.to_lowercase().replace(' ', "");
        if name.is_empty() || name.contains(';') {
            return Err(malformed());
        }
        let behind = behind.trim_start();
        let (value, behind) = if let Some(quote @ ('"' | '\'')) = behind.chars().next() {
            quoted(&behind[1..], quote).ok_or_else(malformed)?
        } else {
            let (value, behind) = behind.split_once(';').unwrap_or((behind, ""));
            (value.trim_end().to_owned(), behind)
        };
        pairs.insert(name, value);
        rest = behind.trim_start_matches([' ', ';']);
    }
    Ok(pairs)
}

/// A value up to its closing quote, and what follows the next semicolon.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        if letter != quote {
            value.push(letter);
        } else if letters.peek().is_some_and(|(_, next)| *next == quote) {
            letters.next();
            value.push(quote);
        } else {
            let behind = text[at + 1..].trim_start();
            return match behind.strip_prefix(';') {
                Some(behind) => Some((value, behind)),
                None => behind.is_empty().then_some((value, behind)),
            };
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn of(variables: &[(&str, &str)], production: bool) -> Result<Option<Sql>, BadSetting> {
        let variables: HashMap<_, _> = variables.iter().copied().collect();
        read(&|name| variables.get(name).copied(), production)
    }

    fn by_string(string: &str) -> Result<Sql, BadSetting> {
        of(&[(STRING, string)], false).map(Option::unwrap)
    }

    const LOGIN: [(&str, &str); 3] =
        [("SQL_DATABASE", "shop"), ("SQL_USERNAME", "ann"), ("SQL_PASSWORD", "hunter2")];

    #[test]
    fn a_name_without_a_dot_is_one_of_azure() {
        for (server, host, port) in [
            ("shop", "shop.database.windows.net", 1_433),
            ("shop,1500", "shop.database.windows.net", 1_500),
            ("sql.shop.example", "sql.shop.example", 1_433),
            ("localhost,1434", "localhost", 1_434),
            ("127.0.0.1", "127.0.0.1", 1_433),
            ("::1", "::1", 1_433),
        ] {
            let given = [&LOGIN[..], &[("SQL_SERVER", server)]].concat();
            let sql = of(&given, true).unwrap().unwrap();
            assert_eq!((sql.host.as_str(), sql.port), (host, port));
            assert!(sql.is_encrypted && !sql.trusts_any_certificate);
            assert_eq!((sql.connections_max, sql.migrate), (16, Migrate::Auto));
        }
    }

    #[test]
    fn the_string_that_azure_prints_is_read() {
        let sql = by_string(
            "Server=tcp:shop.database.windows.net,1433;Initial Catalog=shop;Persist Security \
             Info=False;User ID=ann;Password=\"a;b=\"\"c\";MultipleActiveResultSets=False;\
             Encrypt=True;TrustServerCertificate=False;Connection Timeout=30;",
        );
        let sql = sql.unwrap();
        assert_eq!((sql.host.as_str(), sql.port), ("shop.database.windows.net", 1_433));
        assert_eq!(sql.database, "shop");
        let SqlLogin::Password { user, password } = &sql.login else { panic!("{sql:?}") };
        assert_eq!((user.as_str(), password.expose_secret()), ("ann", "a;b=\"c"));
        assert!(!format!("{sql:?}").contains("a;b"));
        let sql = by_string(
            "Server=shop.database.windows.net;Database=shop;\
             Authentication=Active Directory Managed Identity",
        );
        assert!(matches!(sql.unwrap().login, SqlLogin::ManagedIdentity));
        let both = [(STRING, "server=here;uid=a;pwd=b;database=c"), ("SQL_SERVER", "there")];
        assert_eq!(of(&both, false).unwrap().unwrap().host, "here", "the string wins");
    }

    #[test]
    fn what_is_wrong_is_named_and_its_value_is_not() {
        let server = ("SQL_SERVER", "hunter3.example");
        for (given, named) in [
            (&[("SQL_DATABASE", "hunter3")][..], "SQL_SERVER"),
            (&[("SQL_MIGRATE", "never")], "SQL_SERVER"),
            (&[server], "SQL_DATABASE"),
            (&[server, ("SQL_DATABASE", "hunter3")], "SQL_USERNAME"),
            (&[server, LOGIN[0], LOGIN[1]], "SQL_PASSWORD"),
            (&[("SQL_SERVER", "hunter3;x"), LOGIN[0], LOGIN[1], LOGIN[2]], "SQL_SERVER"),
            (&[("SQL_SERVER", "hunter3,0"), LOGIN[0], LOGIN[1], LOGIN[2]], "SQL_SERVER"),
            (&[("SQL_SERVER", r"hunter3\x"), LOGIN[0], LOGIN[1], LOGIN[2]], "SQL_SERVER"),
            (&[server, LOGIN[0], ("SQL_AUTHENTICATION", "hunter3")], "SQL_AUTHENTICATION"),
            (&[server, LOGIN[0], LOGIN[1], LOGIN[2], ("SQL_POOL_MAX", "0")], "SQL_POOL_MAX"),
            (&[server, LOGIN[0], LOGIN[1], LOGIN[2], ("SQL_MIGRATE", "hunter3")], "SQL_MIGRATE"),
            (&[server, LOGIN[0], LOGIN[1], LOGIN[2], ("SQL_ENCRYPT", "hunter3")], "SQL_ENCRYPT"),
            (&[(STRING, "hunter3")], STRING),
            (&[(STRING, "server=hunter3")], STRING),
            (&[(STRING, "server=a;database=b;uid=hunter3")], STRING),
            (&[(STRING, "server=a;database=b;pwd='hunter3")], STRING),
            (&[(STRING, "server=a;database=b;uid=c;pwd=d;encrypt=hunter3")], STRING),
            (&[(STRING, "server=a;database=b;integrated security=SSPI")], STRING),
            (&[(STRING, "server=a;database=b;authentication=hunter3")], STRING),
        ] {
            let refused = of(given, false).unwrap_err();
            assert_eq!(refused.variable, named, "{given:?}");
            let text = refused.to_string();
            assert!(!text.contains("hunter") && text.lines().count() == 1, "{text}");
        }
    }

    #[test]
    fn nothing_travels_in_the_clear_by_accident() {
        let string = "server=a;database=b;uid=c;pwd=d;encrypt=false";
        assert_eq!(by_string(string).unwrap_err().variable, STRING);
        let allowed = [(STRING, string), ("SQL_ENCRYPT", "false")];
        assert!(!of(&allowed, false).unwrap().unwrap().is_encrypted);
        assert_eq!(of(&allowed, true).unwrap_err().variable, "SQL_ENCRYPT");
        let trusting = [(STRING, "server=a;database=b;uid=c;pwd=d;trustservercertificate=true")];
        assert!(of(&trusting, false).unwrap().unwrap().trusts_any_certificate);
        assert_eq!(of(&trusting, true).unwrap_err().variable, STRING);
    }
}
