//! Firebase as it answers on a bad day, played by a stand-in; and what of it the emulator shows.

use std::error::Error;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use tokio::net::TcpSocket;
use vitrine::clock::Clock;
use vitrine::identity::firebase::{Config, Firebase, Reach};
use vitrine::identity::{AccountId, Identity, IdentityError, NewAccount};

use super::contract_identity::{emulated, wish};
use crate::support::SOME_DAY;
use crate::support::google::{
    Asked, Google, HANG_UP, Reply, private_key, refusal, service_account, statement,
};

const KEY: &str = "AIza-the-key-of-the-project";
const ACCESS: &str = "ya29.the-access-token";

fn config(service_account: Option<SecretString>) -> Config {
    Config { project_id: None, api_key: KEY.into(), service_account, emulator_host: None }
}

/// A project of which only the API key is known.
fn by_key(google: &Google, reach: &Reach) -> Firebase {
    assert!(reach.toolkit.starts_with(&google.url));
    Firebase::at(reach, &config(None), Clock::System).unwrap()
}

/// A project with a service account.
fn by_account(google: &Google) -> Firebase {
    let config = config(Some(google.service_account()));
    Firebase::at(&google.reach(), &config, Clock::System).unwrap()
}

/// Answers of the token service; `None` for all other questions.
fn token(asked: &Asked) -> Option<Reply> {
    let grant = json!({ "access_token": ACCESS, "expires_in": 3600, "token_type": "Bearer" });
    asked.line.ends_with("/token").then_some(Reply::Json(200, grant))
}

fn is_create(asked: &Asked) -> bool {
    asked.line.ends_with("/accounts") || asked.line.contains("accounts:signUp")
}

fn account(id: impl Into<String>) -> Reply {
    Reply::Json(200, json!({ "localId": id.into(), "email": "ann@example.com" }))
}

fn found(id: impl Into<String>) -> Reply {
    Reply::Json(200, json!({ "users": [{ "localId": id.into(), "passwordHash": "x" }] }))
}

fn ann() -> AccountId {
    AccountId("ann".to_owned())
}

fn nobody() -> Reply {
    Reply::Json(200, json!({ "kind": "identitytoolkit#GetAccountInfoResponse" }))
}

/// The error and its causes, in every form that a log could take.
fn all_forms(error: &IdentityError) -> String {
    let mut text = format!("{error} {error:?} {error:#?}");
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing into a String cannot fail.
        let _ = write!(text, " {error} {error:?}");
        cause = error.source();
    }
    text
}

#[tokio::test]
async fn a_refusal_means_what_google_says() {
    let cases = [
        (400, "EMAIL_EXISTS", "EmailTaken"),
        (400, "DUPLICATE_LOCAL_ID", "EmailTaken"),
        (400, "WEAK_PASSWORD : Password should be at least 6 characters", "WeakPassword"),
        (400, "PASSWORD_DOES_NOT_MEET_REQUIREMENTS : Missing: [..]", "WeakPassword"),
        (400, "INVALID_EMAIL", "BadEmail"),
        (400, "INVALID_LOGIN_CREDENTIALS", "WrongCredentials"),
        (400, "EMAIL_NOT_FOUND", "WrongCredentials"),
        (400, "INVALID_PASSWORD", "WrongCredentials"),
        (400, "USER_DISABLED : The account has been disabled.", "WrongCredentials"),
        (400, "TOO_MANY_ATTEMPTS_TRY_LATER : Access is blocked.", "TooManyAttempts(60)"),
        (400, "QUOTA_EXCEEDED : Exceeded quota for sign-ups.", "TooManyAttempts(60)"),
        (429, "Slow down, please.", "TooManyAttempts(60)"),
        (400, "OPERATION_NOT_ALLOWED", "Misconfigured"),
        (400, "CONFIGURATION_NOT_FOUND", "Misconfigured"),
        (400, "ADMIN_ONLY_OPERATION", "Misconfigured"),
        (403, "The caller does not have permission", "Misconfigured"),
        (401, "Request had invalid credentials.", "Misconfigured"),
        (400, "A_CODE_NOBODY_KNOWS", "Misconfigured"),
        (404, "Not here.", "Misconfigured"),
    ];
    for (status, message, meant) in cases {
        let google = Google::that(move |_| refusal(status, message)).await;
        let firebase = by_key(&google, &google.reach());
        let error = firebase.create(&wish()).await.unwrap_err();
        assert!(format!("{error:?}").starts_with(meant), "{message}: {error:?}");
        assert_eq!(google.asked().len(), 1, "{message} is not asked again");
        assert!(!all_forms(&error).contains("please"), "a text of Google's goes no further");
    }
}

