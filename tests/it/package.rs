//! A package that was made for Azure, as the host finds it: unpacked, and nothing beside it.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use vitrine::http::routes::ROUTES;

use crate::support::TestFolder;
use crate::support::files::many;
use crate::support::host::folder::repository;
use crate::support::host::log::until_true;
use crate::support::host::package::Package;
use crate::support::host::{Host, HostOptions};

/// What `TEST_PACKAGE` names: the zip, unpacked, or a folder that the container got.
struct Unpacked {
    path: PathBuf,
    _own: Option<TempDir>,
}

impl Unpacked {
    fn of_the_variable() -> Self {
        let path = PathBuf::from(std::env::var_os("TEST_PACKAGE").expect("TEST_PACKAGE"));
        if path.is_dir() {
            return Self { path, _own: None };
        }
        let own = tempfile::tempdir().unwrap();
        unpack(&path, own.path());
        Self { path: own.path().to_owned(), _own: Some(own) }
    }
}

fn unpack(zip: &Path, folder: &Path) {
    let mut command = Command::new("python3");
    let command = command.arg(repository().join("scripts/package_zip.py"));
    let unpacked = command.arg("unpack").arg(zip).arg(folder).output().unwrap();
    assert!(unpacked.status.success(), "{}", String::from_utf8_lossy(&unpacked.stderr));
}

/// Files by their path below the folder, and modes.
fn files(folder: &Path) -> Vec<(String, u32)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let mode = path.metadata().unwrap().permissions().mode() & 0o777;
                found.push((path.strip_prefix(folder).unwrap().to_str().unwrap().into(), mode));
            }
        }
    }
    found.sort();
    found
}

#[test]
#[ignore = "needs TEST_PACKAGE, a package of scripts/package"]
fn a_package_holds_what_the_host_wants_and_nothing_else() {
    let package = Unpacked::of_the_variable();
    let functions = std::fs::read_dir(repository().join("functions")).unwrap();
    let functions = functions.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut expected: Vec<_> =
        functions.map(|name| (format!("{name}/function.json"), 0o644)).collect();
    expected.extend([("handler".to_owned(), 0o755), ("host.json".to_owned(), 0o644)]);
    expected.sort();
    assert_eq!(files(&package.path), expected);
    for (file, _) in expected.iter().filter(|(file, _)| file != "handler") {
        let source = if file == "host.json" { file.clone() } else { format!("functions/{file}") };
        let source = std::fs::read(repository().join(source)).unwrap();
        assert_eq!(std::fs::read(package.path.join(file)).unwrap(), source, "{file}");
    }
    assert_eq!(Package::read(&package.path).unwrap().problems, []);
}

/// Its own binary, not the one that other tests start.
#[tokio::test]
#[ignore = "needs TEST_PACKAGE, a package of scripts/package"]
async fn a_package_answers_requests_and_triggers_under_the_host() {
    let (package, data) = (Unpacked::of_the_variable(), TestFolder::new());
    let options = HostOptions::default()
        .with("VITRINE_DATA_DIR", data.data.path().to_str().unwrap())
        .with("AzureWebJobs.ImportQueue.Disabled", "true");
    let host = Host::start(&package.path, options).await;
    until_true("it is ready", async || host.get("/health/ready").await.status() == 200).await;

    let tries = host.upload("lamps.csv", many(300)).await;
    assert!(tries[0].result().logs[0].contains("loaded 300"), "{:?}", tries[0]);
    let page = host.get("/products?limit=10").await;
    assert_eq!(
        (page.status().as_u16(), &page.headers()["x-total-count"]),
        (200, &"300".parse().unwrap())
    );
    let products: Vec<Value> = page.json().await.unwrap();
    assert_eq!(products.len(), 10);
    let one = format!("/products/{}", products[0]["asin"].as_str().unwrap());
    assert_eq!(host.get(&one).await.json::<Value>().await.unwrap(), products[0]);
    let timer = host.fire_timer("Maintain").await;
    assert!(timer.succeeded(), "{timer:?}");

    // Every route is somebody's: the host's own 404 has no body.
    for route in ROUTES {
        let path = route.path.replace("{asin}", "B01").replace("{id}", "B01");
        let method = route.verb.methods().split(", ").next().unwrap().parse().unwrap();
        let answer = host.client.request(method, format!("{}{path}", host.url)).send().await;
        let answer = answer.unwrap();
        let status = answer.status();
        assert!(!status.is_server_error(), "{path}: {status}");
        assert!(!answer.text().await.unwrap().is_empty(), "{path}: {status}");
    }
    let remains = host.stop().await;
    assert_eq!(remains.stderr, [""; 0]);
    let ran: BTreeSet<_> = remains.invocations.iter().map(|i| i.function.as_str()).collect();
    let all: BTreeSet<_> =
        ROUTES.iter().map(|route| route.function).chain(["ImportBlob", "Maintain"]).collect();
    assert_eq!(ran, all);
}
