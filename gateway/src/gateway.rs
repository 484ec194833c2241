//! The gateway's thread: one loop, one turn after the other.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use orderline_core::door::{Door, Work};
use orderline_protocol::{Sequence, SessionId};

use crate::bell::Bell;
use crate::connections::Connections;
use crate::deadlines::{AtMs, Deadlines};
use crate::network::Network;
use crate::pool::Pool;
use crate::stats::add;
use crate::tcp::Tcp;
use crate::{GatewayError, GatewayOptions, GatewayStats};

/// The longest pause between two looks at the sockets while the queue is long, in microseconds.
const PAUSE_US_MAX: u64 = 2_000;

/// The front of one engine. Bind it to an address, keep a handle to stop it, and give it a thread to run in; or put it
/// before another network and drive it turn by turn.
pub struct Gateway<N: Network = Tcp> {
    pub(crate) network: N,
    pub(crate) door: Door,
    pub(crate) options: GatewayOptions,
    stop: Arc<AtomicBool>,
    pub(crate) stats: Arc<GatewayStats>,
    /// What the tokens were when grants were last looked through.
    pub(crate) access_generation: u64,
    pub(crate) connections: Connections<N::Stream>,
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
    /// Bytes of input of these works.
    pub(crate) in_engine_bytes: usize,
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
        let tcp = Tcp::listen(addr, options.tls.clone()).map_err(|why| GatewayError::Bind { addr, why })?;
        let rung = Arc::clone(&tcp.bell);
        door.on_wake(move || rung.ring());
        Self::before(tcp, door, options)
    }

    /// The address that it listens on, with the port that the system chose where 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.network.addr
    }

    /// What stops it.
    pub fn handle(&self) -> GatewayHandle {
        GatewayHandle { stop: Arc::clone(&self.stop), bell: Arc::clone(&self.network.bell) }
    }

    /// Serves until it is stopped.
    ///
    /// # Errors
    /// When the system refuses to wait for sockets. What happens to one connection is never an error here.
    pub fn run(mut self) -> Result<(), GatewayError> {
        loop {
            self.wait()?;
            if self.turn() {
                return Ok(());
            }
        }
    }

    /// Waits until there is something to do.
    fn wait(&mut self) -> Result<(), GatewayError> {
        add(&self.stats.turns, 1);
        self.stats.commands_queued.store(self.queued, Ordering::Relaxed);
        self.tick();
        if let Some(pause) = self.pause() {
            std::thread::sleep(pause);
            self.tick();
            self.network.poll(Some(Duration::ZERO))?;
        } else if self.is_busy() {
            self.network.poll(Some(Duration::ZERO))?;
        } else if !self.look_around()? {
            let timeout = self.due_ms().map(|due| Duration::from_millis(due.saturating_sub(self.now)));
            let Self { network, door, held, stop, stop_at, .. } = self;
            network.sleep(timeout, || {
                is_releasable(door, held) || (stop.load(Ordering::SeqCst) && stop_at.is_none())
            })?;
        }
        Ok(())
    }

    /// How long to look away while the engine has enough to do: more comes than it can carry, and what is read, refused and
    /// written in larger pieces costs less of the processor that it needs. Half of the queue is left by then: to run out of
    /// it, it would have to decide four commands in a microsecond.
    fn pause(&self) -> Option<Duration> {
        let most = self.options.queue_commands_max;
        let is_filling = self.has_refusing && self.queued >= most.div_ceil(2);
        let pause_us = PAUSE_US_MAX.min(most / 8);
        (is_filling && pause_us > 0).then(|| Duration::from_micros(pause_us))
    }

    /// Looks for work for a moment before sleeping, where the options say so. True: there is some.
    fn look_around(&mut self) -> std::io::Result<bool> {
        if self.options.spin_us == 0 {
            return Ok(false);
        }
        let until = Instant::now() + Duration::from_micros(self.options.spin_us);
        while Instant::now() < until {
            self.network.poll(Some(Duration::ZERO))?;
            if self.network.has_ready() || is_releasable(&self.door, &self.held) {
                return Ok(true);
            }
            std::hint::spin_loop();
        }
        Ok(false)
    }
}

