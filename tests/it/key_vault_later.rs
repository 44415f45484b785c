//! Secrets that are exchanged in the vault while they are used.

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use tokio::time::{Instant, sleep, timeout};
use vitrine::secrets::names::NAMES;
use vitrine::secrets::{Pace, open};
use vitrine::settings::{Settings, SqlLogin};

use crate::key_vault::{BY_HAND, KEY, OTHER_KEY};
use crate::support::redis::log;
use crate::support::vault::{CLOSED, DISABLED, MISSING, Says, VaultStub, told};

const LONG: Duration = Duration::from_secs(20);
const SQL: [(&str, &str); 4] = [
    ("SQL_SERVER", "sql.shop.example"),
    ("SQL_DATABASE", "shop"),
    ("SQL_USERNAME", "ann"),
    ("SQL_PASSWORD", "hunter2-hunter2"),
];

async fn opened(stub: &VaultStub, pace: Pace) -> Settings {
    open(&told(&[]), &stub.vault(), pace, Instant::now() + LONG).await.unwrap()
}

fn current(settings: &Settings, name: &str) -> String {
    settings.secrets.current(name).unwrap().expose_secret().to_owned()
}

/// The settings that follow from the secrets as they are now.
fn now(settings: &Settings) -> Arc<Settings> {
    settings.secrets.changes().unwrap().borrow().clone()
}

fn password(settings: &Settings) -> String {
    let SqlLogin::Password { password, .. } = &settings.sql.as_ref().unwrap().login else {
        panic!("{settings:?}")
    };
    password.expose_secret().to_owned()
}

