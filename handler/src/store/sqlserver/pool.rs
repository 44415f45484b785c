//! Connections, kept while they are asked for.
//!
//! bb8 with a manager of our own: the published adapters want an older driver. Nothing is
//! kept for its own sake: five minutes after the last request the pool is empty, so that a
//! serverless database can pause.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bb8::{ManageConnection, Pool, PooledConnection, QueueStrategy, RunError, State};
use tiberius::error::Error;
use tokio::sync::Notify;

use super::connect::Target;
use super::faults::Fault;
use super::session::Session;
use super::stop::Stop;
use crate::cache::breaker::{Breaker, BreakerState};
use crate::store::PoolUse;

/// DESIGN 4.10.
const IDLE: Duration = Duration::from_mins(5);
/// A connection's life: a server that was moved is left in the end.
const LIFE: Duration = Duration::from_mins(30);
/// With so many at once one more is no loss to requests.
const CONNECTIONS_TO_SPARE: u32 = 4;
/// How long a request waits for a connection while all are in use.
const WAIT: Duration = Duration::from_secs(5);

/// The connections to one server.
pub(super) struct Connections {
    pool: Pool<Manager>,
    most: u32,
    /// A server that does not answer costs those who ask microseconds.
    breaker: Mutex<Breaker>,
    began: Instant,
    failures: Arc<Failures>,
}

/// Logins that have failed. The pool itself keeps the reason from those who wait for one, and
/// lets them wait to the end of their time.
#[derive(Default)]
struct Failures {
    last: Mutex<Option<Error>>,
    told: Notify,
}

impl Failures {
    fn tell(&self, error: &Error) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
        self.told.notify_waiters();
    }

    fn last(&self) -> Option<Error> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Connections {
    /// None yet; at most so many at once.
    pub(super) fn new(target: Target, connections_max: u32) -> Self {
        let failures = Arc::<Failures>::default();
        let pool = Pool::builder()
            .max_size(connections_max)
            .min_idle(Some(0))
            .idle_timeout(Some(IDLE))
            .max_lifetime(Some(LIFE))
            .reaper_rate(Duration::from_secs(30))
            .connection_timeout(WAIT)
            // Those used last have met most statements; the others come to rest.
            .queue_strategy(QueueStrategy::Lifo)
            // A login that fails says so at once; who repeats it decides by the reason.
            .retry_connection(false)
            .build_unchecked(Manager { target, failures: Arc::clone(&failures) });
        let (breaker, began) = (Mutex::default(), Instant::now());
        Self { pool, most: connections_max, breaker, began, failures }
    }

    /// A connection for work that may be left out: none where requests could come to lack one.
    pub(super) async fn get_beside_others(&self) -> Option<PooledConnection<'static, Manager>> {
        let state = self.pool.state();
        let is_spare = self.most >= CONNECTIONS_TO_SPARE
            && (state.idle_connections > 0 || state.connections < self.most);
        let breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner).state();
        if !is_spare || breaker != BreakerState::Closed {
            return None;
        }
        self.pool.get_owned().await.ok()
    }

    /// How many there are now.
    pub(super) fn in_use(&self) -> PoolUse {
        let State { connections: open, idle_connections: idle, .. } = self.pool.state();
        PoolUse { open, idle, max: self.most }
    }

    /// Why the last login that failed did.
    pub(super) fn last_failure(&self) -> Option<Error> {
        self.failures.last()
    }

    /// A connection that is alive and clean.
    pub(super) async fn get<E>(&self) -> Result<PooledConnection<'_, Manager>, Stop<E>> {
        let breaker = || self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        if !breaker().lets_through(self.began.elapsed()) {
            return Err(Stop::LeftAlone);
        }
        let mut told = pin!(self.failures.told.notified());
        told.as_mut().enable();
        let got = tokio::select! {
            got = self.pool.get() => got,
            () = told => Err(self.failures.last().map_or(RunError::TimedOut, RunError::User)),
        };
        match got {
            Ok(session) => {
                breaker().succeeded();
                Ok(session)
            }
            Err(RunError::TimedOut) => {
                let connections = self.pool.state().connections;
                if connections >= self.most {
                    tracing::warn!("all {connections} connections are in use");
                    return Err(Stop::NoConnection);
                }
                breaker().failed(self.began.elapsed());
                Err(Stop::LeftAlone)
            }
            Err(RunError::User(e)) => {
                // One that wakes a database has answered and shall be asked again. One that
                // refuses us will for a while, and may lock the login out if it is asked often.
                match (&e, Fault::of(&e)) {
                    (Error::Io { .. }, _) | (_, Fault::Refused) => {
                        breaker().failed(self.began.elapsed());
                    }
                    _ => breaker().succeeded(),
                }
                Err(Stop::Sql(e))
            }
        }
    }
}

/// Makes connections and tells which are good.
pub(super) struct Manager {
    target: Target,
    failures: Arc<Failures>,
}

impl ManageConnection for Manager {
    type Connection = Session;
    type Error = Error;

    async fn connect(&self) -> Result<Session, Error> {
        let connected = Box::pin(self.target.connect()).await;
        if let Err(e) = &connected {
            self.failures.tell(e);
        }
        connected
    }

    async fn is_valid(&self, session: &mut Session) -> Result<(), Error> {
        if session.is_spent() {
            return Err(Error::Protocol("its time is over".into()));
        }
        if session.is_fresh() {
            return Ok(());
        }
        session.batch("-- pool.probe\nSELECT 1").await.map(drop)
    }

    fn has_broken(&self, session: &mut Session) -> bool {
        session.is_spent()
    }
}
