//! The real binary and a vault: an emulator on this machine, which it asks as the identity that
//! a stand-in for Azure's endpoint vouches for.

use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::{Client, Method};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::time::sleep;
use uuid::Uuid;
use vitrine::clock::Clock;
use vitrine::identity::token::Tokens;
use vitrine::store::users::{Rights, User};

use crate::key_vault::{KEY, OTHER_KEY};
use crate::support::TestFolder;
use crate::support::files::{products, row};
use crate::support::identity::{Endpoint, SECRET, Says as Identity};
use crate::support::process::{Serving, handler, run, stderr, stdout};
use crate::support::redis::free_port;
use crate::support::vault::{CLOSED, Certificates, DISABLED, Says, VaultStub};

const EMAIL: &str = "boss@shop.example";
const PASSWORD: &str = "Hunter2!Hunter2";
/// CONTRACT 6.6, and what hundreds of tests beside this one may add.
const LISTENS_WITHIN: Duration = Duration::from_secs(5 + 5);
/// Longer than any good answer takes, on any machine.
const LONG: Duration = Duration::from_secs(30);

fn identity() -> Endpoint {
    Endpoint::start(vec![Identity::Token(Duration::from_hours(1))])
}

/// The binary beside a vault, at its most talkative.
fn beside(folder: &TestFolder, vault: &VaultStub, identity: &Endpoint) -> Command {
    let mut command = handler(folder.data.path());
    command
        .env("RUST_LOG", "trace")
        .env("ADMIN_EMAILS", EMAIL)
        .env("KEY_VAULT_URL", vault.url())
        .env("SSL_CERT_FILE", vault.ca())
        .env("IDENTITY_ENDPOINT", &identity.url)
        .env("IDENTITY_HEADER", SECRET);
    command
}

async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < LONG, "{what}");
        sleep(Duration::from_millis(20)).await;
    }
}

async fn me(serving: &Serving, token: &str) -> u16 {
    let bearer = format!("Bearer {token}");
    serving.ask(Method::GET, "/me", &[("authorization", &bearer)]).await.status().as_u16()
}

async fn post(serving: &Serving, path: &str, body: Value) -> Value {
    let sent = serving.client.post(format!("{}{path}", serving.url)).json(&body).send();
    sent.await.unwrap().json().await.unwrap()
}

fn assert_untold(lines: &[String], secrets: &[&str]) {
    for secret in secrets {
        let told = lines.iter().find(|line| line.contains(secret));
        assert_eq!(told, None, "{secret}");
    }
}

/// No restart and no waiting for the next look at the vault: a token of an instance that has the
/// new key is what makes this one ask.
#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_key_is_taken_up_while_it_serves() {
    let (folder, identity) = (TestFolder::new(), identity());
    let vault = VaultStub::start(&[("JWT_SECRET_KEY", KEY)]);
    let serving = Serving::start_by(&mut beside(&folder, &vault, &identity));
    let form = json!({"email": EMAIL, "password": PASSWORD, "firstName": "B", "lastName": "Oss"});
    let user = post(&serving, "/signup", form).await["user_id"].as_str().unwrap().to_owned();
    let login = || json!({"email": EMAIL, "password": PASSWORD});
    let old = post(&serving, "/login", login()).await["idToken"].as_str().unwrap().to_owned();
    let of = |key: &str| Tokens::new(&SecretString::from(key), None, Clock::System);
    let epoch = of(KEY).verify(&old).expect("the vault's key signs").epoch;
    assert_eq!(me(&serving, &old).await, 200);

    // An instance that has it already.
    let new = of(OTHER_KEY).issue(&User {
        id: Uuid::parse_str(&user).unwrap(),
        email: EMAIL.to_owned(),
        first_name: String::new(),
        last_name: String::new(),
        rights: Rights { active: true, admin: true },
        is_pending: false,
        was_listed: true,
        epoch,
        created_at: 0,
    });
    let forged = format!("{}x", &new[..new.len() - 1]);
    vault.put("JWT_SECRET_KEY_PREVIOUS", KEY);
    vault.put("JWT_SECRET_KEY", OTHER_KEY);
    until("the new key counts", async || (me(&serving, &new).await == 200).then_some(())).await;
    assert_eq!(me(&serving, &old).await, 200, "the previous key still counts");
    assert_eq!(me(&serving, &forged).await, 401);
    let newest = post(&serving, "/login", login()).await["idToken"].as_str().unwrap().to_owned();
    assert!(of(OTHER_KEY).verify(&newest).is_ok() && of(KEY).verify(&newest).is_err());
    let ready: Value = serving.get("/health/ready").await.json().await.unwrap();
    let part = |part: &&Value| part["name"] == "vault";
    assert_eq!(ready["parts"].as_array().unwrap().iter().find(part).unwrap()["state"], "ready");

    let lines = serving.end();
    assert!(lines.iter().any(|line| line.contains("taken up from the vault: JWT_SECRET_KEY")));
    assert!(lines.iter().any(|line| line.contains("jwt-secret-key-previous")), "it is talkative");
    assert_untold(&lines, &[KEY, OTHER_KEY, "token-1", SECRET, &old, &new, &newest, PASSWORD]);
}

