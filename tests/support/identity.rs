//! A stand-in for the endpoint where an app on Azure asks for the tokens of its identity, and
//! a way for a test to run where it is: the endpoint is named by variables of the process.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::apart::run_apart;

pub const SECRET: &str = "header-of-the-endpoint";

/// What the endpoint says.
#[derive(Debug, Clone, Copy)]
pub enum Says {
    /// A token that lasts so long.
    Token(Duration),
    /// One that tells whose it is.
    TokenOf(&'static str, Duration),
    /// This very token, which lasts so long.
    This(&'static str, Duration),
    /// No, in these words.
    No(u16, &'static str),
}

/// The endpoint; serves until the process ends.
#[derive(Debug)]
pub struct Endpoint {
    pub url: String,
    asked: Mutex<Receiver<String>>,
}

impl Endpoint {
    /// Says one thing after the other, and the last one for ever.
    pub fn start(says: Vec<Says>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/msi/token", listener.local_addr().unwrap());
        let (ask, asked) = channel();
        std::thread::spawn(move || serve(&listener, &says, &ask));
        Self { url, asked: Mutex::new(asked) }
    }

    /// The query of every request so far.
    pub fn requests(&self) -> Vec<String> {
        self.asked.lock().unwrap().try_iter().collect()
    }
}

fn serve(listener: &TcpListener, says: &[Says], ask: &Sender<String>) {
    let mut at = 0;
    for stream in listener.incoming() {
        let query = head(&stream.as_ref().unwrap().try_clone().unwrap());
        let (status, body) = match query {
            None => (401, "{\"message\":\"no header\"}".to_owned()),
            Some(query) => {
                let saying = says[at.min(says.len() - 1)];
                at += 1;
                let answer = answer(saying, at, &query);
                // Nobody may be counting.
                let _ = ask.send(query);
                answer
            }
        };
        let length = body.len();
        let text = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        // Whoever asked may have gone.
        let _ = stream.unwrap().write_all(text.as_bytes());
    }
}

/// The query, if the request carries the header that proves it comes from this app.
fn head(stream: &TcpStream) -> Option<String> {
    let lines: Vec<_> = BufReader::new(stream)
        .lines()
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
        .collect();
    let proof = format!("x-identity-header: {SECRET}");
    lines.iter().any(|line| line.eq_ignore_ascii_case(&proof)).then(|| {
        let target = lines[0].split(' ').nth(1).unwrap();
        target.split_once('?').unwrap().1.to_owned()
    })
}

fn answer(saying: Says, number: usize, query: &str) -> (u16, String) {
    match saying {
        Says::No(status, words) => (status, format!("{{\"message\":\"{words}\"}}")),
        Says::Token(lasts) => token(&format!("token-{number}"), lasts, query),
        Says::This(text, lasts) => token(text, lasts, query),
        Says::TokenOf(owner, lasts) => token(&token_of(owner), lasts, query),
    }
}

fn token(token: &str, lasts: Duration, query: &str) -> (u16, String) {
    let ends_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + lasts;
    let resource = query.split("resource=").nth(1).unwrap().split('&').next().unwrap();
    let body = format!(
        "{{\"access_token\":\"{token}\",\"expires_on\":\"{}\",\
         \"resource\":\"{resource}\",\"token_type\":\"Bearer\"}}",
        ends_at.as_secs()
    );
    (200, body)
}

/// A token as Entra makes them, as far as its owner can be read from it.
pub fn token_of(owner: &str) -> String {
    let part = |claims: Value| BASE64_URL_SAFE_NO_PAD.encode(claims.to_string());
    format!("{}.{}.c2lnbg", part(json!({"alg": "none"})), part(json!({"oid": owner})))
}

/// Whether this is the process that has the endpoint. If it is not, runs the test of this name
/// in one, which must come to its end.
pub fn is_beside(
    test: &str,
    endpoint: impl FnOnce() -> Endpoint,
    check: impl FnOnce(&Endpoint),
) -> bool {
    if std::env::var_os("IDENTITY_ENDPOINT").is_some() {
        return true;
    }
    let endpoint = endpoint();
    run_apart(test, "", &[("IDENTITY_ENDPOINT", &endpoint.url), ("IDENTITY_HEADER", SECRET)]);
    check(&endpoint);
    false
}
