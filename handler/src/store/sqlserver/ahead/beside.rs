//! Which batches may be applied beside each other.

use std::collections::HashSet;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;
use xxhash_rust::xxh3::xxh3_64;

use crate::catalog::CategoryId;
use crate::store::{Batch, Lease, Rows, RunId};

/// How long a batch waits for the one before it to begin.
const BEGUN_WITHIN: Duration = Duration::from_secs(10);
/// Batches that are known of at once, half a megabyte each. An import has two; of one that was
/// given up in the middle nobody tells.
const MOST: usize = 8;

/// What is known of batches that are not committed, and of categories that are.
#[derive(Default)]
pub(super) struct Beside {
    batches: Vec<Expected>,
    /// Categories that are there: none is removed but with the state of the whole database.
    categories: HashSet<CategoryId>,
    /// The runs whose batches the server had wait for each other.
    refused: HashSet<RunId>,
}

/// A batch that is to be applied, or is being applied.
struct Expected {
    lease: Lease,
    start: u64,
    end: u64,
    /// Hashes of the asins; two that happen to be alike cost a while.
    products: HashSet<u64, foldhash::fast::RandomState>,
    /// The categories of all its rows.
    categories: Vec<CategoryId>,
    /// Whether it has its lock.
    has_begun: watch::Sender<bool>,
}

/// A batch that another one may be applied beside.
pub(super) struct Before {
    pub(super) start: u64,
    has_begun: watch::Receiver<bool>,
}

impl Before {
    /// Waits until the batch has its lock, or has ended; `None` if that takes too long.
    pub(super) async fn has_begun(mut self) -> Option<()> {
        // It ends with its entry.
        let waited = timeout(BEGUN_WITHIN, self.has_begun.wait_for(|begun| *begun)).await;
        waited.ok().map(drop)
    }
}

impl Beside {
    /// A batch is to be applied.
    pub(super) fn expect(&mut self, lease: &Lease, batch: &Batch) {
        let Rows::Products { rows, categories, .. } = &batch.rows else { return };
        self.forget(|its, start| its == lease && start == batch.start);
        if self.batches.len() == MOST {
            self.batches.remove(0);
        }
        let products = rows.iter().map(|product| xxh3_64(product.asin.as_str().as_bytes()));
        self.batches.push(Expected {
            lease: *lease,
            start: batch.start,
            end: batch.end.offset,
            products: products.collect(),
            categories: categories.clone(),
            has_begun: watch::Sender::new(false),
        });
    }

    pub(super) fn has_begun(&self, lease: &Lease, start: u64) {
        if let Some(batch) = self.find(lease, |batch| batch.start == start) {
            batch.has_begun.send_replace(true);
        }
    }

    pub(super) fn forget(&mut self, is_it: impl Fn(&Lease, u64) -> bool) {
        self.batches.retain(|batch| !is_it(&batch.lease, batch.start));
    }

    pub(super) fn know(&mut self, categories: impl Iterator<Item = CategoryId>) {
        self.categories.extend(categories);
    }

    /// Those of these categories that may be missing.
    pub(super) fn unknown(&self, categories: &[CategoryId]) -> Vec<CategoryId> {
        categories.iter().filter(|id| !self.categories.contains(id)).copied().collect()
    }

    pub(super) fn know_all(&mut self, categories: HashSet<CategoryId>) {
        self.categories = categories;
    }

    /// No more batches of this run are applied beside each other.
    pub(super) fn refuse(&mut self, run: RunId) {
        self.refused.insert(run);
    }

    /// The batch before the one that begins here, if both may be applied beside each other.
    pub(super) fn before(&self, lease: &Lease, start: u64) -> Option<Before> {
        if self.refused.contains(&lease.run) {
            return None;
        }
        let batch = self.find(lease, |batch| batch.start == start)?;
        let before = self.find(lease, |before| before.end == start)?;
        // Whichever lacks one makes it, and the other would wait for that.
        let mut categories = batch.categories.iter().chain(&before.categories);
        let are_there = categories.all(|id| self.categories.contains(id));
        (are_there && batch.products.is_disjoint(&before.products))
            .then(|| Before { start: before.start, has_begun: before.has_begun.subscribe() })
    }

    fn find(&self, lease: &Lease, is_it: impl Fn(&Expected) -> bool) -> Option<&Expected> {
        self.batches.iter().find(|batch| batch.lease == *lease && is_it(batch))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use uuid::Uuid;

    use super::*;
    use crate::catalog::{Asin, Product, Title};
    use crate::store::{Checkpoint, ProductColumns};

    fn lease(run: i64) -> Lease {
        Lease { run: RunId(run), token: Uuid::from_u128(7) }
    }

    fn batch(start: u64, asins: &[&str], category: &str) -> Batch {
        let category_id = CategoryId::parse("id", category).unwrap();
        let product = |asin: &&str| Product {
            asin: Asin::parse(asin).unwrap(),
            title: Title::parse("A lamp").unwrap(),
            img_url: None,
            product_url: None,
            stars: None,
            reviews: None,
            price: None,
            list_price: None,
            category_id,
            is_best_seller: None,
            bought_in_last_month: None,
        };
        Batch {
            start,
            end: Checkpoint { offset: start + 10, ..Checkpoint::default() },
            read: asins.len() as u64,
            replaced: 0,
            rows: Rows::Products {
                rows: Arc::new(asins.iter().map(product).collect()),
                columns: ProductColumns::default(),
                categories: vec![category_id],
            },
            rejects: Vec::new(),
        }
    }

    #[tokio::test]
    async fn batches_that_have_nothing_in_common_are_applied_beside_each_other() {
        let mut beside = Beside::default();
        let (ours, others) = (lease(1), lease(2));
        for start in 0..20 {
            beside.expect(&others, &batch(start, &["B1"], "1"));
        }
        assert_eq!(beside.batches.len(), MOST);
        beside.expect(&ours, &batch(0, &["B1", "B2"], "1"));
        beside.expect(&ours, &batch(10, &["B3"], "1"));
        assert!(beside.before(&ours, 10).is_none(), "the category may not be there");
        let category = CategoryId::parse("id", "1").unwrap();
        assert_eq!(beside.unknown(&[category]), [category]);
        beside.know(std::iter::once(category));
        assert_eq!(beside.unknown(&[category]), []);
        let before = beside.before(&ours, 10).unwrap();
        assert_eq!(before.start, 0);
        assert!(beside.before(&ours, 0).is_none(), "there is none before");
        assert!(beside.before(&others, 10).is_none());
        beside.has_begun(&ours, 0);
        assert_eq!(before.has_begun().await, Some(()));

        let before = beside.before(&ours, 10).unwrap();
        beside.forget(|_, start| start == 0);
        assert_eq!(before.has_begun().await, Some(()), "it has ended");
        assert!(beside.before(&ours, 10).is_none(), "there is none any more");

        beside.expect(&ours, &batch(20, &["B4", "B3"], "1"));
        assert!(beside.before(&ours, 20).is_none(), "both write B3");
        beside.expect(&ours, &batch(20, &["B4"], "1"));
        assert!(beside.before(&ours, 20).is_some());
        beside.refuse(ours.run);
        assert!(beside.before(&ours, 20).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever_for_one_that_does_not_begin() {
        let mut beside = Beside::default();
        beside.know(std::iter::once(CategoryId::parse("id", "1").unwrap()));
        beside.expect(&lease(1), &batch(0, &["B1"], "1"));
        beside.expect(&lease(1), &batch(10, &["B2"], "1"));
        assert_eq!(beside.before(&lease(1), 10).unwrap().has_begun().await, None);
    }
}
