//! Checked rows, gathered into batches for the store.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;

use super::Stop;
use super::records::{DIGESTED_BYTES, Met, RECORD_BYTES_MAX, Records};
use super::rows::{Layout, Row};
use super::source::{SourceError, Text};
use crate::blobs::BlobError;
use crate::catalog::{Asin, Category, CategoryId, Invalid, Product};
use crate::store::{Batch, Checkpoint, Reject, Rows};

/// Bytes that end a batch early, so that long rows and rubbish stay as flat in memory as the
/// data set's rows, of which it takes 30,000.
const BATCH_BYTES_MAX: usize = 8 * 1_024 * 1_024;
/// CONTRACT 7: categories that the products of one file may make.
const CATEGORIES_MADE_MAX: u32 = 1_000;
/// CONTRACT 7: categories in all.
const CATEGORIES_MAX: usize = 2_000;

/// The categories that exist, or will once the batches made so far are applied.
#[derive(Debug, Default)]
pub(super) struct KnownCategories {
    pub(super) known: HashSet<CategoryId>,
    /// How many of them this file's products made, in earlier attempts to go on too.
    pub(super) made: u32,
}

impl KnownCategories {
    /// Lets a category in that a file names; `field` is to blame if there is no room.
    fn admit(&mut self, field: &'static str, id: CategoryId) -> Result<(), Invalid> {
        if self.known.len() >= CATEGORIES_MAX && !self.known.contains(&id) {
            let reason = format!("is a new category, and there are {CATEGORIES_MAX} already");
            return Err(Invalid::new(field, reason));
        }
        self.known.insert(id);
        Ok(())
    }

    /// Lets a category in that a product mentions; the store makes it if need be.
    fn admit_unnamed(&mut self, id: CategoryId) -> Result<(), Invalid> {
        if self.known.contains(&id) {
            return Ok(());
        }
        if self.made >= CATEGORIES_MADE_MAX {
            return Err(Invalid::new(
                "category_id",
                format!("is not known, and this file has made {CATEGORIES_MADE_MAX} already"),
            ));
        }
        self.admit("category_id", id)?;
        self.made += 1;
        Ok(())
    }
}

/// A fault of the text behind which nothing can be read.
#[derive(Debug, thiserror::Error)]
#[error("{}", describe(*.offset, .error))]
pub(super) struct Fault {
    offset: u64,
    error: io::Error,
}

impl Fault {
    /// A truncated or damaged stream stays so; other faults of reading may pass.
    pub(super) fn into_stop(self, uri: &str) -> Stop {
        if let Some(blob) = self.error.get_ref().and_then(|e| e.downcast_ref::<BlobError>()) {
            return SourceError::Blob(uri.to_owned(), blob.clone()).into_stop();
        }
        match self.error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::InvalidData
            | io::ErrorKind::InvalidInput => Stop::ForGood(self.to_string()),
            _ => Stop::ForNow(self.to_string()),
        }
    }
}

fn describe(offset: u64, error: &io::Error) -> String {
    let what = match error.kind() {
        io::ErrorKind::UnexpectedEof => "the gzip stream ends too early".to_owned(),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            format!("the gzip stream is damaged ({error})")
        }
        _ => format!("reading failed: {error}"),
    };
    format!("{what}, behind byte {offset} of the text; every whole record before it is kept")
}

/// Why nothing is read at all.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unread {
    /// This is not a file to import, or not the one that was begun with.
    #[error("{0}")]
    NoSuchFile(String),
    /// Its beginning cannot be read.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Unread {
    pub(super) fn into_stop(self, uri: &str) -> Stop {
        match self {
            Self::NoSuchFile(reason) => Stop::ForGood(reason),
            Self::Fault(fault) => fault.into_stop(uri),
        }
    }
}

impl From<String> for Unread {
    fn from(reason: String) -> Self {
        Self::NoSuchFile(reason)
    }
}

