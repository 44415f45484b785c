//! The key of a product.

use std::fmt;

use super::Invalid;

/// A product's key: 1–20 of `[A-Za-z0-9-]`, compared byte by byte.
///
/// Kept in place, without an allocation: an import makes 1.4 million of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Asin {
    // Zero padded, so that comparing the arrays compares the texts: no allowed
    // character is below or equal to zero.
    bytes: [u8; Asin::LENGTH_MAX],
    length: u8,
}

impl Asin {
    /// CONTRACT 4: 1–20 characters.
    pub const LENGTH_MAX: usize = 20;

    /// Reads an asin; refuses an empty or a longer text and any other character.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let refuse = |reason: &str| Err(Invalid::new("asin", reason));
        if text.is_empty() {
            return refuse("must not be empty");
        }
        if text.len() > Self::LENGTH_MAX {
            return refuse("must have at most 20 characters");
        }
        if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return refuse("must consist of letters, digits and hyphens");
        }
        let mut bytes = [0; Self::LENGTH_MAX];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        let length = u8::try_from(text.len()).expect("at most 20");
        Ok(Self { bytes, length })
    }

    /// The text it was read from.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.length)]).expect("only ASCII is kept")
    }
}

impl fmt::Display for Asin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Asin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Asin({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_asin_reads_back_as_it_was_written(text in "[A-Za-z0-9-]{1,20}") {
            let asin = Asin::parse(&text).unwrap();
            prop_assert_eq!(asin.as_str(), text);
        }

        #[test]
        fn asins_are_ordered_as_their_bytes(a in "[A-Za-z0-9-]{1,20}", b in "[A-Za-z0-9-]{1,20}") {
            let (asin_a, asin_b) = (Asin::parse(&a).unwrap(), Asin::parse(&b).unwrap());
            prop_assert_eq!(asin_a.cmp(&asin_b), a.as_bytes().cmp(b.as_bytes()));
        }

        #[test]
        fn any_text_is_an_asin_or_a_named_refusal(text in ".*") {
            match Asin::parse(&text) {
                Ok(asin) => prop_assert_eq!(asin.as_str(), text),
                Err(invalid) => prop_assert_eq!(invalid.field, "asin"),
            }
        }
    }

    #[test]
    fn what_is_no_asin_is_refused() {
        for text in ["", "B0 1", "B0_1", "é", "123456789012345678901", "a\n"] {
            assert!(Asin::parse(text).is_err(), "{text:?}");
        }
    }
}
