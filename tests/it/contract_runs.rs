//! What every store promises of runs that people list, cancel and retry, checked the same way
//! on each.

use std::sync::Arc;
use std::time::Duration;

use vitrine::catalog::{Asin, PageQuery};
use vitrine::import::source::Source;
use vitrine::import::{ImportError, Options, Progress, import};
use vitrine::store::{
    Cancelled, Claim, Claimed, End, HowStarted, Lease, Run, RunId, RunState, Store, StoreError,
};

use crate::contract_store::{Subject, batch, begin, claim, contract, product};
use crate::support::files::{gzip, many};

contract!(
    runs_are_listed_newest_first_in_pages,
    a_cancelled_run_is_over_at_once_for_whoever_has_it,
    only_what_is_unfinished_is_cancelled,
    a_run_that_is_taken_while_it_is_cancelled_is_cancelled,
    a_retry_goes_on_with_what_failed_and_begins_anew_what_has_ended,
    a_run_is_retried_once,
    a_retry_waits_for_an_owner_and_for_nothing_else,
    of_many_retries_at_once_one_gets_the_run,
    a_rate_is_of_the_last_owners_own_batches,
    an_import_that_is_cancelled_elsewhere_stops_at_its_next_batch,
    a_lease_is_kept_by_whoever_has_it,
    a_run_whose_source_became_another_is_superseded,
);

/// The source and the state that [`begin`] is asked for here.
fn retry(of: RunId) -> Claim {
    claim("a", "1", HowStarted::Retried(of))
}

async fn retried(store: &Arc<dyn Store>, of: RunId) -> (Run, Lease) {
    match store.claim_run(&retry(of)).await.unwrap() {
        Claimed::Ours(run, lease) => (*run, lease),
        other => panic!("{other:?}"),
    }
}

async fn ids(store: &Arc<dyn Store>, before: Option<RunId>, limit: usize) -> Vec<i64> {
    store.runs(before, limit).await.unwrap().iter().map(|run| run.id.0).collect()
}

async fn cancel(store: &Arc<dyn Store>, id: RunId) -> Run {
    match store.cancel_run(id).await.unwrap() {
        Some(Cancelled::Now(run)) => *run,
        other => panic!("{other:?}"),
    }
}

async fn runs_are_listed_newest_first_in_pages(subject: Subject) {
    let store = &subject.store;
    assert!(ids(store, None, 10).await.is_empty());
    let mut all = Vec::new();
    for source in ["a", "Straße/日本 😀.csv", "c", "d", "e"] {
        let (run, _) = begin(store, source, "1").await;
        all.insert(0, run.id.0);
    }
    assert_eq!(ids(store, None, 10).await, all);
    assert_eq!(ids(store, None, 2).await, all[..2]);
    assert_eq!(ids(store, Some(RunId(all[1])), 2).await, all[2..4]);
    assert_eq!(ids(store, Some(RunId(all[4])), 2).await, [0; 0]);
    // One that comes between two pages shifts nothing.
    begin(store, "f", "1").await;
    assert_eq!(ids(store, Some(RunId(all[1])), 9).await, all[2..]);
    let odd = store.runs(Some(RunId(all[2])), 1).await.unwrap();
    assert_eq!(odd[0].source, "Straße/日本 😀.csv");
}

async fn a_cancelled_run_is_over_at_once_for_whoever_has_it(subject: Subject) {
    let Subject { store, clock, .. } = &subject;
    let (run, lease) = begin(store, "a", "1").await;
    store.commit_batch(&lease, batch(0, 10, vec![product("B1", None, 1)])).await.unwrap();
    clock.turn(Duration::from_secs(3));
    let cancelled = cancel(store, run.id).await;
    assert_eq!((cancelled.id, cancelled.state), (run.id, RunState::Cancelled));
    assert_eq!((cancelled.ended_at, cancelled.counts.read), (Some(clock.now_micros()), 1));
    let next = batch(10, 20, vec![product("B2", None, 1)]);
    assert!(matches!(store.commit_batch(&lease, next).await, Err(StoreError::RunLost)));
    assert!(matches!(store.finish_loading(&lease).await, Err(StoreError::RunLost)));
    for end in [End::Done, End::Failed("x".to_owned()), End::Paused("x".to_owned())] {
        assert!(matches!(store.end_run(&lease, end).await, Err(StoreError::RunLost)));
    }
    assert!(store.product(&Asin::parse("B2").unwrap()).await.unwrap().is_none());
    let now = store.run(run.id).await.unwrap().unwrap();
    assert_eq!((now.state, now.checkpoint.offset, now.error), (RunState::Cancelled, 10, None));
    clock.turn(Duration::from_hours(1));
    assert!(store.abandoned_runs().await.unwrap().is_empty(), "nobody takes it up");
    // Delivered again, or imported by hand, it stays so.
    for how in [HowStarted::Delivered, HowStarted::ByHand] {
        let again = store.claim_run(&claim("a", "1", how)).await.unwrap();
        assert!(matches!(again, Claimed::Ended(run) if run.state == RunState::Cancelled));
    }
}

