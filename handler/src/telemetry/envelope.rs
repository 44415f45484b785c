//! What is sent besides spans and lines, in the form that Application Insights takes: metrics
//! that were added up already, and the event of `handler doctor`.
//!
//! The exporter makes envelopes of spans and log records. It takes metrics only from the
//! instruments of its SDK, which would count each request for a second time, under a lock.

use std::time::SystemTime;

use azure_core::time::{OffsetDateTime, to_rfc3339};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::ingestion::{Ingestion, Unsent};
use super::names::PROBE;

/// Values that are sent at once.
const POINTS_MAX: usize = 500;

/// Whose telemetry it is.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The instrumentation key.
    pub key: String,
    /// What the instances are called together.
    pub role: String,
    /// Which of them this is.
    pub instance: String,
}

/// A value of a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// The metric's name.
    pub name: &'static str,
    /// Its dimensions.
    pub dimensions: Vec<(&'static str, String)>,
    /// The sum.
    pub sum: f64,
    /// Of how many.
    pub count: u64,
    /// The least and the most of them.
    pub bounds: Option<(f64, f64)>,
}

fn envelope(origin: &Origin, kind: &str, base: &str, data: &Value, at: SystemTime) -> Value {
    json!({
        "name": format!("Microsoft.ApplicationInsights.{kind}"),
        "time": moment(at),
        "iKey": origin.key,
        "tags": {
            "ai.cloud.role": origin.role,
            "ai.cloud.roleInstance": origin.instance,
            "ai.application.ver": env!("CARGO_PKG_VERSION"),
            "ai.internal.sdkVersion": concat!("vitrine:", env!("CARGO_PKG_VERSION")),
        },
        "data": {"baseType": base, "baseData": data},
    })
}

/// RFC 3339. Years beyond 9999 are none of ours.
fn moment(at: SystemTime) -> String {
    to_rfc3339(&OffsetDateTime::from(at))
}

impl Point {
    fn envelope(&self, origin: &Origin, at: SystemTime) -> Value {
        let mut metric = json!({
            "name": self.name,
            "kind": "Aggregation",
            "value": self.sum,
            "count": self.count,
        });
        if let Some((least, most)) = self.bounds {
            metric["min"] = least.into();
            metric["max"] = most.into();
        }
        let properties: Map<_, _> = self
            .dimensions
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str())))
            .collect();
        let data = json!({"ver": 2, "metrics": [metric], "properties": properties});
        envelope(origin, "Metric", "MetricData", &data, at)
    }
}

/// Sends values of metrics; tells how many were left out by the place.
pub async fn send(to: &Ingestion, origin: &Origin, points: &[Point]) -> Result<u64, Unsent> {
    let at = SystemTime::now();
    let mut left_out = 0;
    for points in points.chunks(POINTS_MAX) {
        let envelopes: Vec<_> = points.iter().map(|point| point.envelope(origin, at)).collect();
        left_out += post(to, &envelopes).await?;
    }
    Ok(left_out)
}

/// Sends one event, and fails if it is not said to have arrived.
pub async fn prove(to: &Ingestion, origin: &Origin) -> Result<(), Unsent> {
    let data = json!({"ver": 2, "name": PROBE});
    let event = envelope(origin, "Event", "EventData", &data, SystemTime::now());
    match post(to, &[event]).await? {
        0 => Ok(()),
        _ => Err(Unsent::Doubtful),
    }
}

/// What the place says of a batch.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Taken {
    items_received: u64,
    items_accepted: u64,
}

async fn post(to: &Ingestion, envelopes: &[Value]) -> Result<u64, Unsent> {
    let sent = envelopes.len() as u64;
    let (status, answer) = to.post(pack(envelopes)).await?;
    if !matches!(status, StatusCode::OK | StatusCode::PARTIAL_CONTENT) {
        return Err(Unsent::Refused(status));
    }
    let taken: Taken = serde_json::from_slice(&answer).map_err(|_| Unsent::Doubtful)?;
    if taken.items_received != sent {
        return Err(Unsent::Doubtful);
    }
    Ok(sent.saturating_sub(taken.items_accepted))
}

fn pack(envelopes: &[Value]) -> Bytes {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    let packed = serde_json::to_writer(&mut gzip, envelopes)
        .map_err(std::io::Error::from)
        .and_then(|()| gzip.finish());
    packed.expect("values with text keys, written to memory").into()
}
