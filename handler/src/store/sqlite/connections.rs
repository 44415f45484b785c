//! One connection that writes, on a thread of its own, and a few that read.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::Purpose;
use crate::store::{PoolUse, StoreError};

/// Bytes of a database page. Decided by the first write to a new file.
pub const PAGE_BYTES: u32 = 4_096;
/// The writer's page cache while an import has the process for itself. It is the size of the
/// runs that an index is sorted in, too: small ones stay in the processor's cache. Measured
/// with 8 indexes on 1.4 million rows: 13.0 s at 8 MiB, 14.5 s and 40 MiB more at 32 MiB.
pub const CACHE_KIB_LOADING: u32 = 8 * 1_024;
/// While a server is there a load fills every index row by row, at random: the more of their
/// pages are at hand the better. The whole data set took 93 s with 8 MiB, 75 s with 48 MiB; an
/// upload that is read by its address holds 20 MiB besides, and all of it must stay below 96.
/// Given back when the load ends.
const CACHE_KIB_SERVING: u32 = 24 * 1_024;
/// A reader's page cache; the operating system keeps the rest of the file.
const CACHE_KIB_READING: u32 = 2 * 1_024;
/// 8: twice the cores of a large plan; a read is short, and more would only share them.
const READERS_MAX: usize = 8;
/// 2: a long read keeps a core busy, and there are not more of them on a small plan.
const LONG_READERS_MAX: usize = 2;
/// How long one process waits for another one's write transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a read waits for a free connection.
const READER_WAIT: Duration = Duration::from_secs(5);
/// Pages of WAL after which a commit copies them into the file: 16 MiB. A load then copies a
/// page of the asin's index once for several batches instead of once for each.
const WAL_PAGES: u32 = 4_096;

pub(super) fn open_for_writing(path: &Path, purpose: Purpose) -> Result<Connection, StoreError> {
    make_private(path);
    let connection = Connection::open(path)?;
    let cache_kib = match purpose {
        Purpose::Serving => CACHE_KIB_SERVING,
        Purpose::Loading => CACHE_KIB_LOADING,
    };
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    switch_to_wal(&connection)?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "cache_size", -i64::from(cache_kib))?;
    connection.pragma_update(None, "wal_autocheckpoint", WAL_PAGES)?;
    // A second thread for sorting an index: a quarter less time for a third more work.
    connection.pragma_update(None, "threads", 1)?;
    // A WAL that has grown once is cut to this when it is used again.
    connection.pragma_update(None, "journal_size_limit", 64 * 1_024 * 1_024)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Makes the file where it is missing: it holds users, whoever may look into the folder. The
/// files that SQLite makes beside it get the same mode.
///
/// A file that is there must not even be opened: closing it would let go of every lock that
/// this process has on it.
fn make_private(path: &Path) {
    let mut options = File::options();
    options.create_new(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    if let Err(e) = options.open(path)
        && e.kind() != ErrorKind::AlreadyExists
    {
        // SQLite is about to meet the same, and its error is the one that callers know.
        tracing::debug!("{} cannot be made: {e}", path.display());
    }
}

/// Changing the journal fails at once while another process does the same, without the busy
/// timeout: several may start on a new file at the same moment.
fn switch_to_wal(connection: &Connection) -> Result<(), StoreError> {
    let until = Instant::now() + BUSY_TIMEOUT;
    loop {
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Err(e)
                if e.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && Instant::now() < until =>
            {
                std::thread::sleep(Duration::from_millis(5));
            }
            switched => return Ok(switched?),
        }
    }
}

pub(super) fn open_for_reading(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "cache_size", -i64::from(CACHE_KIB_READING))?;
    // Every list in every order, as three statements each.
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Opens a database only to look at it; `None` if there is none. Where nobody has it open, it
/// is looked at as a file that does not change, which leaves no files beside it.
pub(super) fn open_for_looking(path: &Path) -> Result<Option<Connection>, StoreError> {
    if !path.exists() {
        return Ok(None);
    }
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    if Path::new(&wal).exists() {
        return open_for_reading(path).map(Some);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let name: String = form_urlencoded::byte_serialize(path.as_os_str().as_encoded_bytes())
        .map(|part| if part == "+" { "%20" } else { part })
        .collect();
    let absolute = name.replace("%2F", "/");
    Ok(Some(Connection::open_with_flags(format!("file:{absolute}?immutable=1"), flags)?))
}

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// The thread that owns the writing connection.
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

/// Waits for the work that was queued, and for the connection to be closed: the last one
/// that closes a WAL file leaves the database whole in one file.
impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the writing thread has panicked");
        }
    }
}

impl Writer {
    /// 64: more writers than ever wait at once; beyond it they wait to be queued.
    const QUEUE: usize = 64;

