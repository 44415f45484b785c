//! What is done with secrets that have been exchanged.
//!
//! One that cannot be used is named, and the one before it stays; the others are taken up all
//! the same. A secret that says where something is, and not how to get in, cannot change under a
//! process that is there: it is left for the next start.

use std::collections::BTreeMap;
use std::mem::discriminant;

use secrecy::ExposeSecret;

use super::Values;
use super::names::{NAMES, OF_PEOPLE, OF_REDIS, OF_SQL};
use crate::settings::{People, Redis, Settings, Sql, Told};

/// The settings from here on.
pub(super) struct TakenUp {
    pub settings: Settings,
    /// The secrets that are other ones than before.
    pub changed: Vec<&'static str>,
    /// What was not taken up, and why.
    pub left: BTreeMap<String, String>,
}

/// Takes up what the vault holds, as far as it can be.
pub(super) fn take_up(told: &Told, before: &Settings, of_vault: &Values) -> TakenUp {
    let mut wanted = of_vault.clone();
    let mut left = BTreeMap::new();
    let values = before.secrets.values();
    // Each time round one more secret is what it was.
    for _ in 0..=NAMES.len() {
        let names: &[&str] = match told.with(&wanted) {
            Ok(settings) => {
                let Some((names, what)) = moved(before, &settings) else {
                    let changed = differing(&values, &settings.secrets.values());
                    return TakenUp { settings, changed, left };
                };
                let why =
                    format!("{what} is another one in the vault: it counts at the next start");
                left.insert(what.to_owned(), why);
                names
            }
            Err(bad) => {
                let why = format!("what the vault holds now is not taken up: {bad}");
                left.insert(bad.variable.clone(), why);
                let is_it = |name: &&str| *name == bad.variable && differs(&values, &wanted, name);
                match NAMES.iter().position(is_it) {
                    Some(at) => &NAMES[at..=at],
                    // It is not that one: another one does not go with it.
                    None => break,
                }
            }
        };
        for name in names {
            put_back(&mut wanted, &values, name);
        }
    }
    TakenUp { settings: before.clone(), changed: Vec::new(), left }
}

/// The secrets of the first part that is in another place, and what it is.
fn moved(before: &Settings, after: &Settings) -> Option<(&'static [&'static str], &'static str)> {
    if before.sql.as_ref().map(sql_place) != after.sql.as_ref().map(sql_place) {
        return Some((OF_SQL, "the database"));
    }
    if before.redis.as_ref().map(redis_place) != after.redis.as_ref().map(redis_place) {
        return Some((OF_REDIS, "the shared cache"));
    }
    if people_place(&before.people) != people_place(&after.people) {
        return Some((OF_PEOPLE, "the place of accounts or keys"));
    }
    None
}

fn sql_place(sql: &Sql) -> impl PartialEq + use<> {
    let certificate =
        (sql.is_encrypted, sql.trusts_any_certificate, sql.name_in_certificate.clone());
    (sql.host.clone(), sql.port, sql.database.clone(), certificate, discriminant(&sql.login))
}

fn redis_place(redis: &Redis) -> impl PartialEq + use<> {
    (redis.host.clone(), redis.port, redis.is_encrypted, redis.database, discriminant(&redis.login))
}

fn people_place(people: &People) -> impl PartialEq + use<> {
    let project = people.firebase.as_ref().map(|firebase| firebase.project_id.clone());
    (people.key.is_some(), project)
}

fn differing(before: &Values, after: &Values) -> Vec<&'static str> {
    NAMES.into_iter().filter(|name| text(before, name) != text(after, name)).collect()
}

/// Whether the vault's one is another than the one in use.
fn differs(values: &Values, wanted: &Values, name: &str) -> bool {
    wanted.contains_key(name) && text(values, name) != text(wanted, name)
}

fn put_back(wanted: &mut Values, values: &Values, name: &str) {
    match values.get_key_value(name) {
        Some((name, value)) => drop(wanted.insert(name, value.clone())),
        None => drop(wanted.remove(name)),
    }
}

fn text<'a>(values: &'a Values, name: &str) -> Option<&'a str> {
    values.get(name).map(ExposeSecret::expose_secret)
}
