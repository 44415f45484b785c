//! Importing files: what is loaded, replaced, refused, and counted.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use vitrine::catalog::{Asin, Money, Product};
use vitrine::generate::{Asins, Options, write_categories, write_products};
use vitrine::import::source::Source;
use vitrine::import::{self, ImportError, dry_run};
use vitrine::store::{Counts, HowStarted, RunState, Store};

use crate::contract_store::{Engine, Subject, contract, walk};
use crate::support::TestFolder;
use crate::support::files::{HEADER, gzip, many, products, row};

contract!(
    what_the_file_says_is_what_the_catalogue_has,
    gzip_is_told_by_its_content_and_read_the_same,
    a_file_is_imported_once_unless_it_is_asked_for_again,
    every_row_of_a_dirty_file_is_loaded_replaced_or_refused,
    of_rows_with_one_asin_the_last_wins,
    a_file_makes_a_thousand_categories_and_no_more,
    a_limit_of_refused_rows_holds_when_the_run_goes_on,
    too_many_refused_rows_stop_a_run_as_failed,
    the_order_of_the_two_files_does_not_matter,
    what_is_made_does_not_depend_on_where_a_run_was_cut,
);

async fn all(store: &Arc<dyn Store>) -> Vec<Product> {
    let query = vitrine::catalog::PageQuery::parse("limit=1000").unwrap();
    walk(store, query).await
}

async fn find(store: &Arc<dyn Store>, asin: &str) -> Option<Product> {
    store.product(&Asin::parse(asin).unwrap()).await.unwrap()
}

fn counts(read: u64, loaded: u64, replaced: u64, rejected: u64) -> Counts {
    Counts { read, loaded, replaced, rejected }
}

async fn what_the_file_says_is_what_the_catalogue_has(Subject { store, folder, .. }: Subject) {
    let text = "\u{feff}category_id,asin,price,title,isBestSeller\r\n\
        7,B1,98.0,\"A \"\"big\"\" lamp, with\nshade &amp; bulb\",True\r\n\
        \r\n\
        7,B2,,Plain,\r\n\
        7,B3,0,Nought,False";
    let file = folder.file("odd.csv", text);
    let run = folder.import(&store, &file).await.unwrap();
    assert_eq!(run.counts, counts(3, 3, 0, 0));
    let first = find(&store, "B1").await.unwrap();
    assert_eq!(first.title.as_str(), "A \"big\" lamp, with shade & bulb");
    assert_eq!(first.price.map(Money::hundredths), Some(9_800));
    assert_eq!((first.is_best_seller, first.stars), (Some(true), None));
    let second = find(&store, "B2").await.unwrap();
    assert_eq!((second.price, second.is_best_seller), (None, None), "empty is not known");
    let third = find(&store, "B3").await.unwrap();
    assert_eq!(third.price.map(Money::hundredths), Some(0), "nought stays nought");
    let names: Vec<_> = store
        .categories()
        .await
        .unwrap()
        .value
        .iter()
        .map(|c| c.name.as_str().to_owned())
        .collect();
    assert_eq!(names, ["Category 7"]);
}

async fn the_order_of_the_two_files_does_not_matter(Subject { engine, .. }: Subject) {
    let categories = "id,category_name\n1,Lamps &amp; Shades\n2,Beds\n";
    let mut results = Vec::new();
    for products_first in [true, false] {
        let subject = engine.subject().await;
        let (store, folder) = (&subject.store, &subject.folder);
        let one = folder.file("products.csv", many(100));
        let two = folder.file("categories.csv", categories);
        let (first, second) = if products_first { (&one, &two) } else { (&two, &one) };
        folder.import(store, first).await.unwrap();
        folder.import(store, second).await.unwrap();
        let listed = store.categories().await.unwrap().value;
        assert_eq!(listed[0].name.as_str(), "Lamps & Shades");
        results.push((listed, all(store).await, store.category_counts().await.unwrap().value));
    }
    assert_eq!(results[0], results[1]);
}