    pub(super) fn start(mut connection: Connection) -> Result<Self, StoreError> {
        let (jobs, mut queue) = mpsc::channel::<Job>(Self::QUEUE);
        let thread = std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || {
                while let Some(job) = queue.blocking_recv() {
                    job(&mut connection);
                }
            })
            .map_err(|e| StoreError::Unreachable(e.into()))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    pub(super) async fn run<T: Send + 'static, E: From<StoreError> + Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        self.on_connection(|connection| in_transaction(connection, work)).await
    }

    /// Gives the memory of the page cache back.
    pub(super) async fn shrink(&self) -> Result<(), StoreError> {
        self.on_connection(|connection| Ok(connection.execute_batch("PRAGMA shrink_memory")?)).await
    }

    async fn on_connection<T: Send + 'static, E: From<StoreError> + Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let (answer, done) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // Nobody may be waiting any more; the work is done all the same.
            let _ = answer.send(work(connection));
        });
        let jobs = self.jobs.as_ref().ok_or_else(writer_is_gone)?;
        jobs.send(job).await.map_err(|_| writer_is_gone())?;
        done.await.map_err(|_| writer_is_gone())?
    }
}

fn in_transaction<T, E: From<StoreError>>(
    connection: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(StoreError::from)?;
    // An early return rolls back: the transaction's drop does it.
    let value = work(&transaction)?;
    transaction.commit().map_err(StoreError::from)?;
    Ok(value)
}

fn writer_is_gone() -> StoreError {
    StoreError::Corrupt("the writing thread has ended".into())
}

/// Connections for reading, opened as they are needed and kept.
pub(super) struct Readers {
    path: PathBuf,
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
    /// Turns for reads that examine many rows: the others always find a connection.
    long: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            idle: Arc::default(),
            permits: Arc::new(Semaphore::new(READERS_MAX)),
            long: Arc::new(Semaphore::new(LONG_READERS_MAX)),
        }
    }

    /// How many connections there are now. A read that begins or ends meanwhile may be missed.
    pub(super) fn in_use(&self) -> PoolUse {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).len();
        let busy = READERS_MAX.saturating_sub(self.permits.available_permits());
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        PoolUse { open: number(idle + busy), idle: number(idle), max: number(READERS_MAX) }
    }

    /// Runs what may examine thousands of rows.
    pub(super) async fn run_long<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let turn = turn(&self.long).await?;
        self.run(move |connection| {
            // Ends with the read and not with the caller, who may have gone.
            let _turn = turn;
            work(connection)
        })
        .await
    }

    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = turn(&self.permits).await?;
        let (path, idle) = (self.path.clone(), Arc::clone(&self.idle));
        let read = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            // A std mutex: it is held for a push or a pop and never across an await.
            let kept = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let connection = match kept {
                Some(connection) => connection,
                None => open_for_reading(&path)?,
            };
            let answer = in_snapshot(&connection, work)?;
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            Ok(answer)
        });
        read.await.map_err(|e| StoreError::Corrupt(e.into()))?
    }
}

async fn turn(permits: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, StoreError> {
    let wait = tokio::time::timeout(READER_WAIT, Arc::clone(permits).acquire_owned());
    let permit = wait.await.map_err(|_| StoreError::Busy)?;
    Ok(permit.expect("the semaphore is never closed"))
}

/// A connection on which something failed is not put back: the next one is opened anew.
fn in_snapshot<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let snapshot = connection.unchecked_transaction()?;
    let value = work(&snapshot)?;
    snapshot.finish()?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches wait for each other, and nobody waits for them.
    #[tokio::test]
    async fn long_reads_leave_connections_to_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.db");
        drop(open_for_writing(&path, Purpose::Serving).unwrap());
        let readers = Arc::new(Readers::new(&path));
        let (go, hold) = std::sync::mpsc::channel::<()>();
        let hold = Arc::new(Mutex::new(hold));
        let long: Vec<_> = (0..20)
            .map(|_| {
                let (readers, hold) = (Arc::clone(&readers), Arc::clone(&hold));
                tokio::spawn(async move {
                    let wait = move |_: &Connection| {
                        // Until the test lets go of the other end.
                        let _ = hold.lock().unwrap().recv();
                        Ok(())
                    };
                    readers.run_long(wait).await
                })
            })
            .collect();
        while readers.long.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        readers.run(|_| Ok(())).await.unwrap();
        drop(go);
        for read in long {
            read.await.unwrap().unwrap();
        }
    }

    /// What was begun is read to its end, whoever has gone meanwhile; until then there is no
    /// room for more.
    #[tokio::test]
    async fn a_long_read_keeps_its_turn_when_its_caller_hangs_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.db");
        drop(open_for_writing(&path, Purpose::Serving).unwrap());
        let readers = Arc::new(Readers::new(&path));
        let (started, mut starts) = mpsc::unbounded_channel();
        let (go, hold) = std::sync::mpsc::channel::<()>();
        let hold = Arc::new(Mutex::new(hold));
        let read = || {
            let (readers, hold, started) =
                (Arc::clone(&readers), Arc::clone(&hold), started.clone());
            tokio::spawn(async move {
                let wait = move |_: &Connection| {
                    started.send(()).unwrap();
                    // Until the test lets go of the other end.
                    let _ = hold.lock().unwrap().recv();
                    Ok(())
                };
                readers.run_long(wait).await
            })
        };
        let long: Vec<_> = (0..LONG_READERS_MAX).map(|_| read()).collect();
        for _ in &long {
            starts.recv().await.unwrap();
        }
        for read in long {
            read.abort();
            assert!(read.await.unwrap_err().is_cancelled());
        }
        assert_eq!(readers.long.available_permits(), 0);
        let next = read();
        drop(go);
        next.await.unwrap().unwrap();
    }
}
