//! Users, sessions and passwords.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tiberius::{Row, ToSql};
use uuid::Uuid;

use super::cells::Cells as _;
use super::locks;
use super::session::Session;
use super::stop::{Stop, nonsense, read};
use super::versions::{self, NOW};
use super::{SqlServerStore, read as read_only, transact};
use crate::cache::versions::Row as VersionRow;
use crate::clock::micros_of;
use crate::store::StoreError;
use crate::store::users::{
    Changed, Exchanged, Ongoing, Rights, RightsChange, Session as UserSession, TokenHash, User,
    Users,
};

const COLUMNS: &str = "id, email, firstName, lastName, active, admin, \
     CASE WHEN account IS NULL THEN 1 ELSE 0 END, was_listed, epoch, created_at";

type Result<T> = std::result::Result<T, Stop<StoreError>>;

/// The address as it is compared: nobody tells two people apart by capitals.
fn email_key(email: &str) -> String {
    email.to_lowercase()
}

#[async_trait]
impl Users for SqlServerStore {
    async fn begin_sign_up(&self, user: &User) -> std::result::Result<bool, StoreError> {
        let now = self.now();
        transact!(self, |session| begin_sign_up(session, user, now).await)
    }

    async fn complete_sign_up(
        &self,
        id: Uuid,
        account: &str,
        rights: Rights,
    ) -> std::result::Result<(), StoreError> {
        let sql = "-- users.complete_sign_up
                   UPDATE amazon.users SET account = @P2, active = @P3, admin = @P4
                   WHERE id = @P1 AND account IS NULL";
        let values: Values = vec![
            Box::new(id.to_string()),
            Box::new(account.to_owned()),
            Box::new(rights.active),
            Box::new(rights.admin),
        ];
        self.change(sql, values).await?;
        Ok(())
    }

    async fn abandon_sign_up(&self, id: Uuid) -> std::result::Result<(), StoreError> {
        let sql = "-- users.abandon_sign_up
                   DELETE FROM amazon.users WHERE id = @P1 AND account IS NULL";
        self.change(sql, vec![Box::new(id.to_string())]).await?;
        Ok(())
    }

    async fn pending_sign_ups(
        &self,
        age: Duration,
        after: Option<Uuid>,
    ) -> std::result::Result<Vec<User>, StoreError> {
        let condition = format!(
            "WHERE id > CAST(@P1 AS VARCHAR(36)) AND account IS NULL
                 AND created_at <= COALESCE(@P2, {NOW}) - @P3
             ORDER BY id"
        );
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        let values: Values = vec![Box::new(after), Box::new(self.now()), Box::new(micros_of(age))];
        self.people(100, &condition, values).await
    }

    async fn user(&self, id: Uuid) -> std::result::Result<Option<User>, StoreError> {
        self.person("WHERE id = @P1", id.to_string()).await
    }

    async fn user_by_email(&self, email: &str) -> std::result::Result<Option<User>, StoreError> {
        self.person("WHERE email_key = @P1", email_key(email)).await
    }

    async fn user_by_account(
        &self,
        account: &str,
    ) -> std::result::Result<Option<User>, StoreError> {
        self.person("WHERE account = @P1", account.to_owned()).await
    }

    async fn users(
        &self,
        after: Option<Uuid>,
        limit: usize,
    ) -> std::result::Result<Vec<User>, StoreError> {
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        let condition = "WHERE id > CAST(@P1 AS VARCHAR(36)) AND account IS NOT NULL ORDER BY id";
        self.people(limit, condition, vec![Box::new(after)]).await
    }

    async fn change_rights(
        &self,
        id: Uuid,
        change: RightsChange,
    ) -> std::result::Result<Changed, StoreError> {
        transact!(self, |session| change_rights(session, id, change).await)
    }

    async fn keep_session(&self, session: &UserSession) -> std::result::Result<bool, StoreError> {
        let now = self.now();
        transact!(self, |on| {
            // Whoever was let in before that may not have known the password since.
            let user = one(on, session.user).await?;
            let counts = user.is_some_and(|user| user.epoch == session.epoch);
            if counts {
                keep_session(on, session, None, now).await?;
            }
            Ok(counts)
        })
    }

