//! An answer as it lies in the shared cache.
//!
//! ```text
//! 31  stamp: the row and version that it depends on, as text
//!  1  flags: 1 found, 2 compressed by zstd
//!  8  life in milliseconds, from the moment it was put there
//! 16  entity tag: the hash of the plain body
//!  4  length of the plain body
//!  8  hash of the body as it lies here
//!  2+ path of the question, so that an auditor can ask it again
//!  2+ `Link`      2+ `X-Total-Count`: empty without one
//!  8  hash of all of the above
//!     the body
//! ```
//!
//! The shared part may put more behind it, and takes that off again; Redis has there when it ends.
//!
//! A compressed body goes on as it lies here to a client that takes it so.
//!
//! Numbers are big-endian. A page that is damaged, of another question or of another format is
//! no page. One that is whole and cannot be unpacked is given up when somebody wants it plain.

use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::HeaderValue;
use xxhash_rust::xxh3::xxh3_64;

use super::answer::Answer;
use super::encoding::{Encoding, compress};
use super::entity_tag::EntityTag;
use super::forms::Forms;
use super::shared::{Page, Stamp};
use super::versions::{Row, Tag};

/// The number of this format and of what stands behind it, part of every page's key: two releases
/// that have different ones never read each other's pages.
pub const FORMAT: u32 = 3;

const FOUND: u8 = 1;
const COMPRESSED: u8 = 2;
/// Bodies above it are compressed; a product is about 400 bytes.
const PLAIN_MAX: usize = 1_024;
/// The longest body that is believed: twenty times a page of a thousand products.
const BODY_MAX: usize = 8 << 20;

/// A page that was read.
#[derive(Debug)]
pub(super) struct Decoded {
    pub(super) answer: Answer,
    /// The path of the question that it answers.
    pub(super) path: String,
    /// How long it was to live from the moment it was put there.
    pub(super) life: Duration,
}

/// The page of an answer to the question with this path; `None` for answers that depend on two
/// rows, which are not shared.
pub(super) fn encode(answer: &Answer, path: &str, life: Duration) -> Option<Page> {
    let mut tags = answer.tags.iter();
    let tag = *tags.next()?;
    // Of a row that nobody has told us of there is no version yet.
    if tags.next().is_some() || answer.search_lag.is_some() || tag.version < 0 {
        return None;
    }
    let length = u32::try_from(answer.bytes()).ok()?;
    let is_compressed = answer.bytes() > PLAIN_MAX;
    let body = match answer.body_at_hand(Encoding::Identity) {
        Some(plain) if is_compressed => compress(Encoding::Zstd, &plain),
        Some(plain) => plain,
        None if answer.is_found() => return None,
        None => Bytes::new(),
    };
    let stamp = Stamp::of(tag);
    let mut page = BytesMut::with_capacity(256 + body.len());
    page.put_slice(stamp.as_str().as_bytes());
    let found = if answer.is_found() { FOUND } else { 0 };
    page.put_u8(found | if is_compressed { COMPRESSED } else { 0 });
    page.put_u64(u64::try_from(life.as_millis()).ok()?);
    page.put_u128(answer.state().bits());
    page.put_u32(length);
    page.put_u64(xxh3_64(&body));
    let header = |value: &Option<HeaderValue>| value.clone().map(Bytes::from_owner);
    put_text(&mut page, path.as_bytes())?;
    put_text(&mut page, &header(&answer.link).unwrap_or_default())?;
    put_text(&mut page, &header(&answer.total).unwrap_or_default())?;
    let checksum = xxh3_64(&page);
    page.put_u64(checksum);
    page.put_slice(&body);
    Some(Page { stamp, bytes: page.freeze() })
}

fn put_text(page: &mut BytesMut, text: &[u8]) -> Option<()> {
    page.put_u16(u16::try_from(text.len()).ok()?);
    page.put_slice(text);
    Some(())
}

