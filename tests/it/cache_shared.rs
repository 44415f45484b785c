//! Caches beside what they share, one case after the other: how each wait ends, what is given
//! while a part is away, and what is made anew before its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Semaphore;
use tokio::time::{advance, sleep};
use vitrine::cache::answer::Answer;
use vitrine::cache::audit::{Auditor, Verdict};
use vitrine::cache::counters::Counted;
use vitrine::cache::encoding::Encoding;
use vitrine::cache::shared::{Lease, Shared, Turn};
use vitrine::cache::versions::{Known, Row, Tag, Versions};
use vitrine::cache::{Cache, Limits, Origin, Outcome};
use vitrine::question::Question;
use vitrine::store::StoreError;

use super::contract_shared;
use crate::support::twin::Twin;

const TTL: Duration = Duration::from_mins(30);
const LIMITS: Limits = Limits { ttl: TTL, staleness: Duration::from_secs(1), bytes: 1 << 20 };

#[tokio::test]
async fn the_twin_keeps_the_contract() {
    contract_shared::keeps_the_contract(|| {
        let [one, other] = Twin::ends();
        [one as Arc<dyn Shared>, other]
    })
    .await;
}

/// A store of one list, whose body is a number that may change without its version.
struct Rows {
    version: AtomicI64,
    value: AtomicU64,
    loads: AtomicU64,
    is_away: AtomicBool,
    is_empty: AtomicBool,
    may_load: Semaphore,
}

impl Rows {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            version: AtomicI64::new(1),
            value: AtomicU64::new(0),
            loads: AtomicU64::new(0),
            is_away: AtomicBool::new(false),
            is_empty: AtomicBool::new(false),
            may_load: Semaphore::new(Semaphore::MAX_PERMITS),
        })
    }

    fn write(&self) -> Versions {
        self.value.fetch_add(1, Ordering::SeqCst);
        let version = self.version.fetch_add(1, Ordering::SeqCst) + 1;
        Versions::from([(Row::CATALOGUE, version)])
    }

    fn loads(&self) -> u64 {
        self.loads.load(Ordering::SeqCst)
    }

    fn answer(&self) -> Result<(), StoreError> {
        if self.is_away.load(Ordering::SeqCst) {
            return Err(StoreError::Unreachable("told to be".into()));
        }
        Ok(())
    }
}

#[async_trait]
impl Origin for Rows {
    async fn versions(&self) -> Result<Arc<Versions>, StoreError> {
        self.answer()?;
        let version = self.version.load(Ordering::SeqCst);
        Ok(Arc::new(Versions::from([(Row::CATALOGUE, version)])))
    }

    async fn raise(&self, above: &Versions) -> Result<Arc<Versions>, StoreError> {
        self.version.fetch_max(above[&Row::CATALOGUE] + 1, Ordering::SeqCst);
        self.versions().await
    }

    async fn load(&self, _: &Question, _: &Known) -> Result<Answer, StoreError> {
        self.answer()?;
        self.loads.fetch_add(1, Ordering::SeqCst);
        let version = self.version.load(Ordering::SeqCst);
        self.may_load.acquire().await.unwrap().forget();
        let (tag, value) =
            (Tag { row: Row::CATALOGUE, version }, self.value.load(Ordering::SeqCst));
        if self.is_empty.load(Ordering::SeqCst) {
            return Ok(Answer::absent(tag));
        }
        Ok(Answer::found(tag, value.to_string().into_bytes()))
    }
}

const QUESTION: Question = Question::CategoryCounts;

fn beside(rows: &Arc<Rows>, end: &Arc<Twin>) -> Arc<Cache> {
    let (origin, shared) = (Arc::<Rows>::clone(rows), Arc::<Twin>::clone(end));
    Arc::new(Cache::beside(origin, LIMITS, Some(shared)))
}

