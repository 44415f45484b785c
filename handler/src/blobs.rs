//! Blob Storage: the one account that the operator named. Uploads are read from it in ranges,
//! refused rows are written to it, and nothing else of it, or of any other, is touched.

pub mod place;
pub mod reader;
mod trials;
mod upload;

use std::collections::VecDeque;
use std::error::Error as _;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind;
use azure_core::http::{ClientOptions, Etag, RetryOptions, StatusCode, Transport, Url};
use azure_storage_blob::models::{
    BlobClientDownloadOptions, BlobClientGetPropertiesOptions, BlobClientGetPropertiesResultHeaders,
};
use azure_storage_blob::{
    BlobClient, BlobClientOptions, BlobContainerClient, BlobContainerClientOptions,
};
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use percent_encoding::percent_decode_str;
use reqwest::redirect::Policy;
use secrecy::ExposeSecret as _;
use tracing::Instrument as _;
use tracing::field::Empty;

use crate::credentials::Credentials;
use crate::secrets::Secrets;
use crate::settings::{SAS, Settings, Storage};
use crate::telemetry::span;
use place::BlobPlace;
use trials::tried;

/// An account that does not take a connection by then is away.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest silence in the middle of an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(20);

/// The account, its container of imports and its container of refused rows.
pub struct Blobs {
    place: BlobPlace,
    service: Url,
    /// Where the token is, if the account is asked by one: it may be exchanged.
    signed_by: Option<Secrets>,
    identity: Option<Arc<dyn TokenCredential>>,
    transport: Transport,
}

/// A blob of the container of imports, in whatever state it is.
#[derive(Clone)]
pub struct Blob {
    uri: Arc<str>,
    client: Arc<BlobClient>,
}

/// What a blob is in this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobState {
    /// Its state, without quotes.
    pub etag: String,
    /// When it was written, µs since 1970.
    pub modified: Option<i64>,
    /// Its size as stored, in bytes.
    pub size: u64,
}

/// Why a blob cannot be read or written. One line; no address of any other account, no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// No account is named.
    #[error("no account is named (IMPORT_STORAGE__accountName), so no blob is read by its address")]
    NoAccount,
    /// It is not in the container of imports of the named account.
    #[error("the blob does not lie in the container `{0}` of our account")]
    Elsewhere(String),
    /// There is no such blob, or no such container.
    #[error("the blob is not there (any more)")]
    Gone,
    /// It has been overwritten since its state was taken.
    #[error("the blob has been overwritten while it was read: what was read is kept")]
    Overwritten,
    /// The account refuses us.
    #[error("the account lets us not read or write there: {0}")]
    Denied(String),
    /// The account, or the way to it, is away.
    #[error("the account cannot be reached: {0}")]
    Away(String),
    /// It says what makes no sense, or what trying again does not change.
    #[error("the account answers what is not expected: {0}")]
    Odd(String),
}

impl BlobError {
    /// Whether the same may work in a moment, with nothing else done about it.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Away(_))
    }
}

/// Why the account cannot be worked with at all.
#[derive(Debug, thiserror::Error)]
#[error("IMPORT_STORAGE: {0}")]
pub struct Unusable(String);

impl Blobs {
    /// The account of the settings, if they name one. Nothing is asked yet.
    pub fn of(settings: &Settings) -> Result<Option<Arc<Self>>, Unusable> {
        let Storage { place, sas, is_managed, client_id } = &settings.storage;
        let Some(service) = place.service.clone() else { return Ok(None) };
        let identity = match (sas, service.scheme()) {
            (Some(_), _) => None,
            (None, "https") => {
                let client_id = client_id.as_deref().or(settings.client_id.as_deref());
                let credentials = if *is_managed {
                    Credentials::managed_identity(client_id)
                } else {
                    Credentials::developer()
                };
                let credentials = credentials.map_err(|e| Unusable(e.to_string()))?;
                Some(Arc::new(Identity(credentials)) as Arc<dyn TokenCredential>)
            }
            // The settings refuse it.
            _ => return Err(Unusable("an identity is shown by https only".to_owned())),
        };
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            // What it sends elsewhere would be followed with our token.
            .redirect(Policy::none())
            .build()
            .map_err(|e| Unusable(e.to_string()))?;
        let transport = Transport::new(Arc::new(client));
        Ok(Some(Arc::new(Self {
            place: place.clone(),
            service,
            signed_by: sas.as_ref().map(|_| settings.secrets.clone()),
            identity,
            transport,
        })))
    }

