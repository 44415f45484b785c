//! The two ways by which a function app hears of an upload, and tests that go both.

use serde_json::json;

use super::host::Host;
use super::host::invocation::Invocation;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The blob trigger hands over a reference.
    Blob,
    /// A message of Event Grid in a queue names it.
    Queue,
}

impl Way {
    /// Tells of a blob that is there; gives all tries.
    pub async fn deliver(self, host: &Host, name: &str) -> Vec<Invocation> {
        match self {
            Self::Blob => host.redeliver(name).await,
            Self::Queue => host.send("ImportQueue", &event(&host.address(name))).await,
        }
    }

    /// Puts a blob in place and tells of it.
    pub async fn upload(self, host: &Host, name: &str, bytes: impl AsRef<[u8]>) -> Vec<Invocation> {
        host.put(name, bytes);
        self.deliver(host, name).await
    }
}

/// What Event Grid says of a blob that was put in place.
pub fn event(url: &str) -> String {
    let data = json!({ "api": "PutBlob", "url": url, "contentLength": 3, "eTag": "0x1" });
    json!({ "eventType": "Microsoft.Storage.BlobCreated", "data": data }).to_string()
}

/// Makes of each function two tests, one for each way.
macro_rules! both_ways {
    ($($(#[$attribute:meta])* async fn $name:ident($way:ident: Way) $body:block)+) => {
        $(async fn $name($way: crate::support::delivery::Way) $body)+
        mod by_blob {
            $($(#[$attribute])* #[tokio::test(flavor = "multi_thread")] async fn $name() {
                super::$name(crate::support::delivery::Way::Blob).await;
            })+
        }
        mod by_queue {
            $($(#[$attribute])* #[tokio::test(flavor = "multi_thread")] async fn $name() {
                super::$name(crate::support::delivery::Way::Queue).await;
            })+
        }
    };
}
pub(crate) use both_ways;
