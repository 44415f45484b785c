//! What every store promises, checked the same way on each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use vitrine::cache::versions::{Row, Versions};
use vitrine::catalog::{
    Asin, CategoryId, Count, Filter, Limit, Money, PageQuery, Product, Sort, Stars, Title,
};
use vitrine::clock::Clock;
use vitrine::store::{
    Batch, Checkpoint, Claim, Claimed, End, HowStarted, Lease, ProductColumns, Reject, Rows, Run,
    RunState, Store, StoreError,
};

use crate::support::sqlserver::TestDatabase;
use crate::support::{SOME_DAY, TestFolder};

/// A store, the clock that it goes by, and the folders beside it.
pub struct Subject {
    pub store: Arc<dyn Store>,
    pub clock: Clock,
    pub folder: TestFolder,
    pub engine: Engine,
    // Behind the store, whose connections must have gone when the database is dropped.
    database: Option<TestDatabase>,
}

impl Subject {
    /// The same database, opened once more.
    pub async fn opened_again(&self) -> Arc<dyn Store> {
        match &self.database {
            None => self.folder.store_at(self.clock.clone()),
            Some(database) => database.store(self.clock.clone()).await,
        }
    }
}

/// What keeps the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    SqlServer,
}

impl Engine {
    /// A store of the test's own.
    pub async fn subject(self) -> Subject {
        let (folder, clock) = (TestFolder::new(), Clock::standing_at(SOME_DAY));
        let (store, database): (Arc<dyn Store>, _) = match self {
            Self::Sqlite => (folder.store_at(clock.clone()), None),
            Self::SqlServer => {
                let database = TestDatabase::make().await;
                (database.store(clock.clone()).await, Some(database))
            }
        };
        Subject { store, clock, folder, engine: self, database }
    }
}

/// Checks each promise on each engine. `scripts/test` leaves `on_sqlserver` out where there is
/// no server.
macro_rules! contract {
    ($($promise:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $promise() {
                super::$promise($crate::contract_store::Engine::Sqlite.subject().await).await;
            })*
        }

        mod on_sqlserver {
            $(#[tokio::test]
            #[ignore = "needs TEST_SQL_CONNECTION_STRING"]
            async fn $promise() {
                super::$promise($crate::contract_store::Engine::SqlServer.subject().await).await;
            })*
        }
    };
}
pub(crate) use contract;

contract!(
    a_list_is_walked_whole_in_every_order,
    rows_that_come_and_go_neither_repeat_nor_hide_others,
    an_unknown_category_has_no_page_and_an_empty_one_an_empty_page,
    counts_follow_products_that_move,
    a_batch_is_applied_once,
    a_lease_that_was_taken_is_worth_nothing,
    a_state_that_is_done_is_not_done_again,
    a_new_state_supersedes_the_unfinished_one,
    an_older_state_that_comes_late_is_left,
    a_failed_run_goes_on_from_its_checkpoint,
    five_errors_in_a_row_fail_a_run,
    a_live_run_is_not_taken_from_its_owner,
    a_later_row_of_the_same_file_replaces_an_earlier_one,
    columns_that_the_file_lacks_keep_their_values,
    rejects_are_read_in_pages_and_pruned_after_thirty_days,
    versions_are_raised_above_what_was_seen,
);

pub fn product(asin: &str, price: Option<i64>, category: u32) -> Product {
    Product {
        asin: Asin::parse(asin).unwrap(),
        title: Title::parse("A lamp").unwrap(),
        img_url: None,
        product_url: None,
        stars: None,
        reviews: None,
        price: price.and_then(Money::from_hundredths),
        list_price: None,
        category_id: CategoryId::from_i64(i64::from(category)).unwrap(),
        is_best_seller: Some(false),
        bought_in_last_month: None,
    }
}

pub const ALL_COLUMNS: ProductColumns = ProductColumns {
    img_url: true,
    product_url: true,
    stars: true,
    reviews: true,
    price: true,
    list_price: true,
    is_best_seller: true,
    bought_in_last_month: true,
};

pub fn claim(source: &str, etag: &str, how: HowStarted) -> Claim {
    Claim {
        source: source.to_owned(),
        etag: etag.to_owned(),
        size: 1,
        how,
        modified: None,
        rejects_max: None,
    }
}

