//! Nothing that is secret is ever written down: what the real binary says on both of its
//! outputs, at its most talkative, is searched for every secret that went through it.

use std::process::Command;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::TestFolder;
use crate::support::google::{Google, HANG_UP, Reply, refusal};
use crate::support::process::{Serving, handler, run, stderr, stdout};

const KEY: &str = "a-signing-key-that-nobody-may-see-0123456789";
const PREVIOUS: &str = "the-key-before-it-that-nobody-may-see-either";
const API_KEY: &str = "AIza-the-key-of-the-project";
const PASSWORD: &str = "Hunter2!Hunter2";
const WRONG: &str = "Wrong-Hunter3!";
const EMAIL: &str = "boss@shop.example";

fn talkative(folder: &TestFolder) -> Command {
    let mut command = handler(folder.data.path());
    command
        .env("RUST_LOG", "trace")
        .env("ADMIN_EMAILS", EMAIL)
        .env("JWT_SECRET_KEY", KEY)
        .env("JWT_SECRET_KEY_PREVIOUS", PREVIOUS);
    command
}

async fn send(
    serving: &Serving,
    method: Method,
    path: &str,
    token: &str,
    body: &Value,
) -> (u16, Value) {
    let request = serving.client.request(method, format!("{}{path}", serving.url));
    let request = request.header("authorization", format!("Bearer {token}")).json(body);
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap_or_default())
}

async fn post(serving: &Serving, path: &str, body: Value) -> (u16, Value) {
    let request = serving.client.post(format!("{}{path}", serving.url)).json(&body);
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap_or_default())
}

fn form() -> Value {
    json!({"email": EMAIL, "password": PASSWORD, "firstName": "B", "lastName": "Oss"})
}

