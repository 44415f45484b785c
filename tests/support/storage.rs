//! A stand-in for Blob Storage on a socket: the few requests that are made of it, and answers
//! that a real one gives only on a bad day. What the real protocol is, Azurite tells.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use azure_core::time::{OffsetDateTime, to_rfc7231};
use percent_encoding::percent_decode_str;

/// A token that it takes.
pub const SAS: &str = "sv=2020-01-01&sig=c2lnbmVk%2Bby%3D";

/// A bad day.
#[derive(Debug, Clone)]
pub enum Fault {
    /// This status, with this code.
    Status(u16, &'static str),
    /// So many bytes of the answer's body, then the end of the connection.
    Cut(usize),
    /// The end of the connection without a word.
    HangUp,
    /// Nothing, until the other side hangs up.
    Stall,
    /// All of it, whatever part was asked for.
    Whole,
    /// Somewhere else.
    Redirect(String),
}

#[derive(Debug, Clone)]
struct Stored {
    bytes: Arc<Vec<u8>>,
    etag: String,
    modified: SystemTime,
}

#[derive(Debug, Default)]
struct State {
    /// By `container/name`.
    blobs: BTreeMap<String, Stored>,
    containers: Vec<String>,
    /// Pieces that are not in place, by path and id.
    blocks: HashMap<(String, String), Vec<u8>>,
    faults: VecDeque<Fault>,
    /// Whether nobody may write.
    is_read_only: bool,
    /// Of ranges that are not the first.
    faults_behind: VecDeque<Fault>,
    /// `GET container/name bytes=0-9`
    asked: Vec<String>,
    writes: usize,
    at_once: usize,
    most_at_once: usize,
}

/// Serves until the process ends.
#[derive(Debug, Clone)]
pub struct Storage {
    /// The address of its one account.
    pub url: String,
    state: Arc<Mutex<State>>,
}

impl Storage {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/devstoreaccount1", listener.local_addr().unwrap());
        let storage = Self { url, state: Arc::default() };
        let serving = storage.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, storage) = (stream.unwrap(), serving.clone());
                // Whoever asked may hang up at any point.
                std::thread::spawn(move || drop(storage.serve(&stream)));
            }
        });
        storage
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Puts a blob in place, whole at once.
    pub fn put(&self, path: &str, bytes: impl Into<Vec<u8>>) {
        let mut state = self.state();
        state.writes += 1;
        let etag = format!("0x8DE{:013X}", state.writes);
        state.store(path, bytes.into(), etag);
    }

    /// The same with a state that somebody else has given it.
    pub fn put_as(&self, path: &str, bytes: impl Into<Vec<u8>>, etag: &str) {
        self.state().store(path, bytes.into(), etag.trim_matches('"').to_owned());
    }

    pub fn delete(&self, path: &str) {
        self.state().blobs.remove(path);
    }

    pub fn get(&self, path: &str) -> Option<Vec<u8>> {
        self.state().blobs.get(path).map(|blob| blob.bytes.to_vec())
    }

    /// The address of a blob whose name needs no escapes.
    pub fn address(&self, path: &str) -> String {
        format!("{}/{path}", self.url)
    }

    /// The next requests meet these.
    pub fn meet(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state().faults.extend(faults);
    }

    /// How many blobs, or ranges, were read at the same time, at the most.
    pub fn most_at_once(&self) -> usize {
        self.state().most_at_once
    }

    /// The same of ranges that are not the first of a blob.
    pub fn meet_behind(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state().faults_behind.extend(faults);
    }

    /// From now on nobody may write.
    pub fn be_read_only(&self) {
        self.state().is_read_only = true;
    }

    /// The bad days are over.
    pub fn recover(&self) {
        let mut state = self.state();
        state.faults.clear();
        state.faults_behind.clear();
    }

    /// What was asked since the last look.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state().asked)
    }

    fn serve(&self, stream: &TcpStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(Duration::from_mins(1)))?;
        let mut reader = BufReader::new(stream.try_clone()?);
        while let Some(request) = Request::read(&mut reader)? {
            let is_read = request.method == "GET";
            if is_read {
                self.begins();
            }
            let answer = self.answer(&request);
            if answer.is_stalled {
                // Until there is an end of it, or the patience of a test.
                reader.fill_buf()?;
                return Ok(());
            }
            let sent = answer.send(stream, request.method == "HEAD");
            self.state().at_once -= usize::from(is_read);
            if !sent? {
                return Ok(());
            }
        }
        Ok(())
    }

    fn begins(&self) {
        let mut state = self.state();
        state.at_once += 1;
        state.most_at_once = state.most_at_once.max(state.at_once);
    }

    fn answer(&self, request: &Request) -> Answer {
        let mut state = self.state();
        let Request { method, path, headers, .. } = request;
        let range = headers.get("x-ms-range").or_else(|| headers.get("range"));
        let shown = range.map(|range| format!(" {range}")).unwrap_or_default();
        state.asked.push(format!("{method} {path}{shown}"));
        let is_behind = range.is_some_and(|range| !range.starts_with("bytes=0-"));
        let fault = if is_behind { state.faults_behind.pop_front() } else { None };
        match fault.or_else(|| state.faults.pop_front()) {
            None => {}
            Some(Fault::Status(status, code)) => return Answer::failed(status, code),
            Some(Fault::Whole) => {
                return Answer { status: 200, ..state.answer(&request.without_range()) };
            }
            Some(Fault::Stall) => return Answer { is_stalled: true, ..Answer::failed(500, "") },
            Some(Fault::HangUp) => return Answer { cut: Some(0), ..Answer::failed(500, "") },
            Some(Fault::Cut(bytes)) => return Answer { cut: Some(bytes), ..state.answer(request) },
            Some(Fault::Redirect(to)) => {
                return Answer::new(307, Vec::new()).with("location", &to);
            }
        }
        if !request.query.contains("sig=") && !headers.contains_key("authorization") {
            return Answer::failed(403, "AuthenticationFailed");
        }
        if state.is_read_only && request.method == "PUT" {
            return Answer::failed(403, "AuthorizationPermissionMismatch");
        }
        state.answer(request)
    }
}

