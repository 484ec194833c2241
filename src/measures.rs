//! What is counted outside of the engine and the web tier, as metrics: the gateway, the read models, who is sent events, the data
//! directory, the process.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use orderline_feed::Consumers;
use orderline_feed::webhooks::Webhooks;
use orderline_gateway::GatewayStats;
use orderline_journal::Watermark;
use orderline_protocol::frame::CloseReason;
use orderline_readmodel::Reader;
use orderline_web::metrics::{MoreSamples, Sample};
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

use crate::traces::Traces;

/// Who is asked.
pub(crate) struct Measured {
    /// The gateway.
    pub(crate) gateway: Arc<GatewayStats>,
    /// How far the journal is durable.
    pub(crate) watermark: Watermark,
    /// The read models.
    pub(crate) models: Reader,
    /// Who is posted events.
    pub(crate) webhooks: Arc<Webhooks>,
    /// Who keeps a place in them.
    pub(crate) consumers: Arc<Consumers>,
    /// The data directory.
    pub(crate) data: PathBuf,
    /// Who sends spans, if anybody does.
    pub(crate) traces: Option<Traces>,
}

impl Measured {
    /// Looks at all of it whenever it is asked.
    pub(crate) fn samples(self) -> MoreSamples {
        Arc::new(move || {
            let mut samples = gateway(&self.gateway);
            samples.extend(self.followers());
            samples.extend(files(&self.data));
            samples.extend(process());
            samples.extend(self.traces.iter().flat_map(Traces::samples));
            samples
        })
    }

    /// Those who read the journal behind the engine.
    fn followers(&self) -> Vec<Sample> {
        let mut samples = vec![gauge(
            "orderline_read_model_sequence",
            "The sequence up to which the read models have come.",
            self.models.as_of().sequence,
        )];
        samples.extend(self.models.disk_bytes().ok().map(|bytes| {
            gauge("orderline_read_model_size_bytes", "Bytes of the read models' store on disk.", bytes)
        }));
        let endpoints = self.webhooks.status();
        let mut of_each = |name, help, is_counter, value: &dyn Fn(usize) -> u64| {
            samples.extend((0..endpoints.len()).map(|at| Sample {
                name,
                help,
                is_counter,
                label: Some(("endpoint", endpoints[at].endpoint.to_string())),
                value: value(at) as f64,
            }));
        };
        let help = "Sequences of the journal that a webhook's endpoint is behind.";
        of_each("orderline_webhook_lag_sequences", help, false, &|at| endpoints[at].lag);
        let help = "Deliveries to a webhook's endpoint that wait or are under way.";
        of_each("orderline_webhook_pending_deliveries", help, false, &|at| {
            endpoints[at].pending_count as u64
        });
        let help = "Deliveries that a webhook's endpoint accepted.";
        of_each("orderline_webhook_deliveries_total", help, true, &|at| endpoints[at].delivered_count);
        let help = "Attempts to deliver to a webhook's endpoint that failed.";
        of_each("orderline_webhook_failed_attempts_total", help, true, &|at| endpoints[at].failed_count);
        let help = "Deliveries to a webhook's endpoint that were given up and are kept.";
        of_each("orderline_webhook_dead_letters", help, false, &|at| endpoints[at].dead_letter_count as u64);
        let consumers = self.consumers.list(self.watermark.durable());
        samples.extend(consumers.into_iter().map(|consumer| Sample {
            name: "orderline_consumer_lag_sequences",
            help: "Sequences of the journal that a named consumer is behind.",
            is_counter: false,
            label: Some(("consumer", consumer.name)),
            value: consumer.lag as f64,
        }));
        samples
    }
}

fn gauge(name: &'static str, help: &'static str, value: u64) -> Sample {
    Sample { name, help, is_counter: false, label: None, value: value as f64 }
}

fn gateway(stats: &GatewayStats) -> Vec<Sample> {
    let read = |of: &AtomicU64| of.load(Ordering::Relaxed);
    let counted = |name, help, of: &AtomicU64| Sample {
        name,
        help,
        is_counter: true,
        label: None,
        value: read(of) as f64,
    };
    let (open, queued) = (read(&stats.connections_open), read(&stats.commands_queued));
    let mut samples = vec![
        gauge("orderline_tcp_open_connections", "TCP connections open now.", open),
        gauge("orderline_tcp_queued_commands", "Commands let in over TCP and not answered yet.", queued),
        counted("orderline_tcp_connections_total", "TCP connections accepted.", &stats.connections_total),
        counted("orderline_tcp_frames_total", "Frames of commands let in.", &stats.frames),
        counted("orderline_tcp_commands_total", "Commands let in over TCP.", &stats.commands),
        counted(
            "orderline_tcp_commands_refused_total",
            "Commands refused at once, being too many.",
            &stats.commands_refused,
        ),
        counted("orderline_tcp_received_bytes_total", "Bytes read from TCP.", &stats.bytes_in),
        counted("orderline_tcp_sent_bytes_total", "Bytes written to TCP.", &stats.bytes_out),
    ];
    samples.extend(CloseReason::ALL.iter().map(|&reason| Sample {
        name: "orderline_tcp_closes_total",
        help: "TCP connections closed by the server, by reason.",
        is_counter: true,
        label: Some(("reason", format!("{reason:?}"))),
        value: stats.closed_because(reason) as f64,
    }));
    samples
}

fn files(data: &Path) -> Vec<Sample> {
    let bytes_in = |folder: &str| -> u64 {
        let files = std::fs::read_dir(data.join(folder)).into_iter().flatten().flatten();
        files.filter_map(|file| file.metadata().ok()).map(|about| about.len()).sum()
    };
    let mut samples = vec![
        gauge(
            "orderline_journal_size_bytes",
            "Bytes of the journal's files, the prepared segment included.",
            bytes_in("journal"),
        ),
        gauge("orderline_snapshots_size_bytes", "Bytes of the snapshots kept.", bytes_in("snapshots")),
    ];
    samples.extend(rustix::fs::statvfs(data).ok().map(|about| {
        let help = "Bytes that the data directory's file system has left.";
        gauge("orderline_disk_free_bytes", help, about.f_bavail.saturating_mul(about.f_frsize))
    }));
    samples
}

/// By the names that Prometheus' own libraries give them.
fn process() -> Vec<Sample> {
    let field = |file: &str, at: usize| -> Option<u64> {
        let text = std::fs::read_to_string(file).ok()?;
        // The program's name may have spaces and stands in brackets.
        text.rsplit(')').next()?.split_whitespace().nth(at)?.parse().ok()
    };
    let mut samples = Vec::new();
    samples.extend(field("/proc/self/statm", 1).map(|pages| {
        gauge("process_resident_memory_bytes", "Resident memory size in bytes.", pages * page_size() as u64)
    }));
    // Behind the name: the state, and eleven fields on the time in user mode and the time in the kernel.
    let ticks = field("/proc/self/stat", 11).zip(field("/proc/self/stat", 12));
    samples.extend(ticks.map(|(user, system)| Sample {
        name: "process_cpu_seconds_total",
        help: "Total user and system CPU time spent in seconds.",
        is_counter: true,
        label: None,
        value: (user + system) as f64 / clock_ticks_per_second() as f64,
    }));
    samples.extend(
        std::fs::read_dir("/proc/self/fd")
            .ok()
            .map(|open| gauge("process_open_fds", "Number of open file descriptors.", open.count() as u64)),
    );
    samples.extend(
        getrlimit(Resource::Nofile)
            .current
            .map(|most| gauge("process_max_fds", "Maximum number of open file descriptors.", most)),
    );
    samples
}
