//! The server's settings: one TOML file, every key with a default, checked before anything starts.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use orderline_access::SecretHash;
use orderline_core::EngineOptions;
use orderline_feed::webhooks::WebhookOptions;
use orderline_gateway::GatewayOptions;
use orderline_journal::JournalOptions;
use orderline_readmodel::ReadModelOptions;
use orderline_web::ServerOptions;
use serde::Deserialize;

use crate::verb::Refusal;

/// All settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    pub(crate) journal: JournalConfig,
    pub(crate) snapshots: SnapshotConfig,
    pub(crate) engine: EngineConfig,
    pub(crate) gateway: GatewayConfig,
    pub(crate) http: HttpConfig,
    pub(crate) access: AccessConfig,
    pub(crate) tls: TlsConfig,
}

/// By what the server proves who it is, to listeners' peers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TlsConfig {
    /// The certificate with the chain behind it, a PEM file; without it nothing is encrypted.
    pub(crate) certificate: Option<PathBuf>,
    /// Its private key, a PEM file.
    pub(crate) key: Option<PathBuf>,
}

/// Who may come in beside those that tokens are defined for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AccessConfig {
    /// The BLAKE3 hash of a secret whose bearer is an operator, 64 hexadecimal digits; empty: nobody is.
    pub(crate) operator_token_hash: String,
}

/// How the journal is written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct JournalConfig {
    /// `mapped` (memory-mapped segments) or `positional` (positional writes).
    pub(crate) backend: Backend,
    /// Length of a segment file in MiB.
    pub(crate) segment_mib: u64,
    /// How far appending may run ahead of the disk, in MiB, before clients are slowed down.
    pub(crate) unsynced_mib_max: u64,
    /// Looks for work of the sync thread before it sleeps.
    pub(crate) spin_count: u32,
}

/// How segments reach the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Backend {
    Mapped,
    Positional,
}

impl Default for JournalConfig {
    fn default() -> Self {
        let options = JournalOptions::default();
        Self {
            backend: Backend::Mapped,
            segment_mib: options.segment_bytes >> 20,
            unsynced_mib_max: options.unsynced_bytes_max >> 20,
            spin_count: options.spin_count,
        }
    }
}

/// When snapshots are taken.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SnapshotConfig {
    /// Records between two snapshots; 0: none are taken.
    pub(crate) every_records: u64,
    /// Remove the segments that lie behind the older of the two snapshots kept.
    pub(crate) remove_segments: bool,
    /// MiB that are written to a snapshot, or read by a verification, in a second at most, so that orders keep the disk and the
    /// processor; 0: no bound.
    pub(crate) mib_per_s_max: u32,
}

impl Default for SnapshotConfig {
    fn default() -> Self {
        Self { every_records: 10_000_000, remove_segments: false, mib_per_s_max: 80 }
    }
}

/// How the engine's thread waits.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct EngineConfig {
    /// Looks for work before the thread sleeps.
    pub(crate) spin_count: u32,
    /// Four-line orders to have memory ready for at start, beyond those recovered.
    pub(crate) preallocate_orders: usize,
    /// Milliseconds between two samples of the state's invariants, some hundred orders, reservations, groups,
    /// levels and ledgers each; 0: none.
    pub(crate) sample_every_ms: u32,
}

impl Default for EngineConfig {
    fn default() -> Self {
        let options = EngineOptions::default();
        Self {
            spin_count: options.spin_count,
            preallocate_orders: 0,
            sample_every_ms: (options.sample_every_us / 1_000) as u32,
        }
    }
}

/// Whom the gateway lets in and how much it takes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct GatewayConfig {
    /// Connections at one time.
    pub(crate) connections_max: usize,
    /// Batches that one connection may have in the engine at one time.
    pub(crate) works_per_connection_max: usize,
    /// Commands that one connection may have unanswered.
    pub(crate) credits: u32,
    /// Commands let in and not answered from which on clients that would rather be refused than wait are refused.
    pub(crate) queue_commands_max: u64,
    /// Milliseconds until the hello must be here.
    pub(crate) hello_deadline_ms: u64,
    /// Milliseconds from a frame's first byte to its last.
    pub(crate) frame_deadline_ms: u64,
    /// Milliseconds of silence after which a connection is given up.
    pub(crate) idle_ms_max: u32,
    /// MiB of replies that may wait for one client.
    pub(crate) output_mib_max: usize,
    /// Milliseconds in which a client must read something while replies wait.
    pub(crate) write_stall_ms_max: u64,
    /// Microseconds for which the gateway's thread looks for work before it sleeps.
    pub(crate) spin_us: u64,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        let options = GatewayOptions::default();
        Self {
            connections_max: options.connections_max,
            works_per_connection_max: options.works_per_connection_max,
            credits: options.credits,
            queue_commands_max: options.queue_commands_max,
            hello_deadline_ms: options.hello_deadline_ms,
            frame_deadline_ms: options.frame_deadline_ms,
            idle_ms_max: options.idle_ms_max,
            output_mib_max: options.output_bytes_max >> 20,
            write_stall_ms_max: options.write_stall_ms_max,
            spin_us: options.spin_us,
        }
    }
}

