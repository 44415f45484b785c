//! Passwords and keys that are exchanged in the vault, and the parts that log in by them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::SecretString;
use tokio::time::sleep;
use vitrine::app::{database, people, shared};
use vitrine::catalog::PageQuery;
use vitrine::secrets::{Pace, open};
use vitrine::settings::Settings;
use vitrine::store::Store;

use crate::key_vault::{BY_HAND, KEY};
use crate::support::TestFolder;
use crate::support::google::{Google, refusal};
use crate::support::redis::{RedisServer, command, log, some_prefix};
use crate::support::tds::{Answer, Cell, Responder};
use crate::support::vault::{CLOSED, VaultStub, told};

const LONG: Duration = Duration::from_secs(20);

async fn opened(stub: &VaultStub, variables: &[(&str, &str)], pace: Pace) -> Settings {
    let deadline = tokio::time::Instant::now() + LONG;
    open(&told(variables), &stub.vault(), pace, deadline).await.unwrap()
}

/// A vault with the login to a responder, and the settings that follow from it.
async fn beside(responder: &Responder) -> (VaultStub, Settings) {
    let stub = VaultStub::start(&[
        ("SQL_SERVER", &*format!("127.0.0.1,{}", responder.port)),
        ("SQL_DATABASE", "shop"),
        ("SQL_USERNAME", "ann"),
        ("SQL_PASSWORD", "the-old-password"),
    ]);
    responder.take_only("the-old-password");
    let empty =
        vec![vec![vec![Cell::Number(Some(0)), Cell::Number(Some(7)), Cell::Number(Some(1))]]];
    responder.answer("store.page", [Answer::Results(empty)]);
    let settings = opened(&stub, &[("SQL_ENCRYPT", "false")], BY_HAND).await;
    (stub, settings)
}

/// The connections that are there go on; the next one meets the new password, and the request
/// behind it does not notice.
#[tokio::test]
async fn a_rotated_password_of_the_database_is_taken_up_by_the_next_connection() {
    let responder = Responder::start().await;
    let (stub, settings) = beside(&responder).await;
    let (told_so_far, _guard) = log();
    let store = database::open(&settings).await.unwrap();
    let before = responder.passwords();
    assert!(before.iter().all(|password| password == "the-old-password"), "{before:?}");
    responder.take_only("the-new-password");
    stub.put("SQL_PASSWORD", "the-new-password");
    // The server ends what it has.
    responder.answer("store.categories", [Answer::Gone, Answer::Results(vec![vec![]])]);
    let _ = store.categories().await;
    let query = PageQuery::parse("").unwrap();
    let began = Instant::now();
    while store.page(&query).await.is_err() {
        assert!(began.elapsed() < LONG, "{}", told_so_far());
    }
    let shown = responder.passwords();
    let after = &shown[before.len()..];
    assert_eq!(after.first().unwrap(), "the-old-password", "{shown:?}");
    assert_eq!(after.last().unwrap(), "the-new-password", "{shown:?}");
    assert_eq!(after.iter().filter(|password| *password == "the-old-password").count(), 1);
    assert!(!told_so_far().contains("-password"), "{}", told_so_far());
}

/// Nor does it where the vault knows no better: the login stays refused, and the vault is not
/// worn out.
#[tokio::test]
async fn a_password_that_the_vault_does_not_know_is_refused_as_it_was() {
    let responder = Responder::start().await;
    let (stub, settings) = beside(&responder).await;
    responder.take_only("what-nobody-knows");
    stub.asked();
    assert!(database::open(&settings).await.is_err());
    assert!(!stub.asked().is_empty());
    stub.say_of_all(Some(CLOSED));
    assert!(database::open(&settings).await.is_err());
    stub.say_of_all(None);
    stub.put("SQL_PASSWORD", "what-nobody-knows");
    database::open(&settings).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn a_rotated_key_of_the_shared_cache_is_taken_up() {
    let server = RedisServer::start_with(&["--requirepass", "the-old-key"]);
    let url = |key: &str| format!("redis://:{key}@127.0.0.1:{}", server.port);
    let stub = VaultStub::start(&[("REDIS_CONNECTION_STRING", &*url("the-old-key"))]);
    let prefix = some_prefix();
    let settings = opened(&stub, &[("CACHE_PREFIX", &*prefix)], BY_HAND).await;
    let folder = TestFolder::new();
    let store: Arc<dyn Store> = folder.store();
    let redis = shared::begin(&settings, &store).unwrap().unwrap();
    let until_there = async || {
        let began = Instant::now();
        while redis.ping().await.is_err() {
            assert!(began.elapsed() < LONG);
            sleep(Duration::from_millis(20)).await;
        }
    };
    until_there().await;
    command(&url("the-old-key"), &["CONFIG", "SET", "requirepass", "the-new-key"]);
    stub.put("REDIS_CONNECTION_STRING", &url("the-new-key"));
    command(&url("the-new-key"), &["CLIENT", "KILL", "TYPE", "normal"]);
    sleep(Duration::from_millis(50)).await;
    until_there().await;
}

#[tokio::test]
async fn a_rotated_key_of_firebase_is_taken_up() {
    let google = Google::that(|_| refusal(400, "INVALID_LOGIN_CREDENTIALS")).await;
    let stub = VaultStub::start(&[
        ("FIREBASE_API_KEY", "AIza-old"),
        ("FIREBASE_PROJECT_ID", "shop-1"),
        ("JWT_SECRET_KEY", KEY),
    ]);
    let host = google.url.trim_start_matches("http://");
    let settings = opened(&stub, &[("FIREBASE_AUTH_EMULATOR_HOST", host)], BY_HAND).await;
    let folder = TestFolder::new();
    let store: Arc<dyn Store> = folder.store();
    let identity = people::identity(&settings, &store).unwrap();
    let password = SecretString::from("Hunter2!Hunter2");
    assert!(identity.check("ann@shop.example", &password).await.is_err());
    assert!(google.asked().iter().all(|asked| asked.line.ends_with("key=AIza-old")));
    stub.put("FIREBASE_API_KEY", "AIza-new");
    settings.secrets.refused().await;
    let began = Instant::now();
    while !google.asked().last().unwrap().line.ends_with("key=AIza-new") {
        assert!(began.elapsed() < LONG);
        assert!(identity.check("ann@shop.example", &password).await.is_err());
        sleep(Duration::from_millis(10)).await;
    }
    // Another project is another place of accounts.
    stub.put("FIREBASE_PROJECT_ID", "shop-2");
    settings.secrets.refused().await;
    let now = settings.secrets.changes().unwrap().borrow().clone();
    assert_eq!(now.people.firebase.as_ref().unwrap().project_id.as_deref(), Some("shop-1"));
}
