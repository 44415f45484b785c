//! The path to the server, broken on purpose: what the driver, the pool and the retries make
//! of errors, of connections that end, of answers that never come. No T-SQL runs here.

use std::sync::Arc;
use std::time::{Duration, Instant};

use vitrine::cache::Cache;
use vitrine::cache::versions::Versions;
use vitrine::catalog::{Asin, PageQuery};
use vitrine::clock::Clock;
use vitrine::identity::accounts::Accounts;
use vitrine::identity::local::LocalAccounts;
use vitrine::identity::own_key;
use vitrine::identity::token::Tokens;
use vitrine::import::source::Sources;
use vitrine::maintenance::{Maintained, Maintenance};
use vitrine::question::FromStore;
use vitrine::settings::Settings;
use vitrine::store::sqlserver::{Migrate, SqlServerStore};
use vitrine::store::{HowStarted, Store, StoreError, WriteError};

use crate::contract_store::{claim, product};
use crate::support::TestFolder;
use crate::support::app::{LIMITS, TestApp};
use crate::support::tds::{Answer, Cell, Greeting, Responder, Rows};

async fn store(responder: &Responder) -> Arc<dyn Store> {
    store_of(responder, 4).await.unwrap()
}

async fn store_of(responder: &Responder, connections: u32) -> Result<Arc<dyn Store>, StoreError> {
    let target = responder.target();
    let store = SqlServerStore::open(target, connections, Migrate::Auto, Clock::System).await?;
    responder.met();
    Ok(Arc::new(store))
}

pub fn numbers(numbers: &[i64]) -> Vec<Cell> {
    numbers.iter().map(|number| Cell::Number(Some(*number))).collect()
}

/// A page of one product.
pub fn page() -> Vec<Rows> {
    vec![vec![numbers(&[0, 7, 1])], vec![a_product()]]
}

fn a_product() -> Vec<Cell> {
    vec![
        Cell::Text(Some("B1")),
        Cell::Text(Some("A lamp")),
        Cell::Text(None),
        Cell::Text(None),
        Cell::Decimal(Some(450)),
        Cell::Number(Some(10)),
        Cell::Decimal(Some(1_999)),
        Cell::Decimal(None),
        Cell::Number(Some(5)),
        Cell::Number(Some(1)),
        Cell::Number(None),
    ]
}

fn first_page() -> PageQuery {
    PageQuery::parse("").unwrap()
}

/// A cache miss costs one round trip, whatever it asks for.
#[tokio::test]
async fn each_question_is_one_statement() {
    let responder = Responder::start().await;
    let store = store(&responder).await;
    responder.answer("store.page", [Answer::Results(page())]);
    let read = store.page(&first_page()).await.unwrap();
    let found = read.value.unwrap();
    assert_eq!((read.version, found.total, found.products.len()), (7, Some(1), 1));
    assert_eq!(found.products[0].price.unwrap().hundredths(), 1_999);
    assert_eq!(responder.met(), ["store.page"]);
    let filtered = PageQuery::parse("category_id=5&sort=-price&min_price=1&best_seller=true");
    let filtered = filtered.unwrap();
    responder.answer(
        "store.page",
        [Answer::Results(vec![vec![numbers(&[0, 7, 1]), numbers(&[5, 9, 1])]])],
    );
    assert_eq!(store.page(&filtered).await.unwrap().version, 9);
    assert_eq!(responder.met(), ["store.page"]);
    let counts = vec![vec![numbers(&[7])], Vec::new()];
    responder.answer("store.category_counts", [Answer::Results(counts.clone())]);
    assert_eq!(store.category_counts().await.unwrap().version, 7);
    responder.answer("store.categories", [Answer::Results(counts)]);
    assert_eq!(store.categories().await.unwrap().version, 7);
    responder.answer("store.product", [Answer::Results(vec![vec![a_product()]])]);
    assert!(store.product(&Asin::parse("B1").unwrap()).await.unwrap().is_some());
    responder.answer("versions.all", [Answer::Results(vec![vec![numbers(&[0, 7])]])]);
    assert_eq!(store.versions().await.unwrap().len(), 1);
    let met = responder.met();
    assert_eq!(met, ["store.category_counts", "store.categories", "store.product", "versions.all"]);
    assert_eq!(responder.logins(), 1, "one connection is enough");
}