#[tokio::test]
async fn the_vault_is_asked_now_and_then() {
    let stub = VaultStub::start(&[("JWT_SECRET_KEY", KEY)]);
    let pace = Pace { every: Duration::from_millis(20), ..BY_HAND };
    let settings = opened(&stub, pace).await;
    stub.put("JWT_SECRET_KEY", OTHER_KEY);
    let taken_up = async {
        while current(&settings, "JWT_SECRET_KEY") != OTHER_KEY {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LONG, taken_up).await.unwrap();
    // The asking ends with the last handle.
    drop(settings);
    sleep(Duration::from_millis(100)).await;
    stub.asked();
    sleep(Duration::from_millis(200)).await;
    assert_eq!(stub.asked(), []);
}

/// However many logins fail at once, and however often.
#[tokio::test]
async fn after_refused_logins_the_vault_is_asked_once() {
    let stub = VaultStub::start(&SQL);
    let pace = Pace { rest: Duration::from_millis(500), ..BY_HAND };
    let settings = opened(&stub, pace).await;
    stub.asked();
    settings.secrets.refused().await;
    assert_eq!(stub.asked(), [], "it has been asked a moment ago");
    sleep(Duration::from_millis(500)).await;
    stub.put("SQL_PASSWORD", "another-password");
    let logins = (0..20).map(|_| {
        let secrets = settings.secrets.clone();
        tokio::spawn(async move {
            secrets.refused().await;
            secrets.current("SQL_PASSWORD").unwrap().expose_secret().to_owned()
        })
    });
    for login in logins.collect::<Vec<_>>() {
        assert_eq!(login.await.unwrap(), "another-password");
    }
    assert_eq!(stub.asked().len(), NAMES.len());
}

/// A caller that hangs up takes nothing from the others.
#[tokio::test]
async fn an_answer_that_nobody_waits_for_any_more_counts() {
    let stub = VaultStub::start(&[("JWT_SECRET_KEY", KEY)]);
    let settings = opened(&stub, BY_HAND).await;
    stub.say("JWT_SECRET_KEY", Says::Late(Duration::from_millis(300), OTHER_KEY.to_owned()));
    let mut changes = settings.secrets.changes().unwrap();
    changes.borrow_and_update();
    let hasty = timeout(Duration::from_millis(50), settings.secrets.refused());
    assert!(hasty.await.is_err());
    timeout(LONG, changes.changed()).await.unwrap().unwrap();
    assert_eq!(current(&settings, "JWT_SECRET_KEY"), OTHER_KEY);
}

#[tokio::test]
async fn a_vault_that_is_away_later_changes_nothing() {
    let stub = VaultStub::start(&SQL);
    let (told_so_far, _guard) = log();
    let settings = opened(&stub, BY_HAND).await;
    for (says, reason) in [
        (Says::No(503, "ServiceUnavailable", ""), "it answers 503"),
        (CLOSED, "may not read it"),
        (Says::Body("nonsense"), "cannot be read"),
    ] {
        stub.say_of_all(Some(says));
        for _ in 0..3 {
            settings.secrets.refused().await;
        }
        assert_eq!(settings.secrets.vault_answers(), Some(false));
        assert_eq!(password(&now(&settings)), "hunter2-hunter2");
        assert_eq!(told_so_far().matches(reason).count(), 1, "{}", told_so_far());
    }
    stub.say_of_all(None);
    settings.secrets.refused().await;
    assert_eq!(settings.secrets.vault_answers(), Some(true));
    assert_eq!(told_so_far().matches("the vault is there again").count(), 1);
    assert!(!told_so_far().contains("hunter2"));
}

/// Some answers come and some do not: a new name without its password would open nothing.
#[tokio::test]
async fn half_an_answer_is_not_taken_up() {
    let stub =
        VaultStub::start(&[("JWT_SECRET_KEY", KEY), ("SQL_SERVER", "a"), SQL[1], SQL[2], SQL[3]]);
    let settings = opened(&stub, BY_HAND).await;
    stub.put("JWT_SECRET_KEY", OTHER_KEY);
    stub.put("SQL_USERNAME", "bob");
    stub.say("SQL_PASSWORD", Says::No(500, "Internal", ""));
    settings.secrets.refused().await;
    assert_eq!(current(&settings, "JWT_SECRET_KEY"), KEY);
    assert_eq!(current(&settings, "SQL_USERNAME"), "ann");
    stub.put("SQL_PASSWORD", "the-password-of-bob");
    settings.secrets.refused().await;
    assert_eq!(current(&settings, "JWT_SECRET_KEY"), OTHER_KEY);
    assert_eq!(current(&settings, "SQL_USERNAME"), "bob");
    assert_eq!(password(&now(&settings)), "the-password-of-bob");
}

#[tokio::test]
async fn a_secret_that_is_gone_stays_in_use_and_is_told_of_once() {
    let stub = VaultStub::start(&SQL);
    let (told_so_far, _guard) = log();
    let settings = opened(&stub, BY_HAND).await;
    for gone in [MISSING, DISABLED, CLOSED] {
        stub.say("SQL_PASSWORD", gone);
        for _ in 0..3 {
            settings.secrets.refused().await;
        }
        assert_eq!(password(&now(&settings)), "hunter2-hunter2");
        assert_eq!(current(&settings, "SQL_PASSWORD"), "hunter2-hunter2");
    }
    let said = told_so_far();
    assert_eq!(said.matches("SQL_PASSWORD is not to be had from the vault any more").count(), 1);
    assert_eq!(said.matches("sql-password: it is disabled").count(), 1, "{said}");
}

/// Whoever removes it calls it back, as after a leak. Disabled it may be by mistake.
#[tokio::test]
async fn a_previous_key_that_is_removed_is_gone() {
    let stub = VaultStub::start(&[("JWT_SECRET_KEY", KEY), ("JWT_SECRET_KEY_PREVIOUS", OTHER_KEY)]);
    let settings = opened(&stub, BY_HAND).await;
    for (says, is_there) in [(DISABLED, true), (CLOSED, true), (MISSING, false)] {
        stub.say("JWT_SECRET_KEY_PREVIOUS", says);
        settings.secrets.refused().await;
        let previous = settings.secrets.current("JWT_SECRET_KEY_PREVIOUS");
        assert_eq!(previous.is_some(), is_there);
        assert_eq!(now(&settings).people.previous_key.is_some(), is_there);
    }
    assert_eq!(current(&settings, "JWT_SECRET_KEY"), KEY);
}

/// It is named, the one before it stays, and what else has changed counts.
#[tokio::test]
async fn a_secret_that_cannot_be_used_is_named_and_not_taken_up() {
    let redis = ("REDIS_CONNECTION_STRING", "rediss://:k@redis.shop.example:6380");
    let stub = VaultStub::start(&[SQL[0], SQL[1], SQL[2], SQL[3], ("JWT_SECRET_KEY", KEY), redis]);
    let (told_so_far, _guard) = log();
    let settings = opened(&stub, BY_HAND).await;
    stub.put("JWT_SECRET_KEY", "too-short-a-key");
    stub.put("REDIS_CONNECTION_STRING", "https://hunter3@shop.example");
    stub.put("SQL_PASSWORD", "another-password");
    for _ in 0..2 {
        settings.secrets.refused().await;
    }
    assert_eq!(current(&settings, "JWT_SECRET_KEY"), KEY);
    assert_eq!(current(&settings, "REDIS_CONNECTION_STRING"), redis.1);
    assert_eq!(password(&now(&settings)), "another-password");
    let said = told_so_far();
    for told in ["JWT_SECRET_KEY: must have", "REDIS_CONNECTION_STRING: must begin"] {
        assert_eq!(said.matches(told).count(), 1, "{said}");
    }
    assert_eq!(said.matches("taken up from the vault: SQL_PASSWORD").count(), 1, "{said}");
    for secret in ["too-short-a-key", "hunter3", "another-password", KEY] {
        assert!(!said.contains(secret), "{said}");
    }
    stub.put("JWT_SECRET_KEY", OTHER_KEY);
    settings.secrets.refused().await;
    assert_eq!(current(&settings, "JWT_SECRET_KEY"), OTHER_KEY);
}

/// A store is open to one database. What says where it is counts at the next start, together
/// with the password that goes with it.
#[tokio::test]
async fn another_database_is_left_for_the_next_start() {
    let stub = VaultStub::start(&SQL);
    let (told_so_far, _guard) = log();
    let settings = opened(&stub, BY_HAND).await;
    stub.put("SQL_SERVER", "other.shop.example");
    stub.put("SQL_PASSWORD", "of-the-other-one");
    stub.put("REDIS_CONNECTION_STRING", "rediss://:k@redis.shop.example:6380");
    settings.secrets.refused().await;
    let now = now(&settings);
    assert_eq!(now.sql.as_ref().unwrap().host, "sql.shop.example");
    assert_eq!(password(&now), "hunter2-hunter2");
    assert!(now.redis.is_none());
    let said = told_so_far();
    assert!(said.contains("the database is another one in the vault"), "{said}");
    assert!(said.contains("the shared cache is another one in the vault"), "{said}");
}
