//! One document out of a page's sources, and the policy that goes with it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

/// What a page is made of. Styles and scripts are joined in this order.
pub(super) struct Sources {
    /// With a mark where the style goes, and one where the script goes.
    pub(super) html: &'static str,
    pub(super) styles: &'static [&'static str],
    pub(super) scripts: &'static [&'static str],
    /// Where pictures may come from, as `img-src` has it.
    pub(super) images: &'static str,
    /// Further directives of the policy.
    pub(super) more: &'static str,
}

/// A page in one piece.
pub(super) struct Page {
    pub(super) html: String,
    /// The value of `Content-Security-Policy`.
    pub(super) policy: String,
}

const STYLE_MARK: &str = "<!-- style -->";
const SCRIPT_MARK: &str = "<!-- script -->";

pub(super) fn join(sources: &Sources) -> Page {
    let (style, script) = (sources.styles.concat(), sources.scripts.concat());
    let (head, rest) = sources.html.split_once(STYLE_MARK).expect("a page has a place for a style");
    let (body, end) = rest.split_once(SCRIPT_MARK).expect("a page has a place for a script");
    // A module has its own scope, and runs once the document is there.
    let html =
        format!("{head}<style>{style}</style>{body}<script type=\"module\">{script}</script>{end}");
    Page { html, policy: policy(sources, &style, &script) }
}

fn policy(sources: &Sources, style: &str, script: &str) -> String {
    let mut policy = format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; connect-src 'self'; img-src {}; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash(script),
        hash(style),
        sources.images,
    );
    if !sources.more.is_empty() {
        policy.push_str("; ");
        policy.push_str(sources.more);
    }
    policy
}

/// As a policy names the text of an element: over every byte between its tags.
fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}

#[cfg(test)]
mod tests {
    use super::super::{CATALOGUE_SOURCES, DASHBOARD_SOURCES, DOCS_SOURCES};
    use super::*;

    const PAGES: [&Sources; 3] = [&CATALOGUE_SOURCES, &DASHBOARD_SOURCES, &DOCS_SOURCES];

    #[test]
    fn a_page_is_its_sources_at_their_places() {
        let sources = Sources {
            html: "<head><!-- style --></head><body><!-- script --></body>",
            styles: &["a{}", "b{}"],
            scripts: &["one();", "two();"],
            images: "data:",
            more: "",
        };
        let Page { html, policy } = join(&sources);
        assert_eq!(
            html,
            "<head><style>a{}b{}</style></head><body>\
             <script type=\"module\">one();two();</script></body>"
        );
        // echo -n 'one();two();' | openssl dgst -sha256 -binary | base64
        assert_eq!(
            policy,
            "default-src 'none'; script-src 'sha256-regRzR+oK+F9mDwC4F0zP7AGyhqx09Ah4ncDJ6sH1Wk='; style-src 'sha256-cR0WXeDFPUxoynVcPpDZ1iYEOmjKwa49ZNxsL/qKIpk='; \
             connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'"
        );
    }

    /// Such a text would end its element early. A browser hashes a line's end as one character,
    /// whichever it was.
    #[test]
    fn no_source_ends_the_element_that_holds_it() {
        for sources in PAGES {
            for text in sources.styles.iter().chain(sources.scripts) {
                let text = text.to_lowercase();
                for part in ["</style", "</script", "<!--", "\r", "\0"] {
                    assert!(!text.contains(part), "{part:?} in {}", &text[..60.min(text.len())]);
                }
            }
        }
    }

    /// A style of an attribute, or a handler in one, would need a policy that allows it.
    #[test]
    fn the_markup_holds_no_code_and_no_style() {
        for sources in PAGES {
            for part in
                ["style=", " onclick=", " onload=", "javascript:", "<script", "<link rel=\"s"]
            {
                assert!(!sources.html.contains(part), "{part}");
            }
        }
    }
}
