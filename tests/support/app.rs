//! A server of the test's own, in this process, on a port of the system's choice.

use std::collections::HashMap;
use std::time::Duration;

use reqwest::{Client, Response};
use tokio::task::JoinHandle;
use vitrine::app::Server;
use vitrine::cache::Limits;
use vitrine::settings::Settings;

use super::TestFolder;

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
        let server = Server::start(&settings).await.unwrap();
        let url = format!("http://{}", server.address().unwrap());
        let server = tokio::spawn(server.run());
        Self { folder, url, client: Client::new(), server }
    }

    pub async fn get(&self, path: &str) -> Response {
        self.client.get(format!("{}{path}", self.url)).send().await.unwrap()
    }

    pub async fn json(&self, path: &str) -> serde_json::Value {
        let response = self.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.unwrap()
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.server.abort();
    }
}
