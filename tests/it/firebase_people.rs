//! People whose accounts lie with Firebase: what happens there past us, and what of it must
//! never make somebody more here than they are.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::Method;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::net::TcpSocket;
use vitrine::clock::Clock;
use vitrine::identity::accounts::{AccountError, Accounts, SignUp};
use vitrine::identity::firebase::{Config, Firebase, Reach};
use vitrine::identity::token::Tokens;
use vitrine::store::Store;
use vitrine::store::users::Rights;

use super::contract_identity::{emulated, wish};
use crate::support::app::TestApp;
use crate::support::firebase_project::Project;
use crate::support::{SOME_DAY, TestFolder};

const BOSS: &str = "boss@shop.example";
const ANN: &str = "ann@shop.example";
const PASSWORD: &str = "Secret1!";
const OTHER: &str = "Secret2!";

async fn app(project: &Project) -> TestApp {
    TestApp::start_with(TestFolder::new(), |settings| {
        settings.people.admins = vec![BOSS.to_owned()];
        settings.people.are_limited = false;
        settings.people.firebase = Some(project.config());
    })
    .await
}

/// The status and the body of an answer.
async fn send(
    app: &TestApp,
    method: Method,
    path: &str,
    token: &str,
    body: Option<Value>,
) -> (u16, Value) {
    let mut request = app.client.request(method, format!("{}{path}", app.url));
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    if let Some(body) = body {
        request = request.json(&body);
    }
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap_or_default())
}

async fn get(app: &TestApp, path: &str, token: &str) -> (u16, Value) {
    send(app, Method::GET, path, token, None).await
}

async fn post(app: &TestApp, path: &str, body: Value) -> (u16, Value) {
    send(app, Method::POST, path, "", Some(body)).await
}

fn form(email: &str) -> Value {
    json!({"email": email, "password": PASSWORD, "firstName": "Ann", "lastName": "Lee"})
}

async fn login(app: &TestApp, email: &str, password: &str) -> (u16, Value) {
    post(app, "/login", json!({"email": email, "password": password})).await
}

async fn refresh(app: &TestApp, signed_in: &Value) -> (u16, Value) {
    post(app, "/login/refresh", json!({"refreshToken": signed_in["refreshToken"]})).await
}

fn token(signed_in: &Value) -> &str {
    signed_in["idToken"].as_str().unwrap()
}

/// Signs the listed administrator up, verified, and in.
async fn boss(app: &TestApp, project: &Project) -> Value {
    assert_eq!(post(app, "/signup", form(BOSS)).await.0, 201);
    project.change(BOSS, |account| account.is_verified = true);
    let (status, boss) = login(app, BOSS, PASSWORD).await;
    assert_eq!((status, get(app, "/users", token(&boss)).await.0), (200, 200));
    boss
}

/// The stranger keeps both tokens of the time when the address was nobody's. With them they
/// would administer as soon as the owner does.
#[tokio::test]
async fn a_stranger_who_took_a_listed_address_is_out_once_its_owner_proves_it() {
    let project = Project::start().await;
    let app = app(&project).await;
    assert_eq!(post(&app, "/signup", form(BOSS)).await.0, 201);
    let (_, strangers) = login(&app, BOSS, PASSWORD).await;
    assert_eq!(get(&app, "/me", token(&strangers)).await.0, 200);
    assert_eq!(get(&app, "/users", token(&strangers)).await.0, 403);

    project.change(BOSS, |account| {
        account.password = OTHER.to_owned();
        account.is_verified = true;
    });
    let (_, owners) = login(&app, BOSS, OTHER).await;
    assert_eq!(get(&app, "/users", token(&owners)).await.0, 200, "administers at once");
    for path in ["/me", "/users"] {
        assert_eq!(get(&app, path, token(&strangers)).await.0, 401, "{path}");
    }
    assert_eq!(refresh(&app, &strangers).await.0, 401);
    let (status, next) = refresh(&app, &owners).await;
    assert_eq!((status, get(&app, "/users", token(&next)).await.0), (200, 200));
    let (_, again) = login(&app, BOSS, OTHER).await;
    assert_eq!(get(&app, "/users", token(&again)).await.0, 200);
    assert_eq!(get(&app, "/users", token(&owners)).await.0, 200, "it ends tokens only once");
}

/// The invitation waits for an account that we call what we want; a stranger's is another one.
#[tokio::test]
async fn an_invitation_is_not_given_to_a_stranger_who_took_its_address() {
    let project = Project::start().await;
    let app = app(&project).await;
    let boss = boss(&app, &project).await;
    let mut invitation = form(ANN);
    invitation["admin"] = json!(true);
    project.is_away(true);
    let (status, _) =
        send(&app, Method::POST, "/signup", token(&boss), Some(invitation.clone())).await;
    assert_eq!(status, 503);
    project.is_away(false);
    project.register(ANN, OTHER);
    for is_verified in [false, true] {
        project.change(ANN, |account| account.is_verified = is_verified);
        assert_eq!(login(&app, ANN, OTHER).await.0, 401, "{is_verified}");
    }
    let (_, users) = get(&app, "/users", token(&boss)).await;
    assert_eq!(users.as_array().unwrap().len(), 1, "{users}");
}

