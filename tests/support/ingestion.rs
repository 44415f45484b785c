//! A stand-in for the place where Application Insights takes telemetry in. It unpacks what comes
//! and keeps it, and can be away, slow and wrong in every way that such a place can be.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::process::Serving;

pub const KEY: &str = "00000000-0000-0000-0000-00000000abcd";
/// Longer than anything waits for a batch, on a machine under load.
const PATIENCE: Duration = Duration::from_mins(1);

/// What becomes of what is posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// It is taken.
    Takes,
    /// The last item is left, for good.
    LeavesOne,
    /// It is answered with this status, and nothing is taken.
    Answers(u16),
    /// The answer is none that anybody understands.
    Babbles,
    /// The answer never ends.
    Floods,
    /// The connection is taken, and nothing comes of it.
    IsSilent,
    /// The connection ends.
    HangsUp,
}

pub struct Ingestion {
    pub address: String,
    taken: Arc<Mutex<Vec<Value>>>,
    /// Every byte that came, unpacked.
    bytes: Arc<Mutex<Vec<u8>>>,
    posts: Arc<Mutex<usize>>,
    mood: Arc<Mutex<Mood>>,
    serving: JoinHandle<()>,
}

impl Ingestion {
    pub async fn that(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mood = Arc::new(Mutex::new(mood));
        let (taken, bytes, posts) = (Arc::default(), Arc::default(), Arc::default());
        let post = Post {
            taken: Arc::clone(&taken),
            bytes: Arc::clone(&bytes),
            posts: Arc::clone(&posts),
            mood: Arc::clone(&mood),
        };
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let post = post.clone();
                tokio::spawn(async move {
                    // The other side may be gone at any point.
                    let _ = post.take(stream).await;
                });
            }
        });
        Self { address, taken, bytes, posts, mood, serving }
    }

    /// As the operator writes it, ending as Azure ends it.
    pub fn connection_string(&self) -> String {
        format!("InstrumentationKey={KEY};IngestionEndpoint=http://{}/;", self.address)
    }

    pub fn becomes(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// How often something was posted, whatever became of it.
    pub fn posts(&self) -> usize {
        *self.posts.lock().unwrap()
    }

    /// All that was taken, in the order in which it came.
    pub fn taken(&self) -> Vec<Envelope> {
        self.taken.lock().unwrap().iter().cloned().map(Envelope).collect()
    }

    /// Those of a kind, `RequestData` say.
    pub fn of_kind(&self, kind: &str) -> Vec<Envelope> {
        self.taken().into_iter().filter(|envelope| envelope.kind() == kind).collect()
    }

    /// How many there are of each kind.
    pub fn kinds(&self) -> BTreeMap<String, usize> {
        let mut kinds = BTreeMap::new();
        for envelope in self.taken() {
            *kinds.entry(envelope.kind().to_owned()).or_default() += 1;
        }
        kinds
    }

    /// The sum of a metric whose dimensions have these values among them.
    pub fn sum(&self, name: &str, dimensions: &[(&str, &str)]) -> f64 {
        let all = self.of_kind("MetricData");
        let is_meant = |envelope: &&Envelope| {
            envelope.base()["metrics"][0]["name"] == name
                && dimensions.iter().all(|(name, value)| envelope.property(name) == *value)
        };
        all.iter().filter(is_meant).map(|e| e.base()["metrics"][0]["value"].as_f64().unwrap()).sum()
    }

    /// How many requests of a route the metrics count.
    pub fn sum_of_counts(&self, route: &str) -> f64 {
        self.counts(|envelope| envelope.property("route") == route)
    }

    /// How many requests of clients the metrics count.
    pub fn sum_of_counts_of_all(&self) -> f64 {
        self.counts(|_| true)
    }

    fn counts(&self, is_meant: impl Fn(&Envelope) -> bool) -> f64 {
        let all = self.of_kind("MetricData");
        let of_requests = all.iter().filter(|envelope| {
            envelope.base()["metrics"][0]["name"] == "vitrine.request.duration"
                && is_meant(envelope)
        });
        of_requests.map(|e| e.base()["metrics"][0]["count"].as_f64().unwrap()).sum()
    }

    /// Asks until a request is told of: the export has begun.
    pub async fn until_traced(&self, serving: &Serving) {
        let began = Instant::now();
        while self.of_kind("RequestData").is_empty() {
            assert!(began.elapsed() < PATIENCE, "nothing is told of: {:?}", self.kinds());
            serving.get("/health").await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Asks until something is posted.
    pub async fn until_posted(&self, serving: &Serving) {
        let began = Instant::now();
        while self.posts() == 0 {
            assert!(began.elapsed() < PATIENCE, "nothing is posted");
            serving.get("/health").await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Whether a text has come, wherever.
    pub fn has_seen(&self, text: &str) -> bool {
        let bytes = self.bytes.lock().unwrap();
        bytes.windows(text.len()).any(|window| window.eq_ignore_ascii_case(text.as_bytes()))
    }

    pub async fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let began = Instant::now();
        while !is_so(self) {
            assert!(began.elapsed() < PATIENCE, "no {what}: {:?}", self.kinds());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Ingestion {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Something that came.
#[derive(Debug, Clone)]
pub struct Envelope(pub Value);

impl Envelope {
    pub fn kind(&self) -> &str {
        self.0["data"]["baseType"].as_str().unwrap()
    }

    pub fn base(&self) -> &Value {
        &self.0["data"]["baseData"]
    }

    pub fn name(&self) -> &str {
        self.base()["name"].as_str().unwrap_or_default()
    }

    pub fn property(&self, name: &str) -> &str {
        self.base()["properties"][name].as_str().unwrap_or_default()
    }

    /// How many of its likes it stands for.
    pub fn weight(&self) -> f64 {
        100.0 / self.0["sampleRate"].as_f64().unwrap()
    }

    pub fn tag(&self, name: &str) -> &str {
        self.0["tags"][name].as_str().unwrap_or_default()
    }
}

#[derive(Clone)]
struct Post {
    taken: Arc<Mutex<Vec<Value>>>,
    bytes: Arc<Mutex<Vec<u8>>>,
    posts: Arc<Mutex<usize>>,
    mood: Arc<Mutex<Mood>>,
}

impl Post {
    async fn take(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut come = Vec::new();
        let (head, body) = loop {
            if let Some(whole) = parse(&come) {
                break whole;
            }
            if stream.read_buf(&mut come).await? == 0 {
                return Ok(());
            }
        };
        *self.posts.lock().unwrap() += 1;
        assert!(head.starts_with("POST /v2/track HTTP/1.1"), "{head}");
        assert!(head.to_ascii_lowercase().contains("content-encoding: gzip"), "{head}");
        let mut text = Vec::new();
        GzDecoder::new(&body[..]).read_to_end(&mut text).unwrap();
        self.bytes.lock().unwrap().extend_from_slice(&text);
        self.bytes.lock().unwrap().extend_from_slice(head.as_bytes());
        let items: Vec<Value> = serde_json::from_slice(&text).unwrap();
        assert!(items.iter().all(|item| item["iKey"] == KEY));
        let count = items.len();
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::Takes => {
                self.taken.lock().unwrap().extend(items);
                answer(&mut stream, 200, &accepted(count, count)).await?;
            }
            Mood::LeavesOne => {
                self.taken.lock().unwrap().extend(items.into_iter().take(count - 1));
                answer(&mut stream, 206, &accepted(count, count - 1)).await?;
            }
            Mood::Answers(status) => answer(&mut stream, status, &accepted(count, 0)).await?,
            Mood::Babbles => answer(&mut stream, 200, "<html>What?</html>").await?,
            Mood::Floods => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n").await?;
                loop {
                    stream.write_all(&[b' '; 8_192]).await?;
                }
            }
            Mood::IsSilent => while stream.read(&mut [0; 64]).await? > 0 {},
            Mood::HangsUp => {}
        }
        stream.shutdown().await
    }
}

fn accepted(received: usize, accepted: usize) -> String {
    let left = (accepted..received).map(|index| json!({"index": index, "statusCode": 400}));
    let left: Vec<_> = left.collect();
    json!({"itemsReceived": received, "itemsAccepted": accepted, "errors": left}).to_string()
}

async fn answer(stream: &mut TcpStream, status: u16, body: &str) -> std::io::Result<()> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await
}

fn parse(come: &[u8]) -> Option<(String, Vec<u8>)> {
    let end = come.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&come[..end]).unwrap();
    let length = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(0, |(_, length)| length.parse().unwrap());
    let body = come[end + 4..].get(..length)?;
    Some((head.to_owned(), body.to_vec()))
}
