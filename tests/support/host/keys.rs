//! Keys of the app, and who may call what with them.

use http::HeaderMap;

use super::function::Level;

/// What a caller must send for a level, as `?code=` or `x-functions-key`.
#[derive(Debug, Clone)]
pub struct Keys {
    pub master: String,
    /// Opens every function of the level `function`.
    pub host: String,
    /// The one function key that each function has here.
    pub function: String,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            master: "the-master-key".to_owned(),
            host: "the-host-key".to_owned(),
            function: "the-function-key".to_owned(),
        }
    }
}

impl Keys {
    pub fn allow(&self, level: Level, sent: Option<&str>) -> bool {
        match level {
            Level::Anonymous => true,
            Level::Function => sent.is_some_and(|key| {
                [&self.master, &self.host, &self.function].iter().any(|k| *k == key)
            }),
            Level::Admin => sent == Some(&self.master),
        }
    }
}

/// The key that a request brings.
pub fn sent(headers: &HeaderMap, query: Option<&str>) -> Option<String> {
    let header = headers.get("x-functions-key").and_then(|key| key.to_str().ok());
    header.map(str::to_owned).or_else(|| {
        form_urlencoded::parse(query?.as_bytes())
            .find(|(name, _)| name == "code")
            .map(|(_, key)| key.into_owned())
    })
}
