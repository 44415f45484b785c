//! Where the vault is that secrets are taken from.
//!
//! Whoever answers there is shown a token that opens every vault of the identity's, so it must
//! be one of Azure's. Outside production it may be this machine, where an emulator listens.

use url::{Host, Url};

use super::{BadSetting, bad};

const NAME: &str = "KEY_VAULT_URL";
/// The vaults of Azure's clouds.
const CLOUDS: [&str; 3] = [".vault.azure.net", ".vault.azure.cn", ".vault.usgovcloudapi.net"];

/// A vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vault {
    /// `https://shop.vault.azure.net/`
    pub url: Url,
    /// Whether it is this machine that answers there, and not Azure.
    pub is_emulator: bool,
}

type Given<'a> = dyn Fn(&str) -> Option<&'a str> + 'a;

pub(super) fn read(given: &Given<'_>, production: bool) -> Result<Option<Vault>, BadSetting> {
    given(NAME).map(|text| vault_at(text.trim(), production)).transpose()
}

fn vault_at(text: &str, production: bool) -> Result<Vault, BadSetting> {
    let malformed = || bad(NAME, "must be an address such as https://shop.vault.azure.net/");
    let url: Url = text.parse().map_err(|_| malformed())?;
    let is_bare = url.path() == "/"
        && (url.query(), url.fragment()) == (None, None)
        && (url.username(), url.password()) == ("", None);
    if url.scheme() != "https" || !is_bare {
        return Err(malformed());
    }
    let host = url.host().ok_or_else(malformed)?;
    if is_azures(&host) {
        return Ok(Vault { url, is_emulator: false });
    }
    if !is_this_machine(&host) {
        return Err(bad(NAME, "must be a vault of Azure's, such as https://shop.vault.azure.net/"));
    }
    if production {
        return Err(bad(NAME, "must not be this machine in production"));
    }
    Ok(Vault { url, is_emulator: true })
}

/// Azure's rules for names: one label of letters, digits and hyphens.
fn is_azures(host: &Host<&str>) -> bool {
    let Host::Domain(host) = host else { return false };
    let names = CLOUDS.iter().filter_map(|cloud| host.strip_suffix(cloud));
    names.into_iter().any(|name| {
        (3..=24).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && name.starts_with(|c: char| c.is_ascii_alphabetic())
            && !name.ends_with('-')
    })
}

fn is_this_machine(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vault_of_azures_or_of_this_machine_is_read() {
        for (text, is_emulator) in [
            ("https://shop.vault.azure.net/", false),
            ("https://Shop-1.vault.azure.net", false),
            ("https://shop.vault.azure.cn", false),
            ("https://shop.vault.usgovcloudapi.net/", false),
            ("https://localhost:8443/", true),
            ("https://127.0.0.1:8443", true),
            ("https://[::1]:8443", true),
        ] {
            let vault = vault_at(text, false).unwrap();
            assert_eq!(vault.is_emulator, is_emulator, "{text}");
            assert_eq!(vault_at(text, true).is_ok(), !is_emulator, "{text}");
        }
    }

    #[test]
    fn no_other_host_is_shown_a_token() {
        for text in [
            "",
            "shop",
            "shop.vault.azure.net",
            "http://shop.vault.azure.net/",
            "http://localhost:8443/",
            "https://vault.azure.net/",
            "https://shop.vault.azure.net.evil.example/",
            "https://evil.example/shop.vault.azure.net",
            "https://shop.vault.azure.net@evil.example/",
            "https://user:key@shop.vault.azure.net/",
            "https://a.b.vault.azure.net/",
            "https://evilvault.azure.net/",
            "https://shop.managedhsm.azure.net/",
            "https://shop.vault.azure.net/secrets/x",
            "https://shop.vault.azure.net/?x=y",
            "https://shop.vault.azure.net./",
            "https://localhost.evil.example/",
            "https://10.0.0.1/",
            "https://169.254.169.254/",
        ] {
            assert_eq!(vault_at(text, false).unwrap_err().variable, NAME, "{text}");
        }
    }
}
