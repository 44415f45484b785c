//! The connection that all commands share, and the task that keeps it.
//!
//! The task connects, again and again while the server is away, and comes with the next token
//! before the last one ends. Commands never connect: they take what is there, and wait no
//! longer than they have time. So a slow server, or a slow handshake, costs each of them its
//! deadline and no more, and a command that is given up disturbs nobody. A server that is not
//! well is told of once, and left alone between the tries, however it fails.

use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, RedisError, RedisResult};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use super::pauses::Pauses;
use super::target::{Pass, Target, says, shared_error};
use crate::cache::shared::SharedError;

/// A new connection has so long, name look-up, TLS and login included.
pub(super) const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// One that is silent is asked whether it still is: a peer that is gone says nothing, and
/// some close what is idle.
pub(super) const PING_EVERY: Duration = Duration::from_secs(5);
/// One that has not answered by then is given up.
pub(super) const PONG_WITHIN: Duration = Duration::from_secs(2);
/// Whoever keeps a connection for so long is well. Longer than [`PING_EVERY`], and than the time
/// between two words of an instance: somebody has asked and somebody has written by then.
pub(super) const WELL_AFTER: Duration = Duration::from_secs(10);
/// A server that takes no writes is left for another one at most so often.
const LEFT_EVERY: Duration = Duration::from_secs(1);
/// That the server is full is told at most so often.
const FULL_TOLD_EVERY: Duration = Duration::from_mins(1);
/// A token that could not be had or was not taken is asked for again.
const RENEWED_AGAIN: Duration = Duration::from_secs(5);
/// Commands and pipelines that may wait for their turn to be written, pages among them, also those
/// of callers that have given up.
const WAITING_MAX: usize = 256;
/// Nothing long is sent at first, when those who waited for a connection want to use it.
const WIDENED_AFTER: Duration = Duration::from_secs(1);
/// Bytes that can be read at once: what a server writes at once (`NET_MAX_WRITES_PER_EVENT`).
const READ_AT_ONCE: usize = 64 * 1_024;

/// A handle to the connection. Its end is the connection's.
pub(super) struct Link {
    state: watch::Receiver<State>,
    doubts: mpsc::Sender<Doubt>,
    keeper: JoinHandle<()>,
    /// When it was told last that the server is full.
    full_told: Mutex<Option<Instant>>,
}

#[derive(Clone)]
enum State {
    /// The first try is on, or the one after a loss, or the short pause before that.
    Opening,
    Open(u64, MultiplexedConnection),
    Away(SharedError),
}

impl State {
    fn open(&self) -> Option<Open> {
        match self {
            Self::Open(number, connection) => {
                Some(Open { number: *number, connection: connection.clone() })
            }
            Self::Opening | Self::Away(_) => None,
        }
    }
}

/// What a command has noticed about a connection.
struct Doubt {
    number: u64,
    why: Why,
}

enum Why {
    /// Something was late or odd.
    Unsure,
    /// It is closed.
    Closed,
    /// The server takes no writes.
    ReadOnly,
}

/// Why a connection is to be replaced.
enum Lost {
    Gone(String),
    /// It can still be read from.
    ReadOnly,
}

/// The connection, for one command, and which one it is.
struct Open {
    number: u64,
    connection: MultiplexedConnection,
}

impl Link {
    /// Begins to connect, and does not wait for it.
    pub(super) fn begin(target: Target) -> Self {
        let (tell, state) = watch::channel(State::Opening);
        // One is enough: all are about the same connection.
        let (doubts, doubted) = mpsc::channel(1);
        let keeper = Keeper {
            target,
            tell,
            doubted,
            number: 0,
            pauses: Pauses::new(),
            is_well: true,
            may_leave_at: Instant::now(),
            takes_long_texts: true,
        };
        let keeper = tokio::spawn(keeper.keep());
        Self { state, doubts, keeper, full_told: Mutex::default() }
    }

    /// Runs a command on the connection, and gives up when its time is over.
    pub(super) async fn run<T, F>(
        &self,
        patience: Duration,
        command: impl FnOnce(MultiplexedConnection) -> F + Send,
    ) -> Result<T, SharedError>
    where
        F: Future<Output = RedisResult<T>> + Send,
    {
        self.run_since(Instant::now(), patience, command).await.map(|(_, done)| done)
    }