async fn only_what_is_unfinished_is_cancelled(subject: Subject) {
    let store = &subject.store;
    assert!(store.cancel_run(RunId(77)).await.unwrap().is_none());
    let (indexing, lease) = begin(store, "i", "1").await;
    store.finish_loading(&lease).await.unwrap();
    assert_eq!(store.run(indexing.id).await.unwrap().unwrap().state, RunState::Indexing);
    cancel(store, indexing.id).await;
    let (resting, lease) = begin(store, "r", "1").await;
    store.end_run(&lease, End::Paused("the disk is full".to_owned())).await.unwrap();
    cancel(store, resting.id).await;
    let (done, lease) = begin(store, "d", "1").await;
    store.finish_loading(&lease).await.unwrap();
    store.end_run(&lease, End::Done).await.unwrap();
    let (failed, lease) = begin(store, "f", "1").await;
    store.end_run(&lease, End::Failed("no luck".to_owned())).await.unwrap();
    let (superseded, _) = begin(store, "s", "1").await;
    begin(store, "s", "2").await;
    for (id, state) in [
        (indexing.id, RunState::Cancelled),
        (done.id, RunState::Done),
        (failed.id, RunState::Failed),
        (superseded.id, RunState::Superseded),
    ] {
        let before = store.run(id).await.unwrap().unwrap();
        let Some(Cancelled::EndedBefore(run)) = store.cancel_run(id).await.unwrap() else {
            panic!("{state:?} is an end");
        };
        assert_eq!((run.state, run.ended_at, &run.error), (state, before.ended_at, &before.error));
    }
}

/// Two processes at once: one takes the run by hand, the other one cancels it.
async fn a_run_that_is_taken_while_it_is_cancelled_is_cancelled(subject: Subject) {
    let (first, second) = (Arc::clone(&subject.store), subject.opened_again().await);
    for round in 0..40 {
        let etag = round.to_string();
        let (run, _) = begin(&first, "a", &etag).await;
        let wish = claim("a", &etag, HowStarted::ByHand);
        let (taken, _) = tokio::join!(second.claim_run(&wish), cancel(&first, run.id));
        match taken.unwrap() {
            Claimed::Ours(_, lease) => {
                let late = second.commit_batch(&lease, batch(0, 1, vec![])).await;
                assert!(matches!(late, Err(StoreError::RunLost)));
            }
            Claimed::Ended(ended) => assert_eq!(ended.state, RunState::Cancelled),
            other => panic!("{other:?}"),
        }
        let now = first.run(run.id).await.unwrap().unwrap();
        assert_eq!((now.state, now.ended_at.is_some()), (RunState::Cancelled, true), "{round}");
    }
}

async fn a_retry_goes_on_with_what_failed_and_begins_anew_what_has_ended(subject: Subject) {
    let store = &subject.store;
    let (run, lease) = begin(store, "a", "1").await;
    store.commit_batch(&lease, batch(0, 10, vec![product("B1", None, 1)])).await.unwrap();
    store.end_run(&lease, End::Failed("no luck".to_owned())).await.unwrap();
    let (again, lease) = retried(store, run.id).await;
    assert_eq!((again.id, again.attempt, again.state), (run.id, 1, RunState::Loading));
    assert_eq!((again.checkpoint.offset, again.counts.loaded), (10, 1));
    assert_eq!((again.errors, again.error, again.ended_at), (0, None, None), "a fresh start");
    store.commit_batch(&lease, batch(10, 20, vec![product("B2", None, 1)])).await.unwrap();
    store.finish_loading(&lease).await.unwrap();
    let done = store.end_run(&lease, End::Done).await.unwrap();
    assert_eq!((done.counts.read, done.counts.loaded), (2, 2));
    let (second, _) = retried(store, run.id).await;
    assert_eq!((second.attempt, second.checkpoint.offset, second.counts.read), (2, 0, 0));
    cancel(store, second.id).await;
    let (third, _) = retried(store, second.id).await;
    assert_eq!((third.attempt, third.state), (3, RunState::Loading));
    begin(store, "a", "2").await;
    assert_eq!(store.run(third.id).await.unwrap().unwrap().state, RunState::Superseded);
    assert_eq!(retried(store, third.id).await.0.attempt, 4);
}

