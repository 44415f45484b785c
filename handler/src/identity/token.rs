//! The tokens that we give out: who somebody is, for an hour; and the right to get the next.
//!
//! A token says who asks and nothing of what they may do: what it carries besides the user's
//! id and epoch is for the client's display. It counts only in the user's epoch, so that one
//! write ends all that were given out; moments would have to be told apart within a second.
//! The algorithm is fixed, whatever a token's head says.

use std::sync::{PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;
use uuid::Uuid;

use super::own_key;
use crate::clock::Clock;
use crate::crypto::install_providers;
use crate::store::users::{TokenHash, User};

/// CONTRACT 6.7: one hour.
pub const LIFE_SECONDS: i64 = 3_600;
/// RFC 7518, 3.2: a key as long as the hash.
pub const KEY_BYTES_MIN: usize = 32;
/// How far another instance's clock may be ahead.
const LEEWAY_SECONDS: i64 = 60;
const ISSUER: &str = "vitrine";
const AUDIENCE: &str = "vitrine";
/// Nobody guesses 256 bits.
const REFRESH_BYTES: usize = 32;

/// Makes tokens, and tells whose they are.
pub struct Tokens {
    keys: RwLock<Keys>,
    /// Told of tokens under a key that is not known.
    foreign: Notify,
    /// Whether the keys are not known yet.
    is_waiting: bool,
    rules: Validation,
    clock: Clock,
}

struct Keys {
    signing: EncodingKey,
    /// The key in use, and those before it.
    verifying: Vec<DecodingKey>,
}

/// A token that proves nothing. Why is nobody's business but the log's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the token is not valid")]
pub struct BadToken;

/// What a good token proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proved {
    /// Whose it is.
    pub user: Uuid,
    /// The user's epoch when it was given out.
    pub epoch: i64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Claims {
    iss: String,
    aud: String,
    sub: Uuid,
    exp: i64,
    iat: i64,
    jti: Uuid,
    epoch: i64,
    email: String,
    first_name: String,
    last_name: String,
    admin: bool,
    active: bool,
}

impl Keys {
    fn new(key: &SecretString, previous: Option<&SecretString>) -> Self {
        let verifying = [Some(key), previous].into_iter().flatten();
        Self {
            signing: EncodingKey::from_secret(bytes(key)),
            verifying: verifying.map(|key| DecodingKey::from_secret(bytes(key))).collect(),
        }
    }
}

impl Tokens {
    /// Tokens under a key of at least 32 bytes; those under the previous one still count.
    pub fn new(key: &SecretString, previous: Option<&SecretString>, clock: Clock) -> Self {
        install_providers();
        let keys = Keys::new(key, previous);
        let mut rules = Validation::new(Algorithm::HS256);
        rules.set_audience(&[AUDIENCE]);
        rules.set_issuer(&[ISSUER]);
        rules.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
        // Held against our own clock below, which a test can turn.
        rules.validate_exp = false;
        Self { keys: RwLock::new(keys), foreign: Notify::new(), is_waiting: false, rules, clock }
    }

    /// Tokens of a process that waits for its keys. Whether a token is good cannot be told yet, so
    /// each is taken for one of somebody whose rights cannot be read either.
    pub fn waiting(clock: Clock) -> Self {
        Self { is_waiting: true, ..Self::new(&own_key::new(), None, clock) }
    }

    /// Signs with this key from now on; tokens under it and the previous one count, and no
    /// others.
    pub fn replace_keys(&self, key: &SecretString, previous: Option<&SecretString>) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Keys::new(key, previous);
    }

    /// Waits for a token under a key that is not known here. Whoever made it may have a newer one.
    pub async fn meets_foreign_key(&self) {
        self.foreign.notified().await;
    }

    /// Signs with this key from now on; tokens under the ones before it still count.
    pub fn change_key(&self, key: &SecretString) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.signing = EncodingKey::from_secret(bytes(key));
        keys.verifying.insert(0, DecodingKey::from_secret(bytes(key)));
    }

    /// A token for a user.
    pub fn issue(&self, user: &User) -> String {
        let now = self.now_seconds();
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: user.id,
            exp: now + LIFE_SECONDS,
            iat: now,
            jti: Uuid::new_v4(),
            epoch: user.epoch,
            email: user.email.clone(),
            first_name: user.first_name.clone(),
            last_name: user.last_name.clone(),
            admin: user.rights.admin,
            active: user.rights.active,
        };
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        encode(&Header::new(Algorithm::HS256), &claims, &keys.signing)
            .expect("texts and numbers are signed with a key of bytes")
    }

    /// What a token proves, if it is one of ours and young.
    pub fn verify(&self, token: &str) -> Result<Proved, BadToken> {
        if self.is_waiting {
            // Nobody has this id, in any database.
            return Ok(Proved { user: Uuid::nil(), epoch: 0 });
        }
        let claims = self.claims(token).ok_or(BadToken)?;
        let now = self.now_seconds();
        let is_young =
            claims.iat <= now + LEEWAY_SECONDS && claims.exp <= claims.iat + LIFE_SECONDS;
        let proved = Proved { user: claims.sub, epoch: claims.epoch };
        if claims.exp > now && is_young { Ok(proved) } else { Err(BadToken) }
    }

    fn claims(&self, token: &str) -> Option<Claims> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let mut is_foreign = false;
        let claims =
            keys.verifying.iter().find_map(|key| match decode::<Claims>(token, key, &self.rules) {
                Ok(token) => Some(token.claims),
                Err(e) => {
                    is_foreign |= *e.kind() == ErrorKind::InvalidSignature;
                    None
                }
            });
        if claims.is_none() && is_foreign {
            self.foreign.notify_one();
        }
        claims
    }

    /// The moment by which tokens are judged, µs since 1970.
    pub(super) fn now_micros(&self) -> i64 {
        self.clock.now_micros()
    }

    fn now_seconds(&self) -> i64 {
        self.clock.now_micros() / 1_000_000
    }
}

