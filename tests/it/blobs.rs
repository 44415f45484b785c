//! Uploads that are read from where they lie: ranges, bad days of the account, addresses with
//! tricks. Of the real protocol see `azurite`.

use std::collections::HashMap;
use std::io::Read as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use vitrine::blobs::reader::BlobReader;
use vitrine::blobs::{Blob, BlobError, BlobState, Blobs};
use vitrine::import::source::{Source, Sources};
use vitrine::import::{DELIVERED, ImportError, Options, Outcome, import};
use vitrine::settings::Settings;
use vitrine::store::{Claim, Claimed, End, HowStarted, RunState, Store};

use crate::support::TestFolder;
use crate::support::files::{gzip, many, products, row};
use crate::support::storage::{Fault, SAS, Storage};

const RANGE: usize = 8 * 1_024 * 1_024;

fn blobs_of(storage: &Storage) -> Arc<Blobs> {
    let variables =
        [("IMPORT_STORAGE__blobServiceUri", storage.url.as_str()), ("IMPORT_STORAGE_SAS", SAS)];
    let variables: HashMap<_, _> =
        variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    Blobs::of(&Settings::from_variables(&variables).unwrap()).unwrap().unwrap()
}

/// Reads a blob whole.
async fn read(storage: &Storage, path: &str) -> Result<Vec<u8>, BlobError> {
    let blob = blobs_of(storage).blob(&storage.address(path)).unwrap();
    let state = blob.state().await?;
    read_state(blob, state).await
}

/// On a thread that may wait.
async fn read_state(blob: Blob, state: BlobState) -> Result<Vec<u8>, BlobError> {
    let reading = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        let read = BlobReader::new(blob, &state.etag, state.size).read_to_end(&mut bytes);
        read.map(|_| bytes).map_err(|e| e.downcast::<BlobError>().unwrap())
    });
    reading.await.unwrap()
}

fn bytes(length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(7);
    (0..length).map(|_| random.u8(..)).collect()
}

#[tokio::test]
async fn a_blob_is_read_in_ranges_of_one_state() {
    let storage = Storage::start();
    for length in [0, 1, RANGE, RANGE + 1, 3 * RANGE + 17] {
        let content = bytes(length);
        storage.put("imports/x", content.clone());
        assert!(read(&storage, "imports/x").await.unwrap() == content, "{length}");
        let gets = storage.asked().into_iter().filter(|asked| asked.starts_with("GET")).count();
        assert_eq!(gets, length.div_ceil(RANGE), "{length}");
    }
}

/// Each fault is met by a range, which is asked for again and no other with it.
#[tokio::test]
async fn a_range_that_fails_is_asked_for_again() {
    let storage = Storage::start();
    let content = bytes(2 * RANGE + 5);
    storage.put("imports/x", content.clone());
    for fault in [
        Fault::Status(500, "InternalError"),
        Fault::Status(503, "ServerBusy"),
        Fault::Status(429, "TooManyRequests"),
        Fault::Cut(1_000_000),
        Fault::HangUp,
    ] {
        let blob = blobs_of(&storage).blob(&storage.address("imports/x")).unwrap();
        let state = blob.state().await.unwrap();
        storage.asked();
        storage.meet([fault.clone()]);
        assert!(read_state(blob, state).await.unwrap() == content, "{fault:?}");
        assert_eq!(storage.asked().len(), 3 + 1, "{fault:?}");
    }
}

#[tokio::test]
async fn what_trying_again_does_not_change_is_named_at_once() {
    let storage = Storage::start();
    storage.put("imports/x", "x");
    for (fault, named) in [
        (Fault::Status(404, "BlobNotFound"), BlobError::Gone),
        (Fault::Status(412, "ConditionNotMet"), BlobError::Overwritten),
        (
            Fault::Status(403, "AuthorizationPermissionMismatch"),
            BlobError::Denied("403, AuthorizationPermissionMismatch".to_owned()),
        ),
        (
            Fault::Status(401, "InvalidAuthenticationInfo"),
            BlobError::Denied("401, InvalidAuthenticationInfo".to_owned()),
        ),
        (
            Fault::Status(400, "InvalidHeaderValue"),
            BlobError::Odd("400, InvalidHeaderValue".to_owned()),
        ),
    ] {
        let blob = blobs_of(&storage).blob(&storage.address("imports/x")).unwrap();
        storage.asked();
        storage.meet([fault]);
        let refused = blob.state().await.unwrap_err();
        // A HEAD has no body: the code comes by its header, or not at all.
        let is_same = std::mem::discriminant(&refused) == std::mem::discriminant(&named);
        assert!(is_same, "{refused:?} {named:?}");
        assert_eq!(storage.asked().len(), 1);
        assert!(!format!("{refused} {refused:?}").contains("sig"), "{refused:?}");
    }
}

