//! The parameters of a raw query string.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Names and values in their order, decoded as a form is.
///
/// Read for every request, and most have nothing in them to decode: those are only split,
/// which takes a third of the time that `form_urlencoded` takes.
pub fn parameters(raw: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    raw.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    })
}

fn decode(text: &str) -> Cow<'_, str> {
    if memchr::memchr2(b'%', b'+', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let spaced = text.replace('+', " ");
    Cow::Owned(percent_decode_str(&spaced).decode_utf8_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_are_what_a_form_says(raw in "[a-z%+&=0-9é]{0,40}") {
            let expected: Vec<_> = form_urlencoded::parse(raw.as_bytes()).collect();
            prop_assert_eq!(parameters(&raw).collect::<Vec<_>>(), expected);
        }
    }
}