    async fn session(&self, token: &TokenHash) -> std::result::Result<Option<Ongoing>, StoreError> {
        let now = self.now();
        let sql = format!(
            "-- users.ongoing
             SELECT s.family, u.account, s.began_at
             FROM amazon.sessions AS s JOIN amazon.users AS u ON u.id = s.user_id
             WHERE s.token = CAST(@P1 AS BINARY(32)) AND s.used_at IS NULL
               AND s.expires_at > COALESCE(@P2, {NOW}) AND u.account IS NOT NULL"
        );
        let token = token.as_slice();
        let parameters: [&dyn ToSql; 2] = [&token, &now];
        let row = read_only!(self, |session| Ok(session.row(&sql, &parameters).await?))?;
        row.map(|row| {
            Ok(Ongoing {
                family: read(row.uuid(0))?,
                account: read(row.text(1))?.to_owned(),
                began_at: read(row.number(2))?,
            })
        })
        .transpose()
    }

    async fn end_tokens(&self, user: Uuid) -> std::result::Result<(), StoreError> {
        transact!(self, |session| end_tokens(session, user).await)
    }

    async fn exchange_session(
        &self,
        token: &TokenHash,
        with: &TokenHash,
        lasts: Duration,
    ) -> std::result::Result<Exchanged, StoreError> {
        let now = self.now();
        transact!(self, |on| exchange(on, *token, *with, lasts, now).await)
    }

    async fn end_sessions(&self, user: Uuid) -> std::result::Result<(), StoreError> {
        let sql = "-- users.end_sessions\nDELETE FROM amazon.sessions WHERE user_id = @P1";
        self.change(sql, vec![Box::new(user.to_string())]).await?;
        Ok(())
    }

    async fn prune_sessions(&self) -> std::result::Result<u64, StoreError> {
        let sql = format!(
            "-- users.prune_sessions
             DELETE FROM amazon.sessions WHERE expires_at <= COALESCE(@P1, {NOW})"
        );
        self.change(&sql, vec![Box::new(self.now())]).await
    }

    async fn keep_password(
        &self,
        user: Uuid,
        email: &str,
        hash: &str,
    ) -> std::result::Result<bool, StoreError> {
        let sql = "-- users.keep_password
                   INSERT INTO amazon.passwords (user_id, email_key, hash) SELECT @P1, @P2, @P3
                   WHERE NOT EXISTS (SELECT 1 FROM amazon.passwords WHERE email_key = @P2)";
        let user = user.to_string();
        let values: Values =
            vec![Box::new(user), Box::new(email_key(email)), Box::new(hash.to_owned())];
        Ok(self.change(sql, values).await? == 1)
    }

    async fn change_password(
        &self,
        email: &str,
        hash: &str,
    ) -> std::result::Result<bool, StoreError> {
        let key = email_key(email);
        transact!(self, |session| change_password(session, &key, hash).await)
    }

    async fn has_password(&self, user: Uuid) -> std::result::Result<bool, StoreError> {
        let user = user.to_string();
        let sql = "-- users.has_password\nSELECT 1 FROM amazon.passwords WHERE user_id = @P1";
        let row = read_only!(self, |session| Ok(session.row(sql, &[&user]).await?))?;
        Ok(row.is_some())
    }

    async fn password(
        &self,
        email: &str,
    ) -> std::result::Result<Option<(Uuid, String)>, StoreError> {
        let key = email_key(email);
        let sql = "-- users.password
                   SELECT user_id, hash FROM amazon.passwords WHERE email_key = @P1";
        let row = read_only!(self, |session| Ok(session.row(sql, &[&key]).await?))?;
        row.map(|row| Ok((read(row.uuid(0))?, read(row.text(1))?.to_owned()))).transpose()
    }

    async fn remove_password(&self, user: Uuid) -> std::result::Result<(), StoreError> {
        let sql = "-- users.remove_password\nDELETE FROM amazon.passwords WHERE user_id = @P1";
        self.change(sql, vec![Box::new(user.to_string())]).await?;
        Ok(())
    }
}

/// The parameters of a statement.
pub(super) type Values = Vec<Box<dyn ToSql>>;

