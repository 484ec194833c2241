//! Letting peers go: closes with a reason, connections that are gone, and the end of it all.

use orderline_access::Grant;
use orderline_protocol::frame::CloseReason;

use crate::Gateway;
use crate::connection::Stage;
use crate::network::{Network, Stream};

impl<N: Network> Gateway<N> {
    /// Closes a connection and says why. A slow reader is dropped without a word: it would not read that either.
    pub(crate) fn close(&mut self, key: u64, reason: CloseReason) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if connection.stage == Stage::Closing {
            return;
        }
        self.stats.count_close(reason);
        tell_close(&connection.stream, reason, connection.grant.as_ref());
        if reason == CloseReason::SlowReader {
            self.remove(key);
            return;
        }
        if let Some(session) = connection.session
            && self.sessions.get(&session) == Some(&key)
        {
            self.sessions.remove(&session);
        }
        connection.begin_close(reason, &mut self.pool, self.now);
        self.want_write(key);
        self.want_read(key);
        self.arm(key);
    }

    /// Forgets a connection. What the engine still has of it is thrown away when it comes back.
    pub(crate) fn remove(&mut self, key: u64) {
        let Some(connection) = self.connections.remove(key) else { return };
        if let Some(session) = connection.session
            && self.sessions.get(&session) == Some(&key)
        {
            self.sessions.remove(&session);
        }
        self.network.forget(connection.dismantle(&mut self.pool));
        self.stats
            .connections_open
            .store(self.connections.len() as u64, std::sync::atomic::Ordering::Relaxed);
        // A descriptor is free again.
        self.accept_after = 0;
    }

    /// Closes a connection once what is in flight of it is answered. Nothing more is read from it.
    pub(crate) fn drain(&mut self, key: u64, reason: CloseReason) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        connection.draining = Some(reason);
        if connection.in_flight == 0 {
            self.close(key, reason);
        }
    }

    /// Begins to stop when asked for the first time; true once everybody has gone or patience has run out.
    pub(crate) fn is_stopped(&mut self) -> bool {
        match self.stop_at {
            Some(stop_at) => self.connections.len() == 0 || self.now >= stop_at,
            None => {
                self.stop_at = Some(self.now + self.options.stop_ms_max);
                self.network.close_listener();
                for key in self.connections.keys() {
                    self.drain(key, CloseReason::Stopping);
                }
                self.connections.len() == 0
            }
        }
    }
}

/// Tells the log. Whoever may not come in could fill it at the level at which a server usually speaks, so this is below that.
pub(crate) fn tell_close(stream: &impl Stream, reason: CloseReason, grant: Option<&Grant>) {
    let token = grant.map(|grant| grant.actor);
    tracing::debug!(
        peer = stream.peer().map(tracing::field::display),
        ?reason,
        token,
        "a TCP connection is closed"
    );
}
