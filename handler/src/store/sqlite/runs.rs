//! The run table: claims, the fence, ends, rejects.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};
use uuid::Uuid;

use super::marks;
use crate::clock::micros_of;
use crate::store::import_run::ERRORS_MAX;
use crate::store::{
    Batch, Cancelled, Checkpoint, Claim, Claimed, Counts, End, HowStarted, Lease, Reject, Run,
    RunId, RunState, StoreError, Stretch,
};

/// DESIGN 5.2: every batch renews it, so only an owner that is gone lets it lapse.
const LEASE: Duration = Duration::from_secs(30);
/// CONTRACT 7.
const REJECTS_KEPT: Duration = Duration::from_hours(30 * 24);
/// How long a run that met an error rests before it is taken up again.
const PAUSE: Duration = Duration::from_mins(1);

const COLUMNS: &str = "id, source, etag, attempt, state, size, byte_offset, line, columns, digest, \
     rows_read, rows_loaded, rows_replaced, rows_rejected, categories_made, errors, error, \
     created_at, ended_at, lease_until, rejects_max, stored_offset, taken_at, moved_at, \
     taken_read, taken_stored, lease_token IS NOT NULL";

/// See [`crate::store::Store::claim_run`].
pub(super) fn claim(tx: &Transaction<'_>, claim: &Claim, now: i64) -> Result<Claimed, StoreError> {
    let newest = newest(tx, &claim.source, &claim.etag)?;
    // What was begun is superseded by a newer state; what was not, or has failed, would begin.
    if newest.as_ref().is_none_or(|(run, _)| run.state == RunState::Failed)
        && let Some(run) = newer(tx, claim)?
    {
        return Ok(Claimed::Overtaken(Box::new(run)));
    }
    let Some((run, until)) = newest else {
        return begin(tx, claim, 1, now);
    };
    if claim.how.comes_second(run.id) {
        return Ok(Claimed::Ended(Box::new(run)));
    }
    match run.state {
        RunState::Loading | RunState::Indexing => {
            if claim.how.respects_owners() && until.keeps(claim.how, now) {
                return Ok(Claimed::HeldElsewhere(Box::new(run)));
            }
            take(tx, claim, run.id, now)
        }
        RunState::Failed if claim.how != HowStarted::Again => take(tx, claim, run.id, now),
        _ if claim.how.begins_anew() => begin(tx, claim, run.attempt + 1, now),
        _ => Ok(Claimed::Ended(Box::new(run))),
    }
}

/// Until when a run is left alone: by its owner's lease, or because it rests after an error.
struct Until {
    at: i64,
    is_owned: bool,
}

impl Until {
    /// A person need not wait for a run that rests.
    fn keeps(&self, how: HowStarted, now: i64) -> bool {
        self.at > now && (self.is_owned || !how.is_by_hand())
    }
}

fn begin(
    tx: &Transaction<'_>,
    claim: &Claim,
    attempt: u32,
    now: i64,
) -> Result<Claimed, StoreError> {
    supersede(tx, &claim.source, now)?;
    tx.execute(
        "-- runs.begin
         INSERT INTO import_run (source, etag, attempt, state, size, created_at, modified)
         VALUES (?1, ?2, ?3, 'loading', ?4, ?5, ?6)",
        params![claim.source, claim.etag, attempt, claim.size, now, claim.modified],
    )?;
    take(tx, claim, RunId(tx.last_insert_rowid()), now)
}

/// A new state of a source ends the unfinished run of the old one.
fn supersede(tx: &Transaction<'_>, source: &str, now: i64) -> Result<(), StoreError> {
    let mut old = tx.prepare(
        "-- runs.supersede
         UPDATE import_run SET state = 'superseded', lease_token = NULL, ended_at = ?2
         WHERE source = ?1 AND state IN ('loading', 'indexing') RETURNING id",
    )?;
    let ids: Vec<i64> =
        old.query_map((source, now), |row| row.get(0))?.collect::<Result<_, _>>()?;
    ids.into_iter().try_for_each(|id| marks::forget(tx, RunId(id)))
}

