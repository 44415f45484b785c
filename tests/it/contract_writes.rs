//! What every store promises of writes of single products, checked the same way on each.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;
use vitrine::cache::versions::{Row, Versions};
use vitrine::catalog::{Asin, CategoryId, Money, Product};
use vitrine::store::{Edit, IdempotencyKey, Once, Store, StoreError, WriteError, Written};

use crate::contract_store::{Subject, contract, load, product};

contract!(
    a_product_is_created_once,
    an_edit_sees_what_is_stored_and_decides,
    a_refused_edit_changes_nothing,
    the_asin_is_no_part_of_an_edit,
    a_category_must_be_there,
    a_write_touches_its_own_categories_only,
    a_move_touches_both_categories,
    what_stays_as_it_is_touches_nothing,
    a_write_tells_the_whole_version_table,
    counters_follow_every_write,
    a_key_has_its_effect_once,
    a_key_is_not_used_for_another_effect,
    a_key_belongs_to_its_user_and_lasts_a_day,
    what_was_refused_leaves_no_key,
    editors_at_once_lose_no_edit,
);

pub fn asin(text: &str) -> Asin {
    Asin::parse(text).unwrap()
}

fn put(product: Product) -> Edit {
    Box::new(move |_| Ok(Some(product.clone())))
}

fn remove() -> Edit {
    Box::new(|_| Ok(None))
}

async fn replace(store: &Arc<dyn Store>, product: Product) -> Written {
    store.edit_product(&product.asin.clone(), put(product)).await.unwrap()
}

pub fn once(user: u128, key: &str, digest: u8) -> Once {
    let key = IdempotencyKey::parse(key).unwrap();
    Once { user: Uuid::from_u128(user), key, digest: [digest; 32] }
}

/// Categories 1 to 3 with two products each.
async fn fill(store: &Arc<dyn Store>) {
    let some =
        |category| (0..2).map(move |i| product(&format!("B{category}{i}"), Some(100), category));
    load(store, "a", (1..=3).flat_map(some).collect()).await;
}

fn raised(before: &Versions, after: &Versions) -> Vec<i64> {
    let mut rows: Vec<_> =
        after.iter().filter(|(row, v)| before.get(row) != Some(v)).map(|(row, _)| row.0).collect();
    rows.sort_unstable();
    rows
}

async fn counts(store: &Arc<dyn Store>) -> Vec<(u32, u64)> {
    let counts = store.category_counts().await.unwrap().value;
    let mut counts: Vec<_> = counts.iter().map(|c| (c.category_id, c.total_products)).collect();
    counts.sort_unstable();
    counts
}

async fn a_product_is_created_once(Subject { store, .. }: Subject) {
    fill(&store).await;
    let new = product("NEW", Some(5), 1);
    let written = store.create_product(&new, None).await.unwrap();
    assert_eq!((written.before, written.after.as_ref()), (None, Some(&new)));
    assert_eq!(store.product(&new.asin).await.unwrap().as_ref(), Some(&new));
    let other = product("NEW", Some(6), 2);
    let twice = store.create_product(&other, None).await.unwrap_err();
    assert!(matches!(twice, WriteError::Exists(asin) if asin == new.asin));
    assert_eq!(store.product(&new.asin).await.unwrap(), Some(new));
}

async fn an_edit_sees_what_is_stored_and_decides(Subject { store, .. }: Subject) {
    fill(&store).await;
    let dearer: fn() -> Edit = || {
        Box::new(|old| {
            let old = old.ok_or(WriteError::PreconditionFailed)?;
            let cents = old.price.map_or(0, Money::hundredths);
            Ok(Some(Product { price: Money::from_hundredths(cents + 1), ..old.clone() }))
        })
    };
    let written = store.edit_product(&asin("B10"), dearer()).await.unwrap();
    assert_eq!(written.before, Some(product("B10", Some(100), 1)));
    assert_eq!(written.after, Some(product("B10", Some(101), 1)));
    assert_eq!(store.product(&asin("B10")).await.unwrap(), written.after);
    let refused = store.edit_product(&asin("NONE"), dearer()).await;
    assert!(matches!(refused, Err(WriteError::PreconditionFailed)));
    let removed = store.edit_product(&asin("B10"), remove()).await.unwrap();
    assert_eq!((removed.before, removed.after), (written.after, None));
    assert_eq!(store.product(&asin("B10")).await.unwrap(), None);
}

