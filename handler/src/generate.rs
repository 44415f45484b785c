//! Synthetic product data in the form of the real data set, of any size and without its rows.
//!
//! Every number and word comes from the seed: the same options give the same bytes, on every
//! machine. The shapes (lengths, shares, quantiles) are those of the real file, the names and
//! words are invented. On request some rows are spoilt, in ways that importers meet; the other
//! rows stay those of the clean file. Memory does not grow with the number of rows.

mod asins;
mod departments;
mod dice;
mod dirt;
mod numbers;
mod plan;
mod rows;
mod titles;
mod vocabulary;

#[cfg(test)]
mod tests;

use std::{
    fs::{self, File},
    io,
    path::Path,
};

pub use dirt::Dirt;

const CATEGORIES_FILE: &str = "amazon_categories.csv";
const PRODUCTS_FILE: &str = "amazon_products.csv";

/// What to generate. Equal options give equal bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Rows of the product file, its header not counted; at most 200,000,000,000.
    pub rows: u64,
    /// Another seed gives other products, and the categories another order and other sizes.
    /// The names of the categories are always the same.
    pub seed: u64,
    /// How many of a thousand rows are spoilt, on average, evenly over [`Dirt::ALL`]. From 1,000
    /// on it is all of them, but for the ones that follow a [`Dirt::UnclosedQuote`].
    pub dirty_per_mille: u16,
    /// How products are named.
    pub asins: Asins,
}

/// How products are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asins {
    /// As on the marketplace: `B0` and eight more, or one time in a thousand an ISBN.
    Random,
    /// `SAMPLE0001`, `SAMPLE0002` and on, in the categories 1 to 5, which are the only ones:
    /// data that documentation and examples can name.
    Sample,
}

/// What [`generate`] wrote, in rows without the headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Rows of the category file.
    pub categories: u64,
    /// Rows of the product file, spoilt ones included.
    pub products: u64,
    /// Product rows that were spoilt.
    pub dirty: u64,
    /// See [`Rows::refused`].
    pub refused: u64,
    /// See [`Rows::replaced`].
    pub replaced: u64,
}

/// What [`write_products`] wrote. A file read by the rules of CSV ends as
/// `products - refused - replaced` products.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// All rows, spoilt ones included.
    pub products: u64,
    /// Rows that were spoilt.
    pub dirty: u64,
    /// Rows that cannot be loaded: the spoilt ones that are not [`Dirt::is_loadable`], and
    /// those that an unclosed quote took with it.
    pub refused: u64,
    /// Rows whose ASIN comes again later, so that they do not last.
    pub replaced: u64,
}

/// Writes the category file, header included, and returns its number of rows.
pub fn write_categories(options: &Options, out: &mut impl io::Write) -> io::Result<u64> {
    rows::write_categories(options, out)
}

/// Writes the product file, header included. `out` gets large pieces and needs no buffer.
pub fn write_products(options: &Options, out: &mut impl io::Write) -> io::Result<Rows> {
    if options.rows > asins::ROWS_MAX {
        let limit = format!("at most {} rows can be generated", asins::ROWS_MAX);
        return Err(io::Error::new(io::ErrorKind::InvalidInput, limit));
    }
    rows::write_products(options, out)
}

/// Writes `amazon_categories.csv` and `amazon_products.csv` into `dir`, which is created.
///
/// Each file is written beside its place and then moved there: one that bears its name is whole.
pub fn generate(options: &Options, dir: &Path) -> io::Result<Written> {
    fs::create_dir_all(dir)?;
    let categories = place(dir, CATEGORIES_FILE, |file| write_categories(options, file))?;
    let rows = place(dir, PRODUCTS_FILE, |file| write_products(options, file))?;
    let Rows { products, dirty, refused, replaced } = rows;
    Ok(Written { categories, products, dirty, refused, replaced })
}

/// Not synced: after a power cut the same bytes can be had again.
fn place<T>(
    dir: &Path,
    name: &str,
    write: impl FnOnce(&mut File) -> io::Result<T>,
) -> io::Result<T> {
    let partial = dir.join(format!("{name}.partial"));
    let written = File::create(&partial).and_then(|mut file| write(&mut file));
    let moved = written.and_then(|written| {
        fs::rename(&partial, dir.join(name))?;
        Ok(written)
    });
    if moved.is_err() {
        // The first error is the one to report; there may not even be a file to remove.
        fs::remove_file(&partial).ok();
    }
    moved
}
