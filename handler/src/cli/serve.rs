//! `handler serve`.

use super::Failure;
use crate::app::{Server, StartError};
use crate::settings::Settings;
use crate::store::sqlite::folder::DataFolder;

pub(super) async fn run(settings: Settings) -> Result<(), Failure> {
    raise_open_files();
    let folder = DataFolder::make(&settings.data_dir)?;
    let server =
        Server::start(&folder, settings.listen, settings.cache).await.map_err(|e| match e {
            StartError::Store(e) => e.into(),
            listen @ StartError::Listen(..) => Failure::new(listen),
        })?;
    server.load_sample().await?;
    let address = server.address().map_err(Failure::new)?;
    if !settings.under_host {
        greet(&folder, &format!("http://{address}"));
    }
    server.run().await;
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
fn greet(folder: &DataFolder, url: &str) {
    println!("Vitrine serves the catalogue in {}", folder.path().display());
    for path in [
        "/",
        "/products",
        "/products?category_id=3&sort=-stars&limit=5",
        "/categories",
        "/category/name?category_id=3",
        "/category/count",
        "/health",
        "/health/ready",
    ] {
        println!("  {url}{path}");
    }
    println!("Put CSV files into {} to import them; Ctrl-C ends.", folder.imports().display());
}
