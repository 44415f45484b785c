//! What a vault is shown: a token that is for vaults, and never another one.

use std::time::SystemTime;

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind;
use secrecy::ExposeSecret as _;

use crate::credentials::Credentials;

/// The scopes of the vaults in Azure's clouds. The vault itself says which one it wants, and an
/// impostor could name one that opens something else.
const SCOPES: [&str; 3] = [
    "https://vault.azure.net/.default",
    "https://vault.azure.cn/.default",
    "https://vault.usgovcloudapi.net/.default",
];

/// The identity, as far as vaults go.
#[derive(Debug)]
pub(super) struct VaultPass(pub(super) Credentials);

#[async_trait]
impl TokenCredential for VaultPass {
    async fn get_token(
        &self,
        scopes: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let refused = |why: String| azure_core::Error::with_message(ErrorKind::Credential, why);
        let [scope] = scopes else { return Err(refused("it asks for several tokens".to_owned())) };
        if !SCOPES.contains(scope) {
            return Err(refused("it asks for a token that is not for vaults".to_owned()));
        }
        let token = self.0.token(scope).await.map_err(|e| refused(e.to_string()))?;
        let ends_at = SystemTime::now() + token.lasts;
        Ok(AccessToken::new(token.secret.expose_secret().to_owned(), ends_at.into()))
    }
}
