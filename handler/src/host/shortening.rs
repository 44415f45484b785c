//! JSON in pieces, its longest texts left out on the way.
//!
//! A host that does not know of references puts the whole blob into the envelope, 400 MB as
//! one text in base64. What is longer than a content that is imported from an envelope is
//! never held: the text becomes `null`, whatever is around it stays.

use super::envelope::Malformed;

/// A content of 8 MiB in base64 takes 11 MiB, as text within text hardly more than this.
pub(super) const TEXT_BYTES_MAX: usize = 16 * 1_024 * 1_024;
/// What may lie around the content: names, properties, metadata.
const AROUND_BYTES_MAX: usize = 1_024 * 1_024;
/// A longer text is the content, of which there is one.
const NAME_BYTES_MAX: usize = 64 * 1_024;

/// JSON that has come so far.
#[derive(Debug)]
pub(super) struct Shortening {
    /// What is longer is left out.
    text_bytes_max: usize,
    kept: Vec<u8>,
    /// Bytes kept that are none of the content's.
    around: usize,
    /// Whether the content has been met.
    has_content: bool,
    place: Place,
    is_shortened: bool,
}

/// Where in the JSON the next byte lies.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    #[default]
    Outside,
    /// In a text that begins at this byte of what is kept.
    InText { begin: usize, is_escaped: bool },
    /// In a text that is left out.
    InLongText { is_escaped: bool },
}

impl Default for Shortening {
    fn default() -> Self {
        Self::beyond(TEXT_BYTES_MAX)
    }
}

impl Shortening {
    /// Leaves out texts of more bytes, their quotes included.
    pub(super) fn beyond(text_bytes_max: usize) -> Self {
        Self {
            text_bytes_max,
            kept: Vec::new(),
            around: 0,
            has_content: false,
            place: Place::default(),
            is_shortened: false,
        }
    }

    /// Takes the next piece.
    pub(super) fn take(&mut self, mut piece: &[u8]) -> Result<(), Malformed> {
        while !piece.is_empty() {
            let used = match self.place {
                Place::Outside => self.outside(piece)?,
                Place::InText { begin, is_escaped } => self.in_text(piece, begin, is_escaped)?,
                Place::InLongText { is_escaped } => self.in_long_text(piece, is_escaped),
            };
            piece = &piece[used..];
        }
        Ok(())
    }

    /// What was kept, and whether anything was left out.
    pub(super) fn end(self) -> (Vec<u8>, bool) {
        (self.kept, self.is_shortened)
    }

    fn outside(&mut self, piece: &[u8]) -> Result<usize, Malformed> {
        let quote = memchr::memchr(b'"', piece);
        let used = quote.map_or(piece.len(), |at| at + 1);
        self.count(used)?;
        if quote.is_some() {
            let begin = self.kept.len() + used - 1;
            self.place = Place::InText { begin, is_escaped: false };
        }
        self.kept.extend_from_slice(&piece[..used]);
        Ok(used)
    }

    fn count(&mut self, bytes: usize) -> Result<(), Malformed> {
        self.around += bytes;
        if self.around > AROUND_BYTES_MAX { Err(Malformed::TooMuch) } else { Ok(()) }
    }

    fn in_text(
        &mut self,
        piece: &[u8],
        begin: usize,
        is_escaped: bool,
    ) -> Result<usize, Malformed> {
        let (used, place) = within(piece, is_escaped);
        self.kept.extend_from_slice(&piece[..used]);
        let length = self.kept.len() - begin;
        if length > NAME_BYTES_MAX && self.has_content {
            return Err(Malformed::TooMuch);
        }
        if length > self.text_bytes_max {
            self.kept.truncate(begin);
            self.kept.shrink_to(begin);
            self.is_shortened = true;
            self.has_content = true;
            self.place = self.after_long_text(place);
            return Ok(used);
        }
        self.place = match place {
            Within::Ended if length > NAME_BYTES_MAX => {
                self.has_content = true;
                Place::Outside
            }
            Within::Ended => {
                self.count(length)?;
                Place::Outside
            }
            Within::GoesOn { is_escaped } => Place::InText { begin, is_escaped },
        };
        Ok(used)
    }

    fn in_long_text(&mut self, piece: &[u8], is_escaped: bool) -> usize {
        let (used, place) = within(piece, is_escaped);
        self.place = self.after_long_text(place);
        used
    }

