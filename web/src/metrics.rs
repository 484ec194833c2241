//! Metrics: what is counted, in the text form that Prometheus reads, and as the figures that the console shows.

use std::sync::Arc;
use std::time::Instant;

use orderline_core::Meters;
use orderline_core::meters::{LATENCY_BOUNDS_US, Reading};
use orderline_journal::Watermark;
use orderline_readmodel::Reader;
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Encoder, TextEncoder};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::types::{OrderStateName, Time};

/// One value that somebody outside of this crate counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Its name, with unit and `_total` as Prometheus' conventions have it.
    pub name: &'static str,
    /// What it says.
    pub help: &'static str,
    /// It only grows.
    pub is_counter: bool,
    /// A label's name and value; samples of one name stand together.
    pub label: Option<(&'static str, String)>,
    /// The value.
    pub value: f64,
}

/// Whoever counts something else: the gateway, the disk.
pub type MoreSamples = Arc<dyn Fn() -> Vec<Sample> + Send + Sync>;

/// Everything that is counted.
#[derive(Clone)]
pub struct Metrics {
    meters: Arc<Meters>,
    watermark: Watermark,
    more: MoreSamples,
    started: Instant,
}

/// Figures since the start, and of now.
#[derive(Debug, Serialize, ToSchema)]
pub struct Figures {
    /// When they were read.
    at: Time,
    /// Seconds since the server started.
    uptime_s: u64,
    /// The newest sequence decided.
    sequence: u64,
    /// The newest sequence that is durable.
    durable_sequence: u64,
    /// The newest sequence that is in the read models: what is searched.
    read_model_sequence: u64,
    /// Durable events that are not in them yet.
    read_model_lag: u64,
    /// Why they do not follow any more; null: they do.
    read_model_problem: Option<String>,
    /// Orders placed, as far as the read models know, those that have left the engine's memory included.
    orders_placed: u64,
    /// The same orders by the states that they are in.
    orders_by_state: Vec<StateCount>,
    /// Commands that became events.
    accepted: u64,
    /// Commands refused.
    rejected: u64,
    /// Commands that had been accepted before.
    repeated: u64,
    /// Queries answered by the engine.
    answered: u64,
    /// Events that the core made by itself.
    due: u64,
    /// Refusals by their codes.
    rejects: Vec<CodeCount>,
    /// How long answers took, from a front's door back to it, durable.
    latency_us: Latency,
    /// Orders in memory.
    orders_total: u64,
    /// Of them: pending or confirmed.
    orders_open: u64,
    /// Reservations in memory.
    reservations: u64,
    /// Sessions remembered.
    sessions: u64,
}

/// How often a code was given.
#[derive(Debug, Serialize, ToSchema)]
pub struct CodeCount {
    /// The reject code.
    code: &'static str,
    /// How often.
    count: u64,
}

/// How many orders are in a state.
#[derive(Debug, Serialize, ToSchema)]
pub struct StateCount {
    /// The state.
    state: OrderStateName,
    /// How many.
    count: u64,
}

/// A bucket of a distribution.
#[derive(Debug, Serialize, ToSchema)]
pub struct LatencyBucket {
    /// Its upper bound in microseconds; null: it has none.
    up_to: Option<u64>,
    /// Answers in it, and in none below.
    count: u64,
}

/// A distribution of times in microseconds, each as the upper bound of a bucket (about half as much again as the one below).
#[derive(Debug, Serialize, ToSchema)]
pub struct Latency {
    /// Answers; one may hold many commands.
    count: u64,
    /// The median.
    p50: u64,
    /// Nine in ten stay within.
    p90: u64,
    /// Ninety-nine in a hundred.
    p99: u64,
    /// All.
    max: u64,
    /// What these are made of: two looks make the distribution of what came between them.
    buckets: Vec<LatencyBucket>,
}

impl Metrics {
    /// Metrics over these meters, and whatever `more` says.
    pub fn new(meters: Arc<Meters>, watermark: Watermark, more: MoreSamples) -> Self {
        Self { meters, watermark, more, started: Instant::now() }
    }

    /// Whether the journal still takes what is decided.
    pub(crate) fn is_durable(&self) -> bool {
        self.watermark.failure().is_none()
    }

    /// When the newest accepted keyed request was recorded that is no longer known; 0: all are known.
    pub(crate) fn keys_horizon_us(&self) -> i64 {
        self.meters.keys_horizon_us()
    }