/// A button that is pressed twice, or by two people, imports a file once more and not twice.
async fn a_run_is_retried_once(subject: Subject) {
    let store = &subject.store;
    let (run, lease) = begin(store, "a", "1").await;
    store.finish_loading(&lease).await.unwrap();
    store.end_run(&lease, End::Done).await.unwrap();
    let (second, lease) = retried(store, run.id).await;
    for _loading_then_done in 0..2 {
        let again = store.claim_run(&retry(run.id)).await.unwrap();
        assert!(matches!(again, Claimed::Ended(later) if later.id == second.id));
        if store.run(second.id).await.unwrap().unwrap().state == RunState::Loading {
            store.finish_loading(&lease).await.unwrap();
            store.end_run(&lease, End::Done).await.unwrap();
        }
    }
    assert_eq!(ids(store, None, 9).await.len(), 2);
    assert_eq!(retried(store, second.id).await.0.attempt, 3);
}

async fn a_retry_waits_for_an_owner_and_for_nothing_else(subject: Subject) {
    let Subject { store, clock, .. } = &subject;
    let (run, lease) = begin(store, "a", "1").await;
    let held = store.claim_run(&retry(run.id)).await.unwrap();
    assert!(matches!(held, Claimed::HeldElsewhere(held) if held.id == run.id));
    store.commit_batch(&lease, batch(0, 1, vec![])).await.unwrap();
    // It rests for a minute by itself, but nobody holds it.
    store.end_run(&lease, End::Paused("the disk is full".to_owned())).await.unwrap();
    let delivered = store.claim_run(&claim("a", "1", HowStarted::Delivered)).await.unwrap();
    assert!(matches!(delivered, Claimed::HeldElsewhere(_)));
    let (_, lease) = retried(store, run.id).await;
    store.commit_batch(&lease, batch(1, 2, vec![])).await.unwrap();
    clock.turn(Duration::from_secs(31));
    let (taken, _) = retried(store, run.id).await;
    assert_eq!((taken.id, taken.checkpoint.offset), (run.id, 2), "its owner is gone");
    assert!(matches!(
        store.commit_batch(&lease, batch(2, 3, vec![])).await,
        Err(StoreError::RunLost)
    ));
}

async fn of_many_retries_at_once_one_gets_the_run(subject: Subject) {
    let (first, second) = (Arc::clone(&subject.store), subject.opened_again().await);
    let (mut newest, lease) = begin(&first, "a", "1").await;
    first.end_run(&lease, End::Failed("no luck".to_owned())).await.unwrap();
    for round in 0..6 {
        let mut asking = tokio::task::JoinSet::new();
        for store in [&first, &second, &first, &second] {
            let (store, id) = (Arc::clone(store), newest.id);
            asking.spawn(async move { store.claim_run(&retry(id)).await.unwrap() });
        }
        let mut ours = Vec::new();
        for claimed in asking.join_all().await {
            match claimed {
                Claimed::Ours(run, lease) => ours.push((*run, lease)),
                Claimed::HeldElsewhere(_) | Claimed::Ended(_) => {}
                other @ Claimed::Overtaken(_) => panic!("{other:?}"),
            }
        }
        assert_eq!(ours.len(), 1, "round {round}");
        let (run, lease) = ours.remove(0);
        // Of the failed one the same run goes on, of the ones that ended the next begins.
        assert_eq!(run.attempt, if round < 3 { 1 } else { round - 1 });
        let end = if round < 2 { End::Failed("no luck".to_owned()) } else { End::Done };
        first.finish_loading(&lease).await.unwrap();
        newest = first.end_run(&lease, end).await.unwrap();
    }
}

async fn a_rate_is_of_the_last_owners_own_batches(subject: Subject) {
    let Subject { store, clock, .. } = &subject;
    let rows = |range: std::ops::Range<u32>| -> Vec<_> {
        range.map(|i| product(&format!("B{i:03}"), None, 1)).collect()
    };
    let wish = Claim { size: 1_000, ..claim("a", "1", HowStarted::ByHand) };
    let begin = || async {
        match store.claim_run(&wish).await.unwrap() {
            Claimed::Ours(run, lease) => (*run, lease),
            other => panic!("{other:?}"),
        }
    };
    let (run, lease) = begin().await;
    assert_eq!((run.rate(), run.seconds_left()), (None, None));
    clock.turn(Duration::from_secs(2));
    let mut first = batch(0, 10, rows(0..100));
    first.end.stored = 400;
    store.commit_batch(&lease, first).await.unwrap();
    let now = store.run(run.id).await.unwrap().unwrap();
    assert_eq!((now.checkpoint.stored, now.created_at), (400, now.stretch.since));
    assert_eq!((now.rate(), now.seconds_left()), (Some(50.0), Some(3.0)));
    // A day later somebody else goes on, and is slower.
    store.end_run(&lease, End::Failed("no luck".to_owned())).await.unwrap();
    clock.turn(Duration::from_hours(24));
    let (taken, lease) = begin().await;
    assert_eq!((taken.rate(), taken.stretch.read, taken.stretch.stored), (None, 100, 400));
    clock.turn(Duration::from_secs(10));
    let mut second = batch(10, 20, rows(100..200));
    second.end.stored = 600;
    store.commit_batch(&lease, second).await.unwrap();
    let now = store.run(run.id).await.unwrap().unwrap();
    assert_eq!((now.rate(), now.seconds_left()), (Some(10.0), Some(20.0)));
    // What is done after the loading does not slow it down in retrospect.
    clock.turn(Duration::from_hours(1));
    store.finish_loading(&lease).await.unwrap();
    let done = store.end_run(&lease, End::Done).await.unwrap();
    assert_eq!((done.rate(), done.seconds_left()), (Some(10.0), None));
}

