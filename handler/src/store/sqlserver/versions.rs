//! The version table. On this store its rows are raised by the database itself, see the
//! triggers in `migrations/sqlserver/0001_catalogue.sql`; here they are read, and raised for
//! what no trigger sees.

use tiberius::{Row as SqlRow, ToSql};

use super::cells::Cells as _;
use super::session::Session;
use super::stop::read;
use crate::cache::versions::{Row, Version, Versions};
use crate::store::StoreError;

/// The database's clock in microseconds since 1970.
pub(super) const NOW: &str = "DATEDIFF_BIG(MICROSECOND, '1970-01-01', SYSUTCDATETIME())";

/// Reads the whole table: a few hundred rows.
pub(super) const ALL: &str =
    "-- versions.all\nSELECT category_id, version FROM amazon.category_version";

/// The table from the rows of [`ALL`].
pub(super) fn table(rows: &[SqlRow]) -> Result<Versions, StoreError> {
    rows.iter().map(|row| Ok((Row(read(row.number(0))?), read(row.number(1))?))).collect()
}

/// The whole table.
pub(super) async fn all(session: &mut Session) -> tiberius::Result<Vec<SqlRow>> {
    Ok(session.query(ALL, &[]).await?.pop().unwrap_or_default())
}

/// Raises one row above what it is and up to the clock.
pub(super) async fn raise(session: &mut Session, row: Row) -> tiberius::Result<()> {
    raise_above(session, row, 0).await
}

/// Raises a row above what it is, above this and up to the clock. A row that is missing is
/// made: a restored database may lack it.
pub(super) async fn raise_above(
    session: &mut Session,
    Row(row): Row,
    above: Version,
) -> tiberius::Result<()> {
    let sql = format!(
        "-- versions.raise_above
         DECLARE @least BIGINT = {NOW};
         IF @least <= @P2 SET @least = @P2 + 1;
         INSERT INTO amazon.category_version (category_id, version, products)
         SELECT @P1, 0, 0
         WHERE NOT EXISTS (SELECT 1 FROM amazon.category_version WHERE category_id = @P1);
         UPDATE amazon.category_version
         SET version = CASE WHEN version >= @least THEN version + 1 ELSE @least END
         WHERE category_id = @P1"
    );
    let parameters: [&dyn ToSql; 2] = [&row, &above];
    session.execute(&sql, &parameters).await.map(drop)
}
