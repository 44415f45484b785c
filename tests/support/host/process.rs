//! The handler as the host's child: started with five variables, asked until it answers,
//! started again when it ends, and killed without a word.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use hyper::{Request, StatusCode};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::net::TcpSocket;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use super::log::Log;
use super::package::Package;
use super::wire::{self, Pool};

const POLL_EVERY: Duration = Duration::from_millis(25);
/// Ends that count before the host gives up.
const ERRORS_MAX: usize = 3;
/// How long the host waits for a killed handler to be gone.
const FAREWELL: Duration = Duration::from_secs(1);
/// What a handler exits with that wants to be started again.
const RESTART_ME: i32 = 200;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    Starting,
    /// Answers, as far as the host knows. An exit with 0 changes nothing about that.
    Up,
    /// For good, and why.
    Stopped(String),
}

/// The state, and of which start: the first is 1. No pid means that no process runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    pub state: State,
    pub starts: u32,
    pub pid: Option<u32>,
}

/// A handle of the handler's keeper.
#[derive(Debug)]
pub struct Worker {
    pub connections: Arc<Pool>,
    pub stdout: Arc<Log<String>>,
    pub stderr: Arc<Log<String>>,
    pub status: watch::Receiver<Status>,
    orders: mpsc::Sender<(Order, oneshot::Sender<()>)>,
    keeper: JoinHandle<()>,
    pinger: JoinHandle<()>,
}

#[derive(Debug)]
enum Order {
    /// An invocation of this start took too long.
    TimedOut(u32),
    Stop(String),
}

#[derive(Debug, Clone)]
pub struct Limits {
    pub initialization: Duration,
    pub function: Option<Duration>,
    /// Errors further apart than this do not add up.
    pub error_window: Duration,
    /// About how long lies between two pings.
    pub ping_every: Duration,
}

impl Worker {
    pub fn start(package: &Package, settings: &BTreeMap<String, String>, limits: Limits) -> Self {
        let port = Port::reserve();
        let (stdout, stderr) = (Log::new(), Log::new());
        let starting = Status { state: State::Starting, starts: 0, pid: None };
        let (tell, status) = watch::channel(starting);
        let (orders, heard) = mpsc::channel(8);
        let number = port.number;
        let connections = Pool::new(number);
        let pinging = ping_now_and_then(Arc::clone(&connections), status.clone(), limits.clone());
        let keeper = Keeper {
            executable: Executable::of(package, settings, number),
            _port: port,
            connections: Arc::clone(&connections),
            limits,
            tell,
            stdout: Arc::clone(&stdout),
            stderr: Arc::clone(&stderr),
            errors: Vec::new(),
        };
        let keeper = tokio::spawn(keeper.keep(heard));
        let pinger = tokio::spawn(pinging);
        Self { connections, stdout, stderr, status, orders, keeper, pinger }
    }

    /// Waits until the handler is up; gives the number of its start, or why it never will be.
    pub async fn up(&self) -> Result<u32, String> {
        let mut status = self.status.clone();
        let status = status
            .wait_for(|status| status.state != State::Starting)
            .await
            .map_err(|_| "the host is gone".to_owned())?;
        match &status.state {
            State::Stopped(why) => Err(format!("the host has stopped: {why}")),
            _ => Ok(status.starts),
        }
    }

    /// Kills the handler since one of its invocations took too long; all others die with it.
    pub async fn timed_out(&self, start: u32) {
        self.order(Order::TimedOut(start)).await;
    }

    /// Kills the handler, and starts it no more.
    pub async fn stop(&self, why: &str) {
        self.order(Order::Stop(why.to_owned())).await;
    }

    async fn order(&self, order: Order) {
        let (done, heard) = oneshot::channel();
        // A keeper that is gone has nothing left to kill.
        if self.orders.send((order, done)).await.is_ok() {
            let _ = heard.await;
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // The child is killed as its keeper is dropped.
        self.keeper.abort();
        self.pinger.abort();
    }
}

/// A port that is the handler's to listen on, start after start: bound here and never listened
/// on, so the system gives it to nobody else, and a connection to it is refused meanwhile.
#[derive(Debug)]
struct Port {
    number: u16,
    _held: TcpSocket,
}

impl Port {
    fn reserve() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        // Both sides must say so; servers on tokio do.
        socket.set_reuseaddr(true).unwrap();
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        Self { number: socket.local_addr().unwrap().port(), _held: socket }
    }
}