/// Work of another process: on a thread and a runtime of its own, while this one stands still.
fn elsewhere<T: Send>(work: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| {
        let working = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(work)
        });
        working.join().unwrap()
    })
}

/// A compressed file, so that what is left of it is no matter of the text; its import is held
/// behind the first batch, cancelled by another process, and let go.
async fn an_import_that_is_cancelled_elsewhere_stops_at_its_next_batch(subject: Subject) {
    let Subject { store, clock, folder, .. } = &subject;
    let rows = 5 * store.batch_rows() / 2;
    let file = folder.file("p.csv.gz", gzip(many(rows).as_bytes()));
    let watcher = |progress: Progress| {
        elsewhere(async {
            let other = subject.opened_again().await;
            let run = other.runs(None, 1).await.unwrap().remove(0);
            assert_eq!((run.state, run.counts), (RunState::Loading, progress.counts));
            let (done, size) = (run.checkpoint.stored, run.size);
            assert!(run.checkpoint.offset > size, "the text is longer than the file");
            assert!(done > size / 10 && done < size, "{done} of {size}");
            cancel(&other, run.id).await;
        });
    };
    clock.turn(Duration::from_secs(1));
    let options = Options { how: HowStarted::ByHand, rejects_max: None };
    let source = Source::File(file.clone());
    let stopped = import(store, &folder.rejects(), source, options, &watcher).await;
    let Err(ImportError::Lost(run)) = stopped else { panic!("{stopped:?}") };
    assert_eq!(run.state, RunState::Cancelled);
    assert!(run.counts.read > 0 && run.counts.read < rows as u64, "{:?}", run.counts);
    let products = async || {
        let page = store.page(&PageQuery::parse("limit=1").unwrap()).await.unwrap();
        page.value.unwrap().total
    };
    assert_eq!(products().await, Some(run.counts.loaded), "one batch, and all of it");
    let again = folder.import_as(store, &file, HowStarted::Delivered).await.unwrap();
    assert_eq!((again.id, again.state), (run.id, RunState::Cancelled));
    let done = folder.import_as(store, &file, HowStarted::Retried(run.id)).await.unwrap();
    assert_eq!((done.state, done.attempt, done.counts.read), (RunState::Done, 2, rows as u64));
    assert_eq!(done.checkpoint.stored, done.size);
    assert_eq!(products().await, Some(rows as u64));
}

/// For 30 s at a time, without a batch; whoever has lost it does not get it back.
async fn a_lease_is_kept_by_whoever_has_it(subject: Subject) {
    let Subject { store, clock, .. } = &subject;
    let (_, lease) = begin(store, "a", "1").await;
    let delivered = claim("a", "1", HowStarted::Delivered);
    for _ in 0..3 {
        clock.turn(Duration::from_secs(20));
        assert!(matches!(store.claim_run(&delivered).await.unwrap(), Claimed::HeldElsewhere(_)));
        store.renew_lease(&lease).await.unwrap();
    }
    clock.turn(Duration::from_secs(31));
    assert!(matches!(store.claim_run(&delivered).await.unwrap(), Claimed::Ours(..)));
    assert!(matches!(store.renew_lease(&lease).await, Err(StoreError::RunLost)));
}

async fn a_run_whose_source_became_another_is_superseded(subject: Subject) {
    let store = &subject.store;
    let (run, lease) = begin(store, "a", "1").await;
    let ended = store.end_run(&lease, End::Superseded("it is another".to_owned())).await.unwrap();
    assert_eq!((ended.id, ended.state), (run.id, RunState::Superseded));
    assert_eq!(ended.error.as_deref(), Some("it is another"));
    assert!(ended.ended_at.is_some() && store.abandoned_runs().await.unwrap().is_empty());
    assert!(matches!(store.renew_lease(&lease).await, Err(StoreError::RunLost)));
}
