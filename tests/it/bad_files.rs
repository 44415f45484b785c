//! Files that cannot be imported whole: a clear error that names what and where, and
//! nothing that was right is lost.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use flate2::read::MultiGzDecoder;
use vitrine::import::source::Source;
use vitrine::import::{ImportError, Options, import};
use vitrine::store::{Counts, HowStarted, Reject, Run, RunId, RunState, Store};

use crate::support::TestFolder;
use crate::support::files::{gzip, many, products, row};

struct Tried {
    folder: TestFolder,
    store: Arc<dyn Store>,
}

impl Tried {
    fn new() -> Self {
        let folder = TestFolder::new();
        Self { store: folder.store(), folder }
    }

    async fn import(&self, name: &str, content: impl AsRef<[u8]>) -> Result<Run, ImportError> {
        let file = self.folder.file(name, content);
        self.folder.import(&self.store, &file).await
    }

    async fn fails(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        match self.import(name, content).await {
            Err(ImportError::Failed(reason)) => reason,
            other => panic!("{name}: {other:?}"),
        }
    }

    async fn rejects(&self, run: &Run) -> Vec<Reject> {
        self.store.rejects(run.id, None, 1_000).await.unwrap()
    }

    async fn has(&self, asin: &str) -> bool {
        let asin = vitrine::catalog::Asin::parse(asin).unwrap();
        self.store.product(&asin).await.unwrap().is_some()
    }
}

#[tokio::test]
async fn files_that_are_no_such_files_fail_by_name_and_change_nothing() {
    let tried = Tried::new();
    assert!(tried.fails("empty.csv", "").await.contains("is empty"));
    assert!(tried.fails("blank.csv", "\n\r\n\n").await.contains("is empty"));
    let reason = tried.fails("colours.csv", "asin,title,category_id,colour\n").await;
    assert!(reason.contains("`colour`"), "{reason}");
    assert!(
        tried.fails("short.csv", "asin,title\nB1,x\n").await.contains("`category_id` is missing")
    );
    assert!(tried.fails("noise.bin", [0x7f, b'E', 0, 0xff]).await.contains("unknown header"));
    let endless = format!("\"{}", "x".repeat(100_000));
    assert!(tried.fails("endless.csv", endless).await.contains("64 KiB"));
    assert!(tried.store.categories().await.unwrap().value.is_empty());
    let run = tried.store.run(RunId(1)).await.unwrap().unwrap();
    assert_eq!((run.state, run.counts), (RunState::Failed, Counts::default()));
}

#[tokio::test]
async fn a_header_alone_is_a_file_without_rows() {
    let tried = Tried::new();
    let run = tried.import("header.csv", "asin,title,category_id").await.unwrap();
    assert_eq!((run.state, run.counts), (RunState::Done, Counts::default()));
}

#[tokio::test]
async fn what_is_no_file_starts_no_run() {
    let tried = Tried::new();
    let directory = tried.folder.data.imports();
    let refused = tried.folder.import(&tried.store, &directory).await.unwrap_err();
    assert!(refused.to_string().contains("is not a file"), "{refused}");
    let missing = tried.folder.dir.path().join("missing.csv");
    let refused = tried.folder.import(&tried.store, &missing).await.unwrap_err();
    assert!(refused.to_string().contains("missing.csv"), "{refused}");
    assert!(tried.store.is_unused().await.unwrap());
}

#[tokio::test]
async fn each_broken_row_is_named_and_the_rows_around_it_are_loaded() {
    let tried = Tried::new();
    let good = |i: u32| row(&format!("GOOD{i}"), "good", "1.00", 1);
    let mut text = products(&[
        &good(1),                                              // line 2
        "B1,too,few",                                          // 3
        &format!("{},more", row("B2", "x", "1", 1)),           // 4
        &row("B3", "x", "free", 1),                            // 5
        &row("B4", "x", "1.234", 1),                           // 6
        &row("B-5 ", "x", "1", 1),                             // 7
        &row("B6", "", "1", 1),                                // 8
        &row("B7", "x", "1", 0),                               // 9
        &row("B8", "x", "1", 1).replace("https://img", "img"), // 10
        &row("B9", "x", "1", 1).replace(",4.5,", ",5.5,"),     // 11
        &row("B10", "x", "1", 1).replace("False", "maybe"),    // 12
        &row("B11", &"y".repeat(501), "1", 1),                 // 13
        &good(2),                                              // 14
        &row("B12", "\"open", "1", 1),                         // 15
        &row("B13", "\"closed, here\"", "1", 1),               // 16
    ])
    .into_bytes();
    text.extend_from_slice(b"B14,\xff\xfe,,,,,,,1,,\n"); // 17
    text.extend_from_slice(good(3).as_bytes()); // 18, without a line end
    let run = tried.import("broken.csv", text).await.unwrap();
    let found: Vec<_> = tried
        .rejects(&run)
        .await
        .into_iter()
        .map(|reject| (reject.line, reject.column.unwrap_or_default()))
        .collect();
    let expected = [
        (3, ""),
        (4, ""),
        (5, "price"),
        (6, "price"),
        (7, "asin"),
        (8, "title"),
        (9, "category_id"),
        (10, "imgUrl"),
        (11, "stars"),
        (12, "isBestSeller"),
        (13, "title"),
        (15, ""),
        (17, "title"),
    ]
    .map(|(line, column)| (line, column.to_owned()));
    assert_eq!(found, expected);
    assert_eq!(run.counts, Counts { read: 17, loaded: 4, replaced: 0, rejected: 13 });
    for asin in ["GOOD1", "GOOD2", "GOOD3", "B13"] {
        assert!(tried.has(asin).await, "{asin}");
    }
}

