//! What is promised of whole files; the parts are tested where they stand.

mod reader;
mod statistics;

use std::{collections::HashSet, env, io::Write, process};

use self::reader::{Import, import, records};
use super::*;

const CLEAN: Options = Options { rows: 3_000, seed: 1, dirty_per_mille: 0, asins: Asins::Random };

fn products(options: Options) -> (Vec<u8>, Rows) {
    let mut file = Vec::new();
    let rows = write_products(&options, &mut file).unwrap();
    (file, rows)
}

fn categories(asins: Asins) -> String {
    let mut file = Vec::new();
    write_categories(&Options { asins, ..CLEAN }, &mut file).unwrap();
    String::from_utf8(file).unwrap()
}

/// FNV-1a: short, and no crate's to change.
fn digest(bytes: &[u8]) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325;
    bytes
        .iter()
        .fold(start, |hash: u64, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Published files and the numbers measured with them stay comparable only while this holds.
/// Who changes the generator on purpose writes the new digests here.
#[test]
fn bytes_are_pinned() {
    let digests = [
        digest(categories(Asins::Random).as_bytes()),
        digest(&products(CLEAN).0),
        digest(&products(Options { dirty_per_mille: 100, ..CLEAN }).0),
        digest(&products(Options { asins: Asins::Sample, ..CLEAN }).0),
    ];
    let pinned = [
        0x1162_2b71_241f_0206,
        0x7e48_d7d0_0c3d_09e8,
        0x5287_a658_46fe_3f84,
        0xf538_3c39_2c18_4c74,
    ];
    assert_eq!(digests, pinned, "{digests:#x?}");
}

#[test]
fn another_seed_gives_other_products_and_the_same_categories() {
    let (one, other) = (products(CLEAN).0, products(Options { seed: 2, ..CLEAN }).0);
    let asins = |file: &[u8]| -> HashSet<Vec<u8>> {
        records(file)[1..].iter().map(|record| record[0].clone()).collect()
    };
    assert!(asins(&one).is_disjoint(&asins(&other)));
    assert_eq!(products(CLEAN).0, one);
}

#[test]
fn a_file_without_rows_is_its_header() {
    let (file, rows) = products(Options { rows: 0, ..CLEAN });
    let header = "asin,title,imgUrl,productURL,stars,reviews,price,listPrice,\
        category_id,isBestSeller,boughtInLastMonth\n";
    assert_eq!((file.as_slice(), rows), (header.as_bytes(), Rows::default()));
}

#[test]
fn clean_rows_need_no_cleaning() {
    let (file, rows) = products(Options { rows: 60_000, seed: 5, ..CLEAN });
    assert_eq!(import(&file), Import { loaded: 60_000, ..Import::default() });
    assert_eq!(rows, Rows { products: 60_000, ..Rows::default() });
    let text = str::from_utf8(&file).unwrap();
    assert_eq!(text.lines().count(), 60_001, "no line break in a title, none too many");
    assert!(!text.contains('\r') && !text.starts_with('\u{feff}'));
    for record in &records(&file)[1..] {
        let title = str::from_utf8(&record[1]).unwrap();
        // All of these are in NFC, and no other letter can come along to be composed with.
        let is_expected = |c: char| c.is_ascii_graphic() || " –”®’°（），é™…—×".contains(c);
        assert!(title.chars().all(is_expected), "{title}");
        assert!(title.trim() == title && !title.contains("  "), "{title}");
        assert!(!title.is_empty() && title.chars().count() <= 360 && !title.contains('&'));
        assert!(record[0].len() == 10 && record[0].iter().all(u8::is_ascii_alphanumeric));
    }
}

/// Only what a minimally quoting writer would quote is quoted, and exactly as it would.
#[test]
fn quoting_is_minimal() {
    let (file, _) = products(CLEAN);
    let rewritten: Vec<u8> = records(&file).iter().flat_map(|record| minimal(record)).collect();
    assert!(rewritten == file);
}

fn minimal(record: &[Vec<u8>]) -> Vec<u8> {
    let quoted = |field: &Vec<u8>| {
        let text = str::from_utf8(field).unwrap();
        let needs_quotes = text.contains([',', '"', '\n', '\r']);
        if needs_quotes { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
    };
    let fields: Vec<String> = record.iter().map(quoted).collect();
    format!("{}\n", fields.join(",")).into_bytes()
}

/// The counts are what a test of an importer compares with, so they are compared here with one
/// that was written from the documented rules only.
#[test]
fn an_importer_finds_what_was_counted() {
    for (seed, dirty_per_mille) in [(1, 20), (2, 150), (3, 600), (4, 1_000), (5, 5_000)] {
        let options = Options { rows: 6_000, seed, dirty_per_mille, asins: Asins::Random };
        let (file, rows) = products(options);
        let found = import(&file);
        assert_eq!((found.refused, found.replaced), (rows.refused, rows.replaced), "seed {seed}");
        assert_eq!(found.loaded, rows.products - rows.refused - rows.replaced);
        let expected = 6_000 * u64::from(dirty_per_mille.min(1_000)) / 1_000;
        assert!(rows.dirty.abs_diff(expected) < 60 + expected / 20, "{rows:?}");
    }
}

#[test]
fn every_kind_of_dirt_occurs() {
    let options = Options { rows: 5_000, dirty_per_mille: 100, ..CLEAN };
    let (file, _) = products(options);
    let text = String::from_utf8_lossy(&file);
    let traces = [
        "&amp;", "\u{99}", "\u{ad}", "\u{feff}", "\u{200b}", "\u{2002}", "\u{202f}", "\u{3000}",
        "  ", "\u{fffd}", "\r\n", "\n\n", " 9\" ", ",-", ",,,",
    ];
    for trace in traces {
        assert!(text.contains(trace), "{trace:?}");
    }
    let reasons = [
        "too few fields",
        "too many fields",
        "UTF-8",
        "asin empty",
        "asin length",
        "asin character",
        "title empty",
        "title length",
        "url",
        "number",
        "negative",
        "places",
        "too much",
        "category empty",
        "category",
        "category 0",
    ];
    assert_eq!(import(&file).reasons, HashSet::from(reasons));
    let is_unknown = |record: &Vec<Vec<u8>>| {
        let id = record.get(8).and_then(|field| str::from_utf8(field).ok()?.parse::<u32>().ok());
        id.is_some_and(|id| (271..=290).contains(&id))
    };
    assert!(records(&file).iter().any(is_unknown));
    let quoted_break = |record: &Vec<Vec<u8>>| record.len() == 11 && record[1].contains(&b'\n');
    assert!(records(&file).iter().any(quoted_break));
    assert_eq!(Dirt::ALL.iter().collect::<HashSet<_>>().len(), Dirt::ALL.len());
}

#[test]
fn dirt_leaves_the_other_rows_alone() {
    let clean = products(CLEAN).0;
    let (dirty, rows) = products(Options { dirty_per_mille: 50, ..CLEAN });
    let lines = |file: &[u8]| -> HashSet<Vec<u8>> {
        file.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
    };
    let kept = lines(&clean).intersection(&lines(&dirty)).count() as u64;
    let unclosed = rows.dirty / Dirt::ALL.len() as u64 + 1;
    assert!(rows.dirty > 100);
    assert!(kept + rows.dirty + unclosed > rows.products, "{kept} kept of {rows:?}");
}

#[test]
fn sample_data_can_be_named() {
    let options = Options { rows: 50, asins: Asins::Sample, ..CLEAN };
    let (file, _) = products(options);
    let records = records(&file);
    assert_eq!((&*records[1][0], &*records[50][0]), (&b"SAMPLE0001"[..], &b"SAMPLE0050"[..]));
    let ids: HashSet<&[u8]> = records[1..].iter().map(|record| &*record[8]).collect();
    assert_eq!(ids, HashSet::from([&b"1"[..], b"2", b"3", b"4", b"5"]));
    let names = categories(Asins::Sample);
    assert_eq!(names.lines().count(), 6);
    assert!(
        names.starts_with("id,category_name\n1,") && categories(Asins::Random).starts_with(&names)
    );
}

/// However many rows there are, a writer is handed pieces of one size.
#[test]
fn memory_does_not_grow_with_the_rows() {
    struct Largest(usize);
    impl Write for Largest {
        fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
            self.0 = self.0.max(piece.len());
            Ok(piece.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut largest = Largest(0);
    let options = Options { rows: 20_000, dirty_per_mille: 100, ..CLEAN };
    write_products(&options, &mut largest).unwrap();
    assert!((200_000..270_000).contains(&largest.0), "{}", largest.0);
}

#[test]
fn more_rows_than_there_are_codes_are_refused() {
    let options = Options { rows: asins::ROWS_MAX + 1, ..CLEAN };
    let refused = write_products(&options, &mut io::sink()).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn files_are_put_in_their_place_whole() {
    let dir = env::temp_dir().join(format!("generate-{}", process::id()));
    let written = generate(&CLEAN, &dir.join("new")).unwrap();
    assert_eq!((written.categories, written.products, written.dirty), (248, 3_000, 0));
    let read = |name| fs::read(dir.join("new").join(name)).unwrap();
    assert!(read(PRODUCTS_FILE) == products(CLEAN).0);
    assert!(read(CATEGORIES_FILE) == categories(Asins::Random).as_bytes());
    // A run that fails leaves the whole file of the run before, and nothing beside it.
    let too_many = Options { rows: u64::MAX, ..CLEAN };
    generate(&too_many, &dir.join("new")).unwrap_err();
    assert!(read(PRODUCTS_FILE) == products(CLEAN).0);
    assert_eq!(fs::read_dir(dir.join("new")).unwrap().count(), 2);
    fs::remove_dir_all(dir).unwrap();
}
