//! Settings of the storage that imports come from.

use http::Uri;

use super::{BadSetting, bad, container};
use crate::host::blob_place::BlobPlace;

type Given<'a> = dyn Fn(&str) -> Option<&'a str> + 'a;

const ACCOUNT: &str = "IMPORT_STORAGE__accountName";
const SERVICE: &str = "IMPORT_STORAGE__blobServiceUri";

/// Where blobs must lie. The rest of the connection is the host's own.
pub(super) fn read(given: &Given<'_>) -> Result<BlobPlace, BadSetting> {
    let container = container(given("IMPORT_CONTAINER").unwrap_or("imports"))?;
    let service = match (given(SERVICE), given(ACCOUNT)) {
        (Some(service), _) => Some(service_at(service)?),
        (None, Some(account)) => Some(service_of(account)?),
        (None, None) => None,
    };
    Ok(BlobPlace { service, container })
}

fn service_of(account: &str) -> Result<String, BadSetting> {
    let is_fit = (3..=24).contains(&account.len())
        && account.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let reason = "must be 3 to 24 lower-case letters and digits";
    is_fit.then(|| format!("https://{account}.blob.core.windows.net")).ok_or(bad(ACCOUNT, reason))
}

/// A service's address, without a slash at its end.
fn service_at(address: &str) -> Result<String, BadSetting> {
    let address = address.trim_end_matches('/');
    let is_fit = address.parse::<Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("https" | "http"))
            && uri.query().is_none()
            && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
    });
    let reason = "must be an address such as https://account.blob.core.windows.net";
    if is_fit { Ok(address.to_ascii_lowercase()) } else { Err(bad(SERVICE, reason)) }
}
