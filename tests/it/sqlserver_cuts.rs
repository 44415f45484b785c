//! The wire to the server, cut behind any byte: nobody gets half an answer or another one's,
//! and nothing is written twice.

use std::sync::Arc;

use vitrine::catalog::PageQuery;
use vitrine::clock::Clock;
use vitrine::store::sqlserver::{Migrate, SqlServerStore};
use vitrine::store::{Store, WriteError};

use crate::support::fault_proxy::{Break, FaultProxy};
use crate::support::tds::{Answer, Cell, Responder};

/// Places on the way from the first byte to the last, both of them included.
fn places(from: usize, to: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..=count).map(move |place| from + (to - from) * place / count)
}

fn a_page(version: i64) -> Answer {
    let versions = [0, version, 1].map(|number| Cell::Number(Some(number)));
    Answer::Results(vec![vec![versions.to_vec()], Vec::new()])
}

/// From the greeting to the last byte of the answer.
#[tokio::test]
async fn a_read_is_answered_wherever_its_connection_is_cut() {
    let responder = Responder::start().await;
    responder.answer("store.page", [a_page(7)]);
    let proxy = FaultProxy::before(([127, 0, 0, 1], responder.port).into()).await;
    let query = PageQuery::parse("").unwrap();
    let read = async || {
        let target = Responder::target_at(proxy.port);
        let store = SqlServerStore::open(target, 1, Migrate::Auto, Clock::System).await.unwrap();
        store.page(&query).await.unwrap().version
    };
    assert_eq!(read().await, 7);
    let (sent, received, connections) = proxy.passed();
    assert_eq!(connections, 1);
    let cuts = places(0, sent - 1, 20).map(Break::AfterSent);
    for cut in cuts.chain(places(0, received - 1, 20).map(Break::AfterReceived)) {
        proxy.breaks([cut]);
        assert_eq!(read().await, 7, "{cut:?}");
        assert_eq!(proxy.passed().2, 2, "{cut:?}: the second connection is whole, and is kept");
    }
}

mod on_sqlserver {
    use super::*;
    use crate::contract_store::{load, product};
    use crate::contract_writes::once;
    use crate::support::sqlserver::TestDatabase;

    /// A writer who hears nothing asks again under the same key: one product each, and every
    /// counter is right.
    #[tokio::test]
    #[ignore = "needs TEST_SQL_CONNECTION_STRING"]
    async fn a_write_is_done_once_wherever_its_connection_is_cut() {
        let database = TestDatabase::make().await;
        let whole: Arc<dyn Store> = database.store(Clock::System).await;
        load(&whole, "a", vec![product("A1", Some(100), 1)]).await;
        let proxy = FaultProxy::before(database.address().await).await;
        let store = database.store_through(proxy.port).await.unwrap();
        let (sent_by_then, received_by_then, _) = proxy.passed();
        let write = async |store: &dyn Store, name: String| {
            let once = once(1, &name, 1);
            store.create_product(&product(&name, Some(100), 1), Some(&once)).await
        };
        write(&*store, "B-whole".to_owned()).await.unwrap();
        let (sent, received, _) = proxy.passed();
        drop(store);
        let cuts = places(sent_by_then, sent_by_then + sent, 12).map(Break::AfterSent);
        let received_end = received_by_then + received;
        let cuts = cuts.chain(places(received_by_then, received_end, 12).map(Break::AfterReceived));
        let (mut written, mut unsure) = (2, 0);
        for (number, cut) in cuts.enumerate() {
            proxy.breaks([cut]);
            let Ok(store) = database.store_through(proxy.port).await else {
                // Cut within the opening: bytes of a handshake differ a little.
                continue;
            };
            let name = format!("B-{number}");
            let mut done = write(&*store, name.clone()).await;
            while let Err(e) = &done {
                unsure += 1;
                assert!(matches!(e, WriteError::Store(e) if e.may_pass()), "{cut:?}: {e:?}");
                done = write(&*store, name.clone()).await;
            }
            assert_eq!(done.unwrap().after.unwrap().asin.as_str(), name, "{cut:?}");
            written += 1;
        }
        assert!(written > 15, "{written} of 28, {unsure} asked again");
        let counts = whole.category_counts().await.unwrap().value;
        assert_eq!(counts[0].total_products, written);
        let page = whole.page(&PageQuery::parse("limit=1000").unwrap()).await.unwrap();
        assert_eq!(page.value.unwrap().products.len() as u64, written);
    }
}
