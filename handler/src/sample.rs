//! A little synthetic catalogue in the binary, so that a newcomer has something to look at.
//!
//! It is imported like any file, into a store that was never used, and only by `serve`;
//! the first file of one's own takes it away.

use std::sync::Arc;

use bytes::Bytes;

use crate::import::rejects::Rejects;
use crate::import::source::Source;
use crate::import::{DELIVERED, ImportError, import};
use crate::store::Store;

/// With what the sources of the sample begin.
pub const SOURCE: &str = "sample:";
/// The sample's categories are 1 to this.
pub const CATEGORIES_MAX: u32 = 5;

const FILES: [(&str, &[u8]); 2] = [
    ("sample:amazon_categories.csv", include_bytes!("../sample/amazon_categories.csv")),
    ("sample:amazon_products.csv", include_bytes!("../sample/amazon_products.csv")),
];

/// The part of the sample with this name.
pub fn source(uri: &str) -> Option<Source> {
    FILES.into_iter().find(|(name, _)| *name == uri).map(|(uri, content)| bytes(uri, content))
}

/// Imports the sample.
pub async fn load(store: &Arc<dyn Store>, rejects: &Rejects) -> Result<(), ImportError> {
    for (uri, content) in FILES {
        import(store, rejects, bytes(uri, content), DELIVERED, &|_| {}).await?;
    }
    Ok(())
}

fn bytes(uri: &str, content: &'static [u8]) -> Source {
    Source::Bytes {
        uri: uri.to_owned(),
        etag: None,
        modified: None,
        content: Bytes::from_static(content),
    }
}