/// Whoever answers for the account may send us anywhere; our token goes nowhere else.
#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (storage, elsewhere) = (Storage::start(), Storage::start());
    elsewhere.put("imports/x", "x");
    storage.put("imports/x", "x");
    storage.meet([Fault::Redirect(elsewhere.address("imports/x"))]);
    let blob = blobs_of(&storage).blob(&storage.address("imports/x")).unwrap();
    assert!(matches!(blob.state().await, Err(BlobError::Odd(_))));
    assert!(elsewhere.asked().is_empty());
}

#[tokio::test]
async fn an_account_that_is_away_is_named_without_its_token() {
    let mut gone = Storage::start();
    "http://127.0.0.1:9/devstoreaccount1".clone_into(&mut gone.url);
    let blob = blobs_of(&gone).blob(&gone.address("imports/x")).unwrap();
    let away = blob.state().await.unwrap_err();
    assert!(away.may_pass() && away.to_string().contains("refused"), "{away}");
    assert!(!format!("{away} {away:?}").contains("sig"), "{away:?}");
}

#[test]
fn only_blobs_of_the_container_are_ever_asked_for() {
    let storage = Storage::start();
    let blobs = blobs_of(&storage);
    for uri in [
        storage.address("rejects/x.csv"),
        storage.address("imports/../rejects/x.csv"),
        storage.address("imports/%2e%2e/rejects/x.csv"),
        storage.url.replace("http://", "http://user@") + "/imports/x.csv",
        "https://theirs.blob.core.windows.net/imports/x.csv".to_owned(),
        "http://169.254.169.254/devstoreaccount1/imports/x.csv".to_owned(),
        "file:///imports/x.csv".to_owned(),
        String::new(),
    ] {
        let refused = blobs.blob(&uri).err().unwrap();
        assert_eq!(refused, BlobError::Elsewhere("imports".to_owned()), "{uri}");
    }
    assert!(storage.asked().is_empty());
}

// --- imports --------------------------------------------------------------------------------

struct Shop {
    folder: TestFolder,
    store: Arc<dyn Store>,
    storage: Storage,
}

impl Shop {
    fn open() -> Self {
        let folder = TestFolder::new();
        let store = folder.store();
        Self { folder, store, storage: Storage::start() }
    }

    async fn import(&self, path: &str) -> Result<Outcome, ImportError> {
        self.import_as(path, DELIVERED).await
    }

    async fn import_as(&self, path: &str, options: Options) -> Result<Outcome, ImportError> {
        let blob = blobs_of(&self.storage).blob(&self.storage.address(path)).unwrap();
        let rejects = self.folder.rejects();
        import(&self.store, &rejects, Source::Blob(blob), options, &|_| {}).await
    }
}

#[tokio::test]
async fn a_blob_is_imported_once_however_often_it_is_delivered() {
    let shop = Shop::open();
    shop.storage.put("imports/a.csv", many(300));
    let Outcome::Done(run) = shop.import("imports/a.csv").await.unwrap() else { panic!() };
    assert_eq!((run.counts.read, run.counts.loaded), (300, 300));
    assert_eq!(run.source, shop.storage.address("imports/a.csv"));
    assert!(matches!(shop.import("imports/a.csv").await.unwrap(), Outcome::DoneBefore(_)));
    shop.storage.put("imports/a.csv", gzip(many(310).as_bytes()));
    let Outcome::Done(run) = shop.import("imports/a.csv").await.unwrap() else { panic!() };
    assert_eq!((run.counts.read, run.counts.rejected), (310, 0));
}

/// The run ends with a state that says why, and the new blob is a run of its own.
#[tokio::test]
async fn a_blob_that_is_overwritten_while_it_is_read_ends_its_run() {
    let shop = Shop::open();
    // Several ranges, the last of which is asked for when the first is through.
    let old = many(400_000);
    assert!(old.len() > 3 * RANGE, "{}", old.len());
    shop.storage.put("imports/a.csv", old);
    let blob = blobs_of(&shop.storage).blob(&shop.storage.address("imports/a.csv")).unwrap();
    let (storage, rejects) = (shop.storage.clone(), shop.folder.rejects());
    let overwrite = move |_| storage.put("imports/a.csv", many(7));
    let stopped =
        import(&shop.store, &rejects, Source::Blob(blob), DELIVERED, &overwrite).await.unwrap_err();
    let ImportError::Overwritten(reason) = stopped else { panic!("{stopped:?}") };
    assert!(reason.contains("has been overwritten while it was read"), "{reason}");
    let Outcome::Done(run) = shop.import("imports/a.csv").await.unwrap() else { panic!() };
    assert_eq!((run.counts.read, run.counts.rejected), (7, 0));
    let runs = shop.store.runs(None, 9).await.unwrap();
    let states: Vec<_> = runs.iter().map(|run| run.state).collect();
    assert_eq!(states, [RunState::Done, RunState::Superseded]);
    assert!(runs[1].error.as_ref().unwrap().contains("overwritten"), "{runs:?}");
}

