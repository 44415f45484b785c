//! Where a blob must lie to be imported.
//!
//! An envelope is believed as far as its blob lies in the one container of the one account
//! that the operator named. Without a name only what can be a blob service at all counts:
//! those of Azure's clouds, and an emulator on this machine.

use std::net::IpAddr;

use http::Uri;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// What the names of Azure's blob services end in: the public cloud and the two sovereign
/// ones, and accounts with a DNS zone of their own (`<account>.z01.blob.storage.azure.net`).
const SERVICES: [&str; 4] = [
    ".blob.core.windows.net",
    ".blob.core.usgovcloudapi.net",
    ".blob.core.chinacloudapi.cn",
    ".blob.storage.azure.net",
];

/// The container that imports are taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobPlace {
    /// The address of its service, without a slash at the end; any of Azure's, or one on this
    /// machine, if it is not known.
    pub service: Option<String>,
    /// Its name.
    pub container: String,
}

impl BlobPlace {
    /// Whether a blob at this address lies here: `https://host/container/name`, or with the
    /// account in between, as emulators have it.
    pub fn has(&self, uri: &str) -> bool {
        let Ok(uri) = parse(uri) else { return false };
        let Some(account_segments) = self.account_segments(&uri) else { return false };
        let decoded = |segment: &str| percent_decode_str(segment).decode_utf8_lossy().into_owned();
        let segments: Vec<String> = uri.path().split('/').skip(1).map(decoded).collect();
        let leads_away = segments.iter().any(|segment| segment == "." || segment == "..");
        let mut segments = segments.iter().skip(account_segments);
        let is_container = segments.next() == Some(&self.container);
        let has_name = segments.next().is_some_and(|name| !name.is_empty());
        is_container && has_name && !leads_away
    }

    /// How many segments of the path name the account; `None` for another service.
    fn account_segments(&self, uri: &Uri) -> Option<usize> {
        if uri.authority()?.as_str().contains('@') {
            return None;
        }
        if let Some(service) = &self.service {
            let service: Uri = service.parse().ok()?;
            let path = service.path().trim_end_matches('/');
            let is_beneath = uri.path().strip_prefix(path).is_some_and(|p| p.starts_with('/'));
            let is_same = origin(uri) == origin(&service) && is_beneath;
            return is_same.then(|| path.matches('/').count());
        }
        let host = uri.host()?.to_ascii_lowercase();
        let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
        if host == "localhost" || address.is_ok_and(|address| address.is_loopback()) {
            return Some(1);
        }
        let is_azure = SERVICES
            .iter()
            .any(|end| host.strip_suffix(end).is_some_and(|account| !account.is_empty()));
        (is_azure && uri.scheme_str() == Some("https")).then_some(0)
    }
}

/// Scheme, host and port, as far as they tell services apart.
fn origin(uri: &Uri) -> Option<(String, String, u16)> {
    let scheme = uri.scheme_str()?.to_ascii_lowercase();
    let port = uri.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
    Some((scheme, uri.host()?.to_ascii_lowercase(), port))
}

/// A URI that may hold what should have been encoded: names of blobs are shown as they are.
fn parse(uri: &str) -> Result<Uri, http::uri::InvalidUri> {
    const LEFT: &AsciiSet = &CONTROLS.add(b' ').add(b'"');
    utf8_percent_encode(uri, LEFT).to_string().parse()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(service: Option<&str>) -> BlobPlace {
        BlobPlace { service: service.map(str::to_owned), container: "imports".to_owned() }
    }

    #[test]
    fn without_a_name_any_blob_service_counts_and_nothing_else() {
        let place = place(None);
        for uri in [
            "https://a.blob.core.windows.net/imports/x.csv",
            "https://a.blob.core.windows.net:443/imports/x.csv",
            "https://a.blob.core.windows.net/imports/folder/é x.csv",
            "https://a.z07.blob.storage.azure.net/imports/x.csv",
            "https://a.blob.core.usgovcloudapi.net/imports/x.csv",
            "http://127.0.0.1:10000/devstoreaccount1/imports/x.csv",
            "http://localhost:10000/devstoreaccount1/imports/x.csv",
            "http://[::1]:10000/devstoreaccount1/imports/x.csv",
        ] {
            assert!(place.has(uri), "{uri}");
        }
        for uri in [
            "",
            "x.csv",
            "/imports/x.csv",
            "https://a.blob.core.windows.net/",
            "https://a.blob.core.windows.net/imports",
            "https://a.blob.core.windows.net/imports/",
            "https://a.blob.core.windows.net/other/imports/x.csv",
            "https://a.blob.core.windows.net/imports/../secrets/x.csv",
            "https://a.blob.core.windows.net/imports/%2e%2e/secrets/x.csv",
            "https://imports@a.blob.core.windows.net/imports/x.csv",
            "http://a.blob.core.windows.net/imports/x.csv",
            "https://.blob.core.windows.net/imports/x.csv",
            "https://a.blob.core.windows.net.evil.example/imports/x.csv",
            "https://evil.example/imports/x.csv",
            "https://169.254.169.254/x/imports/x.csv",
            "http://10.0.0.7:10000/devstoreaccount1/imports/x.csv",
            "http://127.0.0.1:10000/imports/x.csv",
            "file:///imports/x.csv",
        ] {
            assert!(!place.has(uri), "{uri}");
        }
    }

    #[test]
    fn with_a_name_that_service_alone_counts() {
        let account = place(Some("https://mine.blob.core.windows.net"));
        assert!(account.has("https://mine.blob.core.windows.net/imports/x.csv"));
        assert!(account.has("https://MINE.blob.core.windows.net:443/imports/x.csv"));
        let emulator = place(Some("http://azurite:10000/devstoreaccount1"));
        assert!(emulator.has("http://azurite:10000/devstoreaccount1/imports/x.csv"));
        for (place, uri) in [
            (&account, "https://theirs.blob.core.windows.net/imports/x.csv"),
            (&account, "http://mine.blob.core.windows.net/imports/x.csv"),
            (&account, "http://127.0.0.1:10000/devstoreaccount1/imports/x.csv"),
            (&account, "https://mine.blob.core.windows.net/other/x.csv"),
            (&emulator, "http://azurite:10000/devstoreaccount2/imports/x.csv"),
            (&emulator, "http://azurite:10000/devstoreaccount1imports/imports/x.csv"),
            (&emulator, "http://azurite:10001/devstoreaccount1/imports/x.csv"),
            (&emulator, "http://azurite:10000/imports/x.csv"),
        ] {
            assert!(!place.has(uri), "{uri}");
        }
    }
}
