//! The run table: claims, the fence, ends.
//!
//! Times of leases are the database's. A test that turns a clock hands its moment in as
//! `now`; otherwise that is `None`.

use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tiberius::{Row, ToSql};
use uuid::Uuid;

use super::cells::Cells as _;
use super::locks;
use super::session::Session;
use super::stop::{Stop, nonsense, read};
use super::versions::NOW;
use crate::clock::micros_of;
use crate::store::import_run::ERRORS_MAX;
use crate::store::{
    Batch, Cancelled, Checkpoint, Claim, Claimed, Counts, End, HowStarted, Lease, Run, RunId,
    RunState, StoreError, Stretch,
};

/// DESIGN 5.2: every batch renews it, so only an owner that is gone lets it lapse.
const LEASE: Duration = Duration::from_secs(30);
/// CONTRACT 7.
const REJECTS_KEPT: Duration = Duration::from_hours(30 * 24);
/// How long a run that met an error rests before it is taken up again.
const PAUSE: Duration = Duration::from_mins(1);
/// Characters of an error that are kept.
const ERROR_MAX: usize = 2_000;

const COLUMNS: &str = "id, source, etag, attempt, state, size, byte_offset, line, columns, digest, \
     rows_read, rows_loaded, rows_replaced, rows_rejected, categories_made, errors, error, \
     created_at, ended_at, rejects_max, stored_offset, taken_at, moved_at, taken_read, \
     taken_stored";

type Result<T> = std::result::Result<T, Stop<StoreError>>;

/// See [`crate::store::Store::claim_run`].
pub(super) async fn claim(
    session: &mut Session,
    claim: &Claim,
    now: Option<i64>,
) -> Result<Claimed> {
    // Claims come one after the other: between two of one source nothing must slip.
    locks::wait(session, "claim").await?;
    loop {
        if let Some(claimed) = claim_as_found(session, claim, now).await? {
            return Ok(claimed);
        }
    }
}

/// `None` if the run that was found has ended since, which owners and whoever cancels do at any
/// time.
async fn claim_as_found(
    session: &mut Session,
    claim: &Claim,
    now: Option<i64>,
) -> Result<Option<Claimed>> {
    let newest = newest(session, claim, now).await?;
    // What was begun is superseded by a newer state; what was not, or has failed, would begin.
    if newest.as_ref().is_none_or(|(run, _)| run.state == RunState::Failed)
        && let Some(run) = newer(session, claim).await?
    {
        return Ok(Some(Claimed::Overtaken(Box::new(run))));
    }
    let Some((run, is_held)) = newest else {
        return begin(session, claim, 1, now).await;
    };
    if claim.how.comes_second(run.id) {
        return Ok(Some(Claimed::Ended(Box::new(run))));
    }
    match run.state {
        RunState::Loading | RunState::Indexing => {
            if claim.how.respects_owners() && is_held {
                return Ok(Some(Claimed::HeldElsewhere(Box::new(run))));
            }
            take(session, claim, run.id, now).await
        }
        RunState::Failed if claim.how != HowStarted::Again => {
            take(session, claim, run.id, now).await
        }
        _ if claim.how.begins_anew() => begin(session, claim, run.attempt + 1, now).await,
        _ => Ok(Some(Claimed::Ended(Box::new(run)))),
    }
}

fn hash(source: &str) -> Vec<u8> {
    Sha256::digest(source).to_vec()
}

async fn begin(
    session: &mut Session,
    claim: &Claim,
    attempt: u32,
    now: Option<i64>,
) -> Result<Option<Claimed>> {
    // A new state of a source ends the unfinished run of the old one.
    let sql = format!(
        "-- runs.begin
         UPDATE amazon.import_run
         SET state = 'superseded', lease_token = NULL, ended_at = COALESCE(@P6, {NOW})
         WHERE source_hash = @P1 AND state IN ('loading', 'indexing');
         INSERT INTO amazon.import_run
             (source_hash, source, etag, attempt, state, size, created_at, modified)
         VALUES (@P1, @P2, @P3, @P4, 'loading', @P5, COALESCE(@P6, {NOW}), @P7);
         SELECT CAST(SCOPE_IDENTITY() AS BIGINT)"
    );
    let attempt = i64::from(attempt);
    let size = i64::try_from(claim.size).unwrap_or(i64::MAX);
    let Claim { source, etag, modified, .. } = claim;
    let parameters: [&dyn ToSql; 7] =
        [&hash(source), source, etag, &attempt, &size, &now, modified];
    let row = session.row(&sql, &parameters).await?;
    let id = row.ok_or_else(|| nonsense("a run has no number"))?.number(0)?;
    take(session, claim, RunId(id), now).await
}