/// Reads a page.
pub(super) fn decode(bytes: &Bytes) -> Option<Decoded> {
    let mut rest = bytes.clone();
    let tag = stamp(&mut rest)?;
    let flags = rest.try_get_u8().ok()?;
    let life = Duration::from_millis(rest.try_get_u64().ok()?);
    let state = rest.try_get_u128().ok()?;
    let length = usize::try_from(rest.try_get_u32().ok()?).ok()?;
    let hash = rest.try_get_u64().ok()?;
    let path = text(&mut rest)?;
    let (link, total) = (text(&mut rest)?, text(&mut rest)?);
    let head = bytes.len() - rest.len();
    if rest.try_get_u64().ok()? != xxh3_64(&bytes[..head]) {
        return None;
    }
    // What arrived, against what was sent.
    if hash != xxh3_64(&rest) || length > BODY_MAX {
        return None;
    }
    let is_compressed = flags & COMPRESSED != 0;
    let body = if is_compressed { Forms::packed(rest, length) } else { Forms::plain(rest) };
    if body.plain_bytes() != length {
        return None;
    }
    let found = (flags & FOUND != 0).then_some(body);
    let mut answer = Answer::new(tag.into(), found, EntityTag::with_bits(state));
    answer.link = header(link)?;
    answer.total = header(total)?;
    Some(Decoded { answer, path: String::from_utf8(path.into()).ok()?, life })
}

fn stamp(rest: &mut Bytes) -> Option<Tag> {
    let text = take(rest, Stamp::LEN)?;
    let text = std::str::from_utf8(&text).ok()?;
    let (row, version) = text.split_at_checked(11)?;
    Some(Tag { row: Row(row.parse().ok()?), version: version.parse().ok()? })
}

fn text(rest: &mut Bytes) -> Option<Bytes> {
    let length = usize::from(rest.try_get_u16().ok()?);
    take(rest, length)
}

fn take(rest: &mut Bytes, length: usize) -> Option<Bytes> {
    (rest.len() >= length).then(|| rest.split_to(length))
}

/// A header's value; `Some(None)` for an empty one, which means that there is none.
#[expect(
    clippy::option_option,
    reason = "one is that it is malformed, the other that it is not there"
)]
fn header(text: Bytes) -> Option<Option<HeaderValue>> {
    if text.is_empty() {
        return Some(None);
    }
    HeaderValue::from_maybe_shared(text).ok().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_secs(100);

    fn answer(row: i64, body: &[u8]) -> Answer {
        let tag = Tag { row: Row(row), version: 1_767_225_600_000_000 };
        let mut answer = Answer::found(tag, body.to_vec());
        answer.link = Some(HeaderValue::from_static("</products?cursor=x>; rel=\"next\""));
        answer.total = Some(HeaderValue::from(1_430_000));
        answer
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let long = "[{\"asin\":\"B000\"},{\"asin\":\"B001\"}]".repeat(1_000);
        for body in [&b""[..], b"{}", long.as_bytes()] {
            let sent = answer(12, body);
            let page = encode(&sent, "/products?category_id=12", LIFE).unwrap();
            assert!(page.bytes.starts_with(page.stamp.as_str().as_bytes()));
            assert!(page.bytes.len() < 400, "{}", page.bytes.len());
            let Decoded { answer, path, life } = decode(&page.bytes).unwrap();
            assert_eq!((path.as_str(), life), ("/products?category_id=12", LIFE));
            assert_eq!(answer.body_at_hand(Encoding::Identity).unwrap(), body);
            assert_eq!((&answer.link, &answer.total), (&sent.link, &sent.total));
            assert_eq!((answer.tags, answer.state()), (sent.tags, sent.state()));
        }
        let none = Answer::absent(Tag { row: Row::CATALOGUE, version: 3 });
        let page = encode(&none, "/products/B00", LIFE).unwrap();
        let decoded = decode(&page.bytes).unwrap();
        assert!(!decoded.answer.is_found() && decoded.answer.link.is_none());
    }

    #[test]
    fn damage_is_noticed() {
        let body = b"[1,2,3]".repeat(300);
        let page = encode(&answer(12, &body), "/products", LIFE).unwrap();
        for end in 0..page.bytes.len() {
            assert!(decode(&page.bytes.slice(..end)).is_none(), "cut at {end}");
        }
        for at in 0..page.bytes.len() {
            for bit in 0..8 {
                let mut bytes = page.bytes.to_vec();
                bytes[at] ^= 1 << bit;
                assert!(decode(&bytes.into()).is_none(), "bit {bit} turned at {at}");
            }
        }
        assert!(decode(&Bytes::new()).is_none());
        assert!(decode(&Bytes::from(vec![b'9'; 4_000])).is_none());
    }

    #[test]
    fn stamps_are_as_long_as_is_said() {
        for (row, version) in [(0, 0), (-2, 7), (1_000_000, i64::MAX)] {
            let stamp = Stamp::of(Tag { row: Row(row), version });
            assert_eq!(stamp.as_str().len(), Stamp::LEN, "{stamp:?}");
        }
    }
}
