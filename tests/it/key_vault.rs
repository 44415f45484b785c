//! Secrets from a vault: what the real SDK makes of one that answers, of one that does not, and of
//! one that answers nonsense.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use tokio::time::{Instant, sleep};
use vitrine::secrets::names::{NAMES, in_vault};
use vitrine::secrets::{OpenError, Pace, Vault, look, open};
use vitrine::settings::{Settings, SqlLogin};

use crate::support::redis::log;
use crate::support::vault::{CLOSED, DISABLED, MISSING, Says, TOKEN, VaultStub, nobody, told};

pub const KEY: &str = "the-key-of-the-vault-0123456789abcdef";
pub const OTHER_KEY: &str = "another-key-of-the-vault-0123456789ab";
const OLD_KEY: &str = "an-older-key-of-the-vault-0123456789a";
/// What a good answer of a machine under load is not late for.
const LONG: Duration = Duration::from_secs(20);
/// Nothing is asked by itself, and everything that is asked for at once.
pub const BY_HAND: Pace = Pace {
    every: Duration::from_hours(1),
    again: Duration::from_hours(1),
    rest: Duration::ZERO,
    answer: Duration::from_secs(10),
};
/// A process that is no host's and has nothing else to say.
const NOTHING: [(&str, &str); 0] = [];

async fn opened(
    vault: &Arc<Vault>,
    variables: &[(&str, &str)],
    pace: Pace,
    within: Duration,
) -> Result<Settings, OpenError> {
    open(&told(variables), vault, pace, Instant::now() + within).await
}

fn text(settings: &Settings, name: &str) -> Option<String> {
    settings.secrets.current(name).map(|value| value.expose_secret().to_owned())
}

fn key(settings: &Settings) -> String {
    settings.people.key.as_ref().unwrap().expose_secret().to_owned()
}

/// By the names, the certificates and the checks of production.
#[tokio::test]
async fn every_secret_is_read_by_its_name() {
    let secrets = [
        ("SQL_SERVER", "sql.shop.example"),
        ("SQL_DATABASE", "shop"),
        ("SQL_USERNAME", "ann"),
        // As `az keyvault secret set --file` puts it in.
        ("SQL_PASSWORD", "hunter2-of-the-vault\n"),
        ("REDIS_CONNECTION_STRING", "rediss://:k@redis.shop.example:6380"),
        ("FIREBASE_PROJECT_ID", "shop-1"),
        ("FIREBASE_API_KEY", "AIza-of-the-vault"),
        ("FIREBASE_SECRET", "{}\r\n"),
        ("JWT_SECRET_KEY", KEY),
        ("JWT_SECRET_KEY_PREVIOUS", OLD_KEY),
    ];
    let stub = VaultStub::start(&secrets);
    let settings = opened(&stub.vault(), &NOTHING, BY_HAND, LONG).await.unwrap();
    let sql = settings.sql.as_ref().unwrap();
    let SqlLogin::Password { user, password } = &sql.login else { panic!("{sql:?}") };
    assert_eq!((sql.host.as_str(), sql.database.as_str()), ("sql.shop.example", "shop"));
    assert_eq!((user.as_str(), password.expose_secret()), ("ann", "hunter2-of-the-vault"));
    assert_eq!(settings.redis.as_ref().unwrap().host, "redis.shop.example");
    assert!(settings.people.firebase.is_some());
    assert_eq!(key(&settings), KEY);
    for (name, value) in secrets {
        assert_eq!(text(&settings, name).unwrap(), value.trim_end(), "{name}");
    }
    assert_eq!(text(&settings, "SQL_CONNECTION_STRING"), None);
    let asked = stub.asked();
    let names: BTreeSet<_> = asked.iter().map(|asked| asked.name.clone()).collect();
    assert_eq!(names, NAMES.iter().map(|name| in_vault(name)).collect());
    // A token is shown to who has said what it is for, and to nobody before.
    for name in names {
        let shown: Vec<_> =
            asked.iter().filter(|asked| asked.name == name).map(|a| a.token.clone()).collect();
        assert_eq!(shown.last().unwrap().as_deref(), Some(&*format!("Bearer {TOKEN}")), "{name}");
    }
    assert!(!format!("{settings:?}").contains("of-the-vault"), "{settings:?}");
}

