//! How well a title fits a search.
//!
//! A number that depends on the title and the words alone. The usual measure, BM25, weighs
//! every title by all the others: it changes for each of them whenever one comes or goes,
//! and a place in a list that goes by it cannot be found again.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::Words;
use super::words::{is_indexed, lower};

/// The more of a title the words make up and the earlier they stand in it, the lower.
///
/// The number of words of the title, and for each word searched for how many stand before
/// it. A word of several parts counts where its first part stands, with the others in a row
/// behind it. `None` if a word is not in the title.
pub fn rank(title: &str, words: &Words) -> Option<u16> {
    let title = folded(title);
    let title: Vec<&str> = parts(&title).collect();
    let place = |word: &str| {
        let word = folded(word);
        let word: Vec<&str> = parts(&word).collect();
        match word.len() {
            // Signs alone are in every title.
            0 => Some(title.len()),
            length => title.windows(length).position(|parts| parts == word),
        }
    };
    let places = words.iter().map(place).sum::<Option<usize>>()?;
    Some(u16::try_from(places + title.len()).unwrap_or(u16::MAX))
}

fn parts(folded: &str) -> impl Iterator<Item = &str> {
    folded.split(' ').filter(|part| !part.is_empty())
}

/// Lower case without marks on its letters, a space for whatever is no letter or digit.
fn folded(text: &str) -> String {
    let plain = |c: char| if is_indexed(c) { c } else { ' ' };
    if text.is_ascii() {
        return text.chars().map(|c| plain(c.to_ascii_lowercase())).collect();
    }
    let bare = text.nfd().filter(|c| !is_combining_mark(*c));
    bare.flat_map(lower).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn short_titles_that_begin_with_the_words_fit_best() {
        let words = Words::parse("red lamp").unwrap();
        let ranks = [
            "Red lamp",
            "Lamp, red",
            "A red lamp",
            "Red lamp for the desk",
            "Desk with a red lamp",
            "Café desk for a lamp that is RED",
        ]
        .map(|title| rank(title, &words));
        assert!(ranks.is_sorted(), "{ranks:?}");
        assert_eq!(ranks[0], ranks[1]);
    }

    #[test]
    fn marks_capitals_and_parts_make_no_difference() {
        let words = Words::parse("café t-shirt").unwrap();
        assert_eq!(rank("CAFE T-SHIRT", &words), rank("Café, t shirt", &words));
        assert_eq!(rank("", &words), None);
        assert_eq!(rank("A t-shirt", &words), None);
    }

    #[test]
    fn the_parts_of_a_word_stand_in_a_row() {
        let words = Words::parse("t-shirt").unwrap();
        for title in ["T-Shirt", "A t, a T shirt", "T/T shirt"] {
            assert!(rank(title, &words).is_some(), "{title}");
        }
        for title in ["Model T", "Shirt, size T", "T and a shirt", "Shirt T"] {
            assert_eq!(rank(title, &words), None, "{title}");
        }
    }

    proptest! {
        #[test]
        fn a_title_has_its_own_words(title in "[ΟΔΣς ]{1,10}|[\\PC&&[^\\p{M}]]{0,40}") {
            if let Ok(words) = Words::parse(&title) {
                prop_assert!(rank(&title, &words).is_some());
            }
        }
    }
}
