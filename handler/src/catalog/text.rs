//! The texts and counts of a product, each within its limit.

use http::Uri;

use super::Invalid;

/// A product's title: 1–500 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Title(Box<str>);

impl Title {
    /// CONTRACT 4. The data set's longest is 351.
    pub const CHARACTERS_MAX: usize = 500;

    /// Takes a text that has been cleaned; refuses an empty or a longer one.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        within("title", text, Self::CHARACTERS_MAX).map(Self)
    }

    /// The title.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A category's name: 1–200 characters (the data set's longest is 48).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CategoryName(Box<str>);

impl CategoryName {
    /// Four times the data set's longest name.
    pub const CHARACTERS_MAX: usize = 200;

    /// Takes a text that has been cleaned; refuses an empty or a longer one.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        within("category_name", text, Self::CHARACTERS_MAX).map(Self)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An absolute `http` or `https` URL of at most 500 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebUrl(Box<str>);

impl WebUrl {
    /// CONTRACT 4.
    pub const CHARACTERS_MAX: usize = 500;

    /// Refuses relative URLs, other schemes, a missing host and characters no URL has.
    pub fn parse(field: &'static str, text: &str) -> Result<Self, Invalid> {
        let url = within(field, text, Self::CHARACTERS_MAX)?;
        let absolute = Uri::try_from(text).is_ok_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.host().is_some_and(|host| !host.is_empty())
        });
        if absolute {
            Ok(Self(url))
        } else {
            Err(Invalid::new(field, "must be an absolute http or https URL"))
        }
    }

    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A number of things: 0–2,147,483,647 (an `INT` of SQL Server).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count(u32);

impl Count {
    /// The largest `INT` of SQL Server.
    pub const MAX: u32 = 2_147_483_647;

    /// Reads plain digits.
    pub fn parse(field: &'static str, text: &str) -> Result<Self, Invalid> {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        text.parse()
            .ok()
            .filter(|value| digits && *value <= Self::MAX)
            .map(Self)
            .ok_or_else(|| Invalid::new(field, "must be a whole number between 0 and 2147483647"))
    }

    /// From a database: `None` if it is negative or too large.
    pub fn from_i64(value: i64) -> Option<Self> {
        u32::try_from(value).ok().filter(|value| *value <= Self::MAX).map(Self)
    }

    /// The number.
    pub fn get(self) -> u32 {
        self.0
    }
}

fn within(field: &'static str, text: &str, characters_max: usize) -> Result<Box<str>, Invalid> {
    if text.is_empty() {
        return Err(Invalid::new(field, "must not be empty"));
    }
    // Bytes are at least as many as characters, and known without counting.
    if text.len() > characters_max && text.chars().count() > characters_max {
        return Err(Invalid::new(field, format!("must have at most {characters_max} characters")));
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_counted_in_characters() {
        assert!(Title::parse(&"é".repeat(500)).is_ok());
        assert!(Title::parse(&"é".repeat(501)).is_err());
        assert!(Title::parse("").is_err());
    }

    #[test]
    fn only_absolute_web_urls_are_taken() {
        for good in ["https://a.example/x.jpg", "http://a", "https://a.example/I/71a+b.jpg?x=%20#f"]
        {
            assert!(WebUrl::parse("imgUrl", good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "/x.jpg",
            "a.example/x",
            "ftp://a/x",
            "https://",
            "https:///x",
            "http://a b/",
            "javascript:alert(1)",
        ] {
            assert_eq!(WebUrl::parse("imgUrl", bad).unwrap_err().field, "imgUrl", "{bad}");
        }
    }

    #[test]
    fn counts_are_plain_digits() {
        assert_eq!(Count::parse("reviews", "2147483647").unwrap().get(), 2_147_483_647);
        for bad in ["", "-1", "+1", "1.0", "2147483648", "99999999999999999999", "x"] {
            assert!(Count::parse("reviews", bad).is_err(), "{bad}");
        }
    }
}
