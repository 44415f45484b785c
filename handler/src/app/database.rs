//! The database that the settings name, for whoever needs it without serving from it.

use std::sync::Arc;

use crate::catalog::Category;
use crate::clock::Clock;
use crate::credentials::Credentials;
use crate::secrets::login::KeptLogin;
use crate::settings::{Settings, Sql, SqlLogin};
use crate::store::sqlite::folder::DataFolder;
use crate::store::sqlite::{self, Purpose, SqliteStore};
use crate::store::sqlserver::connect::{Login, Target};
use crate::store::sqlserver::{self, Migrate, SqlServerStore};
use crate::store::{Store, StoreError};

/// Opens it to import.
pub async fn open_to_import(settings: &Settings) -> Result<Arc<dyn Store>, StoreError> {
    let Some(sql) = &settings.sql else { return open(settings).await };
    let (target, most) = (target(settings, sql)?, sql.connections_max);
    let opening = SqlServerStore::open_to_import(target, most, sql.migrate, Clock::System);
    Ok(Arc::new(opening.await?))
}

/// Opens it to change users, to repair.
pub async fn open(settings: &Settings) -> Result<Arc<dyn Store>, StoreError> {
    match &settings.sql {
        Some(sql) => Ok(Arc::new(open_server(settings, sql, sql.migrate).await?)),
        None => Ok(Arc::new(open_embedded(settings)?)),
    }
}

/// Opens it as it is: nothing is made, and on a server nothing migrated.
pub async fn open_as_it_is(settings: &Settings) -> Result<Arc<dyn Store>, StoreError> {
    if let Some(sql) = &settings.sql {
        return Ok(Arc::new(open_server(settings, sql, Migrate::Never).await?));
    }
    let path = DataFolder::at(&settings.data_dir).database();
    if !path.exists() {
        return Err(StoreError::Folder(format!("there is no database at {}", path.display())));
    }
    Ok(Arc::new(open_embedded(settings)?))
}

/// Brings it to the newest schema, and says in a line what it is.
pub async fn migrate(settings: &Settings) -> Result<String, StoreError> {
    let Some(sql) = &settings.sql else {
        open_embedded(settings)?;
        let path = DataFolder::at(&settings.data_dir).database();
        return Ok(format!("{}: schema {}", path.display(), sqlite::SCHEMA));
    };
    // Asked for by a person, whatever the deployed app may do by itself.
    open_server(settings, sql, Migrate::Auto).await?;
    Ok(format!("{}/{}: schema {}", sql.host, sql.database, sqlserver::SCHEMA))
}

/// Its categories, without making or migrating anything.
pub async fn peek_categories(settings: &Settings) -> Result<Vec<Category>, StoreError> {
    let Some(sql) = &settings.sql else {
        return sqlite::peek_categories(&DataFolder::at(&settings.data_dir));
    };
    match open_server(settings, sql, Migrate::Never).await {
        Ok(store) => Ok(store.categories().await?.value),
        Err(StoreError::SchemaTooOld { .. }) => Ok(Vec::new()),
        Err(e) => Err(e),
    }
}

/// A line about it for the operator. Nothing is made, migrated or mended.
pub async fn inspect(settings: &Settings) -> Result<String, StoreError> {
    let Some(sql) = &settings.sql else {
        let found = sqlite::inspect(&DataFolder::at(&settings.data_dir))?;
        return Ok(found.unwrap_or_else(|| "SQLite, made at the first use".to_owned()));
    };
    let found = sqlserver::inspect(target(settings, sql)?, sql.migrate).await?;
    Ok(format!("{}, database {}, {found}", sql.host, sql.database))
}

pub(super) async fn open_server(
    settings: &Settings,
    sql: &Sql,
    migrate: Migrate,
) -> Result<SqlServerStore, StoreError> {
    let target = target(settings, sql)?;
    SqlServerStore::open(target, sql.connections_max, migrate, Clock::System).await
}

fn open_embedded(settings: &Settings) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(&DataFolder::make(&settings.data_dir)?, Purpose::Loading, Clock::System)
}

/// Where the database on a server is, and as whom to log in.
pub fn target(settings: &Settings, sql: &Sql) -> Result<Target, StoreError> {
    let login = match &sql.login {
        SqlLogin::Password { user, password } => match KeptLogin::of_sql(&settings.secrets) {
            Some(login) => Login::Kept(login),
            None => Login::Password { user: user.clone(), password: password.clone() },
        },
        SqlLogin::ManagedIdentity => {
            // `handler migrate` is run by people too.
            let has_identity = settings.storage.is_managed;
            let credentials = Credentials::of_process(has_identity, settings.client_id.as_deref())
                .map_err(|e| StoreError::Unreachable(e.into()))?;
            Login::ManagedIdentity(Arc::new(credentials))
        }
    };
    let place = sqlserver::connect::Place {
        host: &sql.host,
        port: sql.port,
        database: &sql.database,
        is_encrypted: sql.is_encrypted,
        trusts_any_certificate: sql.trusts_any_certificate,
        name_in_certificate: sql.name_in_certificate.as_deref(),
    };
    Ok(Target::new(&place, login))
}
