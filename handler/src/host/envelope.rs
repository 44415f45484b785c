//! The envelope, taken leniently: the host's own forms differ from its documentation.
//!
//! A text comes as a JSON text that holds a JSON text (`"\"a.csv\""`), or plainly; a number
//! as a text, or plainly; an object as itself, or as a text that holds one. A key may be
//! missing. A blob's content comes as text, as base64, or not at all, as the descriptor of a
//! reference.

use azure_core::time::{parse_rfc3339, parse_rfc7231};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value};

/// CONTRACT 4 and DESIGN 5.7: what is larger is read from where it lies, not from here.
const CONTENT_BYTES_MAX: usize = 8 * 1_024 * 1_024;
/// How often a text may lie within a text: the host does it twice.
const LAYERS_MAX: usize = 3;

/// Why a body is no envelope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It is no JSON.
    #[error("is no JSON: {0}")]
    NoJson(String),
    /// It is JSON of another form.
    #[error("is no JSON object with an object `Data` or `Metadata`")]
    NoObject,
    /// There is too much around the content.
    #[error("holds more than 1 MiB besides the content")]
    TooMuch,
}

/// What the host hands over with an invocation.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    data: Map<String, Value>,
    metadata: Map<String, Value>,
    is_shortened: bool,
}

/// A blob as a trigger tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// Where it lies.
    pub uri: Option<String>,
    /// Its name within its container.
    pub name: Option<String>,
    /// Its state, without quotes.
    pub etag: Option<String>,
    /// When it was written, µs since 1970.
    pub modified: Option<i64>,
    /// Its size in bytes.
    pub bytes: Option<u64>,
    /// What is in it.
    pub content: Content,
}

/// A blob's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// All of it.
    Here(Bytes),
    /// It must be read from where the blob lies.
    Elsewhere,
}

impl Envelope {
    /// Reads an envelope; `is_shortened` says that a long text in it has become `null`.
    pub(super) fn parse(text: &[u8], is_shortened: bool) -> Result<Self, Malformed> {
        let value = serde_json::from_slice(text).map_err(|e| Malformed::NoJson(e.to_string()))?;
        let Value::Object(mut parts) = value else { return Err(Malformed::NoObject) };
        let mut part = |name: &str| match take(&mut parts, name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => object(value).map(Some).ok_or(Malformed::NoObject),
        };
        let (data, metadata) = (part("Data")?, part("Metadata")?);
        if data.is_none() && metadata.is_none() {
            return Err(Malformed::NoObject);
        }
        let (data, metadata) = (data.unwrap_or_default(), metadata.unwrap_or_default());
        Ok(Self { data, metadata, is_shortened })
    }

    /// The blob that a trigger with a binding of this name tells of.
    pub fn blob(&self, binding: &str) -> Blob {
        let properties = get(&self.metadata, "Properties").cloned().and_then(object);
        let property = |name: &str| get(properties.as_ref()?, name);
        Blob {
            uri: get(&self.metadata, "Uri").and_then(text).map(without_token),
            name: get(&self.metadata, "name").and_then(text),
            etag: property("ETag").and_then(text).map(|etag| bare(&etag)),
            modified: property("LastModified").and_then(text).and_then(|time| moment(&time)),
            bytes: property("ContentLength").or_else(|| property("Length")).and_then(number),
            content: content(get(&self.data, binding)),
        }
    }

    /// A message that is a JSON object, by the name of its binding.
    pub fn item(&self, binding: &str) -> Option<Map<String, Value>> {
        get(&self.data, binding).cloned().and_then(object)
    }

    /// Whether a long text was left out.
    pub fn is_shortened(&self) -> bool {
        self.is_shortened
    }
}

/// A value by its key, however that is spelt.
fn get<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object
        .get(name)
        .or_else(|| object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, v)| v))
}

fn take(object: &mut Map<String, Value>, name: &str) -> Option<Value> {
    let key = object.keys().find(|key| key.eq_ignore_ascii_case(name))?.clone();
    object.remove(&key)
}