/// Draws a new token, which shuts out whoever had the run before.
fn take(tx: &Transaction<'_>, claim: &Claim, id: RunId, now: i64) -> Result<Claimed, StoreError> {
    let token = Uuid::new_v4();
    let (is_by_hand, forgives) = (claim.how.is_by_hand(), claim.how.forgives());
    let until = now + micros_of(LEASE);
    tx.execute(
        "-- runs.take
         UPDATE import_run SET lease_token = ?2, lease_until = ?3, ended_at = NULL,
             state = CASE state WHEN 'failed' THEN 'loading' ELSE state END,
             rejects_max = CASE WHEN ?4 THEN ?5 ELSE rejects_max END,
             errors = CASE WHEN ?6 THEN 0 ELSE errors END,
             error = CASE WHEN ?6 THEN NULL ELSE error END,
             taken_at = ?7, moved_at = ?7, taken_read = rows_read, taken_stored = stored_offset
         WHERE id = ?1",
        params![id.0, token.to_string(), until, is_by_hand, claim.rejects_max, forgives, now],
    )?;
    let run = find(tx, id)?.ok_or(StoreError::RunLost)?;
    Ok(Claimed::Ours(Box::new(run), Lease { run: id, token }))
}

/// The fence (DESIGN 5.2): moves the checkpoint, if it stands where the batch begins and
/// the run is still ours. Gives the run's source.
pub(super) fn pass_fence(
    tx: &Transaction<'_>,
    lease: &Lease,
    batch: &Batch,
    now: i64,
) -> Result<String, StoreError> {
    let Checkpoint { offset, line, columns, digest, stored } = &batch.end;
    let mut pass = tx.prepare_cached(
        "-- runs.pass_fence
         UPDATE import_run SET byte_offset = ?4, line = ?5, columns = ?6, digest = ?7,
             lease_until = ?8, errors = 0, error = NULL, stored_offset = ?9, moved_at = ?10
         WHERE id = ?1 AND lease_token = ?2 AND byte_offset = ?3 AND state = 'loading'
         RETURNING source",
    )?;
    let token = lease.token.to_string();
    let until = now + micros_of(LEASE);
    pass.query_row(
        params![lease.run.0, token, batch.start, offset, line, columns, digest, until, stored, now],
        |row| row.get(0),
    )
    .optional()?
    .ok_or(StoreError::RunLost)
}

/// Adds a batch's counts to the run's and gives the sums.
pub(super) fn count(
    tx: &Transaction<'_>,
    id: RunId,
    counts: &Counts,
    categories_made: u32,
) -> Result<Counts, StoreError> {
    let mut add = tx.prepare_cached(
        "-- runs.count
         UPDATE import_run SET rows_read = rows_read + ?2, rows_loaded = rows_loaded + ?3,
             rows_replaced = rows_replaced + ?4, rows_rejected = rows_rejected + ?5,
             categories_made = categories_made + ?6
         WHERE id = ?1 RETURNING rows_read, rows_loaded, rows_replaced, rows_rejected",
    )?;
    let Counts { read, loaded, replaced, rejected } = counts;
    Ok(add.query_row(params![id.0, read, loaded, replaced, rejected, categories_made], |row| {
        read_counts(row, 0)
    })?)
}

/// See [`crate::store::Store::finish_loading`].
pub(super) fn begin_indexing(
    tx: &Transaction<'_>,
    lease: &Lease,
    now: i64,
) -> Result<(), StoreError> {
    let moved = tx.execute(
        "-- runs.begin_indexing
         UPDATE import_run SET state = 'indexing', lease_until = ?3
         WHERE id = ?1 AND lease_token = ?2 AND state IN ('loading', 'indexing')",
        params![lease.run.0, lease.token.to_string(), now + micros_of(LEASE)],
    )?;
    if moved == 1 { Ok(()) } else { Err(StoreError::RunLost) }
}

/// See [`crate::store::Store::renew_lease`].
pub(super) fn renew(tx: &Transaction<'_>, lease: &Lease, now: i64) -> Result<(), StoreError> {
    let moved = tx.execute(
        "-- runs.renew
         UPDATE import_run SET lease_until = ?3
         WHERE id = ?1 AND lease_token = ?2 AND state IN ('loading', 'indexing')",
        params![lease.run.0, lease.token.to_string(), now + micros_of(LEASE)],
    )?;
    if moved == 1 { Ok(()) } else { Err(StoreError::RunLost) }
}