/// Draws a new token, which shuts out whoever had the run before; `None` if it has ended.
async fn take(
    session: &mut Session,
    claim: &Claim,
    id: RunId,
    now: Option<i64>,
) -> Result<Option<Claimed>> {
    let token = Uuid::new_v4();
    let sql = format!(
        "-- runs.take
         UPDATE amazon.import_run SET lease_token = @P2,
             lease_until = COALESCE(@P3, {NOW}) + @P4, ended_at = NULL,
             state = CASE state WHEN 'failed' THEN 'loading' ELSE state END,
             rejects_max = CASE WHEN @P5 = 1 THEN @P6 ELSE rejects_max END,
             errors = CASE WHEN @P7 = 1 THEN 0 ELSE errors END,
             error = CASE WHEN @P7 = 1 THEN NULL ELSE error END,
             taken_at = COALESCE(@P3, {NOW}), moved_at = COALESCE(@P3, {NOW}),
             taken_read = rows_read, taken_stored = stored_offset
         WHERE id = @P1 AND state IN ('loading', 'indexing', 'failed')"
    );
    let (is_by_hand, forgives) = (claim.how.is_by_hand(), claim.how.forgives());
    let rejects_max = claim.rejects_max.map(|most| i64::try_from(most).unwrap_or(i64::MAX));
    let parameters: [&dyn ToSql; 7] =
        [&id.0, &token.to_string(), &now, &micros_of(LEASE), &is_by_hand, &rejects_max, &forgives];
    if session.execute(&sql, &parameters).await? == 0 {
        return Ok(None);
    }
    let run = find(session, id).await?.ok_or(StoreError::RunLost)?;
    Ok(Some(Claimed::Ours(Box::new(run), Lease { run: id, token })))
}

/// The fence (DESIGN 5.2): moves the checkpoint, if it stands where the batch begins and
/// the run is still ours.
pub(super) async fn pass_fence(
    session: &mut Session,
    lease: &Lease,
    batch: &Batch,
    now: Option<i64>,
) -> Result<()> {
    let sql = format!(
        "-- runs.pass_fence
         UPDATE amazon.import_run SET byte_offset = @P4, line = @P5, columns = @P6,
             digest = @P7, lease_until = COALESCE(@P8, {NOW}) + @P9, errors = 0, error = NULL,
             stored_offset = @P10, moved_at = COALESCE(@P8, {NOW})
         WHERE id = @P1 AND lease_token = @P2 AND byte_offset = @P3 AND state = 'loading'"
    );
    let Checkpoint { offset, line, columns, digest, stored } = &batch.end;
    let parameters: [&dyn ToSql; 10] = [
        &lease.run.0,
        &lease.token.to_string(),
        &signed(batch.start),
        &signed(*offset),
        &signed(*line),
        columns,
        digest,
        &now,
        &micros_of(LEASE),
        &signed(*stored),
    ];
    if session.execute(&sql, &parameters).await? == 1 {
        Ok(())
    } else {
        Err(StoreError::RunLost.into())
    }
}

/// Adds a batch's counts to the run's and gives the sums.
pub(super) async fn count(
    session: &mut Session,
    id: RunId,
    counts: &Counts,
    categories_made: i64,
) -> Result<Counts> {
    let Counts { read, loaded, replaced, rejected } = *counts;
    let parameters: [&dyn ToSql; 6] = [
        &id.0,
        &signed(read),
        &signed(loaded),
        &signed(replaced),
        &signed(rejected),
        &categories_made,
    ];
    let row = session
        .row(
            "-- runs.count
             UPDATE amazon.import_run SET rows_read = rows_read + @P2,
                 rows_loaded = rows_loaded + @P3, rows_replaced = rows_replaced + @P4,
                 rows_rejected = rows_rejected + @P5, categories_made = categories_made + @P6
             WHERE id = @P1;
             SELECT rows_read, rows_loaded, rows_replaced, rows_rejected
             FROM amazon.import_run WHERE id = @P1",
            &parameters,
        )
        .await?;
    Ok(counts_of(&row.ok_or(StoreError::RunLost)?, 0)?)
}

/// See [`crate::store::Store::finish_loading`].
pub(super) async fn begin_indexing(
    session: &mut Session,
    lease: &Lease,
    now: Option<i64>,
) -> Result<()> {
    let sql = format!(
        "-- runs.begin_indexing
         UPDATE amazon.import_run
         SET state = 'indexing', lease_until = COALESCE(@P3, {NOW}) + @P4
         WHERE id = @P1 AND lease_token = @P2 AND state IN ('loading', 'indexing')"
    );
    let parameters: [&dyn ToSql; 4] =
        [&lease.run.0, &lease.token.to_string(), &now, &micros_of(LEASE)];
    let moved = session.execute(&sql, &parameters).await?;
    if moved == 1 { Ok(()) } else { Err(StoreError::RunLost.into()) }
}

