//! A simulated Azure Functions host, v4, for a custom handler.
//!
//! It reads a package as the real host does, starts the executable named there, and serves:
//! HTTP by the routes of `function.json`, blobs put into a folder, timers when a test fires
//! them, and the admin API. It is as unfriendly as the real one: strings encoded twice, SIGKILL
//! for a farewell, five tries and then the poison queue. Where the real host would wait for
//! nothing (the function's time limit after an empty answer), the wait alone is left out.
//!
//! Every invocation is recorded when it ends, and every line of the handler's output kept.

mod activity;
mod admin;
pub mod blobs;
pub mod core;
pub mod envelope;
pub mod folder;
mod forward;
mod front;
pub mod function;
pub mod invocation;
pub mod keys;
pub mod log;
pub mod package;
pub mod process;
mod proxy;
mod queue;
mod redirects;
mod returned;
pub mod routes;
mod time_span;
mod timer;
pub mod wire;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use self::blobs::{Account, Blobs};
use self::core::Core;
use self::invocation::Invocation;
use self::keys::Keys;
use self::log::{Follower, PATIENCE};
use self::package::{Package, Problem};
use self::process::{Limits, State, Status, Worker};
use self::routes::Routes;
use crate::support::storage::Storage;

/// What the host calls itself.
pub const VERSION: &str = "4.1048.200.0";
/// The container that `upload` puts blobs into.
const CONTAINER: &str = "imports";

/// How a host is started. The defaults are those of a new function app.
#[derive(Debug, Clone)]
pub struct HostOptions {
    /// The app settings, which are the handler's whole environment but for PATH.
    pub settings: BTreeMap<String, String>,
    /// The storage account's folder, one folder a container in it; none is one of the host's.
    pub blobs: Option<PathBuf>,
    /// Where blobs are.
    pub account: Account,
    pub keys: Keys,
    /// Instead of `functionTimeout`.
    pub function_timeout: Option<Duration>,
    /// Ends of the handler further apart than this do not add up.
    pub error_window: Duration,
    /// About how long lies between two pings of a handler that is up.
    pub ping_every: Duration,
    /// A request that is passed through, and of which nothing has moved for so long, fails.
    pub activity_timeout: Duration,
}

impl Default for HostOptions {
    fn default() -> Self {
        Self {
            settings: BTreeMap::new(),
            blobs: None,
            account: Account::Simulated(Storage::start()),
            keys: Keys::default(),
            function_timeout: None,
            error_window: Duration::from_mins(30),
            ping_every: Duration::from_secs(2),
            activity_timeout: Duration::from_mins(4),
        }
    }
}

impl HostOptions {
    pub fn with(mut self, setting: &str, value: impl Into<String>) -> Self {
        self.settings.insert(setting.to_owned(), value.into());
        self
    }
}

/// A running host. Dropped, it kills the handler.
#[derive(Debug)]
pub struct Host {
    pub url: String,
    pub client: reqwest::Client,
    pub keys: Keys,
    core: Arc<Core>,
    front: JoinHandle<()>,
    _own: TempDir,
}

/// What is left of a host that was stopped.
#[derive(Debug)]
pub struct Remains {
    pub stdout: Vec<String>,
    pub stderr: Vec<String>,
    pub invocations: Vec<Invocation>,
}

impl Host {
    /// Starts a host on a package folder, and waits until the handler is up.
    pub async fn start(package: &Path, options: HostOptions) -> Self {
        let host = Self::launch(package, options).unwrap();
        let up = timeout(PATIENCE, host.core.worker.up()).await.expect("it starts within a minute");
        if let Err(why) = up {
            panic!("{why}; its stderr: {:?}", host.core.worker.stderr.all());
        }
        host
    }

    /// Starts a host and waits for nothing. An error is a `host.json` that it cannot use.
    pub fn launch(package: &Path, options: HostOptions) -> Result<Self, String> {
        let package = Package::read(package)?;
        let own = tempfile::tempdir().unwrap();
        let listener = wire::listen(0).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let keys = options.keys.clone();
        let core = Arc::new(core_of(package, options, own.path()));
        let front = tokio::spawn(front::serve(Arc::clone(&core), listener));
        Ok(Self { url, client: client(), keys, core, front, _own: own })
    }

    /// Functions that were left out, and why.
    pub fn problems(&self) -> &[Problem] {
        &self.core.package.problems
    }

    pub async fn get(&self, path: &str) -> reqwest::Response {
        self.client.get(format!("{}{path}", self.url)).send().await.unwrap()
    }

    // --- triggers ---------------------------------------------------------------------------

    /// Puts a blob into the container `imports` and waits until the trigger is through with it.
    pub async fn upload(&self, name: &str, bytes: impl AsRef<[u8]>) -> Vec<Invocation> {
        self.put(name, bytes);
        self.redeliver(name).await
    }

