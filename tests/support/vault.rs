//! A stand-in for Key Vault that speaks TLS and answers what a test wants.
//!
//! As the real one it gives nothing to who shows no token, and says then which token it wants.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use reqwest::Certificate;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::json;
use tempfile::TempDir;
use vitrine::credentials::Credentials;
use vitrine::crypto::install_providers;
use vitrine::secrets::Vault;
use vitrine::secrets::names::in_vault;
use vitrine::settings::{self, Told};

use super::redis::free_port;

/// What the identity of a test in this process shows.
pub const TOKEN: &str = "token-for-vaults-that-nobody-may-see";
/// What the real vaults want.
const RESOURCE: &str = "https://vault.azure.net";

/// What a vault says to somebody with a token.
#[derive(Debug, Clone)]
pub enum Says {
    Value(String),
    /// An error with this status, code and inner code.
    No(u16, &'static str, &'static str),
    /// This body, as if all were well.
    Body(&'static str),
    Redirect(String),
    /// The value, but later.
    Late(Duration, String),
    /// Nothing, while the connection stays.
    Silence,
}

pub const MISSING: Says = Says::No(404, "SecretNotFound", "");
pub const CLOSED: Says = Says::No(403, "Forbidden", "ForbiddenByRbac");
pub const DISABLED: Says = Says::No(403, "Forbidden", "SecretDisabled");

/// Who was asked for what, and what was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// As the vault spells it.
    pub name: String,
    pub token: Option<String>,
}

struct State {
    secrets: HashMap<String, Says>,
    all: Option<Says>,
    resource: String,
    asked: Vec<Asked>,
}

/// The vault; serves until the process ends.
pub struct VaultStub {
    pub address: SocketAddr,
    certificates: Arc<Certificates>,
    state: Arc<Mutex<State>>,
}

/// An authority, and what it says of the vault.
pub struct Certificates {
    dir: TempDir,
    config: Arc<ServerConfig>,
}

impl VaultStub {
    /// One that holds these secrets, named as the environment names them.
    pub fn start(secrets: &[(&str, &str)]) -> Self {
        Self::start_at(0, &Arc::new(Certificates::make()), secrets)
    }

    /// One on this port, as a vault that is there again.
    pub fn start_at(port: u16, certificates: &Arc<Certificates>, secrets: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = State {
            secrets: HashMap::new(),
            all: None,
            resource: RESOURCE.to_owned(),
            asked: Vec::new(),
        };
        let state = Arc::new(Mutex::new(state));
        let certificates = Arc::clone(certificates);
        let (config, shared) = (Arc::clone(&certificates.config), Arc::clone(&state));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (config, shared) = (Arc::clone(&config), Arc::clone(&shared));
                std::thread::spawn(move || serve(stream, config, &shared));
            }
        });
        let stub = Self { address, certificates, state };
        for (name, value) in secrets {
            stub.put(name, value);
        }
        stub
    }

    pub fn put(&self, name: &str, value: &str) {
        self.say(name, Says::Value(value.to_owned()));
    }

    /// Says this of one secret.
    pub fn say(&self, name: &str, says: Says) {
        self.state.lock().unwrap().secrets.insert(in_vault(name), says);
    }

    /// Says this of all of them, or what it has.
    pub fn say_of_all(&self, says: Option<Says>) {
        self.state.lock().unwrap().all = says;
    }

    /// Wants a token for something else.
    pub fn want_token_for(&self, resource: &str) {
        resource.clone_into(&mut self.state.lock().unwrap().resource);
    }

    /// What was asked since this was asked last.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }

    /// What a process must be told to use it as an emulator.
    pub fn url(&self) -> String {
        format!("https://localhost:{}/", self.address.port())
    }

    pub fn ca(&self) -> PathBuf {
        self.certificates.ca()
    }

    /// The vault as Azure's, by the names and the checks of production.
    pub fn vault(&self) -> Arc<Vault> {
        let url = format!("https://shop.vault.azure.net:{}/", self.address.port());
        self.certificates.vault_at(&url, self.address)
    }

    /// The same as an emulator.
    pub fn emulator(&self) -> Arc<Vault> {
        self.certificates.vault_at(&self.url(), self.address)
    }
}

impl Certificates {
    pub fn make() -> Self {
        install_providers();
        let mut authority = CertificateParams::new([]).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let ca = authority.self_signed(&key).unwrap();
        let issuer = Issuer::new(authority, key);
        let names = ["localhost", "127.0.0.1", "*.vault.azure.net"].map(str::to_owned);
        let key = KeyPair::generate().unwrap();
        let server = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ca.crt"), ca.pem()).unwrap();
        let chain = vec![CertificateDer::from(server.der().to_vec())];
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
        Self { dir, config: Arc::new(config.unwrap()) }
    }