/// See [`crate::store::Store::end_run`].
pub(super) fn end(
    tx: &Transaction<'_>,
    lease: &Lease,
    end: &End,
    now: i64,
) -> Result<Run, StoreError> {
    let token = lease.token.to_string();
    let (state, error, rest) = match end {
        End::Done => (Some(RunState::Done), None, 0),
        End::Failed(error) => (Some(RunState::Failed), Some(error), 0),
        End::Superseded(error) => (Some(RunState::Superseded), Some(error), 0),
        End::Paused(error) => (None, Some(error), micros_of(PAUSE)),
    };
    let moved = tx.execute(
        "-- runs.end
         UPDATE import_run SET
             state = CASE WHEN ?3 IS NOT NULL THEN ?3
                          WHEN errors + 1 >= ?6 THEN 'failed' ELSE state END,
             ended_at = CASE WHEN ?3 IS NULL AND errors + 1 < ?6 THEN NULL ELSE ?5 END,
             errors = errors + (?4 IS NOT NULL), error = ?4,
             lease_token = NULL, lease_until = ?5 + ?7
         WHERE id = ?1 AND lease_token = ?2 AND state IN ('loading', 'indexing')",
        params![lease.run.0, token, state.map(RunState::word), error, now, ERRORS_MAX, rest],
    )?;
    if moved == 0 {
        return Err(StoreError::RunLost);
    }
    if state == Some(RunState::Done) {
        marks::forget(tx, lease.run)?;
    }
    find(tx, lease.run)?.ok_or(StoreError::RunLost)
}

/// See [`crate::store::Store::cancel_run`].
pub(super) fn cancel(
    tx: &Transaction<'_>,
    id: RunId,
    now: i64,
) -> Result<Option<Cancelled>, StoreError> {
    let moved = tx.execute(
        "-- runs.cancel
         UPDATE import_run SET state = 'cancelled', lease_token = NULL, ended_at = ?2
         WHERE id = ?1 AND state IN ('loading', 'indexing')",
        (id.0, now),
    )?;
    let Some(run) = find(tx, id)?.map(Box::new) else { return Ok(None) };
    if moved == 0 {
        return Ok(Some(Cancelled::EndedBefore(run)));
    }
    marks::forget(tx, id)?;
    Ok(Some(Cancelled::Now(run)))
}