#[tokio::test]
async fn what_ends_sessions_at_firebase_ends_them_here() {
    let project = Project::start().await;
    let app = app(&project).await;
    assert_eq!(post(&app, "/signup", form(ANN)).await.0, 201);
    let (_, signed_in) = login(&app, ANN, PASSWORD).await;
    let (status, signed_in) = refresh(&app, &signed_in).await;
    assert_eq!(status, 200);

    project.change(ANN, |account| account.is_disabled = true);
    assert_eq!(refresh(&app, &signed_in).await.0, 401);
    project.change(ANN, |account| account.is_disabled = false);
    project.is_away(true);
    assert_eq!(refresh(&app, &signed_in).await.0, 503, "nobody can say");
    project.is_away(false);
    let (status, signed_in) = refresh(&app, &signed_in).await;
    assert_eq!(status, 200, "nothing was used up");

    let later = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(1);
    project.change(ANN, |account| account.valid_since = later.as_secs());
    assert_eq!(refresh(&app, &signed_in).await.0, 401, "tokens were called back");
    project.change(ANN, |account| {
        account.valid_since = 0;
        account.password_updated_at = later.as_millis() as u64;
    });
    assert_eq!(refresh(&app, &signed_in).await.0, 401, "the password is another one");
    project.change(ANN, |account| account.password_updated_at = 0);
    assert_eq!(refresh(&app, &signed_in).await.0, 200);
}

#[tokio::test]
async fn an_account_that_firebase_has_already_opens_once_its_address_is_proved() {
    let project = Project::start().await;
    let app = app(&project).await;
    for (email, name, names) in [
        (ANN, Some("Ann-Marie van der Lee <3"), ["Ann-Marie", "van der Lee"]),
        ("bob.b.ross99@shop.example", None, ["bob", "b ross"]),
        ("info@shop.example", None, ["info", "info"]),
        ("4711@shop.example", Some(""), ["User", "User"]),
    ] {
        project.register(email, PASSWORD);
        project.change(email, |account| account.name = name.map(str::to_owned));
        assert_eq!(login(&app, email, PASSWORD).await.0, 401, "{email}");
        assert_eq!(post(&app, "/signup", form(email)).await.0, 409, "{email}");
        project.change(email, |account| account.is_verified = true);
        let (status, signed_in) = login(&app, &email.to_uppercase(), PASSWORD).await;
        assert_eq!(status, 200, "{email}");
        let (_, me) = get(&app, "/me", token(&signed_in)).await;
        assert_eq!((&me["email"], &me["admin"]), (&json!(email), &json!(false)));
        assert_eq!([&me["firstName"], &me["lastName"]], names);
        let (_, again) = login(&app, email, PASSWORD).await;
        assert_eq!(get(&app, "/me", token(&again)).await.1, me, "it is made once");
    }
    project.register(BOSS, PASSWORD);
    project.change(BOSS, |account| account.is_verified = true);
    let (_, boss) = login(&app, BOSS, PASSWORD).await;
    assert_eq!(get(&app, "/users", token(&boss)).await.0, 200, "a listed one administers");
}

struct Place {
    accounts: Accounts,
    store: Arc<dyn Store>,
    clock: Clock,
    _folder: TestFolder,
}

fn place(firebase: Firebase) -> Place {
    let folder = TestFolder::new();
    let clock = Clock::standing_at(SOME_DAY);
    let store: Arc<dyn Store> = folder.store_at(clock.clone());
    let key = SecretString::from("a key of the tests, thirty-two bytes and more");
    let tokens = Arc::new(Tokens::new(&key, None, clock.clone()));
    let life = Duration::from_hours(24);
    let accounts = Accounts::new(Arc::clone(&store), Arc::new(firebase), tokens, &[], life);
    Place { accounts, store, clock, _folder: folder }
}

fn by_key(project: &Project) -> Place {
    let reach = project.google.reach();
    place(Firebase::at(&reach, &Project::by_key(), Clock::System).unwrap())
}

fn managed(config: &Config) -> Place {
    place(Firebase::new(config, Clock::System).unwrap())
}

fn sign_up(email: &str, admin: bool) -> SignUp {
    SignUp {
        email: email.to_owned(),
        password: SecretString::from(PASSWORD),
        first_name: "Ann".to_owned(),
        last_name: "Lee".to_owned(),
        rights: Rights { active: true, admin },
    }
}

