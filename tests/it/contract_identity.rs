//! What every place of accounts promises, checked the same way on each.

use std::sync::Arc;

use secrecy::SecretString;
use uuid::Uuid;
use vitrine::clock::Clock;
use vitrine::identity::firebase::{Config, Firebase};
use vitrine::identity::local::LocalAccounts;
use vitrine::identity::{AccountId, Identity, IdentityError, NewAccount};

use crate::contract_store::Engine;

/// A place of accounts.
pub struct Subject {
    pub place: Arc<dyn Identity>,
    /// Whether an account is called what we want it to be called.
    pub takes_our_id: bool,
    _store: Option<crate::contract_store::Subject>,
}

/// Accounts in a database of the test's own.
async fn local() -> Subject {
    local_on(Engine::Sqlite).await
}

async fn local_on_sqlserver() -> Subject {
    local_on(Engine::SqlServer).await
}

async fn local_on(engine: Engine) -> Subject {
    let store = engine.subject().await;
    let place = Arc::new(LocalAccounts::new(Arc::clone(&store.store)));
    Subject { place, takes_our_id: true, _store: Some(store) }
}

/// The real emulator, shared by all tests: each takes addresses of its own.
async fn firebase_emulator() -> Subject {
    let config = emulated();
    let place = Arc::new(Firebase::new(&config, Clock::System).unwrap());
    Subject { place, takes_our_id: true, _store: None }
}

/// The emulator that scripts/services has started.
pub fn emulated() -> Config {
    let host = std::env::var("TEST_FIREBASE_EMULATOR").expect("scripts/services sets it");
    Config {
        project_id: Some("demo-vitrine".to_owned()),
        api_key: "any".into(),
        service_account: None,
        emulator_host: Some(host),
    }
}