    fn after_long_text(&mut self, place: Within) -> Place {
        match place {
            Within::GoesOn { is_escaped } => Place::InLongText { is_escaped },
            Within::Ended => {
                self.kept.extend_from_slice(b"null");
                Place::Outside
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Within {
    Ended,
    GoesOn { is_escaped: bool },
}

/// How much of the piece belongs to the text that it begins in, at the least one byte.
fn within(piece: &[u8], is_escaped: bool) -> (usize, Within) {
    if is_escaped {
        return (1, Within::GoesOn { is_escaped: false });
    }
    match memchr::memchr2(b'"', b'\\', piece) {
        None => (piece.len(), Within::GoesOn { is_escaped: false }),
        Some(at) if piece[at] == b'"' => (at + 1, Within::Ended),
        Some(at) => (at + 1, Within::GoesOn { is_escaped: true }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::host::read_envelope_with;

    fn shorten(text: &[u8], piece: usize) -> (String, bool) {
        let mut shortening = Shortening::default();
        for piece in text.chunks(piece) {
            shortening.take(piece).unwrap();
        }
        let (kept, is_shortened) = shortening.end();
        (String::from_utf8(kept).unwrap(), is_shortened)
    }

    #[test]
    fn a_long_text_becomes_null_and_the_rest_stays() {
        let long = "\\\"x".repeat(TEXT_BYTES_MAX / 3 + 1);
        let text = format!(r#"{{"a\"":"{long}","b":["c\\",1]}}"#);
        for piece in [7, 4_096, text.len()] {
            let kept = r#"{"a\"":null,"b":["c\\",1]}"#.to_owned();
            assert_eq!(shorten(text.as_bytes(), piece), (kept, true));
        }
    }

    #[test]
    fn what_lies_around_the_content_is_bounded() {
        let mut shortening = Shortening::default();
        let piece = [b' '; 4_096];
        let taken = (0..300).try_for_each(|_| shortening.take(&piece));
        assert_eq!(taken, Err(Malformed::TooMuch));
    }

    /// However it is cut up: in many short texts, or in a few that are nearly too long.
    #[test]
    fn there_is_one_content_and_texts_around_it_are_counted() {
        for (length, count) in [(1_000, 1_100), (NAME_BYTES_MAX + 1, 2), (TEXT_BYTES_MAX - 9, 2)] {
            let text = format!("\"{}\",", "x".repeat(length));
            let mut shortening = Shortening::default();
            let taken = (0..count).try_for_each(|_| shortening.take(text.as_bytes()));
            assert_eq!(taken, Err(Malformed::TooMuch), "{length}");
        }
    }

    /// What the fuzzer begins with reaches what is left out, where little is kept.
    #[test]
    fn the_corpus_has_long_texts_of_every_kind() {
        let corpus =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus/envelope");
        for (file, is_read) in [
            ("long-content.json", true),
            ("long-escapes.json", true),
            ("long-twice.json", true),
            ("long-key.json", false),
            ("long-cut.json", false),
        ] {
            let bytes = std::fs::read(corpus.join(file)).unwrap();
            let mut shortening = Shortening::beyond(64);
            shortening.take(&bytes).unwrap();
            assert!(shortening.is_shortened, "{file}");
            assert_eq!(read_envelope_with(&bytes, 64).is_ok(), is_read, "{file}");
        }
    }

    proptest! {
        /// As if it had been `null` from the beginning, whatever is in it and around it.
        #[test]
        fn a_text_is_left_out_exactly_where_it_is_too_long(
            texts in proptest::collection::vec("[\"\\\\a{}:,é]{0,40}", 0..6),
            piece in 1..9_usize,
        ) {
            let is_long = |text: &String| serde_json::to_string(text).unwrap().len() > 32;
            let expected: Vec<_> =
                texts.iter().map(|text| (!is_long(text)).then_some(text)).collect();
            let mut shortening = Shortening::beyond(32);
            for piece in serde_json::to_vec(&texts).unwrap().chunks(piece) {
                shortening.take(piece).unwrap();
            }
            let (kept, is_shortened) = shortening.end();
            let kept: Vec<Option<String>> = serde_json::from_slice(&kept).unwrap();
            let kept: Vec<_> = kept.iter().map(Option::as_ref).collect();
            prop_assert_eq!(is_shortened, expected.contains(&None));
            prop_assert_eq!(kept, expected);
        }

        #[test]
        fn whatever_is_short_stays_as_it_is(text in "[\"\\\\a{}:,é]{0,60}", piece in 1..9_usize) {
            prop_assert_eq!(shorten(text.as_bytes(), piece), (text, false));
        }
    }
}
