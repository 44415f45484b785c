//! A Redis server of the test's own, which `TEST_REDIS_SERVER` is the program of.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tracing::subscriber::DefaultGuard;
use uuid::Uuid;
use vitrine::cache::redis::{Login, Patience, Prefix, RedisShared, Target};

use super::certificates;

/// How long a server may take to start on a machine that is busy.
const STARTS_WITHIN: Duration = Duration::from_secs(20);
/// The password of servers that ask for one.
pub const PASSWORD: &str = "hunter2/+=";
/// The format of the pages in tests.
pub const FORMAT: u32 = 7;
/// What no command of a machine under load is late for.
pub const PATIENT: Patience =
    Patience { reading: Duration::from_secs(5), writing: Duration::from_secs(5) };

/// The server; killed when the test ends.
pub struct RedisServer {
    pub port: u16,
    /// Where it speaks TLS, if it does.
    pub tls_port: Option<u16>,
    dir: TempDir,
    arguments: Vec<String>,
    child: Mutex<Child>,
}

impl RedisServer {
    /// One that lets everybody in.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// One with more of its own arguments.
    pub fn start_with(more: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), None, more)
    }

    /// One that asks for [`PASSWORD`] and speaks TLS too, by a certificate that [`Self::ca`]
    /// vouches for.
    pub fn start_with_tls() -> Self {
        let dir = tempfile::tempdir().unwrap();
        certificates::write(&dir);
        let port = free_port();
        // Its folder becomes the current one before they are read, so whole paths.
        let path = |name: &str| dir.path().join(name).display().to_string();
        let tls = [
            "--tls-port",
            &port.to_string(),
            "--tls-cert-file",
            &path("server.crt"),
            "--tls-key-file",
            &path("server.key"),
            "--tls-ca-cert-file",
            &path("ca.crt"),
            "--tls-auth-clients",
            "no",
            "--requirepass",
            PASSWORD,
        ];
        let tls: Vec<_> = tls.iter().map(|argument| (*argument).to_owned()).collect();
        let tls: Vec<_> = tls.iter().map(String::as_str).collect();
        Self::start_in(dir, Some(port), &tls)
    }

    fn start_in(dir: TempDir, tls_port: Option<u16>, more: &[&str]) -> Self {
        let port = free_port();
        let folder = dir.path().display().to_string();
        let mut arguments: Vec<_> =
            ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"].map(str::to_owned).into();
        arguments.extend(["--dir".to_owned(), folder]);
        arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
        let child = Mutex::new(spawn(port, &arguments));
        let server = Self { port, tls_port, dir, arguments, child };
        server.wait();
        server
    }

    /// The authority behind its certificate.
    pub fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.crt")
    }

    /// Waits until it answers.
    fn wait(&self) {
        let began = Instant::now();
        while self.says("PING\r\n").is_none_or(|said| said.starts_with("-LOADING")) {
            assert!(began.elapsed() < STARTS_WITHIN, "the server does not start");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The beginning of what it answers to somebody who has not logged in.
    pub fn says(&self, line: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
        stream.write_all(line.as_bytes()).ok()?;
        let mut said = [0; 64];
        let length = stream.read(&mut said).ok().filter(|length| *length > 0)?;
        Some(String::from_utf8_lossy(&said[..length]).into_owned())
    }

    /// Ends it as a crash would: it loses all it has.
    pub fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Starts it again where it was.
    pub fn restart(&self) {
        *self.child.lock().unwrap() = spawn(self.port, &self.arguments);
        self.wait();
    }

    /// It keeps its connections and does nothing.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    pub fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let process = self.child.lock().unwrap().id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &process]).status().unwrap();
        assert!(sent.success());
    }

    /// What it answers to a command, as the one who may do everything.
    pub fn command(&self, words: &[&str]) -> redis::Value {
        command(&self.url(), words)
    }

    /// The same as a text.
    pub fn text(&self, words: &[&str]) -> String {
        redis::from_redis_value(self.command(words)).unwrap()
    }

    /// The same as a list.
    pub fn list(&self, words: &[&str]) -> Vec<String> {
        redis::from_redis_value(self.command(words)).unwrap()
    }

    /// What it has counted by this name so far, the connection for this question included.
    pub fn statistic(&self, name: &str) -> u64 {
        let stats = self.text(&["INFO", "stats"]);
        let counted = stats.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'));
        counted.unwrap().trim().parse().unwrap()
    }

    /// What it has counted of a command; 0 of one that nobody has sent.
    pub fn command_statistic(&self, command: &str, name: &str) -> u64 {
        let stats = self.text(&["INFO", "commandstats"]);
        let of_command = |l: &str| {
            l.strip_prefix("cmdstat_")?.strip_prefix(command)?.strip_prefix(':').map(str::to_owned)
        };
        let Some(counts) = stats.lines().find_map(of_command) else { return 0 };
        let counted =
            counts.split(',').find_map(|count| count.strip_prefix(name)?.strip_prefix('='));
        counted.unwrap().trim().parse().unwrap()
    }

    /// Where it is, unencrypted, for the one who may do everything.
    pub fn url(&self) -> String {
        let login = if self.tls_port.is_some() { ":hunter2%2F%2B%3D@" } else { "" };
        format!("redis://{login}127.0.0.1:{}", self.port)
    }

    /// The same for the program.
    pub fn target(&self) -> Target {
        let (host, port) = ("127.0.0.1".to_owned(), self.port);
        Target { host, port, is_encrypted: false, database: 0, login: Login::Open }
    }

    /// What an instance shares through it, under a prefix.
    pub fn shared(&self, prefix: &str) -> Arc<RedisShared> {
        begin(self.target(), prefix)
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // It may be dead already.
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// What a server answers to a command of somebody who comes for it alone.
pub fn command(url: &str, words: &[&str]) -> redis::Value {
    let mut connection = redis::Client::open(url).unwrap().get_connection().unwrap();
    redis::cmd(words[0]).arg(&words[1..]).query(&mut connection).unwrap()
}

/// The connections of a kind that others have there: number and user of each.
pub fn clients(url: &str, kind: &str) -> Vec<(u64, String)> {
    let list = command(url, &["CLIENT", "LIST", "TYPE", kind]);
    let list: String = redis::from_redis_value(list).unwrap();
    let field = |line: &str, name: &str| {
        let value = line.split(' ').find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
        value.unwrap().to_owned()
    };
    let own = |line: &&str| field(line, "cmd") != "client|list";
    let client = |line| (field(line, "id").parse().unwrap(), field(line, "user"));
    list.lines().filter(own).map(client).collect()
}

/// What an instance shares there, with deadlines that it keeps on any machine.
pub fn begin(target: Target, prefix: &str) -> Arc<RedisShared> {
    let prefix = Prefix::given(prefix.to_owned());
    Arc::new(RedisShared::begin(target, prefix, FORMAT, PATIENT))
}

/// What this thread logs from here on, while the guard lives.
pub fn log() -> (impl Fn() -> String, DefaultGuard) {
    let file = tempfile::NamedTempFile::new().unwrap();
    let writer = Mutex::new(file.reopen().unwrap());
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(writer).finish();
    let read = move || fs::read_to_string(file.path()).unwrap();
    (read, tracing::subscriber::set_default(subscriber))
}

/// A prefix that no other test has.
pub fn some_prefix() -> String {
    Uuid::new_v4().to_string()
}

fn spawn(port: u16, arguments: &[String]) -> Child {
    let program = std::env::var("TEST_REDIS_SERVER").expect("scripts/services sets it");
    Command::new(program)
        .args(["--port", &port.to_string()])
        .args(arguments)
        .stdout(Stdio::null())
        .spawn()
        .expect("the server's program")
}

/// One that nobody listens on, and that no other test of this process was given. The system gives
/// no connection one below 32,768, so that a server that has died finds it free.
pub fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let port = fastrand::u16(20_000..32_000);
        let is_free = TcpListener::bind(("127.0.0.1", port)).is_ok();
        if is_free && GIVEN.lock().unwrap().insert(port) {
            return port;
        }
    }
}