/// The text of a value, out of as many layers of JSON as it lies in.
fn text(value: &Value) -> Option<String> {
    let Value::String(outer) = value else {
        return match value {
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
    };
    let mut text = outer.clone();
    for _ in 0..LAYERS_MAX {
        match within(&text) {
            Some(inner) => text = inner,
            None => break,
        }
    }
    Some(text).filter(|text| text != "null")
}

/// The text that a text holds as JSON.
fn within(text: &str) -> Option<String> {
    if text.starts_with('"') { serde_json::from_str(text).ok() } else { None }
}

fn number(value: &Value) -> Option<u64> {
    text(value)?.parse().ok()
}

fn object(value: Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(object) => Some(object),
        other => serde_json::from_str(&text(&other)?).ok(),
    }
}

fn content(value: Option<&Value>) -> Content {
    let Some(text) = value.filter(|value| value.is_string()).and_then(text) else {
        return Content::Elsewhere;
    };
    // A file to import has commas and line ends, so it is never taken for base64; an empty
    // one is empty either way.
    let bytes = STANDARD.decode(&text).unwrap_or_else(|_| text.into_bytes());
    if bytes.len() > CONTENT_BYTES_MAX { Content::Elsewhere } else { Content::Here(bytes.into()) }
}

/// A moment as the host writes it (RFC 3339) or as storage does (RFC 7231).
fn moment(text: &str) -> Option<i64> {
    let moment = parse_rfc3339(text).or_else(|_| parse_rfc7231(text)).ok()?;
    i64::try_from(moment.unix_timestamp_nanos() / 1_000).ok()
}

/// A blob's address alone. A connection by a token has the token in it: that names no other
/// blob, and belongs into no log and no table.
fn without_token(mut uri: String) -> String {
    let end = uri.find(['?', '#']).unwrap_or(uri.len());
    uri.truncate(end);
    uri
}

