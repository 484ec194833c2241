//! What the operator may set about the gateway. Every bound has a default that suits one small machine.

use std::sync::Arc;

use orderline_access::Access;
use orderline_protocol::limits::{CREDITS_MAX, FRAME_PAYLOAD_BYTES_MAX};

use rustls::ServerConfig;

use crate::GatewayError;

/// How a gateway is to behave.
#[derive(Debug, Clone)]
pub struct GatewayOptions {
    /// Connections held at once; one more is told so and closed.
    pub connections_max: usize,
    /// Batches of one connection inside the engine at once: while it works on one, the next is read. Of one that would rather
    /// be refused than wait, `queue_commands_max` alone bounds them.
    pub works_per_connection_max: usize,
    /// Commands that one connection may have unanswered.
    pub credits: u32,
    /// Commands let in and not answered, over all connections, from which on a connection that would rather be refused
    /// than wait is refused. What divides this by the rate at which the engine decides is about how long an accepted
    /// command of such a connection waits at most.
    pub queue_commands_max: u64,
    /// Who may come in, and as what; by default everybody, as an operator.
    pub access: Access,
    /// Speak TLS by this, and nothing else; `None`: everybody on the way reads along.
    pub tls: Option<Arc<ServerConfig>>,
    /// Time from the accept to the last byte of the hello.
    pub hello_deadline_ms: u64,
    /// Time from a frame's first byte to its last.
    pub frame_deadline_ms: u64,
    /// Silence after which a connection is given up. It is sent a ping at half of it.
    pub idle_ms_max: u32,
    /// Replies that wait for one connection, in bytes, beyond which it is closed. From a quarter of it on, nothing
    /// more is read from that connection.
    pub output_bytes_max: usize,
    /// Time that replies may wait for a connection's socket without a byte going out.
    pub write_stall_ms_max: u64,
    /// How long a stop waits for what is inside the engine and for sockets to take their last bytes.
    pub stop_ms_max: u64,
    /// How long the thread looks for work before it sleeps. Every microsecond of it is taken from the engine and
    /// from the kernel's flushing where there are few cores, so the default is not to look at all.
    pub spin_us: u64,
}

impl Default for GatewayOptions {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            works_per_connection_max: 2,
            credits: CREDITS_MAX,
            queue_commands_max: 16_384,
            access: Access::open(),
            tls: None,
            hello_deadline_ms: 5_000,
            frame_deadline_ms: 10_000,
            idle_ms_max: 30_000,
            output_bytes_max: 64 * 1024 * 1024,
            write_stall_ms_max: 10_000,
            stop_ms_max: 5_000,
            spin_us: 0,
        }
    }
}

impl GatewayOptions {
    /// Works that may be in the engine's door at one time: the batches of those who wait, and of those who would rather be
    /// refused as many as there may be commands in the queue, for each holds one at least.
    pub fn door_capacity(&self) -> usize {
        let queued = usize::try_from(self.queue_commands_max).unwrap_or(usize::MAX);
        self.connections_max.saturating_mul(self.works_per_connection_max).saturating_add(queued)
    }

    /// Checks every value, and that the door holds all that may be let in.
    ///
    /// # Errors
    /// [`GatewayError::Option`] and [`GatewayError::DoorTooSmall`].
    pub fn check(&self, capacity: usize) -> Result<(), GatewayError> {
        let must = |holds: bool, text| if holds { Ok(()) } else { Err(GatewayError::Option(text)) };
        must(self.connections_max > 0, "connections_max is at least 1")?;
        must(u32::try_from(self.connections_max).is_ok(), "connections_max is below 2^32")?;
        must(self.works_per_connection_max > 0, "works_per_connection_max is at least 1")?;
        must((1..=CREDITS_MAX).contains(&self.credits), "credits are 1 to 8,192")?;
        must(self.queue_commands_max > 0, "queue_commands_max is at least 1")?;
        must(self.hello_deadline_ms > 0, "hello_deadline_ms is at least 1")?;
        must(self.frame_deadline_ms > 0, "frame_deadline_ms is at least 1")?;
        must(self.idle_ms_max >= 10, "idle_ms_max is at least 10")?;
        must(self.write_stall_ms_max > 0, "write_stall_ms_max is at least 1")?;
        must(
            self.output_bytes_max >= 4 * FRAME_PAYLOAD_BYTES_MAX,
            "output_bytes_max is at least four frames (1 MiB)",
        )?;
        // Admission cannot fail when all that may be admitted fits: this is where the bounds compose.
        let needed = self.door_capacity();
        if needed > capacity {
            return Err(GatewayError::DoorTooSmall { needed, capacity });
        }
        Ok(())
    }
}
