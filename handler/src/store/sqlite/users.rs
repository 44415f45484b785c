//! Users, sessions and passwords.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};
use uuid::Uuid;

use super::SqliteStore;
use super::versions::{self, Touched};
use crate::clock::micros_of;
use crate::store::StoreError;
use crate::store::users::{
    Changed, Exchanged, Ongoing, Rights, RightsChange, Session, TokenHash, User, Users,
};

const COLUMNS: &str = "id, email, first_name, last_name, active, admin, account IS NULL, \
     was_listed, epoch, created_at";

/// The address as it is compared: nobody tells two people apart by capitals.
fn email_key(email: &str) -> String {
    email.to_lowercase()
}

#[async_trait]
impl Users for SqliteStore {
    async fn begin_sign_up(&self, user: &User) -> Result<bool, StoreError> {
        let (user, now) = (user.clone(), self.clock.now_micros());
        self.write(move |tx| {
            let made = tx.execute(
                "-- users.begin_sign_up
                 INSERT INTO users (id, email, email_key, first_name, last_name, active, admin,
                     account, was_listed, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, NULL, ?8, ?9)
                 ON CONFLICT (email_key) DO NOTHING",
                params![
                    user.id.to_string(),
                    user.email,
                    email_key(&user.email),
                    user.first_name,
                    user.last_name,
                    user.rights.active,
                    user.rights.admin,
                    user.was_listed,
                    now
                ],
            )?;
            Ok(made == 1)
        })
        .await
    }

    async fn complete_sign_up(
        &self,
        id: Uuid,
        account: &str,
        rights: Rights,
    ) -> Result<(), StoreError> {
        let account = account.to_owned();
        self.write(move |tx| {
            tx.execute(
                "-- users.complete_sign_up
                 UPDATE users SET account = ?2, active = ?3, admin = ?4
                 WHERE id = ?1 AND account IS NULL",
                (id.to_string(), account, rights.active, rights.admin),
            )?;
            Ok(())
        })
        .await
    }

    async fn abandon_sign_up(&self, id: Uuid) -> Result<(), StoreError> {
        self.write(move |tx| {
            tx.execute(
                "-- users.abandon_sign_up\nDELETE FROM users WHERE id = ?1 AND account IS NULL",
                [id.to_string()],
            )?;
            Ok(())
        })
        .await
    }

    async fn pending_sign_ups(
        &self,
        age: Duration,
        after: Option<Uuid>,
    ) -> Result<Vec<User>, StoreError> {
        let before = self.clock.now_micros() - micros_of(age);
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        self.read(move |db| {
            all(
                db,
                "WHERE id > ?1 AND account IS NULL AND created_at <= ?2 ORDER BY id LIMIT 100",
                params![after, before],
            )
        })
        .await
    }

    async fn user(&self, id: Uuid) -> Result<Option<User>, StoreError> {
        self.read(move |db| one(db, "WHERE id = ?1", &id.to_string())).await
    }

    async fn user_by_email(&self, email: &str) -> Result<Option<User>, StoreError> {
        let key = email_key(email);
        self.read(move |db| one(db, "WHERE email_key = ?1", &key)).await
    }

    async fn user_by_account(&self, account: &str) -> Result<Option<User>, StoreError> {
        let account = account.to_owned();
        self.read(move |db| one(db, "WHERE account = ?1", &account)).await
    }

    async fn users(&self, after: Option<Uuid>, limit: usize) -> Result<Vec<User>, StoreError> {
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        self.read(move |db| {
            all(
                db,
                "WHERE id > ?1 AND account IS NOT NULL ORDER BY id LIMIT ?2",
                params![after, limit],
            )
        })
        .await
    }

    async fn change_rights(&self, id: Uuid, change: RightsChange) -> Result<Changed, StoreError> {
        let now = self.clock.now_micros();
        self.write(move |tx| change_rights(tx, id, change, now)).await
    }

    async fn keep_session(&self, session: &Session) -> Result<bool, StoreError> {
        let (session, now) = (session.clone(), self.clock.now_micros());
        self.write(move |tx| {
            let user = one(tx, "WHERE id = ?1", &session.user.to_string())?;
            // Whoever was let in before that may not have known the password since.
            let counts = user.is_some_and(|user| user.epoch == session.epoch);
            if counts {
                keep_session(tx, &session, now, now)?;
            }
            Ok(counts)
        })
        .await
    }

    async fn session(&self, token: &TokenHash) -> Result<Option<Ongoing>, StoreError> {
        let (token, now) = (*token, self.clock.now_micros());
        self.read(move |db| ongoing(db, &token, now)).await
    }

    async fn exchange_session(
        &self,
        token: &TokenHash,
        with: &TokenHash,
        lasts: Duration,
    ) -> Result<Exchanged, StoreError> {
        let (token, with, now) = (*token, *with, self.clock.now_micros());
        self.write(move |tx| exchange(tx, &token, &with, lasts, now)).await
    }