/// How HTTP is served.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct HttpConfig {
    /// Connections at one time.
    pub(crate) connections_max: usize,
    /// Threads that run requests.
    pub(crate) threads: usize,
    /// Commands that requests may have in the engine, or on their way there, at one time; more wait.
    pub(crate) commands_max: u32,
    /// Batches of them that may be in the engine at one time.
    pub(crate) works_max: usize,
    /// Milliseconds for a request's headers, and between two pieces of its body.
    pub(crate) read_deadline_ms: u64,
    /// Let webhooks be posted to private and loopback addresses, and without TLS.
    pub(crate) private_webhooks: bool,
    /// Orders that the read models keep in memory before they write them, about 300 bytes each.
    pub(crate) read_model_orders: usize,
}

impl Default for HttpConfig {
    fn default() -> Self {
        let options = ServerOptions::default();
        Self {
            connections_max: options.connections_max,
            threads: options.threads,
            commands_max: 16_384,
            works_max: 64,
            read_deadline_ms: options.read_deadline.as_millis() as u64,
            private_webhooks: false,
            read_model_orders: ReadModelOptions::default().head_orders,
        }
    }
}

impl Config {
    /// Reads a configuration file, or takes the defaults when there is none.
    pub(crate) fn load(file: Option<&Path>) -> Result<Self, Refusal> {
        let Some(file) = file else { return Ok(Self::default()) };
        let text = std::fs::read_to_string(file).map_err(|error| {
            Refusal::new(format!("cannot read the configuration {}: {error}", file.display()))
        })?;
        Self::parse(&text).map_err(|error| Refusal::new(format!("{}: {error}", file.display())))
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
        if config.tls.certificate.is_some() != config.tls.key.is_some() {
            return Err("tls.certificate and tls.key are given together".to_owned());
        }
        Ok(config)
    }

    pub(crate) fn journal_options(&self) -> JournalOptions {
        JournalOptions {
            segment_bytes: self.journal.segment_mib << 20,
            unsynced_bytes_max: self.journal.unsynced_mib_max << 20,
            spin_count: self.journal.spin_count,
            ..JournalOptions::default()
        }
    }

    pub(crate) fn engine_options(&self) -> EngineOptions {
        EngineOptions {
            spin_count: self.engine.spin_count,
            sample_every_us: i64::from(self.engine.sample_every_ms) * 1_000,
            ..EngineOptions::default()
        }
    }

    pub(crate) fn http_options(&self) -> ServerOptions {
        ServerOptions {
            connections_max: self.http.connections_max,
            threads: self.http.threads,
            read_deadline: Duration::from_millis(self.http.read_deadline_ms),
            ..ServerOptions::default()
        }
    }

    /// What whoever reads or writes everything in the background keeps to; 0: no bound.
    pub(crate) fn background_bytes_per_s_max(&self) -> u64 {
        u64::from(self.snapshots.mib_per_s_max) << 20
    }

    pub(crate) fn read_models(&self) -> ReadModelOptions {
        ReadModelOptions { head_orders: self.http.read_model_orders, ..ReadModelOptions::default() }
    }

    pub(crate) fn webhook_options(&self) -> WebhookOptions {
        let jitter = |delay: Duration| delay.mul_f64(rand::random_range(0.9..1.1));
        WebhookOptions {
            jitter: Arc::new(jitter),
            private_targets: self.http.private_webhooks,
            ..WebhookOptions::default()
        }
    }

    pub(crate) fn gateway_options(&self) -> GatewayOptions {
        let gateway = &self.gateway;
        GatewayOptions {
            connections_max: gateway.connections_max,
            works_per_connection_max: gateway.works_per_connection_max,
            credits: gateway.credits,
            queue_commands_max: gateway.queue_commands_max,
            hello_deadline_ms: gateway.hello_deadline_ms,
            frame_deadline_ms: gateway.frame_deadline_ms,
            idle_ms_max: gateway.idle_ms_max,
            output_bytes_max: gateway.output_mib_max << 20,
            write_stall_ms_max: gateway.write_stall_ms_max,
            spin_us: gateway.spin_us,
            ..GatewayOptions::default()
        }
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
        assert_eq!(config.gateway_options().credits, 16);
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_key_named() {
        for (text, named) in [
            ("[journal]\nsegment = 8", "segment"),
            ("[journal]\nsegment_mib = 0", "journal.segment_mib"),
            ("[access]\noperator_token_hash = \"abc\"", "access.operator_token_hash"),
            ("[gateway]\ncredits = -1", "credits"),
            ("[tls]\nkey = \"key.pem\"", "tls.certificate"),
            ("[journal]\nbackend = \"tape\"", "backend"),
        ] {
            let error = Config::parse(text).unwrap_err();
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
