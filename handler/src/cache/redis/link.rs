//! The connection that all commands share, and the task that keeps it.
//!
//! The task connects, again and again while the server is away, and comes with the next token
//! before the last one ends. Commands never connect: they take what is there, and wait no
//! longer than they have time. So a slow server, or a slow handshake, costs each of them its
//! deadline and no more, and a command that is given up disturbs nobody.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisError, ServerErrorKind};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::pauses::Pauses;
use super::target::{Pass, Target, shared_error};
use crate::cache::shared::SharedError;

/// A new connection has so long, name look-up, TLS and login included.
pub(super) const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// One that is silent is asked whether it still is: a peer that is gone says nothing, and
/// some close what is idle.
pub(super) const PING_EVERY: Duration = Duration::from_secs(5);
/// One that has not answered by then is given up.
pub(super) const PONG_WITHIN: Duration = Duration::from_secs(2);
/// A token that could not be had or was not taken is asked for again.
const RENEWED_AGAIN: Duration = Duration::from_secs(5);
/// Commands that may wait for their turn to be written, pages among them, also those of callers
/// that have given up.
const WAITING_MAX: usize = 256;

/// A handle to the connection. Its end is the connection's.
pub(super) struct Link {
    state: watch::Receiver<State>,
    doubts: mpsc::Sender<Doubt>,
    keeper: JoinHandle<()>,
}

#[derive(Clone)]
enum State {
    /// The first try is on, or the one right after a loss.
    Opening,
    Open(u64, MultiplexedConnection),
    Away(SharedError),
}

/// What a command has noticed about a connection.
struct Doubt {
    number: u64,
    /// No doubt about it.
    is_certain: bool,
}

/// The connection, for one command.
pub(super) struct Open {
    number: u64,
    pub connection: MultiplexedConnection,
}

impl Link {
    /// Begins to connect, and does not wait for it.
    pub(super) fn begin(target: Target) -> Self {
        let (tell, state) = watch::channel(State::Opening);
        // One is enough: all are about the same connection.
        let (doubts, doubted) = mpsc::channel(1);
        let keeper = Keeper { target, tell, doubted, number: 0 };
        Self { state, doubts, keeper: tokio::spawn(keeper.keep()) }
    }

    /// The connection. Waits for a try that is on, and not for the next one.
    pub(super) async fn open(&self) -> Result<Open, SharedError> {
        let mut state = self.state.clone();
        let gone = || SharedError::Away("it was shut down".to_owned());
        let state = state.wait_for(|state| !matches!(state, State::Opening)).await;
        match &*state.map_err(|_| gone())? {
            State::Open(number, connection) => {
                Ok(Open { number: *number, connection: connection.clone() })
            }
            State::Away(error) => Err(error.clone()),
            State::Opening => Err(gone()),
        }
    }

    /// A command was not answered in time.
    pub(super) fn was_late(&self, open: &Open) {
        self.doubt(open, false);
    }

    /// A command has failed.
    pub(super) fn has_failed(&self, open: &Open, error: &RedisError) {
        // A server that was in charge and is no more keeps its connections.
        let is_read_only = error.kind() == redis::ErrorKind::Server(ServerErrorKind::ReadOnly);
        let is_certain = error.is_unrecoverable_error() || is_read_only;
        // Words of the server are an answer, unless it has forgotten who we are.
        if is_certain || error.is_io_error() || error.code() == Some("NOAUTH") {
            self.doubt(open, is_certain);
        }
    }

