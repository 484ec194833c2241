//! The gateway's thread: one loop, one turn after the other.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};
use orderline_core::door::{Door, Work};
use orderline_protocol::{Sequence, SessionId};

use crate::bell::Bell;
use crate::connections::Connections;
use crate::deadlines::{AtMs, Deadlines};
use crate::pool::Pool;
use crate::stats::add;
use crate::{GatewayError, GatewayOptions, GatewayStats};

const LISTENER: Token = Token(usize::MAX);
const BELL: Token = Token(usize::MAX - 1);

/// Readiness taken in one turn.
const EVENTS_MAX: usize = 1024;

/// The TCP front of one engine. Bind it, keep a handle to stop it, and give it a thread to run in.
pub struct Gateway {
    pub(crate) poll: Poll,
    events: Events,
    pub(crate) listener: Option<TcpListener>,
    addr: SocketAddr,
    pub(crate) door: Door,
    pub(crate) options: GatewayOptions,
    bell: Arc<Bell>,
    stop: Arc<AtomicBool>,
    pub(crate) stats: Arc<GatewayStats>,
    pub(crate) connections: Connections,
    /// Which connection has which session: at most one.
    pub(crate) sessions: HashMap<SessionId, u64>,
    pub(crate) pool: Pool,
    pub(crate) deadlines: Deadlines,
    /// Works that the engine has done with, in its order, and those that the board has answered between them, waiting
    /// for the watermark. `release_at` never falls from one to the next, so the first one says whether any may go.
    pub(crate) held: VecDeque<Box<Work>>,
    /// The sequence of the newest work that came back from the engine.
    pub(crate) decided: Sequence,
    pub(crate) to_read: VecDeque<u64>,
    pub(crate) to_write: Vec<u64>,
    pub(crate) in_engine: usize,
    /// Commands let in and not answered, over all connections, and whether these are too many.
    pub(crate) queued: u64,
    pub(crate) is_too_much: bool,
    /// A peer has come that would rather be refused than wait.
    pub(crate) has_refusing: bool,
    /// The listener may have connections to accept; not before `accept_after`.
    pub(crate) is_accept_ready: bool,
    pub(crate) accept_after: AtMs,
    /// When a stop that has begun loses patience.
    pub(crate) stop_at: Option<AtMs>,
    started: Instant,
    pub(crate) now: AtMs,
}

/// Stops a running gateway from another thread.
#[derive(Clone)]
pub struct GatewayHandle {
    stop: Arc<AtomicBool>,
    bell: Arc<Bell>,
}

impl GatewayHandle {
    /// Asks the gateway to stop: it accepts and reads no more, releases what is in flight as far as the bound
    /// allows, tells everybody and returns from [`Gateway::run`].
    pub fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
        self.bell.ring();
    }
}

impl Gateway {
    /// Listens on `addr` in front of the engine behind `door`.
    ///
    /// # Errors
    /// When an option is out of bounds or the door is too small for them, or the address cannot be listened on.
    pub fn bind(addr: SocketAddr, door: Door, options: GatewayOptions) -> Result<Self, GatewayError> {
        options.check(door.capacity())?;
        let mut listener = TcpListener::bind(addr).map_err(|why| GatewayError::Bind { addr, why })?;
        let addr = listener.local_addr().map_err(|why| GatewayError::Bind { addr, why })?;
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let bell = Arc::new(Bell::new(Waker::new(poll.registry(), BELL)?));
        let rung = Arc::clone(&bell);
        door.on_wake(move || rung.ring());
        Ok(Self {
            poll,
            events: Events::with_capacity(EVENTS_MAX),
            listener: Some(listener),
            addr,
            door,
            options,
            bell,
            stop: Arc::default(),
            stats: Arc::default(),
            connections: Connections::default(),
            sessions: HashMap::new(),
            pool: Pool::default(),
            deadlines: Deadlines::default(),
            held: VecDeque::new(),
            decided: 0,
            to_read: VecDeque::new(),
            to_write: Vec::new(),
            in_engine: 0,
            queued: 0,
            is_too_much: false,
            has_refusing: false,
            is_accept_ready: false,
            accept_after: 0,
            stop_at: None,
            started: Instant::now(),
            now: 0,
        })
    }

