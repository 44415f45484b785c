//! The one error an HTTP handler returns, and the one place it becomes a response.
//!
//! `Display` is public: it is the `detail` that a client reads. Whatever must stay in the
//! logs (SQL, paths, driver text) is reachable only through `source()`.

use std::borrow::Cow;
use std::error::Error as _;
use std::sync::Arc;

use serde::Serialize;
use warp::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use warp::http::{HeaderValue, StatusCode};
use warp::reply::Response;

use super::body::BodyError;
use crate::cache::forms::Damaged;
use crate::catalog::{InputError, Invalid, NotAnObject};
use crate::host::Failure;
use crate::identity::IdentityError;
use crate::identity::accounts::AccountError;
use crate::imports::ImportsError;
use crate::store::{StoreError, WriteError};

/// Seconds after which a client may try again when a part is away.
const RETRY_SECONDS: u32 = 2;

/// The whole data set takes about so long to be streamed.
const STREAM_RETRY_SECONDS: u32 = 10;
/// An import takes a minute or two.
const IMPORT_RETRY_SECONDS: u32 = 10;
/// Faults that are told of: more than there are parameters. A query of a few letters each would
/// else be answered with twenty times its size.
const FAULTS_MAX: usize = 16;

/// Why a request has no better answer.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each is told by its message, or by the error that it holds")]
pub enum ApiError {
    /// Parameters that are missing, unknown or malformed.
    #[error("{}", joined(.0))]
    Invalid(Vec<Invalid>),
    #[error("no product has the asin `{0}`")]
    NoSuchProduct(String),
    #[error("there is no category {0}")]
    UnknownCategory(u32),
    /// Fields of a body, all that are wrong.
    #[error("{}", joined(.0))]
    InvalidFields(Vec<Invalid>),
    #[error("{0}")]
    InvalidHeader(Invalid),
    #[error(transparent)]
    Malformed(#[from] NotAnObject),
    #[error("the body {0}")]
    Body(BodyError),
    /// The media type that the route takes.
    #[error("this path takes {0}, not encoded")]
    UnsupportedMediaType(&'static str),
    /// A product that cannot be written as asked.
    #[error("{0}")]
    Refused(WriteError),
    #[error("there is nothing at this path")]
    NotFound,
    /// The methods that the path takes.
    #[error("this path takes {0}")]
    MethodNotAllowed(String),
    #[error("this path answers in {0}")]
    NotAcceptable(&'static str),
    #[error("two lists are streamed already, try again shortly")]
    TooManyStreams,
    /// There is no token, or it proves nothing.
    #[error("a valid token must be sent as `Authorization: Bearer …`")]
    Unauthorized,
    /// Whatever was wrong with it.
    #[error("signing in failed")]
    LoginFailed,
    #[error("the user may not do this")]
    Forbidden,
    #[error("there is no such user")]
    NoSuchUser,
    #[error("there is an account for this e-mail address already")]
    EmailTaken,
    #[error("nobody would be left to administer")]
    LastAdministrator,
    /// A run that is not handled as asked.
    #[error("{0}")]
    Import(ImportsError),
    /// Seconds after which the next attempt may be made.
    #[error("too many attempts, try again later")]
    TooManyAttempts(u32),
    /// The place of accounts is away or not set up.
    #[error("the accounts cannot be reached, try again shortly")]
    AccountsAway(#[source] IdentityError),
    /// Nothing was changed, so the same request may be sent again.
    #[error("the catalogue cannot be reached, try again shortly")]
    Unavailable(#[source] Arc<StoreError>),
    #[error("this catalogue cannot be searched")]
    NoSearch,
    /// What the Functions host asked for has failed.
    #[error("{0}")]
    Invocation(#[from] Failure),
    #[error("internal error")]
    Internal(#[source] Arc<StoreError>),
}

/// RFC 9457.
#[derive(Serialize)]
struct Problem<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError<'a>>,
}

/// What is wrong with one field of a body.
#[derive(Serialize)]
struct FieldError<'a> {
    field: &'a str,
    message: Cow<'a, str>,
}

impl ApiError {
    /// The status, the stable word that clients may match on, and what it means in short.
    fn class(&self) -> Class {
        match self {
            Self::Invalid(_) => {
                (StatusCode::BAD_REQUEST, "invalid-parameter", "A parameter is not valid")
            }
            Self::NoSuchProduct(_) => (StatusCode::NOT_FOUND, "no-such-product", "No such product"),
            Self::UnknownCategory(_) => {
                (StatusCode::NOT_FOUND, "unknown-category", "Unknown category")
            }
            Self::InvalidFields(_) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "invalid-field", "A field is not valid")
            }
            Self::InvalidHeader(_) => {
                (StatusCode::BAD_REQUEST, "invalid-header", "A header is not valid")
            }
            Self::Malformed(_) => {
                (StatusCode::BAD_REQUEST, "malformed-body", "The body is malformed")
            }
            Self::Body(BodyError::TooLarge(_)) => TOO_LARGE,
            Self::Body(BodyError::Incomplete) => {
                (StatusCode::BAD_REQUEST, "incomplete-body", "The body is incomplete")
            }
            Self::UnsupportedMediaType(_) => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-media-type",
                "Unsupported media type",
            ),
            Self::Refused(refusal) => refusal_class(refusal),
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found", "Not found"),
            Self::MethodNotAllowed(_) => {
                (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed")
            }
            Self::NotAcceptable(_) => {
                (StatusCode::NOT_ACCEPTABLE, "not-acceptable", "Not acceptable")
            }
            Self::TooManyStreams => {
                (StatusCode::TOO_MANY_REQUESTS, "too-many-streams", "Too many streams")
            }
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized", "A token is needed"),
            Self::LoginFailed => (StatusCode::UNAUTHORIZED, "login-failed", "Signing in failed"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden", "Not allowed"),
            Self::NoSuchUser => (StatusCode::NOT_FOUND, "no-such-user", "No such user"),
            Self::EmailTaken => (StatusCode::CONFLICT, "email-taken", "E-mail address taken"),
            Self::LastAdministrator => {
                (StatusCode::CONFLICT, "last-administrator", "The last administrator")
            }
            Self::Import(refusal) => import_class(refusal),
            Self::TooManyAttempts(_) => {
                (StatusCode::TOO_MANY_REQUESTS, "too-many-attempts", "Too many attempts")
            }
            Self::AccountsAway(_) | Self::Unavailable(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "A part is away")
            }
            Self::NoSearch => {
                (StatusCode::NOT_IMPLEMENTED, "search-not-available", "There is no search")
            }
            Self::Invocation(failure) => invocation_class(failure),
            Self::Internal(_) => INTERNAL,
        }
    }

    /// The response about the resource `instance`.
    pub fn respond(&self, instance: Option<&str>) -> Response {
        let (status, word, title) = self.class();
        if let Self::Invocation(failure) = self {
            // The host reads no more than the status.
            tracing::error!(error.code = word, error.cause = ?failure, "invocation failed");
        } else if let Self::Unavailable(cause) = self
            && matches!(**cause, StoreError::Busy)
        {
            // Load is no fault: a line for each would only add to it.
            tracing::debug!("request refused: {cause}");
        } else if let Some(cause) = self.source() {
            tracing::error!(error.code = word, error.cause = ?cause, "request failed: {self}");
        }
        let problem = Problem {
            r#type: format!("/problems/{word}"),
            title,
            status: status.as_u16(),
            detail: self.to_string(),
            instance,
            errors: self.field_errors(),
        };
        let body = serde_json::to_vec(&problem).expect("texts and numbers serialise");
        let mut response = Response::new(body.into());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self {
            Self::MethodNotAllowed(methods) => {
                let methods = HeaderValue::try_from(methods).expect("methods are ASCII");
                headers.insert(ALLOW, methods);
            }
            Self::AccountsAway(_)
            | Self::Unavailable(_)
            | Self::Import(ImportsError::Unreadable(..))
            | Self::Refused(WriteError::KeyInFlight) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(RETRY_SECONDS));
            }
            Self::TooManyAttempts(seconds) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(*seconds));
            }
            Self::Unauthorized | Self::LoginFailed => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::Import(ImportsError::Busy) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(IMPORT_RETRY_SECONDS));
            }
            Self::TooManyStreams => {
                headers.insert(RETRY_AFTER, HeaderValue::from(STREAM_RETRY_SECONDS));
            }
            _ => {}
        }
        response
    }

    /// The fields that a client can mend.
    fn field_errors(&self) -> Vec<FieldError<'_>> {
        match self {
            Self::InvalidFields(faults) => {
                let told = faults.iter().take(FAULTS_MAX);
                told.map(|Invalid { field, reason }| FieldError {
                    field,
                    message: reason.as_str().into(),
                })
                .collect()
            }
            Self::Refused(unknown @ WriteError::UnknownCategory(_)) => {
                vec![FieldError { field: "category_id", message: unknown.to_string().into() }]
            }
            _ => Vec::new(),
        }
    }
}

