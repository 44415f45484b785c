//! The OpenAPI 3.1 document of everything that a client may ask.
//!
//! It is written in `handler/openapi/`, a file a subject, in OpenAPI's own words and three of
//! ours, see `openapi/short.rs`: what stands in most operations would otherwise hide what is
//! particular to one. The sources are parts of the binary and every test of the document reads
//! them all, so an `expect` about them holds wherever the program runs.

mod short;

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use short::Parts;

/// The files, in the order in which the document tells of what is in them.
const SOURCES: [&str; 5] = [
    include_str!("../openapi/products.json"),
    include_str!("../openapi/people.json"),
    include_str!("../openapi/imports.json"),
    include_str!("../openapi/system.json"),
    include_str!("../openapi/shared.json"),
];
const HEAD: &str = include_str!("../openapi/head.json");
const PROBLEMS: &str = include_str!("../openapi/problems.json");

/// What of a source becomes a part of `components`.
const COMPONENTS: [&str; 5] = ["schemas", "parameters", "headers", "responses", "securitySchemes"];

/// The document as it is served: JSON without a space too many, made at the first call.
pub fn document() -> &'static str {
    static DOCUMENT: LazyLock<String> = LazyLock::new(|| joined().to_string());
    &DOCUMENT
}

/// The document as people read it.
pub fn printed() -> String {
    format!("{:#}", joined())
}

/// The sources as one document, everything short written out.
fn joined() -> Value {
    let mut paths = Map::new();
    let mut components: Map<_, _> =
        COMPONENTS.iter().map(|kind| ((*kind).to_owned(), json!({}))).collect();
    let mut parts = Parts::new(read(PROBLEMS));
    for source in SOURCES {
        for (kind, entries) in read(source) {
            let Value::Object(entries) = entries else { unreachable!("{kind} is a table") };
            match kind.as_str() {
                "paths" => paths.extend(entries),
                "parts" => parts.add(entries),
                kind => components[kind].as_object_mut().expect("a table").extend(entries),
            }
        }
    }
    let mut document = read(HEAD);
    document["info"]["version"] = env!("CARGO_PKG_VERSION").into();
    document.insert("paths".to_owned(), Value::Object(paths));
    document.insert("components".to_owned(), Value::Object(components));
    let mut document = Value::Object(document);
    parts.write_out(&mut document);
    document
}

fn read(source: &'static str) -> Map<String, Value> {
    serde_json::from_str(source).expect("a source is a JSON object")
}
