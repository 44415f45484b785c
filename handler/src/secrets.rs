//! A secret that cannot print itself.

use secrecy::{ExposeSecret as _, SecretString};

/// A password, key or connection string.
///
/// `Debug` shows nothing of it, it has no `Display` and does not serialise; its
/// memory is wiped when it goes. The one way to its text is [`Secret::expose`],
/// which is easy to search for.
#[derive(Debug, Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Takes the text over.
    pub fn new(text: String) -> Self {
        Self(SecretString::from(text))
    }

    /// The text, for whoever must send it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_nothing_of_itself() {
        let secret = Secret::new("hunter2".to_owned());
        assert!(!format!("{secret:?} {secret:#?}").contains("hunter2"));
        assert_eq!(secret.expose(), "hunter2");
    }
}
