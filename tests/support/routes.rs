//! What there is to read, taken from the table of routes: a new endpoint does not compile here
//! until somebody says what it answers.

use std::any::Any;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use reqwest::{Client, Method, Response};
use vitrine::http::routes::{Endpoint, Lookup, ROUTES, find};
use vitrine::store::Store;

use super::TestFolder;
use super::app::goes_through_host;
use super::files::many;
use super::host::folder::PackageFolder;
use super::host::{Host, HostOptions};
use super::process::Serving;

/// A path to ask, and what becomes of it in the catalogue of [`filled`].
pub struct Row {
    pub path: &'static str,
    pub kind: Kind,
    /// Paths of the same route that are refused.
    pub errors: &'static [(&'static str, u16)],
}

/// Where an answer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The cache, with an entity tag; compressed for whoever asks.
    Kept,
    /// The cache as well, but too small to gain by being compressed.
    KeptSmall,
    /// Made anew for each request.
    Fresh,
}

impl Row {
    pub fn is_kept(&self) -> bool {
        self.kind != Kind::Fresh
    }
}

/// Every route that reads.
pub fn rows() -> Vec<Row> {
    ROUTES.iter().flat_map(|route| rows_of(route.endpoint)).collect()
}

pub fn kept_rows() -> impl Iterator<Item = Row> {
    rows().into_iter().filter(Row::is_kept)
}

fn rows_of(endpoint: Endpoint) -> Vec<Row> {
    use Kind::{Fresh, Kept, KeptSmall};
    let row = |kind, path, errors| Row { path, kind, errors };
    match endpoint {
        Endpoint::ListProducts => vec![
            row(Kept, "/products?limit=50", &[("/products?limit=0", 400)]),
            row(
                Kept,
                "/products?category_id=1&sort=-price",
                &[("/products?category_id=77", 404), ("/products?colour=red", 400)],
            ),
        ],
        Endpoint::GetProduct => vec![row(
            KeptSmall,
            "/products/B000000000",
            &[
                ("/products/NONE", 404),
                ("/products/not_an_asin", 400),
                ("/products/B000000000?colour=red", 400),
            ],
        )],
        Endpoint::ListCategories => {
            vec![row(Kept, "/categories", &[("/categories?colour=red", 400)])]
        }
        Endpoint::CategoryName => vec![row(
            KeptSmall,
            "/category/name?category_id=1",
            &[("/category/name", 400), ("/category/name?category_id=77", 404)],
        )],
        Endpoint::CategoryCount => {
            vec![row(KeptSmall, "/category/count", &[("/category/count?colour=red", 400)])]
        }
        Endpoint::Home => vec![row(Fresh, "/", &[])],
        Endpoint::Health => vec![row(Fresh, "/health", &[])],
        Endpoint::Ready => vec![row(Fresh, "/health/ready", &[])],
        // Asked in `pages`.
        Endpoint::Dashboard
        | Endpoint::Docs
        | Endpoint::OpenApi
        // For those alone who may; asked in `people`, `writes` and `imports_over_http`.
        | Endpoint::CreateProduct
        | Endpoint::ReplaceProduct
        | Endpoint::UpdateProduct
        | Endpoint::DeleteProduct
        | Endpoint::SignUp
        | Endpoint::Login
        | Endpoint::RefreshToken
        | Endpoint::Logout
        | Endpoint::ResetPassword
        | Endpoint::Me
        | Endpoint::ListUsers
        | Endpoint::UpdateUser
        | Endpoint::ListImports
        | Endpoint::GetImport
        | Endpoint::ImportRejects
        | Endpoint::CancelImport
        | Endpoint::RetryImport
        | Endpoint::Stats => vec![],
    }
}

/// What becomes of a request that does not read and has no token: the status, and `Allow`.
pub fn refusal(method: &str, path: &str) -> (u16, String) {
    let (bare, query) = path.split_once('?').unwrap_or((path, ""));
    match find(&Method::from_bytes(method.as_bytes()).unwrap(), bare) {
        Lookup::Nothing => (404, String::new()),
        Lookup::OtherMethods(methods) => (405, methods),
        // No route that writes has parameters.
        Lookup::Found(_) if !query.is_empty() => (400, String::new()),
        Lookup::Found(_) => (401, String::new()),
    }
}

/// The real binary: on its own, or as the Functions host runs it where tests are to go through
/// one.
pub struct Site {
    pub url: String,
    pub client: Client,
    pub is_through_host: bool,
    _by: Box<dyn Any>,
}

impl Site {
    pub async fn start(data: &Path) -> Self {
        if goes_through_host() {
            let package = PackageFolder::of_vitrine();
            let options = HostOptions::default().with("VITRINE_DATA_DIR", data.to_str().unwrap());
            let host = Host::start(package.path(), options).await;
            let url = host.url.clone();
            let by = Box::new((host, package));
            return Self { url, client: Client::new(), is_through_host: true, _by: by };
        }
        let serving = Serving::start(data);
        let (url, client) = (serving.url.clone(), serving.client.clone());
        Self { url, client, is_through_host: false, _by: Box::new(serving) }
    }

    /// Asks with these headers.
    pub async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
        let request = self.client.request(method, format!("{}{path}", self.url));
        let asked =
            headers.iter().fold(request, |asked, (name, value)| asked.header(*name, *value));
        asked.send().await.unwrap()
    }

    pub async fn get(&self, path: &str) -> Response {
        self.ask(Method::GET, path, &[]).await
    }
}

/// 300 products in two of 60 categories.
async fn catalogue() -> TestFolder {
    let folder = TestFolder::new();
    let store: Arc<dyn Store> = folder.store();
    let mut categories = String::from("id,category_name\n");
    for id in 1..=60 {
        // Writing into a String cannot fail.
        let _ = writeln!(categories, "{id},Lamps of kind {id}");
    }
    for file in [folder.file("c.csv", categories), folder.file("p.csv", many(300))] {
        folder.import(&store, &file).await.unwrap();
    }
    folder
}

/// The real binary on its own, serving 300 products in two of 60 categories.
pub async fn filled() -> (TestFolder, Serving) {
    let folder = catalogue().await;
    let serving = Serving::start(folder.data.path());
    (folder, serving)
}

/// The same catalogue, with a host before it where tests are to go through one.
pub async fn filled_site() -> (TestFolder, Site) {
    let folder = catalogue().await;
    let site = Site::start(folder.data.path()).await;
    (folder, site)
}