async fn a_refused_edit_changes_nothing(Subject { store, .. }: Subject) {
    fill(&store).await;
    let before = store.versions().await.unwrap();
    let refuse: Edit = Box::new(|_| Err(WriteError::PreconditionFailed));
    let refused = store.edit_product(&asin("B10"), refuse).await;
    assert!(matches!(refused, Err(WriteError::PreconditionFailed)));
    assert_eq!(store.versions().await.unwrap(), before);
    assert_eq!(store.product(&asin("B10")).await.unwrap(), Some(product("B10", Some(100), 1)));
}

async fn the_asin_is_no_part_of_an_edit(Subject { store, .. }: Subject) {
    fill(&store).await;
    let written = store.edit_product(&asin("B10"), put(product("B11", None, 1))).await;
    assert!(matches!(written, Err(WriteError::Store(StoreError::Corrupt(_)))));
    assert_eq!(store.product(&asin("B11")).await.unwrap(), Some(product("B11", Some(100), 1)));
}

async fn a_category_must_be_there(Subject { store, .. }: Subject) {
    fill(&store).await;
    let before = store.versions().await.unwrap();
    let is_unknown = |error| matches!(error, WriteError::UnknownCategory(id) if id.get() == 9);
    assert!(is_unknown(store.create_product(&product("NEW", None, 9), None).await.unwrap_err()));
    let moved = store.edit_product(&asin("B10"), put(product("B10", None, 9))).await;
    assert!(is_unknown(moved.unwrap_err()));
    assert_eq!(store.versions().await.unwrap(), before);
    assert_eq!(counts(&store).await, [(1, 2), (2, 2), (3, 2)]);
}

async fn a_write_touches_its_own_categories_only(Subject { store, .. }: Subject) {
    fill(&store).await;
    let mut before = store.versions().await.unwrap();
    for write in [
        store.create_product(&product("NEW", None, 2), None).await,
        store.edit_product(&asin("NEW"), put(product("NEW", Some(1), 2))).await,
        store.edit_product(&asin("NEW"), remove()).await,
    ] {
        let after = write.unwrap().versions;
        assert_eq!(raised(&before, &after), [Row::CATALOGUE.0, 2]);
        before = after;
    }
}

async fn a_move_touches_both_categories(Subject { store, .. }: Subject) {
    fill(&store).await;
    let before = store.versions().await.unwrap();
    let after = replace(&store, product("B10", Some(100), 3)).await.versions;
    assert_eq!(raised(&before, &after), [Row::CATALOGUE.0, 1, 3]);
    assert_eq!(counts(&store).await, [(1, 1), (2, 2), (3, 3)]);
}

async fn what_stays_as_it_is_touches_nothing(Subject { store, .. }: Subject) {
    fill(&store).await;
    let before = store.versions().await.unwrap();
    let same = replace(&store, product("B10", Some(100), 1)).await;
    assert_eq!((&same.before, &same.versions), (&same.after, &before));
    let nothing = store.edit_product(&asin("NONE"), remove()).await.unwrap();
    assert_eq!((nothing.before, nothing.after), (None, None));
    assert_eq!(store.versions().await.unwrap(), before);
}

/// What another instance wrote a moment ago is known here with the next write.
async fn a_write_tells_the_whole_version_table(Subject { store, .. }: Subject) {
    fill(&store).await;
    for category in 1..=3 {
        let written = replace(&store, product("NEW", Some(1), category)).await;
        assert_eq!(written.versions, store.versions().await.unwrap());
    }
}

async fn counters_follow_every_write(Subject { store, .. }: Subject) {
    fill(&store).await;
    for (asin, category) in [("N1", Some(1)), ("N2", Some(2)), ("N1", Some(2)), ("B10", None)] {
        let product = category.map(|category| product(asin, None, category));
        let edit: Edit = Box::new(move |_| Ok(product.clone()));
        store.edit_product(&self::asin(asin), edit).await.unwrap();
    }
    assert_eq!(counts(&store).await, [(1, 1), (2, 4), (3, 2)]);
}

