//! Where the server is, and as whom to log in there.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use redis::io::tcp::TcpSettings;
use redis::{
    Client, ConnectionAddr, ErrorKind, IntoConnectionInfo as _, RedisConnectionInfo, RedisError,
    ServerError, ServerErrorKind,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use crate::cache::shared::SharedError;
use crate::credentials::Credentials;
use crate::secrets::login::{KeptLogin, Pair};

/// What a token must be for.
const SCOPE: &str = "https://redis.azure.com/.default";
/// So long before its end a token is exchanged. The credentials give out the same one until
/// five minutes before it, so it is a little less.
const RENEWED_BEFORE: Duration = Duration::from_secs(270);
/// The next one is not asked for sooner, whatever the last one's end: where tokens come with
/// little time left, each of them would be exchanged at once. The credentials give out none that
/// ends before.
const RENEWED_AFTER_MIN: Duration = Duration::from_secs(20);
/// What is told of an error.
const SHOWN_MAX: usize = 200;
/// What a server answers, whatever it is asked, that is not there for us: it is starting, is not
/// in charge, does not know us or waits for others. All else is about one command.
const AWAY: [&str; 8] =
    ["BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "NOAUTH", "READONLY", "TRYAGAIN", "WRONGPASS"];

/// A server, and as whom to log in there.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether connections are encrypted. The machine's own authorities are trusted.
    pub is_encrypted: bool,
    /// Which of its numbered databases.
    pub database: u16,
    /// As whom to log in.
    pub login: Login,
}

/// As whom to log in.
#[derive(Debug, Clone)]
pub enum Login {
    /// As nobody.
    Open,
    /// By a key.
    Key {
        /// The user, if not the default one.
        user: Option<String>,
        /// The password.
        password: SecretString,
    },
    /// By a key that the operator may exchange.
    Kept(KeptLogin),
    /// By tokens of the process's identity.
    Entra(Arc<Credentials>),
}

/// What proves for a while who the process is.
pub(super) struct Pass {
    pub user: Option<String>,
    pub password: Option<SecretString>,
    /// After how long to come with the next one; `None` if it lasts for ever.
    pub renewed_after: Option<Duration>,
}

impl Target {
    /// What to log in with.
    pub(super) async fn pass(&self) -> Result<Pass, SharedError> {
        let credentials = match &self.login {
            Login::Open => return Ok(Pass { user: None, password: None, renewed_after: None }),
            Login::Key { user, password } => {
                let (user, password) = (user.clone(), Some(password.clone()));
                return Ok(Pass { user, password, renewed_after: None });
            }
            Login::Kept(login) => {
                let Pair { user, password } = login.now();
                return Ok(Pass { user, password: Some(password), renewed_after: None });
            }
            Login::Entra(credentials) => credentials,
        };
        let given = credentials.token(SCOPE).await;
        let token = given.map_err(|e| SharedError::Away(e.to_string()))?;
        let user = owner_of(token.secret.expose_secret()).ok_or_else(|| {
            SharedError::Nonsense("the identity's token does not tell whose it is".to_owned())
        })?;
        let renewed_after = token.lasts.saturating_sub(RENEWED_BEFORE).max(RENEWED_AFTER_MIN);
        let password = Some(token.secret);
        Ok(Pass { user: Some(user), password, renewed_after: Some(renewed_after) })
    }

    /// The server does not take what it was shown: the next try may have something else.
    pub(super) async fn was_refused(&self, pass: Pass, error: &RedisError) {
        let is_refusal = ["WRONGPASS", "NOAUTH", "NOPERM"].iter().any(|code| says(error, code))
            || error.kind() == ErrorKind::AuthenticationFailed;
        let (Login::Kept(login), Some(password)) = (&self.login, pass.password) else { return };
        if is_refusal {
            login.after_refusal(&Pair { user: pass.user, password }).await;
        }
    }

    /// What makes connections. Nothing is connected yet.
    pub(super) fn client(&self, pass: &Pass) -> Result<Client, SharedError> {
        let (host, port) = (self.host.clone(), self.port);
        let address = if self.is_encrypted {
            ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host, port)
        };
        let mut login = RedisConnectionInfo::default().set_db(self.database.into());
        if let Some(user) = &pass.user {
            login = login.set_username(user);
        }
        if let Some(password) = &pass.password {
            login = login.set_password(password.expose_secret());
        }
        let place = address.into_connection_info().map_err(|e| shared_error(&e))?;
        let tcp = TcpSettings::default().set_nodelay(true);
        let place = place.set_redis_settings(login).set_tcp_settings(tcp);
        Client::open(place).map_err(|e| shared_error(&e))
    }
}

