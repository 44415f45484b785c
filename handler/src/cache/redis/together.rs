//! Pages that are wanted at the same moment are asked for together: one pipeline for all who come
//! before a thread of ours has nothing else to do. Each write wakes the server, and each answer us.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue, Pipeline, RedisResult, Value, from_redis_value};
use tokio::sync::{mpsc, oneshot};
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
pub(super) struct Together(mpsc::UnboundedSender<Wanted>);

type Found = Result<Option<Kept>, SharedError>;

/// The page at a key, for somebody who waits.
struct Wanted {
    key: String,
    since: Instant,
    tell: oneshot::Sender<Found>,
}

impl Together {
    /// Begins to wait for what is wanted, within the runtime that it is called in.
    pub(super) fn begin(link: Arc<Link>, patience: Duration) -> Self {
        let (wanted, comes) = mpsc::unbounded_channel();
        tokio::spawn(gather(comes, link, patience));
        Self(wanted)
    }

    /// What lies at a key.
    pub(super) async fn get(&self, key: String) -> Found {
        let gone = || SharedError::Away("it was shut down".to_owned());
        let (tell, told) = oneshot::channel();
        self.0.send(Wanted { key, since: Instant::now(), tell }).map_err(|_| gone())?;
        told.await.map_err(|_| gone())?
    }
}

/// Asks for what is wanted until nobody can want anything any more. Nobody waits in here for an
/// answer: the next ones are asked for meanwhile.
async fn gather(mut comes: mpsc::UnboundedReceiver<Wanted>, link: Arc<Link>, patience: Duration) {
    let ask = |wanted| tokio::spawn(ask_for(wanted, Arc::clone(&link), patience));
    while let Some(first) = comes.recv().await {
        yield_now().await;
        let mut wanted = vec![first];
        while let Ok(next) = comes.try_recv() {
            if wanted.len() == MOST {
                ask(std::mem::take(&mut wanted));
            }
            wanted.push(next);
        }
        ask(wanted);
    }
}

async fn ask_for(mut wanted: Vec<Wanted>, link: Arc<Link>, patience: Duration) {
    // The first one has waited longest.
    let since = wanted[0].since;
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
    let answered = link.run_since(since, patience, ask).await;
    let mut answered = answered.map(|(number, answers): (_, Vec<_>)| (number, answers.into_iter()));
    for Wanted { tell, .. } in wanted {
        let found = match &mut answered {
            Ok((number, answers)) => found(answers.next(), answers.next()).map_err(|error| {
                link.has_failed(*number, &error);
                shared_error(&error)
            }),
            Err(error) => Err(error.clone()),
        };
        // Whoever has gone does not hear it.
        let _ = tell.send(found);
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
