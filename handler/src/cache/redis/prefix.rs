//! The first part of every key.

use std::sync::Arc;

use tokio::sync::OnceCell;

use super::pauses::Pauses;
use crate::cache::shared::SharedError;
use crate::store::Store;

/// Tells the keys of one catalogue from those of others in the same server.
pub struct Prefix {
    known: OnceCell<String>,
    store: Option<Arc<dyn Store>>,
}

impl Prefix {
    /// What the operator wants it to be.
    pub fn given(prefix: String) -> Self {
        Self { known: OnceCell::new_with(Some(prefix)), store: None }
    }

    /// The id of this database, which is asked for until it is there.
    pub fn id_of(store: Arc<dyn Store>) -> Self {
        Self { known: OnceCell::new(), store: Some(store) }
    }

    /// The prefix, if it is known.
    pub(super) fn get(&self) -> Result<&str, SharedError> {
        let unknown = || SharedError::Away("the database's id is not known yet".to_owned());
        self.known.get().map(String::as_str).ok_or_else(unknown)
    }

    /// Asks for it until it is known.
    pub(super) async fn find(&self) -> &str {
        let ask = async || {
            let mut pauses = Pauses::new();
            loop {
                match &self.store {
                    Some(store) => match store.id().await {
                        Ok(id) => return id,
                        // Whoever needs the database says what is wrong with it.
                        Err(e) => tracing::debug!("no prefix yet: {}", e.with_cause()),
                    },
                    None => return std::future::pending().await,
                }
                pauses.wait().await;
            }
        };
        self.known.get_or_init(ask).await
    }
}
