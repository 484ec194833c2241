//! Letting peers in: sockets, hellos and sessions.

use std::io::ErrorKind;

use orderline_access::Secret;
use orderline_core::door::{Opened, Task, Work};
use orderline_protocol::frame::{Close, CloseReason, FrameKind, Hello, Welcome, write_frame};
use zerocopy::IntoBytes;
use zerocopy::little_endian::{U32, U64};

use crate::Gateway;
use crate::connection::{Connection, Stage};
use crate::deadlines::NEVER;
use crate::farewell::tell_close;
use crate::network::{Network, Stream};
use crate::stats::add;

/// Sockets accepted in one turn, so that a flood of them does not starve those who are in.
const ACCEPTS_PER_TURN_MAX: usize = 64;

/// How long nothing is accepted after the system had no descriptor to give, unless a connection goes before.
const ACCEPT_PAUSE_MS: u64 = 100;

impl<N: Network> Gateway<N> {
    pub(crate) fn may_accept(&self) -> bool {
        self.is_accept_ready && self.network.is_listening() && self.now >= self.accept_after
    }

    pub(crate) fn accept(&mut self) {
        for _ in 0..ACCEPTS_PER_TURN_MAX {
            if !self.may_accept() {
                return;
            }
            match self.network.accept() {
                Ok(stream) => self.admit(stream),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => self.is_accept_ready = false,
                    // The peer has left before it was let in, or a signal came: the next one may be fine.
                    ErrorKind::ConnectionAborted | ErrorKind::Interrupted => {}
                    // No descriptor or no memory: asking again at once would only burn the core.
                    _ => {
                        add(&self.stats.accepts_failed, 1);
                        self.accept_after = self.now + ACCEPT_PAUSE_MS;
                    }
                },
            }
        }
    }

    fn admit(&mut self, mut stream: N::Stream) {
        add(&self.stats.connections_total, 1);
        if self.connections.len() >= self.options.connections_max {
            self.stats.count_close(CloseReason::TooManyConnections);
            tell_close(&stream, CloseReason::TooManyConnections, None);
            turn_away(stream);
            return;
        }
        let key = self.connections.next_key();
        if self.network.watch(&mut stream, key).is_err() {
            add(&self.stats.accepts_failed, 1);
            return;
        }
        let key = self.connections.insert(Connection::new(stream, self.now));
        add(&self.stats.connections_open, 1);
        self.arm(key);
    }

    /// Takes a hello: asks the engine for the session, unless its token lets nobody in.
    pub(crate) fn greet(&mut self, key: u64, hello: &Hello) {
        let access = &self.options.access;
        let Ok(grant) = access.authenticate(Some(&Secret::from_bytes(hello.token))) else {
            self.close(key, CloseReason::Token);
            return;
        };
        let left_us = grant.expires_at_us.saturating_sub(access.now_us()).max(0);
        let expires_at = match grant.expires_at_us {
            i64::MAX => NEVER,
            _ => self.now + left_us as u64 / 1_000,
        };
        // The older connection is cut off before the engine is asked. All that it had let in stands in the door's
        // queue before the question, so the answer counts it, and nothing of it comes behind.
        if let Some(older) = self.sessions.insert(hello.session, key) {
            self.close(older, CloseReason::Displaced);
        }
        let Some(connection) = self.connections.get_mut(key) else { return };
        connection.session = Some(hello.session);
        connection.expires_at = expires_at;
        connection.refuses_to_wait = hello.refuse_when_busy == 1;
        self.has_refusing |= connection.refuses_to_wait;
        connection.enter(Stage::Opening, self.now);
        let mut work = self.pool.work();
        work.task =
            Task::OpenSession { id: hello.session, must_exist: hello.resume == 1, actor: grant.actor };
        connection.grant = Some(grant);
        self.submit(key, work);
    }

    /// Answers a hello, once the session is durable.
    pub(crate) fn welcome(&mut self, key: u64, work: &Work) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if connection.stage != Stage::Opening {
            return;
        }
        match work.opened {
            Opened::Session { handle, last_request } => {
                let welcome = Welcome {
                    last_request: U64::new(last_request),
                    sequence: U64::new(work.release_at),
                    session: handle,
                    credits: U32::new(self.options.credits),
                    idle_ms_max: U32::new(self.options.idle_ms_max),
                    reserved: U32::ZERO,
                };
                connection.open(handle, last_request, self.now);
                connection.say(FrameKind::Welcome, welcome.as_bytes(), &mut self.pool);
                self.want_write(key);
                self.arm(key);
                if self.stop_at.is_some() {
                    self.close(key, CloseReason::Stopping);
                }
            }
            Opened::Unknown => self.close(key, CloseReason::SessionUnknown),
            Opened::StorageFull => self.close(key, CloseReason::StorageFull),
            Opened::None => unreachable!("the engine answers every request for a session"),
        }
    }
}

/// Tells a peer that there is no room, as far as that takes no waiting.
fn turn_away(mut stream: impl Stream) {
    let mut out = Vec::new();
    write_frame(&mut out, FrameKind::Close, Close::because(CloseReason::TooManyConnections).as_bytes());
    let _ = stream.write(&out);
    stream.finish();
    // Bytes left unread would turn the close into a reset, which may overtake the reason.
    let _ = stream.read(&mut [0; 512]);
}
