//! A database of the test's own on the server that `TEST_SQL_CONNECTION_STRING` names, made
//! and dropped by the test.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tiberius::{Client, Config, EncryptionLevel};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt as _};
use uuid::Uuid;
use vitrine::app::database;
use vitrine::clock::Clock;
use vitrine::settings::{Settings, Sql};
use vitrine::store::StoreError;
use vitrine::store::sqlserver::{Migrate, SqlServerStore};

/// How long the server may take to see that its last client has gone.
const DROPPED_WITHIN: Duration = Duration::from_secs(20);

static MAKING: Mutex<()> = Mutex::const_new(());

pub struct TestDatabase {
    name: String,
    pub sql: Sql,
    settings: Settings,
}

/// The server's string, and the variables that say the same to the program.
fn variables() -> HashMap<String, String> {
    let string = std::env::var("TEST_SQL_CONNECTION_STRING").expect("an ADO.NET string");
    let is_plain = string.to_lowercase().replace(' ', "").contains("encrypt=false");
    let mut variables = HashMap::from([("SQL_CONNECTION_STRING".to_owned(), string)]);
    if is_plain {
        variables.insert("SQL_ENCRYPT".to_owned(), "false".to_owned());
    }
    variables
}

impl TestDatabase {
    pub async fn make() -> Self {
        let settings = Settings::from_variables(&variables()).unwrap();
        let name = format!("vitrine_{}", &Uuid::new_v4().simple().to_string()[..12]);
        // Two at a time disturb each other on some servers.
        let _turn = MAKING.lock().await;
        Box::pin(on_server(&format!("CREATE DATABASE {name}"))).await.unwrap();
        let mut sql = settings.sql.clone().unwrap();
        sql.database.clone_from(&name);
        Self { name, sql, settings }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Opens the database, which makes its schema.
    pub async fn store(&self, clock: Clock) -> Arc<SqlServerStore> {
        let target = database::target(&self.settings, &self.sql).unwrap();
        let opened = SqlServerStore::open(target, 16, Migrate::Auto, clock).await;
        Arc::new(opened.unwrap_or_else(|e| panic!("{}", e.with_cause())))
    }

    /// Opens the database by one connection at a time through what listens on this port. Its
    /// schema is there.
    pub async fn store_through(&self, port: u16) -> Result<Arc<SqlServerStore>, StoreError> {
        let sql = Sql { host: "127.0.0.1".to_owned(), port, ..self.sql.clone() };
        let target = database::target(&self.settings, &sql).unwrap();
        SqlServerStore::open(target, 1, Migrate::Never, Clock::System).await.map(Arc::new)
    }

    /// Where the server listens.
    pub async fn address(&self) -> SocketAddr {
        let place = (self.sql.host.as_str(), self.sql.port);
        tokio::net::lookup_host(place).await.unwrap().next().unwrap()
    }

    /// What a process needs to be told to use it.
    pub fn environment(&self) -> HashMap<String, String> {
        let mut variables = variables();
        let string = variables.get_mut("SQL_CONNECTION_STRING").unwrap();
        // The last of two counts.
        *string = format!("{string};database={}", self.name);
        variables
    }

    /// A connection that is nothing of the program's.
    pub async fn connect(&self) -> Client<Compat<TcpStream>> {
        Box::pin(connect(Some(&self.name))).await
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let name = self.name.clone();
        // A thread with a runtime of its own: the test's may be on its way out.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(drop_database(&name));
        });
        if dropping.join().is_err() {
            eprintln!("the database {} is left behind", self.name);
        }
    }
}

async fn drop_database(name: &str) {
    let began = std::time::Instant::now();
    while let Err(e) = Box::pin(on_server(&format!("DROP DATABASE {name}"))).await {
        if began.elapsed() > DROPPED_WITHIN {
            eprintln!("the database {name} is left behind: {e}");
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn on_server(statement: &str) -> tiberius::Result<()> {
    Box::pin(connect(None)).await.simple_query(statement).await?.into_results().await.map(drop)
}

async fn connect(database: Option<&str>) -> Client<Compat<TcpStream>> {
    let variables = variables();
    let mut config = Config::from_ado_string(&variables["SQL_CONNECTION_STRING"]).unwrap();
    if variables.contains_key("SQL_ENCRYPT") {
        config.encryption(EncryptionLevel::NotSupported);
    }
    if let Some(database) = database {
        config.database(database);
    }
    let stream = TcpStream::connect(config.get_addr()).await.unwrap();
    stream.set_nodelay(true).unwrap();
    Box::pin(Client::connect(config, stream.compat_write())).await.unwrap()
}