    async fn end_sessions(&self, user: Uuid) -> Result<(), StoreError> {
        self.write(move |tx| end_sessions(tx, user)).await
    }

    async fn end_tokens(&self, user: Uuid) -> Result<(), StoreError> {
        let now = self.clock.now_micros();
        self.write(move |tx| end_tokens(tx, user, now)).await
    }

    async fn prune_sessions(&self) -> Result<u64, StoreError> {
        let now = self.clock.now_micros();
        self.write(move |tx| {
            let ended = tx.execute(
                "-- users.prune_sessions\nDELETE FROM sessions WHERE expires_at <= ?1",
                [now],
            )?;
            Ok(ended as u64)
        })
        .await
    }

    async fn keep_password(&self, user: Uuid, email: &str, hash: &str) -> Result<bool, StoreError> {
        let (key, hash) = (email_key(email), hash.to_owned());
        self.write(move |tx| {
            let kept = tx.execute(
                "-- users.keep_password
                 INSERT INTO passwords (user_id, email_key, hash) VALUES (?1, ?2, ?3)
                 ON CONFLICT (email_key) DO NOTHING",
                (user.to_string(), key, hash),
            )?;
            Ok(kept == 1)
        })
        .await
    }

    async fn change_password(&self, email: &str, hash: &str) -> Result<bool, StoreError> {
        let (key, hash, now) = (email_key(email), hash.to_owned(), self.clock.now_micros());
        self.write(move |tx| {
            let owner: Option<String> = tx
                .query_row(
                    "-- users.change_password
                     UPDATE passwords SET hash = ?2 WHERE email_key = ?1 RETURNING user_id",
                    (key, hash),
                    |row| row.get(0),
                )
                .optional()?;
            let Some(owner) = owner else { return Ok(false) };
            end_tokens(tx, parse_id(&owner)?, now)?;
            Ok(true)
        })
        .await
    }

