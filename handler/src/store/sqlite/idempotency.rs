//! Which effects were had under which key, for a day.

use std::time::Duration;

use rusqlite::{OptionalExtension as _, Transaction, params};

use crate::catalog::Asin;
use crate::clock::micros_of;
use crate::store::{Once, StoreError, WriteError};

/// CONTRACT 4.
const KEPT: Duration = Duration::from_hours(24);

/// Whether this very effect was had before; [`WriteError::KeyReused`] if another one was.
pub(super) fn is_repeated(tx: &Transaction<'_>, once: &Once, now: i64) -> Result<bool, WriteError> {
    let mut find = tx
        .prepare_cached(
            "-- idempotency.find
             SELECT digest FROM idempotency WHERE user_id = ?1 AND key = ?2 AND created_at > ?3",
        )
        .map_err(StoreError::from)?;
    let since = now - micros_of(KEPT);
    let digest: Option<Vec<u8>> = find
        .query_row(params![once.user.to_string(), once.key.as_str(), since], |row| row.get(0))
        .optional()
        .map_err(StoreError::from)?;
    match digest {
        None => Ok(false),
        Some(digest) if digest == once.digest => Ok(true),
        Some(_) => Err(WriteError::KeyReused),
    }
}

/// Keeps what was done under the key, in place of what was done more than a day ago.
pub(super) fn keep(
    tx: &Transaction<'_>,
    once: &Once,
    asin: &Asin,
    now: i64,
) -> Result<(), StoreError> {
    let mut keep = tx.prepare_cached(
        "-- idempotency.keep
         INSERT INTO idempotency (user_id, key, digest, asin, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (user_id, key) DO UPDATE
         SET digest = excluded.digest, asin = excluded.asin, created_at = excluded.created_at",
    )?;
    let user = once.user.to_string();
    keep.execute(params![user, once.key.as_str(), once.digest, asin.as_str(), now])?;
    Ok(())
}

/// Forgets what is kept long enough; tells how many.
pub(super) fn prune(tx: &Transaction<'_>, now: i64) -> Result<u64, StoreError> {
    let removed = tx.execute(
        "-- idempotency.prune\nDELETE FROM idempotency WHERE created_at <= ?1",
        [now - micros_of(KEPT)],
    )?;
    Ok(removed as u64)
}
