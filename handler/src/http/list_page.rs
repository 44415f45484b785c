//! Pages of the lists that administrators look through: `limit`, an opaque `cursor`, and the
//! link to the next page.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use warp::http::header::LINK;
use warp::http::{HeaderValue, StatusCode};
use warp::reply::Response;

use super::respond;
use crate::catalog::{Invalid, Limit, query_string};

/// The longest text of a cursor that is looked at.
const CURSOR_MAX: usize = 100;

/// Which page is asked for: so many rows behind a key, that of the last row shown before.
pub(super) struct ListPage<K> {
    pub(super) limit: Limit,
    pub(super) after: Option<K>,
}

impl<K> ListPage<K> {
    /// Reads a query; `key` tells what the bytes of a cursor stand for.
    pub(super) fn parse(
        raw_query: &str,
        key: impl Fn(&[u8]) -> Option<K>,
    ) -> Result<Self, Vec<Invalid>> {
        let (mut limit, mut after, mut faults) = (None, None, Vec::new());
        for (name, value) in query_string::parameters(raw_query) {
            match name.as_ref() {
                "code" | "clientId" => {}
                "limit" if limit.is_none() => match Limit::parse(&value) {
                    Ok(given) => limit = Some(given),
                    Err(fault) => faults.push(fault),
                },
                "cursor" if after.is_none() => {
                    let text = (value.len() <= CURSOR_MAX).then(|| value.as_bytes());
                    let bytes = text.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
                    after = bytes.and_then(|bytes| key(&bytes));
                    if after.is_none() {
                        let reason = "is not one that this list has given out";
                        faults.push(Invalid::new("cursor", reason));
                    }
                }
                "limit" => faults.push(Invalid::new("limit", "must be given only once")),
                "cursor" => faults.push(Invalid::new("cursor", "must be given only once")),
                name => {
                    let name: String = name.chars().take(40).collect();
                    faults.push(Invalid::new("query", format!("there is no parameter `{name}`")));
                }
            }
        }
        let limit = limit.unwrap_or_default();
        if faults.is_empty() { Ok(Self { limit, after }) } else { Err(faults) }
    }

    /// One more than are shown: whether there is one tells whether a page follows.
    pub(super) fn rows(&self) -> usize {
        self.limit.get() + 1
    }

    /// The page of what was read, each row as a client is shown it.
    pub(super) fn answer<'a, Row, Shown: From<&'a Row> + Serialize, Key: AsRef<[u8]>>(
        &self,
        rows: &'a mut Vec<Row>,
        path: &str,
        key: impl Fn(&Row) -> Key,
    ) -> Response {
        let next = self.cut(rows, key);
        let rows: &'a [Row] = rows;
        let shown: Vec<_> = rows.iter().map(Shown::from).collect();
        let mut response = respond::json(&shown, StatusCode::OK);
        if let Some(cursor) = next {
            self.link(&mut response, path, &cursor);
        }
        response
    }

    /// The cursor of the page that follows, if there is one: the key of the last row shown, the
    /// rows cut to those.
    fn cut<T, B: AsRef<[u8]>>(&self, rows: &mut Vec<T>, key: impl Fn(&T) -> B) -> Option<String> {
        let is_last = rows.len() <= self.limit.get();
        rows.truncate(self.limit.get());
        let last = rows.last().filter(|_| !is_last)?;
        Some(URL_SAFE_NO_PAD.encode(key(last)))
    }

    /// Tells of the page that follows.
    fn link(&self, response: &mut Response, path: &str, cursor: &str) {
        let link = format!("<{path}?limit={}&cursor={cursor}>; rel=\"next\"", self.limit.get());
        let link = HeaderValue::try_from(link).expect("a link is ASCII");
        response.headers_mut().insert(LINK, link);
    }
}
