//! How to reach the server, and as whom.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret as _, SecretString};
use tiberius::error::{Error, IoErrorKind};
use tiberius::{AuthMethod, Client, Config, EncryptionLevel};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::compat::TokioAsyncWriteCompatExt as _;

use super::session::Session;
use crate::credentials::Credentials;
use crate::secrets::login::{KeptLogin, Pair};

/// What tokens for Azure SQL are asked for.
const SCOPE: &str = "https://database.windows.net/.default";
/// A connection ends so long before its token does.
const BEFORE_TOKEN_ENDS: Duration = Duration::from_mins(5);
/// From the first byte to a finished login. A database that wakes answers sooner, with an
/// error.
const LOGIN: Duration = Duration::from_secs(15);
/// Bytes of a packet: the largest that the server takes of an encrypted connection.
const PACKET_BYTES: u32 = 16_383;
/// Of a batch of an import; whoever waits for an answer has a deadline of their own.
const COMMAND: Duration = Duration::from_mins(5);
/// The server's number for a name and a password that do not go together.
const LOGIN_FAILED: u32 = 18_456;
/// Servers that send us on, one to the next.
const ROUTES_MAX: usize = 3;

/// Where the server is, and as whom to log in.
#[derive(Clone)]
pub struct Target {
    config: Config,
    login: Login,
}

/// As whom to log in.
#[derive(Clone)]
pub enum Login {
    /// By name and password.
    Password {
        /// The login's name.
        user: String,
        /// Its password.
        password: SecretString,
    },
    /// By a name and a password that the operator may exchange.
    Kept(KeptLogin),
    /// As the identity that Azure has given the process.
    ManagedIdentity(Arc<Credentials>),
}

/// Names the server and nothing that is secret.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.config.get_addr())
    }
}

/// Where a database is, and how it is reached.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The server's name or address.
    pub host: &'a str,
    /// Its port.
    pub port: u16,
    /// The database.
    pub database: &'a str,
    /// Whether connections are encrypted.
    pub is_encrypted: bool,
    /// Whether any certificate will do.
    pub trusts_any_certificate: bool,
    /// The name that the certificate must have, if not the server's.
    pub name_in_certificate: Option<&'a str>,
}

impl Target {
    /// The settings of every connection.
    pub fn new(place: &Place<'_>, login: Login) -> Self {
        let mut config = Config::new();
        config.host(place.host);
        config.port(place.port);
        config.database(place.database);
        config.encryption(if place.is_encrypted {
            EncryptionLevel::Required
        } else {
            EncryptionLevel::NotSupported
        });
        if place.trusts_any_certificate {
            config.trust_cert();
        }
        if let Some(name) = place.name_in_certificate {
            config.hostname_in_certificate(name);
        }
        config.application_name("vitrine");
        config.packet_size(PACKET_BYTES);
        config.handshake_timeout(Some(LOGIN));
        config.command_timeout(Some(COMMAND));
        Self { config, login }
    }

    /// Logs in. A login that is refused may have been exchanged a moment ago.
    pub(super) async fn connect(&self) -> tiberius::Result<Session> {
        let mut config = self.config.clone();
        let Login::Kept(login) = &self.login else {
            let ends_at = self.authenticate(&mut config).await?;
            return self.log_in(config, ends_at).await;
        };
        let pair = login.now();
        show(&mut config, &pair);
        match self.log_in(config.clone(), None).await {
            Err(e) if e.code() == Some(LOGIN_FAILED) => match login.after_refusal(&pair).await {
                Some(pair) => {
                    show(&mut config, &pair);
                    self.log_in(config, None).await
                }
                None => Err(e),
            },
            done => done,
        }
    }

    /// Goes where it is sent.
    async fn log_in(
        &self,
        mut config: Config,
        ends_at: Option<Instant>,
    ) -> tiberius::Result<Session> {
        for _ in 0..ROUTES_MAX {
            match timeout(LOGIN, Box::pin(connect_once(&config))).await {
                Ok(Ok(client)) => {
                    let mut session = Session::new(client, ends_at);
                    // An error within a transaction ends all of it, on the server too.
                    session
                        .batch("-- connect.settings\nSET XACT_ABORT ON; SET NOCOUNT OFF")
                        .await?;
                    return Ok(session);
                }
                Ok(Err(Error::Routing { host, port })) => {
                    tracing::debug!("the server sends us on to {host}:{port}");
                    config.host(host);
                    config.port(port);
                }
                Ok(Err(e)) => return Err(e),
                Err(_) => return Err(timed_out("the server does not answer")),
            }
        }
        Err(timed_out("the server sends us from one place to the next"))
    }

    /// Puts the login into the configuration; tells when it ends.
    async fn authenticate(&self, config: &mut Config) -> tiberius::Result<Option<Instant>> {
        match &self.login {
            Login::Password { user, password } => {
                config.authentication(AuthMethod::sql_server(user, password.expose_secret()));
                Ok(None)
            }
            Login::Kept(login) => {
                show(config, &login.now());
                Ok(None)
            }
            Login::ManagedIdentity(credentials) => {
                let token = credentials.token(SCOPE).await.map_err(|e| Error::Io {
                    kind: IoErrorKind::PermissionDenied,
                    message: format!("the managed identity gives no token: {e}"),
                })?;
                config.authentication(AuthMethod::aad_token(token.secret.expose_secret()));
                Ok(Some(Instant::now() + token.lasts.saturating_sub(BEFORE_TOKEN_ENDS)))
            }
        }
    }
}

fn show(config: &mut Config, Pair { user, password }: &Pair) {
    let user = user.as_deref().unwrap_or_default();
    config.authentication(AuthMethod::sql_server(user, password.expose_secret()));
}

async fn connect_once(config: &Config) -> tiberius::Result<Client<super::session::Wire>> {
    let stream = TcpStream::connect(config.get_addr()).await?;
    stream.set_nodelay(true)?;
    Box::pin(Client::connect(config.clone(), stream.compat_write())).await
}

fn timed_out(message: &str) -> Error {
    Error::Io { kind: IoErrorKind::TimedOut, message: message.to_owned() }
}
