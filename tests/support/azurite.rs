//! Azurite of the test's own, blobs and queues, which `TEST_AZURITE` is the program of: over https and with tokens
//! of an identity, as the real service is used.

use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Certificate, Method};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::certificates;
use super::identity::{Endpoint, SECRET, Says};
use super::redis::free_port;

/// Node takes its time on a busy machine.
const STARTS_WITHIN: Duration = Duration::from_mins(2);
/// A version of the protocol that it is sure to know.
const VERSION: &str = "2021-12-02";

/// A message that is in nobody's sight for a while.
#[derive(Debug)]
pub struct Taken {
    pub text: String,
    id: String,
    receipt: String,
}

/// The server; killed when the test ends.
pub struct Azurite {
    /// The address of its one account's blobs.
    pub url: String,
    /// The same of its queues.
    queues: String,
    dir: TempDir,
    endpoint: Endpoint,
    token: &'static str,
    child: Child,
}

impl std::fmt::Debug for Azurite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Azurite").field(&self.url).finish()
    }
}

impl Azurite {
    /// Starts it with the containers `imports` and `other`.
    pub fn start() -> Self {
        let program = std::env::var("TEST_AZURITE").expect("scripts/services sets TEST_AZURITE");
        let dir = tempfile::tempdir().unwrap();
        let [port, queues, tables] = [(); 3].map(|()| free_port());
        certificates::write(&dir);
        let path = |name: &str| dir.path().join(name);
        let child = Command::new(program)
            .args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string()])
            .args(["--queueHost", "127.0.0.1", "--queuePort", &queues.to_string()])
            .args(["--tableHost", "127.0.0.1", "--tablePort", &tables.to_string()])
            .args(["--silent", "--disableTelemetry", "--skipApiVersionCheck"])
            .args(["--oauth", "basic", "--location"])
            .arg(dir.path().join("data"))
            .arg("--cert")
            .arg(path("server.crt"))
            .arg("--key")
            .arg(path("server.key"))
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let begun = Instant::now();
        let listens = |port| TcpStream::connect(("127.0.0.1", port)).is_ok();
        while !(listens(port) && listens(queues)) {
            assert!(begun.elapsed() < STARTS_WITHIN, "Azurite does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        // As long as the process: a program is told of it by an address.
        let token: &'static str = token().leak();
        let endpoint = Endpoint::start(vec![Says::This(token, Duration::from_hours(1))]);
        let url = format!("https://localhost:{port}/devstoreaccount1");
        let queues = format!("https://localhost:{queues}/devstoreaccount1");
        let azurite = Self { url, queues, dir, endpoint, token, child };
        for container in ["imports", "other"] {
            let (status, _, _) =
                azurite.ask(Method::PUT, &format!("{container}?restype=container"), Vec::new());
            assert_eq!(status, 201);
        }
        for queue in ["imports", "imports-poison"] {
            assert_eq!(azurite.ask_queues(Method::PUT, queue, String::new()).0, 201);
        }
        azurite
    }

    /// What a process is told that is to be let in.
    pub fn identity(&self) -> Vec<(&'static str, String)> {
        vec![
            ("IDENTITY_ENDPOINT", self.endpoint.url.clone()),
            ("IDENTITY_HEADER", SECRET.to_owned()),
            ("SSL_CERT_FILE", self.ca().display().to_string()),
        ]
    }

    fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.crt")
    }

    /// Puts a blob in place; its `ETag`.
    pub fn put(&self, path: &str, bytes: &[u8]) -> String {
        let (status, etag, _) = self.ask(Method::PUT, &escaped(path), bytes.to_vec());
        assert_eq!(status, 201, "{path}");
        etag
    }

    pub fn delete(&self, path: &str) {
        assert_eq!(self.ask(Method::DELETE, &escaped(path), Vec::new()).0, 202);
    }

    pub fn get(&self, path: &str) -> Option<Vec<u8>> {
        let (status, _, body) = self.ask(Method::GET, &escaped(path), Vec::new());
        (status == 200).then_some(body)
    }

    /// Puts a message, as plain as Event Grid does.
    pub fn enqueue(&self, queue: &str, text: &str) {
        let text = html_escape::encode_safe(text);
        let body = format!("<QueueMessage><MessageText>{text}</MessageText></QueueMessage>");
        let (status, _) = self.ask_queues(Method::POST, &format!("{queue}/messages"), body);
        assert_eq!(status, 201);
    }

    /// Takes the next message, if there is one.
    pub fn dequeue(&self, queue: &str) -> Option<Taken> {
        let (_, xml) = self.ask_queues(Method::GET, &format!("{queue}/messages"), String::new());
        let part = |name: &str| {
            let (_, rest) = xml.split_once(&format!("<{name}>"))?;
            let text = rest.split_once(&format!("</{name}>"))?.0;
            Some(html_escape::decode_html_entities(text).into_owned())
        };
        let (id, receipt) = (part("MessageId")?, part("PopReceipt")?);
        Some(Taken { text: part("MessageText")?, id, receipt })
    }

    /// Removes a message that was taken.
    pub fn remove(&self, queue: &str, taken: &Taken) {
        let receipt = utf8_percent_encode(&taken.receipt, NON_ALPHANUMERIC);
        let target = format!("{queue}/messages/{}?popreceipt={receipt}", taken.id);
        assert_eq!(self.ask_queues(Method::DELETE, &target, String::new()).0, 204);
    }

    fn ask_queues(&self, method: Method, target: &str, body: String) -> (u16, String) {
        let (status, _, answer) =
            self.ask_at(method, format!("{}/{target}", self.queues), body.into());
        (status, String::from_utf8(answer).unwrap())
    }

    fn ask(&self, method: Method, target: &str, body: Vec<u8>) -> (u16, String, Vec<u8>) {
        self.ask_at(method, format!("{}/{target}", self.url), body)
    }

    /// On a thread of its own, so that any test may wait for it.
    fn ask_at(&self, method: Method, url: String, body: Vec<u8>) -> (u16, String, Vec<u8>) {
        let ca = Certificate::from_pem(&std::fs::read(self.ca()).unwrap()).unwrap();
        let request = async {
            let client = reqwest::Client::builder().tls_certs_only([ca]).build().unwrap();
            let answer = client
                .request(method, url)
                .bearer_auth(self.token)
                .header("x-ms-version", VERSION)
                .header("x-ms-blob-type", "BlockBlob")
                .header("content-length", body.len())
                .body(body)
                .send()
                .await
                .unwrap();
            let etag = answer.headers().get("etag").map(|etag| etag.to_str().unwrap().to_owned());
            let status = answer.status().as_u16();
            (status, etag.unwrap_or_default(), answer.bytes().await.unwrap().to_vec())
        };
        let runtime =
            || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        std::thread::scope(|scope| scope.spawn(|| runtime().block_on(request)).join().unwrap())
    }
}

impl Drop for Azurite {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn escaped(path: &str) -> String {
    let parts = path.split('/').map(|part| utf8_percent_encode(part, NON_ALPHANUMERIC).to_string());
    parts.collect::<Vec<_>>().join("/")
}

/// A token as Azurite looks at it: whose it is it does not check.
fn token() -> String {
    let part = |claims: Value| BASE64_URL_SAFE_NO_PAD.encode(claims.to_string());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = json!({
        "iss": "https://sts.windows.net/tenant/",
        "aud": "https://storage.azure.com",
        "iat": now - 60,
        "nbf": now - 60,
        "exp": now + 86_400,
    });
    format!("{}.{}.c2lnbg", part(json!({ "alg": "none", "typ": "JWT" })), part(claims))
}
