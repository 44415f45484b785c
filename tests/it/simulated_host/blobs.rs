//! The blob trigger: what it hands over, how often it tries, when it gives up.

use serde_json::{Value, json};

use super::{extend, host_json, names, next_envelope, package_of, replying};
use crate::support::fake_handler::Reply;
use crate::support::host::blobs::Account;
use crate::support::host::folder::PackageFolder;
use crate::support::host::invocation::Outcome;
use crate::support::host::{Host, HostOptions};

/// A function on `imports/{name}`; `more` goes into its trigger.
fn blob(more: &Value) -> Value {
    let mut trigger = json!({
        "name": "blob", "type": "blobTrigger", "direction": "in", "path": "imports/{name}",
        "connection": "IMPORT_STORAGE", "source": "EventGrid",
    });
    extend(&mut trigger, more);
    json!({ "bindings": [trigger] })
}

fn by_reference() -> Value {
    blob(&json!({ "dataType": "binary", "properties": { "supportsDeferredBinding": true } }))
}

fn package(function: &Value) -> PackageFolder {
    package_of(&host_json()).with_function("Import", function)
}

async fn host_replying(function: &Value, replies: &[Reply]) -> (PackageFolder, Host) {
    let folder = package(function);
    let host = Host::start(folder.path(), replying("Import", replies)).await;
    (folder, host)
}

/// The body that a function is sent for a blob `a b.csv` of these bytes.
async fn sent(function: &Value, bytes: &[u8]) -> Value {
    let (_folder, host) = host_replying(function, &[]).await;
    assert!(host.upload("a b.csv", bytes).await[0].succeeded());
    let request = next_envelope(&mut host.stdout()).await;
    serde_json::from_str(request["body"].as_str().unwrap()).unwrap()
}

fn outcomes(invocations: &[crate::support::host::invocation::Invocation]) -> Vec<(u32, bool)> {
    invocations.iter().map(|i| (i.attempt, i.succeeded())).collect()
}

#[tokio::test]
async fn as_text_a_blob_is_encoded_twice_with_invalid_bytes_replaced() {
    let body = sent(&blob(&json!({})), b"a\"b\xff").await;
    assert_eq!(body["Data"]["blob"], "\"a\\\"b\u{fffd}\"");
}

