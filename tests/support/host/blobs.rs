//! A storage account, and the blob trigger: told of a blob, tried again, given up. The host keeps
//! the blobs in a folder; the handler reads them from where the account serves them.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};
use tokio::time::sleep;

use super::core::Core;
use super::envelope::{self, Datum, Envelope};
use super::function::{BlobMode, Function};
use super::invocation::{Invocation, Outcome, Recording};
use super::log::Log;
use super::time_span::iso;
use crate::support::azurite::Azurite;
use crate::support::storage::{SAS, Storage};

/// Where messages go that were tried often enough.
pub const POISON: &str = "webjobs-blobtrigger-poison";
/// The trigger's queue is not asked again sooner. A handler that fell has been seen to by then.
const RETRY_AFTER: Duration = Duration::from_millis(100);
const NOT_IN_A_NAME: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

#[derive(Debug)]
pub struct Blobs {
    /// One folder a container.
    folder: PathBuf,
    /// Where the handler reads them.
    pub account: Account,
    pub poison: Arc<Log<Value>>,
    etags: Mutex<HashMap<String, String>>,
    /// What the polling source has handed on already: function, path, `ETag`.
    receipts: Mutex<HashSet<(String, String, String)>>,
    uploads: AtomicUsize,
}

/// An account of blobs.
#[derive(Debug, Clone)]
pub enum Account {
    /// One that nobody can ask.
    Elsewhere(String),
    Simulated(Storage),
    Azurite(Arc<Azurite>),
}

impl Account {
    pub fn url(&self) -> &str {
        match self {
            Self::Elsewhere(url) => url.trim_end_matches('/'),
            Self::Simulated(storage) => &storage.url,
            Self::Azurite(azurite) => &azurite.url,
        }
    }

    /// What the handler must be told of it.
    pub fn settings(&self) -> Vec<(&str, String)> {
        let service = ("IMPORT_STORAGE__blobServiceUri", self.url().to_owned());
        match self {
            Self::Elsewhere(_) => Vec::new(),
            Self::Simulated(_) => vec![service, ("IMPORT_STORAGE_SAS", SAS.to_owned())],
            Self::Azurite(azurite) => {
                let mut settings = azurite.identity();
                settings.push(service);
                settings
            }
        }
    }
}

/// A message of the trigger's queue.
#[derive(Debug, Clone)]
struct Message {
    /// `container/name`.
    path: String,
    etag: String,
}

impl Blobs {
    pub fn new(folder: PathBuf, account: Account) -> Self {
        std::fs::create_dir_all(&folder).unwrap();
        Self {
            folder,
            account,
            poison: Log::new(),
            etags: Mutex::default(),
            receipts: Mutex::default(),
            uploads: AtomicUsize::default(),
        }
    }

