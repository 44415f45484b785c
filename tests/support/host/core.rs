//! What all parts of the host share.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};

use super::blobs::Blobs;
use super::invocation::Invocation;
use super::keys::Keys;
use super::log::Log;
use super::package::{Package, member};
use super::process::Worker;
use super::routes::Routes;

/// Of the host's own server, unless a setting says otherwise.
const BODY_BYTES_MAX: usize = 104_857_600;

#[derive(Debug)]
pub struct Core {
    pub package: Package,
    pub settings: BTreeMap<String, String>,
    pub keys: Keys,
    pub routes: Routes,
    pub worker: Worker,
    pub invocations: Arc<Log<Invocation>>,
    pub blobs: Blobs,
    /// How many blobs each function takes at once.
    pub blob_slots: HashMap<String, Semaphore>,
    pub function_timeout: Option<Duration>,
    pub activity_timeout: Duration,
}

impl Core {
    /// Waits until the handler is up, four times as long as it may take to start; then the
    /// host stops itself.
    pub async fn until_up(&self) -> Result<u32, String> {
        let patience = self.package.host.initialization_timeout.saturating_mul(4);
        if let Ok(up) = timeout(patience, self.worker.up()).await {
            return up;
        }
        let why = "an invocation waited in vain for the handler";
        self.worker.stop(why).await;
        Err(why.to_owned())
    }

    /// When an invocation that begins now must have ended.
    pub fn deadline(&self) -> Deadline {
        Deadline(self.function_timeout.map(|limit| Instant::now() + limit))
    }

    pub fn is_disabled(&self, function: &str) -> bool {
        let name = format!("AzureWebJobs.{function}.Disabled");
        let setting = self.settings.iter().find(|(key, _)| key.eq_ignore_ascii_case(&name));
        setting.is_some_and(|(_, value)| value == "1" || value.eq_ignore_ascii_case("true"))
    }

    /// How large a client's request may be.
    pub fn body_bytes_max(&self) -> usize {
        let setting = self.settings.get("FUNCTIONS_REQUEST_BODY_SIZE_LIMIT");
        setting.map_or(BODY_BYTES_MAX, |bytes| bytes.parse().expect("a number of bytes"))
    }

    pub fn output_is_binary(&self, function: &str, output: &str) -> bool {
        let function = self.package.function(function);
        function.into_iter().flat_map(|function| &function.bindings).any(|binding| {
            binding.is_output
                && binding.name == output
                && member(&binding.json, "dataType") == "binary"
        })
    }
}

/// The end of an invocation's time, if it has one.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// What comes of it in time.
    pub async fn hold<T>(self, work: impl Future<Output = T>) -> Option<T> {
        match self.0 {
            None => Some(work.await),
            Some(moment) => timeout_at(moment, work).await.ok(),
        }
    }
}
