//! What Google's answers mean to us.
//!
//! An answer may hold passwords and tokens, and serde's errors quote what they could not read.
//! So nothing of an answer gets further than this file but the fields that were asked for, and
//! codes in Google's own alphabet: `A-Z`, `0-9` and `_`, of which no password of ours, address
//! or key can be made.

use reqwest::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::wire::{Answer, Failure};
use crate::identity::IdentityError;

/// The longest code known has 38 characters.
const CODE_CHARS_MAX: usize = 64;
/// Google names no moment when it asks for a pause; its own limits are per minute.
const PAUSE_SECONDS: u32 = 60;
/// No answer makes a client wait longer.
const PAUSE_SECONDS_MAX: u32 = 3_600;

/// A question that was understood and refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status, below 500.
    pub status: StatusCode,
    /// Google's word for the reason; empty if it gave none.
    pub code: String,
    retry_after: Option<u32>,
}

impl Refusal {
    /// Whether it was refused for one of these reasons.
    pub fn is_one_of(&self, codes: &[&str]) -> bool {
        codes.contains(&self.code.as_str())
    }
}

impl Answer {
    /// The fields of an answer that grants what was asked.
    pub fn granted<T: DeserializeOwned>(self) -> Result<T, Failure> {
        if self.status.is_success() {
            return serde_json::from_slice(&self.body)
                .map_err(|_| Failure::Unanswered("the answer cannot be read".into()));
        }
        // A redirect is nothing that we follow, and 408 and the 500s say nothing of the effect.
        let may_pass = !self.status.is_client_error() || self.status == StatusCode::REQUEST_TIMEOUT;
        if may_pass {
            return Err(Failure::Unanswered(format!("the answer is {}", self.status).into()));
        }
        let code = code_of(&self.body);
        Err(Failure::Refused(Refusal { status: self.status, code, retry_after: self.retry_after }))
    }
}

/// The word for the reason, from where it stands most exactly.
fn code_of(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Body {
        error: Error,
    }
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Error {
        /// `CODE`, `CODE : text`, or a sentence.
        message: String,
        /// The class of the error.
        status: String,
        details: Vec<Detail>,
    }
    #[derive(Deserialize)]
    struct Detail {
        #[serde(default)]
        reason: String,
    }
    let Ok(Body { error }) = serde_json::from_slice(body) else { return String::new() };
    let first = error.message.split(" : ").next().unwrap_or_default();
    let reasons = error.details.iter().map(|detail| detail.reason.as_str());
    std::iter::once(first)
        .chain(reasons)
        .chain([error.status.as_str()])
        .find(|word| is_code(word))
        .unwrap_or_default()
        .to_owned()
}

fn is_code(word: &str) -> bool {
    (1..=CODE_CHARS_MAX).contains(&word.len())
        && word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

impl From<Refusal> for IdentityError {
    fn from(refusal: Refusal) -> Self {
        match refusal.code.as_str() {
            "EMAIL_EXISTS" | "DUPLICATE_EMAIL" | "DUPLICATE_LOCAL_ID" => Self::EmailTaken,
            "WEAK_PASSWORD" | "PASSWORD_DOES_NOT_MEET_REQUIREMENTS" | "MISSING_PASSWORD" => {
                Self::WeakPassword
            }
            "INVALID_EMAIL" | "MISSING_EMAIL" => Self::BadEmail,
            "INVALID_LOGIN_CREDENTIALS"
            | "EMAIL_NOT_FOUND"
            | "INVALID_PASSWORD"
            | "USER_DISABLED" => Self::WrongCredentials,
            "TOO_MANY_ATTEMPTS_TRY_LATER"
            | "QUOTA_EXCEEDED"
            | "RESET_PASSWORD_EXCEED_LIMIT"
            | "RESOURCE_EXHAUSTED" => Self::TooManyAttempts(refusal.pause()),
            _ if refusal.status == StatusCode::TOO_MANY_REQUESTS => {
                Self::TooManyAttempts(refusal.pause())
            }
            code => {
                let hint = hint(code);
                let status = refusal.status.as_u16();
                Self::Misconfigured(format!("Firebase answered {status} {code}{hint}"))
            }
        }
    }
}

impl Refusal {
    fn pause(&self) -> u32 {
        self.retry_after.unwrap_or(PAUSE_SECONDS).clamp(1, PAUSE_SECONDS_MAX)
    }
}

/// What an operator can do about it.
fn hint(code: &str) -> &'static str {
    match code {
        "OPERATION_NOT_ALLOWED" | "PASSWORD_LOGIN_DISABLED" => {
            ": switch the e-mail/password provider on"
        }
        "ADMIN_ONLY_OPERATION" => ": set FIREBASE_SECRET, sign-up by API key is switched off",
        "API_KEY_INVALID" => ": check FIREBASE_API_KEY",
        "CONFIGURATION_NOT_FOUND" | "PROJECT_NOT_FOUND" => {
            ": check FIREBASE_PROJECT_ID, and that Authentication is switched on"
        }
        "PERMISSION_DENIED" | "INSUFFICIENT_PERMISSION" => {
            ": check the roles of the service account and the restrictions of the API key"
        }
        "UNAUTHENTICATED" => ": check FIREBASE_SECRET",
        _ => "",
    }
}

impl From<Failure> for IdentityError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotSent(cause) => Self::NotAsked(cause),
            Failure::Unanswered(cause) => Self::Unreachable(cause),
            Failure::Refused(refusal) => refusal.into(),
            Failure::Misconfigured(text) => Self::Misconfigured(text),
        }
    }
}
