//! The table of refused rows.

use tiberius::{Row, ToSql};

use super::cells::Cells as _;
use super::runs::signed;
use super::session::Session;
use super::stop::Stop;
use crate::store::{Reject, RunId, StoreError};

/// Rows that go into one statement: it may have 2,100 parameters.
const AT_ONCE: usize = 300;

type Result<T> = std::result::Result<T, Stop<StoreError>>;

/// Keeps refused rows; the byte is their key, so a row is kept once.
pub(super) async fn keep(session: &mut Session, id: RunId, rejects: &[Reject]) -> Result<()> {
    for some in rejects.chunks(AT_ONCE) {
        let mut values = Vec::with_capacity(some.len());
        let numbers: Vec<_> = some.iter().map(|r| (signed(r.byte), signed(r.line))).collect();
        let mut parameters: Vec<&dyn ToSql> = vec![&id.0];
        for (Reject { column, reason, record, .. }, (byte, line)) in some.iter().zip(&numbers) {
            let first = parameters.len() + 1;
            let places = [0, 1, 2, 3, 4].map(|place| format!("@P{}", first + place));
            let [byte_at, line_at, field_at, reason_at, record_at] = places;
            values.push(format!(
                "(@P1, {byte_at}, {line_at}, CAST({field_at} AS NVARCHAR(100)), {reason_at}, \
                 {record_at})"
            ));
            parameters.extend([byte as &dyn ToSql, line, column, reason, record]);
        }
        let sql = format!(
            "-- runs.keep_rejects
             INSERT INTO amazon.import_reject (run_id, byte, line, field, reason, record)
             VALUES {}",
            values.join(", ")
        );
        session.execute(&sql, &parameters).await?;
    }
    Ok(())
}

/// See [`crate::store::Store::rejects`].
pub(super) async fn page(
    session: &mut Session,
    id: RunId,
    after_byte: Option<u64>,
    limit: usize,
) -> Result<Vec<Reject>> {
    let after = after_byte.map_or(-1, signed);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let parameters: [&dyn ToSql; 3] = [&id.0, &after, &limit];
    let results = session
        .query(
            "-- store.rejects
             SELECT TOP (@P3) line, byte, field, reason, record FROM amazon.import_reject
             WHERE run_id = @P1 AND byte > @P2 ORDER BY byte",
            &parameters,
        )
        .await?;
    let reject = |row: &Row| {
        Ok(Reject {
            line: row.count(0)?,
            byte: row.count(1)?,
            column: row.text_or_null(2)?.map(str::to_owned),
            reason: row.text(3)?.to_owned(),
            record: row.text(4)?.to_owned(),
        })
    };
    results.iter().flatten().map(reject).collect()
}