    /// The figures as JSON has them.
    pub(crate) fn figures(&self, models: &Reader) -> Figures {
        // Asked first: they may come as far as what is durable, and not further.
        let read_model_sequence = models.as_of().sequence;
        let states = models.orders_by_state();
        let durable_sequence = self.watermark.durable();
        let reading = self.meters.read();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Figures {
            at: Time(now.as_micros() as i64),
            uptime_s: self.started.elapsed().as_secs(),
            sequence: reading.sequence.max(durable_sequence),
            durable_sequence,
            read_model_sequence,
            read_model_lag: durable_sequence.saturating_sub(read_model_sequence),
            read_model_problem: models.stopped(),
            orders_placed: states.iter().map(|(_, count)| count).sum(),
            orders_by_state: states
                .into_iter()
                .map(|(state, count)| StateCount { state: OrderStateName(state), count })
                .collect(),
            accepted: reading.accepted,
            rejected: reading.rejected,
            repeated: reading.repeated,
            answered: reading.answered,
            due: reading.due,
            rejects: reading
                .rejects
                .iter()
                .map(|&(code, count)| CodeCount { code: code.name(), count })
                .collect(),
            latency_us: Latency {
                count: reading.latency.iter().sum(),
                p50: reading.latency_us(0.5),
                p90: reading.latency_us(0.9),
                p99: reading.latency_us(0.99),
                max: reading.latency_us(1.0),
                buckets: reading
                    .latency
                    .iter()
                    .enumerate()
                    .map(|(at, &count)| LatencyBucket { up_to: LATENCY_BOUNDS_US.get(at).copied(), count })
                    .collect(),
            },
            orders_total: reading.orders_total,
            orders_open: reading.orders_open,
            reservations: reading.reservations,
            sessions: reading.sessions,
        }
    }

    /// The text that Prometheus reads.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub(crate) fn text(&self) -> prometheus::Result<Vec<u8>> {
        let reading = self.meters.read();
        let durable = self.watermark.durable();
        let sequence = reading.sequence.max(durable);
        let commands = [
            ("accepted", reading.accepted),
            ("rejected", reading.rejected),
            ("repeated", reading.repeated),
            ("answered", reading.answered),
        ];
        let counter = |name, help, value: u64| sample(name, help, true, None, value);
        let gauge = |name, help, value: u64| sample(name, help, false, None, value);
        let mut samples: Vec<Sample> = commands
            .into_iter()
            .map(|(outcome, value)| {
                let label = Some(("outcome", outcome.to_owned()));
                sample("orderline_commands_total", "Commands that the engine decided.", true, label, value)
            })
            .collect();
        samples.extend(reading.rejects.iter().map(|&(code, count)| {
            let label = Some(("code", code.name().to_owned()));
            sample("orderline_rejections_total", "Commands refused, by reject code.", true, label, count)
        }));
        samples.extend([
            counter("orderline_due_events_total", "Events that the core made by itself.", reading.due),
            counter("orderline_journal_batches_total", "Batches appended to the journal.", reading.batches),
            gauge("orderline_sequence", "The newest sequence decided.", sequence),
            gauge("orderline_durable_sequence", "The newest sequence that is durable.", durable),
            gauge("orderline_orders", "Orders in memory.", reading.orders_total),
            gauge(
                "orderline_open_orders",
                "Orders in memory that are pending or confirmed.",
                reading.orders_open,
            ),
            gauge("orderline_reservations", "Reservations in memory.", reading.reservations),
            gauge("orderline_sessions", "Sessions remembered.", reading.sessions),
            gauge(
                "orderline_uptime_seconds",
                "Seconds since the server started.",
                self.started.elapsed().as_secs(),
            ),
        ]);
        samples.extend((self.more)());
        let mut families = families(samples);
        families.push(latency(&reading));
        let mut text = Vec::new();
        TextEncoder::new().encode(&families, &mut text)?;
        Ok(text)
    }
}

fn sample(
    name: &'static str,
    help: &'static str,
    is_counter: bool,
    label: Option<(&'static str, String)>,
    value: u64,
) -> Sample {
    Sample { name, help, is_counter, label, value: value as f64 }
}

/// Samples of one name, which stand together, as one family.
fn families(samples: Vec<Sample>) -> Vec<MetricFamily> {
    let mut families: Vec<MetricFamily> = Vec::new();
    for sample in samples {
        let mut metric = Metric::default();
        if sample.is_counter {
            let mut counter = Counter::default();
            counter.set_value(sample.value);
            metric.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(sample.value);
            metric.set_gauge(gauge);
        }
        if let Some((name, value)) = sample.label {
            let mut pair = LabelPair::default();
            pair.set_name(name.to_owned());
            pair.set_value(value);
            metric.set_label(vec![pair]);
        }
        match families.last_mut() {
            Some(family) if family.name() == sample.name => family.mut_metric().push(metric),
            _ => {
                let mut family = MetricFamily::default();
                family.set_name(sample.name.to_owned());
                family.set_help(sample.help.to_owned());
                family.set_field_type(if sample.is_counter {
                    MetricType::COUNTER
                } else {
                    MetricType::GAUGE
                });
                family.set_metric(vec![metric]);
                families.push(family);
            }
        }
    }
    families
}

fn latency(reading: &Reading) -> MetricFamily {
    let mut cumulative = 0;
    let buckets = LATENCY_BOUNDS_US.iter().zip(&reading.latency).map(|(&bound_us, &count)| {
        cumulative += count;
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(bound_us as f64 / 1e6);
        bucket.set_cumulative_count(cumulative);
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(reading.latency.iter().sum());
    histogram.set_sample_sum(reading.latency_sum_us as f64 / 1e6);
    let mut metric = Metric::default();
    metric.set_histogram(histogram);
    let mut family = MetricFamily::default();
    family.set_name("orderline_answer_duration_seconds".to_owned());
    family.set_help(
        "From a front's door to the engine and back, durable; an answer is a batch of commands.".to_owned(),
    );
    family.set_field_type(MetricType::HISTOGRAM);
    family.set_metric(vec![metric]);
    family
}
