//! One product, written by itself. What follows from it, versions and counters, is the
//! trigger's.

use std::sync::Arc;
use std::time::Duration;

use tiberius::ToSql;

use super::cells::Cells as _;
use super::session::Session;
use super::stop::{Stop, nonsense};
use super::versions::NOW;
use super::{locks, product_rows, versions};
use crate::catalog::{Asin, CategoryId, Product};
use crate::clock::micros_of;
use crate::store::{Edit, Once, StoreError, WriteError, Written};

/// CONTRACT 4.
const KEPT: Duration = Duration::from_hours(24);

/// See [`crate::store::Store::create_product`].
pub(super) async fn create(
    session: &mut Session,
    product: &Product,
    once: Option<&Once>,
    now: Option<i64>,
) -> Result<Written, Stop<WriteError>> {
    if let Some(once) = once
        && is_repeated(session, once, now).await?
    {
        // The same body is the same product, whatever has become of it since.
        let versions = versions::table(&versions::all(session).await?)?;
        let after = Some(product.clone());
        return Ok(Written { before: None, after, versions: Arc::new(versions) });
    }
    let after = product.clone();
    let only_new: Edit = Box::new(move |old| match old {
        Some(old) => Err(WriteError::Exists(old.asin)),
        None => Ok(Some(after.clone())),
    });
    if let Some(once) = once {
        keep(session, once, &product.asin, now).await?;
    }
    edit(session, &product.asin, &only_new).await
}

/// See [`crate::store::Store::edit_product`].
pub(super) async fn edit(
    session: &mut Session,
    asin: &Asin,
    edit: &Edit,
) -> Result<Written, Stop<WriteError>> {
    locks::wait(session, &format!("product {asin}")).await?;
    let found = product_rows::find(session, asin).await?;
    let before = found.map(|row| product_rows::read(&row)).transpose()?;
    let after = edit(before.as_ref())?;
    if after.as_ref().is_some_and(|after| after.asin != *asin) {
        return Err(nonsense("an edit has changed the asin").into());
    }
    if after != before {
        if let Some(after) = &after {
            must_exist(session, after.category_id).await?;
        }
        match (&before, &after) {
            (None, Some(new)) => product_rows::insert(session, new).await?,
            (Some(_), Some(new)) => product_rows::update(session, new).await?,
            (Some(_), None) => product_rows::remove(session, asin).await?,
            (None, None) => {}
        }
    }
    let versions = versions::table(&versions::all(session).await?)?;
    Ok(Written { before, after, versions: Arc::new(versions) })
}

async fn must_exist(session: &mut Session, category: CategoryId) -> Result<(), Stop<WriteError>> {
    let id = category.get().cast_signed();
    let sql = "-- writes.category\nSELECT 1 FROM amazon.categories WHERE id = @P1";
    match session.row(sql, &[&id]).await? {
        Some(_) => Ok(()),
        None => Err(WriteError::UnknownCategory(category).into()),
    }
}

/// Whether this very effect was had before; [`WriteError::KeyReused`] if another one was,
/// [`WriteError::KeyInFlight`] if it is being had in this moment, in whatever process.
async fn is_repeated(
    session: &mut Session,
    once: &Once,
    now: Option<i64>,
) -> Result<bool, Stop<WriteError>> {
    let user = once.user.to_string();
    let name = format!("once {user} {}", once.key.as_str());
    if !locks::take_if_free(session, &name).await? {
        return Err(WriteError::KeyInFlight.into());
    }
    let sql = format!(
        "-- idempotency.find
         SELECT digest FROM amazon.idempotency
         WHERE user_id = CAST(@P1 AS VARCHAR(36)) AND name = CAST(@P2 AS VARCHAR(255))
           AND created_at > COALESCE(@P3, {NOW}) - @P4"
    );
    let parameters: [&dyn ToSql; 4] = [&user, &once.key.as_str(), &now, &micros_of(KEPT)];
    match session.row(&sql, &parameters).await? {
        None => Ok(false),
        Some(row) if row.bytes(0)? == once.digest => Ok(true),
        Some(_) => Err(WriteError::KeyReused.into()),
    }
}

/// Keeps what is done under the key, in place of what was done more than a day ago.
async fn keep(
    session: &mut Session,
    once: &Once,
    asin: &Asin,
    now: Option<i64>,
) -> tiberius::Result<()> {
    let sql = format!(
        "-- idempotency.keep
         DELETE FROM amazon.idempotency
         WHERE user_id = CAST(@P1 AS VARCHAR(36)) AND name = CAST(@P2 AS VARCHAR(255));
         INSERT INTO amazon.idempotency (user_id, name, digest, asin, created_at)
         VALUES (@P1, @P2, CAST(@P3 AS BINARY(32)), @P4, COALESCE(@P5, {NOW}))"
    );
    let user = once.user.to_string();
    let parameters: [&dyn ToSql; 5] =
        [&user, &once.key.as_str(), &once.digest.as_slice(), &asin.as_str(), &now];
    session.execute(&sql, &parameters).await.map(drop)
}

/// Forgets what is kept long enough; tells how many.
pub(super) async fn prune(
    session: &mut Session,
    now: Option<i64>,
) -> Result<u64, Stop<StoreError>> {
    let sql = format!(
        "-- idempotency.prune
         DELETE FROM amazon.idempotency WHERE created_at <= COALESCE(@P1, {NOW}) - @P2"
    );
    Ok(session.execute(&sql, &[&now, &micros_of(KEPT)]).await?)
}