pub async fn begin(store: &Arc<dyn Store>, source: &str, etag: &str) -> (Run, Lease) {
    match store.claim_run(&claim(source, etag, HowStarted::ByHand)).await.unwrap() {
        Claimed::Ours(run, lease) => (*run, lease),
        other => panic!("{other:?}"),
    }
}

pub fn batch(start: u64, end: u64, products: Vec<Product>) -> Batch {
    let categories: BTreeSet<_> = products.iter().map(|product| product.category_id).collect();
    let categories = categories.into_iter().collect();
    Batch {
        start,
        end: Checkpoint { offset: end, line: end, ..Checkpoint::default() },
        read: products.len() as u64,
        replaced: 0,
        rows: Rows::Products { rows: products.into(), columns: ALL_COLUMNS, categories },
        rejects: Vec::new(),
    }
}

/// Loads products as one run of a file of its own.
pub async fn load(store: &Arc<dyn Store>, source: &str, products: Vec<Product>) {
    let (_, lease) = begin(store, source, "1").await;
    store.commit_batch(&lease, batch(0, 1, products)).await.unwrap();
    store.finish_loading(&lease).await.unwrap();
    store.end_run(&lease, End::Done).await.unwrap();
}

fn list(category: Option<u32>, sort: Sort, limit: usize) -> PageQuery {
    PageQuery {
        category: category.and_then(|id| CategoryId::from_i64(i64::from(id))),
        filter: Filter::default(),
        words: None,
        sort,
        limit: Limit::parse(&limit.to_string()).unwrap(),
        after: None,
    }
}

/// All products of a list, page by page; each page but the last must be full.
pub async fn walk(store: &Arc<dyn Store>, mut query: PageQuery) -> Vec<Product> {
    let mut all = Vec::new();
    loop {
        let page = store.page(&query).await.unwrap().value.unwrap();
        let is_last = page.next.is_none();
        assert!(is_last || page.products.len() == query.limit.get());
        all.extend(page.products);
        query.after = page.next;
        if is_last {
            return all;
        }
    }
}

/// The order that the contract asks for, worked out without any database.
fn sort_key(product: &Product, sort: Sort) -> (bool, i64, Asin) {
    let key = match sort {
        Sort::Asin => Some(0),
        Sort::Price => product.price.map(Money::hundredths),
        Sort::PriceDescending => product.price.map(|price| -price.hundredths()),
        Sort::StarsDescending => product.stars.map(|stars| -stars.hundredths()),
        Sort::ReviewsDescending => product.reviews.map(|reviews| -i64::from(reviews.get())),
    };
    (key.is_none(), key.unwrap_or_default(), product.asin)
}

/// Filters on the column that a list goes by, on others, and on several at once.
fn filters() -> [Filter; 5] {
    let (price, none) = (Money::from_hundredths, Filter::default());
    [
        Filter { min_price: price(2), ..none },
        Filter { max_price: price(1), ..none },
        Filter { min_price: price(1), max_price: price(2), ..none },
        Filter { min_stars: Stars::from_hundredths(2), best_seller: Some(false), ..none },
        Filter { best_seller: Some(true), ..none },
    ]
}

fn any_products() -> impl Strategy<Value = Vec<Product>> {
    let few = |most: i64| prop::option::of(0..most);
    let one = ("[A-C0-2a-]{1,3}", few(4), few(4), few(4), 1..4_u32);
    prop::collection::vec(one, 0..60).prop_map(|rows| {
        let mut by_asin = BTreeMap::new();
        for (asin, price, stars, reviews, category) in rows {
            let mut product = product(&asin, price, category);
            product.is_best_seller = price.map(|price| price == 3);
            product.stars = stars.and_then(Stars::from_hundredths);
            product.reviews = reviews.and_then(Count::from_i64);
            by_asin.insert(product.asin, product);
        }
        by_asin.into_values().collect()
    })
}