#[tokio::test]
async fn a_blob_that_is_deleted_or_closed_is_a_named_error_and_no_run() {
    let shop = Shop::open();
    let Err(ImportError::Source(gone)) = shop.import("imports/none.csv").await else { panic!() };
    assert!(gone.to_string().contains("is not there"), "{gone}");
    shop.storage.put("imports/a.csv", many(3));
    shop.storage.meet([Fault::Status(403, "AuthorizationPermissionMismatch")]);
    let Err(ImportError::Source(denied)) = shop.import("imports/a.csv").await else { panic!() };
    assert!(denied.to_string().contains("lets us not read"), "{denied}");
    let no_run = shop.store.is_unused().await.unwrap();
    assert!(no_run);
}

/// Two uploads within a second are told apart by nobody: the older one may be claimed late, and
/// end the run of the newer. What lies there is imported all the same.
#[tokio::test]
async fn what_lies_there_is_imported_whatever_has_ended_its_run() {
    let shop = Shop::open();
    shop.storage.put("imports/a.csv", many(30));
    let blob = blobs_of(&shop.storage).blob(&shop.storage.address("imports/a.csv")).unwrap();
    let state = blob.state().await.unwrap();
    let claim = |etag: &str| Claim {
        source: blob.uri().to_owned(),
        etag: etag.to_owned(),
        modified: state.modified,
        size: 1,
        rejects_max: None,
        how: HowStarted::Delivered,
    };
    let Claimed::Ours(newer, _) = shop.store.claim_run(&claim(&state.etag)).await.unwrap() else {
        panic!()
    };
    let Claimed::Ours(_, lease) = shop.store.claim_run(&claim("older")).await.unwrap() else {
        panic!()
    };
    let superseded = shop.store.run(newer.id).await.unwrap().unwrap().state;
    assert_eq!(superseded, RunState::Superseded);
    let overwritten = End::Superseded("overwritten".to_owned());
    shop.store.end_run(&lease, overwritten).await.unwrap();
    let Outcome::Done(run) = shop.import("imports/a.csv").await.unwrap() else { panic!() };
    assert_eq!((run.etag.as_str(), run.counts.loaded), (state.etag.as_str(), 30));
    assert!(matches!(shop.import("imports/a.csv").await.unwrap(), Outcome::DoneBefore(_)));
}

/// Whoever tells of a blob may spell it as he likes.
#[tokio::test]
async fn a_blob_is_one_however_its_address_is_spelt() {
    let shop = Shop::open();
    shop.storage.put("imports/a b é.csv", many(30));
    let blobs = blobs_of(&shop.storage);
    for (number, name) in
        ["a%20b%20%C3%A9.csv", "a b é.csv", "%61%20b%20%c3%a9%2Ecsv"].into_iter().enumerate()
    {
        let blob = blobs.blob(&shop.storage.address(&format!("imports/{name}"))).unwrap();
        let rejects = shop.folder.rejects();
        let source = Source::Blob(blob);
        let told = import(&shop.store, &rejects, source, DELIVERED, &|_| {}).await.unwrap();
        assert_eq!(matches!(told, Outcome::Done(_)), number == 0, "{name}: {told:?}");
    }
}

