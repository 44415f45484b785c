//! Tokens of the managed identity, asked of a stand-in for Azure's endpoint.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use vitrine::credentials::{Credentials, Token};

use crate::support::apart::{child_of, run_apart};
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

/// A program of the Azure CLI's name that has a token, or that says what it says when nobody is
/// signed in; it keeps its arguments.
fn azure_cli(folder: &Path, says: &str) -> String {
    let az = folder.join("az");
    let asked = folder.join("asked");
    let script = format!("#!/bin/sh\necho \"$@\" >>{}\n{says}\n", asked.display());
    std::fs::write(&az, script).unwrap();
    std::fs::set_permissions(&az, std::fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:/usr/bin:/bin", folder.display())
}

const SIGNED_IN: &str =
    r#"echo '{"accessToken": "of-the-cli", "expires_on": 4102444800, "tokenType": "Bearer"}'"#;
const SIGNED_OUT: &str = "echo 'ERROR: Please run az login to setup account.' >&2; exit 1";

/// `handler migrate` is run on machines of people and of pipelines, which have no identity.
#[test]
fn without_an_identity_whoever_has_signed_in_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = azure_cli(folder.path(), SIGNED_IN);
    let test = "credentials::child_asks_whoever_has_signed_in";
    run_apart(test, "signed in", &[("PATH", &path)]);
    let asked = std::fs::read_to_string(folder.path().join("asked")).unwrap();
    assert_eq!(asked.lines().count(), 1, "{asked}");
    assert!(asked.contains("get-access-token") && asked.contains(SQL), "{asked}");

    // The endpoint of a virtual machine's identity is not there either; both are told of.
    let path = azure_cli(folder.path(), SIGNED_OUT);
    run_apart(test, "signed out", &[("PATH", &path)]);
}

#[tokio::test]
#[ignore = "no test: a process of the test beside it"]
async fn child_asks_whoever_has_signed_in() {
    let Some(told) = child_of("credentials::child_asks_whoever_has_signed_in") else { return };
    let credentials = Credentials::of_process(false, None).unwrap();
    let token = credentials.token(SQL).await;
    if told == "signed in" {
        assert_eq!(text(&token.unwrap()), "of-the-cli");
        return;
    }
    let refused = token.unwrap_err().to_string();
    assert_eq!(refused.lines().count(), 1, "{refused}");
    assert!(refused.contains("az login") && refused.contains("managed identity"), "{refused}");
}

/// Whoever has an identity, or was told of one, is never somebody who has signed in there.
#[tokio::test(flavor = "multi_thread")]
async fn an_identity_is_asked_and_no_tool_beside_it() {
    let here = is_beside(
        "credentials::an_identity_is_asked_and_no_tool_beside_it",
        || Endpoint::start(vec![HOUR]),
        |endpoint| assert_eq!(endpoint.requests().len(), 2),
    );
    if here {
        for (has_identity, client_id) in [(true, None), (false, Some("me"))] {
            let credentials = Credentials::of_process(has_identity, client_id).unwrap();
            assert_eq!(credentials.token(SQL).await.unwrap().lasts.as_secs() / 3_500, 1);
        }
    }
}