/// What is started, and with what.
#[derive(Debug)]
struct Executable {
    path: PathBuf,
    arguments: Vec<String>,
    working_directory: PathBuf,
    variables: Vec<(String, String)>,
}

impl Executable {
    fn of(package: &Package, settings: &BTreeMap<String, String>, port: u16) -> Self {
        let expand = |text: &str| expanded(text, settings);
        let host = &package.host;
        let named = PathBuf::from(expand(&host.executable));
        let inside = package.root.join(&named);
        let id = Uuid::new_v4().to_string();
        let ours = [
            ("FUNCTIONS_CUSTOMHANDLER_PORT", port.to_string()),
            ("FUNCTIONS_HTTPWORKER_PORT", port.to_string()),
            ("FUNCTIONS_CUSTOMHANDLER_WORKER_ID", id.clone()),
            ("FUNCTIONS_HTTPWORKER_ID", id),
            ("FUNCTIONS_APP_ROOT_PATH", package.root.to_str().unwrap().to_owned()),
        ];
        let settings = settings.iter().map(|(name, value)| (name.clone(), value.clone()));
        let ours = ours.into_iter().map(|(name, value)| (name.to_owned(), value));
        Self {
            // Otherwise it is a command on PATH.
            path: if inside.is_file() { inside } else { named },
            // Joined with blanks and not quoted: a blank within one parts it.
            arguments: expand(&host.arguments.join(" "))
                .split_whitespace()
                .map(str::to_owned)
                .collect(),
            working_directory: host.working_directory.clone(),
            variables: settings.chain(ours).collect(),
        }
    }

    fn spawn(&self) -> std::io::Result<Child> {
        Command::new(&self.path)
            .args(&self.arguments)
            .current_dir(&self.working_directory)
            // Only what a test gives: the machine's own settings are none of the app's.
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
    }
}

/// `%NAME%` stands for a setting, and for nothing where it is not set.
fn expanded(text: &str, settings: &BTreeMap<String, String>) -> String {
    let mut parts = text.split('%');
    let mut result = parts.next().unwrap_or_default().to_owned();
    while let (Some(name), Some(behind)) = (parts.next(), parts.next()) {
        result.push_str(settings.get(name).map_or("", String::as_str));
        result.push_str(behind);
    }
    result
}

struct Keeper {
    executable: Executable,
    _port: Port,
    connections: Arc<Pool>,
    limits: Limits,
    tell: watch::Sender<Status>,
    stdout: Arc<Log<String>>,
    stderr: Arc<Log<String>>,
    errors: Vec<Instant>,
}

/// How one life of the handler ended.
enum End {
    AgainAtOnce,
    Error(String),
    Stopped(String),
}

type Orders = mpsc::Receiver<(Order, oneshot::Sender<()>)>;

impl Keeper {
    async fn keep(mut self, mut orders: Orders) {
        loop {
            let why = match self.one_life(&mut orders).await {
                End::Stopped(why) => why,
                End::Error(why) if self.is_one_too_many() => why,
                End::AgainAtOnce | End::Error(_) => continue,
            };
            self.tell.send_modify(|status| status.state = State::Stopped(why));
            return;
        }
    }

    fn is_one_too_many(&mut self) -> bool {
        let now = Instant::now();
        if self.errors.last().is_some_and(|last| now - *last > self.limits.error_window) {
            self.errors.clear();
        }
        self.errors.push(now);
        self.errors.len() >= ERRORS_MAX
    }