impl SqlServerStore {
    /// One statement that is its own transaction; tells how many rows it changed.
    async fn change(&self, sql: &str, values: Values) -> std::result::Result<u64, StoreError> {
        let parameters: Vec<&dyn ToSql> = values.iter().map(AsRef::as_ref).collect();
        transact!(self, |session| Ok(session.execute(sql, &parameters).await?))
    }

    async fn person(
        &self,
        condition: &str,
        value: String,
    ) -> std::result::Result<Option<User>, StoreError> {
        Ok(self.people(1, condition, vec![Box::new(value)]).await?.pop())
    }

    async fn people(
        &self,
        limit: usize,
        condition: &str,
        values: Values,
    ) -> std::result::Result<Vec<User>, StoreError> {
        let sql =
            format!("-- users.all\nSELECT TOP ({limit}) {COLUMNS} FROM amazon.users {condition}");
        let parameters: Vec<&dyn ToSql> = values.iter().map(AsRef::as_ref).collect();
        let results = read_only!(self, |session| Ok(session.query(&sql, &parameters).await?))?;
        results.iter().flatten().map(user_of).collect()
    }
}

async fn begin_sign_up(session: &mut Session, user: &User, now: Option<i64>) -> Result<bool> {
    let key = email_key(&user.email);
    locks::wait(session, &format!("sign-up {key}")).await?;
    let parameters: [&dyn ToSql; 9] = [
        &user.email,
        &user.first_name,
        &user.last_name,
        &user.rights.active,
        &user.rights.admin,
        &user.id.to_string(),
        &key,
        &user.was_listed,
        &now,
    ];
    let row = session
        .row(
            "-- users.begin_sign_up
             EXEC amazon.users_insert @email = @P1, @firstName = @P2, @lastName = @P3,
                 @active = @P4, @admin = @P5, @id = @P6, @email_key = @P7, @was_listed = @P8,
                 @now = @P9",
            &parameters,
        )
        .await?;
    Ok(row.map(|row| row.truth(0)).transpose()?.unwrap_or(false))
}

async fn one(session: &mut Session, id: Uuid) -> Result<Option<User>> {
    let sql = format!("-- users.one\nSELECT {COLUMNS} FROM amazon.users WHERE id = @P1");
    let row = session.row(&sql, &[&id.to_string()]).await?;
    Ok(row.map(|row| user_of(&row)).transpose()?)
}

async fn change_rights(session: &mut Session, id: Uuid, change: RightsChange) -> Result<Changed> {
    // Two that take each other's rights away must not both find the other one left.
    locks::wait(session, "rights").await?;
    let Some(user) = one(session, id).await? else { return Ok(Changed::Unknown) };
    // Signing in twice at once must not give back what was taken away between.
    let change = if change.as_listed && user.was_listed { RightsChange::default() } else { change };
    let rights = Rights {
        active: change.active.unwrap_or(user.rights.active),
        admin: change.admin.unwrap_or(user.rights.admin),
    };
    let administers = |rights: Rights| rights.active && rights.admin;
    if administers(user.rights) && !administers(rights) && !others_administer(session, id).await? {
        return Ok(Changed::LastAdministrator);
    }
    let was_listed = user.was_listed || change.as_listed;
    let parameters: [&dyn ToSql; 4] = [&id.to_string(), &rights.active, &rights.admin, &was_listed];
    session
        .execute(
            "-- users.change_rights
             UPDATE amazon.users SET active = @P2, admin = @P3, was_listed = @P4 WHERE id = @P1",
            &parameters,
        )
        .await?;
    if rights != user.rights {
        versions::raise(session, VersionRow::RIGHTS).await?;
    }
    let was_let_in = rights.admin && !user.rights.admin && change.as_listed;
    let was_shut_out = user.rights.active && !rights.active;
    if was_let_in || was_shut_out {
        end_tokens(session, id).await?;
    }
    let user = one(session, id).await?.ok_or_else(|| nonsense("a user has vanished"))?;
    let versions = versions::table(&versions::all(session).await?)?;
    Ok(Changed::Done(Box::new(user), Arc::new(versions)))
}

async fn end_tokens(session: &mut Session, user: Uuid) -> Result<()> {
    let user = user.to_string();
    session
        .execute(
            "-- users.end_tokens
             DELETE FROM amazon.sessions WHERE user_id = @P1;
             UPDATE amazon.users SET epoch = epoch + 1 WHERE id = @P1",
            &[&user],
        )
        .await?;
    Ok(versions::raise(session, VersionRow::RIGHTS).await?)
}

