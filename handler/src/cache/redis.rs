//! The shared part in a Redis server, or whatever speaks its protocol.
//!
//! Every command and every script touches keys of one hash slot, and names them all, so that any
//! clustering behind a proxy will do; what names none, as `TIME`, `PING` and the auditor's `SCAN`,
//! may be answered by any node. Pages have a life; versions have none, and Redis may lose them all
//! the same. All commands share one connection, and each has a deadline or shares one; none is
//! repeated here. What was lost, and what a command that was given up has done after all, is healed
//! by whoever compares versions.

mod kept;
mod link;
mod listen;
mod pauses;
mod prefix;
mod target;
mod together;

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use redis::Script;
use redis::aio::MultiplexedConnection;
use tokio::time::Instant;

use super::shared::{Kept, LEASE, Lease, Page, Place, Shared, SharedError, Stamp, Turn};
use super::versions::{Row, Versions};
use kept::{Clock, kept};
use link::Link;
use listen::{Heard, Listener};
use together::Together;

pub use prefix::Prefix;
pub use target::{Login, Target};

static RAISE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("redis/raise.lua")));
static GET_OR_LEASE: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("redis/get_or_lease.lua")));
static FILL: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("redis/fill.lua")));
static GIVE_BACK: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("redis/give_back.lua")));
static LEAVE_WORD: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("redis/leave_word.lua")));
static WORDS: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("redis/words.lua")));

/// How long a word of an instance stays.
const WORD: Duration = Duration::from_secs(15);
/// Bytes of most keys: an id of a database, a slot, 32 digits.
const KEY_BYTES: usize = 128;
/// What somebody who looks whether it is there waits for.
const PING_WITHIN: Duration = Duration::from_secs(2);

/// How long commands are waited for.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Those that somebody waits for who could ask the database instead.
    pub reading: Duration,
    /// Those that tell the other instances something.
    pub writing: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        // A command takes 0.04 ms on one machine and a few in one region. Whoever has waited a
        // hundred times as long is better off with the database.
        Self { reading: Duration::from_millis(250), writing: Duration::from_millis(500) }
    }
}

/// The shared part in a Redis server.
pub struct RedisShared {
    link: Arc<Link>,
    together: Together,
    prefix: Arc<Prefix>,
    /// Of the pages: what reads another one must not find them.
    format: u32,
    patience: Patience,
    heard: Arc<Heard>,
    _listener: Listener,
}

impl RedisShared {
    /// Begins to connect and to listen, within the runtime that it is called in. Does not wait
    /// for the server and does not fail because of it.
    pub fn begin(target: Target, prefix: Prefix, format: u32, patience: Patience) -> Self {
        let (prefix, heard) = (Arc::new(prefix), Arc::<Heard>::default());
        let listener = Listener::begin(target.clone(), Arc::clone(&prefix), Arc::clone(&heard));
        let link = Arc::new(Link::begin(target));
        let together = Together::begin(Arc::clone(&link), patience.reading);
        Self { link, together, prefix, format, patience, heard, _listener: listener }
    }

    /// Asks the server whether it is there, and tells how long the answer took.
    pub async fn ping(&self) -> Result<Duration, SharedError> {
        let asked = Instant::now();
        let ping = |mut c: MultiplexedConnection| async move {
            redis::cmd("PING").exec_async(&mut c).await
        };
        self.link.run(PING_WITHIN, ping).await?;
        Ok(asked.elapsed())
    }

