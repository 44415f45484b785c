//! Settings of the storage that imports come from.

use url::Url;

use super::{BadSetting, bad, container};
use crate::host::blob_place::BlobPlace;

type Given<'a> = dyn Fn(&str) -> Option<&'a str> + 'a;

const ACCOUNT: &str = "IMPORT_STORAGE__accountName";
const SERVICE: &str = "IMPORT_STORAGE__blobServiceUri";

/// Where blobs must lie. The rest of the connection is the host's own.
pub(super) fn read(given: &Given<'_>, production: bool) -> Result<BlobPlace, BadSetting> {
    let container = container(given("IMPORT_CONTAINER").unwrap_or("imports"))?;
    let service = match (given(SERVICE), given(ACCOUNT)) {
        (Some(service), _) => Some(service_at(service)?),
        (None, Some(account)) => Some(service_of(account)?),
        (None, None) => None,
    };
    Ok(BlobPlace { service, container, allows_emulator: !production })
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