/// Few values and many ties and unknowns, in pages of every small size, against a sort of
/// the same products in memory.
async fn a_list_is_walked_whole_in_every_order(Subject { engine, .. }: Subject) {
    // A case on a server is some thousand questions over the wire.
    let cases = if engine == Engine::Sqlite { 24 } else { 4 };
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(cases));
    let runtime = tokio::runtime::Handle::current();
    let walked = tokio::task::spawn_blocking(move || {
        runner.run(&(any_products(), 1..8_usize), |(products, limit)| {
            runtime.block_on(async {
                let subject = engine.subject().await;
                load(&subject.store, "a", products.clone()).await;
                for sort in Sort::ALL {
                    for category in [None, Some(1), Some(2)] {
                        let id = category.and_then(|id| CategoryId::from_i64(i64::from(id)));
                        let mut expected: Vec<_> = products
                            .iter()
                            .filter(|product| id.is_none_or(|id| product.category_id == id))
                            .cloned()
                            .collect();
                        if expected.is_empty() {
                            continue;
                        }
                        expected.sort_by_key(|product| sort_key(product, sort));
                        let query = list(category, sort, limit);
                        let total = subject.store.page(&query).await.unwrap().value.unwrap().total;
                        prop_assert_eq!(total, Some(expected.len() as u64));
                        prop_assert_eq!(&walk(&subject.store, query.clone()).await, &expected);
                        for filter in filters() {
                            let some: Vec<_> = expected
                                .iter()
                                .filter(|p| filter.admits(p.price, p.stars, p.is_best_seller))
                                .cloned()
                                .collect();
                            let query = PageQuery { filter, ..query.clone() };
                            let page = subject.store.page(&query).await.unwrap().value.unwrap();
                            prop_assert_eq!(page.total, None);
                            prop_assert_eq!(walk(&subject.store, query).await, some);
                        }
                    }
                }
                Ok(())
            })
        })
    });
    walked.await.unwrap().unwrap();
}

async fn rows_that_come_and_go_neither_repeat_nor_hide_others(subject: Subject) {
    let store = &subject.store;
    let some = |range: std::ops::Range<i64>| -> Vec<Product> {
        range.map(|i| product(&format!("B{i:03}"), Some(i / 10), 1)).collect()
    };
    load(store, "a", some(0..50)).await;
    let mut query = list(None, Sort::Price, 10);
    let first = store.page(&query).await.unwrap().value.unwrap();
    // Meanwhile rows come before, at and behind the place, and one that was shown moves on.
    load(store, "b", some(50..60)).await;
    load(store, "c", vec![product("A000", Some(0), 1), product("B000", Some(3), 1)]).await;
    query.after = first.next;
    let rest = walk(store, query).await;
    let asins: Vec<_> = rest.iter().map(|product| product.asin.to_string()).collect();
    let expected: Vec<_> = some(10..60).iter().map(|product| product.asin.to_string()).collect();
    let unmoved: Vec<_> = asins.iter().filter(|asin| *asin != "B000").cloned().collect();
    assert_eq!(unmoved, expected);
}

async fn an_unknown_category_has_no_page_and_an_empty_one_an_empty_page(subject: Subject) {
    let store = &subject.store;
    load(store, "a", vec![product("B1", None, 1)]).await;
    load(store, "b", vec![product("B1", None, 2)]).await;
    assert!(store.page(&list(Some(3), Sort::Asin, 1)).await.unwrap().value.is_none());
    let empty = store.page(&list(Some(1), Sort::Price, 1)).await.unwrap().value.unwrap();
    assert_eq!((empty.products.len(), empty.next, empty.total), (0, None, Some(0)));
}

async fn counts_follow_products_that_move(subject: Subject) {
    let store = &subject.store;
    load(store, "a", (0..9).map(|i| product(&format!("B{i}"), None, 1 + i % 3)).collect()).await;
    load(store, "b", vec![product("B0", None, 3), product("B3", None, 3), product("C", None, 9)])
        .await;
    let counts = store.category_counts().await.unwrap().value;
    let counts: Vec<_> = counts.iter().map(|c| (c.category_id, c.total_products)).collect();
    assert_eq!(counts, [(3, 5), (2, 3), (1, 1), (9, 1)]);
    assert_eq!(
        store.page(&list(None, Sort::Asin, 1)).await.unwrap().value.unwrap().total,
        Some(10)
    );
    let ids: Vec<_> = store.categories().await.unwrap().value.iter().map(|c| c.id.get()).collect();
    assert_eq!(ids, [1, 2, 3, 9]);
}

