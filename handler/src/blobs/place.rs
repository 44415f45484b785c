//! Where a blob must lie to be imported.
//!
//! An envelope is believed as far as its blob lies in the one container of the one account
//! that the operator named. Without a name only what can be a blob service at all counts:
//! those of Azure's clouds, and an emulator on this machine.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::{Host, Url};

/// What the names of Azure's blob services end in: the public cloud and the two sovereign
/// ones, and accounts with a DNS zone of their own (`<account>.z01.blob.storage.azure.net`).
const SERVICES: [&str; 4] = [
    ".blob.core.windows.net",
    ".blob.core.usgovcloudapi.net",
    ".blob.core.chinacloudapi.cn",
    ".blob.storage.azure.net",
];

/// What is escaped in an address: all that may be (RFC 3986).
const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// The container that imports are taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobPlace {
    /// The address of its service; any of Azure's, or an emulator's, if it is not known.
    pub service: Option<Url>,
    /// Its name.
    pub container: String,
    /// Whether a service on this machine counts without being named.
    pub allows_emulator: bool,
}

impl BlobPlace {
    /// Whether a blob at this address lies here: `https://host/container/name`, or with the
    /// account in between, as emulators have it. Names of blobs may be shown as they are.
    pub fn has(&self, address: &str) -> bool {
        if leads_away(address) {
            return false;
        }
        let Ok(url) = address.parse::<Url>() else { return false };
        let Some(account_segments) = self.account_segments(&url) else { return false };
        let mut segments = url.path_segments().into_iter().flatten().skip(account_segments);
        let is_container = segments
            .next()
            .is_some_and(|segment| percent_decode_str(segment).eq(self.container.bytes()));
        is_container && segments.next().is_some_and(|name| !name.is_empty())
    }

    /// The one spelling of a blob's address: whoever tells of it, it is the same blob. `None` if
    /// it does not lie here.
    pub fn canonical(&self, address: &str) -> Option<String> {
        let url = self.has(address).then(|| address.parse::<Url>().ok())??;
        let path = percent_decode_str(url.path()).decode_utf8().ok()?;
        let path = utf8_percent_encode(&path, ESCAPED);
        Some(format!("{}{path}", url.origin().ascii_serialization()))
    }

    /// How many segments of the path name the account; `None` for another service.
    fn account_segments(&self, url: &Url) -> Option<usize> {
        if (url.username(), url.password()) != ("", None) {
            return None;
        }
        if let Some(service) = &self.service {
            let path = service.path().trim_end_matches('/');
            let is_beneath = url.path().strip_prefix(path).is_some_and(|p| p.starts_with('/'));
            let is_same = url.origin() == service.origin() && is_beneath;
            return is_same.then(|| path.matches('/').count());
        }
        if is_local_host(&url.host()?) {
            return self.allows_emulator.then_some(1);
        }
        let is_azure = SERVICES.iter().any(|end| {
            let account = url.host_str().and_then(|host| host.strip_suffix(end));
            account.is_some_and(|account| !account.is_empty())
        });
        (is_azure && url.scheme() == "https" && url.port().is_none()).then_some(0)
    }
}

/// Whether an address is one of this machine.
pub(crate) fn is_local(url: &Url) -> bool {
    url.host().is_some_and(|host| is_local_host(&host))
}

fn is_local_host(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// Whether an address holds what parsers take in different ways: a way upwards, however it is
/// written, a backslash, or a character that some of them drop.
fn leads_away(address: &str) -> bool {
    let decoded = percent_decode_str(address).decode_utf8_lossy();
    let is_odd = |c: char| c == '\\' || c.is_control();
    decoded.contains(is_odd) || decoded.split('/').any(|segment| matches!(segment, "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(service: Option<&str>) -> BlobPlace {
        BlobPlace {
            service: service.map(|address| address.parse().unwrap()),
            container: "imports".to_owned(),
            allows_emulator: true,
        }
    }

    #[test]
    fn without_a_name_any_blob_service_counts_and_nothing_else() {
        let place = place(None);
        for uri in [
            "https://a.blob.core.windows.net/imports/x.csv",
            "https://a.blob.core.windows.net:443/imports/x.csv",
            "https://a.blob.core.windows.net/imports/folder/é x.csv",
            "https://a.blob.core.windows.net/imports/folder%2Fx.csv",
            "https://a.blob.core.windows.net/imports/odd ^|{}<>`.csv",
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
            "https://a.blob.core.windows.net/imports/%2e%2e%2fsecrets%2fx.csv",
            "https://a.blob.core.windows.net/imports/..\\secrets\\x",
            "https://a.blob.core.windows.net/imports/a/..%5C..%5Csecrets/x",
            "https://a.blob.core.windows.net/imports/.\t./secrets/x",
            "https://a.blob.core.windows.net/imports/a\nb.csv",
            "https://a.blob.core.windows.net:8443/imports/x.csv",
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
    fn every_spelling_of_an_address_is_one() {
        let named = place(Some("https://mine.blob.core.windows.net"));
        for address in [
            "https://mine.blob.core.windows.net/imports/a/b é+%25.csv",
            "https://MINE.blob.core.windows.net:443/imports/a%2Fb%20%c3%a9%2B%25.csv",
            "https://mine.blob.core.windows.net/%69mports/%61/b%20%C3%A9+%25%2Ecsv",
        ] {
            assert_eq!(
                named.canonical(address).as_deref(),
                Some("https://mine.blob.core.windows.net/imports/a/b%20%C3%A9%2B%25.csv"),
                "{address}"
            );
        }
        assert_eq!(named.canonical("https://theirs.blob.core.windows.net/imports/a"), None);
        assert_eq!(named.canonical("https://mine.blob.core.windows.net/imports/%ff"), None);
    }

    #[test]
    fn in_production_an_emulator_must_be_named() {
        let emulator = "http://127.0.0.1:10000/devstoreaccount1";
        let uri = format!("{emulator}/imports/x.csv");
        let production = |service| BlobPlace { allows_emulator: false, ..place(service) };
        assert!(!production(None).has(&uri));
        assert!(production(Some(emulator)).has(&uri));
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
