//! What each part of the server is started with, by the settings.

use std::sync::Arc;
use std::time::Duration;

use orderline_core::EngineOptions;
use orderline_feed::webhooks::WebhookOptions;
use orderline_gateway::GatewayOptions;
use orderline_journal::JournalOptions;
use orderline_readmodel::ReadModelOptions;
use orderline_web::ServerOptions;

use crate::config::Config;

impl Config {
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

    /// Segments that followers may hold back from removal.
    pub(crate) fn held_segments_max(&self) -> u32 {
        let mib = u64::from(self.snapshots.held_gib_max) << 10;
        u32::try_from(mib / self.journal.segment_mib.max(1)).unwrap_or(u32::MAX)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_says_nothing_starts_the_parts_with_their_own_defaults() {
        let config = Config::default();
        assert_eq!(config.http_options(), ServerOptions::default());
        assert_eq!(config.read_models(), ReadModelOptions::default());
    }
}
