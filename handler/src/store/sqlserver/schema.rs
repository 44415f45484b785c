//! The schema's steps, and who may work with which.
//!
//! Ten instances may start at once: whoever has the lock applies the steps, the others wait
//! and find them applied. As on the embedded store, steps expand first and contract later.

use tiberius::ToSql;
use uuid::Uuid;

use super::cells::Cells as _;
use super::locks;
use super::session::Session;
use super::stop::Stop;
use crate::store::StoreError;

struct Step {
    sql: &'static str,
    /// The oldest handler (by the newest step it knows) that works after this step.
    oldest_handler: i64,
}

const STEPS: [Step; 5] = [
    Step {
        sql: include_str!("../../../migrations/sqlserver/0001_catalogue.sql"),
        oldest_handler: 1,
    },
    Step { sql: include_str!("../../../migrations/sqlserver/0002_imports.sql"), oldest_handler: 1 },
    Step { sql: include_str!("../../../migrations/sqlserver/0003_people.sql"), oldest_handler: 1 },
    Step {
        sql: include_str!("../../../migrations/sqlserver/0004_progress.sql"),
        oldest_handler: 1,
    },
    Step { sql: include_str!("../../../migrations/sqlserver/0005_beside.sql"), oldest_handler: 1 },
];

/// The newest step that this handler knows.
pub const SCHEMA: i64 = 5;

type Result<T> = std::result::Result<T, Stop<StoreError>>;

/// Applies the steps that are missing, within the caller's transaction.
pub(super) async fn migrate(session: &mut Session) -> Result<()> {
    debug_assert_eq!(usize::try_from(SCHEMA), Ok(STEPS.len()), "each step has its number");
    locks::wait(session, "migrate").await?;
    let done = schema_of(session).await?;
    if done.is_none() {
        begin(session).await?;
    }
    let done = done.unwrap_or(0);
    for (number, step) in (1..).zip(&STEPS).filter(|(number, _)| *number > done) {
        for batch in batches(step.sql) {
            session.batch(&batch).await?;
        }
        set(session, "schema", &number.to_string()).await?;
        set(session, "oldest_handler", &step.oldest_handler.to_string()).await?;
    }
    Ok(())
}

/// The schema, if this handler can work with it; `None` if it lacks steps.
pub(super) async fn check(session: &mut Session) -> Result<Option<i64>> {
    Ok(look(session).await?.filter(|schema| *schema >= SCHEMA))
}

/// The schema unless it is too new for this handler; `None` where there is none.
pub(super) async fn look(session: &mut Session) -> Result<Option<i64>> {
    let Some(schema) = schema_of(session).await? else { return Ok(None) };
    if schema > SCHEMA && number(session, "oldest_handler").await? > SCHEMA {
        return Err(StoreError::SchemaTooNew { schema, known: SCHEMA }.into());
    }
    Ok(Some(schema))
}

async fn begin(session: &mut Session) -> Result<()> {
    session
        .batch("-- schema.begin\nIF SCHEMA_ID(N'amazon') IS NULL EXEC(N'CREATE SCHEMA amazon')")
        .await?;
    session
        .batch(
            "-- schema.meta
             CREATE TABLE amazon.meta (
                 name  VARCHAR(50)   NOT NULL CONSTRAINT pk_meta PRIMARY KEY,
                 value NVARCHAR(200) NOT NULL
             )",
        )
        .await?;
    set(session, "database_id", &Uuid::new_v4().to_string()).await
}

async fn schema_of(session: &mut Session) -> Result<Option<i64>> {
    let made = session
        .row("-- schema.is_made\nSELECT CASE WHEN OBJECT_ID(N'amazon.meta') IS NULL THEN 0 ELSE 1 END", &[])
        .await?;
    match made.map(|row| row.truth(0)).transpose()? {
        Some(true) => number(session, "schema").await.map(Some),
        _ => Ok(None),
    }
}

/// The database's id, drawn when its schema was begun.
pub(super) async fn id(session: &mut Session) -> Result<String> {
    let id = get(session, "database_id").await?;
    id.ok_or_else(|| StoreError::Corrupt("meta has no database_id".into()).into())
}

async fn get(session: &mut Session, name: &str) -> Result<Option<String>> {
    let sql = "-- schema.get\nSELECT value FROM amazon.meta WHERE name = @P1";
    let row = session.row(sql, &[&name]).await?;
    Ok(row.map(|row| row.text(0).map(str::to_owned)).transpose()?)
}

async fn number(session: &mut Session, name: &str) -> Result<i64> {
    get(session, name)
        .await?
        .unwrap_or_else(|| "0".to_owned())
        .parse()
        .map_err(|_| StoreError::Corrupt(format!("meta.{name} is no number").into()).into())
}

async fn set(session: &mut Session, name: &str, value: &str) -> Result<()> {
    let parameters: [&dyn ToSql; 2] = [&name, &value];
    session
        .execute(
            "-- schema.set
             DELETE FROM amazon.meta WHERE name = @P1;
             INSERT INTO amazon.meta (name, value) VALUES (@P1, @P2)",
            &parameters,
        )
        .await?;
    Ok(())
}

/// The batches of a script: a line that says GO ends one.
fn batches(script: &str) -> Vec<String> {
    let mut batches = vec![String::new()];
    for line in script.lines() {
        if line.trim() == "GO" {
            batches.push(String::new());
        } else if let Some(batch) = batches.last_mut() {
            batch.push_str(line);
            batch.push('\n');
        }
    }
    batches.retain(|batch| !batch.trim().is_empty());
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_procedure_is_a_batch_of_its_own() {
        for step in &STEPS {
            for batch in batches(step.sql) {
                let makes =
                    |what: &str| batch.lines().filter(|line| line.starts_with(what)).count();
                let own = makes("CREATE PROCEDURE") + makes("CREATE TRIGGER");
                assert!(own <= 1);
                assert!(own == 0 || makes("CREATE TABLE") == 0);
            }
        }
    }
}
