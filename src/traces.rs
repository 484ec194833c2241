//! Traces by OpenTelemetry, where the settings ask for them: spans of HTTP requests, posted to a collector from a queue that nobody
//! waits for. What finds it full is dropped and counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry::KeyValue;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_otlp::{Protocol, RetryPolicy, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, Span, SpanData, SpanExporter,
    SpanProcessor,
};
use orderline_web::TraceParent;
use orderline_web::metrics::Sample;
use tracing::{info, warn};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::{Layer, Registry};

use crate::config::TracesConfig;
use crate::log_levels::OWN;
use crate::verb::Refusal;

/// How long a collector may take to answer, and how long an end waits for the spans that are left.
const EXPORT_WITHIN: Duration = Duration::from_secs(5);

/// See there.
const STOP_WITHIN: Duration = Duration::from_secs(2);

/// How often spans are posted at least, and how many at once.
const EXPORT_EVERY: Duration = Duration::from_secs(1);

/// See there.
const BATCH_SPANS: usize = 512;

/// What became of spans.
#[derive(Debug, Default)]
struct Counts {
    waiting: AtomicUsize,
    sent: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

/// Spans on their way to a collector.
#[derive(Clone)]
pub(crate) struct Traces {
    provider: SdkTracerProvider,
    counts: Arc<Counts>,
}

impl Traces {
    /// Begins to send spans to the collector, if one is named.
    pub(crate) fn start(config: &TracesConfig) -> Result<Option<Self>, Refusal> {
        if config.endpoint.is_empty() {
            return Ok(None);
        }
        let counts = Arc::<Counts>::default();
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(config.endpoint.as_str())
            .with_timeout(EXPORT_WITHIN)
            // What a collector does not take is counted, and the next may go.
            .with_retry_policy(RetryPolicy::disabled())
            .build()?;
        let exporter = Counting { exporter, counts: Arc::clone(&counts), is_failing: AtomicBool::new(false) };
        let queue = BatchConfigBuilder::default()
            .with_max_queue_size(config.queue_spans_max)
            .with_max_export_batch_size(BATCH_SPANS.min(config.queue_spans_max))
            .with_scheduled_delay(EXPORT_EVERY)
            .build();
        let inner = BatchSpanProcessor::builder(exporter).with_batch_config(queue).build();
        let bounded = Bounded { inner, counts: Arc::clone(&counts), spans_max: config.queue_spans_max };
        let share = f64::from(config.sample_percent) / 100.0;
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let provider = SdkTracerProvider::builder()
            .with_span_processor(bounded)
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(share))))
            .with_resource(Resource::builder().with_service_name("orderline").with_attribute(version).build())
            .build();
        Ok(Some(Self { provider, counts }))
    }

    /// What takes the program's spans, and nothing else: no events, and no spans of libraries.
    pub(crate) fn layer(&self) -> Box<dyn Layer<Registry> + Send + Sync> {
        let is_taken = filter_fn(|about| about.is_span() && about.target().starts_with(OWN));
        let spans = tracing_opentelemetry::layer().with_tracer(self.provider.tracer("orderline"));
        spans.with_location(false).with_threads(false).with_target(false).with_filter(is_taken).boxed()
    }

    /// How a request's span becomes part of its caller's trace.
    pub(crate) fn parent(&self) -> TraceParent {
        let propagator = TraceContextPropagator::new();
        Arc::new(move |headers, span| {
            // Of nothing but the headers: whatever else is current here is none of the caller's.
            let caller = propagator.extract_with_context(&Context::new(), &HeaderExtractor(headers));
            if caller.span().span_context().is_valid() {
                // A span that is not traced belongs nowhere.
                let _ = span.set_parent(caller);
            }
        })
    }

    /// What became of spans, as metrics.
    pub(crate) fn samples(&self) -> Vec<Sample> {
        let outcome = |outcome: &str, count: &AtomicU64| Sample {
            name: "orderline_trace_spans_total",
            help: "Spans by what became of them: sent to the collector, not taken by it, or dropped for the queue was full.",
            is_counter: true,
            label: Some(("outcome", outcome.to_owned())),
            value: count.load(Ordering::Relaxed) as f64,
        };
        let counts = &self.counts;
        vec![
            outcome("sent", &counts.sent),
            outcome("failed", &counts.failed),
            outcome("dropped", &counts.dropped),
        ]
    }

    /// Sends what is left, as far as that takes no longer than a moment.
    pub(crate) fn stop(self) {
        if let Err(error) = self.provider.shutdown_with_timeout(STOP_WITHIN) {
            warn!(%error, "spans that were left could not be sent");
        }
    }
}

/// Lets so many spans wait and drops what comes beyond.
#[derive(Debug)]
struct Bounded {
    inner: BatchSpanProcessor,
    counts: Arc<Counts>,
    spans_max: usize,
}

impl SpanProcessor for Bounded {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.inner.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if self.counts.waiting.fetch_add(1, Ordering::Relaxed) >= self.spans_max {
            self.counts.waiting.fetch_sub(1, Ordering::Relaxed);
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.inner.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// Counts what the collector takes.
#[derive(Debug)]
struct Counting {
    exporter: opentelemetry_otlp::SpanExporter,
    counts: Arc<Counts>,
    is_failing: AtomicBool,
}

impl SpanExporter for Counting {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let exported = self.exporter.export(batch).await;
        self.counts.waiting.fetch_sub(spans, Ordering::Relaxed);
        let counter = if exported.is_ok() { &self.counts.sent } else { &self.counts.failed };
        counter.fetch_add(spans as u64, Ordering::Relaxed);
        let was_failing = self.is_failing.swap(exported.is_err(), Ordering::Relaxed);
        match &exported {
            Err(error) if !was_failing => warn!(%error, "the collector of traces takes no spans"),
            Ok(()) if was_failing => info!("the collector of traces takes spans again"),
            _ => {}
        }
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