    /// A blob by its address, which must be one of the container of imports.
    pub fn blob(&self, uri: &str) -> Result<Blob, BlobError> {
        let elsewhere = || BlobError::Elsewhere(self.place.container.clone());
        let uri = self.place.canonical(uri).ok_or_else(elsewhere)?;
        let url = self.signed(uri.parse().map_err(|_| elsewhere())?);
        let client = BlobClient::new(url, self.identity.clone(), Some(self.options()));
        let client = Arc::new(client.map_err(|e| fault(&e))?);
        Ok(Blob { uri: uri.into(), client })
    }

    /// Whether the container of imports is there and may be read; its name.
    pub async fn probe(&self) -> Result<&str, BlobError> {
        let name = &self.place.container;
        let container = self.container(name)?;
        tried(|| async { container.get_properties(None).await.map(drop) }).await?;
        Ok(name)
    }

    fn container(&self, name: &str) -> Result<BlobContainerClient, BlobError> {
        let mut url = self.service.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push(name);
        }
        let BlobClientOptions { client_options, .. } = self.options();
        let options = BlobContainerClientOptions { client_options, ..Default::default() };
        BlobContainerClient::new(self.signed(url), self.identity.clone(), Some(options))
            .map_err(|e| fault(&e))
    }

    fn options(&self) -> BlobClientOptions {
        let client_options = ClientOptions {
            transport: Some(self.transport.clone()),
            // The client's own goes on for minutes and not within a body: see `trials`.
            retry: RetryOptions::none(),
            ..ClientOptions::default()
        };
        BlobClientOptions { client_options, ..BlobClientOptions::default() }
    }

    fn signed(&self, mut url: Url) -> Url {
        let token = self.signed_by.as_ref().and_then(|secrets| secrets.current(SAS));
        url.set_query(token.as_ref().map(|t| t.expose_secret().trim().trim_start_matches('?')));
        url
    }
}

impl Blob {
    /// Its address, however it was spelt.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// The last part of its name, without escapes.
    pub fn name(&self) -> String {
        let last = self.uri.rsplit('/').next().unwrap_or_default();
        percent_decode_str(last).decode_utf8_lossy().into_owned()
    }

    /// What it is in this moment.
    pub async fn state(&self) -> Result<BlobState, BlobError> {
        let answer = tried(|| {
            let options = BlobClientGetPropertiesOptions::default();
            self.client.get_properties(Some(options))
        })
        .await?;
        let odd = |what: &str| BlobError::Odd(format!("its properties have no {what}"));
        let etag = answer.etag().ok().flatten().ok_or_else(|| odd("ETag"))?;
        let size = answer.content_length().ok().flatten().ok_or_else(|| odd("length"))?;
        let modified = answer.last_modified().ok().flatten();
        Ok(BlobState {
            etag: etag.as_ref().trim_start_matches("W/").trim_matches('"').to_owned(),
            modified: modified.and_then(|at| i64::try_from(at.unix_timestamp_nanos() / 1_000).ok()),
            size,
        })
    }

