//! Which rows a run has already loaded: a bit for each rowid.
//!
//! A row of a file that meets an asin of an earlier row *of the same file* replaces it;
//! one that meets a row from elsewhere does not. Only a mark tells the two apart, and it
//! must survive a kill, so the marks lie in the database and change in the batch's own
//! transaction. 1.4 million rows take 180 kB; a batch holds only the chunks it touches.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension as _, Transaction};

use crate::store::{RunId, StoreError};

/// Bytes of a chunk: small enough to lie on one database page with its key.
const CHUNK_BYTES: usize = 2_048;
const CHUNK_BITS: i64 = 8 * 2_048;

/// The marks of a run within one transaction.
pub(super) struct Marks<'tx> {
    tx: &'tx Transaction<'tx>,
    run: RunId,
    chunks: BTreeMap<i64, Vec<u8>>,
}

impl<'tx> Marks<'tx> {
    pub(super) fn of(tx: &'tx Transaction<'tx>, run: RunId) -> Self {
        Self { tx, run, chunks: BTreeMap::new() }
    }

    /// Marks the row; tells whether it was marked before.
    pub(super) fn mark(&mut self, row: i64) -> Result<bool, StoreError> {
        let (chunk, bit) = (row.div_euclid(CHUNK_BITS), row.rem_euclid(CHUNK_BITS));
        let (byte, mask) = (usize::try_from(bit / 8).expect("below 2048"), 1 << (bit % 8));
        let bits = match self.chunks.entry(chunk) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(unknown) => {
                unknown.insert(load(self.tx, self.run, chunk)?)
            }
        };
        let was_marked = bits[byte] & mask != 0;
        bits[byte] |= mask;
        Ok(was_marked)
    }

    /// Writes the marks back.
    pub(super) fn save(self) -> Result<(), StoreError> {
        let mut put = self.tx.prepare_cached(
            "-- marks.save
             INSERT INTO import_mark (run_id, chunk, bits) VALUES (?1, ?2, ?3)
             ON CONFLICT (run_id, chunk) DO UPDATE SET bits = excluded.bits",
        )?;
        for (chunk, bits) in &self.chunks {
            put.execute((self.run.0, chunk, bits))?;
        }
        Ok(())
    }
}

/// Forgets the marks of a run that will not go on.
pub(super) fn forget(tx: &Transaction<'_>, run: RunId) -> Result<(), StoreError> {
    tx.execute("-- marks.forget\nDELETE FROM import_mark WHERE run_id = ?1", [run.0])?;
    Ok(())
}

fn load(tx: &Transaction<'_>, run: RunId, chunk: i64) -> Result<Vec<u8>, StoreError> {
    let mut find = tx.prepare_cached(
        "-- marks.load\nSELECT bits FROM import_mark WHERE run_id = ?1 AND chunk = ?2",
    )?;
    let bits: Option<Vec<u8>> = find.query_row((run.0, chunk), |row| row.get(0)).optional()?;
    Ok(bits.filter(|bits| bits.len() == CHUNK_BYTES).unwrap_or_else(|| vec![0; CHUNK_BYTES]))
}
