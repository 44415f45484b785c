//! Bytes on a socket, for what no HTTP library would send.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// No answer takes so long on the slowest machine: a test that waits for one that never comes
/// must fail, not hang.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection, and what has come on it but was not read yet.
pub struct Wire {
    stream: TcpStream,
    come: Vec<u8>,
}

/// An answer to a request.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// The status line and the headers, in lower case.
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        let line = self.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_default()
    }
}

impl Wire {
    /// Connects to the server at `http://<address>`.
    pub async fn connect(url: &str) -> Self {
        let address = url.strip_prefix("http://").unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, come: Vec::new() }
    }

    /// Sends these bytes, or as many as the other side waits for before it closes.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sending = self.stream.write_all(bytes.as_ref());
        let _ = timeout(PATIENCE, sending).await.expect("the server reads or closes");
    }

    /// The next answer to a GET; `None` if the connection ends before it is whole.
    pub async fn answer(&mut self) -> Option<Answer> {
        let mut answer = self.answer_to_head().await?;
        let length = answer.header("content-length").parse().unwrap();
        self.until(|come| (come.len() >= length).then_some(())).await?;
        answer.body = self.come.drain(..length).collect();
        Some(answer)
    }

    /// The next answer to a HEAD, which has no body.
    pub async fn answer_to_head(&mut self) -> Option<Answer> {
        let length = self.until(|come| Some(find(come, b"\r\n\r\n")? + 4)).await?;
        let head: Vec<u8> = self.come.drain(..length).collect();
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Some(Answer { status, head, body: Vec::new() })
    }

    /// Waits until the other side closes, and tells how much came before.
    pub async fn closed(&mut self) -> usize {
        while self.read().await {}
        self.come.len()
    }

    async fn until<T>(&mut self, is_there: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
        loop {
            if let Some(found) = is_there(&self.come) {
                return Some(found);
            }
            if !self.read().await {
                return None;
            }
        }
    }

    /// Reads what comes; false at the end, be it an orderly one or not.
    async fn read(&mut self) -> bool {
        let reading = self.stream.read_buf(&mut self.come);
        let read = timeout(PATIENCE, reading).await.expect("the server answers or closes");
        read.is_ok_and(|bytes| bytes > 0)
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
