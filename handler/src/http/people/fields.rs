//! The fields of forms that people send, within the limits of CONTRACT 4.

use email_address::{EmailAddress, Options};
use secrecy::{ExposeSecret as _, SecretString};

use crate::catalog::{Given, Invalid, JsonObject};
use crate::identity::names::is_name;

const EMAIL_BYTES_MAX: usize = 254;
const PASSWORD_CHARACTERS: std::ops::RangeInclusive<usize> = 8..=64;
const PASSWORD_SIGNS: &str = "@$!%*?&";

/// A field that must be there.
pub(super) fn needed<T>(
    form: &mut JsonObject<'_>,
    field: &'static str,
    parse: impl FnOnce(&str) -> Result<T, Invalid>,
) -> Option<T> {
    match form.text(field, parse) {
        Given::Value(value) => Some(value),
        Given::Absent | Given::Null => {
            form.fault(Invalid::new(field, "must be given"));
            None
        }
    }
}

pub(super) fn email(text: &str) -> Result<String, Invalid> {
    // `Ann <ann@shop.example>` is what stands in a letter's head, and no address.
    let options = Options::default().without_display_text();
    if is_email_short(text) && EmailAddress::parse_with_options(text, options).is_ok() {
        Ok(text.to_owned())
    } else {
        Err(Invalid::new("email", "must be an e-mail address of at most 254 characters"))
    }
}

pub(super) fn password(text: &str) -> Result<SecretString, Invalid> {
    let is_fit = PASSWORD_CHARACTERS.contains(&text.chars().count())
        && text.chars().any(char::is_uppercase)
        && text.chars().any(|c| c.is_ascii_digit())
        && text.chars().any(|c| PASSWORD_SIGNS.contains(c));
    let reason = "must have 8 to 64 characters, an upper-case letter, a digit and one of @$!%*?&";
    is_fit.then(|| SecretString::from(text)).ok_or_else(|| Invalid::new("password", reason))
}

pub(super) fn name(field: &'static str, text: &str) -> Result<String, Invalid> {
    let reason = "must have 1 to 50 letters, spaces, hyphens or apostrophes";
    is_name(text).then(|| text.to_owned()).ok_or_else(|| Invalid::new(field, reason))
}

/// Whether a text can be an address at all.
pub(super) fn is_email_short(text: &str) -> bool {
    text.len() <= EMAIL_BYTES_MAX
}

/// Whether a password is worth a look: hashing a megabyte would be a favour to nobody.
pub(super) fn is_password_short(password: &SecretString) -> bool {
    password.expose_secret().len() <= 4 * PASSWORD_CHARACTERS.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_names_and_addresses_have_their_limits() {
        let long = format!("Aa1!{}", "x".repeat(61));
        for bad in ["", "Aa1!", "secret1!", "Secret!!", "Secret11", long.as_str()] {
            assert!(password(bad).is_err(), "{bad}");
        }
        assert!(password("Secret1!").is_ok() && password(&long[..64]).is_ok());
        assert!(name("firstName", "Anne-Marie").is_ok() && name("firstName", "A1").is_err());
        assert!(email("a@b.example").is_ok());
        for bad in [
            "",
            "a",
            "a@",
            "@b",
            "a@b@c",
            "A <a@b.example>",
            &format!("{}@b.example", "x".repeat(250)),
        ] {
            assert!(email(bad).is_err(), "{bad}");
        }
    }
}
