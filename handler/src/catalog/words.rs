//! The words of a search.

use std::fmt;

use unicode_normalization::char::is_combining_mark;

use super::Invalid;

/// Words that a title must all hold: lower case, in alphabetical order, each once, so that
/// equal searches are equal values.
///
/// A word may hold marks inside, as `t-shirt` does; it then stands for its parts in a row.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Words(Box<[Box<str>]>);

impl Words {
    /// The longest title has 500 characters; nobody types half of one.
    pub const CHARACTERS_MAX: usize = 200;
    /// Each word is another list to be intersected; titles of the data set have 20 in the middle.
    pub const COUNT_MAX: usize = 12;

    /// Reads a search; refuses one without a letter or a digit.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let refuse = |reason: String| Err(Invalid::new("q", reason));
        if text.chars().count() > Self::CHARACTERS_MAX {
            return refuse(format!("must have at most {} characters", Self::CHARACTERS_MAX));
        }
        let lower: String = text.chars().flat_map(lower).collect();
        let mut words: Vec<Box<str>> = lower
            .split(|c: char| c.is_whitespace() || c.is_control())
            .filter(|word| parts(word) > 0)
            .map(Box::from)
            .collect();
        words.sort_unstable();
        words.dedup();
        match words.iter().map(|word| parts(word)).sum() {
            0 => refuse("must hold a word".to_owned()),
            count if count > Self::COUNT_MAX => {
                refuse(format!("must have at most {} words", Self::COUNT_MAX))
            }
            _ => Ok(Self(words.into())),
        }
    }

    /// The words.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }
}

/// How many words a full-text index makes of a text.
fn parts(text: &str) -> usize {
    text.split(|c| !is_indexed(c)).filter(|part| !part.is_empty()).count()
}

/// Lower case, as a full-text index has it: letter by letter. A text's own rules have a form of
/// their own for the sigma at a word's end, which its capital does not tell.
pub(super) fn lower(c: char) -> impl Iterator<Item = char> {
    c.to_lowercase().map(|c| if c == 'ς' { 'σ' } else { c })
}

/// Letters and digits; not the signs that Rust takes for letters and an index does not.
pub(super) fn is_indexed(c: char) -> bool {
    let is_circled = matches!(c, '\u{24b6}'..='\u{24e9}' | '\u{1f130}'..='\u{1f189}');
    c.is_alphanumeric() && !is_combining_mark(c) && !is_circled
}

/// The words, a space between them: reads back as the same search.
impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equal_searches_are_equal_whatever_their_form() {
        let words = Words::parse("  Red\tT-Shirt & red ").unwrap();
        assert_eq!(words, Words::parse("t-shirt red").unwrap());
        assert_eq!(words.iter().collect::<Vec<_>>(), ["red", "t-shirt"]);
    }

    #[test]
    fn a_sigma_is_a_sigma_wherever_it_stands() {
        for text in ["ΟΔΟΣ", "οδος", "οδοσ"] {
            assert_eq!(Words::parse(text).unwrap().to_string(), "οδοσ");
        }
    }

    #[test]
    fn a_search_without_words_or_with_too_many_is_refused() {
        let many = (0..13).map(|i| i.to_string()).collect::<Vec<_>>().join(" ");
        for text in ["", "  ", "&", "\"*", "Ⓐ", &many, &many.replace(' ', "-"), &"é".repeat(201)]
        {
            assert_eq!(Words::parse(text).unwrap_err().field, "q", "{text}");
        }
        assert!(Words::parse(&"é".repeat(200)).is_ok());
    }

    proptest! {
        #[test]
        fn words_read_back_as_the_same_search(text in "\\PC{0,40}") {
            if let Ok(words) = Words::parse(&text) {
                prop_assert_eq!(Words::parse(&words.to_string()), Ok(words));
            }
        }
    }
}