/// See [`crate::store::Store::renew_lease`].
pub(super) async fn renew(session: &mut Session, lease: &Lease, now: Option<i64>) -> Result<()> {
    let sql = format!(
        "-- runs.renew
         UPDATE amazon.import_run SET lease_until = COALESCE(@P3, {NOW}) + @P4
         WHERE id = @P1 AND lease_token = @P2 AND state IN ('loading', 'indexing')"
    );
    let parameters: [&dyn ToSql; 4] =
        [&lease.run.0, &lease.token.to_string(), &now, &micros_of(LEASE)];
    let moved = session.execute(&sql, &parameters).await?;
    if moved == 1 { Ok(()) } else { Err(StoreError::RunLost.into()) }
}

/// See [`crate::store::Store::end_run`].
pub(super) async fn end(
    session: &mut Session,
    lease: &Lease,
    end: &End,
    now: Option<i64>,
) -> Result<Run> {
    let (state, error, rest) = match end {
        End::Done => (Some(RunState::Done), None, 0),
        End::Failed(error) => (Some(RunState::Failed), Some(error), 0),
        End::Superseded(error) => (Some(RunState::Superseded), Some(error), 0),
        End::Paused(error) => (None, Some(error), micros_of(PAUSE)),
    };
    let state = state.map(RunState::word);
    let error: Option<String> = error.map(|error| error.chars().take(ERROR_MAX / 2).collect());
    let sql = format!(
        "-- runs.end
         UPDATE amazon.import_run SET
             state = CASE WHEN @P3 IS NOT NULL THEN CAST(@P3 AS VARCHAR(10))
                          WHEN errors + 1 >= @P6 THEN 'failed' ELSE state END,
             ended_at = CASE WHEN @P3 IS NULL AND errors + 1 < @P6 THEN NULL
                             ELSE COALESCE(@P5, {NOW}) END,
             errors = errors + CASE WHEN @P4 IS NULL THEN 0 ELSE 1 END, error = @P4,
             lease_token = NULL, lease_until = COALESCE(@P5, {NOW}) + @P7
         WHERE id = @P1 AND lease_token = @P2 AND state IN ('loading', 'indexing')"
    );
    let errors_max = ERRORS_MAX.cast_signed();
    let parameters: [&dyn ToSql; 7] =
        [&lease.run.0, &lease.token.to_string(), &state, &error, &now, &errors_max, &rest];
    if session.execute(&sql, &parameters).await? == 0 {
        return Err(StoreError::RunLost.into());
    }
    if *end == End::Done {
        let forget = "-- runs.forget\nDELETE FROM amazon.import_met WHERE run_id = @P1";
        session.execute(forget, &[&lease.run.0]).await?;
    }
    Ok(find(session, lease.run).await?.ok_or(StoreError::RunLost)?)
}

/// See [`crate::store::Store::cancel_run`]. What the run has met is pruned with its rejects:
/// there may be a million of them, and somebody waits.
pub(super) async fn cancel(
    session: &mut Session,
    id: RunId,
    now: Option<i64>,
) -> Result<Option<Cancelled>> {
    let sql = format!(
        "-- runs.cancel
         UPDATE amazon.import_run
         SET state = 'cancelled', lease_token = NULL, ended_at = COALESCE(@P2, {NOW})
         WHERE id = @P1 AND state IN ('loading', 'indexing')"
    );
    let moved = session.execute(&sql, &[&id.0, &now]).await?;
    let run = find(session, id).await?.map(Box::new);
    Ok(run.map(|run| if moved == 0 { Cancelled::EndedBefore(run) } else { Cancelled::Now(run) }))
}

/// A run by its number.
pub(super) async fn find(session: &mut Session, id: RunId) -> Result<Option<Run>> {
    let sql = format!("-- store.run\nSELECT {COLUMNS} FROM amazon.import_run WHERE id = @P1");
    let row = session.row(&sql, &[&id.0]).await?;
    Ok(row.map(|row| run_of(&row)).transpose()?)
}

/// See [`crate::store::Store::runs`].
pub(super) async fn list(
    session: &mut Session,
    before: Option<RunId>,
    limit: usize,
) -> Result<Vec<Run>> {
    let sql = format!(
        "-- store.runs
         SELECT TOP (@P2) {COLUMNS} FROM amazon.import_run WHERE id < @P1 ORDER BY id DESC"
    );
    let before = before.map_or(i64::MAX, |run| run.0);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let results = session.query(&sql, &[&before, &limit]).await?;
    Ok(results.iter().flatten().map(run_of).collect::<std::result::Result<_, _>>()?)
}

