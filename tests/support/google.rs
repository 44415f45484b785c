//! A stand-in for Google that answers what a test wants, on a socket, so that it can also
//! answer what no server would.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use vitrine::identity::firebase::Reach;

/// What was asked.
#[derive(Debug, Clone)]
pub struct Asked {
    /// `POST /v1/accounts:signUp?key=…`
    pub line: String,
    /// The value of `Authorization`.
    pub authorization: Option<String>,
    pub body: String,
}

impl Asked {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// What is answered.
pub enum Reply {
    Json(u16, Value),
    /// These bytes, then the end of the connection.
    Bytes(Vec<u8>),
    /// The head of a good answer, then spaces without an end, one at a time or at full speed.
    Drip,
    Flood,
    /// Nothing, while the connection stays.
    Silence,
}

/// The end of the connection without a word.
pub const HANG_UP: Reply = Reply::Bytes(Vec::new());

pub struct Google {
    pub url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    serving: JoinHandle<()>,
}

impl Google {
    pub async fn that(answers: impl FnMut(&Asked) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let answers = Arc::new(Mutex::new(answers));
        let serving = tokio::spawn({
            let asked = Arc::clone(&asked);
            async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let (asked, answers) = (Arc::clone(&asked), Arc::clone(&answers));
                    tokio::spawn(async move {
                        // The other side may be gone at any point.
                        let _ = answer(stream, &asked, |a| (*answers.lock().unwrap())(a)).await;
                    });
                }
            }
        });
        Self { url, asked, serving }
    }

    /// All that was asked, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// How often a path was asked for that ends like this.
    pub fn times(&self, path: &str) -> usize {
        self.asked()
            .iter()
            .filter(|a| a.line.split(['?', ' ']).nth(1).unwrap().ends_with(path))
            .count()
    }

    /// With timeouts that no good answer of a machine under load is late for.
    pub fn reach(&self) -> Reach {
        Reach { toolkit: self.url.clone(), ..Reach::google() }
    }

    /// With timeouts that a test can wait for.
    pub fn short_reach(&self) -> Reach {
        Reach {
            read_timeout: Duration::from_millis(100),
            total_timeout: Duration::from_millis(500),
            ..self.reach()
        }
    }

    pub fn service_account(&self) -> SecretString {
        service_account(&format!("{}/token", self.url))
    }
}

impl Drop for Google {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(
    mut stream: TcpStream,
    asked: &Mutex<Vec<Asked>>,
    answers: impl FnOnce(&Asked) -> Reply,
) -> std::io::Result<()> {
    let mut come = Vec::new();
    let question = loop {
        if let Some(question) = parse(&come) {
            break question;
        }
        if stream.read_buf(&mut come).await? == 0 {
            return Ok(());
        }
    };
    asked.lock().unwrap().push(question.clone());
    match answers(&question) {
        Reply::Json(status, body) => {
            let body = body.to_string();
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n\
                 Content-Length: {length}\r\nConnection: close\r\n\r\n"
            );
            stream.write_all(format!("{head}{body}").as_bytes()).await?;
        }
        Reply::Bytes(bytes) => stream.write_all(&bytes).await?,
        Reply::Drip => match endless(&mut stream, b" ", Duration::from_millis(20)).await? {},
        Reply::Flood => match endless(&mut stream, &[b' '; 8_192], Duration::ZERO).await? {},
        Reply::Silence => while stream.read(&mut [0; 64]).await? > 0 {},
    }
    stream.shutdown().await
}

async fn endless(
    stream: &mut TcpStream,
    piece: &[u8],
    pause: Duration,
) -> std::io::Result<Infallible> {
    stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n").await?;
    loop {
        stream.write_all(piece).await?;
        tokio::time::sleep(pause).await;
    }
}

/// A whole question, once it has come.
fn parse(come: &[u8]) -> Option<Asked> {
    let end = come.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&come[..end]).unwrap();
    let value = |name: &str| {
        head.lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.to_owned())
    };
    let length = value("content-length").map_or(0, |length| length.parse().unwrap());
    let body = come[end + 4..].get(..length)?;
    Some(Asked {
        line: head.lines().next().unwrap().trim_end_matches(" HTTP/1.1").to_owned(),
        authorization: value("authorization"),
        body: String::from_utf8(body.to_vec()).unwrap(),
    })
}

/// A refusal as Google words it.
pub fn refusal(status: u16, message: &str) -> Reply {
    Reply::Json(status, json!({ "error": { "code": status, "message": message } }))
}

/// The key of all service accounts: made anew in each run, so that none lies in the repository.
fn key() -> &'static KeyPair {
    static KEY: OnceLock<KeyPair> = OnceLock::new();
    KEY.get_or_init(|| KeyPair::generate(KeySize::Rsa2048).unwrap())
}

pub fn private_key() -> String {
    let der: Pkcs8V1Der<'_> = key().as_der().unwrap();
    let text = BASE64_STANDARD.encode(der.as_ref());
    let lines: Vec<_> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}

/// The JSON of a service account.
pub fn service_account(token_uri: &str) -> SecretString {
    let file = json!({
        "type": "service_account",
        "project_id": "vitrine-test",
        "private_key_id": "key-1",
        "private_key": private_key(),
        "client_email": "catalogue@vitrine-test.iam.gserviceaccount.com",
        "token_uri": token_uri,
    });
    file.to_string().into()
}

/// What a service account states, if it has signed it.
pub fn statement(form: &str, audience: &str) -> Value {
    let fields: Vec<_> = form_urlencoded::parse(form.as_bytes()).collect();
    let field = |name: &str| fields.iter().find(|(n, _)| n == name).unwrap().1.clone();
    assert_eq!(field("grant_type"), "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let mut rules = Validation::new(Algorithm::RS256);
    rules.set_audience(&[audience]);
    // The clock of the test may stand.
    rules.validate_exp = false;
    let public = DecodingKey::from_rsa_der(key().public_key().as_ref());
    let token = jsonwebtoken::decode::<Value>(&*field("assertion"), &public, &rules).unwrap();
    assert_eq!(token.header.kid.as_deref(), Some("key-1"));
    token.claims
}