    /// The same for what has been wanted for a while. Tells, too, which connection it was.
    pub(super) async fn run_since<T, F>(
        &self,
        wanted: Instant,
        patience: Duration,
        command: impl FnOnce(MultiplexedConnection) -> F + Send,
    ) -> Result<(u64, T), SharedError>
    where
        F: Future<Output = RedisResult<T>> + Send,
    {
        let late = || SharedError::Away(format!("no answer within {} ms", patience.as_millis()));
        let deadline = wanted + patience;
        let Open { number, connection } = match self.open_now() {
            Some(open) => open,
            None => timeout_at(deadline, self.open()).await.map_err(|_| late())??,
        };
        match timeout_at(deadline, command(connection)).await {
            Ok(Ok(done)) => Ok((number, done)),
            Ok(Err(error)) => {
                self.has_failed(number, &error);
                Err(shared_error(&error))
            }
            Err(_) => {
                self.doubt(number, Why::Unsure);
                Err(late())
            }
        }
    }

    /// The connection, if there is one.
    fn open_now(&self) -> Option<Open> {
        self.state.borrow().open()
    }

    /// The connection. Waits for a try that is on, and not for the next one.
    async fn open(&self) -> Result<Open, SharedError> {
        let mut state = self.state.clone();
        let gone = || SharedError::Away("it was shut down".to_owned());
        let state = state.wait_for(|state| !matches!(state, State::Opening)).await;
        match &*state.map_err(|_| gone())? {
            State::Away(error) => Err(error.clone()),
            state => state.open().ok_or_else(gone),
        }
    }

    /// A command has failed on the connection with this number.
    pub(super) fn has_failed(&self, number: u64, error: &RedisError) {
        if says(error, "READONLY") {
            // A server that was in charge and is no more keeps its connections.
            self.doubt(number, Why::ReadOnly);
        } else if error.is_unrecoverable_error() {
            self.doubt(number, Why::Closed);
        } else if error.is_io_error() || says(error, "NOAUTH") {
            // Words of the server are an answer, unless it has forgotten who we are.
            self.doubt(number, Why::Unsure);
        } else if says(error, "OOM") {
            self.tell_that_it_is_full();
        }
    }

    fn doubt(&self, number: u64, why: Why) {
        // If there is one already, the connection is being looked at.
        let _ = self.doubts.try_send(Doubt { number, why });
    }

    /// It answers, and everything else looks well, so nobody would notice.
    fn tell_that_it_is_full(&self) {
        let mut told = self.full_told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|told| told.elapsed() >= FULL_TOLD_EVERY) {
            *told = Some(Instant::now());
            tracing::warn!(
                "the memory of the shared cache is full and nothing is evicted: give it a \
                 volatile-* eviction policy, as volatile-lru, or more memory"
            );
        }
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
    pauses: Pauses,
    /// Nothing has been told against it since it was well for a while.
    is_well: bool,
    /// From when on it may be left again for taking no writes.
    may_leave_at: Instant,
    /// Who has once not answered a long text is sent no other.
    takes_long_texts: bool,
}

impl Keeper {
    async fn keep(mut self) {
        loop {
            match connect(&self.target).await {
                Ok((connection, renewed_after)) => {
                    self.number += 1;
                    self.tell.send_replace(State::Open(self.number, connection.clone()));
                    match self.watch(connection, renewed_after).await {
                        Lost::Gone(why) => self.lost(why).await,
                        // Reads go on over the one that is there until there is another.
                        Lost::ReadOnly => {
                            self.warn("the shared cache takes no writes (READONLY), so it is left");
                        }
                    }
                }
                Err(error) => {
                    self.warn(&error.to_string());
                    self.tell.send_replace(State::Away(error));
                    self.pauses.wait().await;
                }
            }
        }
    }

    async fn lost(&mut self, why: String) {
        let was_well = self.is_well;
        self.warn(&format!("the connection to the shared cache is lost: {why}"));
        // The first pause is so short that a command may wait for its end. Nobody waits for a
        // server that takes connections and drops them.
        let state = if was_well { State::Opening } else { State::Away(SharedError::Away(why)) };
        self.tell.send_replace(state);
        self.pauses.wait().await;
    }

    /// Once, until it has been well for a while: a server can fail many times a second.
    fn warn(&mut self, what: &str) {
        if self.is_well {
            tracing::warn!("{what}");
        }
        self.is_well = false;
    }

    fn has_been_well(&mut self) {
        tracing::info!("the shared cache is there again");
        (self.is_well, self.pauses) = (true, Pauses::new());
    }

    /// Returns when the connection is to be replaced, and why.
    async fn watch(
        &mut self,
        connection: MultiplexedConnection,
        renewed_after: Option<Duration>,
    ) -> Lost {
        let target = self.target.clone();
        // Beside each other: a token may take long, and the connection may be lost meanwhile.
        tokio::select! {
            lost = self.heed(connection.clone()) => lost,
            never = stay_logged_in(&target, connection, renewed_after) => match never {},
        }
    }