    fn doubt(&self, open: &Open, is_certain: bool) {
        // If there is one already, the connection is being looked at.
        let _ = self.doubts.try_send(Doubt { number: open.number, is_certain });
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

struct Keeper {
    target: Target,
    tell: watch::Sender<State>,
    doubted: mpsc::Receiver<Doubt>,
    number: u64,
}

impl Keeper {
    async fn keep(mut self) {
        let mut pauses = Pauses::new();
        let mut was_away = false;
        loop {
            match connect(&self.target).await {
                Ok((connection, renewed_after)) => {
                    if was_away {
                        tracing::info!("the shared cache is there again");
                    }
                    (pauses, was_away) = (Pauses::new(), false);
                    self.number += 1;
                    self.tell.send_replace(State::Open(self.number, connection.clone()));
                    let lost = self.watch(connection, renewed_after).await;
                    tracing::warn!("the connection to the shared cache is lost: {lost}");
                    self.tell.send_replace(State::Opening);
                }
                Err(error) => {
                    if !was_away {
                        tracing::warn!("{error}");
                    }
                    was_away = true;
                    self.tell.send_replace(State::Away(error));
                    pauses.wait().await;
                }
            }
        }
    }

    /// Returns when the connection is lost, and why.
    async fn watch(
        &mut self,
        mut connection: MultiplexedConnection,
        renewed_after: Option<Duration>,
    ) -> String {
        let mut renewal = renewed_after.map(|after| Instant::now() + after);
        let mut ping = Instant::now() + PING_EVERY;
        loop {
            let due = renewal.map_or(ping, |renewal| renewal.min(ping));
            tokio::select! {
                doubt = self.doubted.recv() => match doubt {
                    // What was left by a command of the connection before.
                    Some(doubt) if doubt.number != self.number => continue,
                    Some(doubt) if doubt.is_certain => return "it was closed".to_owned(),
                    Some(_) => {}
                    None => return "nobody needs it".to_owned(),
                },
                () = sleep_until(due) => if renewal.is_some_and(|at| at <= Instant::now()) {
                    let after = renew(&self.target, &mut connection).await;
                    renewal = Some(Instant::now() + after);
                    continue;
                },
            }
            if let Err(error) = pong(&mut connection).await {
                return error.to_string();
            }
            ping = Instant::now() + PING_EVERY;
        }
    }
}

/// A new connection, and after how long it needs the next token.
async fn connect(
    target: &Target,
) -> Result<(MultiplexedConnection, Option<Duration>), SharedError> {
    // Has a deadline of its own.
    let pass = target.pass().await?;
    let client = target.client(&pass)?;
    // Deadlines are the commands' own; they know how much time is left.
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(None)
        .set_response_timeout(None)
        .set_pipeline_buffer_size(WAITING_MAX);
    let connecting = client.get_multiplexed_async_connection_with_config(&config);
    match timeout(CONNECT_WITHIN, connecting).await {
        Ok(Ok(connection)) => Ok((connection, pass.renewed_after)),
        Ok(Err(e)) => Err(shared_error(&e)),
        Err(_) => Err(SharedError::Away("it does not answer".to_owned())),
    }
}

/// Comes with the next token on the connection as it is. What fails is tried again: the server
/// closes the connection when the last token has ended, and not before.
async fn renew(target: &Target, connection: &mut MultiplexedConnection) -> Duration {
    let renewed = async {
        let Pass { user, password, renewed_after } = target.pass().await?;
        let mut auth = redis::cmd("AUTH");
        auth.arg(user).arg(password.as_ref().map(secrecy::ExposeSecret::expose_secret));
        match timeout(PONG_WITHIN, auth.exec_async(connection)).await {
            Ok(Ok(())) => Ok(renewed_after.unwrap_or(RENEWED_AGAIN)),
            Ok(Err(e)) => Err(shared_error(&e)),
            Err(_) => Err(SharedError::Away("it does not answer".to_owned())),
        }
    };
    renewed.await.unwrap_or_else(|error: SharedError| {
        tracing::warn!("the login to the shared cache is not renewed: {error}");
        RENEWED_AGAIN
    })
}

async fn pong(connection: &mut MultiplexedConnection) -> Result<(), SharedError> {
    match timeout(PONG_WITHIN, redis::cmd("PING").exec_async(connection)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(e)) => Err(shared_error(&e)),
        Err(_) => Err(SharedError::Away("it does not answer".to_owned())),
    }
}

/// Connects once, asks, and tells how long the answer took.
pub(super) async fn probe(target: &Target) -> Result<Duration, SharedError> {
    let (mut connection, _) = connect(target).await?;
    let asked = Instant::now();
    pong(&mut connection).await?;
    let took = asked.elapsed();
    // In three slots far from each other: a cluster without a proxy sends us away from two.
    for key in ["a", "b", "c"] {
        let mut look = redis::cmd("EXISTS");
        match timeout(PONG_WITHIN, look.arg(key).exec_async(&mut connection)).await {
            Ok(Ok(())) => {}
            Ok(Err(e)) => return Err(shared_error(&e)),
            Err(_) => return Err(SharedError::Away("it does not answer".to_owned())),
        }
    }
    Ok(took)
}