/// A range is asked for once, and the next one while it is read.
#[tokio::test]
async fn ranges_are_asked_for_ahead_and_once() {
    let shop = Shop::open();
    let text = many(500_000);
    shop.storage.put("imports/a.csv", text.clone());
    let Outcome::Done(_) = shop.import("imports/a.csv").await.unwrap() else { panic!() };
    let asked = shop.storage.asked();
    let gets = asked.iter().filter(|asked| asked.starts_with("GET")).count();
    assert_eq!(gets, text.len().div_ceil(RANGE), "{asked:?}");
    let unasked = blobs_of(&shop.storage).blob(&shop.storage.address("imports/a.csv")).unwrap();
    let state = unasked.state().await.unwrap();
    let storage = shop.storage.clone();
    let ahead = tokio::task::spawn_blocking(move || {
        let mut reader = BlobReader::new(unasked, &state.etag, state.size);
        let mut first = vec![0; RANGE / 2];
        reader.read_exact(&mut first).unwrap();
        let next = format!("bytes={RANGE}-");
        let began = Instant::now();
        while !storage.asked().iter().any(|asked| asked.contains(&next)) {
            assert!(began.elapsed() < Duration::from_secs(20), "the next range is asked for");
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    ahead.await.unwrap();
}

/// A server that knows no ranges is named, and not taken at its word.
#[tokio::test]
async fn more_than_was_asked_for_is_not_taken() {
    let storage = Storage::start();
    storage.put("imports/x", bytes(2 * RANGE));
    let blob = blobs_of(&storage).blob(&storage.address("imports/x")).unwrap();
    let state = blob.state().await.unwrap();
    storage.meet([Fault::Whole]);
    let refused = read_state(blob, state).await.unwrap_err();
    assert!(matches!(refused, BlobError::Odd(_)), "{refused:?}");
}

/// Storage that goes away in the middle lets the run rest, and it goes on where it stood.
#[tokio::test]
async fn a_run_rests_while_storage_is_away_and_goes_on_at_its_checkpoint() {
    let shop = Shop::open();
    shop.storage.put("imports/a.csv", many(400_000));
    let blob = blobs_of(&shop.storage).blob(&shop.storage.address("imports/a.csv")).unwrap();
    let (storage, rejects) = (shop.storage.clone(), shop.folder.rejects());
    // More than it is asked again, once, after the first batch.
    let once = std::sync::Once::new();
    let away = move |_| {
        once.call_once(|| storage.meet(vec![Fault::Status(503, "ServerBusy"); 12]));
    };
    let source = Source::Blob(blob);
    let stopped = import(&shop.store, &rejects, source, DELIVERED, &away).await.unwrap_err();
    let ImportError::Paused(reason) = stopped else { panic!("{stopped:?}") };
    assert!(reason.contains("cannot be reached: 503"), "{reason}");
    // It is there again for a moment, and away when the run is about to go on.
    shop.storage.recover();
    shop.storage.meet_behind(vec![Fault::Status(503, "ServerBusy"); 6]);
    // Whoever is not a person waits until it has rested.
    let by_hand = Options { how: HowStarted::ByHand, rejects_max: None };
    let Err(ImportError::Paused(_)) = shop.import_as("imports/a.csv", by_hand).await else {
        panic!("it rests")
    };
    shop.storage.recover();
    let done = shop.import_as("imports/a.csv", by_hand).await.unwrap();
    let Outcome::Done(run) = done else { panic!("{done:?}") };
    assert_eq!((run.counts.read, run.counts.loaded, run.state), (400_000, 400_000, RunState::Done));
}

#[tokio::test]
async fn refused_rows_are_a_blob_beside_the_container_of_imports() {
    let folder = TestFolder::new();
    let (store, storage): (Arc<dyn Store>, _) = (folder.store(), Storage::start());
    let dirty = products(&[&row("B1", "A lamp", "1", 1), "B2,x"]);
    storage.put("imports/é und ü.csv", dirty);
    let blobs = blobs_of(&storage);
    let rejects = vitrine::import::rejects::Rejects::at(folder.data.rejects(), Some(&blobs));
    let uri = storage.address("imports/%C3%A9%20und%20%C3%BC.csv");
    let source = Sources { blobs: Some(Arc::clone(&blobs)) }.find(&uri).unwrap();
    let done = import(&store, &rejects, source, DELIVERED, &|_| {}).await.unwrap();
    let Outcome::Done(run) = done else { panic!("{done:?}") };
    let name = format!("rejects/é und ü.csv.{}.ndjson", run.id);
    let written = String::from_utf8(storage.get(&name).unwrap()).unwrap();
    assert_eq!(written.lines().count(), 1);
    assert!(written.contains("\"record\":\"B2,x\""), "{written}");
}

/// All rows are in, so nothing is lost; but an operator must hear of it.
#[tokio::test]
async fn refused_rows_that_cannot_be_written_fail_a_run_by_name() {
    let folder = TestFolder::new();
    let (store, storage): (Arc<dyn Store>, _) = (folder.store(), Storage::start());
    storage.put("imports/a.csv", products(&[&row("B1", "A lamp", "1", 1), "B2,x"]));
    storage.be_read_only();
    let blobs = blobs_of(&storage);
    let rejects = vitrine::import::rejects::Rejects::at(folder.data.rejects(), Some(&blobs));
    let source = Source::Blob(blobs.blob(&storage.address("imports/a.csv")).unwrap());
    let failed = import(&store, &rejects, source, DELIVERED, &|_| {}).await.unwrap_err();
    let ImportError::Failed(reason) = failed else { panic!("{failed:?}") };
    assert!(reason.contains("all rows are in") && reason.contains("403"), "{reason}");
    let run = &store.runs(None, 9).await.unwrap()[0];
    assert_eq!((run.state, run.counts.loaded, run.counts.rejected), (RunState::Failed, 1, 1));
    assert_eq!(store.rejects(run.id, None, 9).await.unwrap().len(), 1);
}