    async fn heed(&mut self, mut connection: MultiplexedConnection) -> Lost {
        let began = Instant::now();
        let (widened, well) = (began + WIDENED_AFTER, began + WELL_AFTER);
        let mut ping = began + PING_EVERY;
        let mut is_narrow = self.takes_long_texts;
        loop {
            tokio::select! {
                doubt = self.doubted.recv() => match doubt {
                    // What was left by a command of the connection before.
                    Some(doubt) if doubt.number != self.number => continue,
                    Some(Doubt { why: Why::Closed, .. }) => {
                        return Lost::Gone("it was closed".to_owned());
                    }
                    Some(Doubt { why: Why::ReadOnly, .. }) => {
                        // Another one may lead to the same server.
                        if Instant::now() < self.may_leave_at {
                            continue;
                        }
                        self.may_leave_at = Instant::now() + LEFT_EVERY;
                        return Lost::ReadOnly;
                    }
                    Some(Doubt { why: Why::Unsure, .. }) => {}
                    None => return Lost::Gone("nobody needs it".to_owned()),
                },
                () = sleep_until(well), if !self.is_well => {
                    self.has_been_well();
                    continue;
                }
                () = sleep_until(widened), if is_narrow => {
                    is_narrow = false;
                    let widened = widen(&mut connection).await;
                    // It makes reads larger, and is not worth a second connection.
                    self.takes_long_texts = matches!(widened, Ok(true));
                    if let Err(error) = widened {
                        return Lost::Gone(reason(error));
                    }
                    continue;
                }
                () = sleep_until(ping) => {}
            }
            if let Err(error) = pong(&mut connection).await {
                return Lost::Gone(reason(error));
            }
            ping = Instant::now() + PING_EVERY;
        }
    }
}

/// A new connection, and after how long it needs the next token. Whatever is in its way, the
/// server cannot be reached then, also if it has answered.
async fn connect(
    target: &Target,
) -> Result<(MultiplexedConnection, Option<Duration>), SharedError> {
    let connecting = async {
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
            Ok(Err(e)) => {
                let error = shared_error(&e);
                target.was_refused(pass, &e).await;
                Err(error)
            }
            Err(_) => Err(silent()),
        }
    };
    connecting.await.map_err(|error| SharedError::Away(reason(error)))
}

/// The client reads into a buffer that grows with the longest text that came, and is 8 KiB at
/// first: that is one read a page. So it is sent a long one, once, and tells whether it took it. (A
/// page of 10 kB that only Redis has, 47.4 us of our processor time: 44.6 us so.)
async fn widen(connection: &mut MultiplexedConnection) -> Result<bool, SharedError> {
    let mut echo = redis::cmd("ECHO");
    echo.arg(vec![b' '; READ_AT_ONCE]);
    match answer(connection, &echo).await? {
        Err(error) if error.is_unrecoverable_error() => Err(shared_error(&error)),
        Err(error) => {
            tracing::debug!("the shared cache is read in small pieces: {}", shared_error(&error));
            Ok(false)
        }
        Ok(()) => Ok(true),
    }
}

/// Comes with the next token before each one ends.
async fn stay_logged_in(
    target: &Target,
    mut connection: MultiplexedConnection,
    renewed_after: Option<Duration>,
) -> Infallible {
    let Some(mut after) = renewed_after else { return std::future::pending().await };
    loop {
        sleep(after).await;
        after = renew(target, &mut connection).await;
    }
}

/// Comes with the next token on the connection as it is. What fails is tried again: the server
/// closes the connection when the last token has ended, and not before.
async fn renew(target: &Target, connection: &mut MultiplexedConnection) -> Duration {
    let renewed = async {
        let Pass { user, password, renewed_after } = target.pass().await?;
        let mut auth = redis::cmd("AUTH");
        auth.arg(user).arg(password.as_ref().map(secrecy::ExposeSecret::expose_secret));
        answer(connection, &auth).await?.map_err(|e| shared_error(&e))?;
        Ok(renewed_after.unwrap_or(RENEWED_AGAIN))
    };
    renewed.await.unwrap_or_else(|error: SharedError| {
        tracing::warn!("the login to the shared cache is not renewed: {error}");
        RENEWED_AGAIN
    })
}

async fn pong(connection: &mut MultiplexedConnection) -> Result<(), SharedError> {
    answer(connection, &redis::cmd("PING")).await?.map_err(|e| shared_error(&e))
}

/// What the server answers to a command that takes no time, a refusal included.
async fn answer(
    connection: &mut MultiplexedConnection,
    command: &Cmd,
) -> Result<RedisResult<()>, SharedError> {
    timeout(PONG_WITHIN, command.exec_async(connection)).await.map_err(|_| silent())
}

fn silent() -> SharedError {
    SharedError::Away("it does not answer".to_owned())
}

fn reason(error: SharedError) -> String {
    match error {
        SharedError::Away(why) | SharedError::Nonsense(why) => why,
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
        answer(&mut connection, look.arg(key)).await?.map_err(|e| shared_error(&e))?;
    }
    Ok(took)
}