#[tokio::test]
async fn zeros_behind_a_gzip_stream_are_padding_and_other_bytes_a_fault() {
    let tried = Tried::new();
    let whole = gzip(many(3_000).as_bytes());
    let run = tried.import("padded.csv.gz", [whole.clone(), vec![0; 512]].concat()).await.unwrap();
    assert_eq!(run.counts.loaded, 3_000);
    let reason = tried.fails("followed.csv.gz", [whole, b"rubbish".to_vec()].concat()).await;
    assert!(reason.contains("gzip stream"), "{reason}");
    let run = tried.store.run(RunId(2)).await.unwrap().unwrap();
    assert_eq!(run.counts.loaded, 3_000);
}

/// Old files whose lines end with CR alone are one endless line to everybody else.
#[tokio::test]
async fn a_file_of_lone_carriage_returns_fails_by_name() {
    let tried = Tried::new();
    let reason = tried.fails("mac.csv", "asin,title,category_id\rB1,x,1\rB2,y,1\r").await;
    assert!(reason.contains("unknown header"), "{reason}");
    let run = tried.import("mixed.csv", "asin,title,category_id\r\nB1,a\rb,1\r\nB2,\"q\",2\r\n");
    assert_eq!(run.await.unwrap().counts.loaded, 2);
}

#[tokio::test]
async fn a_truncated_gzip_keeps_its_whole_records_and_says_where_it_ends() {
    let tried = Tried::new();
    let whole = gzip(many(20_000).as_bytes());
    let reason = tried.fails("cut.csv.gz", &whole[..whole.len() / 2]).await;
    assert!(reason.contains("gzip stream ends too early"), "{reason}");
    assert!(reason.contains("behind byte "), "{reason}");
    let run = tried.store.run(RunId(1)).await.unwrap().unwrap();
    // Byte by byte, so that the fault takes nothing with it.
    let mut readable = MultiGzDecoder::new(&whole[..whole.len() / 2]);
    let (mut text, mut byte) = (Vec::new(), [0]);
    while readable.read(&mut byte).is_ok_and(|read| read == 1) {
        text.push(byte[0]);
    }
    let whole_records = memchr::memchr_iter(b'\n', &text).count() as u64 - 1;
    assert_eq!(run.counts.loaded, whole_records, "every whole record is kept");
    assert_eq!(run.counts.rejected, 0, "half a record is not a record");

    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 64].fill(0xff);
    let reason = tried.fails("damaged.csv.gz", damaged).await;
    assert!(reason.contains("gzip stream"), "{reason}");
    // The whole file, under the old name, is another state and a run of its own.
    let run = tried.import("cut.csv.gz", whole).await.unwrap();
    assert_eq!(run.counts.loaded, 20_000);
}

/// The file has six batches, and the reading is at most three ahead of the first commit,
/// after which the file is changed: the change always comes before the end is read.
#[tokio::test]
async fn a_file_that_changes_while_it_is_read_fails_and_keeps_what_was_read() {
    let folder = TestFolder::new();
    let store: Arc<dyn Store> = folder.store();
    let file = folder.file("growing.csv", many(180_000));
    let append = |_| {
        let mut file = std::fs::File::options().append(true).open(&file).unwrap();
        file.write_all(format!("{}\n", row("LATE", "x", "1", 1)).as_bytes()).unwrap();
    };
    let options = Options { how: HowStarted::ByHand, rejects_max: None };
    let source = Source::File(file.clone());
    let changed = import(&store, &folder.rejects(), source, options, &append).await.unwrap_err();
    assert!(changed.to_string().contains("has changed while it was read"), "{changed}");
    let run = store.run(RunId(1)).await.unwrap().unwrap();
    assert_eq!(run.state, RunState::Failed);
    assert!(run.counts.loaded >= 180_000, "{:?}", run.counts);
    let again = folder.import(&store, &file).await.unwrap();
    assert_eq!((again.attempt, again.state), (1, RunState::Done), "its new state is another run");
}