/// Nothing can be looked up, so what is left of a sign-up goes by its age alone.
#[tokio::test]
async fn without_a_service_account_an_address_is_free_again_after_a_while() {
    let project = Project::start().await;
    let place = by_key(&project);
    project.is_away(true);
    let cut = place.accounts.sign_up(sign_up(ANN, false)).await;
    assert!(matches!(cut, Err(AccountError::Identity(_))));
    project.is_away(false);
    let taken = place.accounts.sign_up(sign_up(ANN, false)).await;
    assert!(matches!(taken, Err(AccountError::EmailTaken)), "it may still be under way");
    place.clock.turn(Duration::from_secs(61));
    place.accounts.heal().await.unwrap();
    assert!(place.store.user_by_email(ANN).await.unwrap().is_none());
    place.accounts.sign_up(sign_up(ANN, false)).await.unwrap();
    place.accounts.sign_in(ANN, &PASSWORD.into()).await.unwrap();
}

#[tokio::test]
async fn what_firebase_was_never_asked_leaves_nothing_behind() {
    // Bound but not listening: the port is ours, and connections to it are refused.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let host = socket.local_addr().unwrap().to_string();
    let project = Project::start().await;
    let away = Config { emulator_host: Some(host.clone()), ..project.config() };
    let reach = Reach { toolkit: format!("http://{host}"), ..Reach::google() };
    let by_key = place(Firebase::at(&reach, &Project::by_key(), Clock::System).unwrap());
    for place in [by_key, managed(&away)] {
        let cut = place.accounts.sign_up(sign_up(ANN, false)).await;
        assert!(matches!(cut, Err(AccountError::Identity(_))));
        assert!(place.store.user_by_email(ANN).await.unwrap().is_none());
    }
}

/// Whoever opens the address then may be anybody: they get what anybody gets.
#[tokio::test]
async fn without_a_service_account_only_a_proved_address_gets_an_invitations_rights() {
    for is_verified in [true, false] {
        let project = Project::start().await;
        let place = by_key(&project);
        project.is_away(true);
        assert!(place.accounts.sign_up(sign_up(ANN, true)).await.is_err());
        project.is_away(false);
        project.register(ANN, OTHER);
        project.change(ANN, |account| account.is_verified = is_verified);
        place.accounts.sign_in(ANN, &OTHER.into()).await.unwrap();
        let user = place.store.user_by_email(ANN).await.unwrap().unwrap();
        assert_eq!((user.is_pending, user.rights.admin), (false, is_verified));
    }
}

#[tokio::test]
async fn a_sign_up_that_cannot_be_healed_keeps_no_other_from_it() {
    let project = Project::start().await;
    let place = managed(&project.config());
    project.is_away(true);
    let mut emails: Vec<_> = (0..5).map(|i| format!("u{i}@shop.example")).collect();
    for email in &emails {
        assert!(place.accounts.sign_up(sign_up(email, false)).await.is_err());
    }
    project.is_away(false);
    let mut pending = Vec::new();
    for email in &emails {
        pending.push(place.store.user_by_email(email).await.unwrap().unwrap());
    }
    pending.sort_by_key(|user| user.id);
    project.hide(&pending[0].id.to_string());
    emails.retain(|email| *email != pending[0].email);
    place.clock.turn(Duration::from_secs(61));
    assert!(place.accounts.heal().await.is_err(), "it is told of");
    for email in &emails {
        assert!(place.store.user_by_email(email).await.unwrap().is_none(), "{email}");
    }
    assert!(place.store.user_by_email(&pending[0].email).await.unwrap().is_some());
}

/// The stand-in above shows what we do; the emulator, that it is what Firebase does.
#[tokio::test]
#[ignore = "needs TEST_FIREBASE_EMULATOR"]
async fn the_emulator_proves_an_address_and_ends_sessions_as_the_stand_in_does() {
    let config = emulated();
    let host = config.emulator_host.clone().unwrap();
    let email = wish().email;
    let app = TestApp::start_with(TestFolder::new(), |settings| {
        settings.people.admins = vec![email.clone()];
        settings.people.firebase = Some(config);
    })
    .await;
    let (_, made) = post(&app, "/signup", form(&email)).await;
    let update = format!(
        "http://{host}/identitytoolkit.googleapis.com/v1/projects/demo-vitrine/accounts:update"
    );
    let change = async |mut change: Value| {
        change["localId"] = made["user_id"].clone();
        let asked = app.client.post(&update).bearer_auth("owner").json(&change);
        assert_eq!(asked.send().await.unwrap().status(), 200);
    };
    let (_, strangers) = login(&app, &email, PASSWORD).await;
    assert_eq!(get(&app, "/me", token(&strangers)).await.0, 200);
    let (status, strangers) = refresh(&app, &strangers).await;
    assert_eq!((status, get(&app, "/users", token(&strangers)).await.0), (200, 403));

    change(json!({ "emailVerified": true, "password": OTHER })).await;
    assert_eq!(refresh(&app, &strangers).await.0, 401, "the password is another one");
    let (_, owners) = login(&app, &email, OTHER).await;
    assert_eq!(get(&app, "/users", token(&owners)).await.0, 200);
    assert_eq!(get(&app, "/me", token(&strangers)).await.0, 401);
    let (status, owners) = refresh(&app, &owners).await;
    assert_eq!(status, 200);
    change(json!({ "disableUser": true })).await;
    assert_eq!(refresh(&app, &owners).await.0, 401);
}