/// Two hundred requests for one cold page, over HTTP: the store is asked for it once.
#[tokio::test]
async fn a_crowd_before_a_cold_page_is_one_statement() {
    let responder = Responder::start().await;
    responder.answer("store.page", [Answer::Results(page())]);
    responder.answer("versions.all", [Answer::Results(vec![vec![numbers(&[0, 7])]])]);
    let server = format!("127.0.0.1,{}", responder.port);
    let variables = [
        ("SQL_SERVER", server.as_str()),
        ("SQL_DATABASE", "shop"),
        ("SQL_USERNAME", "ann"),
        ("SQL_PASSWORD", "hunter2-hunter2"),
        ("SQL_ENCRYPT", "false"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let sql = Settings::from_variables(&variables.into()).unwrap().sql;
    let app = TestApp::start_with(TestFolder::new(), |settings| settings.sql = sql).await;
    // The audit, which asks once more for what it picks, has looked while there was nothing to be
    // picked, and looks again in ten seconds.
    while app.get("/products?q=lamp").await.status() == 503 {}
    responder.met();
    let asked: Vec<_> = (0..200)
        .map(|_| {
            let url = format!("{}/products?min_price=2", app.url);
            let request = app.client.get(url).send();
            tokio::spawn(async move { request.await.unwrap().status() })
        })
        .collect();
    for answer in asked {
        assert_eq!(answer.await.unwrap(), 200);
    }
    let met = responder.met();
    assert_eq!(met.iter().filter(|name| *name == "store.page").count(), 1, "{met:?}");
}

/// Whatever breaks the first try, the second one is answered.
#[tokio::test]
async fn what_may_pass_is_tried_again_on_a_connection_that_is_whole() {
    for broken in [
        Answer::Error(1_205),
        Answer::Error(40_613),
        Answer::Error(40_501),
        Answer::Error(10_928),
        Answer::Gone,
        Answer::Cut(page()),
        Answer::Cut(vec![vec![numbers(&[0, 7, 1])], (0..500).map(|_| a_product()).collect()]),
    ] {
        let responder = Responder::start().await;
        let store = store(&responder).await;
        let told = format!("{broken:?}");
        responder.answer("store.page", [broken, Answer::Results(page())]);
        let read = store.page(&first_page()).await;
        let read = read.unwrap_or_else(|e| panic!("{told:.60}: {e:?}"));
        assert_eq!(read.value.unwrap().products.len(), 1, "{told:.60}");
        assert_eq!(responder.met(), ["store.page", "store.page"], "{told:.60}");
    }
}

#[tokio::test]
async fn a_connection_that_ended_at_rest_is_not_met_by_anybody() {
    let responder = Responder::start().await;
    let store = store(&responder).await;
    responder.answer("store.page", [Answer::Last(page()), Answer::Results(page())]);
    for _ in 0..2 {
        assert!(store.page(&first_page()).await.unwrap().value.is_some());
    }
}

#[tokio::test]
async fn what_will_not_pass_is_said_at_once() {
    for (number, is_away) in [(208, false), (229, true), (547, false)] {
        let responder = Responder::start().await;
        let store = store(&responder).await;
        responder.answer("store.page", [Answer::Error(number)]);
        let error = store.page(&first_page()).await.unwrap_err();
        assert_eq!(error.is_away(), is_away, "{number}: {error:?}");
        assert_eq!(responder.met(), ["store.page"], "{number}");
    }
}

/// A whole transaction, never a statement of one: what it has read may have changed.
#[tokio::test]
async fn a_victim_of_a_deadlock_begins_again() {
    let responder = Responder::start().await;
    let store = store(&responder).await;
    responder.answer("writes.category", [Answer::Results(vec![vec![numbers(&[1])]])]);
    responder.answer("store.insert_product", [Answer::Error(1_205), Answer::Changed(1)]);
    responder.answer("versions.all", [Answer::Results(vec![vec![numbers(&[0, 7])]])]);
    let written = store.create_product(&product("B1", Some(1), 5), None).await.unwrap();
    assert_eq!(written.versions.len(), 1);
    let one = ["locks.take", "store.product", "writes.category", "store.insert_product"];
    let all: Vec<_> = one.iter().chain(&one).chain(&["versions.all"]).copied().collect();
    assert_eq!(responder.met(), all);
}

/// Two that add the same product: the second meets the first's row.
#[tokio::test]
async fn a_duplicate_is_looked_at_again() {
    let responder = Responder::start().await;
    let store = store(&responder).await;
    responder
        .answer("store.product", [Answer::Changed(0), Answer::Results(vec![vec![a_product()]])]);
    responder.answer("writes.category", [Answer::Results(vec![vec![numbers(&[1])]])]);
    responder.answer("store.insert_product", [Answer::Error(2_627)]);
    let refused = store.create_product(&product("B1", Some(1), 5), None).await;
    assert!(matches!(refused, Err(WriteError::Exists(_))), "{refused:?}");
}

#[tokio::test]
async fn another_server_is_asked_where_this_one_sends_us() {
    let (front, back) = (Responder::start().await, Responder::start().await);
    front.greet([Greeting::Elsewhere("127.0.0.1".to_owned(), back.port)]);
    let store = store_of(&front, 1).await.unwrap();
    back.answer("store.page", [Answer::Results(page())]);
    assert!(store.page(&first_page()).await.unwrap().value.is_some());
    assert_eq!((front.logins(), back.logins()), (1, 1));
}

/// One clear line for each, with what to do and without the password.
#[tokio::test]
async fn a_login_that_is_refused_says_what_to_do() {
    for (number, advice) in [
        (18_456, "SQL_PASSWORD"),
        (4_060, "SQL_DATABASE"),
        (40_615, "firewall"),
        (916, "SQL_DATABASE"),
    ] {
        let responder = Responder::start().await;
        responder.greet(vec![Greeting::Error(number); 50]);
        let error = store_of(&responder, 1).await.map(drop).unwrap_err();
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        assert!(error.is_away(), "the process stays up: {error:?}");
        assert!(cause.contains(advice) && cause.contains(&number.to_string()), "{cause}");
        assert!(!cause.contains("hunter2") && cause.lines().count() == 1, "{cause}");
    }
}

#[tokio::test]
async fn a_paused_database_is_woken() {
    let responder = Responder::start().await;
    responder.greet(vec![Greeting::Error(40_613); 3]);
    let store = store_of(&responder, 1).await.unwrap();
    responder.answer("store.page", [Answer::Results(page())]);
    assert!(store.page(&first_page()).await.unwrap().value.is_some());
}

/// Whoever gives up while a statement is on its way leaves a connection that is out of step.
#[tokio::test]
async fn a_connection_whose_statement_did_not_end_is_thrown_away() {
    let responder = Responder::start().await;
    let store = store_of(&responder, 1).await.unwrap();
    responder.answer("store.page", [Answer::Silence, Answer::Results(page())]);
    let query = first_page();
    let cut = tokio::time::timeout(Duration::from_millis(200), store.page(&query)).await;
    assert!(cut.is_err());
    let read = tokio::time::timeout(Duration::from_secs(5), store.page(&query)).await;
    assert!(read.expect("no other waits for it").unwrap().value.is_some());
    assert_eq!(responder.logins(), 2);
}

/// A dead server costs microseconds, once that is known.
#[tokio::test]
async fn a_server_that_is_gone_is_left_alone() {
    let responder = Responder::start().await;
    let store = store_of(&responder, 1).await.unwrap();
    responder.answer("store.page", [Answer::Gone]);
    responder.greet(vec![Greeting::Error(18_456); 100_000]);
    let query = first_page();
    for _ in 0..6 {
        assert!(store.page(&query).await.unwrap_err().is_away());
    }
    let (before, began) = (responder.logins(), Instant::now());
    for _ in 0..1_000 {
        assert!(store.page(&query).await.unwrap_err().is_away());
    }
    let (took, tried) = (began.elapsed(), responder.logins() - before);
    assert!(tried <= 5 + took.as_secs() as usize * 2, "{tried} logins in {took:?}");
}

#[tokio::test]
async fn a_schema_that_is_too_new_says_so() {
    let responder = Responder::start().await;
    responder.answer("schema.get", [Answer::Results(vec![vec![vec![Cell::Text(Some("99"))]]])]);
    let refused = store_of(&responder, 1).await.map(drop);
    assert!(matches!(refused, Err(StoreError::SchemaTooNew { schema: 99, .. })), "{refused:?}");
}

/// A serverless database pauses when nobody asks it anything: the timer must not either.
#[tokio::test]
async fn the_timer_leaves_a_database_to_rest_that_nobody_asks() {
    let (responder, folder) = (Responder::start().await, TestFolder::new());
    let store = store(&responder).await;
    let cache = Arc::new(Cache::new(Arc::new(FromStore(Arc::clone(&store))), LIMITS));
    let tokens = Arc::new(Tokens::new(&own_key::new(), None, Clock::System));
    let identity = Arc::new(LocalAccounts::new(Arc::clone(&store)));
    let life = Duration::from_hours(1);
    let accounts = Accounts::new(Arc::clone(&store), identity, tokens, &[], life);
    let maintenance = Maintenance {
        store,
        rejects: folder.rejects(),
        sources: Sources::default(),
        accounts: Arc::new(accounts),
        cache: Arc::clone(&cache),
    };
    let asks = async || {
        // What comes of it is not what is looked at: the responder knows no runs.
        let left = maintenance.run().await;
        let is_left = matches!(left, Ok(Maintained::NotNow));
        assert_eq!(is_left, responder.met().is_empty());
        !is_left
    };
    assert!(asks().await, "a process that has just begun");
    tokio::time::pause();
    tokio::time::advance(Duration::from_mins(5)).await;
    tokio::time::resume();
    assert!(!asks().await, "nobody has asked for five minutes");
    cache.publish(&Versions::default()).await;
    assert!(asks().await, "somebody has written");
}

/// An import makes two connections ready before it has read anything, holds no more of them
/// however often it says that batches are to come, and gives them back when there are none.
#[tokio::test]
async fn an_import_makes_two_connections_ready_and_gives_them_back() {
    let responder = Responder::start().await;
    let store = store(&responder).await;
    let expect = async |rehearsals| {
        for _ in 0..3 {
            store.expect_batches();
        }
        times_met(&responder, "load.rehearse", rehearsals).await
    };
    assert_eq!(expect(2).await, 2);
    assert_eq!(responder.logins(), 2, "one of them was there already");
    assert_eq!(questions_at_once(&store, &responder, 2).await, 2, "of four the other two");
    responder.answer("locks.take", [Answer::Error(50_000)]);
    store.claim_run(&claim("a", "1", HowStarted::ByHand)).await.unwrap_err();
    assert_eq!(questions_at_once(&store, &responder, 4).await, 4, "nothing was claimed");

    expect(0).await;
    assert_eq!(questions_at_once(&store, &responder, 2).await, 2);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    tokio::time::resume();
    assert_eq!(questions_at_once(&store, &responder, 4).await, 4, "nobody came for them");
}

/// On a connection of its own, and the hint at the claim is the one that was given already.
#[tokio::test]
async fn an_import_rehearses_beside_the_look_at_the_schema() {
    let responder = Responder::start().await;
    responder.answer("schema.get", [Answer::Silence]);
    let target = responder.target();
    let opening = tokio::spawn(async move {
        SqlServerStore::open_to_import(target, 4, Migrate::Auto, Clock::System).await
    });
    assert_eq!(times_met(&responder, "load.rehearse", 1).await, 1);
    opening.abort();

    let responder = Responder::start().await;
    let opening =
        SqlServerStore::open_to_import(responder.target(), 4, Migrate::Auto, Clock::System);
    let store = opening.await.unwrap();
    store.expect_batches();
    assert_eq!(times_met(&responder, "load.rehearse", 1).await, 1, "it was begun already");
    store.expect_batches();
    assert_eq!(times_met(&responder, "load.rehearse", 1).await, 1, "the other one");
}

/// The schema was not there yet, say: the hint at the claim begins it again.
#[tokio::test]
async fn an_early_rehearsal_that_fails_is_none() {
    let responder = Responder::start().await;
    responder.answer("load.rehearse", [Answer::Error(2_812)]);
    let opening =
        SqlServerStore::open_to_import(responder.target(), 4, Migrate::Auto, Clock::System);
    let store = opening.await.unwrap();
    assert_eq!(times_met(&responder, "load.rehearse", 1).await, 1);
    store.expect_batches();
    assert_eq!(times_met(&responder, "load.rehearse", 1).await, 1);
}

/// How many of four questions find a connection.
async fn questions_at_once(
    store: &Arc<dyn Store>,
    responder: &Responder,
    expected: usize,
) -> usize {
    responder.answer("store.page", [Answer::Silence]);
    responder.met();
    let ask = || {
        let store = Arc::clone(store);
        tokio::spawn(async move { store.page(&first_page()).await.map(|read| read.version) })
    };
    let asking = [ask(), ask(), ask(), ask()];
    let found = times_met(responder, "store.page", expected).await;
    asking.iter().for_each(tokio::task::JoinHandle::abort);
    found
}

/// How often a statement is met: as often as expected, or once more in the moment after it.
async fn times_met(responder: &Responder, statement: &str, expected: usize) -> usize {
    let count = || responder.met().iter().filter(|name| *name == statement).count();
    let mut times = count();
    let late = Instant::now() + Duration::from_secs(20);
    while times < expected && Instant::now() < late {
        tokio::time::sleep(Duration::from_millis(5)).await;
        times += count();
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    times + count()
}