async fn gzip_is_told_by_its_content_and_read_the_same(Subject { store, folder, .. }: Subject) {
    let plain = folder.file("a.csv", many(3_000));
    // Two members, as `cat a.gz b.gz` makes them, under a name that says nothing.
    let text = many(3_000);
    let (head, tail) = text.as_bytes().split_at(50_000);
    let packed = folder.file("b.csv", [gzip(head), gzip(tail)].concat());
    folder.import(&store, &plain).await.unwrap();
    let loaded = all(&store).await;
    let run = folder.import(&store, &packed).await.unwrap();
    assert_eq!(run.counts, counts(3_000, 3_000, 0, 0));
    assert_eq!(all(&store).await, loaded);
}

async fn a_file_is_imported_once_unless_it_is_asked_for_again(
    Subject { store, folder, .. }: Subject,
) {
    let file = folder.file("a.csv", many(10));
    let first = folder.import(&store, &file).await.unwrap();
    let second = folder.import(&store, &file).await.unwrap();
    assert_eq!((first.id, second.state), (second.id, RunState::Done));
    let again = folder.import_as(&store, &file, HowStarted::Again).await.unwrap();
    assert_ne!(again.id, first.id);
    assert_eq!((again.attempt, again.counts), (2, counts(10, 10, 0, 0)));
    std::fs::write(&file, many(11)).unwrap();
    let changed = folder.import(&store, &file).await.unwrap();
    assert_eq!((changed.attempt, changed.counts), (1, counts(11, 11, 0, 0)));
}

/// An independent reading of the generator's dirty file: every line that is loadable by
/// the generator's own word is in the catalogue, the last of each asin, and nothing else.
async fn every_row_of_a_dirty_file_is_loaded_replaced_or_refused(
    Subject { store, folder, .. }: Subject,
) {
    let options = Options { rows: 20_000, seed: 7, dirty_per_mille: 100, asins: Asins::Random };
    let (mut categories, mut text) = (Vec::new(), Vec::new());
    write_categories(&options, &mut categories).unwrap();
    write_products(&options, &mut text).unwrap();
    folder.import(&store, &folder.file("c.csv", categories)).await.unwrap();
    let file = folder.file("p.csv", &text);
    let run = folder.import(&store, &file).await.unwrap();

    let Counts { read, loaded, replaced, rejected } = run.counts;
    assert_eq!(read, loaded + replaced + rejected);
    assert!(rejected > 500 && replaced > 20, "{:?}", run.counts);
    let products = all(&store).await;
    assert_eq!(products.len() as u64, loaded, "every asin is one row");

    let rejects = store.rejects(run.id, None, 1_000_000).await.unwrap();
    assert_eq!(rejects.len() as u64, rejected);
    for reject in &rejects {
        let at = usize::try_from(reject.byte).unwrap();
        let line = memchr::memchr_iter(b'\n', &text[..at]).count() as u64 + 1;
        assert_eq!(reject.line, line, "{reject:?}");
        let shown = String::from_utf8_lossy(&text[at..]);
        let begin: String = reject.record.chars().take(200).collect();
        assert!(shown.starts_with(&begin), "{reject:?}");
        assert!(!reject.reason.is_empty());
    }
    let written = folder.rejects().shown(run.id, "p.csv");
    let lines = std::fs::read_to_string(written).unwrap();
    let written: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(written.len(), rejects.len());
    assert_eq!(written[0]["reason"], rejects[0].reason);
}

async fn of_rows_with_one_asin_the_last_wins(Subject { store, folder, .. }: Subject) {
    let text = products(&[
        &row("B1", "first", "1.00", 1),
        &row("B2", "other", "1.00", 1),
        &row("B1", "second", "2.00", 2),
        &row("B1", "refused", "-1", 2),
    ]);
    let run = folder.import(&store, &folder.file("a.csv", text)).await.unwrap();
    assert_eq!(run.counts, counts(4, 2, 1, 1));
    assert_eq!(find(&store, "B1").await.unwrap().title.as_str(), "second");
}

