//! Tokens of the managed identity, asked of a stand-in for Azure's endpoint.

use std::time::Duration;

use secrecy::ExposeSecret as _;
use vitrine::credentials::{Credentials, Token};

use crate::support::identity::{Endpoint, SECRET, Says, is_beside};

const SQL: &str = "https://database.windows.net/.default";
const VAULT: &str = "https://vault.azure.net/.default";
const HOUR: Says = Says::Token(Duration::from_hours(1));

fn text(token: &Token) -> &str {
    token.secret.expose_secret()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_asked_for_once_for_each_scope() {
    let of_sql = "api-version=2019-08-01&resource=https%3A%2F%2Fdatabase.windows.net&client_id=me";
    let here = is_beside(
        "credentials::a_token_is_asked_for_once_for_each_scope",
        || Endpoint::start(vec![HOUR]),
        |endpoint| {
            let asked = endpoint.requests();
            assert_eq!(asked.len(), 2, "{asked:?}");
            assert_eq!(asked[0], of_sql);
        },
    );
    if here {
        let credentials = Credentials::managed_identity(Some("me")).unwrap();
        let (one, two) = tokio::join!(credentials.token(SQL), credentials.token(SQL));
        assert_eq!((text(&one.unwrap()), text(&two.unwrap())), ("token-1", "token-1"));
        let vault = credentials.token(VAULT).await.unwrap();
        assert_eq!(text(&vault), "token-2");
        let again = credentials.token(SQL).await.unwrap();
        assert_eq!(text(&again), "token-1");
        assert!(again.lasts > Duration::from_mins(59) && again.lasts <= Duration::from_hours(1));
        assert!(!format!("{credentials:?} {again:?}").contains("token-1"));
    }
}

/// One that ends within five minutes is exchanged; until that works it is used on.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_exchanged_before_its_end() {
    let soon = Says::Token(Duration::from_mins(4));
    let away = Says::No(400, "not now");
    let here = is_beside(
        "credentials::a_token_is_exchanged_before_its_end",
        || Endpoint::start(vec![soon, soon, away, HOUR]),
        |endpoint| assert_eq!(endpoint.requests().len(), 4),
    );
    if here {
        let credentials = Credentials::managed_identity(None).unwrap();
        for expected in ["token-1", "token-2", "token-2", "token-4", "token-4"] {
            assert_eq!(text(&credentials.token(SQL).await.unwrap()), expected);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_that_gives_no_token_is_told_of_in_one_line() {
    let here = is_beside(
        "credentials::an_identity_that_gives_no_token_is_told_of_in_one_line",
        || Endpoint::start(vec![Says::No(403, "no such identity")]),
        |_| {},
    );
    if here {
        let credentials = Credentials::managed_identity(Some("other")).unwrap();
        let refused = credentials.token(SQL).await.unwrap_err();
        let text = format!("{refused}");
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains("database.windows.net") && text.contains("no such"), "{text}");
        assert!(!format!("{text} {refused:?}").contains(SECRET), "{refused:?}");
    }
}
