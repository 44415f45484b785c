//! What every store promises of batches that are sent ahead of their turn.

use vitrine::catalog::{Asin, PageQuery};
use vitrine::store::{Batch, Committed, End, Lease, Store, StoreError};

use super::contract_store::{Subject, batch, begin, contract, load, product, walk};

contract!(
    batches_sent_ahead_are_committed_in_their_order,
    a_later_batch_counts_over_one_that_it_was_sent_beside,
    a_batch_does_not_count_before_its_turn,
    what_was_sent_ahead_of_a_run_that_ends_holds_nobody_up,
);

/// So many batches of products of their own, in two categories.
fn batches(number: u64) -> Vec<Batch> {
    let products = |at: u64| {
        let product = |i: u32| product(&format!("B{at}X{i:02}"), None, 1 + i % 2);
        (0..20).map(product).collect()
    };
    (0..number).map(|at| batch(at, at + 1, products(at))).collect()
}

/// As an import does: the next one is sent while one is committed.
async fn commit_all(store: &dyn Store, lease: &Lease, all: &[Batch]) -> Committed {
    store.send_ahead(lease, &all[0]).await;
    let mut last = None;
    for (at, batch) in all.iter().enumerate() {
        let next = async {
            if let Some(next) = all.get(at + 1) {
                store.send_ahead(lease, next).await;
            }
        };
        let (committed, ()) = tokio::join!(store.commit_batch(lease, batch.clone()), next);
        last = Some(committed.unwrap());
    }
    last.unwrap()
}

async fn asins(subject: &Subject) -> Vec<String> {
    let all = walk(&subject.store, PageQuery::parse("limit=100").unwrap()).await;
    all.into_iter().map(|product| product.asin.to_string()).collect()
}

async fn batches_sent_ahead_are_committed_in_their_order(subject: Subject) {
    let (_, lease) = begin(&subject.store, "a", "1").await;
    let before = subject.store.versions().await.unwrap();
    let counts = commit_all(subject.store.as_ref(), &lease, &batches(8)).await.counts;
    assert_eq!((counts.read, counts.loaded, counts.replaced), (160, 160, 0));
    assert_eq!(asins(&subject).await.len(), 160);
    let run = subject.store.run(lease.run).await.unwrap().unwrap();
    assert_eq!((run.checkpoint.offset, run.categories_made), (8, 2));
    for count in subject.store.category_counts().await.unwrap().value {
        assert_eq!(count.total_products, 80, "{count:?}");
    }
    let after = subject.store.versions().await.unwrap();
    assert!(before.iter().all(|(row, version)| row.0 < 0 || after[row] > *version), "{after:?}");
}

/// One product is in all batches of the first run, and one in every other batch of both: those
/// beside each other have one in common, or none.
async fn a_later_batch_counts_over_one_that_it_was_sent_beside(subject: Subject) {
    for (run, first, loaded, replaced) in [("S", 0, 3, 9), ("U", 10, 8, 4)] {
        let (_, lease) = begin(&subject.store, run, "1").await;
        let all: Vec<_> = (0..6)
            .map(|at| {
                let price = i64::try_from(first + at).unwrap();
                let in_all = if run == "S" { "SAME".to_owned() } else { format!("U{at}") };
                let in_every_other = format!("B{}", at % 2);
                let product = |asin: &str| product(asin, Some(price), 1);
                batch(at, at + 1, vec![product(&in_all), product(&in_every_other)])
            })
            .collect();
        commit_all(subject.store.as_ref(), &lease, &all).await;
        subject.store.finish_loading(&lease).await.unwrap();
        // Counted by then, however they were loaded.
        let counts = subject.store.end_run(&lease, End::Done).await.unwrap().counts;
        assert_eq!((counts.read, counts.loaded, counts.replaced), (12, loaded, replaced), "{run}");
        for (asin, at) in [("B0", 4), ("B1", 5)] {
            let found = subject.store.product(&Asin::parse(asin).unwrap()).await.unwrap();
            let price = i64::try_from(first + at).unwrap();
            assert_eq!(found, Some(product(asin, Some(price), 1)), "{run}");
        }
    }
    let found = subject.store.product(&Asin::parse("SAME").unwrap()).await.unwrap();
    assert_eq!(found, Some(product("SAME", Some(5), 1)));
}

async fn a_batch_does_not_count_before_its_turn(subject: Subject) {
    load(&subject.store, "before", vec![product("A1", None, 1), product("A2", None, 2)]).await;
    let (_, lease) = begin(&subject.store, "a", "1").await;
    let all = batches(2);
    subject.store.send_ahead(&lease, &all[1]).await;
    let early = subject.store.commit_batch(&lease, all[1].clone()).await;
    assert!(matches!(early, Err(StoreError::RunLost)), "{early:?}");
    assert_eq!(asins(&subject).await, ["A1", "A2"]);
    for batch in all {
        subject.store.commit_batch(&lease, batch).await.unwrap();
    }
    assert_eq!(asins(&subject).await.len(), 42);
}

async fn what_was_sent_ahead_of_a_run_that_ends_holds_nobody_up(subject: Subject) {
    load(&subject.store, "before", vec![product("A1", None, 1), product("A2", None, 2)]).await;
    let (_, lease) = begin(&subject.store, "a", "1").await;
    let all = batches(2);
    subject.store.send_ahead(&lease, &all[0]).await;
    let next = subject.store.send_ahead(&lease, &all[1]);
    let (committed, ()) = tokio::join!(subject.store.commit_batch(&lease, all[0].clone()), next);
    committed.unwrap();
    subject.store.end_run(&lease, End::Failed("as told".to_owned())).await.unwrap();
    subject.store.create_product(&product("B1X00", Some(7), 1), None).await.unwrap();
    assert_eq!(asins(&subject).await.len(), 23);
}
