//! Signing up, in and out; users and what they may do.

mod fields;

use std::net::IpAddr;
use std::sync::Arc;

use secrecy::SecretString;
use serde::Serialize;
use tracing::Instrument as _;
use uuid::Uuid;
use warp::http::{HeaderMap, StatusCode};
use warp::reply::Response;

use self::fields::{email, is_email_short, is_password_short, name, needed, password};
use super::auth::{self, Caller};
use super::body::Body;
use super::list_page::ListPage;
use super::problem::ApiError;
use super::{respond, writes};
use crate::app::App;
use crate::catalog::JsonObject;
use crate::identity::accounts::{AccountError, SignUp, SignedIn};
use crate::identity::limits::{Attempt, RetryAfter};
use crate::store::StoreError;
use crate::store::users::{Changed, Rights, RightsChange, User};

/// A refresh token has 43; more is none of ours.
const TOKEN_BYTES_MAX: usize = 100;

/// `POST /signup`
pub(super) async fn sign_up(
    app: &App,
    headers: &HeaderMap,
    from: IpAddr,
    body: Body,
) -> Result<Response, ApiError> {
    app.people.limits.count(Attempt::SignUp, from)?;
    let body = writes::read_json(headers, body).await?;
    let mut form = JsonObject::parse(
        &body,
        &["email", "password", "firstName", "lastName", "admin", "active"],
    )?;
    let given = (
        needed(&mut form, "email", email),
        needed(&mut form, "password", password),
        needed(&mut form, "firstName", |text| name("firstName", text)),
        needed(&mut form, "lastName", |text| name("lastName", text)),
    );
    let (admin, active) = (form.truth("admin").value(), form.truth("active").value());
    form.faults().map_err(ApiError::InvalidFields)?;
    let (Some(email), Some(password), Some(first_name), Some(last_name)) = given else {
        unreachable!("what is missing was refused");
    };
    app.people.limits.count_account(Attempt::SignUp, &email)?;
    let rights = entitled(app, headers, admin, active).await?;
    let sign_up = SignUp { email, password, first_name, last_name, rights };
    let accounts = Arc::clone(&app.people.accounts);
    // Not cut off by a client that hangs up.
    let user = to_the_end(async move { accounts.sign_up(sign_up).await }).await??;
    let made = Made { user_id: user.id, email: user.email };
    Ok(respond::json(&made, StatusCode::CREATED))
}

/// Rights other than the usual are given by administrators alone. Who asks for less than the
/// usual without being one gets the usual.
async fn entitled(
    app: &App,
    headers: &HeaderMap,
    admin: Option<bool>,
    active: Option<bool>,
) -> Result<Rights, ApiError> {
    let usual = Rights::USUAL;
    if auth::claims_to_be_somebody(headers) {
        let caller = auth::user(app, headers).await?;
        if caller.rights.admin {
            let (admin, active) = (admin.unwrap_or(usual.admin), active.unwrap_or(usual.active));
            return Ok(Rights { active, admin });
        }
    }
    if admin == Some(true) { Err(ApiError::Forbidden) } else { Ok(usual) }
}

#[derive(Serialize)]
struct Made {
    user_id: Uuid,
    email: String,
}

/// `POST /login`
pub(super) async fn login(
    app: &App,
    headers: &HeaderMap,
    from: IpAddr,
    body: Body,
) -> Result<Response, ApiError> {
    app.people.limits.count(Attempt::SignIn, from)?;
    let body = writes::read_json(headers, body).await?;
    let mut form = JsonObject::parse(&body, &["email", "password"])?;
    // Whatever they are like: a password that cannot be one is a wrong one.
    let email = needed(&mut form, "email", |text| Ok(text.to_owned()));
    let password = needed(&mut form, "password", |text| Ok(SecretString::from(text)));
    form.faults().map_err(ApiError::InvalidFields)?;
    let (Some(email), Some(password)) = (email, password) else {
        unreachable!("what is missing was refused");
    };
    if !is_email_short(&email) || !is_password_short(&password) {
        return Err(ApiError::LoginFailed);
    }
    app.people.limits.count_account(Attempt::SignIn, &email)?;
    let (accounts, cache) = (Arc::clone(&app.people.accounts), Arc::clone(&app.cache));
    // Who is made an administrator by it is told of, whether or not the client waits.
    let signed_in = to_the_end(async move {
        let signed_in = accounts.sign_in(&email, &password).await?;
        if let Some(versions) = &signed_in.raised {
            cache.publish(versions).await;
        }
        Ok::<_, AccountError>(signed_in)
    })
    .await??;
    Ok(tokens(&signed_in, "signed in"))
}

/// `POST /login/refresh`
pub(super) async fn refresh(
    app: &App,
    headers: &HeaderMap,
    from: IpAddr,
    body: Body,
) -> Result<Response, ApiError> {
    app.people.limits.count(Attempt::Refresh, from)?;
    let body = writes::read_json(headers, body).await?;
    let mut form = JsonObject::parse(&body, &["refreshToken"])?;
    let token = needed(&mut form, "refreshToken", |text| Ok(text.to_owned()));
    form.faults().map_err(ApiError::InvalidFields)?;
    let token = token.filter(|token| token.len() <= TOKEN_BYTES_MAX);
    let token = token.ok_or(ApiError::LoginFailed)?;
    let accounts = Arc::clone(&app.people.accounts);
    if let Some(session) = accounts.session(&token).await? {
        app.people.limits.count_account(Attempt::Refresh, &session.family.to_string())?;
    }
    let signed_in = to_the_end(async move { accounts.refresh(&token).await }).await??;
    Ok(tokens(&signed_in, "refreshed"))
}

