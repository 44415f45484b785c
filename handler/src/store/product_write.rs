//! Writes of single products: what is asked of a store, and how it can be refused.

use std::sync::Arc;

use uuid::Uuid;

use super::StoreError;
use crate::cache::versions::Versions;
use crate::catalog::{Asin, CategoryId, Product};

/// What becomes of a product: given what is stored, what is to be stored instead. `None` is
/// no product, on either side. A refusal changes nothing.
///
/// It is called within the transaction, so what it decides by (a precondition, a patch)
/// cannot have changed meanwhile; and it may be called again if the transaction is, so it has
/// no effects of its own. The asin of what it gives is that of what is written.
pub type Edit = Box<dyn Fn(Option<&Product>) -> Result<Option<Product>, WriteError> + Send + Sync>;

/// One intended effect, the same however often it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Once {
    /// Who asks.
    pub user: Uuid,
    /// The asker's name for it.
    pub key: IdempotencyKey,
    /// SHA-256 of what is asked for.
    pub digest: [u8; 32],
}

/// A caller's name for one intended effect: 1–255 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(Box<str>);

impl IdempotencyKey {
    /// CONTRACT 4.
    pub const LENGTH_MAX: usize = 255;

    /// `None` if it is empty, too long, or has a character that cannot be seen.
    pub fn parse(text: &str) -> Option<Self> {
        let is_fit = (1..=Self::LENGTH_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_fit.then(|| Self(text.into()))
    }

    /// The text it was read from.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a write has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The product as it was; `None` if there was none.
    pub before: Option<Product>,
    /// The product as it is now; `None` if there is none.
    pub after: Option<Product>,
    /// The whole version table at the end of the transaction: what this instance must know
    /// before the write is answered.
    pub versions: Arc<Versions>,
}

/// Why a product was not written. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Only a new one was to be written.
    #[error("there is a product with the asin `{0}` already")]
    Exists(Asin),
    /// Only one that is there was to be written.
    #[error("no product has the asin `{0}`")]
    NoSuchProduct(Asin),
    /// It is not in the state that the caller takes it to be in.
    #[error("the product is not in the state that the request asks for")]
    PreconditionFailed,
    /// A product belongs to a category that there is.
    #[error("there is no category {}", .0.get())]
    UnknownCategory(CategoryId),
    /// The key was used for something else within a day.
    #[error("this Idempotency-Key was used with another body")]
    KeyReused,
    /// The same is being done in this moment.
    #[error("a request with this Idempotency-Key is being answered")]
    KeyInFlight,
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_visible_ascii_of_bounded_length() {
        for good in ["a", "8e03978e-40d5-43dd-bc93-6894a57f9324", "\"quoted\"", &"~".repeat(255)] {
            assert_eq!(IdempotencyKey::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", " ", "a b", "a\t", "é", "a\u{7f}", &"~".repeat(256)] {
            assert_eq!(IdempotencyKey::parse(bad), None, "{bad}");
        }
    }
}
