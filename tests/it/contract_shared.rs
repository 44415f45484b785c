//! What every shared part promises, checked the same way on each. Two instances share it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;
use vitrine::cache::shared::{Kept, LEASE, Lease, Page, Place, Shared, Stamp, Turn};
use vitrine::cache::versions::{Row, Tag, Version, Versions};

use crate::support::redis::{RedisServer, some_prefix};

/// What is told comes by then on a machine under load, and what is not told does not.
const TOLD_WITHIN: Duration = Duration::from_secs(20);
const LIFE: Duration = Duration::from_mins(10);

/// Two instances' ends of one shared part.
pub type Pair = [Arc<dyn Shared>; 2];

/// Checks each promise on each shared part, and makes one function of them all.
macro_rules! contract {
    ($($promise:ident),* $(,)?) => {
        mod on_redis {
            $(#[tokio::test(flavor = "multi_thread")]
            #[ignore = "needs TEST_REDIS_SERVER"]
            async fn $promise() {
                let server = super::RedisServer::start();
                super::$promise(super::pair_on(&server)).await;
            })*
        }

        /// Every promise, each on a shared part of its own.
        pub async fn keeps_the_contract(make: impl Fn() -> Pair) {
            $($promise(make()).await;)*
        }
    };
}

contract!(
    a_version_never_falls,
    every_instance_is_told_what_has_risen_and_nothing_else,
    the_whole_table_rises_in_one_go,
    what_is_missing_is_missing,
    an_older_page_of_the_same_row_replaces_nothing,
    a_page_of_another_row_replaces_any,
    a_page_ends_with_its_life,
    places_are_apart,
    a_lease_is_held_by_one,
    a_lease_is_given_back_by_its_holder_only,
    a_fill_gives_the_lease_back,
    a_page_that_was_seen_is_not_given_again,
    words_of_all_instances_are_kept,
);

fn pair_on(server: &RedisServer) -> Pair {
    let prefix = some_prefix();
    [server.shared(&prefix), server.shared(&prefix)]
}

pub fn versions<const N: usize>(rows: [(i64, Version); N]) -> Versions {
    rows.into_iter().map(|(row, version)| (Row(row), version)).collect()
}

pub fn place(slot: &str, name: &str) -> Place {
    Place { slot: slot.to_owned(), name: name.to_owned() }
}

pub fn page(row: i64, version: Version, body: &str) -> Page {
    let stamp = Stamp::of(Tag { row: Row(row), version });
    let bytes = Bytes::from(format!("{}{body}", stamp.as_str()));
    Page { stamp, bytes }
}

pub fn lease(under: &str, token: &str) -> Lease {
    Lease { under: under.to_owned(), token: token.to_owned() }
}

/// The versions that an instance is told until it has heard of this row.
async fn told_until(shared: &Arc<dyn Shared>, row: i64) -> Versions {
    let mut all = Versions::new();
    while !all.contains_key(&Row(row)) {
        all.extend(timeout(TOLD_WITHIN, shared.told()).await.expect("it is told"));
    }
    all
}

/// Waits until both listen: what is told before is lost.
pub async fn listening([one, other]: &Pair) {
    let mut hears = BTreeSet::new();
    for version in 1.. {
        one.raise(&versions([(-99, version)])).await.unwrap();
        let told = async {
            tokio::select! { _ = one.told() => 0, _ = other.told() => 1 }
        };
        if let Ok(who) = timeout(Duration::from_millis(50), told).await {
            hears.insert(who);
        }
        if hears.len() == 2 {
            break;
        }
    }
    // What is still on its way from above.
    while timeout(Duration::from_millis(100), one.told()).await.is_ok() {}
    while timeout(Duration::from_millis(100), other.told()).await.is_ok() {}
}

async fn bytes_at(shared: &Arc<dyn Shared>, place: &Place) -> Option<Bytes> {
    shared.get(place).await.unwrap().map(|kept| kept.bytes)
}

async fn a_version_never_falls([one, other]: Pair) {
    assert_eq!(one.versions().await.unwrap(), versions([]), "a row that is missing is unknown");
    one.raise(&versions([(0, 10), (7, 1_764_000_000_000_001), (-1, 0)])).await.unwrap();
    other.raise(&versions([(0, 9), (7, 1_764_000_000_000_002), (8, 3)])).await.unwrap();
    one.raise(&versions([(7, 999), (8, Version::MIN), (9, Version::MAX)])).await.unwrap();
    let expected =
        versions([(0, 10), (7, 1_764_000_000_000_002), (-1, 0), (8, 3), (9, Version::MAX)]);
    assert_eq!(one.versions().await.unwrap(), expected);
    assert_eq!(other.versions().await.unwrap(), expected);
    one.raise(&versions([])).await.unwrap();
}