impl<N: Network> Gateway<N> {
    /// A gateway before a network, in front of the engine behind `door`.
    ///
    /// # Errors
    /// When an option is out of bounds or the door is too small for them.
    pub fn before(network: N, door: Door, options: GatewayOptions) -> Result<Self, GatewayError> {
        options.check(door.capacity())?;
        let access_generation = options.access.generation();
        Ok(Self {
            network,
            door,
            options,
            stop: Arc::default(),
            stats: Arc::default(),
            access_generation,
            connections: Connections::default(),
            sessions: HashMap::new(),
            pool: Pool::default(),
            deadlines: Deadlines::default(),
            held: VecDeque::new(),
            decided: 0,
            to_read: VecDeque::new(),
            to_write: Vec::new(),
            in_engine: 0,
            in_engine_bytes: 0,
            queued: 0,
            is_too_much: false,
            has_refusing: false,
            is_accept_ready: false,
            accept_after: 0,
            stop_at: None,
            now: 0,
        })
    }

    /// What it counts.
    pub fn stats(&self) -> Arc<GatewayStats> {
        Arc::clone(&self.stats)
    }

    /// Asks it to stop, as [`GatewayHandle::stop`] does from elsewhere.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
    }

    /// One turn of the loop, which waits for nothing. True: it was asked to stop, and everybody has gone.
    pub fn turn(&mut self) -> bool {
        self.tick();
        self.recheck();
        self.note_ready();
        self.accept();
        self.read();
        self.collect();
        self.release();
        self.write();
        self.expire();
        self.stop.load(Ordering::SeqCst) && self.is_stopped()
    }

    /// Whether a turn has something to do even if the network stays silent.
    pub fn has_work(&self) -> bool {
        self.is_busy() || is_releasable(&self.door, &self.held)
    }

    /// When a deadline falls due, in the network's milliseconds.
    pub fn due_ms(&self) -> Option<u64> {
        let accept_due = (self.is_accept_ready && self.network.is_listening()).then_some(self.accept_after);
        self.deadlines.next().into_iter().chain(accept_due).chain(self.stop_at).min()
    }

    fn is_busy(&self) -> bool {
        let may_read = !self.to_read.is_empty() && self.has_door_room();
        may_read || !self.to_write.is_empty() || self.may_accept()
    }

    /// Notes what has become ready.
    fn note_ready(&mut self) {
        let Self { network, connections, options, to_read, to_write, is_accept_ready, .. } = self;
        network.take_ready(|ready| {
            let Some(key) = ready.key else {
                *is_accept_ready = true;
                return;
            };
            let Some(connection) = connections.get_mut(key) else { return };
            if ready.is_readable {
                connection.readable = true;
                connection.is_ending |= ready.is_ending;
                if !connection.is_to_read && connection.may_read(options) {
                    connection.is_to_read = true;
                    to_read.push_back(key);
                }
            }
            if ready.is_writable {
                connection.set_writable();
                if connection.has_output() && !connection.is_to_write {
                    connection.is_to_write = true;
                    to_write.push(key);
                }
            }
        });
    }

    fn tick(&mut self) {
        self.now = self.network.now_ms();
    }

    /// Whether the engine's door has room for one more work. The options see to it that it has, but for works of
    /// connections that have gone while the engine still had them.
    pub(crate) fn has_door_room(&self) -> bool {
        self.in_engine < self.door.capacity()
    }
}

fn is_releasable(door: &Door, held: &VecDeque<Box<Work>>) -> bool {
    door.has_outbox() || held.front().is_some_and(|work| work.release_at <= door.durable())
}

impl<N: Network> fmt::Debug for Gateway<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("connections", &self.connections.len()).finish_non_exhaustive()
    }
}
