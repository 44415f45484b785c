//! Nothing that is secret is ever written down: the logs of the real binary at their most
//! talkative are searched for every secret that went through it.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::TestFolder;
use crate::support::process::{Serving, handler};

const KEY: &str = "a-signing-key-that-nobody-may-see-0123456789";
const PREVIOUS: &str = "the-key-before-it-that-nobody-may-see-either";
const PASSWORD: &str = "Hunter2!Hunter2";

#[tokio::test]
async fn no_log_line_holds_a_secret() {
    let folder = TestFolder::new();
    let mut command = handler(folder.data.path());
    command
        .env("RUST_LOG", "trace")
        .env("ADMIN_EMAILS", "boss@shop.example")
        .env("JWT_SECRET_KEY", KEY)
        .env("JWT_SECRET_KEY_PREVIOUS", PREVIOUS);
    let serving = Serving::start_by(&mut command);
    let (client, url) = (serving.client.clone(), serving.url.clone());
    let send = |method: Method, path: &str, token: &str, body: Value| {
        let request = client.request(method, format!("{url}{path}"));
        request.header("authorization", format!("Bearer {token}")).json(&body).send()
    };
    let post = |path: &'static str, body: Value| {
        let request = client.post(format!("{url}{path}")).json(&body);
        async { request.send().await.unwrap().json::<Value>().await.unwrap_or_default() }
    };
    let form = json!({"email": "boss@shop.example", "password": PASSWORD, "firstName": "B",
        "lastName": "Oss"});
    post("/signup", form.clone()).await;
    post("/signup", form).await;
    let credentials = json!({"email": "boss@shop.example", "password": PASSWORD});
    let signed_in = post("/login", credentials).await;
    post("/login", json!({"email": "boss@shop.example", "password": "Wrong-Hunter3!"})).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (token, refresh) = (text(&signed_in["idToken"]), text(&signed_in["refreshToken"]));
    let next = post("/login/refresh", json!({"refreshToken": refresh})).await;
    post("/login/refresh", json!({"refreshToken": refresh})).await;
    post("/password/reset", json!({"email": "boss@shop.example"})).await;
    let lamp = json!({"asin": "B1", "title": "A lamp", "category_id": 1});
    for (method, path) in [
        (Method::GET, "/me"),
        (Method::GET, "/users"),
        (Method::GET, "/stats"),
        (Method::POST, "/products"),
        (Method::GET, "/products?code=platform-key-of-the-host&clientId=another-key"),
        (Method::POST, "/logout"),
    ] {
        send(method, path, &token, lamp.clone()).await.unwrap();
    }
    send(Method::GET, "/me", "forged.token.value", lamp).await.unwrap();
    let db = rusqlite::Connection::open(folder.data.database()).unwrap();
    let hash: String = db.query_row("SELECT hash FROM passwords", [], |row| row.get(0)).unwrap();
    let lines = serving.end();
    assert!(lines.len() > 10, "at trace it says a lot: {}", lines.len());
    let secrets = [
        KEY.to_owned(),
        PREVIOUS.to_owned(),
        PASSWORD.to_owned(),
        "Wrong-Hunter3!".to_owned(),
        token,
        refresh,
        text(&next["idToken"]),
        text(&next["refreshToken"]),
        hash,
        "forged.token.value".to_owned(),
        "platform-key-of-the-host".to_owned(),
    ];
    for secret in secrets {
        let told = lines.iter().find(|line| line.contains(&secret));
        assert_eq!(told, None, "{secret}");
    }
}