    /// Some of the pages, for somebody who looks through all of them: those behind `cursor`, and
    /// the cursor of the next ones, 0 when that were all. It begins with 0. `None` stands for what
    /// lies there and is no page.
    pub async fn some_pages(&self, cursor: u64) -> Result<(u64, Vec<Option<Kept>>), SharedError> {
        let pages = format!("{}:{}:{{*", self.prefix.get()?, self.format);
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(pages).arg("COUNT").arg(200);
        let ask = |mut c: MultiplexedConnection| async move { scan.query_async(&mut c).await };
        let (next, keys): (u64, Vec<String>) = self.link.run(PING_WITHIN, ask).await?;
        let mut found = Vec::new();
        // One by one: it is in no hurry.
        for key in keys.into_iter().filter(|key| !key.contains(":lease:")) {
            match self.together.get(key.clone()).await {
                Ok(Some(kept)) => found.push(Some(kept)),
                Ok(None) if self.is_no_text(&key).await? => found.push(None),
                // It has gone meanwhile.
                Ok(None) => {}
                Err(error) => return Err(error),
            }
        }
        Ok((next, found))
    }

    /// Whether something lies at a key that cannot be a page.
    async fn is_no_text(&self, key: &str) -> Result<bool, SharedError> {
        let mut command = redis::cmd("TYPE");
        command.arg(key);
        let ask = |mut c: MultiplexedConnection| async move { command.query_async(&mut c).await };
        let kind: String = self.link.run(PING_WITHIN, ask).await?;
        Ok(!matches!(kind.as_str(), "none" | "string"))
    }

    fn versions_key(&self) -> Result<String, SharedError> {
        // No format in it: two releases share the versions, and only those.
        Ok(format!("{}:{{versions}}", self.prefix.get()?))
    }

    fn page_key(&self, place: &Place) -> Result<String, SharedError> {
        let Place { slot, name } = place;
        let colon = if name.is_empty() { "" } else { ":" };
        let mut key = String::with_capacity(KEY_BYTES);
        let written = write!(key, "{}:{}:{{{slot}}}{colon}{name}", self.prefix.get()?, self.format);
        written.expect("a string takes whatever it is given");
        Ok(key)
    }

    fn lease_key(&self, place: &Place, lease: &Lease) -> Result<String, SharedError> {
        Ok(format!("{}:lease:{}", self.page_key(place)?, lease.under))
    }

    fn word_keys(&self) -> Result<[String; 2], SharedError> {
        let words = format!("{}:{{instances}}", self.prefix.get()?);
        Ok([words.clone(), format!("{words}:seen")])
    }
}

#[async_trait]
impl Shared for RedisShared {
    async fn versions(&self) -> Result<Versions, SharedError> {
        let mut command = redis::cmd("HGETALL");
        command.arg(self.versions_key()?);
        let ask = |mut c: MultiplexedConnection| async move { command.query_async(&mut c).await };
        let pairs: Vec<(Vec<u8>, Vec<u8>)> = self.link.run(self.patience.reading, ask).await?;
        // A number as `raise` writes it, and takes it for one.
        let number = |text: &[u8]| {
            let text = std::str::from_utf8(text).ok()?;
            text.parse::<i64>().ok().filter(|number| number.to_string() == text)
        };
        // One field that is no version must not hide the others. It counts as missing, and who
        // misses a version raises it.
        let read = |(row, version): (Vec<u8>, Vec<u8>)| {
            let version = number(&version).filter(|version| *version >= 0)?;
            Some((Row(number(&row)?), version))
        };
        Ok(pairs.into_iter().filter_map(read).collect())
    }

    async fn raise(&self, versions: &Versions) -> Result<(), SharedError> {
        let mut call = RAISE.key(self.versions_key()?);
        call.arg(format!("{}:versions", self.prefix.get()?));
        // The script compares digits, so no sign; a row without a version has none to tell.
        for (row, version) in versions.iter().filter(|(_, version)| **version >= 0) {
            call.arg(row.0).arg(*version);
        }
        let raise = |mut c: MultiplexedConnection| async move { call.invoke_async(&mut c).await };
        self.link.run(self.patience.writing, raise).await
    }

    async fn told(&self) -> Versions {
        self.heard.take().await
    }

    async fn get(&self, place: &Place) -> Result<Option<Kept>, SharedError> {
        self.together.get(self.page_key(place)?).await
    }

