//! A server of the test's own, in this process, on a port of the system's choice.

use std::collections::HashMap;
use std::time::Duration;

use reqwest::{Client, Response};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use vitrine::app::Server;
use vitrine::cache::Limits;
use vitrine::settings::Settings;

use super::TestFolder;
use super::fake_handler::RELAY;
use super::host::folder::PackageFolder;
use super::host::{Host, HostOptions};

/// The defaults of the settings.
pub const LIMITS: Limits = Limits {
    ttl: Duration::from_mins(30),
    staleness: Duration::from_secs(1),
    bytes: 64 * 1_024 * 1_024,
};

pub struct TestApp {
    pub folder: TestFolder,
    pub url: String,
    pub client: Client,
    server: JoinHandle<()>,
    host: Option<(Host, PackageFolder)>,
}

/// Set, it puts a Functions host before the server of every test that can do with one.
const THROUGH_HOST: &str = "VITRINE_TESTS_THROUGH_HOST";

/// Whether tests that can do with a host are to have one.
pub fn goes_through_host() -> bool {
    std::env::var_os(THROUGH_HOST).is_some()
}

impl TestApp {
    pub async fn start_in(folder: TestFolder) -> Self {
        Self::start_with(folder, |_| {}).await
    }

    /// A server under the Functions host, as far as it can tell.
    pub async fn start_under_host(folder: TestFolder) -> Self {
        Self::start_with(folder, |settings| settings.under_host = true).await
    }

    /// A server whose settings are changed from the defaults.
    pub async fn start_with(folder: TestFolder, change: impl FnOnce(&mut Settings)) -> Self {
        let given = [("VITRINE_LISTEN", "127.0.0.1:0")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut settings = Settings::from_variables(&HashMap::from(given)).unwrap();
        folder.data.path().clone_into(&mut settings.data_dir);
        change(&mut settings);
        // Who asks for a host's side of the handler alone posts envelopes, which no client can.
        let is_through = goes_through_host() && !settings.under_host;
        if is_through {
            settings.under_host = true;
            let header = &mut settings.people.proxy_header;
            header.get_or_insert("x-forwarded-for".parse().unwrap());
        }
        let server = Server::start(&settings).await.unwrap();
        let address = server.address().unwrap().to_string();
        let server = tokio::spawn(server.run());
        let host = if is_through { Some(host_before(&address).await) } else { None };
        let url = host.as_ref().map_or_else(|| format!("http://{address}"), |(h, _)| h.url.clone());
        Self { folder, url, client: Client::new(), server, host }
    }

    /// Whether a Functions host stands before it. It answers by itself, with a bare 404, what no
    /// function declares.
    pub fn is_through_host(&self) -> bool {
        self.host.is_some()
    }

    pub async fn get(&self, path: &str) -> Response {
        self.client.get(format!("{}{path}", self.url)).send().await.unwrap()
    }

    pub async fn json(&self, path: &str) -> Value {
        let response = self.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.unwrap()
    }
}

/// A host whose handler passes everything on to this address.
async fn host_before(address: &str) -> (Host, PackageFolder) {
    let package = PackageFolder::with_handler(&std::env::current_exe().unwrap());
    let file = package.path().join("host.json");
    let mut host_json: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    host_json["customHandler"]["description"]["arguments"] =
        json!(["simulated_host::fake_handler", "--exact", "--ignored", "--nocapture"]);
    std::fs::write(&file, host_json.to_string()).unwrap();
    let options = HostOptions::default().with(RELAY, address);
    (Host::start(package.path(), options).await, package)
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.server.abort();
    }
}