    /// Bytes of this state of it, all of them, in the pieces that they come in.
    async fn read(&self, etag: &str, range: Range<u64>) -> Result<VecDeque<Bytes>, BlobError> {
        let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let Some(whole) = std::num::NonZero::new(length) else { return Ok(VecDeque::new()) };
        let span = span::part!(
            "blob",
            otel.kind = "client",
            otel.name = "blob range",
            rpc.system.name = "azure_blob",
            bytes = length,
            attempt = Empty,
        );
        let got = self.read_whole(etag, &range, whole).instrument(span.clone()).await;
        span::ended(&span, got.is_ok());
        let (pieces, read) = got?;
        if read > length {
            return Err(BlobError::Odd("more than the range that was asked for".to_owned()));
        }
        Ok(pieces)
    }

    /// The pieces of a range, and how many bytes they have together: more than was asked for, if
    /// the server knows no ranges.
    async fn read_whole(
        &self,
        etag: &str,
        range: &Range<u64>,
        whole: std::num::NonZero<usize>,
    ) -> Result<(VecDeque<Bytes>, usize), BlobError> {
        let length = whole.get();
        tried(|| async {
            let options = BlobClientDownloadOptions {
                if_match: Some(Etag::from(format!("\"{etag}\""))),
                range: Some(range.clone().into()),
                // One request: a range is a part already.
                parallel: Some(std::num::NonZero::<usize>::MIN),
                partition_size: Some(whole),
                ..BlobClientDownloadOptions::default()
            };
            let mut body = self.client.download(Some(options)).await?.body;
            let (mut pieces, mut read) = (VecDeque::new(), 0);
            // More than was asked for is not taken: a server that knows no ranges sends all.
            while let Some(piece) = body.try_next().await?.filter(|_| read <= length) {
                read += piece.len();
                pieces.push_back(piece);
            }
            if read < length {
                let early = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
                return Err(azure_core::Error::with_error(ErrorKind::Io, early, "a short range"));
            }
            Ok((pieces, read))
        })
        .await
    }
}

impl std::fmt::Debug for Blob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Blob").field(&self.uri).finish()
    }
}

/// The process's identity as the client asks for it.
#[derive(Debug)]
struct Identity(Credentials);

#[async_trait::async_trait]
impl TokenCredential for Identity {
    async fn get_token(
        &self,
        scopes: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let scope = scopes.first().copied().unwrap_or_default();
        let token = self.0.token(scope).await.map_err(|e| {
            azure_core::Error::with_error(ErrorKind::Credential, e, "there is no token")
        })?;
        let ends = azure_core::time::OffsetDateTime::now_utc() + token.lasts;
        Ok(AccessToken::new(token.secret.expose_secret().to_owned(), ends))
    }
}

/// What an error of the client means. Its own text may have the address with its token in it,
/// so that nothing but codes and the last cause is told on.
fn fault(error: &azure_core::Error) -> BlobError {
    let ErrorKind::HttpResponse { status, error_code, .. } = error.kind() else {
        let cause = last_cause(error);
        return match error.kind() {
            // Who gives out tokens may be away as anybody may, and does not always say so.
            ErrorKind::Connection | ErrorKind::Io | ErrorKind::Credential => BlobError::Away(cause),
            _ => BlobError::Odd(cause),
        };
    };
    let code = error_code.as_deref().unwrap_or("without a code");
    let told = format!("{}, {code}", u16::from(*status));
    match status {
        StatusCode::NotFound => BlobError::Gone,
        StatusCode::PreconditionFailed => BlobError::Overwritten,
        StatusCode::Unauthorized | StatusCode::Forbidden => BlobError::Denied(told),
        StatusCode::RequestTimeout | StatusCode::TooManyRequests => BlobError::Away(told),
        status if u16::from(*status) >= 500 => BlobError::Away(told),
        _ => BlobError::Odd(told),
    }
}

fn last_cause(error: &azure_core::Error) -> String {
    let mut cause = error.source();
    let mut text = None;
    while let Some(inner) = cause {
        // These two print the address that was asked.
        if !inner.is::<reqwest::Error>() && !inner.is::<azure_core::Error>() {
            text = Some(inner.to_string());
        }
        cause = inner.source();
    }
    text.unwrap_or_else(|| "without a word".to_owned())
}