    async fn get_or_lease(
        &self,
        place: &Place,
        seen: Option<&Stamp>,
        lease: &Lease,
    ) -> Result<Turn, SharedError> {
        let mut call = GET_OR_LEASE.key(self.page_key(place)?);
        call.key(self.lease_key(place, lease)?);
        call.arg(seen.map_or("", Stamp::as_str)).arg(&lease.token).arg(millis(LEASE));
        let ask = |mut c: MultiplexedConnection| async move { call.invoke_async(&mut c).await };
        let (turn, page): (String, Option<(Vec<u8>, Clock)>) =
            self.link.run(self.patience.reading, ask).await?;
        match (turn.as_str(), page) {
            ("page", Some((bytes, clock))) => Ok(Turn::Page(kept(bytes, clock))),
            ("granted", None) => Ok(Turn::Granted),
            ("held", None) => Ok(Turn::Held),
            _ => Err(SharedError::Nonsense("a turn that is none".to_owned())),
        }
    }

    async fn fill(
        &self,
        place: &Place,
        page: &Page,
        life: Duration,
        lease: Option<&Lease>,
    ) -> Result<(), SharedError> {
        debug_assert!(page.bytes.starts_with(page.stamp.as_str().as_bytes()));
        let mut call = FILL.key(self.page_key(place)?);
        call.arg(&page.bytes[..]).arg(millis(life));
        if let Some(lease) = lease {
            call.key(self.lease_key(place, lease)?).arg(&lease.token);
        }
        let fill = |mut c: MultiplexedConnection| async move { call.invoke_async(&mut c).await };
        self.link.run(self.patience.writing, fill).await
    }

    async fn give_back(&self, place: &Place, lease: &Lease) -> Result<(), SharedError> {
        let mut call = GIVE_BACK.key(self.lease_key(place, lease)?);
        call.arg(&lease.token);
        let give = |mut c: MultiplexedConnection| async move { call.invoke_async(&mut c).await };
        self.link.run(self.patience.writing, give).await
    }

    async fn remove(&self, place: &Place) -> Result<(), SharedError> {
        let mut command = redis::cmd("DEL");
        command.arg(self.page_key(place)?);
        let remove = |mut c: MultiplexedConnection| async move { command.exec_async(&mut c).await };
        self.link.run(self.patience.writing, remove).await
    }

    async fn forget(&self, rows: &[Row]) -> Result<(), SharedError> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut command = redis::cmd("HDEL");
        command.arg(self.versions_key()?);
        for row in rows {
            command.arg(row.0);
        }
        let forget = |mut c: MultiplexedConnection| async move { command.exec_async(&mut c).await };
        self.link.run(self.patience.writing, forget).await
    }

    async fn leave_word(&self, instance: &str, word: &str) -> Result<(), SharedError> {
        let [words, seen] = self.word_keys()?;
        let mut call = LEAVE_WORD.key(words);
        call.key(seen).arg(instance).arg(word).arg(millis(WORD));
        let leave = |mut c: MultiplexedConnection| async move { call.invoke_async(&mut c).await };
        self.link.run(self.patience.writing, leave).await
    }

    async fn words(&self) -> Result<Vec<String>, SharedError> {
        let [words, seen] = self.word_keys()?;
        let mut call = WORDS.key(words);
        call.key(seen).arg(millis(WORD));
        let ask = |mut c: MultiplexedConnection| async move { call.invoke_async(&mut c).await };
        let words: Vec<Option<String>> = self.link.run(self.patience.reading, ask).await?;
        Ok(words.into_iter().flatten().collect())
    }
}

/// Connects to the server once, asks whether it is there, and tells how long the answer took.
pub async fn probe(target: &Target) -> Result<Duration, SharedError> {
    link::probe(target).await
}

/// A life that the server takes.
fn millis(life: Duration) -> u64 {
    u64::try_from(life.as_millis()).unwrap_or(u64::MAX).clamp(1, MILLIS_MAX)
}

/// A century: the server refuses a life that ends beyond its calendar.
const MILLIS_MAX: u64 = 100 * 365 * 24 * 3_600_000;
