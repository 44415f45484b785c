//! Categories, their counts, and the slug of a name.

use serde::Serialize;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use super::{CategoryName, Invalid};

/// A category's number: 1–1,000,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CategoryId(u32);

impl CategoryId {
    /// CONTRACT 7.
    pub const MAX: u32 = 1_000_000;

    /// Reads plain digits.
    pub fn parse(field: &'static str, text: &str) -> Result<Self, Invalid> {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        text.parse()
            .ok()
            .filter(|_| digits)
            .and_then(Self::from_i64)
            .ok_or_else(|| Invalid::new(field, "must be a whole number between 1 and 1000000"))
    }

    /// From a database: `None` if it is out of range.
    pub fn from_i64(value: i64) -> Option<Self> {
        u32::try_from(value).ok().filter(|id| (1..=Self::MAX).contains(id)).map(Self)
    }

    /// The number.
    pub fn get(self) -> u32 {
        self.0
    }
}

/// One category with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Category {
    /// Its number.
    pub id: CategoryId,
    /// Its name; `Category <id>` until a categories file names it.
    pub name: CategoryName,
}

impl Category {
    /// The stand-in for a category that a product mentions and no file has named.
    pub fn unnamed(id: CategoryId) -> Self {
        let name = CategoryName::parse(&format!("Category {}", id.get()));
        Self { id, name: name.expect("a short name is within the limit") }
    }
}

/// How many products a category has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CategoryCount {
    /// The category's number.
    pub category_id: u32,
    /// Its name.
    pub category_name: String,
    /// Its products.
    pub total_products: u64,
}

/// The name as a word for paths and keys: lower case, letters and digits, joined by `_`.
///
/// `Kids' Electronics` → `kids_electronics`: apostrophes vanish, marks are taken
/// off their letters, everything else parts words.
pub fn slug(name: &str) -> String {
    let mut slug = String::with_capacity(name.len());
    let bare = name.nfd().filter(|c| !is_combining_mark(*c) && !matches!(c, '\'' | '’'));
    for c in bare.flat_map(char::to_lowercase) {
        if c.is_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('_') {
            slug.push('_');
        }
    }
    slug.truncate(slug.trim_end_matches('_').len());
    slug
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_is_made_of_the_words() {
        for (name, expected) in [
            ("Kids' Electronics", "kids_electronics"),
            ("Beading & Jewelry Making", "beading_jewelry_making"),
            ("Décor, Lamps (LED)", "decor_lamps_led"),
            ("Category 7", "category_7"),
            ("  -- ", ""),
        ] {
            assert_eq!(slug(name), expected);
        }
    }

    #[test]
    fn ids_outside_the_range_are_refused() {
        assert_eq!(CategoryId::parse("category_id", "1000000").unwrap().get(), 1_000_000);
        for bad in ["", "0", "-1", "1.0", "1000001", "+5", " 5", "99999999999999999999"] {
            assert!(CategoryId::parse("category_id", bad).is_err(), "{bad}");
        }
    }
}
