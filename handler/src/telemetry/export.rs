//! The export to Application Insights: from the settings to a thread that sends.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use opentelemetry::logs::LoggerProvider as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_application_insights::Exporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{SdkLogger, SdkLoggerProvider};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, SpanExporter as _};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::envelope::{self, Origin};
use super::ingestion::{Ingestion, Way};
use super::metrics::Sent;
use super::pump::{Pump, Queue};
use super::weights::Weights;
use super::whole::Marking;
use crate::app::App;
use crate::settings::Telemetry;

/// How much later a process ends for what is still to be sent.
const END_WITHIN: Duration = Duration::from_secs(2);
/// How much an event may take that proves that one arrives.
const PROVED_WITHIN: Duration = Duration::from_secs(8);
/// What spans and lines are said to come from.
const SCOPE: &str = "vitrine";

/// By which requests are told of that were not traced.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Nothing, unless something is exported.
pub(super) fn tracer() -> Option<&'static SdkTracer> {
    TRACER.get()
}

/// What is exported, and its end.
pub struct Export {
    app: Arc<OnceLock<App>>,
    end: oneshot::Sender<oneshot::Sender<()>>,
}

/// What the subscriber hands things to.
pub(super) struct Ways {
    pub(super) tracer: SdkTracer,
    pub(super) logger: SdkLogger,
}

impl Export {
    /// Begins to export. Waits for nothing and nobody.
    pub(super) fn begin(settings: &Telemetry) -> Result<(Self, Ways), String> {
        let origin = origin(settings);
        let resource = resource(&origin);
        let ingestion = Arc::new(Ingestion::at(&settings.endpoint)?);
        let mut exporter = exporter(settings, &ingestion)?;
        exporter.set_resource(&resource);
        let (queue, waiting) = Queue::new();
        let tracers = SdkTracerProvider::builder()
            .with_sampler(Marking)
            .with_span_processor(queue.clone())
            .with_resource(resource.clone())
            .build();
        let loggers =
            SdkLoggerProvider::builder().with_log_processor(queue).with_resource(resource).build();
        let tracer = tracers.tracer(SCOPE);
        let logger = loggers.logger_with_scope(InstrumentationScope::builder(SCOPE).build());
        let app = Arc::<OnceLock<App>>::default();
        let pump = Pump {
            waiting,
            exporter,
            ingestion,
            origin,
            app: Arc::clone(&app),
            weights: Weights::default(),
            sent: Sent::default(),
            lost: (0, String::new()),
        };
        let (end, ended) = oneshot::channel();
        // The exporter waits in places where a runtime's own threads must not.
        std::thread::Builder::new()
            .name("telemetry".to_owned())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                match runtime {
                    Ok(runtime) => runtime.block_on(pump.run(ended)),
                    Err(e) => tracing::error!(target: super::report::ABOUT_US, "no export: {e}"),
                }
            })
            .map_err(|e| e.to_string())?;
        TRACER.get_or_init(|| tracer.clone());
        Ok((Self { app, end }, Ways { tracer, logger }))
    }

    /// From now on this is measured.
    pub fn measure(&self, app: &App) {
        self.app.get_or_init(|| app.clone());
    }

    /// Sends what is left, for as long as a process that ends can wait.
    pub async fn end(self) {
        let (done, ended) = oneshot::channel();
        if self.end.send(done).is_ok() && tokio::time::timeout(END_WITHIN, ended).await.is_err() {
            tracing::debug!(target: super::report::ABOUT_US, "some telemetry is left behind");
        }
    }
}

/// Sends one event and waits until it is said to have arrived.
pub async fn prove(settings: &Telemetry) -> Result<(), String> {
    let ingestion = Ingestion::at(&settings.endpoint)?;
    let origin = origin(settings);
    let proving = envelope::prove(&ingestion, &origin);
    match tokio::time::timeout(PROVED_WITHIN, proving).await {
        Ok(proved) => proved.map_err(|e| e.to_string()),
        Err(_) => Err("it took too long".to_owned()),
    }
}

fn origin(settings: &Telemetry) -> Origin {
    Origin {
        key: settings.key.clone(),
        role: settings.role.clone(),
        instance: Uuid::new_v4().to_string(),
    }
}

fn resource(origin: &Origin) -> Resource {
    let attributes = [
        KeyValue::new("service.instance.id", origin.instance.clone()),
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
    ];
    // Not the default one, which reads variables of its own.
    Resource::builder_empty()
        .with_service_name(origin.role.clone())
        .with_attributes(attributes)
        .build()
}

fn exporter(settings: &Telemetry, to: &Arc<Ingestion>) -> Result<Exporter<Way>, String> {
    // The exporter knows fewer forms than there are, and only https; where to send it is the
    // client that decides.
    let place = format!("InstrumentationKey={}", settings.key);
    Exporter::new_from_connection_string(place, Way(Arc::clone(to))).map_err(|e| e.to_string())
}
