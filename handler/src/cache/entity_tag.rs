//! What names the state of a body: a hash of its plain form.
//!
//! Each encoding has a suffix of its own, since its bytes are others. Whoever sends a tag back
//! means the state, so the suffix is looked through.

use bytes::Bytes;
use http::HeaderValue;
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_128;

use super::encoding::Encoding;

/// Hexadecimal digits of a hash.
const HASH_DIGITS: usize = 32;
const SUFFIXES: [&str; 4] = {
    use Encoding::{Brotli, Gzip, Identity, Zstd};
    [Identity.suffix(), Gzip.suffix(), Brotli.suffix(), Zstd.suffix()]
};

/// The state of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntityTag(u128);

impl EntityTag {
    /// Of a body in its plain form.
    pub fn of(identity: &[u8]) -> Self {
        Self(xxh3_128(identity))
    }

    /// The hash by itself.
    pub fn bits(self) -> u128 {
        self.0
    }

    /// The state with this hash.
    pub(super) fn with_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// As a header has it, for the body in this encoding.
    pub fn header(self, encoding: Encoding) -> HeaderValue {
        let suffix = encoding.suffix().as_bytes();
        let mut tag = Vec::with_capacity(HASH_DIGITS + suffix.len() + 2);
        tag.push(b'"');
        tag.extend(digits(self.0));
        tag.extend(suffix);
        tag.push(b'"');
        HeaderValue::from_maybe_shared(Bytes::from(tag)).expect("hexadecimal digits are ASCII")
    }

    /// Whether one of the tags of an `If-None-Match` is this one; `*` is any.
    pub fn is_in(self, list: &str) -> bool {
        tags(list).any(|tag| tag == "*" || self.is(tag.strip_prefix("W/").unwrap_or(tag)))
    }

    /// Whether one of the tags of an `If-Match` is this one; `*` is any. A weak tag is none:
    /// it does not say that the bodies are equal (RFC 9110, 13.1.1).
    pub fn is_strongly_in(self, list: &str) -> bool {
        tags(list).any(|tag| tag == "*" || self.is(tag))
    }

    fn is(self, tag: &str) -> bool {
        let bare = tag.trim_matches('"');
        let (state, suffix) = bare.split_at_checked(HASH_DIGITS).unwrap_or((bare, ""));
        SUFFIXES.contains(&suffix) && state.as_bytes() == digits(self.0)
    }
}

/// A hash as hexadecimal digits. `{:032x}` takes five times as long.
fn digits(hash: u128) -> [u8; HASH_DIGITS] {
    let mut digits = [0; HASH_DIGITS];
    Uuid::from_u128(hash).simple().encode_lower(&mut digits);
    digits
}

fn tags(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_named_in_every_encoding() {
        let tag = EntityTag::of(b"{}");
        for encoding in [Encoding::Identity, Encoding::Gzip, Encoding::Brotli, Encoding::Zstd] {
            let header = tag.header(encoding);
            let header = header.to_str().unwrap();
            assert!(tag.is_in(header) && tag.is_strongly_in(header), "{header}");
            assert!(tag.is_in(&format!("\"x\", {header}")));
            let weak = format!("W/{header}");
            assert!(tag.is_in(&weak) && !tag.is_strongly_in(&weak));
        }
        assert!(tag.is_in("*") && tag.is_strongly_in("*"));
        let other = EntityTag::of(b"[]").header(Encoding::Identity);
        for list in ["", "\"\"", "\"x\"", other.to_str().unwrap()] {
            assert!(!tag.is_in(list), "{list}");
            assert!(!tag.is_strongly_in(list), "{list}");
        }
    }
}
