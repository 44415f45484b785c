//! `handler serve`.

use std::path::Path;

use super::Failure;
use crate::app::{Server, StartError};
use crate::settings::Told;
use crate::store::sqlite::folder::DataFolder;
use crate::telemetry::Export;

pub(super) async fn run(told: Told, export: Option<Export>) -> Result<(), Failure> {
    let served = serve(&told, export.as_ref()).await;
    if let Some(export) = export {
        export.end().await;
    }
    served
}

async fn serve(told: &Told, export: Option<&Export>) -> Result<(), Failure> {
    raise_open_files();
    let started = Server::start_told(told).await.map_err(|e| match e {
        StartError::Store(e) => e.into(),
        StartError::Secrets(e) => e.into(),
        other => Failure::new(other),
    })?;
    let Some((settings, server)) = started else { return Ok(()) };
    if let Some(export) = export {
        export.measure(server.app());
    }
    let address = server.address().map_err(Failure::new)?;
    if settings.under_host {
        tracing::info!("serving the Functions host on {address}");
    } else {
        greet(&settings.data_dir, &format!("http://{address}"));
    }
    server.run().await;
    if settings.under_host {
        // The host would take 0 for a process that still lives.
        return Err(Failure::new("the accept loop has ended"));
    }
    Ok(())
}

/// Lets the process hold as many files as it may. Most systems begin with a soft limit of
/// 1,024, at which accepting would fail long before the cap on connections is met.
fn raise_open_files() {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(files) => tracing::debug!("up to {files} files may be open"),
        Err(e) => tracing::debug!("the limit of open files stays as it is: {e}"),
    }
}

/// What a newcomer wants to know: what to open, and where to put files.
fn greet(data_dir: &Path, url: &str) {
    println!("Vitrine serves the catalogue in {}", data_dir.display());
    for path in [
        "/",
        "/products",
        "/products?category_id=3&sort=-stars&limit=5",
        "/products?q=steel",
        "/categories",
        "/category/name?category_id=3",
        "/category/count",
        "/health",
        "/health/ready",
    ] {
        println!("  {url}{path}");
    }
    let imports = DataFolder::at(data_dir).imports();
    println!("Put CSV files into {} to import them; Ctrl-C ends.", imports.display());
}
