//! The thread that exports, on a runtime of its own: whatever becomes of it, no request waits.
//!
//! Spans and lines come by a queue of bounded length; what finds no place is counted and let go.
//! Metrics are read every minute.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use opentelemetry::{Context, InstrumentationScope};
use opentelemetry_application_insights::Exporter;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogBatch, LogExporter, LogProcessor, SdkLogRecord};
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter, SpanProcessor};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at, timeout};

use super::envelope::{self, Origin};
use super::ingestion::{Ingestion, Way};
use super::metrics::{Reading, Sent};
use super::report::ABOUT_US;
use super::sampling::SAMPLER;
use super::weights::{Seen, Weights};
use crate::app::App;

/// Spans and lines that wait. Each is about 1 kB.
const QUEUE_MAX: usize = 2_048;
/// Spans and lines that go at once.
const BATCH_MAX: usize = 256;
/// How long they wait for others.
const BATCH_EVERY: Duration = Duration::from_secs(5);
/// Metrics are read so often: Application Insights keeps them by the minute.
const METRICS_EVERY: Duration = Duration::from_mins(1);
/// How long a batch may be tried. The queue takes what comes meanwhile.
const TRIED_FOR: Duration = Duration::from_secs(20);
/// What is on its way when the process ends may take so long.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// A line each time would only add to what is wrong.
const TOLD_EVERY: Duration = Duration::from_mins(1);

/// Something that goes out.
#[derive(Debug)]
pub enum Item {
    /// A span that has ended.
    Span(Box<SpanData>),
    /// A line of the log.
    Line(Box<(SdkLogRecord, InstrumentationScope)>),
}

/// The way to the thread.
#[derive(Debug, Clone)]
pub struct Queue {
    items: mpsc::Sender<Item>,
    dropped: Arc<AtomicU64>,
}

impl Queue {
    /// An empty one, and its other end.
    pub fn new() -> (Self, Waiting) {
        let (items, waiting) = mpsc::channel(QUEUE_MAX);
        let dropped = Arc::<AtomicU64>::default();
        (Self { items, dropped: Arc::clone(&dropped) }, Waiting { items: waiting, dropped })
    }