async fn a_file_makes_a_thousand_categories_and_no_more(Subject { store, folder, .. }: Subject) {
    let rows: Vec<_> = (1..=1_002).map(|i| row(&format!("B{i}"), "x", "1", i)).collect();
    let lines: Vec<_> = rows.iter().map(String::as_str).collect();
    let run = folder.import(&store, &folder.file("a.csv", products(&lines))).await.unwrap();
    assert_eq!(run.counts, counts(1_002, 1_000, 0, 2));
    let rejects = store.rejects(run.id, None, 9).await.unwrap();
    assert_eq!(rejects[0].column.as_deref(), Some("category_id"));
    assert_eq!(rejects[0].line, 1_002);

    // A second file, and the bound of 2,000 in all, for the categories file too.
    let rows: Vec<_> = (2_001..=2_999).map(|i| row(&format!("C{i}"), "x", "1", i)).collect();
    let lines: Vec<_> = rows.iter().map(String::as_str).collect();
    let run = folder.import(&store, &folder.file("b.csv", products(&lines))).await.unwrap();
    assert_eq!(run.counts, counts(999, 999, 0, 0));
    let named = "id,category_name\n5000,One more\n5001,Too many\n1,Lamps\n";
    let run = folder.import(&store, &folder.file("c.csv", named)).await.unwrap();
    assert_eq!(run.counts, counts(3, 2, 0, 1));
    assert_eq!(store.categories().await.unwrap().value.len(), 2_000);
}

/// A run that is cut after its first batch ends like one that was not, though rows that were
/// replaced within that batch are the only ones to mention some categories.
async fn what_is_made_does_not_depend_on_where_a_run_was_cut(Subject { engine, .. }: Subject) {
    let mut lines: Vec<_> = (1_000..2_000).map(|id| row("X", "same", "1", id)).collect();
    lines.extend((0..70_000).map(|i| row(&format!("A{i}"), "t", "1", 1_001)));
    lines.push(row("Z", "last", "1", 5_000));
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    let text = products(&lines);
    let mut ends = Vec::new();
    for is_cut in [false, true] {
        let subject = engine.subject().await;
        let (store, folder) = (&subject.store, &subject.folder);
        let file = folder.file("a.csv", &text);
        if is_cut {
            let (committed, first) = tokio::sync::mpsc::unbounded_channel();
            let (store, rejects, file) = (Arc::clone(store), folder.rejects(), file.clone());
            let options = import::Options { how: HowStarted::ByHand, rejects_max: None };
            let importing = tokio::spawn(async move {
                let note = |_| committed.send(()).unwrap();
                import::import(&store, &rejects, Source::File(file), options, &note).await
            });
            let mut first = first;
            first.recv().await.unwrap();
            importing.abort();
        }
        let run = folder.import(store, &file).await.unwrap();
        let categories = store.categories().await.unwrap().value.len();
        ends.push((run.counts, run.categories_made, categories, find(store, "Z").await));
    }
    assert_eq!(ends[0], ends[1]);
    assert_eq!((ends[0].1, ends[0].2), (1_000, 1_000));
}

/// The limit stays with the run, whoever goes on with it.
async fn a_limit_of_refused_rows_holds_when_the_run_goes_on(
    Subject { store, folder, .. }: Subject,
) {
    let file = folder.file("a.csv", products(&["B1,x", "B2,x", &row("B3", "good", "1", 1)]));
    let import = |how, rejects_max| {
        let options = import::Options { how, rejects_max };
        let (store, rejects, source) = (&store, folder.rejects(), Source::File(file.clone()));
        async move { import::import(store, &rejects, source, options, &|_| {}).await }
    };
    for how in [HowStarted::ByHand, HowStarted::ByHand] {
        assert!(matches!(import(how, Some(1)).await, Err(ImportError::Failed(_))));
    }
    assert!(matches!(import(HowStarted::Delivered, None).await, Err(ImportError::Failed(_))));
    assert!(import(HowStarted::ByHand, None).await.is_ok(), "asked for anew, without a limit");
}