async fn a_batch_is_applied_once(subject: Subject) {
    let store = &subject.store;
    let (run, lease) = begin(store, "a", "1").await;
    let first = batch(0, 10, vec![product("B1", None, 1)]);
    let committed = store.commit_batch(&lease, first.clone()).await.unwrap();
    assert_eq!((committed.counts.read, committed.counts.loaded), (1, 1));
    assert!(matches!(store.commit_batch(&lease, first).await, Err(StoreError::RunLost)));
    let too_far = batch(20, 30, vec![product("B2", None, 1)]);
    assert!(matches!(store.commit_batch(&lease, too_far).await, Err(StoreError::RunLost)));
    let now = store.run(run.id).await.unwrap().unwrap();
    assert_eq!((now.checkpoint.offset, now.counts.read), (10, 1));
    assert!(store.product(&Asin::parse("B2").unwrap()).await.unwrap().is_none());
}

async fn a_lease_that_was_taken_is_worth_nothing(subject: Subject) {
    let store = &subject.store;
    let (run, old) = begin(store, "a", "1").await;
    let (same, new) = begin(store, "a", "1").await;
    assert_eq!((run.id, run.attempt), (same.id, same.attempt));
    let first = batch(0, 1, vec![product("B1", None, 1)]);
    assert!(matches!(store.commit_batch(&old, first.clone()).await, Err(StoreError::RunLost)));
    assert!(matches!(store.finish_loading(&old).await, Err(StoreError::RunLost)));
    assert!(matches!(store.end_run(&old, End::Done).await, Err(StoreError::RunLost)));
    assert!(store.product(&Asin::parse("B1").unwrap()).await.unwrap().is_none());
    store.commit_batch(&new, first).await.unwrap();
}

async fn a_state_that_is_done_is_not_done_again(subject: Subject) {
    let store = &subject.store;
    load(store, "a", vec![product("B1", None, 1)]).await;
    for how in [HowStarted::ByHand, HowStarted::Delivered] {
        let claimed = store.claim_run(&claim("a", "1", how)).await.unwrap();
        assert!(matches!(claimed, Claimed::Ended(run) if run.state == RunState::Done));
    }
    let Claimed::Ours(again, _) =
        store.claim_run(&claim("a", "1", HowStarted::Again)).await.unwrap()
    else {
        panic!("a new attempt was asked for");
    };
    assert_eq!((again.attempt, again.checkpoint.offset, again.counts.read), (2, 0, 0));
}

async fn a_new_state_supersedes_the_unfinished_one(subject: Subject) {
    let store = &subject.store;
    let (old, old_lease) = begin(store, "a", "1").await;
    let (other, _) = begin(store, "b", "1").await;
    begin(store, "a", "2").await;
    assert_eq!(store.run(old.id).await.unwrap().unwrap().state, RunState::Superseded);
    assert_eq!(store.run(other.id).await.unwrap().unwrap().state, RunState::Loading);
    let late = batch(0, 1, vec![product("B1", None, 1)]);
    assert!(matches!(store.commit_batch(&old_lease, late).await, Err(StoreError::RunLost)));
    let claimed = store.claim_run(&claim("a", "1", HowStarted::Delivered)).await.unwrap();
    assert!(matches!(claimed, Claimed::Ended(run) if run.state == RunState::Superseded));
}

