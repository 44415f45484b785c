//! Settings of the storage that imports come from.

use secrecy::SecretString;
use url::Url;

use super::{BadSetting, bad, container};
use crate::blobs::place::{BlobPlace, is_local};

/// The storage account that imports come from and refused rows go to.
#[derive(Debug, Clone)]
pub struct Storage {
    /// Where imports must lie.
    pub place: BlobPlace,
    /// A token for an emulator, without its question mark; the process's identity without it.
    pub sas: Option<SecretString>,
    /// Whether there is an identity that Azure gives, and not that of a developer's tools.
    pub is_managed: bool,
    /// The user-assigned identity of this connection, if not that of everything.
    pub client_id: Option<String>,
}

type Given<'a> = dyn Fn(&str) -> Option<&'a str> + 'a;

const ACCOUNT: &str = "IMPORT_STORAGE__accountName";
const SERVICE: &str = "IMPORT_STORAGE__blobServiceUri";
const CLIENT: &str = "IMPORT_STORAGE__clientId";
/// The name of the token among the secrets.
pub(crate) const SAS: &str = "IMPORT_STORAGE_SAS";

/// The rest of the connection is the host's own.
pub(super) fn read(given: &Given<'_>, production: bool) -> Result<Storage, BadSetting> {
    let container = container(given("IMPORT_CONTAINER").unwrap_or("imports"))?;
    let (named, account) =
        (given(SERVICE).map(service_at).transpose()?, given(ACCOUNT).map(service_of).transpose()?);
    if let (Some(named), Some(account)) = (&named, &account)
        && named.origin() != account.origin()
    {
        return Err(bad(SERVICE, format!("names another account than {ACCOUNT}")));
    }
    let service = named.or(account);
    let sas = given(SAS).map(|token| token.trim().trim_start_matches('?'));
    if sas.is_some() && service.is_none() {
        return Err(bad(
            SAS,
            "is a token for an account that IMPORT_STORAGE__blobServiceUri names",
        ));
    }
    if sas.is_some_and(|token| !is_token(token)) {
        return Err(bad(SAS, "must be a token such as sv=…&sig=…"));
    }
    if let Some(service) = service.as_ref().filter(|service| service.scheme() == "http") {
        if sas.is_none() {
            return Err(bad(SERVICE, format!("must be https, or an emulator with {SAS}")));
        }
        if production && !is_local(service) {
            return Err(bad(SERVICE, "must be https in production"));
        }
    }
    Ok(Storage {
        place: BlobPlace { service, container, allows_emulator: !production },
        sas: sas.map(SecretString::from),
        is_managed: production || given("IDENTITY_ENDPOINT").is_some(),
        client_id: given(CLIENT).map(str::to_owned),
    })
}

/// A query that signs.
fn is_token(text: &str) -> bool {
    text.split('&').any(|pair| pair.strip_prefix("sig=").is_some_and(|sig| !sig.is_empty()))
        && !text.contains(|c: char| c == '#' || c.is_whitespace() || c.is_control())
}

fn service_of(account: &str) -> Result<Url, BadSetting> {
    let is_fit = (3..=24).contains(&account.len())
        && account.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let reason = "must be 3 to 24 lower-case letters and digits";
    let address = format!("https://{account}.blob.core.windows.net");
    address.parse().ok().filter(|_| is_fit).ok_or_else(|| bad(ACCOUNT, reason))
}

fn service_at(address: &str) -> Result<Url, BadSetting> {
    let is_fit = |url: &Url| {
        matches!(url.scheme(), "https" | "http")
            && (url.query(), url.fragment()) == (None, None)
            && (url.username(), url.password()) == ("", None)
    };
    let url = address.parse().ok().filter(is_fit);
    let reason = "must be an address such as https://account.blob.core.windows.net";
    url.ok_or_else(|| bad(SERVICE, reason))
}