fn credentials(password: &str) -> Value {
    json!({"email": EMAIL, "password": password})
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn assert_untold(lines: &[String], secrets: &[String]) {
    for secret in secrets {
        assert!(secret.len() > 8, "what is short is found by accident");
        let told = lines.iter().find(|line| line.contains(secret.as_str()));
        assert_eq!(told, None, "{secret}");
    }
}

fn count(lines: &[String], text: &str) -> usize {
    lines.iter().filter(|line| line.contains(text)).count()
}

#[tokio::test]
async fn no_log_line_holds_a_secret() {
    let folder = TestFolder::new();
    let serving = Serving::start_by(&mut talkative(&folder));
    assert_eq!(post(&serving, "/signup", form()).await.0, 201);
    assert_eq!(post(&serving, "/signup", form()).await.0, 409);
    let (_, signed_in) = post(&serving, "/login", credentials(PASSWORD)).await;
    assert_eq!(post(&serving, "/login", credentials(WRONG)).await.0, 401);
    let (token, refresh) = (text(&signed_in["idToken"]), text(&signed_in["refreshToken"]));
    let (_, next) = post(&serving, "/login/refresh", json!({"refreshToken": refresh})).await;
    let twice = post(&serving, "/login/refresh", json!({"refreshToken": refresh})).await;
    assert_eq!(twice.0, 401);
    post(&serving, "/password/reset", json!({"email": EMAIL})).await;
    let lamp = json!({"asin": "B1", "title": "A lamp", "category_id": 1});
    for (method, path) in [
        (Method::GET, "/me"),
        (Method::GET, "/users"),
        (Method::GET, "/stats"),
        (Method::POST, "/products"),
        (Method::GET, "/products?code=platform-key-of-the-host&clientId=another-key"),
        (Method::POST, "/logout"),
    ] {
        assert!(send(&serving, method, path, &token, &lamp).await.0 < 400, "{path}");
    }
    send(&serving, Method::GET, "/me", "forged.token.value", &lamp).await;
    let db = rusqlite::Connection::open(folder.data.database()).unwrap();
    let hash: String = db.query_row("SELECT hash FROM passwords", [], |row| row.get(0)).unwrap();
    // What fails tells most.
    db.execute_batch("ALTER TABLE passwords RENAME TO p; ALTER TABLE sessions RENAME TO s")
        .unwrap();
    let broken = [
        post(&serving, "/login", credentials(PASSWORD)).await.0,
        post(&serving, "/login/refresh", json!({"refreshToken": next["refreshToken"]})).await.0,
        send(&serving, Method::POST, "/logout", &token, &json!({})).await.0,
    ];
    assert!(broken.iter().all(|status| *status >= 500), "{broken:?}");
    let lines = serving.end();
    assert_eq!(count(&lines, "request failed"), broken.len(), "{lines:#?}");
    assert_eq!(count(&lines, "a refresh token was used twice"), 1);
    let secrets = [
        KEY.to_owned(),
        PREVIOUS.to_owned(),
        PASSWORD.to_owned(),
        WRONG.to_owned(),
        token,
        refresh,
        text(&next["idToken"]),
        text(&next["refreshToken"]),
        hash,
        "forged.token.value".to_owned(),
        "platform-key-of-the-host".to_owned(),
    ];
    assert_untold(&lines, &secrets);
}

/// Google as an echo on a bad day: whatever it is told it sends back, or nothing at all.
#[tokio::test]
async fn no_log_line_holds_a_secret_of_firebase() {
    let mut asked_so_far = 0;
    let google = Google::that(move |asked| {
        asked_so_far += 1;
        let echo = format!("{} {:?} {}", asked.line, asked.authorization, asked.body);
        match asked_so_far % 3 {
            0 => HANG_UP,
            1 => refusal(503, &echo),
            _ => Reply::Json(400, json!({ "error": { "message": echo, "status": echo } })),
        }
    })
    .await;
    let folder = TestFolder::new();
    let serving = Serving::start_by(
        talkative(&folder)
            .env("RATE_LIMITS", "off")
            .env("FIREBASE_API_KEY", API_KEY)
            .env("FIREBASE_PROJECT_ID", "demo-vitrine")
            .env("FIREBASE_AUTH_EMULATOR_HOST", google.url.trim_start_matches("http://")),
    );
    let mut failed = 0;
    for i in 0..6 {
        let mut form = form();
        form["email"] = json!(format!("u{i}@shop.example"));
        failed += usize::from(post(&serving, "/signup", form).await.0 == 503);
        failed += usize::from(post(&serving, "/login", credentials(PASSWORD)).await.0 == 503);
        let reset = post(&serving, "/password/reset", json!({"email": EMAIL})).await;
        assert_eq!(reset.0, 202);
    }
    assert!(failed > 6, "{failed}");
    let connections = google.asked().len();
    let lines = serving.end();
    assert_eq!(count(&lines, "request failed"), failed);
    let address = google.url.trim_start_matches("http://");
    assert!(count(&lines, address) >= connections.min(10), "at trace each connection is told");
    assert_untold(&lines, &[KEY, PREVIOUS, PASSWORD, API_KEY, "?key=AIza"].map(str::to_owned));
}

/// The new password is shown once, on stdout; nothing else is, whatever is logged.
#[tokio::test]
async fn the_operator_is_shown_the_new_password_and_no_other_secret() {
    let folder = TestFolder::new();
    let serving = Serving::start_by(&mut talkative(&folder));
    assert_eq!(post(&serving, "/signup", form()).await.0, 201);
    let hash = || -> String {
        let db = rusqlite::Connection::open(folder.data.database()).unwrap();
        db.query_row("SELECT hash FROM passwords", [], |row| row.get(0)).unwrap()
    };
    let old = hash();
    let output = run(talkative(&folder).args(["user", "reset-password", EMAIL]));
    assert!(output.status.success(), "{}", stderr(&output));
    let (said, complained) = (stdout(&output), stderr(&output));
    let new = said.lines().find(|line| line.contains("the new password is")).unwrap();
    let new = new.rsplit(' ').next().unwrap().to_owned();
    assert_eq!(said.matches(&new).count(), 1, "{said}");
    let mut secrets = [KEY, PREVIOUS, PASSWORD].map(str::to_owned).to_vec();
    secrets.extend([old, hash()]);
    let lines: Vec<_> = said.lines().map(str::to_owned).collect();
    assert_untold(&lines, &secrets);
    secrets.push(new);
    assert_untold(&[complained], &secrets);
    assert_untold(&serving.end(), &secrets);
}