    /// Puts a blob there and tells nobody.
    pub fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        self.core.blobs.put(&format!("{CONTAINER}/{name}"), bytes.as_ref());
    }

    /// Where a blob lies.
    pub fn address(&self, name: &str) -> String {
        self.core.blobs.address(&format!("{CONTAINER}/{name}"))
    }

    /// The state of a blob, without quotes.
    pub fn etag(&self, name: &str) -> String {
        let etag = self.core.blobs.etag(&format!("{CONTAINER}/{name}"));
        etag.expect("it is there").trim_matches('"').to_owned()
    }

    /// Knows of a blob that another host's account has.
    pub fn adopt(&self, name: &str, other: &Self) {
        self.core.blobs.adopt(&format!("{CONTAINER}/{name}"), &other.core.blobs);
    }

    /// Takes a blob away and tells nobody.
    pub fn delete(&self, name: &str) {
        self.core.blobs.delete(&format!("{CONTAINER}/{name}"));
    }

    /// Tells the trigger of a blob that is there (again).
    pub async fn redeliver(&self, name: &str) -> Vec<Invocation> {
        let (core, path) = (Arc::clone(&self.core), format!("{CONTAINER}/{name}"));
        // The queue goes on, whether a test waits for it or not.
        tokio::spawn(async move { blobs::deliver(&core, &path).await }).await.unwrap()
    }

    /// What was given up, in order.
    pub fn poison(&self) -> Vec<Value> {
        self.core.blobs.poison.all()
    }

    /// Hands a message to a queue's trigger, up to five times as the host does; gives all tries.
    pub async fn send(&self, function: &str, message: &str) -> Vec<Invocation> {
        let core = Arc::clone(&self.core);
        let function = core.package.function(function).expect("the package has it").clone();
        let message = message.to_owned();
        let sent = async move { queue::deliver(&core, &function, &message).await };
        tokio::spawn(sent).await.unwrap()
    }

    pub async fn fire_timer(&self, function: &str) -> Invocation {
        let core = Arc::clone(&self.core);
        let function = core.package.function(function).expect("the package has it").clone();
        tokio::spawn(async move { timer::fire(&core, &function).await }).await.unwrap()
    }

    // --- watching ---------------------------------------------------------------------------

    /// All invocations from the first, each as it ends.
    pub fn invocations(&self) -> Follower<Invocation> {
        self.core.invocations.from_the_start()
    }

    pub fn stdout(&self) -> Follower<String> {
        self.core.worker.stdout.from_the_start()
    }

    pub fn stderr(&self) -> Follower<String> {
        self.core.worker.stderr.from_the_start()
    }

    pub fn status(&self) -> Status {
        self.core.worker.status.borrow().clone()
    }

    /// Waits until the handler has been started so many times, and is up.
    pub async fn until_started(&self, times: u32) -> Status {
        self.until(|status| status.state == State::Up && status.starts >= times).await
    }

    /// Waits until no handler runs, whatever the host believes.
    pub async fn until_gone(&self) {
        self.until(|status| status.pid.is_none()).await;
    }

    /// Waits until the host has given up; tells why.
    pub async fn until_stopped(&self) -> String {
        match self.until(|status| matches!(status.state, State::Stopped(_))).await.state {
            State::Stopped(why) => why,
            _ => unreachable!("waited for"),
        }
    }

    async fn until(&self, is_it: impl FnMut(&Status) -> bool) -> Status {
        let mut status = self.core.worker.status.clone();
        let reached = timeout(PATIENCE, status.wait_for(is_it)).await;
        reached.expect("it comes so within a minute").expect("the keeper tells to the end").clone()
    }

    /// A health ping of the handler.
    pub async fn ping(&self) -> Result<StatusCode, wire::Fault> {
        process::ping(&self.core.worker.connections, self.core.function_timeout).await
    }

    /// Kills the handler, as the real host does: no signal before, no time to end.
    pub async fn stop(self) -> Remains {
        self.core.worker.stop("stopped by the test").await;
        Remains {
            stdout: self.core.worker.stdout.all(),
            stderr: self.core.worker.stderr.all(),
            invocations: self.core.invocations.all(),
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.front.abort();
    }
}

fn core_of(package: Package, mut options: HostOptions, own: &Path) -> Core {
    for (name, value) in options.account.settings() {
        options.settings.entry(name.to_owned()).or_insert(value);
    }
    let host = &package.host;
    let function_timeout = options.function_timeout.or(host.function_timeout);
    let limits = Limits {
        initialization: host.initialization_timeout,
        function: function_timeout,
        error_window: options.error_window,
        ping_every: options.ping_every,
    };
    let slots = |name: &String| (name.clone(), Semaphore::new(host.blobs_at_once));
    Core {
        routes: Routes::new(&host.route_prefix, &package.functions),
        worker: Worker::start(&package, &options.settings, limits),
        blob_slots: package.functions.iter().map(|function| slots(&function.name)).collect(),
        invocations: log::Log::new(),
        blobs: Blobs::new(options.blobs.unwrap_or_else(|| own.join("blobs")), options.account),
        settings: options.settings,
        keys: options.keys,
        function_timeout,
        activity_timeout: options.activity_timeout,
        package,
    }
}

/// Redirects are shown to the test, not followed.
fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}
