//! The real binary, as a new user starts it.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use reqwest::{Client, Method, Response};

/// The release binary where `scripts/test` has built one, else the one of this test run.
pub fn binary() -> PathBuf {
    std::env::var_os("VITRINE_HANDLER")
        .map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_handler")), PathBuf::from)
}

/// The binary with an environment of nothing but the data folder.
pub fn handler(data: &Path) -> Command {
    let mut command = Command::new(binary());
    // Its own folder: a local.settings.json must not be found by accident.
    command.env_clear().env("VITRINE_DATA_DIR", data).current_dir(data.parent().unwrap());
    command
}

pub fn run(command: &mut Command) -> Output {
    command.output().unwrap()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A serving process; killed when the test ends.
pub struct Serving {
    pub url: String,
    pub client: Client,
    lines: std::sync::mpsc::Receiver<String>,
    errors: std::sync::mpsc::Receiver<String>,
    pub child: Child,
}

impl Serving {
    /// Starts `handler serve` on a free port and waits until it tells its address.
    pub fn start(data: &Path) -> Self {
        Self::start_by(handler(data).arg("serve"))
    }

    /// Starts it by a command that ends in `handler serve`.
    pub fn start_by(command: &mut Command) -> Self {
        command.env("VITRINE_LISTEN", "127.0.0.1:0");
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let errors = BufReader::new(child.stderr.take().unwrap()).lines();
        let (complain, complaints) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in errors.map_while(Result::ok) {
                eprintln!("{line}");
                // Nobody may be listening any more.
                let _ = complain.send(line);
            }
        });
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Its lines must go somewhere, or it would wait for a full pipe.
        let (say, heard) = std::sync::mpsc::channel();
        let url = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| {
                let url = line.trim().strip_suffix('/').filter(|url| url.starts_with("http://"));
                let url = url.map(str::to_owned);
                say.send(line).unwrap();
                url
            })
            .expect("a server tells where it listens");
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                // Nobody may be listening any more.
                let _ = say.send(line);
            }
        });
        Self { url, client: Client::new(), lines: heard, errors: complaints, child }
    }

    /// Asks with these headers.
    pub async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    pub async fn get(&self, path: &str) -> Response {
        self.ask(Method::GET, path, &[]).await
    }

    /// Waits for a line with this text on its stdout.
    pub fn until_it_says(&self, text: &str) {
        while !self.lines.recv().expect("it still runs").contains(text) {}
    }

    /// Ends it, and gives every line that it has said since the last one waited for, and all
    /// of its stderr.
    pub fn end(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.lines.iter().chain(self.errors.iter()).collect()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A header's text; empty without one.
pub fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}