/// An entity tag without its quotes and its mark of weakness.
fn bare(etag: &str) -> String {
    etag.strip_prefix("W/").unwrap_or(etag).trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn parse(value: &Value) -> Result<Envelope, Malformed> {
        Envelope::parse(value.to_string().as_bytes(), false)
    }

    /// As the host writes it, as its documentation shows it, and halfway between.
    #[test]
    fn a_blob_is_read_in_every_form() {
        let uri = "https://a.blob.core.windows.net/imports/é 1.csv";
        let encoded = |text: &str| json!(json!(text).to_string());
        for (content, expected) in [
            (json!(STANDARD.encode("a,b\n1,2\n")), Content::Here("a,b\n1,2\n".into())),
            (encoded("a,b\n1,\"2\"\n"), Content::Here("a,b\n1,\"2\"\n".into())),
            (json!("a,b\n1,2\n"), Content::Here("a,b\n1,2\n".into())),
            (encoded(&STANDARD.encode("a,b\n1,2\n")), Content::Here("a,b\n1,2\n".into())),
            (json!("null"), Content::Elsewhere),
            (encoded("null"), Content::Elsewhere),
            (json!(""), Content::Here(Bytes::new())),
            (json!({"Version": "1.0", "Content": {"Length": 95}}), Content::Elsewhere),
            (Value::Null, Content::Elsewhere),
        ] {
            for (uri_form, properties) in [
                (encoded(uri), json!({"ContentLength": 8, "ETag": "\"0x8D\""})),
                (json!(uri), json!({"ContentLength": "8", "ETag": "0x8D"})),
                (
                    encoded(uri),
                    json!(json!({"contentLength": 8, "eTag": "W/\"0x8D\""}).to_string()),
                ),
            ] {
                let envelope = parse(&json!({
                    "Data": {"blob": content},
                    "Metadata": {"Uri": uri_form, "name": encoded("é 1.csv"),
                        "Properties": properties, "sys": {"MethodName": "ImportBlob"}}
                }));
                let blob = envelope.unwrap().blob("blob");
                assert_eq!(blob.uri.as_deref(), Some(uri));
                assert_eq!(blob.name.as_deref(), Some("é 1.csv"));
                assert_eq!((blob.etag.as_deref(), blob.bytes), (Some("0x8D"), Some(8)));
                assert_eq!(blob.content, expected);
            }
        }
    }

    #[test]
    fn a_token_in_the_address_is_nobodys_business() {
        for uri in ["https://a/imports/x.csv?sv=1&sig=secret", "https://a/imports/x.csv#sig"] {
            let blob = parse(&json!({"Metadata": {"Uri": json!(uri).to_string()}}));
            assert_eq!(blob.unwrap().blob("blob").uri.as_deref(), Some("https://a/imports/x.csv"));
        }
    }

    #[test]
    fn the_moment_of_a_write_is_read_in_both_forms() {
        for time in [
            "2026-01-01T00:00:00+00:00",
            "2026-01-01T01:00:00+01:00",
            "Thu, 01 Jan 2026 00:00:00 GMT",
        ] {
            let blob = parse(&json!({"Metadata": {"Properties": {"LastModified": time}}}));
            let modified = blob.unwrap().blob("blob").modified;
            assert_eq!(modified, Some(1_767_225_600_000_000), "{time}");
        }
        let odd = parse(&json!({"Metadata": {"Properties": {"LastModified": "lately"}}}));
        assert_eq!(odd.unwrap().blob("blob").modified, None);
    }

    #[test]
    fn whatever_is_missing_is_not_known() {
        let blob = parse(&json!({"Data": {}})).unwrap().blob("blob");
        let nothing = Blob {
            uri: None,
            name: None,
            etag: None,
            modified: None,
            bytes: None,
            content: Content::Elsewhere,
        };
        assert_eq!(blob, nothing);
        assert!(parse(&json!({"Metadata": {"sys": {}}})).is_ok());
        let odd =
            json!({"Data": {"blob": 7}, "Metadata": {"Uri": "null", "name": [1], "Properties": 3}});
        assert_eq!(parse(&odd).unwrap().blob("blob"), nothing);
    }

    #[test]
    fn what_is_no_envelope_is_named() {
        for body in ["", "{", "nonsense", "\u{0}"] {
            let refused = Envelope::parse(body.as_bytes(), false);
            assert!(matches!(refused, Err(Malformed::NoJson(_))), "{body}");
        }
        for body in [json!(null), json!([]), json!({}), json!({"Data": 1}), json!("x")] {
            assert_eq!(parse(&body), Err(Malformed::NoObject), "{body}");
        }
    }

    #[test]
    fn a_content_beyond_the_limit_lies_elsewhere() {
        let large = STANDARD.encode(vec![b','; CONTENT_BYTES_MAX + 1]);
        let envelope = parse(&json!({"Data": {"blob": large}})).unwrap();
        assert_eq!(envelope.blob("blob").content, Content::Elsewhere);
        let just = STANDARD.encode(vec![b','; CONTENT_BYTES_MAX]);
        let envelope = parse(&json!({"Data": {"blob": just}})).unwrap();
        assert!(matches!(envelope.blob("blob").content, Content::Here(_)));
    }

    proptest! {
        #[test]
        fn any_text_survives_the_hosts_encoding(inner in "\\PC{0,30}", layers in 0..=2_usize) {
            prop_assume!(within(&inner).is_none() && inner != "null");
            let mut outer = inner.clone();
            for _ in 0..layers {
                outer = json!(outer).to_string();
            }
            prop_assert_eq!(text(&json!(outer)), Some(inner));
        }

        #[test]
        fn any_content_survives_as_base64(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let value = json!(STANDARD.encode(&bytes));
            prop_assert_eq!(content(Some(&value)), Content::Here(bytes.into()));
        }

        #[test]
        fn any_body_is_an_envelope_or_a_named_refusal(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(envelope) = Envelope::parse(&bytes, false) {
                envelope.blob("blob");
            }
        }
    }
}
