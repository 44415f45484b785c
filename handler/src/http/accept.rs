//! What a client says it can read.

use warp::http::HeaderMap;
use warp::http::header::ACCEPT;

use super::problem::ApiError;
use crate::cache::encoding::weighted;

/// In what form a list of products goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ListForm {
    /// One page as a JSON array.
    Page,
    /// The whole list, a JSON object a line.
    Lines,
    /// The whole list as CSV.
    Csv,
}

/// A media type, as its two parts.
type Media = (&'static str, &'static str);

const JSON: Media = ("application", "json");
const NDJSON: Media = ("application", "x-ndjson");
const CSV: Media = ("text", "csv");
const HTML: Media = ("text", "html");

/// Refuses a client that cannot read JSON.
pub(super) fn json(headers: &HeaderMap) -> Result<(), ApiError> {
    if weight(headers, JSON) > 0 {
        Ok(())
    } else {
        Err(ApiError::NotAcceptable("application/json"))
    }
}

/// Refuses a client that cannot read HTML.
pub(super) fn html(headers: &HeaderMap) -> Result<(), ApiError> {
    if weight(headers, HTML) > 0 { Ok(()) } else { Err(ApiError::NotAcceptable("text/html")) }
}

/// Whether the client asks for HTML, and likes it better than JSON. Browsers do. Whoever says
/// that anything will do is no browser.
pub(super) fn prefers_html(headers: &HeaderMap) -> bool {
    let Best::Range(html_exactness @ 1.., html) = best(headers, HTML) else { return false };
    let json = match best(headers, JSON) {
        Best::Range(exactness, weight) => (weight, exactness),
        Best::NotNamed | Best::NothingSaid => (0, 0),
    };
    // Liked as well, but named more exactly: `text/html, */*`.
    html > 0 && (html, html_exactness) > json
}

/// The form that the client likes best; a page, if it likes that as well as another.
pub(super) fn list(headers: &HeaderMap) -> Result<ListForm, ApiError> {
    let page = weight(headers, JSON);
    if page == 1_000 {
        return Ok(ListForm::Page);
    }
    // By their names only: nobody means the whole list who says that anything will do.
    let (lines, csv) = (named_weight(headers, NDJSON), named_weight(headers, CSV));
    match page.max(lines).max(csv) {
        0 => Err(ApiError::NotAcceptable("application/json, application/x-ndjson and text/csv")),
        best if best == page => Ok(ListForm::Page),
        best if best == lines => Ok(ListForm::Lines),
        _ => Ok(ListForm::Csv),
    }
}

/// How much the client likes this type, in thousandths: by the most exact range that names
/// it. A header that cannot be read says nothing.
fn weight(headers: &HeaderMap, media: Media) -> u16 {
    match best(headers, media) {
        Best::Range(_, weight) => weight,
        Best::NotNamed => 0,
        Best::NothingSaid => 1_000,
    }
}

/// The same for a type that must be asked for by its name.
fn named_weight(headers: &HeaderMap, media: Media) -> u16 {
    match best(headers, media) {
        Best::Range(NAME, weight) => weight,
        _ => 0,
    }
}

/// How exactly a range names a type.
const NAME: u8 = 2;

enum Best {
    /// The most exact range, and its weight.
    Range(u8, u16),
    NotNamed,
    NothingSaid,
}

fn best(headers: &HeaderMap, (main, sub): Media) -> Best {
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
                Some((m, s)) if m.eq_ignore_ascii_case(main) && s.eq_ignore_ascii_case(sub) => NAME,
                _ => continue,
            };
            if best.is_none_or(|(known, _)| exactness >= known) {
                best = Some((exactness, weight));
            }
        }
    }
    match best {
        Some((exactness, weight)) => Best::Range(exactness, weight),
        None if is_named => Best::NotNamed,
        None => Best::NothingSaid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepting(accept: &str) -> HeaderMap {
        HeaderMap::from_iter([(ACCEPT, accept.parse().unwrap())])
    }

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
            assert_eq!(json(&accepting(accept)).is_ok(), taken, "{accept:?}");
        }
        assert!(json(&HeaderMap::new()).is_ok());
    }

    #[test]
    fn a_browser_is_told_from_everybody_else() {
        for (accept, is_browser) in [
            ("", false),
            ("*/*", false),
            ("text/html", true),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", true),
            ("text/html, */*", true),
            ("TEXT/HTML;q=0.9, */*;q=0.8", true),
            ("text/html;q=0.7, */*;q=0.8", false),
            ("text/*", true),
            ("text/*, application/*", false),
            ("application/json, text/html", false),
            ("application/json;q=0.5, text/html;q=0.6", true),
            ("application/json, text/*", false),
            ("text/html;q=0", false),
            ("text/html;q=0, application/json;q=0", false),
            ("application/json", false),
            ("image/png", false),
            ("nonsense", false),
        ] {
            assert_eq!(prefers_html(&accepting(accept)), is_browser, "{accept:?}");
        }
        assert!(!prefers_html(&HeaderMap::new()));
        for (accept, taken) in [("", true), ("*/*", true), ("text/*", true), ("image/*", false)] {
            assert_eq!(html(&accepting(accept)).is_ok(), taken, "{accept:?}");
        }
    }

    #[test]
    fn a_list_goes_out_in_the_form_that_is_liked_best() {
        for (accept, form) in [
            ("", Some(ListForm::Page)),
            ("text/html, */*;q=0.8", Some(ListForm::Page)),
            ("application/x-ndjson", Some(ListForm::Lines)),
            ("text/csv", Some(ListForm::Csv)),
            ("text/*", None),
            ("application/json;q=0.9, */*", Some(ListForm::Page)),
            ("text/csv;q=0.5, application/x-ndjson;q=0.6", Some(ListForm::Lines)),
            ("application/json;q=0.5, text/csv", Some(ListForm::Csv)),
            ("application/json;q=0.5, text/csv;q=0.5", Some(ListForm::Page)),
            ("image/png", None),
        ] {
            assert_eq!(list(&accepting(accept)).ok(), form, "{accept:?}");
        }
    }
}