/// The status, the word and the title of a problem.
type Class = (StatusCode, &'static str, &'static str);

const TOO_LARGE: Class = (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too large");

const INTERNAL: Class = (StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error");

fn refusal_class(refusal: &WriteError) -> Class {
    match refusal {
        WriteError::Exists(_) => (StatusCode::CONFLICT, "product-exists", "The product exists"),
        WriteError::NoSuchProduct(_) => {
            (StatusCode::NOT_FOUND, "no-such-product", "No such product")
        }
        WriteError::PreconditionFailed => {
            (StatusCode::PRECONDITION_FAILED, "precondition-failed", "Precondition failed")
        }
        WriteError::UnknownCategory(_) => {
            (StatusCode::UNPROCESSABLE_ENTITY, "unknown-category", "Unknown category")
        }
        WriteError::KeyReused => {
            (StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reused", "The key was used before")
        }
        WriteError::KeyInFlight => {
            (StatusCode::CONFLICT, "idempotency-key-in-flight", "The key is in use")
        }
        WriteError::Store(_) => INTERNAL,
    }
}

fn import_class(refusal: &ImportsError) -> Class {
    let conflict = |word, title| (StatusCode::CONFLICT, word, title);
    match refusal {
        ImportsError::NoSuchRun => (StatusCode::NOT_FOUND, "no-such-import", "No such import"),
        ImportsError::Ended(..) => conflict("import-ended", "The import has ended"),
        ImportsError::Held(_) => conflict("import-in-progress", "The import is in progress"),
        ImportsError::RetriedAs(..) => conflict("import-retried", "The import was tried again"),
        ImportsError::NotKept(_) => conflict("source-not-kept", "The file was not kept"),
        ImportsError::Gone(_) => conflict("source-gone", "The file is not there"),
        ImportsError::Changed(_) => conflict("source-changed", "The file is another one"),
        ImportsError::Unreadable(..) => {
            (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "A part is away")
        }
        ImportsError::Busy => {
            (StatusCode::TOO_MANY_REQUESTS, "too-many-imports", "Too many imports")
        }
        ImportsError::Store(_) => INTERNAL,
    }
}

fn invocation_class(failure: &Failure) -> Class {
    match failure {
        Failure::Body(BodyError::TooLarge(_)) => TOO_LARGE,
        Failure::Body(BodyError::Incomplete) | Failure::Malformed(_) => {
            (StatusCode::BAD_REQUEST, "malformed-envelope", "The envelope is malformed")
        }
        Failure::Source(_) => {
            (StatusCode::UNPROCESSABLE_ENTITY, "no-source", "There is nothing to import")
        }
        Failure::MayPass(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "A part is away"),
        Failure::Ended(_) => INTERNAL,
    }
}

fn joined(faults: &[Invalid]) -> String {
    let told: Vec<_> = faults.iter().take(FAULTS_MAX).map(ToString::to_string).collect();
    told.join("; ")
}

impl From<Arc<StoreError>> for ApiError {
    fn from(error: Arc<StoreError>) -> Self {
        match *error {
            StoreError::NoSearch => Self::NoSearch,
            // A newer handler may come to the schema, and a schema to this handler.
            StoreError::SchemaTooNew { .. } | StoreError::SchemaTooOld { .. } => {
                Self::Unavailable(error)
            }
            _ if error.may_pass() => Self::Unavailable(error),
            _ => Self::Internal(error),
        }
    }
}

impl From<Damaged> for ApiError {
    fn from(damaged: Damaged) -> Self {
        StoreError::Unreachable(damaged.into()).into()
    }
}

impl From<WriteError> for ApiError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Store(error) => Arc::new(error).into(),
            refusal => Self::Refused(refusal),
        }
    }
}