#[tokio::test]
async fn the_vault_is_asked_first_and_the_environment_for_the_rest() {
    let stub = VaultStub::start(&[("JWT_SECRET_KEY", KEY)]);
    stub.say("SQL_PASSWORD", DISABLED);
    stub.say("SQL_USERNAME", CLOSED);
    let environment = [
        ("JWT_SECRET_KEY", OTHER_KEY),
        ("JWT_SECRET_KEY_PREVIOUS", OLD_KEY),
        ("SQL_SERVER", "sql.shop.example"),
        ("SQL_DATABASE", "shop"),
        ("SQL_USERNAME", "ann"),
        ("SQL_PASSWORD", "of-the-environment"),
    ];
    let (told_so_far, _guard) = log();
    let settings = opened(&stub.vault(), &environment, BY_HAND, LONG).await.unwrap();
    assert_eq!(key(&settings), KEY);
    assert_eq!(text(&settings, "JWT_SECRET_KEY_PREVIOUS").unwrap(), OLD_KEY);
    assert_eq!(text(&settings, "SQL_PASSWORD").unwrap(), "of-the-environment");
    let said = told_so_far();
    assert!(said.contains("sql-password: it is disabled"), "{said}");
    assert!(said.contains("sql-username: the identity may not read it"), "{said}");
    assert!(!said.contains("firebase"), "what is not there is no fault: {said}");
}

#[tokio::test]
async fn the_slowest_answer_counts_and_not_their_sum() {
    let stub = VaultStub::start(&[]);
    stub.say_of_all(Some(MISSING));
    opened(&stub.vault(), &NOTHING, BY_HAND, LONG).await.unwrap();
    let late = Duration::from_millis(500);
    stub.say_of_all(Some(Says::Late(late, "x".repeat(40))));
    let began = Instant::now();
    let look = look(&stub.vault(), LONG).await;
    assert!(look.line.unwrap().contains("12 secrets found"));
    let took = began.elapsed();
    assert!(took >= late && took < late * 6, "{took:?}");
}

/// The SDK by itself would try a refused port for 82 seconds.
#[tokio::test]
async fn nobody_waits_longer_than_the_deadline() {
    let within = Duration::from_millis(700);
    let silent = VaultStub::start(&[]);
    silent.say_of_all(Some(Says::Silence));
    let throttled = VaultStub::start(&[]);
    throttled.say_of_all(Some(Says::No(429, "Throttled", "")));
    for (vault, reason) in [
        (nobody(), "refused"),
        (silent.vault(), "does not answer"),
        (throttled.vault(), "asked too often (429 Throttled)"),
    ] {
        let began = Instant::now();
        let away = opened(&vault, &NOTHING, BY_HAND, within).await.unwrap_err();
        let took = began.elapsed();
        assert!(took < within + Duration::from_secs(2), "{reason}: {took:?}");
        let OpenError::Away(said) = away else { panic!("{away}") };
        assert!(said.contains(reason), "{said}");
    }
}

#[tokio::test]
async fn a_vault_that_comes_in_time_is_waited_for() {
    let stub = VaultStub::start(&[("JWT_SECRET_KEY", KEY)]);
    stub.say_of_all(Some(Says::No(503, "ServiceUnavailable", "")));
    let vault = stub.vault();
    let opening = tokio::spawn(async move { opened(&vault, &NOTHING, BY_HAND, LONG).await });
    let mut asked = 0;
    while asked < NAMES.len() * 4 {
        asked += stub.asked().len();
        sleep(Duration::from_millis(5)).await;
    }
    stub.say_of_all(None);
    assert_eq!(key(&opening.await.unwrap().unwrap()), KEY);
}

#[tokio::test]
async fn what_a_vault_answers_is_told_in_a_line_and_never_repeated() {
    let stub = VaultStub::start(&[]);
    for (says, reason) in [
        (CLOSED, "may not read it (403 ForbiddenByRbac): give it the role Key Vault Secrets User"),
        (Says::No(403, "Forbidden", "ForbiddenByFirewall"), "network rules"),
        (Says::No(401, "Unauthorized", ""), "does not take the identity's token"),
        (Says::No(500, "hunter2 hunter2", ""), "it answers 500"),
        (Says::No(502, "BadGateway", ""), "it answers 502 BadGateway"),
        (Says::Body("hunter2"), "its answer cannot be read"),
        (Says::Body("{\"value\": [\"hunter2\"]}"), "its answer cannot be read"),
        (Says::Body("{\"value\": \"hunter2"), "its answer cannot be read"),
        // What a parser would quote.
        (Says::Body("{\"value\": \"x\", \"attributes\": \"hunter2\"}"), "cannot be read"),
    ] {
        stub.say_of_all(Some(says.clone()));
        let (told_so_far, _guard) = log();
        let line = look(&stub.vault(), LONG).await.line.unwrap_err();
        assert!(line.contains(reason), "{says:?}: {line}");
        let away = opened(&stub.vault(), &NOTHING, BY_HAND, Duration::ZERO).await.unwrap_err();
        let said = format!("{line} {away} {away:?} {}", told_so_far());
        assert!(!said.contains("hunter2") && !said.contains(TOKEN), "{said}");
        assert_eq!(line.lines().count(), 1);
    }
    // An answer without a value, or with an empty one, is no secret.
    for nothing in ["{}", "{\"value\": \"\"}", "{\"value\": null}"] {
        stub.say_of_all(Some(Says::Body(nothing)));
        let settings = opened(&stub.vault(), &NOTHING, BY_HAND, LONG).await.unwrap();
        assert_eq!(text(&settings, "JWT_SECRET_KEY"), None);
    }
}