async fn ask(cache: &Arc<Cache>) -> (String, Outcome) {
    let reply = cache.answer(&QUESTION).await.unwrap();
    let body = reply.answer.body(Encoding::Identity).await.unwrap();
    (String::from_utf8(body.to_vec()).unwrap(), reply.outcome)
}

fn counted(cache: &Cache) -> Counted {
    cache.counters().read()
}

fn place() -> vitrine::cache::shared::Place {
    QUESTION.place().unwrap()
}

/// What was begun in the background is done.
async fn a_moment() {
    sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn what_one_has_loaded_another_has() {
    let (rows, [one, other]) = (Rows::new(), Twin::ends());
    let (one, other) = (beside(&rows, &one), beside(&rows, &other));
    assert_eq!(ask(&one).await, ("0".to_owned(), Outcome::Miss));
    a_moment().await;
    assert_eq!(ask(&other).await, ("0".to_owned(), Outcome::Hit));
    assert_eq!(ask(&other).await, ("0".to_owned(), Outcome::Hit));
    assert_eq!((rows.loads(), counted(&other).shared_hits, counted(&other).hits), (1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_write_is_told_and_hides_the_page_from_all() {
    let (rows, [one, other]) = (Rows::new(), Twin::ends());
    let (one, other) = (beside(&rows, &one), beside(&rows, &other));
    let listening = Arc::clone(&other);
    let listening = tokio::spawn(async move { listening.listen().await });
    ask(&one).await;
    ask(&other).await;
    one.publish(&rows.write()).await;
    a_moment().await;
    assert_eq!(ask(&other).await, ("1".to_owned(), Outcome::Miss));
    assert_eq!(counted(&other).told, 2, "of the first versions and of the write");
    listening.abort();
}

/// Waits for the page that another one holds the lease for.
async fn waiting() -> (Arc<Rows>, [Arc<Twin>; 2], Arc<Cache>, Lease) {
    let (rows, [end, other]) = (Rows::new(), Twin::ends());
    let cache = beside(&rows, &end);
    let lease = Lease { under: "1".to_owned(), token: "another's".to_owned() };
    let turn = other.get_or_lease(&place(), None, &lease).await.unwrap();
    assert_eq!(turn, Turn::Granted);
    (rows, [end, other], cache, lease)
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_with_the_page() {
    let (rows, [_, other], cache, _) = waiting().await;
    let asked = Arc::clone(&cache);
    let asked = tokio::spawn(async move { ask(&asked).await });
    sleep(Duration::from_millis(300)).await;
    // The one with the lease has loaded: by a cache of its own, whose fill comes to the place.
    let [filler] = Twin::ends();
    ask(&beside(&rows, &filler)).await;
    a_moment().await;
    let kept = filler.get(&place()).await.unwrap().unwrap();
    let stamp = vitrine::cache::shared::Stamp::read(&kept.bytes).unwrap();
    let page = vitrine::cache::shared::Page { stamp, bytes: kept.bytes };
    other.fill(&place(), &page, TTL, None).await.unwrap();
    assert_eq!(asked.await.unwrap(), ("0".to_owned(), Outcome::Hit));
    let counts = counted(&cache);
    assert_eq!((counts.lease_waits, counts.lease_waits_filled, counts.loads), (1, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_with_the_lease() {
    let (rows, [_, other], cache, lease) = waiting().await;
    let asked = Arc::clone(&cache);
    let asked = tokio::spawn(async move { ask(&asked).await });
    sleep(Duration::from_millis(300)).await;
    other.give_back(&place(), &lease).await.unwrap();
    assert_eq!(asked.await.unwrap().1, Outcome::Miss);
    assert_eq!((counted(&cache).lease_waits_taken, rows.loads()), (1, 1));
}

/// Whose owner does not come back; a lease that lapses is taken.
#[tokio::test(start_paused = true)]
async fn a_wait_outlasts_no_lease() {
    let (rows, _, cache, _) = waiting().await;
    let began = tokio::time::Instant::now();
    assert_eq!(ask(&cache).await.1, Outcome::Miss);
    assert!(began.elapsed() < Duration::from_millis(5_300), "{:?}", began.elapsed());
    assert_eq!((counted(&cache).lease_waits_taken, rows.loads()), (1, 1));
}

/// One that is taken by others again and again is not waited for.
#[tokio::test(start_paused = true)]
async fn a_wait_that_never_ends_is_given_up() {
    let (rows, [_, other], cache, lease) = waiting().await;
    let again = tokio::spawn(async move {
        loop {
            other.give_back(&place(), &lease).await.unwrap();
            other.get_or_lease(&place(), None, &lease).await.unwrap();
            sleep(Duration::from_secs(1)).await;
        }
    });
    assert_eq!(ask(&cache).await.1, Outcome::Miss);
    assert_eq!((counted(&cache).lease_waits_given_up, rows.loads()), (1, 1));
    again.abort();
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_when_what_is_shared_goes_away() {
    let (rows, [end, _], cache, _) = waiting().await;
    let asked = Arc::clone(&cache);
    let asked = tokio::spawn(async move { ask(&asked).await });
    sleep(Duration::from_millis(300)).await;
    end.is_away(true);
    assert_eq!(asked.await.unwrap().1, Outcome::Miss);
    assert_eq!((counted(&cache).lease_waits_cut, rows.loads()), (1, 1));
}

/// A load that fails is no reason for others to wait until its lease lapses.
#[tokio::test(start_paused = true)]
async fn a_load_that_fails_gives_its_lease_back() {
    let (rows, [end, other]) = (Rows::new(), Twin::ends());
    let cache = beside(&rows, &end);
    cache.reconcile().await.unwrap();
    rows.is_away.store(true, Ordering::SeqCst);
    assert!(cache.answer(&QUESTION).await.is_err());
    a_moment().await;
    let lease = Lease { under: "1".to_owned(), token: "another's".to_owned() };
    let turn = other.get_or_lease(&place(), None, &lease).await.unwrap();
    assert_eq!(turn, Turn::Granted);
}

/// With the database away what others have left is better than nothing, and is marked.
#[tokio::test(start_paused = true)]
async fn without_the_store_the_pages_of_others_are_given_marked() {
    let (rows, [one, other]) = (Rows::new(), Twin::ends());
    ask(&beside(&rows, &one)).await;
    sleep(Duration::from_secs(90)).await;
    rows.is_away.store(true, Ordering::SeqCst);
    let fresh = beside(&rows, &other);
    assert_eq!(ask(&fresh).await, ("0".to_owned(), Outcome::Stale(90)));
    assert_eq!(counted(&fresh).stale, 1);
}

#[tokio::test(start_paused = true)]
async fn without_what_is_shared_everything_is_served_and_nothing_is_stale_when_it_is_back() {
    let (rows, [one, other]) = (Rows::new(), Twin::ends());
    let (here, there) = (beside(&rows, &one), beside(&rows, &other));
    ask(&here).await;
    ask(&there).await;
    one.is_away(true);
    // Three failures open the breaker, and then nobody waits.
    for value in 1..=5 {
        here.publish(&rows.write()).await;
        assert_eq!(ask(&here).await.0, value.to_string());
    }
    let counts = counted(&here);
    assert!(counts.shared_refusals > 0 && counts.announcements_failed >= 5, "{counts:?}");
    // The other one hears of it from the store, within four seconds.
    sleep(Duration::from_secs(4)).await;
    assert_eq!(ask(&there).await.0, "5");
    one.is_away(false);
    // A poll finds out that it is back.
    sleep(Duration::from_secs(2)).await;
    here.poll().await;
    assert_eq!(ask(&here).await.0, "5");
    here.publish(&rows.write()).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(ask(&there).await.0, "6");
}

#[tokio::test(start_paused = true)]
async fn a_page_that_cannot_be_read_is_loaded_anew() {
    let (rows, [one, other]) = (Rows::new(), Twin::ends());
    ask(&beside(&rows, &one)).await;
    a_moment().await;
    one.spoil(&place(), |bytes| *bytes.last_mut().unwrap() ^= 1);
    let there = beside(&rows, &other);
    assert_eq!(ask(&there).await, ("0".to_owned(), Outcome::Miss));
    a_moment().await;
    assert_eq!(counted(&there).shared_unreadable, 1);
    assert_eq!(ask(&beside(&rows, &one)).await.1, Outcome::Hit, "it was replaced");
}

/// Something else lies there, by whoever's mistake: it does not stay.
#[tokio::test(start_paused = true)]
async fn what_is_no_page_is_replaced() {
    let (rows, [one, other]) = (Rows::new(), Twin::ends());
    ask(&beside(&rows, &one)).await;
    a_moment().await;
    for junk in [&b"junk"[..], b"", &[b'9'; 300]] {
        one.spoil(&place(), |bytes| *bytes = junk.to_vec());
        assert_eq!(ask(&beside(&rows, &other)).await.1, Outcome::Miss);
        a_moment().await;
        assert_eq!(ask(&beside(&rows, &one)).await.1, Outcome::Hit);
    }
}

/// A refusal says nothing of what lies there.
#[tokio::test(start_paused = true)]
async fn what_may_not_be_read_is_not_removed() {
    let (rows, [one, other]) = (Rows::new(), Twin::ends());
    ask(&beside(&rows, &one)).await;
    a_moment().await;
    other.refuses_to_read(true);
    assert_eq!(ask(&beside(&rows, &other)).await.1, Outcome::Hit, "it comes with the lease");
    assert!(one.get(&place()).await.unwrap().is_some());
}

/// What is told of the life that is left is not hashed.
#[tokio::test(start_paused = true)]
async fn no_page_is_believed_to_live_longer_than_it_was_to() {
    let (rows, [one, other]) = (Rows::new(), Twin::ends());
    ask(&beside(&rows, &one)).await;
    a_moment().await;
    one.prolong(&place(), 100 * LIMITS.ttl);
    let there = beside(&rows, &other);
    assert_eq!(ask(&there).await.1, Outcome::Hit);
    // Longer than any life, and shorter than what was told.
    sleep(2 * LIMITS.ttl).await;
    ask(&there).await;
    a_moment().await;
    assert_eq!(counted(&there).early_refreshes, 1);
}

/// What no clock can have told is not believed, and does not reach the store.
#[tokio::test(start_paused = true)]
async fn a_version_that_cannot_be_is_forgotten() {
    let (rows, [one, other]) = (Rows::new(), Twin::ends());
    let cache = beside(&rows, &one);
    let listening = Arc::clone(&cache);
    let listening = tokio::spawn(async move { listening.listen().await });
    let absurd = Versions::from([
        (Row::CATALOGUE, i64::MAX),
        (Row(1), i64::MAX / 2),
        (Row(4_000_000_001), 7),
        (Row(-3), 7),
    ]);
    other.raise(&absurd).await.unwrap();
    ask(&cache).await;
    a_moment().await;
    cache.reconcile().await.unwrap();
    assert_eq!(other.versions().await.unwrap(), Versions::from([(Row::CATALOGUE, 1)]));
    assert_eq!((rows.version.load(Ordering::SeqCst), counted(&cache).restores), (1, 0));
    cache.publish(&rows.write()).await;
    assert_eq!(ask(&cache).await.0, "1");
    listening.abort();
}

/// What is not there is soon asked for anew: there is no end of it.
#[tokio::test(start_paused = true)]
async fn absence_is_shared_for_seconds() {
    let (rows, [one, other]) = (Rows::new(), Twin::ends());
    rows.is_empty.store(true, Ordering::SeqCst);
    let cache = beside(&rows, &one);
    assert!(!cache.answer(&QUESTION).await.unwrap().answer.is_found());
    a_moment().await;
    let left = other.get(&place()).await.unwrap().unwrap().left;
    assert!(left <= Duration::from_secs(10), "{left:?}");
}

/// What the next question heals is nothing to be reported.
#[tokio::test(start_paused = true)]
async fn the_audit_reports_nothing_that_heals_in_time() {
    let (rows, [one]) = (Rows::new(), Twin::ends());
    let cache = beside(&rows, &one);
    ask(&cache).await;
    rows.write();
    assert_eq!(cache.audit().await, Some(Verdict::Hidden));
    assert_eq!(counted(&cache).audits_stale, 0);
}

/// Nobody waits when the life of a page that is asked for is over.
#[tokio::test(start_paused = true)]
async fn a_hot_page_is_made_anew_before_its_end_by_one() {
    let (rows, [one, other]) = (Rows::new(), Twin::ends());
    let (here, there) = (beside(&rows, &one), beside(&rows, &other));
    ask(&here).await;
    a_moment().await;
    ask(&there).await;
    // In the last twentieth of its life, which is a tenth more or less than 30 minutes.
    advance(TTL * 9 / 10).await;
    for _ in 0..400 {
        sleep(Duration::from_secs(1)).await;
        assert_eq!(ask(&here).await.1, Outcome::Hit);
        assert_eq!(ask(&there).await.1, Outcome::Hit);
    }
    assert_eq!(rows.loads(), 2, "once more");
    let early = counted(&here).early_refreshes + counted(&there).early_refreshes;
    assert_eq!(early, 2, "one has loaded it, the other has found it");
}

/// Something has changed the rows and no version: what the audit is there for.
#[tokio::test(start_paused = true)]
async fn the_audit_finds_what_is_older_than_is_promised() {
    let (rows, [one, other]) = (Rows::new(), Twin::ends());
    let here = beside(&rows, &one);
    ask(&here).await;
    a_moment().await;
    assert_eq!(here.audit().await, Some(Verdict::Right));
    let auditor = Auditor::new(Arc::<Rows>::clone(&rows), Arc::<Twin>::clone(&other));
    let page = other.get(&place()).await.unwrap().unwrap();
    assert_eq!(auditor.check(&page).await.unwrap(), Some(Verdict::Right));
    rows.value.fetch_add(1, Ordering::SeqCst);
    ask(&here).await;
    let Some(Verdict::Stale(history)) = auditor.check(&page).await.unwrap() else {
        panic!("nothing was found");
    };
    let (carried, stored, published) = (history.carried, history.stored, history.published);
    assert_eq!((carried, stored, published), (1, 1, Some(1)), "{history}");
    assert!(matches!(here.audit().await, Some(Verdict::Stale(_))));
    assert_eq!((counted(&here).audits, counted(&here).audits_stale), (2, 1));
}

/// An outdated page is none too many as long as everybody knows; and one too many if somebody
/// serves who does not hear of it.
#[tokio::test(start_paused = true)]
async fn the_audit_tells_hidden_pages_from_stale_ones() {
    let (rows, [one, other]) = (Rows::new(), Twin::ends());
    ask(&beside(&rows, &one)).await;
    a_moment().await;
    let page = other.get(&place()).await.unwrap().unwrap();
    let auditor = Auditor::new(Arc::<Rows>::clone(&rows), Arc::<Twin>::clone(&other));
    let write = rows.write();
    assert_eq!(auditor.check(&page).await.unwrap(), Some(Verdict::Hidden), "nobody serves");
    one.leave_word("here", "{}").await.unwrap();
    assert!(matches!(auditor.check(&page).await.unwrap(), Some(Verdict::Stale(_))));
    one.leave_word("here", "{}").await.unwrap();
    one.raise(&write).await.unwrap();
    assert_eq!(auditor.check(&page).await.unwrap(), Some(Verdict::Hidden));
}
