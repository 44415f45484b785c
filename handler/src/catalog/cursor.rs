//! The opaque form of a [`Position`]: version, list, key, asin, checksum, in base64.
//!
//! The checksum catches accidents and idle hands. It is no signature and need not
//! be one: a position grants nothing that `GET /products` would not show anyway.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use xxhash_rust::xxh3::xxh3_64;

use super::{Asin, Invalid, PageQuery, Position};

/// Raised when the form below changes, or what a store packs into a key; an older cursor is
/// then refused.
const VERSION: u8 = 2;
const CHECKSUM_BYTES: usize = 8;
/// Version, list, presence of the key, key.
const HEAD_BYTES: usize = 1 + 4 + 1 + 8;
/// The longest text a cursor can have: more is refused unread.
const TEXT_MAX: usize = (HEAD_BYTES + Asin::LENGTH_MAX + CHECKSUM_BYTES).div_ceil(3) * 4;

/// The cursor that leads behind `position` in the list of `query`.
pub(super) fn encode(position: &Position, query: &PageQuery) -> String {
    let mut bytes = Vec::with_capacity(HEAD_BYTES + Asin::LENGTH_MAX + CHECKSUM_BYTES);
    bytes.push(VERSION);
    bytes.extend_from_slice(&list_tag(query));
    bytes.push(u8::from(position.key.is_some()));
    bytes.extend_from_slice(&position.key.unwrap_or_default().to_be_bytes());
    bytes.extend_from_slice(position.asin.as_str().as_bytes());
    let checksum = xxh3_64(&bytes).to_be_bytes();
    bytes.extend_from_slice(&checksum);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads a cursor; refuses one that was altered, or made for another list.
pub(super) fn decode(text: &str, query: &PageQuery) -> Result<Position, Invalid> {
    let foreign = || Invalid::new("cursor", "is not one that this list has given out");
    let bytes = (text.len() <= TEXT_MAX)
        .then(|| URL_SAFE_NO_PAD.decode(text).ok())
        .flatten()
        .filter(|bytes| bytes.len() > HEAD_BYTES + CHECKSUM_BYTES)
        .ok_or_else(foreign)?;
    let (body, checksum) = bytes.split_at(bytes.len() - CHECKSUM_BYTES);
    let (head, asin) = body.split_at(HEAD_BYTES);
    let intact = checksum == xxh3_64(body).to_be_bytes();
    if !intact || head[0] != VERSION || head[5] > 1 {
        return Err(foreign());
    }
    if head[1..5] != list_tag(query) {
        return Err(Invalid::new("cursor", "belongs to another list: keep the other parameters"));
    }
    let key = i64::from_be_bytes(head[6..].try_into().expect("eight bytes are left"));
    let asin = std::str::from_utf8(asin).ok().and_then(|asin| Asin::parse(asin).ok());
    Ok(Position { key: (head[5] == 1).then_some(key), asin: asin.ok_or_else(foreign)? })
}

fn list_tag(query: &PageQuery) -> [u8; 4] {
    let hash = xxh3_64(query.list_name().as_bytes()).to_be_bytes();
    [hash[0], hash[1], hash[2], hash[3]]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::catalog::{CategoryId, Filter, Limit, Money, Sort, Words};

    fn any_query() -> impl Strategy<Value = PageQuery> {
        let category = proptest::option::of(1..=1_000_000_i64);
        let sort = proptest::sample::select(Sort::ALL.to_vec());
        let price = proptest::option::of(0..10_000_i64);
        let words = proptest::option::of("[a-c]{1,2}");
        (category, sort, price, words).prop_map(|(category, sort, price, words)| PageQuery {
            category: category.and_then(CategoryId::from_i64),
            filter: Filter {
                min_price: price.and_then(Money::from_hundredths),
                ..Filter::default()
            },
            words: words.and_then(|words| Words::parse(&words).ok()),
            sort,
            limit: Limit::default(),
            after: None,
        })
    }

    fn any_position() -> impl Strategy<Value = Position> {
        (proptest::option::of(any::<i64>()), "[A-Za-z0-9-]{1,20}")
            .prop_map(|(key, asin)| Position { key, asin: Asin::parse(&asin).unwrap() })
    }

    proptest! {
        #[test]
        fn a_cursor_reads_back_as_it_was_written(query in any_query(), position in any_position()) {
            let text = encode(&position, &query);
            prop_assert_eq!(decode(&text, &query), Ok(position));
            prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
        }

        #[test]
        fn a_cursor_of_another_list_is_refused(
            query in any_query(), other in any_query(), position in any_position()
        ) {
            prop_assume!(query != other);
            prop_assert!(decode(&encode(&position, &query), &other).is_err());
        }

        #[test]
        fn an_altered_cursor_is_refused(
            query in any_query(), position in any_position(), at in any::<prop::sample::Index>(),
            letter in "[A-Za-z0-9_-]"
        ) {
            let text = encode(&position, &query);
            let at = at.index(text.len());
            let altered = format!("{}{letter}{}", &text[..at], &text[at + 1..]);
            prop_assume!(altered != text);
            prop_assert!(decode(&altered, &query).is_err());
        }

        #[test]
        fn any_text_is_refused_or_a_cursor(text in "\\PC{0,80}", query in any_query()) {
            if let Ok(position) = decode(&text, &query) {
                prop_assert_eq!(encode(&position, &query), text);
            }
        }
    }
}