async fn a_key_has_its_effect_once(Subject { store, .. }: Subject) {
    fill(&store).await;
    let new = product("NEW", Some(5), 1);
    let key = once(7, "key", 1);
    let first = store.create_product(&new, Some(&key)).await.unwrap();
    // Whatever becomes of it: the same request gets the answer that it got.
    store.edit_product(&new.asin, remove()).await.unwrap();
    let before = store.versions().await.unwrap();
    let again = store.create_product(&new, Some(&key)).await.unwrap();
    assert_eq!((&again.before, &again.after), (&first.before, &first.after));
    assert_eq!(again.versions, before, "nothing was written");
    assert_eq!(store.product(&new.asin).await.unwrap(), None);
}

async fn a_key_is_not_used_for_another_effect(Subject { store, .. }: Subject) {
    fill(&store).await;
    store.create_product(&product("N1", None, 1), Some(&once(7, "key", 1))).await.unwrap();
    let other = product("N2", None, 1);
    let reused = store.create_product(&other, Some(&once(7, "key", 2))).await;
    assert!(matches!(reused, Err(WriteError::KeyReused)));
    assert_eq!(store.product(&other.asin).await.unwrap(), None);
}

async fn a_key_belongs_to_its_user_and_lasts_a_day(Subject { store, clock, .. }: Subject) {
    fill(&store).await;
    let (n1, n2) = (product("N1", None, 1), product("N2", None, 1));
    store.create_product(&n1, Some(&once(7, "key", 1))).await.unwrap();
    store.create_product(&n2, Some(&once(8, "key", 2))).await.unwrap();
    clock.turn(Duration::from_hours(24) - Duration::from_micros(1));
    assert_eq!(store.prune().await.unwrap(), 0);
    assert!(store.create_product(&n1, Some(&once(7, "key", 1))).await.is_ok());
    clock.turn(Duration::from_micros(1));
    // Not known any more, whether it was pruned or not.
    let forgotten = store.create_product(&n1, Some(&once(7, "key", 1))).await;
    assert!(matches!(forgotten, Err(WriteError::Exists(_))));
    let n3 = product("N3", None, 1);
    store.create_product(&n3, Some(&once(7, "key", 3))).await.unwrap();
    assert_eq!(store.prune().await.unwrap(), 1, "the one that was used anew stays");
    assert_eq!(store.prune().await.unwrap(), 0);
    assert!(store.create_product(&n3, Some(&once(7, "key", 3))).await.is_ok());
}

async fn what_was_refused_leaves_no_key(Subject { store, .. }: Subject) {
    fill(&store).await;
    let key = |digest| once(7, "key", digest);
    let exists = store.create_product(&product("B10", None, 1), Some(&key(1))).await;
    assert!(matches!(exists, Err(WriteError::Exists(_))));
    let unknown = store.create_product(&product("NEW", None, 9), Some(&key(2))).await;
    assert!(matches!(unknown, Err(WriteError::UnknownCategory(_))));
    store.create_product(&product("NEW", None, 1), Some(&key(3))).await.unwrap();
}

/// Each adds one, and moves the product on to the next category.
async fn editors_at_once_lose_no_edit(Subject { store, .. }: Subject) {
    fill(&store).await;
    let editors: Vec<_> = (0..30)
        .map(|_| {
            let store = Arc::clone(&store);
            let edit: Edit = Box::new(|old| {
                let old = old.ok_or(WriteError::PreconditionFailed)?;
                let cents = old.price.map_or(0, Money::hundredths);
                let next = i64::from(old.category_id.get() % 3 + 1);
                Ok(Some(Product {
                    price: Money::from_hundredths(cents + 1),
                    category_id: CategoryId::from_i64(next).unwrap(),
                    ..old.clone()
                }))
            });
            tokio::spawn(async move { store.edit_product(&asin("B10"), edit).await })
        })
        .collect();
    for editor in editors {
        editor.await.unwrap().unwrap();
    }
    let now = store.product(&asin("B10")).await.unwrap().unwrap();
    assert_eq!(now, product("B10", Some(130), 1));
    assert_eq!(counts(&store).await, [(1, 2), (2, 2), (3, 2)]);
}