async fn every_instance_is_told_what_has_risen_and_nothing_else(pair: Pair) {
    listening(&pair).await;
    let [one, other] = &pair;
    one.raise(&versions([(0, 10), (7, 10), (-2, 1)])).await.unwrap();
    for shared in &pair {
        assert_eq!(told_until(shared, 0).await, versions([(0, 10), (7, 10), (-2, 1)]));
    }
    other.raise(&versions([(0, 10), (7, 9)])).await.unwrap();
    other.raise(&versions([(0, 9), (7, 11), (8, 1)])).await.unwrap();
    for shared in &pair {
        assert_eq!(told_until(shared, 7).await, versions([(7, 11), (8, 1)]));
    }
}

/// A catalogue of 2,000 categories and its three rows of its own.
async fn the_whole_table_rises_in_one_go(pair: Pair) {
    listening(&pair).await;
    let now = 1_764_000_000_000_000;
    let mut table: Versions = (-2..=2_000).map(|row| (Row(row), now)).collect();
    assert_eq!(table.len(), 2_003);
    pair[0].raise(&table).await.unwrap();
    for shared in &pair {
        assert_eq!(told_until(shared, 1_999).await, table);
    }
    let mut kept = pair[0].versions().await.unwrap();
    assert!(kept.remove(&Row(-99)).is_some(), "the row of those who listen");
    assert_eq!(kept, table);

    // Every second one rises, the others fall.
    for (row, version) in &mut table {
        *version += if row.0 % 2 == 0 { -1 } else { 1 };
    }
    pair[1].raise(&table).await.unwrap();
    table.retain(|row, _| row.0 % 2 != 0);
    assert_eq!(told_until(&pair[0], 1_999).await, table);
}

async fn what_is_missing_is_missing([one, _]: Pair) {
    assert_eq!(one.get(&place("7", "a")).await.unwrap(), None);
    assert_eq!(one.words().await.unwrap(), Vec::<String>::new());
    one.give_back(&place("7", "a"), &lease("1", "mine")).await.unwrap();
}

async fn an_older_page_of_the_same_row_replaces_nothing([one, other]: Pair) {
    let here = place("7", "a");
    let fill = async |shared: &Arc<dyn Shared>, page: &Page| {
        shared.fill(&here, page, LIFE, None).await.unwrap();
    };
    fill(&one, &page(7, 10, "new")).await;
    fill(&other, &page(7, 9, "old")).await;
    assert_eq!(bytes_at(&other, &here).await, Some(page(7, 10, "new").bytes));
    fill(&other, &page(7, 10, "equal")).await;
    assert_eq!(bytes_at(&one, &here).await, Some(page(7, 10, "equal").bytes));
    fill(&one, &page(7, 1_764_000_000_000_000, "newer")).await;
    assert_eq!(bytes_at(&other, &here).await, Some(page(7, 1_764_000_000_000_000, "newer").bytes));
}

async fn a_page_of_another_row_replaces_any([one, other]: Pair) {
    let here = place("p:LAMP", "");
    for page in [page(7, 10, "moves"), page(8, 9, "here"), page(0, 1, "and goes"), page(-1, 0, "")]
    {
        one.fill(&here, &page, LIFE, None).await.unwrap();
        assert_eq!(bytes_at(&other, &here).await, Some(page.bytes));
    }
}

async fn a_page_ends_with_its_life([one, other]: Pair) {
    let (long, short) = (place("7", "long"), place("7", "short"));
    // Any bytes, and a lot of them.
    let mut long_lived = page(7, 1, "").bytes.to_vec();
    long_lived.extend((0..1_000_000_u32).map(|n| n.to_le_bytes()[0]));
    let long_lived = Page { bytes: long_lived.into(), ..page(7, 1, "") };
    one.fill(&long, &long_lived, LIFE, None).await.unwrap();
    let Kept { bytes, left } = other.get(&long).await.unwrap().unwrap();
    assert_eq!(bytes, long_lived.bytes);
    assert!(left <= LIFE && left + TOLD_WITHIN > LIFE, "{left:?}");

    one.fill(&short, &page(7, 1, ""), Duration::from_millis(30), None).await.unwrap();
    let gone = async { while other.get(&short).await.unwrap().is_some() {} };
    timeout(TOLD_WITHIN, gone).await.unwrap();
    one.fill(&short, &page(7, 0, ""), Duration::ZERO, None).await.unwrap();
}