    async fn password(&self, email: &str) -> Result<Option<(Uuid, String)>, StoreError> {
        let key = email_key(email);
        self.read(move |db| {
            let found: Option<(String, String)> = db
                .prepare_cached(
                    "-- users.password\nSELECT user_id, hash FROM passwords WHERE email_key = ?1",
                )?
                .query_row([key], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            found.map(|(id, hash)| Ok((parse_id(&id)?, hash))).transpose()
        })
        .await
    }

    async fn has_password(&self, user: Uuid) -> Result<bool, StoreError> {
        self.read(move |db| {
            let mut find = db.prepare_cached(
                "-- users.has_password\nSELECT 1 FROM passwords WHERE user_id = ?1",
            )?;
            Ok(find.exists([user.to_string()])?)
        })
        .await
    }

    async fn remove_password(&self, user: Uuid) -> Result<(), StoreError> {
        self.write(move |tx| {
            tx.execute(
                "-- users.remove_password\nDELETE FROM passwords WHERE user_id = ?1",
                [user.to_string()],
            )?;
            Ok(())
        })
        .await
    }
}

fn change_rights(
    tx: &Transaction<'_>,
    id: Uuid,
    change: RightsChange,
    now: i64,
) -> Result<Changed, StoreError> {
    let Some(user) = one(tx, "WHERE id = ?1", &id.to_string())? else {
        return Ok(Changed::Unknown);
    };
    // Signing in twice at once must not give back what was taken away between.
    let change = if change.as_listed && user.was_listed { RightsChange::default() } else { change };
    let rights = Rights {
        active: change.active.unwrap_or(user.rights.active),
        admin: change.admin.unwrap_or(user.rights.admin),
    };
    let administers = |rights: Rights| rights.active && rights.admin;
    if administers(user.rights) && !administers(rights) && !others_administer(tx, id)? {
        return Ok(Changed::LastAdministrator);
    }
    let was_listed = user.was_listed || change.as_listed;
    tx.execute(
        "-- users.change_rights
         UPDATE users SET active = ?2, admin = ?3, was_listed = ?4 WHERE id = ?1",
        (id.to_string(), rights.active, rights.admin, was_listed),
    )?;
    if rights != user.rights {
        let mut touched = Touched::default();
        touched.rights();
        touched.raise(tx, now)?;
    }
    let was_let_in = rights.admin && !user.rights.admin && change.as_listed;
    let was_shut_out = user.rights.active && !rights.active;
    if was_let_in || was_shut_out {
        end_tokens(tx, id, now)?;
    }
    let user = one(tx, "WHERE id = ?1", &id.to_string())?
        .ok_or_else(|| StoreError::Corrupt("a user has vanished".into()))?;
    Ok(Changed::Done(Box::new(user), Arc::new(versions::all(tx)?)))
}

fn end_tokens(tx: &Transaction<'_>, user: Uuid, now: i64) -> Result<(), StoreError> {
    end_sessions(tx, user)?;
    tx.execute(
        "-- users.end_tokens\nUPDATE users SET epoch = epoch + 1 WHERE id = ?1",
        [user.to_string()],
    )?;
    let mut touched = Touched::default();
    touched.rights();
    touched.raise(tx, now)
}

fn others_administer(db: &Connection, id: Uuid) -> Result<bool, StoreError> {
    let other = db
        .query_row(
            "-- users.others_administer
             SELECT 1 FROM users WHERE admin AND active AND account IS NOT NULL AND id <> ?1",
            [id.to_string()],
            |_| Ok(()),
        )
        .optional()?;
    Ok(other.is_some())
}

fn keep_session(
    tx: &Transaction<'_>,
    session: &Session,
    began_at: i64,
    now: i64,
) -> Result<(), StoreError> {
    let Session { token, family, user, lasts, .. } = session;
    let ends = now.saturating_add(micros_of(*lasts));
    tx.execute(
        "-- users.keep_session
         INSERT INTO sessions (token, family, user_id, expires_at, began_at)
         VALUES (?1, ?2, ?3, ?4, ?5)",
        params![token, family.to_string(), user.to_string(), ends, began_at],
    )?;
    Ok(())
}

fn ongoing(db: &Connection, token: &TokenHash, now: i64) -> Result<Option<Ongoing>, StoreError> {
    let found: Option<(String, String, i64)> = db
        .prepare_cached(
            "-- users.ongoing
             SELECT family, account, began_at FROM sessions JOIN users ON users.id = user_id
             WHERE token = ?1 AND used_at IS NULL AND expires_at > ?2 AND account IS NOT NULL",
        )?
        .query_row((token, now), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    found
        .map(|(family, account, began_at)| {
            Ok(Ongoing { family: parse_id(&family)?, account, began_at })
        })
        .transpose()
}

fn exchange(
    tx: &Transaction<'_>,
    token: &TokenHash,
    with: &TokenHash,
    lasts: Duration,
    now: i64,
) -> Result<Exchanged, StoreError> {
    let found: Option<(String, String, i64, bool, i64)> = tx
        .prepare_cached(
            "-- users.session
             SELECT family, user_id, expires_at, used_at IS NOT NULL, began_at
             FROM sessions WHERE token = ?1",
        )?
        .query_row([token], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
        })
        .optional()?;
    let Some((family, user, expires_at, was_used, began_at)) = found else {
        return Ok(Exchanged::Refused);
    };
    if was_used {
        tx.execute("-- users.end_family\nDELETE FROM sessions WHERE family = ?1", [family])?;
        return Ok(Exchanged::Reused);
    }
    let user = one(tx, "WHERE id = ?1", &user)?.filter(|user| user.rights.active);
    let Some(user) = user.filter(|_| expires_at > now) else { return Ok(Exchanged::Refused) };
    tx.execute(
        "-- users.use_session\nUPDATE sessions SET used_at = ?2 WHERE token = ?1",
        (token, now),
    )?;
    let family = parse_id(&family)?;
    let next = Session { token: *with, family, user: user.id, epoch: user.epoch, lasts };
    keep_session(tx, &next, began_at, now)?;
    Ok(Exchanged::Done(Box::new(user)))
}

fn end_sessions(tx: &Transaction<'_>, user: Uuid) -> Result<(), StoreError> {
    tx.execute(
        "-- users.end_sessions\nDELETE FROM sessions WHERE user_id = ?1",
        [user.to_string()],
    )?;
    Ok(())
}

fn one(db: &Connection, condition: &str, value: &str) -> Result<Option<User>, StoreError> {
    Ok(all(db, condition, params![value])?.pop())
}

fn all(
    db: &Connection,
    condition: &str,
    values: &[&dyn rusqlite::ToSql],
) -> Result<Vec<User>, StoreError> {
    let mut query =
        db.prepare_cached(&format!("-- users.all\nSELECT {COLUMNS} FROM users {condition}"))?;
    let mut rows = query.query(values)?;
    let mut users = Vec::new();
    while let Some(row) = rows.next()? {
        users.push(read(row)?);
    }
    Ok(users)
}

fn read(row: &Row<'_>) -> Result<User, StoreError> {
    let id: String = row.get(0)?;
    Ok(User {
        id: parse_id(&id)?,
        email: row.get(1)?,
        first_name: row.get(2)?,
        last_name: row.get(3)?,
        rights: Rights { active: row.get(4)?, admin: row.get(5)? },
        is_pending: row.get(6)?,
        was_listed: row.get(7)?,
        epoch: row.get(8)?,
        created_at: row.get(9)?,
    })
}

fn parse_id(text: &str) -> Result<Uuid, StoreError> {
    Uuid::parse_str(text).map_err(|e| StoreError::Corrupt(e.into()))
}