/// Keeps refused rows; the byte is their key, so a row is kept once.
pub(super) fn keep_rejects(
    tx: &Transaction<'_>,
    id: RunId,
    rejects: &[Reject],
) -> Result<(), StoreError> {
    let mut keep = tx.prepare_cached(
        "-- runs.keep_reject
         INSERT INTO import_reject (run_id, byte, line, field, reason, record)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for Reject { line, byte, column, reason, record } in rejects {
        keep.execute(params![id.0, byte, line, column, reason, record])?;
    }
    Ok(())
}

/// See [`crate::store::Store::rejects`].
pub(super) fn rejects(
    db: &Connection,
    id: RunId,
    after_byte: Option<u64>,
    limit: usize,
) -> Result<Vec<Reject>, StoreError> {
    let mut query = db.prepare_cached(
        "-- store.rejects
         SELECT line, byte, field, reason, record FROM import_reject
         WHERE run_id = ?1 AND byte > ?2 ORDER BY byte LIMIT ?3",
    )?;
    let after = after_byte.map_or(Ok(-1), i64::try_from).unwrap_or(i64::MAX);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rejects = query.query_map((id.0, after, limit), |row| {
        Ok(Reject {
            line: row.get(0)?,
            byte: row.get(1)?,
            column: row.get(2)?,
            reason: row.get(3)?,
            record: row.get(4)?,
        })
    })?;
    Ok(rejects.collect::<Result<_, _>>()?)
}

/// A run by its number.
pub(super) fn find(db: &Connection, id: RunId) -> Result<Option<Run>, StoreError> {
    let mut query = db
        .prepare_cached(&format!("-- store.run\nSELECT {COLUMNS} FROM import_run WHERE id = ?1"))?;
    Ok(query.query_row([id.0], read).optional()?.transpose()?.map(|(run, _)| run))
}

/// See [`crate::store::Store::runs`].
pub(super) fn list(
    db: &Connection,
    before: Option<RunId>,
    limit: usize,
) -> Result<Vec<Run>, StoreError> {
    let mut query = db.prepare_cached(&format!(
        "-- store.runs
         SELECT {COLUMNS} FROM import_run WHERE id < ?1 ORDER BY id DESC LIMIT ?2"
    ))?;
    let before = before.map_or(i64::MAX, |run| run.0);
    let runs = query.query_map((before, i64::try_from(limit).unwrap_or(i64::MAX)), read)?;
    runs.map(|run| Ok(run??.0)).collect()
}

/// See [`crate::store::Store::abandoned_runs`].
pub(super) fn abandoned(db: &Connection, now: i64) -> Result<Vec<Run>, StoreError> {
    let mut query = db.prepare_cached(&format!(
        "-- store.abandoned_runs
         SELECT {COLUMNS} FROM import_run
         WHERE state IN ('loading', 'indexing') AND lease_until <= ?1 ORDER BY id"
    ))?;
    let runs = query.query_map([now], read)?;
    runs.map(|run| Ok(run??.0)).collect()
}

/// Whether a load goes on in this moment: its owner makes the indexes at its end.
pub(super) fn is_loading(db: &Connection, now: i64) -> Result<bool, StoreError> {
    let live = db
        .query_row(
            "-- runs.is_loading
             SELECT 1 FROM import_run WHERE state = 'loading' AND lease_until > ?1 LIMIT 1",
            [now],
            |_| Ok(()),
        )
        .optional()?;
    Ok(live.is_some())
}

/// See [`crate::store::Store::prune`].
pub(super) fn prune(tx: &Transaction<'_>, now: i64) -> Result<u64, StoreError> {
    let before = now - micros_of(REJECTS_KEPT);
    let removed = tx.execute(
        "-- runs.prune
         DELETE FROM import_reject WHERE run_id IN
             (SELECT id FROM import_run WHERE ended_at <= ?1)",
        [before],
    )?;
    tx.execute(
        "-- runs.prune_marks
         DELETE FROM import_mark WHERE run_id IN (SELECT id FROM import_run WHERE ended_at <= ?1)",
        [before],
    )?;
    Ok(removed as u64)
}

fn newest(
    tx: &Transaction<'_>,
    source: &str,
    etag: &str,
) -> Result<Option<(Run, Until)>, StoreError> {
    let mut query = tx.prepare_cached(&format!(
        "-- runs.newest
         SELECT {COLUMNS} FROM import_run WHERE source = ?1 AND etag = ?2
         ORDER BY attempt DESC LIMIT 1"
    ))?;
    query.query_row((source, etag), read).optional()?.transpose()
}

/// The run of a newer state of the source than the one that is delivered.
fn newer(tx: &Transaction<'_>, claim: &Claim) -> Result<Option<Run>, StoreError> {
    if claim.how != HowStarted::Delivered {
        return Ok(None);
    }
    let mut query = tx.prepare_cached(&format!(
        "-- runs.newer
         SELECT {COLUMNS} FROM import_run WHERE source = ?1 AND modified > ?2
         ORDER BY modified DESC, id DESC LIMIT 1"
    ))?;
    let run = query.query_row((&claim.source, claim.modified), read).optional()?.transpose()?;
    Ok(run.map(|(run, _)| run))
}

/// A run and until when it is left alone.
fn read(row: &Row<'_>) -> rusqlite::Result<Result<(Run, Until), StoreError>> {
    let word: String = row.get(4)?;
    let Some(state) = RunState::parse(&word) else {
        return Ok(Err(StoreError::Corrupt(format!("import_run.state is {word}").into())));
    };
    let run = Run {
        id: RunId(row.get(0)?),
        source: row.get(1)?,
        etag: row.get(2)?,
        attempt: row.get(3)?,
        state,
        size: row.get(5)?,
        checkpoint: Checkpoint {
            offset: row.get(6)?,
            line: row.get(7)?,
            columns: row.get(8)?,
            digest: row.get(9)?,
            stored: row.get(21)?,
        },
        counts: read_counts(row, 10)?,
        rejects_max: row.get(20)?,
        categories_made: row.get(14)?,
        errors: row.get(15)?,
        error: row.get(16)?,
        created_at: row.get(17)?,
        ended_at: row.get(18)?,
        stretch: Stretch {
            since: row.get(22)?,
            until: row.get(23)?,
            read: row.get(24)?,
            stored: row.get(25)?,
        },
    };
    Ok(Ok((run, Until { at: row.get(19)?, is_owned: row.get(26)? })))
}

fn read_counts(row: &Row<'_>, first: usize) -> rusqlite::Result<Counts> {
    Ok(Counts {
        read: row.get(first)?,
        loaded: row.get(first + 1)?,
        replaced: row.get(first + 2)?,
        rejected: row.get(first + 3)?,
    })
}