async fn too_many_refused_rows_stop_a_run_as_failed(Subject { store, folder, .. }: Subject) {
    let text = products(&["B1,x", "B2,x", &row("B3", "good", "1", 1)]);
    let file = folder.file("a.csv", text);
    let source = || Source::File(file.clone());
    let options = |most| import::Options { how: HowStarted::ByHand, rejects_max: Some(most) };
    let stopped = import::import(&store, &folder.rejects(), source(), options(1), &|_| {}).await;
    assert!(matches!(stopped, Err(ImportError::Failed(reason)) if reason.contains("2 rows")));
    let passed = import::import(&store, &folder.rejects(), source(), options(2), &|_| {}).await;
    assert!(passed.is_ok());
}

#[tokio::test]
async fn a_dry_run_reports_and_changes_nothing() {
    let folder = TestFolder::new();
    let text = products(&[&row("B1", "good", "1", 1), "B2,x", &row("B1", "again", "1", 1)]);
    let file = folder.file("a.csv", text);
    let report = dry_run(&Source::File(file), HashSet::new(), &|_| {}).await.unwrap();
    assert_eq!(report.counts, counts(3, 1, 1, 1));
    assert_eq!(report.rejects[0].line, 3);
    assert!(!folder.data.database().exists());
}

/// The first batch of one's own takes the sample away; a file that cannot be read does not.
/// Only the embedded store has a sample.
#[tokio::test]
async fn the_sample_goes_when_a_file_of_ones_own_is_loaded() {
    let Subject { store, folder, .. } = Engine::Sqlite.subject().await;
    assert!(store.is_unused().await.unwrap());
    vitrine::sample::load(&store, &folder.rejects()).await.unwrap();
    assert!(!store.is_unused().await.unwrap());
    let sample = all(&store).await;
    assert!(sample.len() >= 100 && sample.iter().all(|p| p.asin.as_str().starts_with("SAMPLE")));
    let ids: Vec<_> = store.categories().await.unwrap().value.iter().map(|c| c.id.get()).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5]);

    let bad = folder.file("bad.csv", "colour\nred\n");
    folder.import(&store, &bad).await.unwrap_err();
    assert_eq!(all(&store).await, sample);

    let own = folder.file("own.csv", products(&[&row("B1", "mine", "1", 2)]));
    folder.import(&store, &own).await.unwrap();
    assert_eq!(all(&store).await.len(), 1);
    let counts: BTreeMap<_, _> = store
        .category_counts()
        .await
        .unwrap()
        .value
        .into_iter()
        .map(|count| (count.category_name, count.total_products))
        .collect();
    assert_eq!(counts, BTreeMap::from([("Category 2".to_owned(), 1)]));
    vitrine::sample::load(&store, &folder.rejects()).await.unwrap();
    assert_eq!(all(&store).await.len(), 1, "it does not come back");
}

#[test]
fn the_sample_is_what_the_generator_makes() {
    let options = Options { rows: 200, seed: 1, dirty_per_mille: 0, asins: Asins::Sample };
    let (mut categories, mut products) = (Vec::new(), Vec::new());
    write_categories(&options, &mut categories).unwrap();
    write_products(&options, &mut products).unwrap();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/handler/sample");
    for (name, made) in [("amazon_categories.csv", categories), ("amazon_products.csv", products)] {
        let path = format!("{folder}/{name}");
        if std::env::var_os("VITRINE_RENEW_SAMPLE").is_some() {
            std::fs::write(&path, &made).unwrap();
        }
        let kept = std::fs::read(&path).unwrap();
        assert!(kept == made, "{name}: VITRINE_RENEW_SAMPLE=1 writes it anew");
    }
    assert!(HEADER.starts_with("asin,title"));
}