    fn put(&self, item: Item) {
        if self.items.try_send(item).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What waits.
#[derive(Debug)]
pub struct Waiting {
    items: mpsc::Receiver<Item>,
    dropped: Arc<AtomicU64>,
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.put(Item::Span(Box::new(span)));
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl LogProcessor for Queue {
    fn emit(&self, line: &mut SdkLogRecord, scope: &InstrumentationScope) {
        self.put(Item::Line(Box::new((line.clone(), scope.clone()))));
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }
}

/// What is to be done next.
enum Turn {
    Items,
    Metrics,
    Telling,
}

/// Lets so many things a second be traced.
async fn refill() {
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        seconds.tick().await;
        SAMPLER.fill();
    }
}

/// What exports.
pub struct Pump {
    pub(super) waiting: Waiting,
    pub(super) exporter: Exporter<Way>,
    pub(super) ingestion: Arc<Ingestion>,
    pub(super) origin: Origin,
    /// What is measured, once it is there.
    pub(super) app: Arc<OnceLock<App>>,
    pub(super) weights: Weights,
    pub(super) sent: Sent,
    /// What did not get there since it was last told of, and why the last of it did not.
    pub(super) lost: (u64, String),
}

impl Pump {
    /// Exports until it is told to end, then what is left.
    pub async fn run(mut self, mut end: oneshot::Receiver<oneshot::Sender<()>>) {
        let now = Instant::now();
        let mut batches = interval_at(now + BATCH_EVERY, BATCH_EVERY);
        let mut minutes = interval_at(now + METRICS_EVERY, METRICS_EVERY);
        let mut tells = interval_at(now + TOLD_EVERY, TOLD_EVERY);
        for ticks in [&mut batches, &mut minutes, &mut tells] {
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        }
        let refill = tokio::spawn(refill());
        let ingestion = Arc::clone(&self.ingestion);
        let ended = loop {
            let turn = tokio::select! {
                _ = batches.tick() => Turn::Items,
                _ = minutes.tick() => Turn::Metrics,
                _ = tells.tick() => Turn::Telling,
                ended = &mut end => break ended,
            };
            let mut work = pin!(self.take(turn));
            tokio::select! {
                () = &mut work => {}
                ended = &mut end => {
                    ingestion.end();
                    // One that is about to arrive would be sent twice. It may be lost.
                    let _ = timeout(LAST_WORDS, work).await;
                    break ended;
                }
            }
        };
        refill.abort();
        SAMPLER.end();
        ingestion.end();
        self.send_metrics().await;
        self.send_items().await;
        self.tell();
        if let Ok(done) = ended {
            // Whoever waited may have gone.
            let _ = done.send(());
        }
    }

    async fn take(&mut self, turn: Turn) {
        match turn {
            Turn::Items => self.send_items().await,
            Turn::Metrics => self.send_metrics().await,
            Turn::Telling => self.tell(),
        }
    }

    async fn send_items(&mut self) {
        // What comes meanwhile is for the next time: an end must be met.
        for _ in 0..QUEUE_MAX.div_ceil(BATCH_MAX) {
            let (mut spans, mut lines) = (Vec::new(), Vec::new());
            while spans.len() + lines.len() < BATCH_MAX {
                match self.waiting.items.try_recv() {
                    Ok(Item::Span(span)) => spans.push(*span),
                    Ok(Item::Line(line)) => lines.push(*line),
                    Err(_) => break,
                }
            }
            if spans.is_empty() && lines.is_empty() {
                return;
            }
            self.send_spans(spans).await;
            self.send_lines(&lines).await;
        }
    }

    async fn send_spans(&mut self, spans: Vec<SpanData>) {
        let seen = self.app.get().map_or_else(Seen::default, |app| Seen {
            requests: app.activity.requests.total(),
            odd: SAMPLER.odd_ones(),
        });
        for (share, spans) in self.weights.weigh(spans, seen) {
            let count = spans.len();
            let exporter = self.exporter.clone().with_sample_rate(share);
            let sent = timeout(TRIED_FOR, SpanExporter::export(&exporter, spans)).await;
            self.note(count, sent);
        }
    }

    async fn send_lines(&mut self, lines: &[(SdkLogRecord, InstrumentationScope)]) {
        if lines.is_empty() {
            return;
        }
        let borrowed: Vec<_> = lines.iter().map(|(line, scope)| (line, scope)).collect();
        let sent =
            timeout(TRIED_FOR, LogExporter::export(&self.exporter, LogBatch::new(&borrowed))).await;
        self.note(lines.len(), sent);
    }

    fn note(&mut self, count: usize, sent: Result<OTelSdkResult, tokio::time::error::Elapsed>) {
        let why = match sent {
            Ok(Ok(())) => return,
            Ok(Err(e)) => e.to_string(),
            Err(_) => "it took too long".to_owned(),
        };
        self.lost = (self.lost.0 + count as u64, why);
    }

    async fn send_metrics(&mut self) {
        let Some(app) = self.app.get() else { return };
        let now = Reading::of(app);
        let points = self.sent.until(&now);
        if points.is_empty() {
            return;
        }
        match envelope::send(&self.ingestion, &self.origin, &points).await {
            Ok(left_out) => {
                self.sent.are(now);
                if left_out > 0 {
                    self.lost = (self.lost.0 + left_out, "it did not take them".to_owned());
                }
            }
            // They are in the next values.
            Err(e) => self.lost.1 = e.to_string(),
        }
    }

    /// Tells of what was lost, if anything was.
    fn tell(&mut self) {
        let dropped = self.waiting.dropped.swap(0, Ordering::Relaxed);
        let (lost, why) = std::mem::take(&mut self.lost);
        if dropped == 0 && lost == 0 && why.is_empty() {
            return;
        }
        let why = if why.is_empty() { "more came than goes out".to_owned() } else { why };
        tracing::warn!(
            target: ABOUT_US,
            lost = lost + dropped,
            "telemetry does not all arrive: {why}"
        );
    }
}
