//! Hears which versions have risen, over a connection of its own, for ever.
//!
//! What is told while nobody listens is lost, and that is fine: versions are asked for too. So
//! nothing is made up for after a reconnection. A connection that listens cannot log in anew;
//! before its token ends the next one listens beside it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{FutureExt as _, StreamExt as _};
use redis::Msg;
use redis::aio::{PubSubSink, PubSubStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::link::{CONNECT_WITHIN, PING_EVERY, PONG_WITHIN, WELL_AFTER};
use super::pauses::Pauses;
use super::prefix::Prefix;
use super::target::{Target, shared_error};
use crate::cache::shared::SharedError;
use crate::cache::versions::{Row, Version, Versions};

/// Versions that nobody has taken yet. A catalogue has some hundred rows.
const KEPT_MAX: usize = 100_000;

/// What was heard and not taken yet. Of several versions of a row the highest is kept, so it is
/// bounded by the rows there are.
#[derive(Default)]
pub(super) struct Heard {
    versions: Mutex<Versions>,
    more: Notify,
}

impl Heard {
    /// Waits for versions and takes them.
    pub(super) async fn take(&self) -> Versions {
        loop {
            let more = self.more.notified();
            let taken = std::mem::take(&mut *self.lock());
            if !taken.is_empty() {
                return taken;
            }
            more.await;
        }
    }

    fn add(&self, told: Versions) {
        let mut kept = self.lock();
        if kept.len() + told.len() > KEPT_MAX {
            // Nobody takes them, or somebody else tells us things.
            kept.clear();
        }
        for (row, version) in told.into_iter().take(KEPT_MAX) {
            let kept = kept.entry(row).or_insert(version);
            *kept = version.max(*kept);
        }
        drop(kept);
        self.more.notify_one();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Versions> {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task that listens. Its end is the handle's.
pub(super) struct Listener(JoinHandle<()>);

impl Listener {
    pub(super) fn begin(target: Target, prefix: Arc<Prefix>, heard: Arc<Heard>) -> Self {
        Self(tokio::spawn(listen(target, prefix, heard)))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Subscription {
    sink: PubSubSink,
    messages: PubSubStream,
    /// When the next connection must listen.
    renewal: Option<Instant>,
}

/// Why a subscription is to be replaced.
enum End {
    Lost,
    TokenEnds,
}

async fn listen(target: Target, prefix: Arc<Prefix>, heard: Arc<Heard>) {
    let channel = format!("{}:versions", prefix.find().await);
    let mut pauses = Pauses::new();
    let mut before: Option<Subscription> = None;
    loop {
        // The other connection tells why it cannot be made.
        let Ok(mut subscription) = subscribe(&target, &channel).await else {
            pauses.wait().await;
            continue;
        };
        let began = Instant::now();
        if let Some(mut before) = before.take() {
            while let Some(Some(message)) = before.messages.next().now_or_never() {
                heard.add(told(&message));
            }
        }
        match subscription.hear(&heard).await {
            End::TokenEnds => before = Some(subscription),
            End::Lost => {
                // A server that takes connections and drops them is left alone longer and longer.
                if began.elapsed() >= WELL_AFTER {
                    pauses = Pauses::new();
                }
                pauses.wait().await;
            }
        }
    }
}

async fn subscribe(target: &Target, channel: &str) -> Result<Subscription, SharedError> {
    let pass = target.pass().await?;
    let client = target.client(&pass)?;
    let renewal = pass.renewed_after.map(|after| Instant::now() + after);
    let subscribing = async {
        let (mut sink, messages) = client.get_async_pubsub().await?.split();
        sink.subscribe(channel).await?;
        Ok(Subscription { sink, messages, renewal })
    };
    match timeout(CONNECT_WITHIN, subscribing).await {
        Ok(done) => done.map_err(|e| shared_error(&e)),
        Err(_) => Err(SharedError::Away("it does not answer".to_owned())),
    }
}

impl Subscription {
    async fn hear(&mut self, heard: &Heard) -> End {
        let mut ping = Instant::now() + PING_EVERY;
        loop {
            let due = self.renewal.map_or(ping, |renewal| renewal.min(ping));
            tokio::select! {
                message = self.messages.next() => match message {
                    Some(message) => heard.add(told(&message)),
                    None => return End::Lost,
                },
                () = sleep_until(due) => {
                    if self.renewal.is_some_and(|at| at <= Instant::now()) {
                        return End::TokenEnds;
                    }
                    // A peer that is gone says nothing.
                    let answer = timeout(PONG_WITHIN, self.sink.ping::<redis::Value>()).await;
                    if !matches!(answer, Ok(Ok(_))) {
                        return End::Lost;
                    }
                    ping = Instant::now() + PING_EVERY;
                }
            }
        }
    }
}

/// Rows and versions by turns; nothing of a message that is anything else.
fn told(message: &Msg) -> Versions {
    let text = std::str::from_utf8(message.get_payload_bytes()).unwrap_or_default();
    let numbers: Option<Vec<i64>> = text.split(' ').map(|number| number.parse().ok()).collect();
    match numbers.as_deref().map(<[i64]>::as_chunks) {
        Some((pairs, [])) => {
            pairs.iter().map(|[row, version]| (Row(*row), *version as Version)).collect()
        }
        _ => HashMap::new(),
    }
}
