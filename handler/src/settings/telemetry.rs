//! Where telemetry goes.

use std::fmt;

use url::{Host, Url};
use uuid::Uuid;

use super::{BadSetting, bad};

/// The resource of Application Insights that telemetry goes to.
#[derive(Clone)]
pub struct Telemetry {
    /// The instrumentation key: says whose telemetry it is, and lets anybody add to it.
    pub key: String,
    /// Where it is taken in.
    pub endpoint: Url,
    /// What the instances of this service are called together.
    pub role: String,
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key: _, endpoint, role } = self;
        f.debug_struct("Telemetry")
            .field("endpoint", &endpoint.as_str())
            .field("role", role)
            .finish()
    }
}

type Given<'a> = dyn Fn(&str) -> Option<&'a str> + 'a;

const CONNECTION_STRING: &str = "APPLICATIONINSIGHTS_CONNECTION_STRING";
const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";
/// Where telemetry is taken in that names no place.
const GLOBAL: &str = "https://dc.services.visualstudio.com";
/// Characters of a role's name.
const ROLE_MAX: usize = 64;

pub(super) fn read(given: &Given<'_>, production: bool) -> Result<Option<Telemetry>, BadSetting> {
    let role = given(SERVICE_NAME).or_else(|| given("WEBSITE_SITE_NAME")).unwrap_or("vitrine");
    if role.chars().count() > ROLE_MAX || role.chars().any(char::is_control) {
        return Err(bad(SERVICE_NAME, "must be a name of at most 64 printable characters"));
    }
    let Some(text) = given(CONNECTION_STRING) else { return Ok(None) };
    let (key, endpoint) = parse(text).ok_or_else(|| {
        let form = "InstrumentationKey=<a GUID>;IngestionEndpoint=https://…";
        bad(
            CONNECTION_STRING,
            format!("must be a connection string of Application Insights: {form}"),
        )
    })?;
    if endpoint.scheme() != "https" && (production || !is_loopback(&endpoint)) {
        return Err(bad(CONNECTION_STRING, "must name an endpoint by https"));
    }
    Ok(Some(Telemetry { key, endpoint, role: role.to_owned() }))
}

/// The key and the endpoint. Parts that we do not use are left to whoever does, and empty ones
/// to whoever ends each part with a semicolon.
fn parse(text: &str) -> Option<(String, Url)> {
    let mut parts = std::collections::HashMap::new();
    for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=')?;
        parts.insert(name.trim().to_ascii_lowercase(), value.trim());
    }
    let given = |name: &str| parts.get(name).copied().filter(|value| !value.is_empty());
    if given("authorization").is_some_and(|way| !way.eq_ignore_ascii_case("ikey")) {
        return None;
    }
    let key = Uuid::parse_str(given("instrumentationkey")?).ok()?.to_string();
    let endpoint = match (given("ingestionendpoint"), given("endpointsuffix")) {
        (Some(endpoint), _) => endpoint.to_owned(),
        (None, Some(suffix)) => {
            let location = given("location").map(|place| format!("{place}.")).unwrap_or_default();
            format!("https://{location}dc.{suffix}")
        }
        (None, None) => GLOBAL.to_owned(),
    };
    let endpoint = Url::parse(&endpoint).ok()?;
    let is_plain = matches!(endpoint.scheme(), "https" | "http")
        && endpoint.host().is_some()
        && endpoint.username().is_empty()
        && endpoint.password().is_none()
        && endpoint.query().is_none()
        && endpoint.fragment().is_none();
    is_plain.then_some((key, endpoint))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "InstrumentationKey=00000000-0000-0000-0000-0000000000AB";

    fn read(text: &str, production: bool) -> Result<Option<Telemetry>, BadSetting> {
        super::read(&|name| (name == CONNECTION_STRING).then_some(text), production)
    }

    #[test]
    fn the_forms_that_azure_prints_are_read() {
        for (rest, endpoint) in [
            ("", "https://dc.services.visualstudio.com/"),
            (";", "https://dc.services.visualstudio.com/"),
            (
                ";IngestionEndpoint=https://westeurope-5.in.applicationinsights.azure.com/;\
                 LiveEndpoint=https://westeurope.livediagnostics.monitor.azure.com/;\
                 ApplicationId=a=b;",
                "https://westeurope-5.in.applicationinsights.azure.com/",
            ),
            ("; ingestionendpoint = https://a.example:1/x ;; ", "https://a.example:1/x"),
            (";EndpointSuffix=ai.example;Location=west", "https://west.dc.ai.example/"),
            (";Authorization=iKey;EndpointSuffix=ai.example", "https://dc.ai.example/"),
        ] {
            for production in [false, true] {
                let read = read(&format!("{KEY}{rest}"), production).unwrap().unwrap();
                assert_eq!(read.endpoint.as_str(), endpoint);
                assert_eq!(read.key, "00000000-0000-0000-0000-0000000000ab");
                assert_eq!(read.role, "vitrine");
                assert!(!format!("{read:?}").contains("0000"), "{read:?}");
            }
        }
    }

    #[test]
    fn whatever_else_is_there_is_refused_without_being_quoted() {
        for bad in [
            "x",
            "InstrumentationKey=",
            "InstrumentationKey=abc",
            "IngestionEndpoint=https://a.example",
            &format!("{KEY};x"),
            &format!("{KEY};Authorization=aad"),
            &format!("{KEY};IngestionEndpoint=a.example"),
            &format!("{KEY};IngestionEndpoint=ftp://a.example"),
            &format!("{KEY};IngestionEndpoint=http://a.example"),
            &format!("{KEY};IngestionEndpoint=https://user:word@a.example"),
            &format!("{KEY};IngestionEndpoint=https://a.example?x=1"),
            &format!("{KEY};IngestionEndpoint=https://"),
        ] {
            let refused = read(bad, false).unwrap_err();
            assert_eq!(refused.variable, CONNECTION_STRING, "{bad}");
            let line = refused.to_string();
            assert!(!line.contains('\n') && !line.contains("a.example"), "{line}");
        }
    }

    #[test]
    fn only_this_machine_is_told_without_encryption_and_not_in_production() {
        for place in ["http://127.0.0.1:4318", "http://localhost:1/", "http://[::1]:1"] {
            let text = format!("{KEY};IngestionEndpoint={place}");
            assert!(read(&text, false).unwrap().is_some(), "{place}");
            assert_eq!(read(&text, true).unwrap_err().variable, CONNECTION_STRING, "{place}");
        }
    }

    #[test]
    fn the_role_is_what_the_operator_calls_the_service() {
        let role = |variables: &[(&str, &'static str)]| {
            let given = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| *value)
            };
            super::read(&given, false).map(|read| read.unwrap().role)
        };
        let to = (CONNECTION_STRING, KEY);
        assert_eq!(role(&[to, ("WEBSITE_SITE_NAME", "shop-dev")]).unwrap(), "shop-dev");
        assert_eq!(role(&[to, ("WEBSITE_SITE_NAME", "a"), (SERVICE_NAME, "b")]).unwrap(), "b");
        for bad in ["a\nb", "ü234567890123456789012345678901234567890123456789012345678901234x"] {
            assert_eq!(role(&[to, (SERVICE_NAME, bad)]).unwrap_err().variable, SERVICE_NAME);
        }
    }
}
