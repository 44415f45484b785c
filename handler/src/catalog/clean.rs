//! Titles and category names as people meant them.
//!
//! In this order: HTML entities are decoded once, control characters and invisibles go,
//! Unicode is composed (NFC), white space is folded, the ends are trimmed. Cleaning a
//! clean text changes nothing; a text that was escaped twice holds an entity even then,
//! since it is decoded once.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// Cleans a text; borrows it if it is clean.
pub fn clean(text: &str) -> Cow<'_, str> {
    if is_plain(text) {
        return Cow::Borrowed(text);
    }
    let decoded = html_escape::decode_html_entities(text);
    let kept: String = decoded.chars().filter(|c| !is_dropped(*c)).collect();
    let composed =
        if is_nfc_quick(kept.chars()) == IsNormalized::Yes { kept } else { kept.nfc().collect() };
    let words: Vec<&str> = composed.split_whitespace().collect();
    let folded = words.join(" ");
    if folded == text { Cow::Borrowed(text) } else { Cow::Owned(folded) }
}

/// Most titles: ASCII with nothing to clean, told in one pass without an allocation.
fn is_plain(text: &str) -> bool {
    let mut after_space = true;
    for byte in text.bytes() {
        let is_space = byte == b' ';
        if !(b' '..=b'~').contains(&byte) || byte == b'&' || (is_space && after_space) {
            return false;
        }
        after_space = is_space;
    }
    !after_space
}

/// Control characters, but for those that are white space and fold into a space; and
/// invisibles that only break searching and comparing. The zero-width joiner (U+200D) and
/// non-joiner (U+200C) stay: emoji and several scripts need them.
fn is_dropped(c: char) -> bool {
    match c {
        '\u{ad}' // soft hyphen
        | '\u{34f}' // combining grapheme joiner
        | '\u{61c}' // Arabic letter mark
        | '\u{180e}' // Mongolian vowel separator
        | '\u{200b}' // zero-width space
        | '\u{200e}' | '\u{200f}' // direction marks
        | '\u{202a}'..='\u{202e}' // embeddings and overrides
        | '\u{2060}'..='\u{2064}' // word joiner, invisible operators
        | '\u{2066}'..='\u{206f}' // isolates, deprecated format characters
        | '\u{feff}' // byte order mark
        | '\u{fff9}'..='\u{fffb}' // interlinear annotation
        => true,
        _ => c.is_control() && !c.is_whitespace(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_kind_of_dirt_goes() {
        for (dirty, expected) in [
            ("Lamp &amp; Shade", "Lamp & Shade"),
            ("9&quot; plate&#39;s", "9\" plate's"),
            ("a&nbsp;b", "a b"),
            ("twice &amp;amp; escaped", "twice &amp; escaped"),
            ("Q&A, AT&T, R&amp", "Q&A, AT&T, R&amp"),
            ("Black\u{96}White\u{99}", "BlackWhite"),
            ("soft\u{ad}ware \u{feff}x\u{200b}y", "software xy"),
            ("a\u{2002}b\u{202f}c\u{3000}d", "a b c d"),
            ("  a \t b\r\nc  ", "a b c"),
            ("cafe\u{301}", "café"),
            ("family \u{1f468}\u{200d}\u{1f469}", "family \u{1f468}\u{200d}\u{1f469}"),
            (" \u{200b} ", ""),
        ] {
            assert_eq!(clean(dirty), expected, "{dirty:?}");
        }
    }

    #[test]
    fn a_clean_text_is_borrowed() {
        for text in ["Plain ASCII title, 9 pieces", "Lampe à pied – blanche", "Salt & Pepper"] {
            assert!(matches!(clean(text), Cow::Borrowed(_)), "{text}");
        }
    }

    proptest! {
        #[test]
        fn cleaning_a_clean_text_changes_nothing(
            text in "([a-z ]|&amp;|&#65;|&|;|amp|\\PC|[\u{0}-\u{20}\u{80}-\u{a0}\u{ad}\u{301}\u{37e}\u{200b}]){0,30}"
        ) {
            let once = clean(&text).into_owned();
            // Escaped twice, so decoded to an entity: the one thing that is not clean yet.
            prop_assume!(html_escape::decode_html_entities(&once) == once);
            prop_assert_eq!(clean(&once), once.as_str());
            prop_assert!(!once.chars().any(is_dropped));
            prop_assert!(!once.contains("  ") && once.trim() == once);
        }
    }
}
