//! The fields of a JSON object, each still as it was written.
//!
//! A number is read from its own text and never passes through a float: `0.29` is 29
//! hundredths and no 28.999. Whoever reads an object tells all that is wrong with it at once,
//! so faults are gathered here and refused at the end. A field that is there twice is a
//! fault: which of the two counts would else be a matter of taste.

use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Invalid;

/// Fields without a name of ours that are told of; a body may hold thousands.
const UNKNOWN_MAX: usize = 5;
/// Characters of such a name, or of a parser's complaint, that are shown back to the sender.
const SHOWN_MAX: usize = 100;

/// An object whose fields are being taken.
#[derive(Debug)]
pub struct JsonObject<'a> {
    fields: Vec<(&'static str, Option<&'a RawValue>)>,
    faults: Vec<Invalid>,
}

/// A body that is no JSON object at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the body is no JSON object: {0}")]
pub struct NotAnObject(String);

/// What an object says of one of its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given<T> {
    /// Nothing.
    Absent,
    /// That it is not known.
    Null,
    /// What it is.
    Value(T),
}

impl<T> Given<T> {
    /// The value; `None` if it is not known or nothing is said.
    pub fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Null => None,
        }
    }
}

impl<'a> JsonObject<'a> {
    /// Reads an object that may have the `known` fields.
    pub fn parse(body: &'a [u8], known: &[&'static str]) -> Result<Self, NotAnObject> {
        let mut json = serde_json::Deserializer::from_slice(body);
        let written = json
            .deserialize_map(AsWritten)
            .and_then(|fields| json.end().map(|()| fields))
            .map_err(|e| NotAnObject(shown(&e.to_string())))?;
        let mut object =
            Self { fields: known.iter().map(|name| (*name, None)).collect(), faults: Vec::new() };
        let mut unknown = 0;
        for (name, value) in written {
            match object.fields.iter_mut().find(|(known, _)| *known == name) {
                Some((_, place @ None)) => *place = Some(value),
                Some((known, Some(_))) => {
                    let twice = Invalid::new(*known, "is given twice");
                    object.fault(twice);
                }
                None if unknown < UNKNOWN_MAX => {
                    unknown += 1;
                    object.fault(Invalid::new(shown(&name), "there is no such field"));
                }
                None => {}
            }
        }
        Ok(object)
    }

    /// A text.
    pub fn text<T>(
        &mut self,
        field: &'static str,
        parse: impl FnOnce(&str) -> Result<T, Invalid>,
    ) -> Given<T> {
        self.take(field, |written| {
            if !written.starts_with('"') {
                return Err(Invalid::new(field, "must be a text"));
            }
            // What is well formed and still no text: half of a surrogate pair.
            let text: String = serde_json::from_str(written)
                .map_err(|_| Invalid::new(field, "must be a text of Unicode characters"))?;
            parse(&text)
        })
    }

    /// A number, given to `parse` with the digits that the sender wrote.
    pub fn number<T>(
        &mut self,
        field: &'static str,
        parse: impl FnOnce(&str) -> Result<T, Invalid>,
    ) -> Given<T> {
        self.take(field, |written| {
            if written.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
                parse(written)
            } else {
                Err(Invalid::new(field, "must be a number"))
            }
        })
    }

    /// `true` or `false`.
    pub fn truth(&mut self, field: &'static str) -> Given<bool> {
        self.take(field, |written| match written {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(Invalid::new(field, "must be true or false")),
        })
    }

    /// Notes that something is wrong. Of each field the first fault is told.
    pub fn fault(&mut self, fault: Invalid) {
        if !self.faults.iter().any(|known| known.field == fault.field) {
            self.faults.push(fault);
        }
    }

    /// All faults, in the order in which they were found; none is an object that may be used.
    pub fn faults(self) -> Result<(), Vec<Invalid>> {
        if self.faults.is_empty() { Ok(()) } else { Err(self.faults) }
    }

    fn take<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&str) -> Result<T, Invalid>,
    ) -> Given<T> {
        let written = self.fields.iter().find(|(known, _)| *known == field);
        debug_assert!(written.is_some(), "`{field}` is none of the known fields");
        match written.and_then(|(_, value)| *value).map(RawValue::get) {
            None => Given::Absent,
            Some("null") => Given::Null,
            Some(written) => match read(written) {
                Ok(value) => Given::Value(value),
                Err(fault) => {
                    self.fault(fault);
                    // The faults are refused before anybody looks at the value.
                    Given::Null
                }
            },
        }
    }
}

/// Bounded, since it goes back to whoever sent it.
fn shown(text: &str) -> String {
    text.chars().take(SHOWN_MAX).collect()
}

/// Takes an object's fields as they come, repeated ones too.
struct AsWritten;

impl<'de> Visitor<'de> for AsWritten {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Money;

    fn object(text: &str) -> JsonObject<'_> {
        JsonObject::parse(text.as_bytes(), &["price", "title", "flag"]).unwrap()
    }

    #[test]
    fn a_number_keeps_the_digits_that_were_written() {
        for (text, hundredths) in [("0.29", 29), ("99999999.99", 9_999_999_999), ("1.10", 110)] {
            let json = format!("{{\"price\": {text} }}");
            let price = object(&json).number("price", |text| Money::parse("price", text));
            assert_eq!(price.value().map(Money::hundredths), Some(hundredths));
        }
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let mut object = object(
            r#"{"price": "1", "title": [1, {"a": 2}], "flag": 0, "flag": 1, "fläg": 1, "title\u0000": 1}"#,
        );
        assert_eq!(object.number("price", |_| Ok(())), Given::Null);
        object.text("title", |_| Ok(()));
        object.truth("flag");
        let faults = object.faults().unwrap_err();
        let fields: Vec<_> = faults.iter().map(|fault| fault.field.as_ref()).collect();
        assert_eq!(fields, ["flag", "fläg", "title\0", "price", "title"]);
    }

    #[test]
    fn what_is_told_back_is_bounded() {
        let many: Vec<_> = (0..9_999).map(|i| format!("\"{}{i}\":0", "x".repeat(900))).collect();
        let text = format!("{{{}}}", many.join(","));
        let faults = object(&text).faults().unwrap_err();
        assert!(faults.len() <= UNKNOWN_MAX);
        assert!(faults.iter().all(|fault| fault.field.len() <= SHOWN_MAX));
        let text = format!("\"{}\"", "x".repeat(9_999));
        let refused = JsonObject::parse(text.as_bytes(), &[]).unwrap_err();
        assert!(refused.to_string().len() < 2 * SHOWN_MAX);
    }

    #[test]
    fn half_a_surrogate_pair_is_no_text() {
        let mut object = object(r#"{"title": "\ud800"}"#);
        object.text("title", |_| Ok(()));
        assert_eq!(object.faults().unwrap_err()[0].field, "title");
    }

    #[test]
    fn what_is_no_object_is_refused_as_a_whole() {
        let deep = "[".repeat(100_000);
        for text in ["", "{", "[]", "1", "null", "{}x", "{\"a\":}", "{a:1}", "\u{feff}{}", &deep] {
            assert!(JsonObject::parse(text.as_bytes(), &[]).is_err(), "{text:.20}");
        }
        assert!(JsonObject::parse(b"{\"a\":\"\xff\"}", &["a"]).is_err());
    }

    /// Nesting is skipped without a step of recursion for each bracket.
    #[test]
    fn a_deep_value_is_a_fault_and_no_crash() {
        let text = format!("{{\"price\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        let mut object = object(&text);
        object.number("price", |_| Ok(()));
        assert_eq!(object.faults().unwrap_err()[0].field, "price");
    }
}