/// A delivery may be late: what it carries was overwritten since, and must not come back.
async fn an_older_state_that_comes_late_is_left(subject: Subject) {
    let store = &subject.store;
    let state = |etag, modified, how| Claim { modified, ..claim("a", etag, how) };
    let delivered = |etag, modified| state(etag, modified, HowStarted::Delivered);
    let claimed = store.claim_run(&delivered("new", Some(20))).await.unwrap();
    let Claimed::Ours(new, lease) = claimed else { panic!("nobody else has it") };
    for _unfinished_then_done in 0..2 {
        let late = store.claim_run(&delivered("old", Some(10))).await.unwrap();
        assert!(matches!(late, Claimed::Overtaken(run) if run.id == new.id));
        if store.run(new.id).await.unwrap().unwrap().state != RunState::Done {
            store.finish_loading(&lease).await.unwrap();
            store.end_run(&lease, End::Done).await.unwrap();
        }
    }
    // One that has failed by then has nothing to go on with either.
    let earlier = store.claim_run(&delivered("earlier", None)).await.unwrap();
    let Claimed::Ours(_, lease) = earlier else { panic!("nobody else has it") };
    store.end_run(&lease, End::Failed("no luck".into())).await.unwrap();
    let late = store.claim_run(&delivered("earlier", Some(10))).await.unwrap();
    assert!(matches!(late, Claimed::Overtaken(run) if run.id == new.id));
    // Of the same second, of an unknown one, of another source, or wanted by a person: begun.
    for claim in [
        delivered("same", Some(20)),
        delivered("unknown", None),
        Claim { source: "b".to_owned(), ..delivered("old", Some(10)) },
        state("old", Some(10), HowStarted::ByHand),
    ] {
        let claimed = store.claim_run(&claim).await.unwrap();
        assert!(matches!(claimed, Claimed::Ours(..)), "{claim:?}");
    }
}

async fn a_failed_run_goes_on_from_its_checkpoint(subject: Subject) {
    let store = &subject.store;
    let (run, lease) = begin(store, "a", "1").await;
    store.commit_batch(&lease, batch(0, 10, vec![product("B1", None, 1)])).await.unwrap();
    let failed = store.end_run(&lease, End::Failed("no luck".into())).await.unwrap();
    assert_eq!((failed.state, failed.error.as_deref()), (RunState::Failed, Some("no luck")));
    assert!(failed.ended_at.is_some());
    let (again, lease) = begin(store, "a", "1").await;
    assert_eq!((again.id, again.attempt, again.state), (run.id, 1, RunState::Loading));
    assert_eq!((again.checkpoint.offset, again.counts.loaded), (10, 1));
    store.commit_batch(&lease, batch(10, 20, vec![product("B2", None, 1)])).await.unwrap();
    store.finish_loading(&lease).await.unwrap();
    let done = store.end_run(&lease, End::Done).await.unwrap();
    assert_eq!((done.state, done.counts.loaded, done.error), (RunState::Done, 2, None));
}

async fn five_errors_in_a_row_fail_a_run(subject: Subject) {
    let store = &subject.store;
    let pause = End::Paused("the disk is full".to_owned());
    let mut offset = 0;
    for round in 1..=9 {
        let (run, lease) = begin(store, "a", "1").await;
        if round == 5 {
            // A batch that goes through sets the errors back to none.
            store.commit_batch(&lease, batch(offset, 10, vec![])).await.unwrap();
            offset = 10;
        }
        let paused = store.end_run(&lease, pause.clone()).await.unwrap();
        let expected = if round == 9 { RunState::Failed } else { RunState::Loading };
        assert_eq!(paused.state, expected, "round {round}, run {}", run.id);
    }
}

async fn a_live_run_is_not_taken_from_its_owner(subject: Subject) {
    let Subject { store, clock, .. } = &subject;
    let (run, lease) = begin(store, "a", "1").await;
    let delivered = claim("a", "1", HowStarted::Delivered);
    clock.turn(Duration::from_secs(20));
    assert!(matches!(store.claim_run(&delivered).await.unwrap(), Claimed::HeldElsewhere(_)));
    // A batch renews the lease.
    store.commit_batch(&lease, batch(0, 1, vec![])).await.unwrap();
    clock.turn(Duration::from_secs(20));
    assert!(matches!(store.claim_run(&delivered).await.unwrap(), Claimed::HeldElsewhere(_)));
    assert!(store.abandoned_runs().await.unwrap().is_empty());
    clock.turn(Duration::from_secs(11));
    let abandoned: Vec<_> = store.abandoned_runs().await.unwrap().iter().map(|r| r.id).collect();
    assert_eq!(abandoned, [run.id]);
    assert!(matches!(store.claim_run(&delivered).await.unwrap(), Claimed::Ours(..)));
}