async fn places_are_apart([one, other]: Pair) {
    let places = [place("7", "a"), place("7", "b"), place("8", "a"), place("7", "")];
    for (number, place) in (0..).zip(&places) {
        one.fill(place, &page(7, number, "x"), LIFE, None).await.unwrap();
    }
    for (number, place) in (0..).zip(&places) {
        assert_eq!(bytes_at(&other, place).await, Some(page(7, number, "x").bytes));
    }
}

async fn a_lease_is_held_by_one([one, other]: Pair) {
    let here = place("7", "a");
    let turn = async |shared: &Arc<dyn Shared>, lease| {
        shared.get_or_lease(&here, None, &lease).await.unwrap()
    };
    assert_eq!(turn(&one, lease("10", "mine")).await, Turn::Granted);
    assert_eq!(turn(&other, lease("10", "theirs")).await, Turn::Held);
    assert_eq!(turn(&one, lease("10", "mine too")).await, Turn::Held);
    // Who knows a newer version does not wait for the load of an older one.
    assert_eq!(turn(&other, lease("11", "theirs")).await, Turn::Granted);
    let (elsewhere, theirs) = (place("7", "b"), lease("10", "theirs"));
    let granted = other.get_or_lease(&elsewhere, None, &theirs).await.unwrap();
    assert_eq!(granted, Turn::Granted);
    // Nobody gives it back, and still it ends.
    let ended = async {
        while turn(&other, lease("10", "theirs")).await != Turn::Granted {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LEASE + TOLD_WITHIN, ended).await.unwrap();
}

async fn a_lease_is_given_back_by_its_holder_only([one, other]: Pair) {
    let here = place("7", "a");
    let (mine, theirs) = (lease("10", "mine"), lease("10", "theirs"));
    assert_eq!(one.get_or_lease(&here, None, &mine).await.unwrap(), Turn::Granted);
    other.give_back(&here, &theirs).await.unwrap();
    other.fill(&here, &page(7, 9, ""), LIFE, Some(&theirs)).await.unwrap();
    let seen = page(7, 9, "").stamp;
    assert_eq!(other.get_or_lease(&here, Some(&seen), &theirs).await.unwrap(), Turn::Held);
    one.give_back(&here, &mine).await.unwrap();
    assert_eq!(other.get_or_lease(&here, Some(&seen), &theirs).await.unwrap(), Turn::Granted);
}

/// Whether the page is taken or not.
async fn a_fill_gives_the_lease_back([one, other]: Pair) {
    let here = place("7", "a");
    for version in [10, 9] {
        let mine = lease("10", "mine");
        let seen = page(7, 10, "").stamp;
        let turn = one.get_or_lease(&here, Some(&seen), &mine).await.unwrap();
        assert_eq!(turn, Turn::Granted, "{version}");
        one.fill(&here, &page(7, version, ""), LIFE, Some(&mine)).await.unwrap();
    }
    let seen = page(7, 10, "").stamp;
    let turn = other.get_or_lease(&here, Some(&seen), &lease("10", "theirs")).await.unwrap();
    assert_eq!(turn, Turn::Granted);
}

async fn a_page_that_was_seen_is_not_given_again([one, other]: Pair) {
    let here = place("7", "a");
    let (old, new) = (page(7, 9, "old"), page(7, 10, "new"));
    one.fill(&here, &old, LIFE, None).await.unwrap();
    let Turn::Page(kept) = other.get_or_lease(&here, None, &lease("10", "x")).await.unwrap() else {
        panic!("nothing was seen");
    };
    assert_eq!(kept.bytes, old.bytes);
    assert!(kept.left <= LIFE && kept.left + TOLD_WITHIN > LIFE);
    let seen = Some(&old.stamp);
    let turn = other.get_or_lease(&here, seen, &lease("10", "x")).await.unwrap();
    assert_eq!(turn, Turn::Granted);
    one.fill(&here, &new, LIFE, None).await.unwrap();
    for shared in [&one, &other] {
        let turn = shared.get_or_lease(&here, seen, &lease("10", "y")).await.unwrap();
        assert!(matches!(turn, Turn::Page(kept) if kept.bytes == new.bytes));
    }
}

async fn words_of_all_instances_are_kept([one, other]: Pair) {
    one.leave_word("a", r#"{"hits":1}"#).await.unwrap();
    one.leave_word("a", r#"{"hits":2}"#).await.unwrap();
    other.leave_word("b", r#"{"hits":"é"}"#).await.unwrap();
    for shared in [&one, &other] {
        let mut words = shared.words().await.unwrap();
        words.sort_unstable();
        assert_eq!(words, [r#"{"hits":"é"}"#, r#"{"hits":2}"#]);
    }
}
