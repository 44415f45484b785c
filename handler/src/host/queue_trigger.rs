//! `ImportQueue`, plan B of the blob trigger: a message of Event Grid names the blob, in the
//! schema of Event Grid or as a `CloudEvent`.

use serde_json::Value;

use super::blob_trigger::{deliver, named};
use super::envelope::Envelope;
use super::{Failure, Functions, Success};

/// The event of a blob that is there and whole.
const CREATED: &str = "Microsoft.Storage.BlobCreated";

/// Imports the blob that the message names.
pub(super) async fn run(functions: &Functions, envelope: &Envelope) -> Result<Success, Failure> {
    match blob_of(envelope)? {
        Some(uri) => deliver(functions, named(functions, &uri)?).await,
        None => Ok(Success::saying("the message is of no blob that was put there")),
    }
}

/// Where the blob lies; `None` if the message is of something else.
fn blob_of(envelope: &Envelope) -> Result<Option<String>, Failure> {
    let refuse = |reason: &str| Failure::Source(format!("the message {reason}"));
    let event = envelope.item("item").ok_or_else(|| refuse("is no JSON object"))?;
    // Event Grid's own schema, and that of CloudEvents.
    let kind = event.get("eventType").or_else(|| event.get("type")).and_then(Value::as_str);
    match kind {
        Some(CREATED) => {}
        Some(_) => return Ok(None),
        None => return Err(refuse("is no event")),
    }
    let url = event.get("data").and_then(|data| data.get("url")).and_then(Value::as_str);
    let url = url.ok_or_else(|| refuse("names no blob: it has no `data.url`"))?;
    Ok(Some(url.split(['?', '#']).next().unwrap_or(url).to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(item: &Value) -> Envelope {
        let text = json!({ "Data": { "item": item }, "Metadata": {} }).to_string();
        Envelope::parse(text.as_bytes(), false).unwrap()
    }

    #[test]
    fn the_blob_is_found_in_both_schemas_and_however_often_it_is_encoded() {
        let uri = "https://a.blob.core.windows.net/imports/%C3%A9.csv";
        for kind in ["eventType", "type"] {
            let event = json!({ kind: CREATED, "data": { "url": format!("{uri}?sig=1") } });
            let once = json!(event.to_string());
            for item in [event.clone(), once.clone(), json!(once.to_string())] {
                assert_eq!(blob_of(&message(&item)).unwrap().as_deref(), Some(uri), "{item}");
            }
        }
    }

    #[test]
    fn other_events_are_nothing_to_do_and_other_texts_are_refused() {
        let gone = json!({ "eventType": "Microsoft.Storage.BlobDeleted", "data": {} });
        assert_eq!(blob_of(&message(&gone)).unwrap(), None);
        for item in [
            json!("hello"),
            json!(7),
            json!({}),
            json!([{ "eventType": CREATED }]),
            json!({ "eventType": CREATED }),
            json!({ "eventType": CREATED, "data": { "url": 7 } }),
        ] {
            assert!(blob_of(&message(&item)).is_err(), "{item}");
        }
    }
}