/// A process that the host has started, and which is not asked for its address.
struct UnderHost {
    url: String,
    serving: std::process::Child,
    client: Client,
}

impl UnderHost {
    fn start(command: &mut Command) -> Self {
        let port = free_port();
        let serving = command
            .env("FUNCTIONS_CUSTOMHANDLER_PORT", port.to_string())
            .env("RUST_LOG", "info")
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let began = Instant::now();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        while TcpStream::connect(address).is_err() {
            assert!(began.elapsed() < LISTENS_WITHIN, "CONTRACT 6.6");
            std::thread::sleep(Duration::from_millis(20));
        }
        // A connection for each request: a kept one may be closed while the next is on its way.
        let client = Client::builder().pool_max_idle_per_host(0).build().unwrap();
        Self { url: format!("http://{address}"), serving, client }
    }

    async fn status(&self, method: Method, path: &str) -> u16 {
        let request = self.client.request(method, format!("{}{path}", self.url));
        let request = request.bearer_auth("some.good.token").json(&json!({}));
        request.send().await.unwrap().status().as_u16()
    }
}

impl Drop for UnderHost {
    fn drop(&mut self) {
        let _ = self.serving.kill();
        let _ = self.serving.wait();
    }
}

/// The secrets are in the vault alone, and it is away: refused, silent, closed to the identity.
#[tokio::test(flavor = "multi_thread")]
async fn under_a_host_it_listens_without_the_vault_and_heals_when_it_is_there() {
    for kind in ["refused", "silent", "closed"] {
        let (folder, identity) = (TestFolder::new(), identity());
        let certificates = Arc::new(Certificates::make());
        let secrets = [("JWT_SECRET_KEY", KEY)];
        let vault = VaultStub::start_at(free_port(), &certificates, &secrets);
        let (vault, mut command) = match kind {
            "refused" => {
                let mut command = beside(&folder, &vault, &identity);
                let port = free_port();
                command.env("KEY_VAULT_URL", format!("https://localhost:{port}/"));
                (Err(port), command)
            }
            kind => {
                vault.say_of_all(Some(if kind == "silent" { Says::Silence } else { CLOSED }));
                let command = beside(&folder, &vault, &identity);
                (Ok(vault), command)
            }
        };
        let mut app = UnderHost::start(&mut command);
        for (method, path, status) in [
            (Method::GET, "/", 200),
            (Method::GET, "/health", 200),
            (Method::GET, "/products", 503),
            (Method::GET, "/products/B1", 503),
            (Method::GET, "/me", 503),
            (Method::DELETE, "/products/B1", 503),
            (Method::GET, "/nowhere", 404),
            (Method::GET, "/products?limit=0", 400),
        ] {
            assert_eq!(app.status(method, path).await, status, "{kind}: {path}");
        }
        let login = app.client.post(format!("{}/login", app.url));
        let login =
            login.json(&json!({"email": EMAIL, "password": PASSWORD})).send().await.unwrap();
        assert_eq!(login.status(), 503, "{kind}");
        assert!(login.headers().contains_key("retry-after"));
        let ready = app.client.get(format!("{}/health/ready", app.url)).send().await.unwrap();
        assert_eq!(ready.status(), 503);
        let ready: Value = ready.json().await.unwrap();
        assert!(ready["parts"].as_array().unwrap().iter().any(|part| part["name"] == "vault"));
        assert!(!folder.data.token_key().exists(), "no key of its own is made meanwhile");

        let reset = app.client.post(format!("{}/password/reset", app.url));
        let reset = reset.json(&json!({"email": EMAIL})).send().await.unwrap();
        assert_eq!(reset.status(), 503, "nobody would write to anybody");
        // Told no, the host would put an upload aside within a second.
        let upload = json!({
            "Data": { "blob": "YXNpbix0aXRsZSxjYXRlZ29yeV9pZApCMSxBIGxhbXAsMQo=" },
            "Metadata": { "Uri": "https://account.blob.core.windows.net/imports/x.csv" }
        });
        let invoke = |function: &str| {
            app.client.post(format!("{}/{function}", app.url)).json(&upload).send()
        };
        let held = tokio::spawn(invoke("ImportBlob"));
        let queued = tokio::spawn(invoke("ImportQueue"));

        let healed = match vault {
            Ok(vault) => {
                vault.say_of_all(None);
                vault
            }
            Err(port) => VaultStub::start_at(port, &certificates, &secrets),
        };
        until("it is healed", async || {
            (app.status(Method::GET, "/products").await == 200).then_some(())
        })
        .await;
        assert_eq!(app.status(Method::GET, "/me").await, 401, "{kind}: the key is known");
        for held in [held, queued] {
            assert_eq!(held.await.unwrap().unwrap().status(), 503, "{kind}: to be delivered again");
        }
        let again = invoke("ImportBlob").await.unwrap();
        assert_eq!(again.status(), 200, "{kind}");
        assert!(again.text().await.unwrap().contains("is imported, read 1"), "{kind}");
        assert!(app.serving.try_wait().unwrap().is_none(), "{kind}: it is the same process");
        assert!(!folder.data.token_key().exists(), "{kind}: the vault's key signs");
        drop(healed);
    }
}

