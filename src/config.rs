//! The server's settings: one TOML file, every key with a default, checked before anything starts. What the parts of the
//! server are started with by them is in `options.rs`, so that reading a file needs neither the HTTP server nor the read models.
//!
//! What stands above a key here is what `orderline config default` and docs/operations.md say of it.

use std::path::{Path, PathBuf};

use orderline_access::SecretHash;
use orderline_core::EngineOptions;
use orderline_gateway::GatewayOptions;
use orderline_journal::JournalOptions;
use serde::{Deserialize, Serialize};

use crate::log_levels;
use crate::verb::Refusal;

/// A section of the file, or a key of one: its name, and what is said of it, line by line.
pub(crate) type Described = (&'static str, &'static [&'static str]);

/// A section of the file: a structure, whose fields are its keys, and what is said of all of them. What stands behind a key is its
/// default.
macro_rules! section {
    (
        $(#[doc = $about:literal])*
        $section:ident {
            $($(#[doc = $meaning:literal])* $key:ident: $kind:ty = $default:expr,)*
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
        #[serde(deny_unknown_fields, default)]
        pub(crate) struct $section {
            $($(#[doc = $meaning])* pub(crate) $key: $kind,)*
        }

        impl $section {
            const ABOUT: &[&str] = &[$($about),*];
            const KEYS: &[Described] = &[$((stringify!($key), &[$($meaning),*]),)*];
        }

        impl Default for $section {
            fn default() -> Self {
                Self { $($key: $default,)* }
            }
        }
    };
}

/// All settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    pub(crate) journal: JournalConfig,
    pub(crate) snapshots: SnapshotConfig,
    pub(crate) engine: EngineConfig,
    pub(crate) gateway: GatewayConfig,
    pub(crate) http: HttpConfig,
    pub(crate) access: AccessConfig,
    pub(crate) tls: TlsConfig,
    pub(crate) log: LogConfig,
    pub(crate) traces: TracesConfig,
}

/// Every section with its keys, in the order of the file.
pub(crate) const SECTIONS: [(Described, &[Described]); 9] = [
    (("journal", JournalConfig::ABOUT), JournalConfig::KEYS),
    (("snapshots", SnapshotConfig::ABOUT), SnapshotConfig::KEYS),
    (("engine", EngineConfig::ABOUT), EngineConfig::KEYS),
    (("gateway", GatewayConfig::ABOUT), GatewayConfig::KEYS),
    (("http", HttpConfig::ABOUT), HttpConfig::KEYS),
    (("access", AccessConfig::ABOUT), AccessConfig::KEYS),
    (("tls", TlsConfig::ABOUT), TlsConfig::KEYS),
    (("log", LogConfig::ABOUT), LogConfig::KEYS),
    (("traces", TracesConfig::ABOUT), TracesConfig::KEYS),
];

section! {
    /// How the journal is written.
    JournalConfig {
        /// `"mapped"`: memory-mapped segments; `"positional"`: positional writes, slower, for file systems that map badly
        backend: Backend = Backend::Mapped,
        /// length of a new segment file, MiB. One is prepared ahead and its room taken at once, so twice this is on disk from
        /// the start
        segment_mib: u64 = JournalOptions::default().segment_bytes >> 20,
        /// how far appending may run ahead of the disk, MiB, before clients are slowed down
        unsynced_mib_max: u64 = JournalOptions::default().unsynced_bytes_max >> 20,
        /// looks for work of the sync thread before it sleeps
        spin_count: u32 = JournalOptions::default().spin_count,
    }
}

/// How segments reach the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Backend {
    Mapped,
    Positional,
}

section! {
    /// When snapshots are taken.
    SnapshotConfig {
        /// records between two snapshots; 0: none
        every_records: u64 = 10_000_000,
        /// MiB written to a snapshot, or read by a verification beside the engine, in a second at most; 0: no bound
        mib_per_s_max: u32 = 80,
        /// remove segments that lie wholly behind the older of the two snapshots kept
        remove_segments: bool = false,
        /// GiB of segments that read models, webhooks and consumers which have not come so far may hold back from removal; what they
        /// need beyond that goes, and they are told
        held_gib_max: u32 = 64,
    }
}

section! {
    /// How the engine's thread waits, and what it looks after.
    EngineConfig {
        /// looks for work of the engine before it sleeps
        spin_count: u32 = EngineOptions::default().spin_count,
        /// four-line orders to have memory ready for at start, beyond those recovered (about 150 bytes each), so that growing never
        /// waits for the kernel to clear pages
        preallocate_orders: usize = 0,
        /// milliseconds between two samples of the state's invariants, 256 each of orders, reservations, groups (by their orders),
        /// levels and ledgers, going round; what breaks them stops the server; 0: none
        sample_every_ms: u32 = (EngineOptions::default().sample_every_us / 1_000) as u32,
    }
}

section! {
    /// Whom the gateway, which speaks TCP, lets in and how much it takes.
    GatewayConfig {
        /// connections at one time; one more is told so and closed
        connections_max: usize = GatewayOptions::default().connections_max,
        /// batches that one connection may have in the engine at one time; of clients that would rather be refused than wait, as many
        /// as `queue_commands_max` allows
        works_per_connection_max: usize = GatewayOptions::default().works_per_connection_max,
        /// commands that one connection may have unanswered, at most 8192
        credits: u32 = GatewayOptions::default().credits,
        /// commands let in and not answered, over all connections, from which on clients that would rather be refused than wait are
        /// refused as `Busy`; divided by the orders a second that the machine decides, about the seconds that an accepted one waits.
        /// From half of it on, sockets are looked at every two milliseconds
        queue_commands_max: u64 = GatewayOptions::default().queue_commands_max,
        /// milliseconds from the accept to the end of the hello
        hello_deadline_ms: u64 = GatewayOptions::default().hello_deadline_ms,
        /// milliseconds from a frame's first byte to its last
        frame_deadline_ms: u64 = GatewayOptions::default().frame_deadline_ms,
        /// milliseconds of silence after which a connection is given up
        idle_ms_max: u32 = GatewayOptions::default().idle_ms_max,
        /// MiB of replies that may wait for one client before it is dropped
        output_mib_max: usize = GatewayOptions::default().output_bytes_max >> 20,
        /// milliseconds that replies may wait for a client that reads nothing
        write_stall_ms_max: u64 = GatewayOptions::default().write_stall_ms_max,
        /// microseconds for which the gateway looks for work before it sleeps
        spin_us: u64 = GatewayOptions::default().spin_us,
    }
}

section! {
    /// How HTTP is served.
    HttpConfig {
        /// HTTP connections at one time; more wait in the system's queue
        connections_max: usize = 4_096,
        /// threads that run HTTP requests
        threads: usize = 2,
        /// commands that requests may have in the engine or on their way there at one time; more wait
        commands_max: u32 = 16_384,
        /// batches of them in the engine at one time
        works_max: usize = 64,
        /// milliseconds for a request's headers, and between two pieces of its body
        read_deadline_ms: u64 = 10_000,
        /// let webhooks be posted to private and loopback addresses, and without TLS
        private_webhooks: bool = false,
        /// orders that the read models keep in memory before they write them, about 300 bytes each, twice as many while they do
        read_model_orders: usize = 65_536,
    }
}

section! {
    /// Who may come in beside those that tokens are defined for.
    AccessConfig {
        /// the BLAKE3 hash of a secret whose bearer is an operator, 64 hexadecimal digits from `orderline token new`; empty: nobody is
        /// by the configuration
        operator_token_hash: String = String::new(),
    }
}

section! {
    /// By what the server proves who it is, over TCP and HTTP.
    TlsConfig {
        /// PEM file of the certificate with the chain behind it; with it, both listeners speak TLS 1.3 and nothing else
        certificate: Option<PathBuf> = None,
        /// PEM file of its private key
        key: Option<PathBuf> = None,
    }
}

section! {
    /// What the server says on standard error while it runs.
    LogConfig {
        /// `"text"`: a line for people; `"json"`: one object a line
        format: LogFormat = LogFormat::Text,
        /// `"off"`, `"error"`, `"warn"`, `"info"`, `"debug"` or `"trace"`, and behind it, with commas between, levels of parts of the
        /// server, as in `"info,orderline_web=debug"`, which tells every HTTP request
        level: String = "info".to_owned(),
    }
}

/// How a line of the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    Text,
    Json,
}

section! {
    /// Where spans of HTTP requests are sent, by OpenTelemetry.
    TracesConfig {
        /// URL to which spans are posted, as OTLP in protobuf, such as `http://127.0.0.1:4318/v1/traces`; empty: no spans are made
        endpoint: String = String::new(),
        /// of a hundred requests whose callers have not decided it themselves (`traceparent`), how many are traced
        sample_percent: u8 = 100,
        /// spans that may wait to be sent; more are dropped and counted
        queue_spans_max: usize = 4_096,
    }
}

impl Config {
    /// Reads a configuration file, or takes the defaults when there is none.
    pub(crate) fn load(file: Option<&Path>) -> Result<Self, Refusal> {
        let Some(file) = file else { return Ok(Self::default()) };
        Self::parse(&Self::read(file)?).map_err(|error| Refusal::new(format!("{}: {error}", file.display())))
    }

    /// The text of a configuration file.
    pub(crate) fn read(file: &Path) -> Result<String, Refusal> {
        std::fs::read_to_string(file).map_err(|error| {
            Refusal::new(format!("cannot read the configuration {}: {error}", file.display()))
        })
    }

    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let config: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        if config.journal.segment_mib == 0 || config.journal.segment_mib > 1 << 20 {
            return Err("journal.segment_mib is from 1 to 1048576".to_owned());
        }
        if config.journal.unsynced_mib_max == 0 || config.journal.unsynced_mib_max > 1 << 20 {
            return Err("journal.unsynced_mib_max is from 1 to 1048576".to_owned());
        }
        let http = &config.http;
        for (key, value) in [
            ("connections_max", http.connections_max),
            ("threads", http.threads),
            ("commands_max", http.commands_max as usize),
            ("works_max", http.works_max),
            ("read_model_orders", http.read_model_orders),
            ("read_deadline_ms", http.read_deadline_ms as usize),
        ] {
            if value == 0 || value > 1 << 24 {
                return Err(format!("http.{key} is from 1 to 16777216"));
            }
        }
        config.access.operator()?;
        log_levels::filter(&config.log.level)?;
        let traces = &config.traces;
        if traces.sample_percent > 100 {
            return Err("traces.sample_percent is from 0 to 100".to_owned());
        }
        if traces.queue_spans_max == 0 || traces.queue_spans_max > 1 << 20 {
            return Err("traces.queue_spans_max is from 1 to 1048576".to_owned());
        }
        let is_url = traces.endpoint.starts_with("http://") || traces.endpoint.starts_with("https://");
        if !traces.endpoint.is_empty() && (!is_url || traces.endpoint.contains('@')) {
            return Err("traces.endpoint is a URL that begins with http:// or https:// and holds no password; headers that a collector \
                        asks for are read from the environment's OTEL_EXPORTER_OTLP_HEADERS".to_owned());
        }
        if config.tls.certificate.is_some() != config.tls.key.is_some() {
            return Err("tls.certificate and tls.key are given together".to_owned());
        }
        Ok(config)
    }
}

impl AccessConfig {
    /// The hash of the configuration's own operator token.
    pub(crate) fn operator(&self) -> Result<Option<SecretHash>, String> {
        if self.operator_token_hash.is_empty() {
            return Ok(None);
        }
        let hash = self.operator_token_hash.parse();
        hash.map(Some).map_err(|error| format!("access.operator_token_hash: {error}, or nothing"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_stand_and_every_key_can_be_set() {
        assert_eq!(Config::parse("").unwrap(), Config::default());
        let config =
            Config::parse("[journal]\nsegment_mib = 8\nbackend = \"positional\"\n[gateway]\ncredits = 16")
                .unwrap();
        assert_eq!((config.journal.segment_mib, config.journal.backend), (8, Backend::Positional));
        assert_eq!(config.gateway.credits, 16);
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_key_named() {
        for (text, named) in [
            ("[journal]\nsegment = 8", "segment"),
            ("[journal]\nsegment_mib = 0", "journal.segment_mib"),
            ("[access]\noperator_token_hash = \"abc\"", "access.operator_token_hash"),
            ("[gateway]\ncredits = -1", "credits"),
            ("[log]\nlevel = \"loud\"", "log.level"),
            ("[traces]\nendpoint = \"http://u:p@c:4318/v1/traces\"", "traces.endpoint"),
            ("[traces]\nendpoint = \"collector:4317\"", "traces.endpoint"),
            ("[traces]\nsample_percent = 101", "sample_percent"),
            ("[traces]\nqueue_spans_max = 0", "queue_spans_max"),
            ("[log]\nformat = \"xml\"", "format"),
            ("[tls]\nkey = \"key.pem\"", "tls.certificate"),
            ("[journal]\nbackend = \"tape\"", "backend"),
        ] {
            let error = Config::parse(text).unwrap_err();
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