macro_rules! contract {
    ($place:ident $marks:tt) => {
        mod $place {
            contract!(@each $place $marks
                an_account_is_opened_by_its_password_and_by_no_other
                an_unknown_address_and_a_wrong_password_are_told_alike
                an_address_is_taken_once_however_it_is_written
                of_two_at_once_one_gets_the_address
                an_account_is_found_by_its_id
                an_account_that_is_removed_is_gone
                a_reset_tells_nobody_whether_there_is_an_account
                an_account_is_called_what_we_call_it
                a_place_that_is_there_can_be_reached
            );
        }
    };
    (@each $place:ident $marks:tt $($promise:ident)*) => {
        $(contract!(@one $place $marks $promise);)*
    };
    (@one $place:ident { $($mark:meta)? } $promise:ident) => {
        #[tokio::test]
        $(#[$mark])?
        async fn $promise() {
            super::$promise(super::$place().await).await;
        }
    };
}

contract!(local {});
contract!(local_on_sqlserver { ignore = "needs TEST_SQL_CONNECTION_STRING" });
contract!(firebase_emulator { ignore = "needs TEST_FIREBASE_EMULATOR" });

const PASSWORD: &str = "Correct-1-horse!";

/// A wish for an account with an address that no other test has.
pub fn wish() -> NewAccount {
    let user = Uuid::new_v4();
    NewAccount {
        user,
        email: format!("ann.{}@example.com", user.simple()),
        password: PASSWORD.into(),
    }
}

fn is_taken(made: &Result<AccountId, IdentityError>) -> bool {
    matches!(made, Err(IdentityError::EmailTaken))
}

async fn an_account_is_opened_by_its_password_and_by_no_other(
    Subject { place, _store, .. }: Subject,
) {
    let wish = wish();
    let id = place.create(&wish).await.unwrap();
    for email in [wish.email.clone(), wish.email.to_uppercase()] {
        let checked = place.check(&email, &wish.password).await.unwrap();
        assert_eq!(checked.account, id);
        assert!(!checked.is_verified, "nobody has proved anything");
    }
    for other in ["correct-1-horse!", "Correct-1-horse", "Correct-1-horse! ", "Other-1-horse!", ""]
    {
        let refused = place.check(&wish.email, &other.into()).await.unwrap_err();
        assert!(matches!(refused, IdentityError::WrongCredentials), "{other}: {refused:?}");
    }
    let other = self::wish();
    place
        .create(&NewAccount { password: "Battery-2-staple!".into(), ..other.clone() })
        .await
        .unwrap();
    assert!(place.check(&other.email, &PASSWORD.into()).await.is_err(), "another's password");
    assert!(place.check(&wish.email, &PASSWORD.into()).await.is_ok(), "tries change nothing");
}

async fn an_unknown_address_and_a_wrong_password_are_told_alike(
    Subject { place, _store, .. }: Subject,
) {
    let wish = wish();
    place.create(&wish).await.unwrap();
    let wrong: SecretString = "Wrong-1-horse!".into();
    let told = |told: Result<_, IdentityError>| format!("{:?}", told.unwrap_err());
    let known = told(place.check(&wish.email, &wrong).await);
    let unknown = told(place.check(&self::wish().email, &wrong).await);
    let no_address = told(place.check("no address", &wrong).await);
    assert_eq!(known, "WrongCredentials");
    assert_eq!((&unknown, &no_address), (&known, &known));
}

async fn an_address_is_taken_once_however_it_is_written(Subject { place, _store, .. }: Subject) {
    let first = wish();
    let id = place.create(&first).await.unwrap();
    for email in [first.email.clone(), first.email.to_uppercase()] {
        let second =
            NewAccount { user: Uuid::new_v4(), email, password: "Battery-2-staple!".into() };
        let made = place.create(&second).await;
        assert!(is_taken(&made), "{made:?}");
        assert!(place.check(&first.email, &second.password).await.is_err(), "it changes nothing");
    }
    assert_eq!(place.check(&first.email, &first.password).await.unwrap().account, id);
}

async fn of_two_at_once_one_gets_the_address(Subject { place, _store, .. }: Subject) {
    for _ in 0..5 {
        let one = wish();
        let other = NewAccount { user: Uuid::new_v4(), ..one.clone() };
        let made = tokio::join!(place.create(&one), place.create(&other));
        let id = match &made {
            (Ok(id), other) | (other, Ok(id)) if is_taken(other) => id,
            neither => panic!("{neither:?}"),
        };
        assert!(place.find(id).await.unwrap().is_some());
    }
}

async fn an_account_is_found_by_its_id(Subject { place, _store, .. }: Subject) {
    assert!(place.is_managed());
    let wish = wish();
    let id = AccountId(wish.user.to_string());
    assert_eq!(place.find(&id).await.unwrap(), None);
    assert_eq!(place.create(&wish).await.unwrap(), id);
    assert!(!place.find(&id).await.unwrap().unwrap().is_disabled);
    for other in [AccountId(Uuid::new_v4().to_string()), AccountId("nobody".to_owned())] {
        assert_eq!(place.find(&other).await.unwrap(), None);
    }
}

async fn an_account_that_is_removed_is_gone(Subject { place, _store, .. }: Subject) {
    let (wish, other) = (wish(), self::wish());
    let id = place.create(&wish).await.unwrap();
    place.create(&other).await.unwrap();
    place.remove(&id).await.unwrap();
    place.remove(&id).await.expect("removing none is no error");
    assert_eq!(place.find(&id).await.unwrap(), None);
    let refused = place.check(&wish.email, &wish.password).await.unwrap_err();
    assert!(matches!(refused, IdentityError::WrongCredentials), "{refused:?}");
    place.check(&other.email, &other.password).await.expect("the others stay");
    let again = NewAccount { user: Uuid::new_v4(), ..wish.clone() };
    let id = place.create(&again).await.expect("the address is free");
    assert_eq!(place.check(&wish.email, &wish.password).await.unwrap().account, id);
}

async fn a_reset_tells_nobody_whether_there_is_an_account(Subject { place, _store, .. }: Subject) {
    let wish = wish();
    place.create(&wish).await.unwrap();
    let mut told = Vec::new();
    for email in [wish.email.as_str(), &self::wish().email, "no address"] {
        told.push(format!("{:?}", place.reset_password(email).await));
    }
    assert_eq!(told, ["Ok(())"; 3]);
    place.check(&wish.email, &wish.password).await.expect("the old password lives on until then");
}

async fn an_account_is_called_what_we_call_it(Subject { place, takes_our_id, _store }: Subject) {
    let wish = wish();
    let id = place.create(&wish).await.unwrap();
    assert_eq!(id.0 == wish.user.to_string(), takes_our_id, "{id:?}");
}

async fn a_place_that_is_there_can_be_reached(Subject { place, _store, .. }: Subject) {
    place.probe().await.unwrap();
}