/// What the vault holds decides what a process on its own is, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_ends_the_process_and_is_named() {
    let (folder, identity) = (TestFolder::new(), identity());
    let vault = VaultStub::start(&[("JWT_SECRET_KEY", "hunter2-hunter2")]);
    for arguments in [&["serve"][..], &["migrate"], &["user", "grant", "a@b.example"]] {
        let output = run(beside(&folder, &vault, &identity).args(arguments));
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let said = stderr(&output);
        assert!(said.contains("JWT_SECRET_KEY: must have at least 32 bytes"), "{said}");
        let lines: Vec<_> =
            format!("{said}{}", stdout(&output)).lines().map(str::to_owned).collect();
        assert_untold(&lines, &["hunter2", "token-1"]);
    }
}

#[test]
fn a_vault_that_is_none_is_refused_by_name() {
    let folder = TestFolder::new();
    for (url, production) in [
        ("shop", false),
        ("http://shop.vault.azure.net", false),
        ("https://shop.vault.azure.net.evil.example", false),
        ("https://evil.example", false),
        ("https://localhost:8443", true),
    ] {
        let mut command = handler(folder.data.path());
        command.arg("serve").env("KEY_VAULT_URL", url).env("VITRINE_EMBEDDED", "true");
        if production {
            command.env("WEBSITE_SITE_NAME", "shop");
        }
        let output = run(&mut command);
        assert_eq!(output.status.code(), Some(2), "{url}");
        let said = stderr(&output);
        assert!(
            said.contains("handler: KEY_VAULT_URL: must") && said.lines().count() == 1,
            "{said}"
        );
    }
    // What needs no secret is looked at before anybody is asked.
    let mut command = handler(folder.data.path());
    command.env("KEY_VAULT_URL", "https://localhost:1").env("CACHE_STALENESS_MS", "1");
    let output = run(&mut command);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("CACHE_STALENESS_MS"), "{}", stderr(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_tells_of_the_vault_and_of_no_secret() {
    let (folder, identity) = (TestFolder::new(), identity());
    let thief = VaultStub::start(&[("JWT_SECRET_KEY", KEY)]);
    let vault =
        VaultStub::start(&[("JWT_SECRET_KEY", KEY), ("JWT_SECRET_KEY_PREVIOUS", OTHER_KEY)]);
    vault.say("SQL_PASSWORD", DISABLED);
    let doctor = |line: &str, code: i32| {
        let output = run(beside(&folder, &vault, &identity).env("RUST_LOG", "trace").arg("doctor"));
        let said = format!("{}{}", stdout(&output), stderr(&output));
        let told = said.lines().find(|line| line.starts_with("vault ")).unwrap();
        assert!(told.contains(line), "{said}");
        assert_eq!(output.status.code(), Some(code), "{said}");
        let lines: Vec<_> = said.lines().map(str::to_owned).collect();
        assert_untold(&lines, &[KEY, OTHER_KEY, "token-1", SECRET]);
        said
    };
    let said = doctor("ok", 0);
    assert!(said.contains("2 secrets found") && said.contains("sql-password: it is disabled"));
    assert!(said.contains("signed with JWT_SECRET_KEY"), "{said}");
    vault.say_of_all(Some(CLOSED));
    doctor("FAILED  https://localhost", 1);
    doctor("403 ForbiddenByRbac", 1);
    vault.say_of_all(Some(Says::Body("hunter2")));
    assert!(!doctor("its answer cannot be read", 1).contains("hunter2"));
    // By the SDK's own client.
    vault.say_of_all(Some(Says::Redirect(format!("{}secrets/jwt-secret-key", thief.url()))));
    doctor("it answers 302", 1);
    assert_eq!(thief.asked(), [], "nobody is sent on with the token");
    vault.want_token_for("https://management.azure.com");
    doctor("a token that is not for vaults", 1);
}

/// A command has the vault's secrets as well, and says so where it cannot.
#[tokio::test(flavor = "multi_thread")]
async fn commands_have_the_secrets_of_the_vault() {
    let (folder, identity) = (TestFolder::new(), identity());
    let vault = VaultStub::start(&[("SQL_SERVER", "127.0.0.1,1"), ("SQL_DATABASE", "shop")]);
    vault.put("SQL_USERNAME", "ann");
    vault.put("SQL_PASSWORD", "hunter2-hunter2");
    let file = folder.file("a.csv", products(&[&row("B1", "A lamp", "1", 1)]));
    let output = run(beside(&folder, &vault, &identity).arg("import").arg(&file));
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let lines: Vec<_> =
        format!("{}{}", stdout(&output), stderr(&output)).lines().map(str::to_owned).collect();
    assert!(!folder.data.database().exists(), "not into an embedded database");
    assert_untold(&lines, &["hunter2-hunter2", "token-1"]);
}