    /// Puts a blob in place, whole at once; each upload has an `ETag` of its own.
    pub fn put(&self, path: &str, bytes: &[u8]) {
        let number = self.uploads.fetch_add(1, Ordering::SeqCst);
        let (file, aside) = (self.folder.join(path), self.folder.join(format!(".upload-{number}")));
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&aside, bytes).unwrap();
        std::fs::rename(aside, file).unwrap();
        let etag = match &self.account {
            Account::Elsewhere(_) => format!("\"0x8DE{number:013X}\""),
            Account::Simulated(storage) => {
                let etag = format!("\"0x8DE{number:013X}\"");
                storage.put_as(path, bytes, &etag);
                etag
            }
            Account::Azurite(azurite) => azurite.put(path, bytes),
        };
        self.etags.lock().unwrap().insert(path.to_owned(), etag);
    }

    pub fn address(&self, path: &str) -> String {
        format!("{}/{}", self.account.url(), utf8_percent_encode(path, NOT_IN_A_NAME))
    }

    pub fn adopt(&self, path: &str, other: &Self) {
        let file = self.folder.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::copy(other.folder.join(path), file).unwrap();
        let etag = other.etag(path).unwrap();
        self.etags.lock().unwrap().insert(path.to_owned(), etag);
    }

    pub fn delete(&self, path: &str) {
        std::fs::remove_file(self.folder.join(path)).unwrap();
        match &self.account {
            Account::Elsewhere(_) => {}
            Account::Simulated(storage) => storage.delete(path),
            Account::Azurite(azurite) => azurite.delete(path),
        }
        self.etags.lock().unwrap().remove(path);
    }

    pub fn etag(&self, path: &str) -> Option<String> {
        self.etags.lock().unwrap().get(path).cloned()
    }

    fn is_new(&self, function: &str, message: &Message) -> bool {
        let receipt = (function.to_owned(), message.path.clone(), message.etag.clone());
        self.receipts.lock().unwrap().insert(receipt)
    }

    fn give_up(&self, function: &str, message: &Message) {
        let (container, name) = message.path.split_once('/').unwrap_or((&message.path, ""));
        let record = json!({
            "FunctionId": format!("Host.Functions.{function}"),
            "BlobType": "BlockBlob",
            "ContainerName": container,
            "BlobName": name,
            "ETag": message.etag,
        });
        let folder = self.folder.join(POISON);
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join(format!("{}.json", uuid::Uuid::new_v4()));
        std::fs::write(file, record.to_string()).unwrap();
        self.poison.push(record);
    }

    /// What a function is sent for a blob.
    fn envelope(&self, function: &Function, path: &str, etag: &str) -> std::io::Result<Envelope> {
        let file = self.folder.join(path);
        let properties = std::fs::metadata(&file)?;
        let trigger = function.trigger();
        let content = match function.blob_mode() {
            BlobMode::Reference => Datum::Object(descriptor(trigger.text("connection"), path)),
            BlobMode::Bytes => Datum::Bytes(std::fs::read(&file)?),
            BlobMode::Text => {
                Datum::Text(String::from_utf8_lossy(&std::fs::read(&file)?).into_owned())
            }
        };
        let text = match &content {
            Datum::Text(text) => text.clone(),
            _ => String::new(),
        };
        let uri = self.address(path);
        let properties = json!({
            "ContentLength": properties.len(),
            "ContentType": "application/octet-stream",
            "ETag": etag,
            "LastModified": format!("{}+00:00", iso(properties.modified()?)),
        });
        let mut envelope = Envelope::of(&trigger.name, content)
            .with("BlobTrigger", Datum::Text(path.to_owned()))
            .with("Uri", Datum::Text(uri))
            .with("Properties", Datum::Object(properties.as_object().expect("made so").clone()))
            .with("Metadata", Datum::Object(Map::new()));
        for (name, value) in
            matched(trigger.text("path").expect("checked"), path).unwrap_or_default()
        {
            envelope = envelope.with(&name, Datum::Text(value));
        }
        Ok(envelope.spill(&text))
    }
}

/// What is left of a reference on its way: its own content is measured and not told.
fn descriptor(connection: Option<&str>, path: &str) -> Map<String, Value> {
    let (container, name) = path.split_once('/').unwrap_or((path, ""));
    let lost = json!({ "Connection": connection, "ContainerName": container, "BlobName": name });
    let told = json!({
        "Version": "1.0",
        "Source": "AzureStorageBlobs",
        "ContentType": "application/json",
        "Content": {
            "Length": lost.to_string().len(),
            "IsEmpty": false,
            "MediaType": "application/json",
        },
    });
    told.as_object().expect("made so").clone()
}

/// Tells every function that listens of a blob; gives all tries, each function's in order.
pub async fn deliver(core: &Core, path: &str) -> Vec<Invocation> {
    let Some(etag) = core.blobs.etag(path) else { return Vec::new() };
    let message = Message { path: path.to_owned(), etag };
    let mut invocations = Vec::new();
    for function in core.package.functions.iter().filter(|function| listens(function, path)) {
        let is_due = function.hears_of_blobs() || core.blobs.is_new(&function.name, &message);
        if is_due && !core.is_disabled(&function.name) {
            invocations.extend(tries(core, function, &message).await);
        }
    }
    invocations
}