#[tokio::test]
async fn a_blob_of_a_json_object_spills_into_the_metadata() {
    let body = sent(&blob(&json!({})), br#"{"colour":"blue"}"#).await;
    assert_eq!(body["Metadata"]["colour"], "\"blue\"");
}

#[tokio::test]
async fn as_binary_a_blob_is_base64_once() {
    let body = sent(&blob(&json!({ "dataType": "binary" })), b"hi\xff").await;
    assert_eq!(body["Data"]["blob"], "aGn/");
}

/// Where the blob lies is told by the metadata alone: the reference's own content is lost.
#[tokio::test]
async fn as_a_reference_a_blob_is_a_descriptor_without_a_place() {
    let body = sent(&by_reference(), b"hi").await;
    let length =
        r#"{"BlobName":"a b.csv","Connection":"IMPORT_STORAGE","ContainerName":"imports"}"#.len();
    assert_eq!(
        body["Data"]["blob"],
        json!({
            "Version": "1.0",
            "Source": "AzureStorageBlobs",
            "ContentType": "application/json",
            "Content": { "Length": length, "IsEmpty": false, "MediaType": "application/json" },
        })
    );
}

#[tokio::test]
async fn the_metadata_tell_where_a_blob_is_and_how_long() {
    let body = sent(&by_reference(), b"hi").await;
    let metadata = &body["Metadata"];
    let uri = metadata["Uri"].as_str().unwrap();
    assert!(uri.ends_with("/devstoreaccount1/imports/a%20b.csv\""), "{uri}");
    assert_eq!(metadata["name"], "\"a b.csv\"");
    assert_eq!(metadata["Metadata"], json!({}));
    let properties = &metadata["Properties"];
    assert_eq!(properties["ContentLength"], 2);
    assert_eq!(names(properties), ["ContentLength", "ContentType", "ETag", "LastModified"]);
    assert_eq!(names(metadata), ["Metadata", "Properties", "Uri", "name", "sys"]);
}

#[tokio::test]
async fn a_reference_costs_the_same_whatever_the_blobs_size() {
    let (_folder, host) = host_replying(&by_reference(), &[]).await;
    let small = host.upload("a.csv", "a").await[0].body_sent;
    let large = host.upload("b.csv", vec![b'a'; 1_024 * 1_024]).await[0].body_sent;
    // Six more digits of its length.
    assert_eq!(large, small + 6);
}

/// Documented nowhere, and silent: with an expression in any other binding the content comes.
#[tokio::test]
async fn an_expression_in_another_binding_takes_the_reference_away() {
    let mut function = by_reference();
    let mut output = json!({ "name": "out", "type": "blob", "direction": "out", "path": "done/x" });
    function["bindings"].as_array_mut().unwrap().push(output.clone());
    assert!(sent(&function, b"hi").await["Data"]["blob"].is_object());
    output["path"] = json!("done/{name}");
    function["bindings"][1] = output;
    assert_eq!(sent(&function, b"hi").await["Data"]["blob"], "aGk=");
}

#[tokio::test]
async fn the_accounts_address_can_be_an_emulators() {
    let folder = package(&by_reference());
    let account = Account::Elsewhere("http://127.0.0.1:10000/devstoreaccount1/".to_owned());
    let host = Host::start(folder.path(), HostOptions { account, ..HostOptions::default() }).await;
    host.upload("a.csv", "a").await;
    let request = next_envelope(&mut host.stdout()).await;
    let body: Value = serde_json::from_str(request["body"].as_str().unwrap()).unwrap();
    assert_eq!(
        body["Metadata"]["Uri"],
        "\"http://127.0.0.1:10000/devstoreaccount1/imports/a.csv\""
    );
}

#[tokio::test]
async fn an_upload_lies_in_the_folder_of_its_container() {
    let (folder, blobs) = (package(&by_reference()), tempfile::tempdir().unwrap());
    let options = HostOptions { blobs: Some(blobs.path().to_owned()), ..HostOptions::default() };
    let host = Host::start(folder.path(), options).await;
    host.upload("deep/a.csv", "hi").await;
    assert_eq!(std::fs::read(blobs.path().join("imports/deep/a.csv")).unwrap(), b"hi");
}

#[tokio::test]
async fn after_a_failure_it_is_tried_again_until_it_succeeds() {
    let replies = [Reply::failure(), Reply::failure(), Reply::json(&json!({}))];
    let (_folder, host) = host_replying(&by_reference(), &replies).await;
    let tries = host.upload("a.csv", "a").await;
    assert_eq!(outcomes(&tries), [(1, false), (2, false), (3, true)]);
    assert_eq!(host.poison(), [""; 0]);
    assert_eq!(host.stop().await.invocations, tries);
}

#[tokio::test]
async fn after_five_tries_the_message_is_poison() {
    let (folder, blobs) = (package(&by_reference()), tempfile::tempdir().unwrap());
    let mut options = replying("Import", &[Reply::failure()]);
    options.blobs = Some(blobs.path().to_owned());
    let host = Host::start(folder.path(), options).await;
    let tries = host.upload("a.csv", "a").await;
    assert_eq!(outcomes(&tries), [1, 2, 3, 4, 5].map(|attempt| (attempt, false)));
    let [record] = &host.poison()[..] else { panic!("one message is given up") };
    assert_eq!(record["FunctionId"], "Host.Functions.Import");
    assert_eq!(record["BlobType"], "BlockBlob");
    assert_eq!(
        (&record["ContainerName"], &record["BlobName"]),
        (&json!("imports"), &json!("a.csv"))
    );
    assert!(record["ETag"].is_string());
    let folder = blobs.path().join("webjobs-blobtrigger-poison");
    let files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    let kept: Value = serde_json::from_slice(&std::fs::read(&files[0]).unwrap()).unwrap();
    assert_eq!((&kept, files.len()), (record, 1));
}

#[tokio::test]
async fn the_number_of_tries_is_that_of_host_json() {
    let mut json = host_json();
    json["extensions"]["blobs"] = json!({ "poisonBlobThreshold": 2 });
    let folder = package_of(&json).with_function("Import", &by_reference());
    let host = Host::start(folder.path(), replying("Import", &[Reply::failure()])).await;
    assert_eq!(outcomes(&host.upload("a.csv", "a").await), [(1, false), (2, false)]);
}

#[tokio::test]
async fn a_handler_that_dies_of_a_blob_is_started_again_and_tried_again() {
    let mut json = host_json();
    json["extensions"]["blobs"] = json!({ "poisonBlobThreshold": 2 });
    let folder = package_of(&json).with_function("Import", &by_reference());
    let host = Host::start(folder.path(), replying("Import", &[Reply::death()])).await;
    let tries = host.upload("a.csv", "a").await;
    assert_eq!(outcomes(&tries), [(1, false), (2, false)]);
    host.until_started(3).await;
}

#[tokio::test]
async fn event_grid_delivers_the_same_blob_again() {
    let (_folder, host) = host_replying(&by_reference(), &[]).await;
    host.upload("a.csv", "a").await;
    assert_eq!(outcomes(&host.redeliver("a.csv").await), [(1, true)]);
}

#[tokio::test]
async fn the_polling_source_delivers_each_etag_once() {
    let polling = blob(&json!({ "source": "LogsAndContainerScan" }));
    let (_folder, host) = host_replying(&polling, &[]).await;
    assert_eq!(outcomes(&host.upload("a.csv", "a").await), [(1, true)]);
    assert_eq!(host.redeliver("a.csv").await, []);
    // The same bytes uploaded again are another version of the blob.
    assert_eq!(outcomes(&host.upload("a.csv", "a").await), [(1, true)]);
}

/// While the first version is tried, a second takes its place: the polling source drops the
/// first one's message, Event Grid's runs with the new content.
#[tokio::test]
async fn a_blob_that_is_replaced_meanwhile_is_noticed_by_the_polling_source_alone() {
    for (source, last) in [("LogsAndContainerScan", false), ("EventGrid", true)] {
        let function = blob(&json!({ "source": source }));
        let held = Reply { held: true, ..Reply::failure() };
        let folder = package(&function).with_function("Any", &super::http("{*path}", &json!({})));
        let host =
            Host::start(folder.path(), replying("Import", &[held, Reply::json(&json!({}))])).await;
        let (tries, ()) = tokio::join!(host.upload("a.csv", "old"), async {
            next_envelope(&mut host.stdout()).await;
            host.put("a.csv", "new");
            host.get("/release").await;
        });
        assert_eq!(outcomes(&tries), [(1, false), (2, last)], "{source}");
        assert_eq!(tries[1].outcome == Outcome::Skipped, !last, "{source}");
    }
}

#[tokio::test]
async fn a_blob_that_is_deleted_meanwhile_is_skipped() {
    let held = Reply { held: true, ..Reply::failure() };
    let folder = package(&by_reference()).with_function("Any", &super::http("{*path}", &json!({})));
    let host = Host::start(folder.path(), replying("Import", &[held])).await;
    let (tries, ()) = tokio::join!(host.upload("a.csv", "a"), async {
        next_envelope(&mut host.stdout()).await;
        host.delete("a.csv");
        host.get("/release").await;
    });
    assert_eq!(tries.len(), 2);
    assert_eq!(tries[1].outcome, Outcome::Skipped);
    assert_eq!(host.poison(), [""; 0]);
}

#[tokio::test]
async fn no_more_blobs_are_under_way_than_host_json_allows() {
    let mut json = host_json();
    json["extensions"]["blobs"] = json!({ "maxDegreeOfParallelism": 1 });
    let folder = package_of(&json)
        .with_function("Import", &by_reference())
        .with_function("Any", &super::http("{*path}", &json!({})));
    let held = Reply { held: true, ..Reply::json(&json!({})) };
    let host = Host::start(folder.path(), replying("Import", &[held])).await;
    let both = async { tokio::join!(host.upload("a.csv", "a"), host.upload("b.csv", "b")) };
    let (_, ()) = tokio::join!(both, async {
        let mut stdout = host.stdout();
        next_envelope(&mut stdout).await;
        host.get("/echo").await;
        let envelopes =
            host.stdout().so_far().iter().filter(|line| line.contains("ENVELOPE")).count();
        assert_eq!(envelopes, 1);
        host.get("/release").await;
        next_envelope(&mut stdout).await;
        host.get("/release").await;
    });
}

#[tokio::test]
async fn only_blobs_of_its_path_trigger_a_function_and_none_if_it_is_disabled() {
    let other = blob(&json!({ "path": "others/{name}" }));
    let disabled = by_reference();
    let folder = package_of(&host_json())
        .with_function("Disabled", &disabled)
        .with_function("Import", &by_reference())
        .with_function("Other", &other);
    let options = HostOptions::default().with("AzureWebJobs.Disabled.Disabled", "true");
    let host = Host::start(folder.path(), options).await;
    let invocations = host.upload("a.csv", "a").await;
    let functions: Vec<_> = invocations.iter().map(|i| i.function.as_str()).collect();
    assert_eq!(functions, ["Import"]);
}
