//! Who asks, and whether they may.
//!
//! A token proves who somebody is; what they may do is read from the database, through the
//! cache: a right that was taken away counts within the cache's bound.

use std::net::{IpAddr, SocketAddr};

use uuid::Uuid;
use warp::http::header::AUTHORIZATION;
use warp::http::{HeaderMap, HeaderName};

use super::problem::ApiError;
use crate::app::App;
use crate::cache::Outcome;
use crate::cache::encoding::Encoding;
use crate::identity::token::Proved;
use crate::question::{Question, Standing};
use crate::store::StoreError;
use crate::store::users::Rights;

/// Somebody who is signed in and active.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller {
    pub(super) user: Uuid,
    pub(super) rights: Rights,
}

/// The address that a connection came from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

/// What somebody is here for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Here {
    /// For what is served.
    ForItself,
    /// To look after us: nothing is kept awake for them (DESIGN 4.10).
    ToWatch,
}

/// Whoever asks; refuses who is nobody.
pub(super) async fn user(app: &App, headers: &HeaderMap) -> Result<Caller, ApiError> {
    who(app, headers, Here::ForItself).await
}

/// An administrator who only looks what has happened.
pub(super) async fn watcher(app: &App, headers: &HeaderMap) -> Result<(), ApiError> {
    let caller = who(app, headers, Here::ToWatch).await?;
    if caller.rights.admin { Ok(()) } else { Err(ApiError::Forbidden) }
}

async fn who(app: &App, headers: &HeaderMap, here: Here) -> Result<Caller, ApiError> {
    let token = bearer(headers).ok_or(ApiError::Unauthorized)?;
    let Proved { user, epoch } = app.people.accounts.whose(token).ok_or(ApiError::Unauthorized)?;
    let mut standing = standing(app, user, here).await?.ok_or(ApiError::Unauthorized)?;
    if standing.epoch < epoch {
        // Another process has given it out a moment ago; nobody but us can sign it.
        let user = app.store.user(user).await?.ok_or(ApiError::Unauthorized)?;
        standing = Standing { rights: user.rights, epoch: user.epoch };
    }
    let rights = standing.rights;
    if !rights.active {
        // Shutting somebody out ends their tokens as well; this says more.
        return Err(ApiError::Forbidden);
    }
    if standing.epoch == epoch { Ok(Caller { user, rights }) } else { Err(ApiError::Unauthorized) }
}

/// Whoever asks; refuses who does not administer in this moment.
pub(super) async fn administrator(app: &App, headers: &HeaderMap) -> Result<Caller, ApiError> {
    let caller = user(app, headers).await?;
    if caller.rights.admin { Ok(caller) } else { Err(ApiError::Forbidden) }
}

/// Whether anything is sent that claims to be a token.
pub(super) fn claims_to_be_somebody(headers: &HeaderMap) -> bool {
    headers.contains_key(AUTHORIZATION)
}

async fn standing(app: &App, user: Uuid, here: Here) -> Result<Option<Standing>, ApiError> {
    let question = Question::Rights(user);
    let reply = match here {
        Here::ForItself => app.cache.answer(&question).await?,
        Here::ToWatch => app.cache.answer_quietly(&question).await?,
    };
    if let Outcome::Stale(_) = reply.outcome {
        // An older page is better than none; an older right is not.
        return Err(StoreError::Unreachable("nobody's rights can be read".into()).into());
    }
    if !reply.answer.is_found() {
        return Ok(None);
    }
    let body = reply.answer.body(Encoding::Identity).await?;
    Ok(serde_json::from_slice(&body).ok())
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let (first, second) = (all.next()?, all.next());
    let (scheme, token) = first.to_str().ok()?.split_once(' ')?;
    let is_bearer = scheme.eq_ignore_ascii_case("bearer") && second.is_none();
    is_bearer.then(|| token.trim())
}

/// Where a request came from: what the trusted proxy in front has added last, if there is
/// one; otherwise the connection. What a client writes into the header itself stands before.
pub(super) fn client(
    peer: Option<Peer>,
    headers: &HeaderMap,
    proxy: Option<&HeaderName>,
) -> IpAddr {
    let told = proxy.and_then(|name| {
        let line = headers.get_all(name).iter().next_back()?.to_str().ok()?;
        address(line.rsplit(',').next()?.trim())
    });
    let connection = peer.map_or(IpAddr::from([0, 0, 0, 0]), |Peer(address)| address.ip());
    told.unwrap_or(connection)
}

/// An address as proxies write it, with a port or without.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok().or_else(|| text.parse().ok().map(|address: SocketAddr| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_trusted_proxy_has_added_counts() {
        let peer = Some(Peer("192.0.2.9:1".parse().unwrap()));
        let name = HeaderName::from_static("x-forwarded-for");
        let with = |lines: &[&str]| {
            let lines = lines.iter().map(|line| (name.clone(), line.parse().unwrap()));
            let mut headers = HeaderMap::new();
            lines.for_each(|(name, line)| {
                headers.append(name, line);
            });
            headers
        };
        for (lines, expected) in [
            (vec!["198.51.100.1"], "198.51.100.1"),
            (vec!["203.0.113.7, 198.51.100.1:4711"], "198.51.100.1"),
            (vec!["203.0.113.7", "198.51.100.1"], "198.51.100.1"),
            (vec!["[2001:db8::1]:443"], "2001:db8::1"),
            (vec!["2001:db8::1"], "2001:db8::1"),
            (vec!["nonsense"], "192.0.2.9"),
            (vec![], "192.0.2.9"),
        ] {
            let client = client(peer, &with(&lines), Some(&name));
            assert_eq!(client.to_string(), expected, "{lines:?}");
        }
        assert_eq!(client(peer, &with(&["198.51.100.1"]), None).to_string(), "192.0.2.9");
    }

    #[test]
    fn a_token_is_sent_once_and_as_a_bearers() {
        let with = |text: &str| HeaderMap::from_iter([(AUTHORIZATION, text.parse().unwrap())]);
        assert_eq!(bearer(&with("Bearer x.y.z")), Some("x.y.z"));
        assert_eq!(bearer(&with("bearer  x")), Some("x"));
        for other in ["x.y.z", "Basic abc", "Bearer"] {
            assert_eq!(bearer(&with(other)), None, "{other}");
        }
    }
}
