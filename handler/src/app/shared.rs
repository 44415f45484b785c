//! The cache that the settings name for instances to share.

use std::sync::Arc;

use crate::cache::Cache;
use crate::cache::page::FORMAT;
use crate::cache::redis::{self, Login, Patience, Prefix, RedisShared, Target};
use crate::cache::shared::Shared;
use crate::cache::shared::observed::Observed;
use crate::credentials::{Credentials, CredentialsError};
use crate::question::FromStore;
use crate::secrets::login::KeptLogin;
use crate::settings::{Redis, RedisLogin, Settings};
use crate::store::Store;

/// The cache of this process, beside what the settings say that it shares with others.
pub fn cache_beside(
    settings: &Settings,
    store: &Arc<dyn Store>,
) -> (Arc<Cache>, Option<Arc<RedisShared>>) {
    let shared = begin(settings, store).unwrap_or_else(|e| {
        // Everything is served without it; the operator reads why.
        tracing::error!("nothing is shared with other instances: {e}");
        None
    });
    let shared = shared.map(Arc::new);
    let origin = Arc::new(FromStore(Arc::clone(store)));
    let of_all = shared.clone().map(|shared| Arc::new(Observed(shared)) as Arc<dyn Shared>);
    (Arc::new(Cache::beside(origin, settings.cache, of_all)), shared)
}

/// Begins to use what is shared, if anything is. Waits for nothing.
pub fn begin(
    settings: &Settings,
    store: &Arc<dyn Store>,
) -> Result<Option<RedisShared>, CredentialsError> {
    let Some(redis) = &settings.redis else { return Ok(None) };
    let prefix = match &redis.prefix {
        Some(prefix) => Prefix::given(prefix.clone()),
        None => Prefix::id_of(Arc::clone(store)),
    };
    let target = target(settings, redis)?;
    Ok(Some(RedisShared::begin(target, prefix, FORMAT, Patience::default())))
}

/// Where it is, and as whom to log in. Nothing is asked yet.
fn target(settings: &Settings, redis: &Redis) -> Result<Target, CredentialsError> {
    let login = match &redis.login {
        RedisLogin::Open => Login::Open,
        RedisLogin::Key { user, password } => match KeptLogin::of_redis(&settings.secrets) {
            Some(login) => Login::Kept(login),
            None => Login::Key { user: user.clone(), password: password.clone() },
        },
        RedisLogin::Entra => {
            let identity = settings.client_id.as_deref();
            Login::Entra(Arc::new(Credentials::managed_identity(identity)?))
        }
    };
    Ok(Target {
        host: redis.host.clone(),
        port: redis.port,
        is_encrypted: redis.is_encrypted,
        database: redis.database,
        login,
    })
}

/// A line about it for the operator.
pub async fn inspect(settings: &Settings) -> Result<String, String> {
    let Some(redis) = &settings.redis else {
        return Ok("none: each instance has only its own".to_owned());
    };
    let place = format!("{}:{}", redis.host, redis.port);
    let target = target(settings, redis).map_err(|e| e.to_string())?;
    let took = redis::probe(&target).await.map_err(|e| format!("{place}: {e}"))?;
    let way = if redis.is_encrypted { "TLS" } else { "not encrypted" };
    let prefix = redis.prefix.as_deref().unwrap_or("the database's id");
    Ok(format!(
        "Redis {place}, {way}, answers in {:.1} ms, keys begin with {prefix}",
        took.as_secs_f64() * 1e3
    ))
}
