//! An administrator before a server: asks it for import runs, and holds up imports of others.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reqwest::{Method, Response};
use rusqlite::Connection;
use serde_json::Value;
use vitrine::import::source::Source;
use vitrine::import::{ImportError, Options, Outcome, import};
use vitrine::settings::Settings;
use vitrine::store::{HowStarted, Store};

use super::TestFolder;
use super::app::TestApp;
use super::files::{products, row};
use super::shop::{BOSS, administrator};

/// Less than a lease: what nobody works at is not taken up by chance.
const PATIENCE: Duration = Duration::from_secs(25);

/// A server, and its administrator.
pub struct Office {
    pub app: TestApp,
    pub token: String,
}

impl Office {
    pub async fn open(folder: TestFolder) -> Self {
        Self::open_with(folder, |_| {}).await
    }

    /// One whose settings are changed from the defaults.
    pub async fn open_with(folder: TestFolder, change: impl FnOnce(&mut Settings)) -> Self {
        let app = TestApp::start_with(folder, |settings| {
            settings.people.admins = vec![BOSS.to_owned()];
            settings.people.are_limited = false;
            change(settings);
        })
        .await;
        // It may listen before its database is there.
        while app.get("/health/ready").await.status() != 200 {}
        let token = administrator(&app.client, &app.url).await;
        Self { app, token }
    }

    /// A second one on the folder of this one, with the same administrator.
    pub async fn next_door(&self) -> Self {
        let data = self.app.folder.data.path().to_owned();
        let app = TestApp::start_with(TestFolder::new(), |settings| settings.data_dir = data).await;
        Self { app, token: self.token.clone() }
    }

    pub async fn ask(&self, method: Method, path: &str) -> Response {
        let request = self.app.client.request(method, format!("{}{path}", self.app.url));
        request.header("authorization", &self.token).send().await.unwrap()
    }

    pub async fn get(&self, path: &str) -> Response {
        self.ask(Method::GET, path).await
    }

    pub async fn run(&self, id: i64) -> Value {
        body(self.get(&format!("/imports/{id}")).await, 200).await
    }

    pub async fn cancel(&self, id: i64) -> Response {
        self.ask(Method::DELETE, &format!("/imports/{id}")).await
    }

    pub async fn retry(&self, id: i64) -> Response {
        self.ask(Method::POST, &format!("/imports/{id}/retry")).await
    }

    /// The run that works after a retry, which is asked for until there is a place: the run
    /// before is shown as ended a moment before it gives up its own.
    pub async fn retried(&self, id: i64) -> i64 {
        let response = self.retry_with_a_place(id).await;
        let location = response.headers().get("location").cloned();
        let run = body(response, 202).await;
        assert_eq!(location.unwrap(), format!("/imports/{}", run["id"]).as_str());
        assert_eq!(run["state"], "loading");
        run["id"].as_i64().unwrap()
    }

    /// What a retry is answered once there is a place for it.
    pub async fn retry_with_a_place(&self, id: i64) -> Response {
        let began = Instant::now();
        loop {
            let response = self.retry(id).await;
            if response.status() != 429 {
                return response;
            }
            assert!(began.elapsed() < PATIENCE, "no place for a retry of {id}");
        }
    }

    /// Looks at a run until it is as wanted.
    pub async fn until(&self, id: i64, is_wanted: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let run = self.run(id).await;
            if is_wanted(&run) {
                return run;
            }
            assert!(began.elapsed() < PATIENCE, "{run}");
        }
    }

    pub async fn ended(&self, id: i64) -> Value {
        self.until(id, |run| !run["ended_at"].is_null()).await
    }

    pub fn database(&self) -> Connection {
        Connection::open(self.app.folder.data.database()).unwrap()
    }

    pub async fn products(&self) -> u64 {
        let page = self.app.get("/products?limit=1").await;
        page.headers()["x-total-count"].to_str().unwrap().parse().unwrap()
    }
}

pub async fn body(response: Response, status: u16) -> Value {
    let (given, url) = (response.status().as_u16(), response.url().clone());
    assert_eq!(response.headers()["cache-control"], "no-store", "{url}");
    let text = response.text().await.unwrap();
    assert_eq!(given, status, "{url}: {text}");
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

pub async fn problem(response: Response, status: u16, word: &str) -> String {
    let problem = body(response, status).await;
    assert_eq!(problem["type"], format!("/problems/{word}"), "{problem}");
    problem["detail"].as_str().unwrap().to_owned()
}

/// An import by somebody else, who after the first batch is held up by what is to be done.
pub async fn import_held(
    folder: &TestFolder,
    store: &Arc<dyn Store>,
    file: &Path,
    meanwhile: impl AsyncFn() + Send + Sync,
) -> Result<Outcome, ImportError> {
    let options = Options { how: HowStarted::ByHand, rejects_max: None };
    let is_first = AtomicBool::new(true);
    let watcher = |_| {
        if is_first.swap(false, Ordering::Relaxed) {
            tokio::task::block_in_place(|| {
                tokio::runtime::Handle::current().block_on(meanwhile());
            });
        }
    };
    import(store, &folder.rejects(), Source::File(file.to_owned()), options, &watcher).await
}

/// A file of three good rows, one of them replaced, and two bad ones.
pub fn dirty(folder: &TestFolder, name: &str) -> PathBuf {
    let rows = [
        row("B1", "Lamp", "1.5", 1),
        row("B2", "Lamp", "much", 1),
        row("B1", "Lamp", "2.5", 1),
        row("B3", "Lamp", "3.5", 1),
        row("B4", "", "4.5", 1),
    ];
    folder.file(name, products(&rows.iter().map(String::as_str).collect::<Vec<_>>()))
}
