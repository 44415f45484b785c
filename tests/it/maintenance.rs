//! The timer heals what no instance was told of, in both directions: a host may call it in a
//! process that answers nobody.

use std::sync::Arc;

use vitrine::cache::Cache;
use vitrine::cache::shared::Shared;
use vitrine::cache::versions::{Row, Versions};
use vitrine::clock::Clock;
use vitrine::identity::accounts::Accounts;
use vitrine::identity::local::LocalAccounts;
use vitrine::identity::own_key;
use vitrine::identity::token::Tokens;
use vitrine::import::source::Sources;
use vitrine::maintenance::{Maintained, Maintenance};
use vitrine::question::FromStore;
use vitrine::store::Store;

use crate::support::TestFolder;
use crate::support::app::LIMITS;
use crate::support::twin::Twin;

const PRODUCTS: &str = "asin,title,category_id\nLAMP,A lamp,7\n";

/// A process that is only asked to maintain, and another one's end of what they share.
struct Office {
    folder: TestFolder,
    store: Arc<dyn Store>,
    maintenance: Maintenance,
    published: Arc<Twin>,
}

impl Office {
    async fn new() -> Self {
        let folder = TestFolder::new();
        let store: Arc<dyn Store> = folder.store();
        let products = folder.file("products.csv", PRODUCTS);
        folder.import(&store, &products).await.unwrap();
        let [end, published] = Twin::ends();
        let origin = Arc::new(FromStore(Arc::clone(&store)));
        let cache = Cache::beside(origin, LIMITS, Some(end as Arc<dyn Shared>));
        let tokens = Arc::new(Tokens::new(&own_key::new(), None, Clock::System));
        let identity = Arc::new(LocalAccounts::new(Arc::clone(&store)));
        let life = std::time::Duration::from_hours(1);
        let accounts = Accounts::new(Arc::clone(&store), identity, tokens, &[], life);
        let maintenance = Maintenance {
            store: Arc::clone(&store),
            rejects: folder.rejects(),
            sources: Sources::default(),
            accounts: Arc::new(accounts),
            cache: Arc::new(cache),
        };
        Self { folder, store, maintenance, published }
    }

    async fn stored(&self) -> Versions {
        Versions::clone(&*self.store.versions().await.unwrap())
    }

    async fn published(&self) -> Versions {
        self.published.versions().await.unwrap()
    }

    async fn maintain(&self) {
        assert_eq!(self.maintenance.run().await.unwrap(), Maintained::Done);
    }
}

/// As after a crash between commit and publication, a flush, or a change behind the service's
/// back: the store is ahead.
#[tokio::test]
async fn what_was_committed_and_never_told_is_told() {
    let office = Office::new().await;
    office.maintain().await;
    assert_eq!(office.published().await, office.stored().await, "nothing was told at all");
    let before = office.published().await;
    let moved = office.folder.file("moved.csv", PRODUCTS.replace("A lamp", "Another lamp"));
    office.folder.import(&office.store, &moved).await.unwrap();
    assert_eq!(office.published().await, before, "the import told nobody");
    office.maintain().await;
    let after = office.published().await;
    assert!(after[&Row(7)] > before[&Row(7)]);
    assert_eq!(after, office.stored().await);
    let counters = office.maintenance.cache.counters().read();
    assert_eq!((counters.reconciliations, counters.reconciliations_found), (2, 2));
    office.maintain().await;
    let counters = office.maintenance.cache.counters().read();
    assert_eq!((counters.reconciliations, counters.reconciliations_found), (3, 2));
}

/// A database that was restored to an earlier state: what is published is ahead.
#[tokio::test]
async fn a_store_behind_what_was_published_is_raised_above_it() {
    let office = Office::new().await;
    let seen = office.stored().await[&Row(7)] + 1_000_000_000;
    office.published.raise(&Versions::from([(Row(7), seen)])).await.unwrap();
    office.maintain().await;
    assert!(office.stored().await[&Row(7)] > seen);
    assert_eq!(office.published().await, office.stored().await);
    assert_eq!(office.maintenance.cache.counters().read().restores, 1);
}
