//! What a client says it can read.

use warp::http::HeaderMap;
use warp::http::header::ACCEPT;

use super::problem::ApiError;
use crate::cache::encoding::weighted;

/// Refuses a client that cannot read JSON.
pub(super) fn json(headers: &HeaderMap) -> Result<(), ApiError> {
    if takes(headers, "application", "json") { Ok(()) } else { Err(ApiError::NotAcceptable) }
}

/// Whether the client takes this type: by the most exact range that names it. A header that
/// cannot be read says nothing.
fn takes(headers: &HeaderMap, main: &str, sub: &str) -> bool {
    let mut best: Option<(u8, u16)> = None;
    let mut is_named = false;
    for value in headers.get_all(ACCEPT) {
        let Ok(text) = value.to_str() else { continue };
        for (range, weight) in text.split(',').map(weighted) {
            if range.is_empty() {
                continue;
            }
            is_named = true;
            let exactness = match range.split_once('/') {
                Some(("*", "*")) => 0,
                Some((m, "*")) if m.eq_ignore_ascii_case(main) => 1,
                Some((m, s)) if m.eq_ignore_ascii_case(main) && s.eq_ignore_ascii_case(sub) => 2,
                _ => continue,
            };
            if best.is_none_or(|(known, _)| exactness >= known) {
                best = Some((exactness, weight));
            }
        }
    }
    match best {
        Some((_, weight)) => weight > 0,
        None => !is_named,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_exact_range_decides() {
        for (accept, taken) in [
            ("", true),
            ("*/*", true),
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("text/html, application/*;q=0.1", true),
            ("text/html", false),
            ("text/html, */*;q=0", false),
            ("application/json;q=0, */*", false),
            ("application/*;q=0, application/json", true),
            ("nonsense", false),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, accept.parse().unwrap())]);
            assert_eq!(takes(&headers, "application", "json"), taken, "{accept:?}");
        }
        assert!(takes(&HeaderMap::new(), "application", "json"));
    }
}