async fn change_password(session: &mut Session, key: &str, hash: &str) -> Result<bool> {
    let parameters: [&dyn ToSql; 2] = [&key, &hash];
    let row = session
        .row(
            "-- users.change_password
             UPDATE amazon.passwords SET hash = @P2 WHERE email_key = @P1;
             SELECT user_id FROM amazon.passwords WHERE email_key = @P1",
            &parameters,
        )
        .await?;
    let Some(row) = row else { return Ok(false) };
    end_tokens(session, row.uuid(0)?).await?;
    Ok(true)
}

async fn others_administer(session: &mut Session, id: Uuid) -> Result<bool> {
    let other = session
        .row(
            "-- users.others_administer
             SELECT TOP (1) 1 FROM amazon.users
             WHERE admin = 1 AND active = 1 AND account IS NOT NULL AND id <> @P1",
            &[&id.to_string()],
        )
        .await?;
    Ok(other.is_some())
}

async fn keep_session(
    session: &mut Session,
    kept: &UserSession,
    began_at: Option<i64>,
    now: Option<i64>,
) -> tiberius::Result<()> {
    let sql = format!(
        "-- users.keep_session
         INSERT INTO amazon.sessions (token, family, user_id, expires_at, began_at)
         VALUES (CAST(@P1 AS BINARY(32)), @P2, @P3, COALESCE(@P4, {NOW}) + @P5,
             COALESCE(@P6, @P4, {NOW}))"
    );
    let parameters: [&dyn ToSql; 6] = [
        &kept.token.as_slice(),
        &kept.family.to_string(),
        &kept.user.to_string(),
        &now,
        &micros_of(kept.lasts),
        &began_at,
    ];
    session.execute(&sql, &parameters).await.map(drop)
}

async fn exchange(
    session: &mut Session,
    token: TokenHash,
    with: TokenHash,
    lasts: Duration,
    now: Option<i64>,
) -> Result<Exchanged> {
    let find = format!(
        "-- users.session
         SELECT family, user_id, CASE WHEN expires_at > COALESCE(@P2, {NOW}) THEN 1 ELSE 0 END,
             began_at
         FROM amazon.sessions WHERE token = CAST(@P1 AS BINARY(32))"
    );
    let parameters: [&dyn ToSql; 2] = [&token.as_slice(), &now];
    let Some(row) = session.row(&find, &parameters).await? else { return Ok(Exchanged::Refused) };
    let (family, user, is_live) = (row.uuid(0)?, row.uuid(1)?, row.truth(2)?);
    let began_at = row.number(3)?;
    // Of two that come at once the second finds no row that is unused.
    let mark = format!(
        "-- users.use_session
         UPDATE amazon.sessions SET used_at = COALESCE(@P2, {NOW})
         WHERE token = CAST(@P1 AS BINARY(32)) AND used_at IS NULL"
    );
    if session.execute(&mark, &parameters).await? == 0 {
        let end = "-- users.end_family\nDELETE FROM amazon.sessions WHERE family = @P1";
        session.execute(end, &[&family.to_string()]).await?;
        return Ok(Exchanged::Reused);
    }
    let user = one(session, user).await?.filter(|user| user.rights.active && is_live);
    let Some(user) = user else { return Ok(Exchanged::Refused) };
    let next = UserSession { token: with, family, user: user.id, epoch: user.epoch, lasts };
    keep_session(session, &next, Some(began_at), now).await?;
    Ok(Exchanged::Done(Box::new(user)))
}

fn user_of(row: &Row) -> std::result::Result<User, StoreError> {
    let user = || -> tiberius::Result<User> {
        Ok(User {
            id: row.uuid(0)?,
            email: row.text(1)?.to_owned(),
            first_name: row.text(2)?.to_owned(),
            last_name: row.text(3)?.to_owned(),
            rights: Rights { active: row.truth(4)?, admin: row.truth(5)? },
            is_pending: row.truth(6)?,
            was_listed: row.truth(7)?,
            epoch: row.number(8)?,
            created_at: row.number(9)?,
        })
    };
    read(user())
}