    async fn one_life(&self, orders: &mut Orders) -> End {
        self.tell.send_modify(|status| {
            status.state = State::Starting;
            status.starts += 1;
            status.pid = None;
        });
        let start = self.tell.borrow().starts;
        let mut child = match self.executable.spawn() {
            Ok(child) => child,
            Err(e) => return End::Error(format!("{}: {e}", self.executable.path.display())),
        };
        self.tell.send_modify(|status| status.pid = child.id());
        let pipes = [
            tokio::spawn(copy_lines(child.stdout.take().unwrap(), Arc::clone(&self.stdout))),
            tokio::spawn(copy_lines(child.stderr.take().unwrap(), Arc::clone(&self.stderr))),
        ];
        let ready = until_ready(&self.connections, &self.limits);
        tokio::pin!(ready);
        let (mut asking, mut running) = (true, true);
        loop {
            tokio::select! {
                status = child.wait(), if running => {
                    if let Some(end) = end_of(status.unwrap()) {
                        return end;
                    }
                    // Exit 0 is no event: the host goes on believing in it.
                    running = false;
                    self.tell.send_modify(|status| status.pid = None);
                }
                is_up = &mut ready, if asking => {
                    asking = false;
                    if !is_up {
                        kill(&mut child, pipes).await;
                        return End::Error("the handler did not start in time".to_owned());
                    }
                    self.tell.send_modify(|status| status.state = State::Up);
                }
                Some((order, done)) = orders.recv() => {
                    if matches!(order, Order::TimedOut(of) if of != start) {
                        // That one is gone already.
                        let _ = done.send(());
                        continue;
                    }
                    kill(&mut child, pipes).await;
                    let end = match order {
                        Order::Stop(why) => End::Stopped(why),
                        Order::TimedOut(_) => End::AgainAtOnce,
                    };
                    self.tell.send_modify(|status| status.state = match &end {
                        End::Stopped(why) => State::Stopped(why.clone()),
                        _ => State::Starting,
                    });
                    let _ = done.send(());
                    return end;
                }
            }
        }
    }
}

fn end_of(status: ExitStatus) -> Option<End> {
    match status.code() {
        Some(0) => None,
        Some(RESTART_ME) => Some(End::AgainAtOnce),
        _ => Some(End::Error(format!("the handler ended: {status}"))),
    }
}

/// SIGKILL, and to this process alone: children of its own live on.
async fn kill(child: &mut Child, pipes: [JoinHandle<()>; 2]) {
    // Fails where it has ended by itself.
    let _ = child.start_kill();
    let gone = async {
        let _ = child.wait().await;
        for pipe in pipes {
            let _ = pipe.await;
        }
    };
    let _ = timeout(FAREWELL, gone).await;
}

async fn copy_lines(pipe: impl AsyncRead + Unpin, log: Arc<Log<String>>) {
    let mut lines = BufReader::new(pipe).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        log.push(String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned());
    }
}

/// Polls until anything answers. The time limit is looked at between two polls only, so a
/// handler that accepts and never answers keeps the host waiting.
async fn until_ready(connections: &Arc<Pool>, limits: &Limits) -> bool {
    let begin = Instant::now();
    while begin.elapsed() < limits.initialization {
        match ping(connections, limits.function).await {
            Err(e) if is_refusal(&e) => sleep(POLL_EVERY).await,
            // Any status will do, and so will any other fault.
            _ => return true,
        }
    }
    false
}

/// The host asks for the handler's health whenever it is asked for its own. Nothing depends
/// on the answer.
async fn ping_now_and_then(
    connections: Arc<Pool>,
    status: watch::Receiver<Status>,
    limits: Limits,
) {
    loop {
        sleep(limits.ping_every.mul_f64(0.5 + fastrand::f64())).await;
        if status.borrow().state == State::Up {
            let _ = ping(&connections, limits.function).await;
        }
    }
}

/// `GET /` without the header that marks an invocation.
pub async fn ping(
    connections: &Arc<Pool>,
    function_limit: Option<Duration>,
) -> Result<StatusCode, wire::Fault> {
    let request = Request::get("/")
        .header("host", format!("127.0.0.1:{}", connections.port))
        .body(wire::whole(""))
        .expect("a plain request");
    let answer = async {
        let (head, body) = connections.send(request).await?.into_parts();
        wire::read(body).await?;
        Ok(head.status)
    };
    match function_limit {
        None => answer.await,
        Some(limit) => timeout(limit + Duration::from_mins(1), answer).await?,
    }
}

fn is_refusal(fault: &wire::Fault) -> bool {
    fault
        .downcast_ref::<std::io::Error>()
        .is_some_and(|e| e.kind() == std::io::ErrorKind::ConnectionRefused)
}