/// The two rows lie in different batches, and once a kill in between.
async fn a_later_row_of_the_same_file_replaces_an_earlier_one(subject: Subject) {
    let store = &subject.store;
    load(store, "before", vec![product("B1", Some(1), 1), product("B2", Some(1), 1)]).await;
    let (run, lease) = begin(store, "a", "1").await;
    // The first row changes nothing, and is a row of this file all the same.
    store.commit_batch(&lease, batch(0, 1, vec![product("B1", Some(1), 1)])).await.unwrap();
    let (_, lease) = begin(store, "a", "1").await;
    store.commit_batch(&lease, batch(1, 2, vec![product("B1", Some(2), 1)])).await.unwrap();
    store.commit_batch(&lease, batch(2, 3, vec![product("B2", Some(2), 1)])).await.unwrap();
    store.commit_batch(&lease, batch(3, 4, vec![product("B3", Some(2), 1)])).await.unwrap();
    store.commit_batch(&lease, batch(4, 5, vec![product("B3", Some(3), 1)])).await.unwrap();
    let counts = store.run(run.id).await.unwrap().unwrap().counts;
    assert_eq!((counts.read, counts.loaded, counts.replaced), (5, 3, 2));
    let third = store.product(&Asin::parse("B3").unwrap()).await.unwrap().unwrap();
    assert_eq!(third.price.map(Money::hundredths), Some(3));
}

async fn columns_that_the_file_lacks_keep_their_values(subject: Subject) {
    let store = &subject.store;
    let mut full = product("B1", Some(500), 1);
    full.stars = Stars::from_hundredths(450);
    full.reviews = Count::from_i64(7);
    load(store, "a", vec![full]).await;
    let (_, lease) = begin(store, "b", "1").await;
    let mut partial = batch(0, 1, vec![product("B1", None, 1)]);
    if let Rows::Products { columns, .. } = &mut partial.rows {
        // The file has a price, empty for this row, and neither stars nor reviews.
        *columns = ProductColumns { price: true, ..ProductColumns::default() };
    }
    store.commit_batch(&lease, partial).await.unwrap();
    let now = store.product(&Asin::parse("B1").unwrap()).await.unwrap().unwrap();
    assert_eq!(now.price, None);
    assert_eq!(
        (now.stars.map(Stars::hundredths), now.reviews.map(Count::get)),
        (Some(450), Some(7))
    );
}

async fn rejects_are_read_in_pages_and_pruned_after_thirty_days(subject: Subject) {
    let Subject { store, clock, .. } = &subject;
    let (run, lease) = begin(store, "a", "1").await;
    let mut batch = batch(0, 10, vec![]);
    let rejects: Vec<_> = (0..5)
        .map(|i| Reject {
            line: i + 2,
            byte: i * 10,
            column: (i % 2 == 0).then(|| "price".to_owned()),
            reason: "must be a number".to_owned(),
            record: format!("B{i},x"),
        })
        .collect();
    (batch.read, batch.rejects) = (5, rejects.clone());
    let committed = store.commit_batch(&lease, batch).await.unwrap();
    assert_eq!((committed.counts.read, committed.counts.rejected), (5, 5));
    store.finish_loading(&lease).await.unwrap();
    store.end_run(&lease, End::Done).await.unwrap();
    assert_eq!(store.rejects(run.id, None, 2).await.unwrap(), rejects[..2]);
    assert_eq!(store.rejects(run.id, Some(10), 9).await.unwrap(), rejects[2..]);
    clock.turn(Duration::from_hours(30 * 24 - 1));
    assert_eq!(store.prune().await.unwrap(), 0);
    clock.turn(Duration::from_hours(1));
    assert_eq!(store.prune().await.unwrap(), 5);
    assert!(store.run(run.id).await.unwrap().is_some(), "the run itself is kept for ever");
}

async fn versions_are_raised_above_what_was_seen(subject: Subject) {
    let store = &subject.store;
    load(store, "a", vec![product("B1", None, 1), product("B2", None, 2)]).await;
    let before = store.versions().await.unwrap();
    let far = before[&Row(1)] + 1_000_000_000;
    let seen = Versions::from([(Row(1), far), (Row::CATALOGUE, 5), (Row(77), 5)]);
    let after = store.raise_versions(&seen).await.unwrap();
    assert!(after[&Row(1)] > far);
    assert!(after[&Row::CATALOGUE] > before[&Row::CATALOGUE] && after[&Row(77)] > 5);
    assert_eq!(after[&Row(2)], before[&Row(2)]);
    assert_eq!(store.versions().await.unwrap(), after);
}