impl State {
    fn store(&mut self, path: &str, bytes: Vec<u8>, etag: String) {
        let container = path.split('/').next().unwrap_or_default().to_owned();
        self.containers.push(container);
        let stored = Stored { bytes: Arc::new(bytes), etag, modified: SystemTime::now() };
        self.blobs.insert(path.to_owned(), stored);
    }

    fn answer(&mut self, request: &Request) -> Answer {
        let Request { method, path, query, body, .. } = request;
        let container = path.split('/').next().unwrap_or_default().to_owned();
        let is_there = self.containers.contains(&container);
        match (method.as_str(), query) {
            ("PUT", query) if query.contains("restype=container") => {
                self.containers.push(container);
                Answer::new(201, Vec::new())
            }
            (_, query) if query.contains("restype=container") && is_there => {
                Answer::new(200, Vec::new())
            }
            _ if !is_there => Answer::failed(404, "ContainerNotFound"),
            ("PUT", query) if query.contains("comp=blocklist") => {
                let list = String::from_utf8_lossy(body).into_owned();
                let ids = list.split("<Latest>").skip(1).map(|rest| rest.split('<').next());
                let mut whole = Vec::new();
                for id in ids.flatten() {
                    match self.blocks.remove(&(path.clone(), id.to_owned())) {
                        Some(block) => whole.extend(block),
                        None => return Answer::failed(400, "InvalidBlockList"),
                    }
                }
                self.writes += 1;
                let etag = format!("0x8DE{:013X}", self.writes);
                self.store(path, whole, etag);
                Answer::new(201, Vec::new())
            }
            ("PUT", query) => {
                let id = query.split('&').find_map(|pair| pair.strip_prefix("blockid="));
                let id = percent_decode_str(id.unwrap_or_default()).decode_utf8().unwrap();
                self.blocks.insert((path.clone(), id.into_owned()), body.clone());
                Answer::new(201, Vec::new())
            }
            _ => self.read(request),
        }
    }

    fn read(&self, request: &Request) -> Answer {
        let Some(blob) = self.blobs.get(&request.path) else {
            return Answer::failed(404, "BlobNotFound");
        };
        let header = |name| request.headers.get(name);
        if header("if-match").is_some_and(|etag| etag.trim_matches('"') != blob.etag) {
            return Answer::failed(412, "ConditionNotMet");
        }
        let all = blob.bytes.len();
        let range = header("x-ms-range").or_else(|| header("range")).map(|text| {
            let (from, to) = text.trim_start_matches("bytes=").split_once('-').unwrap();
            let to = to.parse().map_or(all, |to: usize| all.min(to + 1));
            (from.parse::<usize>().unwrap(), to)
        });
        let (status, from, to) = match range {
            Some((from, _)) if from >= all => return Answer::failed(416, "InvalidRange"),
            Some((from, to)) => (206, from, to),
            None => (200, 0, all),
        };
        let modified = to_rfc7231(&OffsetDateTime::from(blob.modified));
        let answer = Answer::new(status, blob.bytes[from..to].to_vec())
            .with("etag", &format!("\"{}\"", blob.etag))
            .with("last-modified", &modified)
            .with("x-ms-blob-type", "BlockBlob");
        match status {
            206 => answer.with("content-range", &format!("bytes {from}-{}/{all}", to - 1)),
            _ => answer,
        }
    }
}

#[derive(Clone)]
struct Request {
    method: String,
    /// `container/name`, decoded.
    path: String,
    query: String,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

impl Request {
    fn without_range(&self) -> Self {
        let mut whole = self.clone();
        whole.headers.retain(|name, _| !name.ends_with("range"));
        whole
    }

    fn read(reader: &mut BufReader<TcpStream>) -> std::io::Result<Option<Self>> {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut words = line.split_whitespace();
        let (method, target) = (words.next().unwrap().to_owned(), words.next().unwrap());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = percent_decode_str(path).decode_utf8().unwrap();
        let path = path.trim_start_matches("/devstoreaccount1/").to_owned();
        let query = query.to_owned();
        let mut headers = HashMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.insert(name.to_lowercase(), value.trim().to_owned());
        }
        let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        Ok(Some(Self { method, path, query, headers, body }))
    }
}

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    cut: Option<usize>,
    is_stalled: bool,
}

impl Answer {
    fn new(status: u16, body: Vec<u8>) -> Self {
        Self { status, headers: Vec::new(), body, cut: None, is_stalled: false }
    }

    fn failed(status: u16, code: &str) -> Self {
        let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code></Error>");
        let kind = "application/xml";
        Self::new(status, body.into()).with("x-ms-error-code", code).with("content-type", kind)
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Whether the connection is still good for another request.
    fn send(&self, mut stream: &TcpStream, is_head: bool) -> std::io::Result<bool> {
        if self.cut == Some(0) {
            return Ok(false);
        }
        let lines = self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
        let lines: String = lines.collect();
        let (status, length) = (self.status, self.body.len());
        let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n{lines}\r\n");
        stream.write_all(head.as_bytes())?;
        if !is_head {
            let sent = self.cut.map_or(self.body.len(), |cut| cut.min(self.body.len()));
            stream.write_all(&self.body[..sent])?;
        }
        Ok(self.cut.is_none())
    }
}
