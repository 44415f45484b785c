//! The schema's steps, and who may work with which.
//!
//! Steps expand first and contract later, so an older handler goes on working on a newer
//! schema for as long as the database's `oldest_handler` says so; only a handler older
//! than that refuses to start.

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior};
use uuid::Uuid;

use super::indexes;
use crate::clock::Clock;
use crate::store::StoreError;

struct Step {
    sql: &'static str,
    /// The oldest handler (by the newest step it knows) that works after this step.
    oldest_handler: i64,
}

const STEPS: [Step; 7] = [
    Step { sql: include_str!("../../../migrations/sqlite/0001_catalogue.sql"), oldest_handler: 1 },
    // An older handler would change titles and not say so.
    Step { sql: include_str!("../../../migrations/sqlite/0002_search.sql"), oldest_handler: 2 },
    Step { sql: include_str!("../../../migrations/sqlite/0003_writes.sql"), oldest_handler: 2 },
    Step { sql: include_str!("../../../migrations/sqlite/0004_users.sql"), oldest_handler: 2 },
    // An older handler would take tokens for good that have ended.
    Step { sql: include_str!("../../../migrations/sqlite/0005_epochs.sql"), oldest_handler: 5 },
    Step { sql: include_str!("../../../migrations/sqlite/0006_overtaken.sql"), oldest_handler: 5 },
    Step { sql: include_str!("../../../migrations/sqlite/0007_progress.sql"), oldest_handler: 5 },
];

/// The newest step that this handler knows.
pub const SCHEMA: i64 = 7;

/// Applies the steps that are missing. Safe to call twice, and from two places at once.
pub(super) fn migrate(connection: &mut Connection, clock: &Clock) -> Result<(), StoreError> {
    if let Some(schema) = schema_of(connection)? {
        refuse_newer(connection, schema)?;
        if schema >= SCHEMA {
            return Ok(());
        }
    }
    debug_assert_eq!(usize::try_from(SCHEMA), Ok(STEPS.len()), "each step has its number");
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Read again: another process may have done it while we waited for the lock.
    let done = schema_of(&tx)?.unwrap_or(0);
    refuse_newer(&tx, done)?;
    if done == 0 {
        begin(&tx, clock)?;
    }
    for (number, step) in (1..).zip(&STEPS).filter(|(number, _)| *number > done) {
        tx.execute_batch(step.sql)?;
        set(&tx, "schema", &number.to_string())?;
        set(&tx, "oldest_handler", &step.oldest_handler.to_string())?;
    }
    if done == 0 {
        indexes::make_all(&tx)?;
    }
    tx.commit()?;
    Ok(())
}

/// The database's schema, if this handler can work with it.
pub(super) fn check(db: &Connection) -> Result<i64, StoreError> {
    let schema = schema_of(db)?.unwrap_or(0);
    refuse_newer(db, schema)?;
    Ok(schema)
}

/// Whether no step was applied yet.
pub(super) fn is_empty(db: &Connection) -> Result<bool, StoreError> {
    Ok(schema_of(db)?.is_none())
}

/// The database's id, drawn when its schema was begun.
pub(super) fn id(db: &Connection) -> Result<String, StoreError> {
    get(db, "database_id")?.ok_or_else(|| StoreError::Corrupt("meta has no database_id".into()))
}

/// A value of the table `meta`.
pub(super) fn get(db: &Connection, name: &str) -> Result<Option<String>, StoreError> {
    let mut find = db.prepare_cached("-- schema.get\nSELECT value FROM meta WHERE name = ?1")?;
    Ok(find.query_row([name], |row| row.get(0)).optional()?)
}

/// Sets a value of the table `meta`.
pub(super) fn set(tx: &Transaction<'_>, name: &str, value: &str) -> Result<(), StoreError> {
    tx.execute(
        "-- schema.set
         INSERT INTO meta (name, value) VALUES (?1, ?2)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, value),
    )?;
    Ok(())
}

fn begin(tx: &Transaction<'_>, clock: &Clock) -> Result<(), StoreError> {
    tx.execute_batch(
        "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    )?;
    set(tx, "database_id", &Uuid::new_v4().to_string())?;
    set(tx, "created_at", &clock.now_micros().to_string())
}

fn schema_of(db: &Connection) -> Result<Option<i64>, StoreError> {
    let made = db
        .query_row("SELECT 1 FROM sqlite_schema WHERE name = 'meta'", [], |_| Ok(()))
        .optional()?;
    match made {
        Some(()) => number(db, "schema").map(Some),
        None => Ok(None),
    }
}

fn refuse_newer(db: &Connection, schema: i64) -> Result<(), StoreError> {
    if schema > SCHEMA && number(db, "oldest_handler")? > SCHEMA {
        return Err(StoreError::SchemaTooNew { schema, known: SCHEMA });
    }
    Ok(())
}

fn number(db: &Connection, name: &str) -> Result<i64, StoreError> {
    get(db, name)?
        .and_then(|value| value.parse().ok())
        .ok_or_else(|| StoreError::Corrupt(format!("meta.{name} is no number").into()))
}
