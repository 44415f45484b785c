//! What the catalogue is made of: values that cannot be wrong.
//!
//! Text becomes one of these types once, at the edge (a CSV field, a query
//! parameter, a JSON body), and is trusted from then on. Nothing in here reads
//! a file, a database or a clock, so all of it is tested as plain functions.

mod asin;
mod category;
mod clean;
mod cursor;
mod decimal;
mod filter;
mod page_query;
mod product;
mod relevance;
mod text;
mod words;

pub use asin::Asin;
pub use category::{Category, CategoryCount, CategoryId, slug};
pub use clean::clean;
pub use decimal::{Money, Stars};
pub use filter::Filter;
pub use page_query::{Limit, PageQuery, Position, Sort};
pub use product::{Product, write_json_array};
pub use relevance::rank;
pub use text::{CategoryName, Count, Title, WebUrl};
pub use words::Words;

/// Why a text is not a value: fit to be shown to whoever sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Invalid {
    /// The field as the outside calls it: `listPrice`, `category_id`, `cursor`.
    pub field: &'static str,
    /// What it must be, or what is wrong with it.
    pub reason: String,
}

impl Invalid {
    /// An error about `field`.
    pub fn new(field: &'static str, reason: impl Into<String>) -> Self {
        Self { field, reason: reason.into() }
    }
}
