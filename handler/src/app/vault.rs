//! The settings together with what a vault holds, if the operator has named one.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::credentials::Credentials;
use crate::secrets::{self, OpenError, Pace, Vault};
use crate::settings::{BadSetting, Settings, Told};

/// What a command waits for the vault, a slow login of the developer's included.
const TELLS_WITHIN: Duration = Duration::from_secs(20);

/// The settings for a command.
pub async fn settings(told: &Told) -> Result<Settings, OpenError> {
    match of(told)? {
        None => Ok(told.settings()?),
        Some(vault) => {
            secrets::open(told, &vault, Pace::default(), Instant::now() + TELLS_WITHIN).await
        }
    }
}

/// The vault that was named. Nothing is asked yet.
pub fn of(told: &Told) -> Result<Option<Arc<Vault>>, BadSetting> {
    let Some(place) = told.vault()? else { return Ok(None) };
    let unusable = |reason: String| BadSetting { variable: "KEY_VAULT_URL".to_owned(), reason };
    let credentials = if told.has_identity() {
        Credentials::managed_identity(told.client_id())
    } else {
        Credentials::developer()
    };
    let credentials = credentials.map_err(|e| unusable(e.to_string()))?;
    Ok(Some(Arc::new(Vault::at(&place, credentials, None).map_err(unusable)?)))
}
