//! Signing up, in and out over HTTP, and every way in that must be closed.

use std::time::Duration;

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use vitrine::clock::Clock;
use vitrine::identity::own_key;
use vitrine::identity::token::Tokens;
use vitrine::store::Store as _;
use vitrine::store::users::Users as _;

use crate::support::TestFolder;
use crate::support::app::TestApp;

const ADMIN: &str = "boss@shop.example";
const EMAIL: &str = "ann@shop.example";
const PASSWORD: &str = "Secret1!";

async fn app() -> TestApp {
    TestApp::start_with(TestFolder::new(), |settings| {
        settings.people.admins = vec![ADMIN.to_owned()];
        settings.people.are_limited = false;
    })
    .await
}

async fn send(
    app: &TestApp,
    method: Method,
    path: &str,
    token: Option<&str>,
    body: Option<Value>,
) -> Response {
    let mut request = app.client.request(method, format!("{}{path}", app.url));
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    if let Some(body) = body {
        request = request.json(&body);
    }
    request.send().await.unwrap()
}

async fn post(app: &TestApp, path: &str, body: Value) -> Response {
    send(app, Method::POST, path, None, Some(body)).await
}

fn form(email: &str) -> Value {
    json!({"email": email, "password": PASSWORD, "firstName": "Ann", "lastName": "Lee"})
}

async fn body(response: Response, status: u16) -> Value {
    let (given, url) = (response.status().as_u16(), response.url().clone());
    assert_eq!(response.headers()["cache-control"], "no-store", "{url}");
    let text = response.text().await.unwrap();
    assert_eq!(given, status, "{url}: {text}");
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

async fn problem(response: Response, status: u16, word: &str) -> Value {
    let problem = body(response, status).await;
    assert_eq!(problem["type"], format!("/problems/{word}"), "{problem}");
    problem
}

async fn login(app: &TestApp, email: &str) -> Value {
    body(post(app, "/login", json!({"email": email, "password": PASSWORD})).await, 200).await
}

/// Signs somebody up and in; gives the id and the tokens.
async fn somebody(app: &TestApp, email: &str) -> (String, Value) {
    let made = body(post(app, "/signup", form(email)).await, 201).await;
    assert_eq!(made["email"], email);
    (made["user_id"].as_str().unwrap().to_owned(), login(app, email).await)
}

fn token(signed_in: &Value) -> &str {
    signed_in["idToken"].as_str().unwrap()
}

#[tokio::test]
async fn somebody_signs_up_in_and_out() {
    let app = app().await;
    let (id, signed_in) = somebody(&app, EMAIL).await;
    assert_eq!(signed_in["expiresIn"], 3_600);
    let me = body(send(&app, Method::GET, "/me", Some(token(&signed_in)), None).await, 200).await;
    assert_eq!(
        me,
        json!({"user_id": id, "email": EMAIL, "firstName": "Ann", "lastName": "Lee",
            "active": true, "admin": false})
    );
    let refresh = json!({"refreshToken": signed_in["refreshToken"]});
    let next = body(post(&app, "/login/refresh", refresh.clone()).await, 200).await;
    assert_ne!(next["refreshToken"], signed_in["refreshToken"]);
    let out = send(&app, Method::POST, "/logout", Some(token(&next)), None).await;
    assert_eq!(out.status(), StatusCode::NO_CONTENT);
    let ended = json!({"refreshToken": next["refreshToken"]});
    problem(post(&app, "/login/refresh", ended).await, 401, "login-failed").await;
    problem(post(&app, "/login/refresh", refresh).await, 401, "login-failed").await;
}

#[tokio::test]
async fn every_field_that_is_wrong_is_named() {
    let app = app().await;
    let wrong = json!({"email": "x", "password": "short", "firstName": "", "lastName": 7, "x": 1});
    let told = problem(post(&app, "/signup", wrong).await, 422, "invalid-field").await;
    let mut fields: Vec<_> =
        told["errors"].as_array().unwrap().iter().map(|e| e["field"].as_str().unwrap()).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["email", "firstName", "lastName", "password", "x"]);
    assert!(!told.to_string().contains("short"), "a password is not sent back");
    let nothing = problem(post(&app, "/signup", json!({})).await, 422, "invalid-field").await;
    assert_eq!(nothing["errors"].as_array().unwrap().len(), 4);
    for path in ["/signup", "/login", "/login/refresh", "/password/reset"] {
        let url = format!("{}{path}", app.url);
        let json = |text: &'static str| {
            app.client.post(&url).header("content-type", "application/json").body(text).send()
        };
        for text in ["", "{", "[]", "nonsense", "\"x\""] {
            assert_eq!(json(text).await.unwrap().status(), 400, "{path} {text}");
        }
        let plain = app.client.post(&url).body("{}").send().await.unwrap();
        assert_eq!(plain.status(), 415, "{path}");
        let large = format!("{{\"email\":\"{}\"}}", "x".repeat(1_100_000));
        let large = app.client.post(&url).header("content-type", "application/json").body(large);
        if let Ok(refused) = large.send().await {
            assert_eq!(refused.status(), 413, "{path}");
        }
        let other = if app.is_through_host() { 404 } else { 405 };
        assert_eq!(app.get(path).await.status(), other, "{path}");
    }
}