/// See [`crate::store::Store::abandoned_runs`].
pub(super) async fn abandoned(session: &mut Session, now: Option<i64>) -> Result<Vec<Run>> {
    let sql = format!(
        "-- store.abandoned_runs
         SELECT {COLUMNS} FROM amazon.import_run
         WHERE state IN ('loading', 'indexing') AND lease_until <= COALESCE(@P1, {NOW})
         ORDER BY id"
    );
    let results = session.query(&sql, &[&now]).await?;
    Ok(results.iter().flatten().map(run_of).collect::<std::result::Result<_, _>>()?)
}

/// Removes the rejects of runs that ended long ago; tells how many.
pub(super) async fn prune(session: &mut Session, now: Option<i64>) -> Result<u64> {
    let long_ended =
        format!("(SELECT id FROM amazon.import_run WHERE ended_at <= COALESCE(@P1, {NOW}) - @P2)");
    let parameters: [&dyn ToSql; 2] = [&now, &micros_of(REJECTS_KEPT)];
    let met =
        format!("-- runs.prune_met\nDELETE FROM amazon.import_met WHERE run_id IN {long_ended}");
    session.execute(&met, &parameters).await?;
    let rejects =
        format!("-- runs.prune\nDELETE FROM amazon.import_reject WHERE run_id IN {long_ended}");
    Ok(session.execute(&rejects, &parameters).await?)
}

/// The newest run of this state of the source, and whether it is left alone: by its owner's
/// lease, or because it rests after an error, for which a person need not wait.
async fn newest(
    session: &mut Session,
    claim: &Claim,
    now: Option<i64>,
) -> Result<Option<(Run, bool)>> {
    let sql = format!(
        "-- runs.newest
         SELECT TOP (1) {COLUMNS},
             CASE WHEN lease_until > COALESCE(@P3, {NOW})
                   AND (lease_token IS NOT NULL OR @P4 = 0) THEN 1 ELSE 0 END
         FROM amazon.import_run WHERE source_hash = @P1 AND etag = @P2 ORDER BY attempt DESC"
    );
    let is_by_hand = claim.how.is_by_hand();
    let parameters: [&dyn ToSql; 4] = [&hash(&claim.source), &claim.etag, &now, &is_by_hand];
    let Some(row) = session.row(&sql, &parameters).await? else { return Ok(None) };
    Ok(Some((run_of(&row)?, row.truth(25)?)))
}

/// The run of a newer state of the source than the one that is delivered.
async fn newer(session: &mut Session, claim: &Claim) -> Result<Option<Run>> {
    let Some(modified) = claim.modified.filter(|_| claim.how == HowStarted::Delivered) else {
        return Ok(None);
    };
    let sql = format!(
        "-- runs.newer
         SELECT TOP (1) {COLUMNS} FROM amazon.import_run
         WHERE source_hash = @P1 AND modified > @P2 ORDER BY modified DESC, id DESC"
    );
    let row = session.row(&sql, &[&hash(&claim.source), &modified]).await?;
    Ok(row.map(|row| run_of(&row)).transpose()?)
}

fn run_of(row: &Row) -> std::result::Result<Run, StoreError> {
    let word = read(row.text(4))?;
    let state =
        RunState::parse(word).ok_or_else(|| nonsense(format!("import_run.state is {word}")))?;
    let run = || -> tiberius::Result<Run> {
        let small = |at| row.number(at).map(|number| u32::try_from(number).unwrap_or(u32::MAX));
        let limit = row.number_or_null(19)?;
        Ok(Run {
            id: RunId(row.number(0)?),
            source: row.text(1)?.to_owned(),
            etag: row.text(2)?.to_owned(),
            attempt: small(3)?,
            state,
            size: row.count(5)?,
            checkpoint: Checkpoint {
                offset: row.count(6)?,
                line: row.count(7)?,
                columns: row.text(8)?.to_owned(),
                digest: row.text(9)?.to_owned(),
                stored: row.count(20)?,
            },
            counts: counts_of(row, 10)?,
            rejects_max: limit.and_then(|limit| u64::try_from(limit).ok()),
            categories_made: small(14)?,
            errors: small(15)?,
            error: row.text_or_null(16)?.map(str::to_owned),
            created_at: row.number(17)?,
            ended_at: row.number_or_null(18)?,
            stretch: Stretch {
                since: row.number(21)?,
                until: row.number(22)?,
                read: row.count(23)?,
                stored: row.count(24)?,
            },
        })
    };
    read(run())
}

fn counts_of(row: &Row, first: usize) -> tiberius::Result<Counts> {
    Ok(Counts {
        read: row.count(first)?,
        loaded: row.count(first + 1)?,
        replaced: row.count(first + 2)?,
        rejected: row.count(first + 3)?,
    })
}

/// No count of bytes or rows comes near the end of a BIGINT.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