    pub fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.crt")
    }

    /// A vault of this name that is really at this address.
    pub fn vault_at(&self, url: &str, address: SocketAddr) -> Arc<Vault> {
        let ca = std::fs::read(self.ca()).unwrap();
        let client = reqwest::Client::builder()
            .tls_certs_only([Certificate::from_pem(&ca).unwrap()])
            .redirect(reqwest::redirect::Policy::none())
            .resolve("shop.vault.azure.net", address)
            .resolve("localhost", address)
            .build()
            .unwrap();
        let place = place(url);
        let credentials = Credentials::of("identity", Arc::new(Me));
        Arc::new(Vault::at(&place, credentials, Some(Arc::new(client))).unwrap())
    }
}

/// A vault's place as settings give it.
fn place(url: &str) -> settings::Vault {
    told(&[("KEY_VAULT_URL", url)]).vault().unwrap().unwrap()
}

pub fn told(variables: &[(&str, &str)]) -> Told {
    let owned = variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
    Told::these(owned.collect())
}

/// A vault that nobody is at.
pub fn nobody() -> Arc<Vault> {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let url = format!("https://shop.vault.azure.net:{}/", address.port());
    Certificates::make().vault_at(&url, address)
}

/// An identity that gets every token.
#[derive(Debug)]
struct Me;

static TOKENS: AtomicUsize = AtomicUsize::new(0);

#[async_trait]
impl TokenCredential for Me {
    async fn get_token(
        &self,
        _: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        TOKENS.fetch_add(1, Ordering::Relaxed);
        let ends_at = std::time::SystemTime::now() + Duration::from_hours(1);
        Ok(AccessToken::new(TOKEN, ends_at.into()))
    }
}

fn serve(stream: TcpStream, config: Arc<ServerConfig>, state: &Mutex<State>) {
    let tls = ServerConnection::new(config).unwrap();
    let mut stream = BufReader::new(StreamOwned::new(tls, stream));
    // Whoever asks may go at any point.
    while let Some((name, token)) = head(&mut stream) {
        let (says, resource) = {
            let mut state = state.lock().unwrap();
            state.asked.push(Asked { name: name.clone(), token: token.clone() });
            let says = state.all.clone().or_else(|| state.secrets.get(&name).cloned());
            (says.unwrap_or(MISSING), state.resource.clone())
        };
        let answer = match token {
            None => challenge(&resource),
            Some(_) => match says {
                Says::Silence => {
                    while head(&mut stream).is_some() {}
                    return;
                }
                says => answer(&name, says),
            },
        };
        let sent = stream.get_mut().write_all(answer.as_bytes());
        if sent.and_then(|()| stream.get_mut().flush()).is_err() {
            return;
        }
    }
}

/// The secret that a request is about, and the token that it shows.
fn head(stream: &mut impl std::io::BufRead) -> Option<(String, Option<String>)> {
    let lines: Vec<_> =
        stream.lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let path = lines.first()?.split(' ').nth(1)?;
    let name = path.strip_prefix("/secrets/")?.split(['/', '?']).next()?.to_owned();
    let token = lines.iter().find_map(|line| {
        let (header, value) = line.split_once(": ")?;
        header.eq_ignore_ascii_case("authorization").then(|| value.to_owned())
    });
    Some((name, token))
}

fn challenge(resource: &str) -> String {
    let wants = format!(
        "WWW-Authenticate: Bearer authorization=\"https://login.microsoftonline.com/t\", \
         resource=\"{resource}\"\r\n"
    );
    response(401, &wants, "{\"error\":{\"code\":\"Unauthorized\",\"message\":\"no token\"}}")
}

fn answer(name: &str, says: Says) -> String {
    let value = |value: String| {
        let id = format!("https://shop.vault.azure.net/secrets/{name}/1");
        json!({"value": value, "id": id, "attributes": {"enabled": true}}).to_string()
    };
    match says {
        Says::Value(text) => response(200, "", &value(text)),
        Says::Late(by, text) => {
            std::thread::sleep(by);
            response(200, "", &value(text))
        }
        Says::No(status, code, inner) => {
            let inner = if inner.is_empty() { json!(null) } else { json!({"code": inner}) };
            let error = json!({"code": code, "message": "in many words", "innererror": inner});
            response(status, "Retry-After: 3600\r\n", &json!({"error": error}).to_string())
        }
        Says::Body(body) => response(200, "", body),
        Says::Redirect(url) => response(302, &format!("Location: {url}\r\n"), ""),
        Says::Silence => unreachable!("says nothing"),
    }
}

fn response(status: u16, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} X\r\n{headers}Content-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
}