impl From<InputError> for ApiError {
    fn from(error: InputError) -> Self {
        match error {
            InputError::Malformed(e) => Self::Malformed(e),
            InputError::Invalid(faults) => Self::InvalidFields(faults),
        }
    }
}

impl From<ImportsError> for ApiError {
    fn from(error: ImportsError) -> Self {
        match error {
            ImportsError::Store(error) => error.into(),
            refusal => Self::Import(refusal),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Arc::new(error).into()
    }
}

impl From<AccountError> for ApiError {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::EmailTaken => Self::EmailTaken,
            AccountError::Refused => Self::LoginFailed,
            AccountError::Store(error) => error.into(),
            AccountError::Identity(IdentityError::TooManyAttempts(seconds)) => {
                Self::TooManyAttempts(seconds)
            }
            AccountError::Identity(e @ IdentityError::WeakPassword) => {
                Self::InvalidFields(vec![Invalid::new("password", e.to_string())])
            }
            AccountError::Identity(e @ IdentityError::BadEmail) => {
                Self::InvalidFields(vec![Invalid::new("email", e.to_string())])
            }
            AccountError::Identity(error) => Self::AccountsAway(error),
        }
    }
}

impl From<Vec<Invalid>> for ApiError {
    fn from(faults: Vec<Invalid>) -> Self {
        Self::Invalid(faults)
    }
}

impl From<Invalid> for ApiError {
    fn from(fault: Invalid) -> Self {
        Self::Invalid(vec![fault])
    }
}