fn bytes(key: &SecretString) -> &[u8] {
    key.expose_secret().as_bytes()
}

/// A new token for refreshing, and the hash under which it is kept.
pub fn new_refresh_token() -> (String, TokenHash) {
    let mut bytes = [0; REFRESH_BYTES];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    let token = URL_SAFE_NO_PAD.encode(bytes);
    let hash = refresh_token_hash(&token);
    (token, hash)
}

/// The hash of a token for refreshing. Fast, since the token cannot be guessed.
pub fn refresh_token_hash(token: &str) -> TokenHash {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::store::users::Rights;

    const KEY: &str = "0123456789abcdef0123456789abcdef";

    fn key(text: &str) -> SecretString {
        SecretString::from(text)
    }

    fn tokens(clock: &Clock) -> Tokens {
        Tokens::new(&key(KEY), None, clock.clone())
    }

    fn somebody() -> User {
        User {
            id: Uuid::from_u128(7),
            email: "a@b.example".to_owned(),
            first_name: "A".to_owned(),
            last_name: "B".to_owned(),
            rights: Rights { active: true, admin: false },
            is_pending: false,
            was_listed: false,
            epoch: 3,
            created_at: 0,
        }
    }

    fn clock() -> Clock {
        Clock::standing_at(1_767_225_600_000_000)
    }

    /// A token of any form, signed as the header says or not at all.
    fn forged(header: &serde_json::Value, claims: &serde_json::Value, secret: &str) -> String {
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(header), part(claims));
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret.as_bytes());
        let signature = aws_lc_rs::hmac::sign(&key, text.as_bytes());
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn claims(now: i64) -> serde_json::Value {
        json!({"iss": "vitrine", "aud": "vitrine", "sub": Uuid::from_u128(7), "exp": now + 3_600,
            "iat": now, "jti": Uuid::from_u128(1), "epoch": 3, "email": "", "firstName": "", "lastName": "",
            "admin": true, "active": true})
    }

    #[test]
    fn a_token_is_good_for_an_hour() {
        let clock = clock();
        let tokens = tokens(&clock);
        let token = tokens.issue(&somebody());
        let proved = Proved { user: somebody().id, epoch: 3 };
        assert_eq!(tokens.verify(&token), Ok(proved));
        clock.turn(Duration::from_secs(3_599));
        assert_eq!(tokens.verify(&token), Ok(proved));
        clock.turn(Duration::from_secs(1));
        assert_eq!(tokens.verify(&token), Err(BadToken));
    }

    #[test]
    fn the_previous_key_still_counts_and_another_does_not() {
        let clock = clock();
        let old = tokens(&clock).issue(&somebody());
        let new = key("another key of more than thirty-two bytes");
        let rotated = Tokens::new(&new, Some(&key(KEY)), clock.clone());
        assert!(rotated.verify(&old).is_ok());
        assert!(rotated.verify(&rotated.issue(&somebody())).is_ok());
        assert!(tokens(&clock).verify(&rotated.issue(&somebody())).is_err());
        assert!(Tokens::new(&new, None, clock).verify(&old).is_err());
    }

    #[test]
    fn a_key_that_is_changed_keeps_what_it_has_signed() {
        let clock = clock();
        let (tokens, other) = (tokens(&clock), key("another key of more than thirty-two bytes"));
        let before = tokens.issue(&somebody());
        tokens.change_key(&other);
        assert!(tokens.verify(&before).is_ok());
        let others = Tokens::new(&other, None, clock);
        assert!(others.verify(&tokens.issue(&somebody())).is_ok());
        assert!(others.verify(&before).is_err());
    }

    #[test]
    fn keys_that_are_replaced_count_only_if_they_are_named() {
        let clock = clock();
        let (tokens, second) = (tokens(&clock), key("another key of more than thirty-two bytes"));
        let first = tokens.issue(&somebody());
        tokens.replace_keys(&second, Some(&key(KEY)));
        assert!(tokens.verify(&first).is_ok());
        assert!(Tokens::new(&second, None, clock).verify(&tokens.issue(&somebody())).is_ok());
        tokens.replace_keys(&second, None);
        assert_eq!(tokens.verify(&first), Err(BadToken));
    }

    /// Only a key that is not known: whatever else is wrong with a token, no newer key mends it.
    #[tokio::test]
    async fn a_token_under_an_unknown_key_is_told_of() {
        use futures_util::FutureExt as _;
        let clock = clock();
        let tokens = tokens(&clock);
        let good = tokens.issue(&somebody());
        for other in [good.as_str(), "", "no.token.this"] {
            let _ = tokens.verify(other);
            assert!(tokens.meets_foreign_key().now_or_never().is_none(), "{other}");
        }
        let foreign = Tokens::new(&key("another key of more than thirty-two bytes"), None, clock);
        assert!(tokens.verify(&foreign.issue(&somebody())).is_err());
        assert!(tokens.meets_foreign_key().now_or_never().is_some());
    }

    /// Whose id nobody has, and in no epoch that there is.
    #[test]
    fn without_keys_every_token_is_nobodys() {
        let proved = Tokens::waiting(clock()).verify("any.token.at-all").unwrap();
        assert_eq!(proved, Proved { user: Uuid::nil(), epoch: 0 });
    }

    #[test]
    fn a_forged_token_is_refused_whatever_its_head_says() {
        let clock = clock();
        let tokens = tokens(&clock);
        let now = clock.now_micros() / 1_000_000;
        let good = claims(now);
        let hs256 = json!({"alg": "HS256", "typ": "JWT"});
        assert!(tokens.verify(&forged(&hs256, &good, KEY)).is_ok(), "the forger knows the key");
        for algorithm in ["none", "None", "RS256", "ES256", "HS384", "HS512", ""] {
            let header = json!({"alg": algorithm, "typ": "JWT"});
            let signed = forged(&header, &good, KEY);
            assert_eq!(tokens.verify(&signed), Err(BadToken), "{algorithm}");
            let bare = format!("{}.", &signed[..signed.rfind('.').unwrap()]);
            assert_eq!(tokens.verify(&bare), Err(BadToken), "{algorithm}, unsigned");
        }
        assert_eq!(tokens.verify(&forged(&hs256, &good, "")), Err(BadToken));
        for (name, value) in [
            ("iss", json!("other")),
            ("aud", json!("other")),
            ("aud", json!(null)),
            ("exp", json!(now)),
            ("exp", json!(now + 3_601)),
            ("exp", json!("later")),
            ("iat", json!(now + 61)),
            ("sub", json!("admin")),
            ("jti", json!(null)),
            ("epoch", json!(null)),
        ] {
            let mut bad = good.clone();
            bad[name] = value.clone();
            assert_eq!(tokens.verify(&forged(&hs256, &bad, KEY)), Err(BadToken), "{name}: {value}");
            bad.as_object_mut().unwrap().remove(name);
            assert_eq!(tokens.verify(&forged(&hs256, &bad, KEY)), Err(BadToken), "no {name}");
        }
    }

    #[test]
    fn refresh_tokens_are_never_the_same_and_are_kept_as_hashes() {
        let ((one, hash), (other, _)) = (new_refresh_token(), new_refresh_token());
        assert_ne!(one, other);
        assert_eq!(one.len(), 43);
        assert_eq!(refresh_token_hash(&one), hash);
    }

    proptest! {
        #[test]
        fn an_altered_token_is_refused(at in any::<prop::sample::Index>(), letter in "[A-Za-z0-9_.-]") {
            let tokens = tokens(&clock());
            let token = tokens.issue(&somebody());
            let at = at.index(token.len());
            let altered = format!("{}{letter}{}", &token[..at], &token[at + 1..]);
            // The last letter of a signature holds bits that mean nothing.
            prop_assume!(altered != token && at + 1 < token.len());
            prop_assert_eq!(tokens.verify(&altered), Err(BadToken));
        }

        #[test]
        fn any_text_is_refused(text in "\\PC{0,80}") {
            prop_assert_eq!(tokens(&clock()).verify(&text), Err(BadToken));
        }
    }
}
