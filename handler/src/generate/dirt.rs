//! Dirt: the ways in which a row may be spoilt, each of which an importer meets one day.
//!
//! Kinds are dealt in turn, so that a file with some dirt has all of it. Spoilt rows draw from
//! a stream of their own: the rows left alone are the same as without dirt.

mod kinds;
mod spoil;

use super::{
    Options, Rows,
    asins::Asin,
    dice::Dice,
    rows::{Column, Row, put_page, put_text},
};
pub use kinds::Dirt;

/// Decides which rows are spoilt, spoils them, and keeps count.
pub(super) struct Spoiler {
    dice: Dice,
    per_mille: u32,
    /// Index into [`Dirt::ALL`] of the kind whose turn it is.
    turn: usize,
    /// An ASIN that was written, would be loaded, and has not come again.
    earlier: Option<Asin>,
    /// The row before left a quote open.
    is_open: bool,
    rows: Rows,
}

impl Spoiler {
    pub(super) fn new(options: &Options) -> Self {
        let mut dice = Dice::new(options.seed, u64::from(b'd'));
        let turn = dice.index(Dirt::ALL.len());
        Self {
            dice,
            per_mille: u32::from(options.dirty_per_mille),
            turn,
            earlier: None,
            is_open: false,
            rows: Rows::default(),
        }
    }

    pub(super) fn rows(&self) -> Rows {
        self.rows
    }

    /// Appends the row, spoilt or as it is.
    pub(super) fn put(&mut self, row: Row<'_>, out: &mut Vec<u8>) {
        self.rows.products += 1;
        if self.is_open {
            self.put_swallowed(row, out);
        } else if self.dice.below(1_000) < self.per_mille {
            let dirt = self.deal();
            self.put_spoilt(dirt, &row, out);
        } else {
            row.put(out);
            self.earlier.get_or_insert(row.asin);
        }
    }

    fn deal(&mut self) -> Dirt {
        let dirt = self.next_kind();
        // At the start of a file there may be nothing to repeat.
        if dirt == Dirt::DuplicateAsin && self.earlier.is_none() { self.next_kind() } else { dirt }
    }

    fn next_kind(&mut self) -> Dirt {
        let dirt = Dirt::ALL[self.turn];
        self.turn = (self.turn + 1) % Dirt::ALL.len();
        dirt
    }

    /// A reader that follows the quotes is still inside the title before, and leaves it at the
    /// first quote of this row. A quoted title with a comma makes sure that it then finds too
    /// many fields: one refused record out of exactly two rows.
    fn put_swallowed(&mut self, row: Row<'_>, out: &mut Vec<u8>) {
        self.is_open = false;
        self.rows.refused += 1;
        if row.title.contains(',') {
            row.put(out);
        } else {
            let title = format!("{}, New", row.title);
            Row { title: &title, ..row }.put(out);
        }
    }

    fn put_spoilt(&mut self, dirt: Dirt, row: &Row<'_>, out: &mut Vec<u8>) {
        self.rows.dirty += 1;
        let mut record = Record::new(row);
        match dirt {
            Dirt::DuplicateAsin => {
                let earlier = self.earlier.take().expect("only dealt where there is one");
                record.fields[Column::Asin as usize] = earlier.to_vec();
                record.put(Column::Page, |field| put_page(earlier, field));
                self.rows.replaced += 1;
            }
            Dirt::UnclosedQuote => {
                record.set(Column::Title, &format!("\"{}", row.title.replace('"', "")));
                self.is_open = true;
            }
            _ => spoil::spoil(dirt, row, &mut record, &mut self.dice),
        }
        record.write(out);
        if !dirt.is_loadable() {
            self.rows.refused += 1;
        } else if dirt != Dirt::DuplicateAsin {
            self.earlier.get_or_insert(row.asin);
        }
    }
}

/// A record taken apart. Spoilt rows are few, so it may allocate.
struct Record {
    /// As they stand in the file, quotes included; in the order of [`Column::ALL`].
    fields: Vec<Vec<u8>>,
    before: &'static str,
    line_end: &'static str,
}

impl Record {
    fn new(row: &Row<'_>) -> Self {
        let field = |column| {
            let mut field = Vec::new();
            row.put_field(column, &mut field);
            field
        };
        Self { fields: Column::ALL.map(field).to_vec(), before: "", line_end: "\n" }
    }

    /// Replaces a field by these very bytes.
    fn set(&mut self, column: Column, raw: &str) {
        self.fields[column as usize] = raw.as_bytes().to_vec();
    }

    /// Replaces a field by this text, quoted if need be.
    fn set_text(&mut self, column: Column, text: &str) {
        self.put(column, |field| put_text(text, field));
    }

    fn put(&mut self, column: Column, put: impl FnOnce(&mut Vec<u8>)) {
        let field = &mut self.fields[column as usize];
        field.clear();
        put(field);
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.before.as_bytes());
        out.extend_from_slice(&self.fields.join(&b','));
        out.extend_from_slice(self.line_end.as_bytes());
    }
}
