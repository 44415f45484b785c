//! What is said of parts that are away.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use vitrine::readiness::{Probe, Readiness, Report};
use vitrine::store::late::LateStore;

use crate::support::TestFolder;

/// A shared cache that answers, or does not.
struct Cache(bool);

#[async_trait]
impl Probe for Cache {
    async fn answers(&self) -> bool {
        self.0
    }
}

fn states(report: &Report) -> Value {
    let report = serde_json::to_value(report).unwrap();
    let parts = report["parts"].as_array().unwrap();
    json!([
        report["status"],
        parts.iter().map(|part| (&part["name"], &part["state"])).collect::<Vec<_>>()
    ])
}

/// Without it everything is served from the database.
#[tokio::test]
async fn a_shared_cache_that_is_away_is_told_of_and_no_more() {
    let folder = TestFolder::new();
    let (store, away) = (folder.store(), LateStore::default());
    for (cache, cache_is) in [(true, "ready"), (false, "away")] {
        let readiness = || Readiness::with_shared(Arc::new(Cache(cache)));
        let report = readiness().report(store.as_ref()).await;
        assert!(report.is_ready());
        let expected = json!(["ready", [["database", "ready"], ["shared cache", cache_is]]]);
        assert_eq!(states(&report), expected);
        let report = readiness().report(&away).await;
        assert!(!report.is_ready());
        let expected = json!(["away", [["database", "away"], ["shared cache", cache_is]]]);
        assert_eq!(states(&report), expected);
    }
    let report = Readiness::default().report(store.as_ref()).await;
    assert_eq!(states(&report), json!(["ready", [["database", "ready"]]]));
}
