//! What Google tells of an account that is looked up.

use serde::Deserialize;

use crate::identity::AccountState;

/// The answer; without accounts if there are none.
#[derive(Deserialize)]
pub struct Found {
    #[serde(default)]
    users: Vec<Looked>,
}

/// The fields of an account that are read.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Looked {
    disabled: bool,
    /// Seconds since 1970, as a text: when tokens were last called back.
    valid_since: Option<String>,
    /// Milliseconds since 1970, which Google writes as a number with a point.
    password_updated_at: Option<f64>,
}

impl Found {
    /// How the account stands, if there is one.
    pub fn state(&self) -> Option<AccountState> {
        self.users.first().map(Looked::state)
    }
}

impl Looked {
    /// A password's change says its moment more exactly than the calling back of tokens that
    /// goes with it: who signs up and in within one second is not signed out by that.
    fn state(&self) -> AccountState {
        let seconds = self.valid_since.as_ref().and_then(|text| text.parse::<i64>().ok());
        let called_back = seconds.unwrap_or_default().saturating_mul(1_000_000);
        AccountState {
            is_disabled: self.disabled,
            valid_since: called_back.max(micros(self.password_updated_at.unwrap_or_default())),
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a float that is too large becomes the limit")]
fn micros(milliseconds: f64) -> i64 {
    (milliseconds * 1_000.0) as i64
}