fn tokens(signed_in: &SignedIn, message: &'static str) -> Response {
    let SignedIn { id_token, refresh_token, expires_in, .. } = signed_in;
    respond::json(&Tokens { message, id_token, refresh_token, expires_in }, StatusCode::OK)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tokens<'a> {
    message: &'static str,
    id_token: &'a str,
    refresh_token: &'a str,
    expires_in: &'a i64,
}

/// `POST /logout`
pub(super) async fn logout(app: &App, headers: &HeaderMap) -> Result<Response, ApiError> {
    let caller = auth::user(app, headers).await?;
    app.people.accounts.sign_out(caller.user).await?;
    Ok(respond::nothing())
}

/// `POST /password/reset`: says the same whatever becomes of it.
pub(super) async fn reset_password(
    app: &App,
    headers: &HeaderMap,
    from: IpAddr,
    body: Body,
) -> Result<Response, ApiError> {
    if !app.people.are_known {
        let why = StoreError::Unreachable("it is not known where accounts are".into());
        return Err(ApiError::Unavailable(Arc::new(why)));
    }
    app.people.limits.count(Attempt::Reset, from)?;
    let body = writes::read_json(headers, body).await?;
    let mut form = JsonObject::parse(&body, &["email"])?;
    let email = needed(&mut form, "email", email);
    form.faults().map_err(ApiError::InvalidFields)?;
    if let Some(email) = email {
        app.people.limits.count_account(Attempt::Reset, &email)?;
        let accounts = Arc::clone(&app.people.accounts);
        // In the background: how long it takes would tell whether there is an account.
        let resetting = async move {
            if let Err(e) = accounts.reset_password(&email).await {
                tracing::warn!("a password could not be reset: {e}");
            }
        };
        tokio::spawn(resetting.in_current_span());
    }
    let message = "if there is an account for this address, its owner has been written to";
    Ok(respond::json(&Accepted { message }, StatusCode::ACCEPTED))
}

#[derive(Serialize)]
struct Accepted {
    message: &'static str,
}

/// `GET /me`
pub(super) async fn me(app: &App, headers: &HeaderMap) -> Result<Response, ApiError> {
    let Caller { user, .. } = auth::user(app, headers).await?;
    let user = app.store.user(user).await?.ok_or(ApiError::Unauthorized)?;
    Ok(respond::json(&Shown::from(&user), StatusCode::OK))
}

/// `GET /users`: pages by `limit` and `cursor`.
pub(super) async fn list(
    app: &App,
    headers: &HeaderMap,
    raw_query: &str,
) -> Result<Response, ApiError> {
    auth::administrator(app, headers).await?;
    let page = ListPage::parse(raw_query, |key| Uuid::from_slice(key).ok())?;
    let mut users = app.store.users(page.after, page.rows()).await?;
    Ok(page.answer::<_, Shown<'_>, _>(&mut users, "/users", |user| user.id))
}

/// `PATCH /users/{id}`
pub(super) async fn update(
    app: &App,
    headers: &HeaderMap,
    segment: &str,
    body: Body,
) -> Result<Response, ApiError> {
    auth::administrator(app, headers).await?;
    let id = Uuid::parse_str(segment).map_err(|_| ApiError::NoSuchUser)?;
    let body = writes::read_json(headers, body).await?;
    let mut form = JsonObject::parse(&body, &["active", "admin"])?;
    let (active, admin) = (form.truth("active").value(), form.truth("admin").value());
    form.faults().map_err(ApiError::InvalidFields)?;
    let change = RightsChange { active, admin, as_listed: false };
    let (store, cache) = (Arc::clone(&app.store), Arc::clone(&app.cache));
    // Commit and publication are not parted by a client that hangs up.
    let changed = to_the_end(async move {
        let changed = store.change_rights(id, change).await?;
        if let Changed::Done(_, versions) = &changed {
            cache.publish(versions).await;
        }
        Ok::<_, StoreError>(changed)
    })
    .await??;
    match changed {
        Changed::Done(user, _) => Ok(respond::json(&Shown::from(&*user), StatusCode::OK)),
        Changed::LastAdministrator => Err(ApiError::LastAdministrator),
        Changed::Unknown => Err(ApiError::NoSuchUser),
    }
}

/// A user as administrators and the user see it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    #[serde(rename = "user_id")]
    user_id: Uuid,
    email: &'a str,
    first_name: &'a str,
    last_name: &'a str,
    active: bool,
    admin: bool,
}

impl<'a> From<&'a User> for Shown<'a> {
    fn from(user: &'a User) -> Self {
        Self {
            user_id: user.id,
            email: &user.email,
            first_name: &user.first_name,
            last_name: &user.last_name,
            active: user.rights.active,
            admin: user.rights.admin,
        }
    }
}

/// Carries work to its end whoever waits for it.
async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, ApiError> {
    let working = tokio::spawn(work.in_current_span());
    working.await.map_err(|e| StoreError::Corrupt(e.into()).into())
}

impl From<RetryAfter> for ApiError {
    fn from(RetryAfter(seconds): RetryAfter) -> Self {
        Self::TooManyAttempts(seconds)
    }
}