#[tokio::test]
async fn a_reason_is_found_where_it_stands() {
    let google = Google::that(|_| {
        let details = [json!({ "@type": "Help" }), json!({ "reason": "API_KEY_INVALID" })];
        let error = json!({
            "code": 400, "message": "API key not valid. Please pass a valid API key.",
            "status": "INVALID_ARGUMENT", "details": details,
        });
        Reply::Json(400, json!({ "error": error }))
    })
    .await;
    let error = by_key(&google, &google.reach()).probe().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the accounts are not set up: Firebase answered 400 API_KEY_INVALID: check FIREBASE_API_KEY"
    );

    let answer = "HTTP/1.1 429 X\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n";
    let google = Google::that(|_| Reply::Bytes(answer.into())).await;
    let error = by_key(&google, &google.reach()).probe().await.unwrap_err();
    assert!(matches!(error, IdentityError::TooManyAttempts(7)), "{error:?}");
}

#[tokio::test]
async fn a_password_that_is_right_tells_whose_it_is_and_what_is_proved() {
    let cases = [
        (Some(r#"{"email_verified":true}"#), true),
        (Some(r#"{"email_verified":false}"#), false),
        (Some(r#"{"email_verified":"true"}"#), false),
        (Some(r#"{"sub":"ann"}"#), false),
        (Some("no claims"), false),
    ];
    for (claims, is_verified) in cases {
        let token = claims.map(|claims| format!("e30.{}.s", BASE64_URL_SAFE_NO_PAD.encode(claims)));
        let google = Google::that(move |_| {
            Reply::Json(200, json!({ "localId": "ann", "idToken": token, "refreshToken": "r" }))
        })
        .await;
        let checked =
            by_key(&google, &google.reach()).check("ann@example.com", &"p".into()).await.unwrap();
        assert_eq!((checked.account.0.as_str(), checked.is_verified), ("ann", is_verified));
    }
    let google = Google::that(|_| {
        Reply::Json(200, json!({ "localId": "ann", "mfaPendingCredential": "c", "mfaInfo": [] }))
    })
    .await;
    let checked = by_key(&google, &google.reach()).check("ann@example.com", &"p".into()).await;
    assert!(
        matches!(checked, Err(IdentityError::WrongCredentials)),
        "an account with a second factor is not opened by the first: {checked:?}"
    );
}

#[tokio::test]
async fn what_is_asked_is_what_google_documents() {
    let google = Google::that(|asked| {
        token(asked).unwrap_or_else(|| match asked.line.rsplit_once(':') {
            Some((_, "lookup")) => found("ann"),
            _ => account("ann"),
        })
    })
    .await;
    let (wish, id) = (wish(), ann());
    let firebase = by_account(&google);
    firebase.create(&wish).await.unwrap();
    assert!(firebase.find(&id).await.unwrap().is_some());
    firebase.remove(&id).await.unwrap();
    firebase.reset_password(&wish.email).await.unwrap();
    firebase.probe().await.unwrap();
    by_key(&google, &google.reach()).create(&wish).await.unwrap();

    let password = "Correct-1-horse!";
    let expected = [
        (
            "POST /v1/projects/vitrine-test/accounts",
            json!({ "localId": wish.user.to_string(), "email": wish.email, "password": password }),
        ),
        ("POST /v1/projects/vitrine-test/accounts:lookup", json!({ "localId": ["ann"] })),
        ("POST /v1/projects/vitrine-test/accounts:delete", json!({ "localId": "ann" })),
        (
            "POST /v1/accounts:sendOobCode",
            json!({ "requestType": "PASSWORD_RESET", "email": wish.email }),
        ),
        ("GET /v1/projects", json!(null)),
        (
            "POST /v1/accounts:signUp",
            json!({ "email": wish.email, "password": password, "returnSecureToken": false }),
        ),
    ];
    let asked: Vec<_> = google.asked().into_iter().filter(|a| token(a).is_none()).collect();
    assert_eq!(asked.len(), expected.len());
    for (asked, (line, body)) in asked.iter().zip(expected) {
        let as_manager = line.contains("vitrine-test");
        let key = if as_manager { String::new() } else { format!("?key={KEY}") };
        assert_eq!(asked.line, format!("{line}{key}"));
        assert_eq!(asked.authorization, as_manager.then(|| format!("Bearer {ACCESS}")));
        let sent = if asked.body.is_empty() { json!(null) } else { asked.json() };
        assert_eq!(sent, body, "{line}");
    }
}

/// Each row: what the first try gets, whether the account is then found, what a second try
/// gets, whether it is found then; and what comes of it after how many tries.
#[tokio::test]
async fn a_sign_up_without_an_answer_is_sent_again_only_if_it_was_not_made() {
    type Case = (fn() -> Reply, bool, fn() -> Reply, bool, &'static str, usize);
    let made: fn() -> Reply = || account("ours");
    let taken: fn() -> Reply = || refusal(400, "EMAIL_EXISTS");
    let lost: fn() -> Reply = || HANG_UP;
    let broken: fn() -> Reply = || refusal(503, "Try again");
    let cases: [Case; 6] = [
        (lost, true, made, true, "Ok", 1),
        (broken, true, made, true, "Ok", 1),
        (lost, false, made, true, "Ok", 2),
        (lost, false, taken, true, "Ok", 2),
        (lost, false, taken, false, "Err(EmailTaken)", 2),
        (lost, false, lost, true, "Err(Unreachable", 2),
    ];
    for (first, is_found, second, is_found_then, outcome, tries) in cases {
        let (mut creates, mut lookups) = (0, 0);
        let google = Google::that(move |asked| {
            if let Some(reply) = token(asked) {
                return reply;
            }
            if is_create(asked) {
                creates += 1;
                return if creates == 1 { first() } else { second() };
            }
            lookups += 1;
            let is_found = if lookups == 1 { is_found } else { is_found_then };
            if is_found { found("ours") } else { nobody() }
        })
        .await;
        let made = format!("{:?}", by_account(&google).create(&wish()).await);
        assert!(made.starts_with(outcome), "{made} instead of {outcome}");
        assert_eq!(google.times("/accounts"), tries, "{outcome}");
    }
}

#[tokio::test]
async fn what_may_have_had_an_effect_is_not_sent_again_without_a_way_to_look() {
    let google = Google::that(|_| HANG_UP).await;
    let firebase = by_key(&google, &google.reach());
    let made = firebase.create(&wish()).await;
    assert!(matches!(made, Err(IdentityError::Unreachable(_))), "{made:?}");
    let sent = firebase.reset_password("ann@example.com").await;
    assert!(matches!(sent, Err(IdentityError::Unreachable(_))), "{sent:?}");
    assert_eq!((google.times("accounts:signUp"), google.times("accounts:sendOobCode")), (1, 1));
}

#[tokio::test]
async fn a_reset_does_not_tell_what_google_tells() {
    for (status, message, is_sent) in [
        (400, "EMAIL_NOT_FOUND", true),
        (400, "INVALID_EMAIL", true),
        (400, "USER_DISABLED", true),
        (400, "RESET_PASSWORD_EXCEED_LIMIT", true),
        (400, "QUOTA_EXCEEDED : Exceeded quota for mails.", false),
        (400, "OPERATION_NOT_ALLOWED", false),
    ] {
        let google = Google::that(move |_| refusal(status, message)).await;
        let sent = by_key(&google, &google.reach()).reset_password("ann@example.com").await;
        assert_eq!(sent.is_ok(), is_sent, "{message}: {sent:?}");
    }
}

#[tokio::test]
async fn what_changes_nothing_is_asked_again() {
    let mut times = 0;
    let google = Google::that(move |asked| {
        token(asked).unwrap_or_else(|| {
            times += 1;
            match times % 3 {
                1 => HANG_UP,
                2 => refusal(503, "Try again"),
                _ => Reply::Json(200, json!({ "localId": "ann", "idToken": "a.b.c" })),
            }
        })
    })
    .await;
    let firebase = by_account(&google);
    firebase.check("ann@example.com", &"p".into()).await.unwrap();
    firebase.find(&ann()).await.unwrap();
    firebase.remove(&ann()).await.unwrap();
    assert_eq!(google.asked().iter().filter(|a| token(a).is_none()).count(), 9);

    let google = Google::that(|_| refusal(503, "Try again")).await;
    let refused = by_key(&google, &google.reach()).check("ann@example.com", &"p".into()).await;
    assert!(matches!(refused, Err(IdentityError::Unreachable(_))), "{refused:?}");
    assert_eq!(google.asked().len(), 3, "and not for ever");
}

#[tokio::test]
async fn what_was_not_sent_is_sent_again_after_a_pause() {
    // Bound but not listening: the port is ours, and connections to it are refused.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let toolkit = format!("http://{}", socket.local_addr().unwrap());
    let reach = Reach { toolkit, ..Reach::google() };
    let firebase = Firebase::at(&reach, &config(None), Clock::System).unwrap();
    let began = Instant::now();
    let made = firebase.create(&wish()).await;
    assert!(matches!(made, Err(IdentityError::NotAsked(_))), "{made:?}");
    assert!(began.elapsed() >= Duration::from_millis(300), "two pauses, of 100 and 200 ms");
}

#[tokio::test]
async fn nobody_is_waited_for_without_an_end() {
    for reply in [|| Reply::Silence, || Reply::Drip] {
        let google = Google::that(move |_| reply()).await;
        let firebase = by_key(&google, &google.short_reach());
        let began = Instant::now();
        let checked = firebase.check("ann@example.com", &"p".into()).await;
        assert!(matches!(checked, Err(IdentityError::Unreachable(_))), "{checked:?}");
        assert!(began.elapsed() < Duration::from_secs(5), "its time is half a second");
    }
}

#[tokio::test]
async fn an_answer_that_is_none_is_an_error_and_no_more() {
    let with = |head: &str, body: &str| format!("HTTP/1.1 {head}\r\n\r\n{body}").into_bytes();
    let bodies = [
        with("200 OK", "<html>"),
        with("200 OK", ""),
        with("200 OK", "null"),
        with("200 OK", r#"{"localId":7}"#),
        with("200 OK", &"[".repeat(10_000)),
        with("200 OK\r\nContent-Length: 90", "{}"),
        with("302 Found\r\nLocation: http://127.0.0.1:1/", ""),
        with("500 Oh", "no"),
        b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(),
    ];
    let replies = bodies.into_iter().map(Some).chain([None]);
    for body in replies {
        let shown = body.as_ref().map(|body| String::from_utf8_lossy(body).into_owned());
        let google = Google::that(move |_| body.clone().map_or(Reply::Flood, Reply::Bytes)).await;
        let made = by_key(&google, &google.reach()).create(&wish()).await;
        assert!(matches!(made, Err(IdentityError::Unreachable(_))), "{shown:?}: {made:?}");
    }
}

#[tokio::test]
async fn ten_at_once_share_one_token_and_it_is_renewed_before_it_ends() {
    let clock = Clock::standing_at(SOME_DAY);
    let google = Google::that(|asked| token(asked).unwrap_or_else(nobody)).await;
    let config = config(Some(google.service_account()));
    let firebase = Firebase::at(&google.reach(), &config, clock.clone()).unwrap();
    let ann = ann();
    let finds = (0..10).map(|_| firebase.find(&ann));
    for found in futures_util::future::join_all(finds).await {
        assert_eq!(found.unwrap(), None);
    }
    assert_eq!((google.times("/token"), google.times(":lookup")), (1, 10));

    let stated = statement(&google.asked()[0].body, &format!("{}/token", google.url));
    let now = SOME_DAY / 1_000_000;
    assert_eq!(stated["iss"], "catalogue@vitrine-test.iam.gserviceaccount.com");
    assert_eq!((&stated["iat"], &stated["exp"]), (&json!(now), &json!(now + 3_600)));
    assert!(stated["scope"].as_str().unwrap().contains("auth/identitytoolkit"));

    clock.turn(Duration::from_mins(54));
    firebase.find(&ann).await.unwrap();
    assert_eq!(google.times("/token"), 1);
    clock.turn(Duration::from_mins(1));
    firebase.find(&ann).await.unwrap();
    assert_eq!(google.times("/token"), 2, "five minutes before its end");
}

#[tokio::test]
async fn a_token_service_that_is_away_is_not_noticed_while_a_token_lasts() {
    let clock = Clock::standing_at(SOME_DAY);
    let mut grants = 1;
    let google = Google::that(move |asked| match token(asked) {
        Some(reply) if grants > 0 => {
            grants -= 1;
            reply
        }
        Some(_) => refusal(503, "Try again"),
        None => nobody(),
    })
    .await;
    let config = config(Some(google.service_account()));
    let firebase = Firebase::at(&google.reach(), &config, clock.clone()).unwrap();
    firebase.find(&ann()).await.unwrap();
    clock.turn(Duration::from_mins(59));
    firebase.find(&ann()).await.unwrap();
    clock.turn(Duration::from_mins(1));
    let refused = firebase.find(&ann()).await;
    assert!(matches!(refused, Err(IdentityError::NotAsked(_))), "{refused:?}");
}

#[tokio::test]
async fn a_token_that_was_called_back_is_replaced_once() {
    for is_taken_then in [true, false] {
        let mut lookups = 0;
        let google = Google::that(move |asked| {
            token(asked).unwrap_or_else(|| {
                lookups += 1;
                let is_refused = lookups == 1 || !is_taken_then;
                if is_refused { refusal(401, "UNAUTHENTICATED") } else { nobody() }
            })
        })
        .await;
        let found = by_account(&google).find(&ann()).await;
        assert_eq!(found.is_ok(), is_taken_then, "{found:?}");
        assert!(!matches!(found, Err(IdentityError::Unreachable(_))));
        assert_eq!((google.times("/token"), google.times(":lookup")), (2, 2));
    }
}

#[tokio::test]
async fn what_cannot_work_is_told_by_name() {
    let google = Google::that(|asked| match token(asked) {
        Some(_) => Reply::Json(400, json!({ "error": "invalid_grant", "error_description": "x" })),
        None => nobody(),
    })
    .await;
    let error = by_account(&google).find(&ann()).await.unwrap_err();
    assert!(matches!(&error, IdentityError::Misconfigured(t) if t.contains("FIREBASE_SECRET")));

    let firebase = by_key(&google, &google.reach());
    let needs_manager = [firebase.find(&ann()).await.map(|_| ()), firebase.remove(&ann()).await];
    for needed in needs_manager {
        assert!(
            matches!(&needed, Err(IdentityError::Misconfigured(t)) if t.contains("FIREBASE_SECRET"))
        );
    }

    let https = "https://oauth2.googleapis.com/token";
    let whole = service_account(https);
    let whole: serde_json::Value = serde_json::from_str(whole.expose_secret()).unwrap();
    let with = |name: &str, value: serde_json::Value| {
        let mut file = whole.clone();
        file[name] = value;
        config(Some(file.to_string().into()))
    };
    let project = |id: &str| Config { project_id: Some(id.to_owned()), ..with("type", json!("x")) };
    let emulator = |host: &str| Config {
        emulator_host: Some(host.to_owned()),
        project_id: Some("demo".to_owned()),
        ..config(None)
    };
    for (config, name) in [
        (config(Some("{".into())), "FIREBASE_SECRET"),
        (config(Some("\"hunter2\"".to_owned().into())), "FIREBASE_SECRET"),
        (with("private_key", json!("hunter2")), "FIREBASE_SECRET"),
        (with("token_uri", json!("http://oauth2.googleapis.com/token")), "FIREBASE_SECRET"),
        (with("project_id", json!(null)), "FIREBASE_PROJECT_ID"),
        (project("../other"), "FIREBASE_PROJECT_ID"),
        (project("a/b"), "FIREBASE_PROJECT_ID"),
        (project("a?b"), "FIREBASE_PROJECT_ID"),
        (project(""), "FIREBASE_PROJECT_ID"),
        (emulator("no host"), "FIREBASE_AUTH_EMULATOR_HOST"),
        (Config { project_id: None, ..emulator("127.0.0.1:9099") }, "FIREBASE_PROJECT_ID"),
    ] {
        let Err(IdentityError::Misconfigured(text)) = Firebase::new(&config, Clock::System) else {
            panic!("{config:?} is taken");
        };
        assert!(text.contains(name) && !text.contains("hunter2"), "{text}");
    }
    assert!(Firebase::new(&with("type", json!("x")), Clock::System).is_ok());
    assert!(Firebase::new(&project("example.com:old-project"), Clock::System).is_ok());
}

/// Google as an echo: whatever it is told comes back, in each place where a text can stand.
#[tokio::test]
async fn no_error_tells_a_secret() {
    let lines: Vec<_> = private_key().lines().map(str::to_owned).collect();
    let secrets = [KEY, ACCESS, "Correct-1-horse!", lines[1].as_str(), "key="];
    let refused_by = |status: u16, text: String| {
        let details = [json!({ "reason": text })];
        let error = json!({ "message": text, "status": text, "details": details });
        Reply::Json(status, json!({ "error": error, "error_description": text }))
    };
    let mut errors = Vec::new();
    for status in [200, 302, 400, 401, 403, 429, 500] {
        for with_token in [true, false] {
            let google = Google::that(move |asked| match token(asked) {
                Some(reply) if with_token => reply,
                _ => {
                    let told = format!("{} {:?} {}", asked.line, asked.authorization, asked.body);
                    refused_by(status, format!("{told} {ACCESS}"))
                }
            })
            .await;
            for firebase in [by_account(&google), by_key(&google, &google.short_reach())] {
                let (wish, account) = (wish(), ann());
                let (made, checked, found, removed, reset, probed) = tokio::join!(
                    firebase.create(&wish),
                    firebase.check(&wish.email, &wish.password),
                    firebase.find(&account),
                    firebase.remove(&account),
                    firebase.reset_password(&wish.email),
                    firebase.probe(),
                );
                errors.extend([made.err(), checked.err(), found.err()].into_iter().flatten());
                errors.extend([removed.err(), reset.err(), probed.err()].into_iter().flatten());
            }
        }
    }
    for reply in [|| HANG_UP, || Reply::Silence, || Reply::Drip, || Reply::Flood] {
        let google = Google::that(move |_| reply()).await;
        let firebase = by_key(&google, &google.short_reach());
        errors.extend(firebase.create(&wish()).await.err());
        errors.extend(firebase.probe().await.err());
        let away = Reach { toolkit: "http://127.0.0.1:1".to_owned(), ..google.short_reach() };
        let away = Firebase::at(&away, &config(None), Clock::System).unwrap();
        errors.extend(away.create(&wish()).await.err());
    }
    assert!(errors.len() > 100, "{}", errors.len());
    let shown = errors.iter().map(all_forms);
    let config = config(Some(service_account("https://oauth2.googleapis.com/token")));
    for text in shown.chain([format!("{config:?} {config:#?} {:?}", wish())]) {
        for secret in secrets {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

/// Without a service account the emulator knows us by the API key alone, as Google would.
#[tokio::test]
#[ignore = "needs TEST_FIREBASE_EMULATOR"]
async fn an_account_is_made_and_opened_by_the_key_alone() {
    let config = emulated();
    let reach = Reach::emulator(config.emulator_host.as_ref().unwrap());
    let firebase =
        Firebase::at(&reach, &Config { emulator_host: None, ..config }, Clock::System).unwrap();
    let wish = wish();
    let id = firebase.create(&wish).await.unwrap();
    assert_ne!(id.0, wish.user.to_string(), "Firebase has chosen");
    assert_eq!(firebase.check(&wish.email, &wish.password).await.unwrap().account, id);
    assert!(matches!(firebase.create(&wish).await, Err(IdentityError::EmailTaken)));
    firebase.reset_password(&wish.email).await.unwrap();
    firebase.probe().await.unwrap();
}

#[tokio::test]
#[ignore = "needs TEST_FIREBASE_EMULATOR"]
async fn what_the_emulator_refuses_is_understood() {
    let firebase = Firebase::new(&emulated(), Clock::System).unwrap();
    let weak = NewAccount { password: "12345".into(), ..wish() };
    let refused = firebase.create(&weak).await;
    assert!(matches!(refused, Err(IdentityError::WeakPassword)), "{refused:?}");
    let nowhere = NewAccount { email: "no address".to_owned(), ..wish() };
    let refused = firebase.create(&nowhere).await;
    assert!(matches!(refused, Err(IdentityError::BadEmail)), "{refused:?}");
}

/// A verified address is told as one, and a disabled account is not opened.
#[tokio::test]
#[ignore = "needs TEST_FIREBASE_EMULATOR"]
async fn what_happens_to_an_account_on_the_other_side_is_seen() {
    let config = emulated();
    let (host, project) =
        (config.emulator_host.clone().unwrap(), config.project_id.clone().unwrap());
    let update = format!(
        "http://{host}/identitytoolkit.googleapis.com/v1/projects/{project}/accounts:update"
    );
    let change = async |change: serde_json::Value| {
        let asked = reqwest::Client::new().post(&update).bearer_auth("owner").json(&change);
        assert_eq!(asked.send().await.unwrap().status(), 200);
    };
    let firebase = Firebase::new(&config, Clock::System).unwrap();
    let wish = wish();
    let id = firebase.create(&wish).await.unwrap();
    change(json!({ "localId": id.0, "emailVerified": true })).await;
    assert!(firebase.check(&wish.email, &wish.password).await.unwrap().is_verified);
    assert!(!firebase.find(&id).await.unwrap().unwrap().is_disabled);
    let before = Clock::System.now_micros();
    change(json!({ "localId": id.0, "password": "Another-1-horse!" })).await;
    let valid_since = firebase.find(&id).await.unwrap().unwrap().valid_since;
    assert!(valid_since >= before / 1_000 * 1_000, "{valid_since} {before}");
    firebase.check(&wish.email, &"Another-1-horse!".into()).await.unwrap();
    change(json!({ "localId": id.0, "disableUser": true })).await;
    assert!(firebase.find(&id).await.unwrap().unwrap().is_disabled);
    let refused = firebase.check(&wish.email, &wish.password).await;
    assert!(matches!(refused, Err(IdentityError::WrongCredentials)), "{refused:?}");
    firebase.reset_password(&wish.email).await.expect("nothing is told of it");
}