/// Makes batches of a text.
pub(super) struct Batches {
    records: Records<Text>,
    layout: Layout,
    columns: String,
    categories: KnownCategories,
    /// Where the next batch begins.
    start: u64,
    fault: Option<Fault>,
    is_done: bool,
}

impl Batches {
    /// Reads the header; the error says why this is not a file to import.
    pub(super) fn begin(text: Text, categories: KnownCategories) -> Result<Self, Unread> {
        let unreadable = |error| Fault { offset: 0, error };
        let mut records = Records::begin(text).map_err(unreadable)?;
        match records.advance().map_err(unreadable)? {
            Met::End => {
                return Err("the file is empty: its first line must be a header".to_owned().into());
            }
            Met::Broken(what) => {
                return Err(format!("unknown header: the first line {what}").into());
            }
            Met::Record => {}
        }
        let header: Vec<String> = (0..records.width())
            .map(|i| String::from_utf8_lossy(records.field(i)).trim().to_owned())
            .collect();
        let layout = Layout::parse(&header)?;
        Ok(Self::new(records, layout, header.join(","), categories, 0))
    }

    /// Goes on behind a checkpoint; the text begins where [`text_offset`] says.
    pub(super) fn resume(
        text: Text,
        from: &Checkpoint,
        categories: KnownCategories,
    ) -> Result<Self, Unread> {
        let header: Vec<String> = from.columns.split(',').map(str::to_owned).collect();
        let layout = Layout::parse(&header)?;
        let unreadable = |error| Fault { offset: from.offset, error };
        let records = Records::resume(text, from).map_err(unreadable)?;
        let records = records.ok_or_else(|| {
            format!("the text before byte {} is no longer the one that was read", from.offset)
        })?;
        Ok(Self::new(records, layout, from.columns.clone(), categories, from.offset))
    }

    fn new(
        records: Records<Text>,
        layout: Layout,
        columns: String,
        categories: KnownCategories,
        start: u64,
    ) -> Self {
        Self { records, layout, columns, categories, start, fault: None, is_done: false }
    }

    /// The next batch, of so many rows at the most. Whole records before a fault of the text
    /// come first, then the fault.
    pub(super) fn next_batch(&mut self, rows_max: usize) -> Result<Option<Batch>, Fault> {
        if let Some(fault) = self.fault.take() {
            self.is_done = true;
            return Err(fault);
        }
        if self.is_done {
            return Ok(None);
        }
        let mut gathered = Gathered::default();
        let mut end = None;
        while gathered.read < rows_max as u64 && gathered.bytes < BATCH_BYTES_MAX {
            match self.gather(&mut gathered) {
                Ok(true) => end = Some(self.records.checkpoint(&self.columns)),
                Ok(false) => {
                    self.is_done = true;
                    break;
                }
                Err(error) => {
                    self.fault = Some(Fault { offset: self.records.byte(), error });
                    break;
                }
            }
        }
        // A file with a header and no rows is one empty batch: the run has begun.
        if end.is_none() && self.start == 0 && self.is_done {
            end = Some(self.records.checkpoint(&self.columns));
        }
        match end {
            Some(end) => Ok(Some(self.batch(gathered, end))),
            None if self.fault.is_some() => self.next_batch(rows_max),
            None => Ok(None),
        }
    }

    /// Takes the next record in; `false` at the end of the text.
    fn gather(&mut self, gathered: &mut Gathered) -> io::Result<bool> {
        match self.records.advance()? {
            Met::End => return Ok(false),
            Met::Broken(what) => self.refuse_first_line(what.to_owned(), gathered)?,
            Met::Record => self.take_record(gathered)?,
        }
        gathered.read += 1;
        Ok(true)
    }

    fn take_record(&mut self, gathered: &mut Gathered) -> io::Result<()> {
        gathered.bytes += self.records.raw().len();
        let (has, should) = (self.records.width(), self.layout.width());
        if has != should {
            let reason = format!("has {has} fields where the header has {should}");
            if self.records.spans_lines() {
                // Most likely an unclosed quote that has swallowed other records.
                self.refuse_first_line(reason, gathered)?;
            } else {
                self.refuse_record(None, reason, gathered);
            }
            return Ok(());
        }
        let row = self.layout.check(&self.records);
        if let Err(Invalid { field, reason }) = row.and_then(|row| self.admit(row, gathered)) {
            self.refuse_record(Some(&field), reason, gathered);
        }
        Ok(())
    }

