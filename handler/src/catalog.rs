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
mod json_object;
mod page_query;
mod product;
mod product_input;
mod product_patch;
pub mod query_string;
mod relevance;
mod text;
mod words;

use std::borrow::Cow;

pub use asin::Asin;
pub use category::{Category, CategoryCount, CategoryId, slug};
pub use clean::clean;
pub use decimal::{Money, Stars};
pub use filter::Filter;
pub use json_object::{Given, JsonObject, NotAnObject};
pub use page_query::{Limit, PageQuery, Position, Sort};
pub use product::{Product, write_json_array};
pub use product_input::InputError;
pub use product_patch::ProductPatch;
pub use relevance::rank;
pub use text::{CategoryName, Count, Title, WebUrl};
pub use words::Words;

/// Why a text is not a value: fit to be shown to whoever sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Invalid {
    /// The field as the outside calls it: `listPrice`, `category_id`, `cursor`.
    pub field: Cow<'static, str>,
    /// What it must be, or what is wrong with it.
    pub reason: String,
}

impl Invalid {
    /// An error about `field`.
    pub fn new(field: impl Into<Cow<'static, str>>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), reason: reason.into() }
    }
}