/// Whoever answers for the vault says what the token must be for, and could say anything.
#[tokio::test]
async fn no_token_is_shown_to_who_wants_one_for_something_else() {
    let stub = VaultStub::start(&[("JWT_SECRET_KEY", KEY)]);
    for (vault, resource) in [
        (stub.vault(), "https://management.azure.com"),
        (stub.vault(), "https://vault.azure.cn"),
        (stub.emulator(), "https://management.azure.com"),
        (stub.emulator(), "https://database.windows.net"),
    ] {
        stub.want_token_for(resource);
        let refused = opened(&vault, &NOTHING, BY_HAND, Duration::from_millis(200)).await;
        assert!(matches!(refused, Err(OpenError::Away(_))), "{resource}");
        let asked = stub.asked();
        assert!(!asked.is_empty() && asked.iter().all(|a| a.token.is_none()), "{asked:?}");
    }
    stub.want_token_for("https://vault.azure.net");
    assert_eq!(key(&opened(&stub.emulator(), &NOTHING, BY_HAND, LONG).await.unwrap()), KEY);
}

#[tokio::test]
async fn nobody_is_sent_on_with_a_token() {
    let (stub, thief) = (VaultStub::start(&[]), VaultStub::start(&[("JWT_SECRET_KEY", KEY)]));
    stub.say_of_all(Some(Says::Redirect(format!("{}secrets/jwt-secret-key", thief.url()))));
    let line = look(&stub.vault(), LONG).await.line.unwrap_err();
    assert!(line.contains("it answers 302"), "{line}");
    assert_eq!(thief.asked(), []);
}

/// Where everything has a name in the environment, the vault is not needed to begin.
#[tokio::test]
async fn an_environment_that_names_every_part_serves_without_a_vault() {
    let parts = [
        ("SQL_SERVER", "sql.shop.example"),
        ("SQL_DATABASE", "shop"),
        ("SQL_AUTHENTICATION", "managed-identity"),
        ("FIREBASE_API_KEY", "AIza"),
        ("FIREBASE_PROJECT_ID", "shop-1"),
        ("JWT_SECRET_KEY", OLD_KEY),
    ];
    let stub = VaultStub::start(&[("JWT_SECRET_KEY", KEY)]);
    stub.say_of_all(Some(CLOSED));
    let soon = Duration::from_millis(200);
    for missing in ["SQL_SERVER", "FIREBASE_API_KEY", "JWT_SECRET_KEY"] {
        let some: Vec<_> = parts.into_iter().filter(|(name, _)| *name != missing).collect();
        let away = opened(&stub.vault(), &some, BY_HAND, soon).await;
        assert!(matches!(away, Err(OpenError::Away(_))), "without {missing}");
    }
    let settings = opened(&stub.vault(), &parts, BY_HAND, soon).await.unwrap();
    assert_eq!(settings.secrets.vault_answers(), Some(false));
    assert_eq!(text(&settings, "JWT_SECRET_KEY").unwrap(), OLD_KEY);
    stub.say_of_all(None);
    settings.secrets.refused().await;
    assert_eq!(settings.secrets.vault_answers(), Some(true));
    assert_eq!(text(&settings, "JWT_SECRET_KEY").unwrap(), KEY);
}

/// A wrong secret is the operator's to mend, and no reason to wait.
#[tokio::test]
async fn a_secret_that_is_wrong_from_the_first_is_refused_by_name() {
    let stub = VaultStub::start(&[("JWT_SECRET_KEY", "hunter2")]);
    let refused = opened(&stub.vault(), &NOTHING, BY_HAND, LONG).await.unwrap_err();
    let OpenError::Bad(bad) = &refused else { panic!("{refused}") };
    assert_eq!(bad.variable, "JWT_SECRET_KEY");
    assert!(!refused.to_string().contains("hunter2"));
}
