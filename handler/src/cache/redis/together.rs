//! Pages that are wanted at the same moment are asked for together: one pipeline for all who come
//! before a thread of ours has nothing else to do. Each write wakes the server, and each answer us.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue, Pipeline, RedisResult, Value, from_redis_value};
use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio::time::Instant;

use super::KEY_BYTES;
use super::link::Link;
use super::target::shared_error;
use crate::cache::shared::{Kept, SharedError};

/// So many at the most: they wait for the last one's answer, within one deadline. Sixteen of the
/// longest lists are a megabyte, a third of that time at 100 Mbit/s.
const MOST: usize = 16;

/// Asks for pages.
pub(super) struct Together {
    link: Arc<Link>,
    patience: Duration,
    wanted: Mutex<Vec<Wanted>>,
}

type Found = Result<Option<Kept>, SharedError>;

/// The page at a key, for somebody who waits.
struct Wanted {
    key: String,
    tell: oneshot::Sender<Found>,
}

impl Together {
    pub(super) fn new(link: Arc<Link>, patience: Duration) -> Self {
        Self { link, patience, wanted: Mutex::default() }
    }

    /// What lies at a key.
    pub(super) async fn get(self: &Arc<Self>, key: String) -> Found {
        let (tell, told) = oneshot::channel();
        let is_first = {
            let mut wanted = self.wanted();
            wanted.push(Wanted { key, tell });
            wanted.len() == 1
        };
        if is_first {
            // On its own: whoever came first may be the first to go.
            tokio::spawn(Arc::clone(self).ask_for_all());
        }
        let gone = |_| SharedError::Away("it was shut down".to_owned());
        told.await.map_err(gone)?
    }

    async fn ask_for_all(self: Arc<Self>) {
        let since = Instant::now();
        yield_now().await;
        let mut all = std::mem::take(&mut *self.wanted());
        while all.len() > MOST {
            let some = all.split_off(all.len() - MOST);
            tokio::spawn(Arc::clone(&self).ask_for(some, since));
        }
        self.ask_for(all, since).await;
    }

    async fn ask_for(self: Arc<Self>, mut wanted: Vec<Wanted>, since: Instant) {
        let ask = |mut connection: MultiplexedConnection| {
            // Some may have gone while there was none.
            wanted.retain(|wanted| !wanted.tell.is_closed());
            let command = command(&wanted);
            async move {
                if command.is_empty() {
                    return Ok(Vec::new());
                }
                command.query_async(&mut connection).await
            }
        };
        let answered = self.link.run_since(since, self.patience, ask).await;
        let mut answered =
            answered.map(|(number, answers): (_, Vec<_>)| (number, answers.into_iter()));
        for Wanted { tell, .. } in wanted {
            let found = match &mut answered {
                Ok((number, answers)) => found(answers.next(), answers.next()).map_err(|error| {
                    self.link.has_failed(*number, &error);
                    shared_error(&error)
                }),
                Err(error) => Err(error.clone()),
            };
            // Whoever has gone does not hear it.
            let _ = tell.send(found);
        }
    }

    fn wanted(&self) -> MutexGuard<'_, Vec<Wanted>> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The answer to one command of several; `None` where there is one too few.
type Answer = Option<RedisResult<Value>>;

/// What the answers to both commands of a key say.
fn found(page: Answer, left: Answer) -> RedisResult<Option<Kept>> {
    let page: Option<Vec<u8>> = value(page)?;
    let left = value(left)?;
    Ok(page.map(|bytes| kept(bytes, left)))
}

fn value<T: FromRedisValue>(answer: Answer) -> RedisResult<T> {
    Ok(from_redis_value(answer.unwrap_or(Ok(Value::Nil))?)?)
}

/// Two commands for each.
fn command(wanted: &[Wanted]) -> Pipeline {
    let mut command = Pipeline::with_capacity(2 * wanted.len());
    command.ignore_errors();
    for Wanted { key, .. } in wanted {
        command.add_command(of_key("GET", key)).add_command(of_key("PTTL", key));
    }
    command
}

fn of_key(name: &str, key: &str) -> Cmd {
    let mut command = Cmd::with_capacity(2, KEY_BYTES);
    command.arg(name).arg(key);
    command
}

/// The server tells the life that is left in milliseconds, and something below 0 of a page that
/// has ended meanwhile or has none.
pub(super) fn kept(bytes: Vec<u8>, left: i64) -> Kept {
    let left = Duration::from_millis(u64::try_from(left).unwrap_or(0));
    Kept { bytes: Bytes::from(bytes), left }
}