/// The worst defect of what this replaces: whoever asked was an administrator.
#[tokio::test]
async fn nobody_makes_an_administrator_of_themselves() {
    let app = app().await;
    let (_, boss) = somebody(&app, ADMIN).await;
    let (_, ann) = somebody(&app, EMAIL).await;
    let mut asks = form("eve@shop.example");
    asks["admin"] = json!(true);
    problem(post(&app, "/signup", asks.clone()).await, 403, "forbidden").await;
    let as_ann = send(&app, Method::POST, "/signup", Some(token(&ann)), Some(asks.clone())).await;
    problem(as_ann, 403, "forbidden").await;
    let rubbish = send(&app, Method::POST, "/signup", Some("x.y.z"), Some(asks.clone())).await;
    problem(rubbish, 401, "unauthorized").await;
    // What only looks like it: other spellings are fields that there are not.
    for (field, value) in [("Admin", json!(true)), ("isAdmin", json!(1)), ("role", json!("admin"))]
    {
        let mut odd = form("eve@shop.example");
        odd[field] = value;
        problem(post(&app, "/signup", odd).await, 422, "invalid-field").await;
    }
    let mut as_text = form("eve@shop.example");
    as_text["admin"] = json!("true");
    problem(post(&app, "/signup", as_text).await, 422, "invalid-field").await;
    let by_boss = send(&app, Method::POST, "/signup", Some(token(&boss)), Some(asks)).await;
    body(by_boss, 201).await;
    let eve = login(&app, "eve@shop.example").await;
    let listed = send(&app, Method::GET, "/users", Some(token(&eve)), None).await;
    assert_eq!(body(listed, 200).await.as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn what_is_for_administrators_is_for_nobody_else() {
    let app = app().await;
    let (id, ann) = somebody(&app, EMAIL).await;
    let product = json!({"asin": "B1", "title": "A lamp", "category_id": 1});
    for (method, path, sent) in [
        (Method::GET, "/users".to_owned(), None),
        (Method::GET, "/stats".to_owned(), None),
        (Method::PATCH, format!("/users/{id}"), Some(json!({"admin": true}))),
        (Method::POST, "/products".to_owned(), Some(product.clone())),
        (Method::PUT, "/products/B1".to_owned(), Some(product)),
        (Method::PATCH, "/products/B1".to_owned(), Some(json!({"title": "x"}))),
        (Method::DELETE, "/products/B1".to_owned(), None),
    ] {
        let nobody = send(&app, method.clone(), &path, None, sent.clone()).await;
        assert_eq!(nobody.headers()["www-authenticate"], "Bearer", "{path}");
        problem(nobody, 401, "unauthorized").await;
        let ann = send(&app, method, &path, Some(token(&ann)), sent).await;
        problem(ann, 403, "forbidden").await;
    }
    for path in ["/me", "/logout"] {
        let method = if path == "/me" { Method::GET } else { Method::POST };
        problem(send(&app, method, path, None, None).await, 401, "unauthorized").await;
    }
}

/// The token still says that she administers; the database says that she does not.
#[tokio::test]
async fn a_right_that_was_taken_away_is_gone_at_once() {
    let app = app().await;
    let (_, boss) = somebody(&app, ADMIN).await;
    let (id, _) = somebody(&app, EMAIL).await;
    let change = |sent: Value| {
        send(
            &app,
            Method::PATCH,
            Box::leak(format!("/users/{id}").into_boxed_str()),
            Some(token(&boss)),
            Some(sent),
        )
    };
    assert_eq!(body(change(json!({"admin": true})).await, 200).await["admin"], true);
    let ann = login(&app, EMAIL).await;
    let users = || send(&app, Method::GET, "/users", Some(token(&ann)), None);
    body(users().await, 200).await;
    body(change(json!({"admin": false})).await, 200).await;
    problem(users().await, 403, "forbidden").await;
    body(change(json!({"admin": true, "active": false})).await, 200).await;
    problem(users().await, 403, "forbidden").await;
    let tried = post(&app, "/login", json!({"email": EMAIL, "password": PASSWORD})).await;
    let inactive = problem(tried, 401, "login-failed").await;
    let tried = post(&app, "/login", json!({"email": EMAIL, "password": "Wrong11!"})).await;
    let wrong = problem(tried, 401, "login-failed").await;
    let unknown = post(&app, "/login", json!({"email": "no@shop.example", "password": "x"})).await;
    assert_eq!(inactive, wrong, "a login that fails says the same whatever the reason");
    assert_eq!(problem(unknown, 401, "login-failed").await, wrong);
}

/// Another process changes the rights: this one notices within its bound.
#[tokio::test]
async fn a_right_that_was_taken_away_elsewhere_is_gone_within_the_bound() {
    let app = app().await;
    let (_, boss) = somebody(&app, ADMIN).await;
    let (id, _) = somebody(&app, EMAIL).await;
    let elsewhere = app.folder.store();
    let change = |admin| {
        let change = vitrine::store::users::RightsChange {
            admin: Some(admin),
            ..vitrine::store::users::RightsChange::default()
        };
        let boss_id = body_id(&boss);
        let (elsewhere, id) = (std::sync::Arc::clone(&elsewhere), id.clone());
        async move {
            let target = if admin { id } else { boss_id };
            elsewhere.change_rights(target.parse().unwrap(), change).await.unwrap();
        }
    };
    let users = || send(&app, Method::GET, "/users", Some(token(&boss)), None);
    body(users().await, 200).await;
    change(true).await;
    change(false).await;
    let changed = std::time::Instant::now();
    loop {
        let asked = std::time::Instant::now();
        if users().await.status() == StatusCode::FORBIDDEN {
            break;
        }
        assert!(asked - changed < Duration::from_secs(1), "older than the bound");
    }
    assert!(elsewhere.is_unused().await.is_ok());
}

/// The id in a token, which is no secret.
fn body_id(signed_in: &Value) -> String {
    use base64::Engine as _;
    let part = token(signed_in).split('.').nth(1).unwrap();
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    claims["sub"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_last_administrator_stays_one() {
    let app = app().await;
    let (id, boss) = somebody(&app, ADMIN).await;
    for sent in [json!({"admin": false}), json!({"active": false})] {
        let path = format!("/users/{id}");
        let refused = send(&app, Method::PATCH, &path, Some(token(&boss)), Some(sent)).await;
        problem(refused, 409, "last-administrator").await;
    }
    for id in ["nobody", "00000000-0000-0000-0000-000000000000"] {
        let path = format!("/users/{id}");
        let sent = Some(json!({"admin": true}));
        let unknown = send(&app, Method::PATCH, &path, Some(token(&boss)), sent).await;
        problem(unknown, 404, "no-such-user").await;
    }
}

#[tokio::test]
async fn users_are_listed_by_pages() {
    let app = app().await;
    let (_, boss) = somebody(&app, ADMIN).await;
    for i in 0..4 {
        body(post(&app, "/signup", form(&format!("u{i}@shop.example"))).await, 201).await;
    }
    let mut path = "/users?limit=2".to_owned();
    let mut emails = Vec::new();
    loop {
        let page = send(&app, Method::GET, &path, Some(token(&boss)), None).await;
        let link = page.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
        for user in body(page, 200).await.as_array().unwrap() {
            emails.push(user["email"].as_str().unwrap().to_owned());
        }
        let Some(link) = link else { break };
        link[1..].split('>').next().unwrap().clone_into(&mut path);
    }
    emails.sort();
    emails.dedup();
    assert_eq!(emails.len(), 5);
    for query in ["?limit=0", "?cursor=x", "?limit=1&limit=2", "?colour=red"] {
        let path = format!("/users{query}");
        let refused = send(&app, Method::GET, &path, Some(token(&boss)), None).await;
        problem(refused, 400, "invalid-parameter").await;
    }
}

#[tokio::test]
async fn an_address_is_taken_once_and_a_reset_tells_nothing() {
    let app = app().await;
    somebody(&app, EMAIL).await;
    problem(post(&app, "/signup", form("ANN@shop.example")).await, 409, "email-taken").await;
    let known = body(post(&app, "/password/reset", json!({"email": EMAIL})).await, 202).await;
    let unknown = json!({"email": "no@shop.example"});
    assert_eq!(body(post(&app, "/password/reset", unknown).await, 202).await, known);
}

#[tokio::test]
async fn too_many_attempts_are_refused_for_a_while() {
    let app = TestApp::start_with(TestFolder::new(), |_| {}).await;
    let tries = json!({"email": EMAIL, "password": PASSWORD});
    let mut refused = None;
    for _ in 0..40 {
        let answer = post(&app, "/login", tries.clone()).await;
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            refused = Some(answer);
            break;
        }
        problem(answer, 401, "login-failed").await;
    }
    let refused = refused.expect("the account is tried too often");
    let seconds: u32 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds));
    problem(refused, 429, "too-many-attempts").await;
    assert_eq!(app.get("/products").await.status(), StatusCode::OK, "nobody else is kept out");
}

/// Whoever changes their own address with each try is told by what they try.
#[tokio::test]
async fn an_account_is_tried_only_so_often_from_everywhere_together() {
    let app = TestApp::start_with(TestFolder::new(), |settings| {
        settings.people.proxy_header = Some("x-forwarded-for".parse().unwrap());
    })
    .await;
    let from = std::cell::Cell::new(0_u32);
    let post = async |path: &str, body: &Value| {
        from.set(from.get() + 1);
        let address = std::net::Ipv4Addr::from_bits(0x0A00_0000 + from.get());
        let request = app.client.post(format!("{}{path}", app.url)).json(body);
        request.header("x-forwarded-for", address.to_string()).send().await.unwrap()
    };
    let reset = json!({"email": EMAIL});
    for (path, body, tries, expected) in [
        ("/signup", form(EMAIL), 10, [201, 409]),
        ("/login", json!({"email": EMAIL, "password": "Wrong11!"}), 10, [401, 401]),
        ("/password/reset", reset, 3, [202, 202]),
    ] {
        for _ in 0..tries {
            let status = post(path, &body).await.status().as_u16();
            assert!(expected.contains(&status), "{path}: {status}");
        }
        problem(post(path, &body).await, 429, "too-many-attempts").await;
    }
    let bob = "bob@shop.example";
    body(post("/signup", &form(bob)).await, 201).await;
    let credentials = json!({"email": bob, "password": PASSWORD});
    let mut bob = body(post("/login", &credentials).await, 200).await;
    for _ in 0..10 {
        let refresh = json!({"refreshToken": bob["refreshToken"]});
        bob = body(post("/login/refresh", &refresh).await, 200).await;
    }
    let refresh = json!({"refreshToken": bob["refreshToken"]});
    problem(post("/login/refresh", &refresh).await, 429, "too-many-attempts").await;
}

#[tokio::test]
async fn administrators_see_what_happened() {
    let app = app().await;
    let (_, boss) = somebody(&app, ADMIN).await;
    for _ in 0..3 {
        assert_eq!(app.get("/products").await.status(), StatusCode::OK);
    }
    let stats = send(&app, Method::GET, "/stats", Some(token(&boss)), None).await;
    let stats = body(stats, 200).await;
    assert!(stats["totals"]["cache"]["hits"].as_u64().unwrap() >= 2, "{stats}");
    for name in ["loads_failed", "asks_failed", "deadlines_passed", "breaker_refusals", "busy"] {
        assert_eq!(stats["totals"]["cache"][name], 0, "{name}");
    }
    assert_eq!(stats["instances"][0]["breakers"]["database"], "closed");
    assert!(stats["instances"][0]["id"].is_string());
}

/// Under a host the process serves before its key can be kept, and takes to the kept one when
/// somebody has put the folder right: what it gave out until then counts on.
#[tokio::test]
async fn a_key_that_can_be_kept_late_is_used_from_then_on() {
    let folder = TestFolder::new();
    std::fs::write(folder.data.token_key(), "cut").unwrap();
    let app = TestApp::start_with(folder, |settings| {
        settings.under_host = true;
        settings.people.are_limited = false;
    })
    .await;
    let (_, before) = somebody(&app, EMAIL).await;
    std::fs::remove_file(app.folder.data.token_key()).unwrap();
    while !app.folder.data.token_key().exists() {
        body(send(&app, Method::GET, "/me", Some(token(&before)), None).await, 200).await;
    }
    let key = own_key::load_or_make(&app.folder.data.token_key()).unwrap();
    let kept = Tokens::new(&key, None, Clock::System);
    while kept.verify(token(&login(&app, EMAIL).await)).is_err() {}
    assert!(kept.verify(token(&before)).is_err());
    body(send(&app, Method::GET, "/me", Some(token(&before)), None).await, 200).await;
}
