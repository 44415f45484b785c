//! What every store promises of the id of its database, checked the same way on each.

use std::sync::Arc;

use vitrine::store::late::LateStore;

use crate::contract_store::{Subject, contract};

contract!(an_id_belongs_to_one_database_and_stays);

async fn an_id_belongs_to_one_database_and_stays(mut subject: Subject) {
    let id = subject.store.id().await.unwrap();
    assert!(uuid::Uuid::parse_str(&id).is_ok(), "{id}");
    let beside = subject.opened_again().await;
    assert_eq!(beside.id().await.unwrap(), id, "whoever opens it reads the same");
    drop(beside);

    let other = subject.engine.subject().await;
    assert_ne!(other.store.id().await.unwrap(), id);

    subject.store = Arc::new(LateStore::default());
    let later = subject.opened_again().await;
    assert_eq!(later.id().await.unwrap(), id, "and after it was closed, too");
}