    /// The address that it listens on, with the port that the system chose where 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// What stops it.
    pub fn handle(&self) -> GatewayHandle {
        GatewayHandle { stop: Arc::clone(&self.stop), bell: Arc::clone(&self.bell) }
    }

    /// What it counts.
    pub fn stats(&self) -> Arc<GatewayStats> {
        Arc::clone(&self.stats)
    }

    /// Serves until it is stopped.
    ///
    /// # Errors
    /// When the system refuses to wait for sockets. What happens to one connection is never an error here.
    pub fn run(mut self) -> Result<(), GatewayError> {
        loop {
            self.wait()?;
            self.accept();
            self.read();
            self.collect();
            self.release();
            self.write();
            self.expire();
            if self.stop.load(Ordering::SeqCst) && self.is_stopped() {
                return Ok(());
            }
        }
    }

    /// Waits until there is something to do, and notes what sockets have become ready.
    fn wait(&mut self) -> Result<(), GatewayError> {
        add(&self.stats.turns, 1);
        self.tick();
        let may_read = !self.to_read.is_empty() && self.has_door_room();
        let is_busy = may_read || !self.to_write.is_empty() || self.may_accept();
        if is_busy {
            Self::poll(&mut self.poll, &mut self.events, Some(Duration::ZERO))?;
        } else if !self.look_around()? {
            let timeout = self.next_due().map(|due| Duration::from_millis(due.saturating_sub(self.now)));
            let has_work = || {
                Self::is_releasable(&self.door, &self.held)
                    || (self.stop.load(Ordering::SeqCst) && self.stop_at.is_none())
            };
            let (poll, events) = (&mut self.poll, &mut self.events);
            self.bell.sleep_unless(has_work, |is_idle| {
                Self::poll(poll, events, if is_idle { timeout } else { Some(Duration::ZERO) })
            })?;
        }
        self.tick();
        for event in &self.events {
            if event.token() == LISTENER {
                self.is_accept_ready = true;
            } else if event.token() != BELL
                && let Some(connection) = self.connections.get_mut(event.token().0 as u64)
            {
                let key = event.token().0 as u64;
                if event.is_readable() || event.is_read_closed() || event.is_error() {
                    connection.readable = true;
                    connection.is_ending |= event.is_read_closed() || event.is_error();
                    if !connection.is_to_read && connection.may_read(&self.options, self.is_too_much) {
                        connection.is_to_read = true;
                        self.to_read.push_back(key);
                    }
                }
                if event.is_writable() {
                    connection.set_writable();
                    if connection.has_output() && !connection.is_to_write {
                        connection.is_to_write = true;
                        self.to_write.push(key);
                    }
                }
            }
        }
        Ok(())
    }

    /// Looks for work for a moment before sleeping, where the options say so. True: there is some.
    fn look_around(&mut self) -> std::io::Result<bool> {
        if self.options.spin_us == 0 {
            return Ok(false);
        }
        let until = Instant::now() + Duration::from_micros(self.options.spin_us);
        while Instant::now() < until {
            Self::poll(&mut self.poll, &mut self.events, Some(Duration::ZERO))?;
            if !self.events.is_empty() || Self::is_releasable(&self.door, &self.held) {
                return Ok(true);
            }
            std::hint::spin_loop();
        }
        Ok(false)
    }

    fn poll(poll: &mut Poll, events: &mut Events, timeout: Option<Duration>) -> std::io::Result<()> {
        match poll.poll(events, timeout) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {
                events.clear();
                Ok(())
            }
            result => result,
        }
    }

    fn is_releasable(door: &Door, held: &VecDeque<Box<Work>>) -> bool {
        door.has_outbox() || held.front().is_some_and(|work| work.release_at <= door.durable())
    }

    fn tick(&mut self) {
        self.now = self.started.elapsed().as_millis() as AtMs;
    }

    fn next_due(&self) -> Option<AtMs> {
        let accept_due = (self.is_accept_ready && self.listener.is_some()).then_some(self.accept_after);
        self.deadlines.next().into_iter().chain(accept_due).chain(self.stop_at).min()
    }

    /// Whether the engine's door has room for one more work. The options see to it that it has, but for works of
    /// connections that have gone while the engine still had them.
    pub(crate) fn has_door_room(&self) -> bool {
        self.in_engine < self.door.capacity()
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("addr", &self.addr)
            .field("connections", &self.connections.len())
            .finish_non_exhaustive()
    }
}
