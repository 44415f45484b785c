//! Pages that are wanted at the same moment are asked for together: one pipeline for all who come
//! before a thread of ours has nothing else to do, and in it one command for those of a hash slot.
//! Each write wakes the server, each answer us, and each command is read there and here.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, ErrorKind, FromRedisValue, Pipeline, RedisResult, Value, from_redis_value};
use tokio::sync::{mpsc, oneshot};
use tokio::task::yield_now;
use tokio::time::Instant;

use super::kept::{Clock, kept};
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
    /// Where in the key stands what its hash slot is computed from.
    slot: Range<usize>,
    since: Instant,
    tell: oneshot::Sender<Found>,
}

impl Wanted {
    fn new(key: String, tell: oneshot::Sender<Found>) -> Self {
        Self { slot: slot(&key), key, since: Instant::now(), tell }
    }

    fn slot(&self) -> &str {
        &self.key[self.slot.clone()]
    }
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
        self.0.send(Wanted::new(key, tell)).map_err(|_| gone())?;
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
    wanted.sort_by(|one, other| one.slot().cmp(other.slot()));
    let ask = |mut connection: MultiplexedConnection| {
        // Some may have gone while there was none.
        wanted.retain(|wanted| !wanted.tell.is_closed());
        let command = (!wanted.is_empty()).then(|| command(&wanted));
        async move {
            match command {
                Some(command) => command.query_async(&mut connection).await,
                None => Ok(Vec::new()),
            }
        }
    };
    let found = match link.run_since(since, patience, ask).await {
        Ok((number, answers)) => found(&wanted, answers)
            .into_iter()
            .map(|found| {
                found.map_err(|error| {
                    link.has_failed(number, &error);
                    shared_error(&error)
                })
            })
            .collect(),
        Err(error) => vec![Err(error); wanted.len()],
    };
    for (Wanted { tell, .. }, found) in wanted.into_iter().zip(found) {
        // Whoever has gone does not hear it.
        let _ = tell.send(found);
    }
}

/// The server's time, and the pages of each slot.
fn command(wanted: &[Wanted]) -> Pipeline {
    let mut command = Pipeline::new();
    command.ignore_errors().cmd("TIME");
    for of_slot in by_slot(wanted) {
        let bytes = of_slot.iter().map(|wanted| wanted.key.len()).sum();
        let mut pages = Cmd::with_capacity(1 + of_slot.len(), bytes);
        pages.arg("MGET");
        for Wanted { key, .. } in of_slot {
            pages.arg(key);
        }
        command.add_command(pages);
    }
    command
}

/// What the answers to that command say of each page.
fn found(wanted: &[Wanted], answers: Vec<RedisResult<Value>>) -> Vec<RedisResult<Option<Kept>>> {
    let mut answers = answers.into_iter();
    let clock: RedisResult<Clock> = value(answers.next());
    let mut of_slot = |count: usize| -> RedisResult<Vec<Option<Kept>>> {
        let pages: Vec<Option<Vec<u8>>> = value(answers.next())?;
        let clock = clock.clone()?;
        if pages.len() != count {
            return Err((ErrorKind::UnexpectedReturnType, "not as many pages as keys").into());
        }
        Ok(pages.into_iter().map(|page| page.map(|page| kept(page, clock))).collect())
    };
    let each = |wanted: &[Wanted]| match of_slot(wanted.len()) {
        Ok(pages) => pages.into_iter().map(Ok).collect(),
        Err(error) => vec![Err(error); wanted.len()],
    };
    by_slot(wanted).flat_map(each).collect()
}

/// The answer to one command of several; `None` where there is one too few.
fn value<T: FromRedisValue>(answer: Option<RedisResult<Value>>) -> RedisResult<T> {
    Ok(from_redis_value(answer.unwrap_or(Ok(Value::Nil))?)?)
}

/// They are in the order of their slots.
fn by_slot(wanted: &[Wanted]) -> impl Iterator<Item = &[Wanted]> {
    wanted.chunk_by(|one, other| one.slot() == other.slot())
}

/// The part in a key's first braces; the whole key where there is none.
fn slot(key: &str) -> Range<usize> {
    let in_braces = || {
        let first = key.find('{')? + 1;
        let length = key[first..].find('}')?;
        (length > 0).then_some(first..first + length)
    };
    in_braces().unwrap_or(0..key.len())
}

#[cfg(test)]
mod tests {
    use redis::RedisError;

    use super::*;

    /// `None` for one that is refused.
    type Said<'a> = Option<&'a [Option<&'a str>]>;

    const CLOCK: Said<'_> = Some(&[Some("1764000000"), Some("250000")]);

    /// What is told of two pages of one slot and one of each of two others, where this is said.
    fn told(said: &[Said<'_>]) -> String {
        let wanted = |key: &str| Wanted::new(key.to_owned(), oneshot::channel().0);
        let wanted = ["{1}:a", "{1}:b", "{2}:a", "{3}:a"].map(wanted);
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let answer = |said: &Said<'_>| {
            let texts = said.ok_or((ErrorKind::Client, "refused"))?;
            Ok(Value::Array(texts.iter().map(|said| said.map_or(Value::Nil, text)).collect()))
        };
        let word = |found| match found {
            Ok(Some(Kept { bytes, .. })) => String::from_utf8(bytes.to_vec()).unwrap(),
            Ok(None) => "-".to_owned(),
            Err(error) if RedisError::kind(&error) == ErrorKind::Client => "refused".to_owned(),
            Err(error) => format!("{:?}", error.kind()),
        };
        let found = found(&wanted, said.iter().map(answer).collect());
        found.into_iter().map(word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn everybody_is_told_of_the_own_page() {
        let (first, two, three) =
            (Some(&[Some("one"), None][..]), Some(&[Some("two")][..]), Some(&[Some("three")][..]));
        assert_eq!(told(&[CLOCK, first, two, three]), "one - two three");
        // What is wrong with one slot is nothing to the others.
        assert_eq!(told(&[CLOCK, None, two, three]), "refused refused two three");
        assert_eq!(told(&[CLOCK, first, first, three]), "one - UnexpectedReturnType three");
        assert_eq!(
            told(&[CLOCK, two, two, three]),
            "UnexpectedReturnType UnexpectedReturnType two three"
        );
        // Without the time nobody knows how long any page lives.
        assert_eq!(told(&[None, first, two, three]), "refused refused refused refused");
        // Fewer answers than commands.
        assert_eq!(told(&[CLOCK, first, two]), "one - two UnexpectedReturnType");
    }

    /// As the cluster specification of Redis has it.
    #[test]
    fn a_slot_is_what_stands_in_the_first_braces() {
        for (key, expected) in [
            ("shop:3:{7}:abc", "7"),
            ("{user1000}.following", "user1000"),
            ("foo{}{bar}", "foo{}{bar}"),
            ("foo{{bar}}zap", "{bar"),
            ("foo{bar}{zap}", "bar"),
            ("foo}{bar", "foo}{bar"),
            ("{é}", "é"),
            ("", ""),
        ] {
            assert_eq!(&key[slot(key)], expected, "{key}");
        }
    }
}