fn listens(function: &Function, path: &str) -> bool {
    function.is_triggered_by("blobTrigger")
        && function.trigger().text("path").is_some_and(|pattern| matched(pattern, path).is_some())
}

async fn tries(core: &Core, function: &Function, message: &Message) -> Vec<Invocation> {
    let mut invocations = Vec::new();
    for attempt in 1..=core.package.host.poison_blob_threshold {
        let slots = &core.blob_slots[&function.name];
        let _slot = slots.acquire().await.expect("never closed");
        let invocation = once(core, function, message, attempt).await;
        let is_over = invocation.succeeded() || invocation.outcome == Outcome::Skipped;
        invocations.push(invocation);
        if is_over {
            return invocations;
        }
        sleep(RETRY_AFTER).await;
    }
    core.blobs.give_up(&function.name, message);
    invocations
}

async fn once(core: &Core, function: &Function, message: &Message, attempt: u32) -> Invocation {
    let skip =
        || Recording::begin(&core.invocations, &function.name, attempt).end(Outcome::Skipped);
    let Some(etag) = core.blobs.etag(&message.path) else { return skip() };
    // Event Grid's messages are not compared: an older one runs with the newer blob.
    if etag != message.etag && !function.hears_of_blobs() {
        return skip();
    }
    match core.blobs.envelope(function, &message.path, &etag) {
        Ok(envelope) => envelope::invoke(core, &function.name, attempt, &envelope).await,
        Err(_) => skip(),
    }
}

/// Runs a function once for a blob that is there, as the portal does: no second try.
pub async fn run(core: &Core, function: &Function, path: &str) -> Invocation {
    let etag = core.blobs.etag(path).unwrap_or_default();
    match core.blobs.envelope(function, path, &etag) {
        Ok(envelope) => envelope::invoke(core, &function.name, 1, &envelope).await,
        Err(e) => Recording::begin(&core.invocations, &function.name, 1)
            .end(Outcome::Failed(format!("{path}: {e}"))),
    }
}

/// The parameters of a pattern such as `imports/{name}`; the last one takes slashes too.
fn matched(pattern: &str, path: &str) -> Option<Vec<(String, String)>> {
    let Some((literal, rest)) = pattern.split_once('{') else {
        return (pattern == path).then(Vec::new);
    };
    let (name, pattern) = rest.split_once('}')?;
    let path = path.strip_prefix(literal)?;
    let next = pattern.split('{').next().unwrap_or_default();
    let length = match (next, pattern.contains('{')) {
        ("", _) => path.len(),
        (next, true) => path.find(next)?,
        (next, false) => path.rfind(next)?,
    };
    let (value, path) = path.split_at_checked(length).filter(|(value, _)| !value.is_empty())?;
    let mut parameters = matched(pattern, path)?;
    parameters.push((name.to_owned(), value.to_owned()));
    Some(parameters)
}

#[cfg(test)]
mod tests {
    use super::matched;

    #[test]
    fn a_pattern_names_parts_of_a_path() {
        let read = |pattern, path| {
            let mut parameters = matched(pattern, path)?;
            parameters.sort();
            Some(parameters.into_iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>())
        };
        assert_eq!(read("imports/{name}", "imports/a/b.csv").unwrap(), ["name=a/b.csv"]);
        assert_eq!(read("in/{day}/{name}.csv", "in/mon/x.csv").unwrap(), ["day=mon", "name=x"]);
        for (pattern, path) in
            [("imports/{name}", "rejects/a"), ("imports/{name}", "imports/"), ("a/b", "a/c")]
        {
            assert_eq!(read(pattern, path), None, "{pattern} {path}");
        }
    }
}