/// The `oid` claim of a token. Its signature is the server's to check.
fn owner_of(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Claims {
        oid: String,
    }
    let claims = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&claims).ok().map(|claims: Claims| claims.oid)
}

/// Whether the server has answered with this code. Some servers hide what a script ran into in
/// a sentence about the script.
pub(super) fn says(error: &RedisError, code: &str) -> bool {
    let is_it = |answer: &ServerError| {
        let words = answer.details().unwrap_or_default().split_whitespace();
        answer.code() == code || words.into_iter().any(|w| w.strip_prefix('-') == Some(code))
    };
    let answers = error.clone().into_server_errors();
    answers.is_some_and(|answers| answers.iter().any(|(_, answer)| is_it(answer)))
}

/// The server's and the client's own words, in one line. They hold no secret.
pub(super) fn shared_error(error: &RedisError) -> SharedError {
    let text = match error.clone().into_server_errors().as_deref() {
        Some([(_, answer), ..]) => {
            format!("{} {}", answer.code(), answer.details().unwrap_or_default())
        }
        _ => error.to_string(),
    };
    // A server that does not know AUTH repeats what came with it.
    let text = text.split(", with args").next().unwrap_or_default();
    let words: Vec<_> = text.split_whitespace().collect();
    let text: String = words.join(" ").chars().take(SHOWN_MAX).collect();
    match error.kind() {
        ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::Ask) => {
            SharedError::Away(format!(
                "its nodes must stand behind a proxy (clustering policy Enterprise on Azure): {text}"
            ))
        }
        ErrorKind::UnexpectedReturnType | ErrorKind::Parse => SharedError::Nonsense(text),
        ErrorKind::Server(_) | ErrorKind::Extension
            if !AWAY.iter().any(|code| says(error, code)) =>
        {
            SharedError::Nonsense(text)
        }
        _ => SharedError::Away(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_tells_whose_it_is() {
        let claims = BASE64_URL_SAFE_NO_PAD.encode(r#"{"aud":"x","oid":"0b1e-2"}"#);
        assert_eq!(owner_of(&format!("head.{claims}.sign")).as_deref(), Some("0b1e-2"));
        for token in ["", "x", "a.b.c", "a.e30.c"] {
            assert_eq!(owner_of(token), None, "{token}");
        }
    }
    #[test]
    fn answers_about_one_command_are_told_from_those_about_the_server() {
        let told = |answer: &str| {
            let line = format!("-{answer}\r\n");
            let value = redis::parse_redis_value(line.as_bytes()).unwrap();
            shared_error(&value.extract_error().unwrap_err())
        };
        for answer in [
            "LOADING Redis is loading the dataset in memory",
            "READONLY You can't write against a read only replica.",
            "NOAUTH Authentication required.",
            "WRONGPASS invalid username-password pair or user is disabled.",
            "CLUSTERDOWN The cluster is down",
            "MASTERDOWN Link with MASTER is down",
            "TRYAGAIN Multiple keys request during rehashing of slot",
            "BUSY Redis is busy running a script.",
            "MOVED 3999 127.0.0.1:6381",
            "ERR Error running script (call to f_1): @user_script:3: -READONLY You can't write",
        ] {
            assert!(matches!(told(answer), SharedError::Away(_)), "{answer}");
        }
        for answer in [
            "WRONGTYPE Operation against a key holding the wrong kind of value",
            "OOM command not allowed when used memory > 'maxmemory'.",
            "NOPERM this user has no permissions to run the 'get' command",
            "MISCONF Redis is configured to save RDB snapshots",
            "NOSCRIPT No matching script.",
            "ERR user_script:3: attempt to index a nil value",
            "ERR Error running script (call to f_1): @user_script:3: -OOM command not allowed",
        ] {
            let SharedError::Nonsense(text) = told(answer) else { panic!("{answer}") };
            assert_eq!(text, answer);
        }
        let secret = "ERR unknown command 'AUTH', with args beginning with: 'me' 'hunter2' ";
        let SharedError::Nonsense(text) = told(secret) else { panic!("{secret}") };
        assert_eq!(text, "ERR unknown command 'AUTH'");
    }
}
