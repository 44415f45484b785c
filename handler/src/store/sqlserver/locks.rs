//! Named locks of the database, held to the end of a transaction. They hold where row locks
//! are only hints.

use tiberius::ToSql;
use tiberius::error::{Error, IoErrorKind};

use super::cells::Cells as _;
use super::session::Session;

/// How long another transaction may keep us waiting.
const WAIT_MS: i32 = 5_000;

/// Waits for the lock. One that is held for seconds is an error that may pass.
pub(super) async fn wait(session: &mut Session, name: &str) -> tiberius::Result<()> {
    if take(session, name, WAIT_MS).await? {
        return Ok(());
    }
    Err(Error::Io {
        kind: IoErrorKind::TimedOut,
        message: format!("another transaction holds the lock `{name}`"),
    })
}

/// Takes the lock unless somebody has it.
pub(super) async fn take_if_free(session: &mut Session, name: &str) -> tiberius::Result<bool> {
    take(session, name, 0).await
}

async fn take(session: &mut Session, name: &str, wait_ms: i32) -> tiberius::Result<bool> {
    let parameters: [&dyn ToSql; 2] = [&name, &wait_ms];
    let row = session
        .row(
            "-- locks.take
             DECLARE @got INT;
             EXEC @got = sp_getapplock @Resource = @P1, @LockMode = 'Exclusive',
                 @LockOwner = 'Transaction', @LockTimeout = @P2;
             SELECT @got",
            &parameters,
        )
        .await?;
    Ok(row.map(|row| row.number(0)).transpose()?.is_some_and(|got| got >= 0))
}
