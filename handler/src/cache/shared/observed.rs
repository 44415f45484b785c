//! What the instances share, with a span for each call of it that is a part of something traced.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tracing::Instrument as _;

use super::{Kept, Lease, Page, Place, Shared, SharedError, Stamp, Turn};
use crate::cache::versions::{Row, Versions};
use crate::telemetry::span;

/// A shared part whose calls are traced. Its keys and values are not.
pub struct Observed(pub Arc<dyn Shared>);

async fn call<T>(
    name: &'static str,
    calling: impl Future<Output = Result<T, SharedError>>,
) -> Result<T, SharedError> {
    let span = span::part!(
        "shared",
        otel.kind = "client",
        otel.name = name,
        db.system.name = "redis",
        db.operation.name = name,
    );
    let result = calling.instrument(span.clone()).await;
    span::ended(&span, result.is_ok());
    result
}

#[async_trait]
impl Shared for Observed {
    async fn versions(&self) -> Result<Versions, SharedError> {
        call("versions", self.0.versions()).await
    }

    async fn raise(&self, versions: &Versions) -> Result<(), SharedError> {
        call("raise", self.0.raise(versions)).await
    }

    async fn told(&self) -> Versions {
        self.0.told().await
    }

    async fn get(&self, place: &Place) -> Result<Option<Kept>, SharedError> {
        call("get", self.0.get(place)).await
    }

    async fn get_or_lease(
        &self,
        place: &Place,
        seen: Option<&Stamp>,
        lease: &Lease,
    ) -> Result<Turn, SharedError> {
        call("get_or_lease", self.0.get_or_lease(place, seen, lease)).await
    }

    async fn fill(
        &self,
        place: &Place,
        page: &Page,
        life: Duration,
        lease: Option<&Lease>,
    ) -> Result<(), SharedError> {
        call("fill", self.0.fill(place, page, life, lease)).await
    }

    async fn give_back(&self, place: &Place, lease: &Lease) -> Result<(), SharedError> {
        call("give_back", self.0.give_back(place, lease)).await
    }

    async fn remove(&self, place: &Place) -> Result<(), SharedError> {
        call("remove", self.0.remove(place)).await
    }

    async fn forget(&self, rows: &[Row]) -> Result<(), SharedError> {
        call("forget", self.0.forget(rows)).await
    }

    async fn leave_word(&self, instance: &str, word: &str) -> Result<(), SharedError> {
        call("leave_word", self.0.leave_word(instance, word)).await
    }

    async fn words(&self) -> Result<Vec<String>, SharedError> {
        call("words", self.0.words()).await
    }
}
