//! Where the server is, and as whom to log in there.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use redis::io::tcp::TcpSettings;
use redis::{
    Client, ConnectionAddr, ErrorKind, IntoConnectionInfo as _, RedisConnectionInfo, RedisError,
    ServerErrorKind,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use crate::cache::shared::SharedError;
use crate::credentials::Credentials;

/// What a token must be for.
const SCOPE: &str = "https://redis.azure.com/.default";
/// So long before its end a token is exchanged. The credentials give out the same one until
/// five minutes before it, so it is a little less.
const RENEWED_BEFORE: Duration = Duration::from_secs(270);
/// The next one is not asked for sooner, whatever the last one's end.
const RENEWED_AFTER_MIN: Duration = Duration::from_secs(1);
/// What is told of an error.
const SHOWN_MAX: usize = 200;

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

/// The server's and the client's own words, in one line. They hold no secret.
pub(super) fn shared_error(error: &RedisError) -> SharedError {
    let words: Vec<_> = error.to_string().split_whitespace().map(str::to_owned).collect();
    let text = words.join(" ").chars().take(SHOWN_MAX).collect();
    match error.kind() {
        ErrorKind::UnexpectedReturnType | ErrorKind::Parse => SharedError::Nonsense(text),
        ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::Ask) => {
            SharedError::Away(format!(
                "its nodes must stand behind a proxy (clustering policy Enterprise on Azure): {text}"
            ))
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
}
