//! A reader by the rules of CSV and an importer by the rules of the catalogue, in little.

use std::{collections::HashSet, str};

/// The records of a file, its header first. As usual readers do, it takes a quote for one only
/// at the beginning of a field, reads on plainly after a closing one, and skips empty lines.
pub(super) fn records(file: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let mut records = Vec::new();
    let mut record: Vec<Vec<u8>> = Vec::new();
    let mut field = Vec::new();
    let mut is_quoted = false;
    let mut at_start = true;
    let mut bytes = file.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' if is_quoted && bytes.peek() == Some(&b'"') => {
                bytes.next();
                field.push(b'"');
            }
            b'"' if is_quoted => is_quoted = false,
            _ if is_quoted => field.push(byte),
            b'"' if at_start => is_quoted = true,
            b',' => record.push(std::mem::take(&mut field)),
            b'\r' if bytes.peek() == Some(&b'\n') => {}
            b'\n' if record.is_empty() && field.is_empty() => {}
            b'\n' => {
                record.push(std::mem::take(&mut field));
                records.push(std::mem::take(&mut record));
            }
            _ => field.push(byte),
        }
        at_start = !is_quoted && matches!(byte, b',' | b'\n');
    }
    if !record.is_empty() {
        record.push(field);
        records.push(record);
    }
    records
}

/// What became of the rows of a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Import {
    pub(super) loaded: u64,
    pub(super) refused: u64,
    pub(super) replaced: u64,
    pub(super) reasons: HashSet<&'static str>,
}

/// Imports a product file. A record that swallowed a line break together with the row behind it
/// counts as the two rows that it was.
pub(super) fn import(file: &[u8]) -> Import {
    let mut import = Import::default();
    let mut loaded = HashSet::new();
    let records = records(file);
    for record in &records[1..] {
        match product(record) {
            Ok(()) if !loaded.insert(&record[0]) => import.replaced += 1,
            Ok(()) => {}
            Err(reason) => {
                let swallowed = record.iter().filter(|field| field.contains(&b'\n')).count();
                import.refused += 1 + swallowed as u64;
                import.reasons.insert(reason);
            }
        }
    }
    import.loaded = loaded.len() as u64;
    import
}

fn product(record: &[Vec<u8>]) -> Result<(), &'static str> {
    if record.len() < 11 {
        return Err("too few fields");
    }
    if record.len() > 11 {
        return Err("too many fields");
    }
    let fields: Result<Vec<&str>, _> = record.iter().map(|field| str::from_utf8(field)).collect();
    let fields = fields.map_err(|_| "UTF-8")?;
    let is_asin = |c: char| c.is_ascii_alphanumeric() || c == '-';
    ensure(!fields[0].is_empty(), "asin empty")?;
    ensure(fields[0].len() <= 20, "asin length")?;
    ensure(fields[0].chars().all(is_asin), "asin character")?;
    ensure(!fields[1].is_empty(), "title empty")?;
    ensure(fields[1].chars().count() <= 500, "title length")?;
    for url in &fields[2..4] {
        ensure(url.is_empty() || url.starts_with("https://"), "url")?;
    }
    number(fields[4], 1, 50)?;
    number(fields[5], 0, u64::MAX)?;
    number(fields[6], 2, 9_999_999_999)?;
    number(fields[7], 2, 99_999)?;
    ensure(!fields[8].is_empty(), "category empty")?;
    ensure(fields[8].parse::<u32>().map_err(|_| "category")? > 0, "category 0")?;
    ensure(matches!(fields[9], "" | "True" | "False"), "best seller")?;
    number(fields[10], 0, u64::MAX)
}

/// A decimal number of so many places at the most; `max` counts its last place.
fn number(text: &str, places: usize, max: u64) -> Result<(), &'static str> {
    if text.is_empty() {
        return Ok(());
    }
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    ensure(!whole.starts_with('-'), "negative")?;
    ensure(part.len() <= places, "places")?;
    let digits = format!("{whole}{part:0<places$}");
    let value: u64 = digits.parse().map_err(|_| "number")?;
    ensure(value <= max, "too much")
}

fn ensure(holds: bool, reason: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(reason) }
}