    /// Refuses the first line alone; what follows is read again as records of its own.
    fn refuse_first_line(&mut self, reason: String, gathered: &mut Gathered) -> io::Result<()> {
        let record = String::from_utf8_lossy(self.records.first_line()).into_owned();
        gathered.refuse(self.reject(None, reason, record));
        self.records.give_up_first_line()
    }

    fn refuse_record(&self, column: Option<&str>, reason: String, gathered: &mut Gathered) {
        let record = String::from_utf8_lossy(self.records.raw()).into_owned();
        gathered.refuse(self.reject(column, reason, record));
    }

    fn reject(&self, column: Option<&str>, reason: String, record: String) -> Reject {
        Reject {
            line: self.records.start_line(),
            byte: self.records.byte(),
            column: column.map(str::to_owned),
            reason,
            record,
        }
    }

    fn admit(&mut self, row: Row, gathered: &mut Gathered) -> Result<(), Invalid> {
        match row {
            Row::Product(product) => {
                self.categories.admit_unnamed(product.category_id)?;
                gathered.mentioned.insert(product.category_id);
                gathered.products.put(product.asin, *product);
            }
            Row::Category(category) => {
                self.categories.admit("id", category.id)?;
                gathered.categories.put(category.id, category);
            }
        }
        Ok(())
    }

    fn batch(&mut self, gathered: Gathered, end: Checkpoint) -> Batch {
        let start = std::mem::replace(&mut self.start, end.offset);
        let replaced = gathered.products.replaced + gathered.categories.replaced;
        let rows = match self.layout {
            Layout::Products { .. } => Rows::Products {
                rows: gathered.products.rows.into(),
                columns: self.layout.product_columns(),
                categories: gathered.mentioned.into_iter().collect(),
            },
            Layout::Categories { .. } => Rows::Categories(gathered.categories.rows),
        };
        let (read, rejects) = (gathered.read, gathered.rejects);
        Batch { start, end, read, replaced, rows, rejects }
    }
}

/// Where the text must begin for [`Batches::resume`].
pub(super) fn text_offset(checkpoint: &Checkpoint) -> u64 {
    checkpoint.offset.saturating_sub(DIGESTED_BYTES as u64)
}

/// The rows of the batch that is being made.
#[derive(Default)]
struct Gathered {
    read: u64,
    products: LastOf<Asin, Product>,
    categories: LastOf<CategoryId, Category>,
    mentioned: BTreeSet<CategoryId>,
    rejects: Vec<Reject>,
    /// Of the records as they stand in the file, and of the refused ones as they are kept.
    bytes: usize,
}

impl Gathered {
    fn refuse(&mut self, reject: Reject) {
        debug_assert!(reject.record.len() <= RECORD_BYTES_MAX * 3, "a record is bounded");
        self.bytes += reject.record.len();
        self.rejects.push(reject);
    }
}

/// Of rows with one key only the last is kept.
struct LastOf<K, V> {
    rows: Vec<V>,
    at: HashMap<K, usize>,
    replaced: u64,
}

impl<K, V> Default for LastOf<K, V> {
    fn default() -> Self {
        Self { rows: Vec::new(), at: HashMap::new(), replaced: 0 }
    }
}

impl<K: std::hash::Hash + Eq, V> LastOf<K, V> {
    fn put(&mut self, key: K, row: V) {
        match self.at.entry(key) {
            std::collections::hash_map::Entry::Occupied(earlier) => {
                self.rows[*earlier.get()] = row;
                self.replaced += 1;
            }
            std::collections::hash_map::Entry::Vacant(free) => {
                free.insert(self.rows.len());
                self.rows.push(row);
            }
        }
    }
}
