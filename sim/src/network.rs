//! A simulated network: links whose bytes are delayed, split, held up by full windows, and cut off.
//!
//! What is promised is what TCP promises: bytes arrive in order, without a hole, up to some point. Where that point lies when
//! a link is cut, and when each side learns of it, is chance.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use orderline_client::{ClientError, Transport};
use orderline_gateway::{Network, Ready};

use crate::chance::Chance;
use crate::clock::Clock;

/// How long a link that has gone dark without a word may take until somebody tells its client, in microseconds.
const DARK_US_MAX: u64 = 30_000_000;

/// How the network behaves.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    /// Time that a piece of bytes travels, in microseconds.
    pub delay_us: (u64, u64),
    /// Bytes of one direction that may be under way or unread.
    pub window_bytes: usize,
    /// Pieces that what is written at once is split into at most.
    pub pieces_max: u64,
}

/// One direction of a link.
#[derive(Default)]
struct Pipe {
    /// Pieces under way, with the time at which each arrives.
    flight: VecDeque<(u64, Vec<u8>)>,
    flight_bytes: usize,
    arrived: VecDeque<u8>,
    /// When the last byte's end arrives, or the news that the link is broken.
    ends_at: Option<u64>,
    breaks_at: Option<u64>,
    has_ended: bool,
    is_broken: bool,
    /// The writer was told that there is no room, and wants to know when there is.
    is_full: bool,
    /// Nothing arrives before this time.
    not_before: u64,
}

#[derive(Default)]
struct Link {
    up: Pipe,
    down: Pipe,
    key: Option<u64>,
    is_accepted: bool,
    arrives_at: u64,
    is_client_here: bool,
    is_server_here: bool,
    /// What the server has not been told yet.
    is_server_readable: bool,
    is_server_writable: bool,
    is_client_ready: bool,
    /// Nothing arrives any more, and nobody is told.
    is_dark: bool,
}

struct Net {
    clock: Clock,
    chance: Chance,
    weather: Weather,
    is_up: bool,
    links: BTreeMap<u64, Link>,
    links_made: u64,
    is_listener_ready: bool,
}

/// The network between one server and its clients. Clones are the same network.
#[derive(Clone)]
pub struct Wires {
    net: Rc<RefCell<Net>>,
}

impl Pipe {
    fn room(&self, window_bytes: usize) -> usize {
        window_bytes.saturating_sub(self.flight_bytes + self.arrived.len())
    }

    fn next_at(&self) -> Option<u64> {
        let piece = self.flight.front().map(|piece| piece.0);
        piece.into_iter().chain(self.ends_at).chain(self.breaks_at).min()
    }

    /// Takes in what has arrived by now; says whether anything has changed for the reader.
    fn deliver(&mut self, now: u64) -> bool {
        let mut is_news = false;
        while let Some((at, _)) = self.flight.front()
            && *at <= now
        {
            if let Some((_, bytes)) = self.flight.pop_front() {
                self.flight_bytes -= bytes.len();
                self.arrived.extend(bytes);
                is_news = true;
            }
        }
        if self.flight.is_empty() && self.ends_at.is_some_and(|at| at <= now) {
            self.ends_at = None;
            self.has_ended = true;
            is_news = true;
        }
        if self.breaks_at.is_some_and(|at| at <= now) {
            self.breaks_at = None;
            self.is_broken = true;
            self.drop_flight(0);
            is_news = true;
        }
        is_news
    }

    /// Of the pieces under way only so many still arrive.
    fn drop_flight(&mut self, kept: usize) {
        self.flight.truncate(kept);
        self.flight_bytes = self.flight.iter().map(|piece| piece.1.len()).sum();
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.arrived.is_empty() {
            return match () {
                () if self.is_broken => Err(ErrorKind::ConnectionReset.into()),
                () if self.has_ended => Ok(0),
                () => Err(ErrorKind::WouldBlock.into()),
            };
        }
        let count = buffer.len().min(self.arrived.len());
        for (to, from) in buffer.iter_mut().zip(self.arrived.drain(..count)) {
            *to = from;
        }
        Ok(count)
    }
}

impl Net {
    fn delay(&mut self) -> u64 {
        let (least, most) = self.weather.delay_us;
        self.clock.now_us() + self.chance.magnitude(least, most)
    }

    fn write(&mut self, id: u64, is_up: bool, bytes: &[u8]) -> io::Result<usize> {
        let now = self.clock.now_us();
        let window_bytes = self.weather.window_bytes;
        let Some(link) = self.links.get_mut(&id) else { return Err(ErrorKind::BrokenPipe.into()) };
        let is_dark = link.is_dark;
        let (pipe, back) = if is_up { (&mut link.up, &link.down) } else { (&mut link.down, &link.up) };
        if pipe.is_broken || back.is_broken {
            return Err(ErrorKind::BrokenPipe.into());
        }
        if pipe.breaks_at.is_some() {
            // It has been cut, and whoever writes has not heard of it yet: nothing may arrive behind what was lost.
            return Ok(bytes.len());
        }
        let count = bytes.len().min(pipe.room(window_bytes));
        // As with a socket: whoever could not write all is told when there is room again.
        pipe.is_full |= count < bytes.len();
        if count == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        let mut left = &bytes[..count];
        let mut pieces = Vec::new();
        let pieces_max = self.weather.pieces_max;
        while !left.is_empty() {
            let is_last = pieces.len() as u64 + 1 >= pieces_max;
            let size =
                if is_last || self.chance.one_in(2) { left.len() } else { 1 + self.chance.index(left.len()) };
            let (piece, rest) = left.split_at(size);
            let at = if is_dark { u64::MAX } else { self.delay() };
            pieces.push((at, piece.to_vec()));
            left = rest;
        }
        let Some(link) = self.links.get_mut(&id) else { return Ok(count) };
        let pipe = if is_up { &mut link.up } else { &mut link.down };
        pipe.flight_bytes += count;
        for (at, piece) in pieces {
            pipe.not_before = pipe.not_before.max(at);
            pipe.flight.push_back((pipe.not_before, piece));
        }
        debug_assert!(pipe.not_before >= now);
        Ok(count)
    }

    fn read(&mut self, id: u64, is_up: bool, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(link) = self.links.get_mut(&id) else { return Err(ErrorKind::ConnectionReset.into()) };
        let pipe = if is_up { &mut link.up } else { &mut link.down };
        let read = pipe.read(buffer);
        if read.is_ok() && std::mem::take(&mut pipe.is_full) {
            if is_up {
                link.is_client_ready = true;
            } else {
                link.is_server_writable = true;
            }
        }
        read
    }

    /// One side has closed the link: the other hears of it, unless the link is dark.
    fn close(&mut self, id: u64, is_client: bool) {
        let (end, broken) = (self.delay(), self.delay());
        let Some(link) = self.links.get_mut(&id) else { return };
        *(if is_client { &mut link.is_client_here } else { &mut link.is_server_here }) = false;
        if !link.is_client_here && !link.is_server_here {
            self.links.remove(&id);
            return;
        }
        if link.is_dark {
            return;
        }
        let (mine, theirs) =
            if is_client { (&mut link.up, &mut link.down) } else { (&mut link.down, &mut link.up) };
        if mine.ends_at.is_none() && !mine.has_ended {
            mine.ends_at = Some(end.max(mine.not_before));
        }
        // What they still write meets nobody.
        mine.breaks_at = Some(broken.max(mine.not_before).max(end) + 1);
        theirs.drop_flight(0);
    }
}

impl Wires {
    /// A network without a link, and without a server.
    pub fn new(clock: Clock, chance: Chance, weather: Weather) -> Self {
        let net = Net {
            clock,
            chance,
            weather,
            is_up: false,
            links: BTreeMap::new(),
            links_made: 0,
            is_listener_ready: false,
        };
        Self { net: Rc::new(RefCell::new(net)) }
    }

    /// Changes how it behaves from here on.
    pub fn set_weather(&self, weather: Weather) {
        self.net.borrow_mut().weather = weather;
    }

    /// A server listens.
    pub fn server_up(&self) {
        self.net.borrow_mut().is_up = true;
    }

    /// The server has died. What it had sent may arrive or not; its clients learn of it sooner or later.
    pub fn server_died(&self) {
        let net = &mut *self.net.borrow_mut();
        net.is_up = false;
        net.is_listener_ready = false;
        let mut ids: Vec<u64> = net.links.keys().copied().collect();
        ids.retain(|id| net.links[id].is_server_here);
        for id in ids {
            let told_at = if net.chance.one_in(4) {
                net.clock.now_us() + net.chance.magnitude(1_000, DARK_US_MAX)
            } else {
                net.delay()
            };
            let Some(link) = net.links.get_mut(&id) else { continue };
            link.is_server_here = false;
            if !link.is_client_here {
                net.links.remove(&id);
                continue;
            }
            let kept = net.chance.index(link.down.flight.len() + 1);
            link.down.drop_flight(kept);
            let last_at = link.down.flight.back().map_or(0, |piece| piece.0).min(told_at);
            link.down.breaks_at = Some(told_at.max(last_at));
            link.up.drop_flight(0);
        }
    }

    /// Links with both ends.
    pub fn whole_links(&self) -> Vec<u64> {
        let net = self.net.borrow();
        let whole = net.links.iter().filter(|(_, link)| {
            link.is_client_here && link.is_server_here && !link.is_dark && link.down.breaks_at.is_none()
        });
        whole.map(|(&id, _)| id).collect()
    }

    /// Cuts a link: each side hears of it some time, and loses what had not arrived.
    pub fn cut(&self, id: u64) {
        let net = &mut *self.net.borrow_mut();
        let (up_at, down_at) = (net.delay(), net.delay());
        let Some(link) = net.links.get_mut(&id) else { return };
        for (pipe, at) in [(&mut link.up, up_at), (&mut link.down, down_at)] {
            let kept = net.chance.index(pipe.flight.len() + 1);
            pipe.drop_flight(kept);
            pipe.breaks_at = Some(at);
        }
    }

    /// A link goes dark: nothing arrives any more either way, and nobody is told.
    pub fn darken(&self, id: u64) {
        let net = &mut *self.net.borrow_mut();
        let Some(link) = net.links.get_mut(&id) else { return };
        link.is_dark = true;
        for pipe in [&mut link.up, &mut link.down] {
            pipe.drop_flight(0);
            (pipe.ends_at, pipe.breaks_at) = (None, None);
        }
    }

    /// When something arrives somewhere.
    pub fn next_at(&self) -> Option<u64> {
        let net = self.net.borrow();
        let of_link = |link: &Link| {
            let arrives = (!link.is_accepted && link.is_server_here).then_some(link.arrives_at);
            link.up.next_at().into_iter().chain(link.down.next_at()).chain(arrives).min()
        };
        net.links.values().filter_map(of_link).min().filter(|&at| at < u64::MAX)
    }

    /// Delivers what has arrived by now.
    pub fn deliver(&self) {
        let net = &mut *self.net.borrow_mut();
        let now = net.clock.now_us();
        for link in net.links.values_mut() {
            link.is_server_readable |= link.up.deliver(now);
            link.is_client_ready |= link.down.deliver(now);
            if !link.is_accepted && link.is_server_here && link.arrives_at <= now {
                // Told once: until it is accepted it stands in the listener's queue.
                link.arrives_at = u64::MAX;
                net.is_listener_ready = true;
            }
        }
    }

    /// Whether the server has not been told of something.
    pub fn is_server_ready(&self) -> bool {
        let net = self.net.borrow();
        let of_link = |link: &Link| {
            link.key.is_some() && link.is_server_here && (link.is_server_readable || link.is_server_writable)
        };
        net.is_up && (net.is_listener_ready || net.links.values().any(of_link))
    }

    /// Whether something has changed for a link's client since this was asked last.
    pub fn take_client_ready(&self, id: u64) -> bool {
        let mut net = self.net.borrow_mut();
        net.links.get_mut(&id).is_some_and(|link| std::mem::take(&mut link.is_client_ready))
    }

    /// The server's side of it.
    pub fn for_server(&self) -> ServerNetwork {
        ServerNetwork { wires: self.clone(), begin_us: self.net.borrow().clock.now_us(), is_listening: true }
    }

    /// A client's side of it.
    pub fn for_client(&self, chance: Chance) -> (ClientNetwork, Rc<RefCell<Option<u64>>>) {
        let link = Rc::new(RefCell::new(None));
        let clock = self.net.borrow().clock.clone();
        (ClientNetwork { wires: self.clone(), clock, chance, link: Rc::clone(&link) }, link)
    }
}

/// What the server's gateway sees of the network.
pub struct ServerNetwork {
    wires: Wires,
    begin_us: u64,
    is_listening: bool,
}

/// The server's end of a link.
pub struct ServerStream {
    wires: Wires,
    id: u64,
}

impl Network for ServerNetwork {
    type Stream = ServerStream;

    fn now_ms(&self) -> u64 {
        (self.wires.net.borrow().clock.now_us() - self.begin_us) / 1_000
    }

    fn accept(&mut self) -> io::Result<ServerStream> {
        let mut net = self.wires.net.borrow_mut();
        let mut waiting =
            net.links.iter_mut().filter(|(_, link)| !link.is_accepted && link.arrives_at == u64::MAX);
        let Some((&id, link)) = waiting.next() else { return Err(ErrorKind::WouldBlock.into()) };
        link.is_accepted = true;
        Ok(ServerStream { wires: self.wires.clone(), id })
    }

    fn is_listening(&self) -> bool {
        self.is_listening
    }

    fn close_listener(&mut self) {
        self.is_listening = false;
        self.wires.net.borrow_mut().is_up = false;
    }

    fn watch(&mut self, stream: &mut ServerStream, key: u64) -> io::Result<()> {
        if let Some(link) = self.wires.net.borrow_mut().links.get_mut(&stream.id) {
            link.key = Some(key);
            // What came before it was watched is told now.
            (link.is_server_readable, link.is_server_writable) = (!link.up.arrived.is_empty(), true);
        }
        Ok(())
    }

    fn forget(&mut self, stream: ServerStream) {
        drop(stream);
    }

    fn take_ready(&mut self, mut each: impl FnMut(Ready)) {
        let net = &mut *self.wires.net.borrow_mut();
        if std::mem::take(&mut net.is_listener_ready) {
            each(Ready { key: None, is_readable: true, is_ending: false, is_writable: false });
        }
        for link in net.links.values_mut().filter(|link| link.is_server_here) {
            let Some(key) = link.key else { continue };
            let is_readable = std::mem::take(&mut link.is_server_readable);
            let is_writable = std::mem::take(&mut link.is_server_writable);
            if is_readable || is_writable {
                let is_ending = link.up.has_ended || link.up.is_broken;
                each(Ready { key: Some(key), is_readable, is_ending, is_writable });
            }
        }
    }
}

impl orderline_gateway::Stream for ServerStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.wires.net.borrow_mut().read(self.id, true, buffer)
    }

    fn read_behind(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        let before = buffer.len();
        let arrived = self.wires.net.borrow().links.get(&self.id).map_or(0, |link| link.up.arrived.len());
        buffer.resize(buffer.capacity().min(before + arrived.max(1)), 0);
        let read = self.wires.net.borrow_mut().read(self.id, true, &mut buffer[before..]);
        buffer.truncate(before + read.as_ref().copied().unwrap_or(0));
        read
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.wires.net.borrow_mut().write(self.id, false, bytes)
    }

    fn finish(&mut self) {
        let net = &mut *self.wires.net.borrow_mut();
        let at = net.delay();
        if let Some(link) = net.links.get_mut(&self.id)
            && !link.is_dark
        {
            link.down.ends_at = Some(at.max(link.down.not_before));
        }
    }
}

impl Drop for ServerStream {
    fn drop(&mut self) {
        let net = &mut *self.wires.net.borrow_mut();
        if net.links.get(&self.id).is_some_and(|link| link.is_server_here) {
            net.close(self.id, false);
        }
    }
}

/// What one client sees of the network.
pub struct ClientNetwork {
    wires: Wires,
    clock: Clock,
    chance: Chance,
    /// The link that there is now.
    link: Rc<RefCell<Option<u64>>>,
}

/// A client's end of a link.
pub struct ClientStream {
    wires: Wires,
    id: u64,
}

impl Transport for ClientNetwork {
    type Stream = ClientStream;

    fn connect(&mut self, _timeout: Duration) -> Result<ClientStream, ClientError> {
        let net = &mut *self.wires.net.borrow_mut();
        if !net.is_up {
            let addr = ([127, 0, 0, 1], 7411).into();
            return Err(ClientError::Connect { addr, why: Arc::new(ErrorKind::ConnectionRefused.into()) });
        }
        net.links_made += 1;
        let id = net.links_made;
        let arrives_at = net.delay();
        net.links
            .insert(id, Link { arrives_at, is_client_here: true, is_server_here: true, ..Link::default() });
        *self.link.borrow_mut() = Some(id);
        Ok(ClientStream { wires: self.wires.clone(), id })
    }

    fn now(&self) -> Instant {
        self.clock.instant()
    }

    fn draw(&mut self) -> u64 {
        self.chance.draw()
    }
}

impl io::Read for ClientStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.wires.net.borrow_mut().read(self.id, false, buffer)
    }
}

impl io::Write for ClientStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.wires.net.borrow_mut().write(self.id, true, bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for ClientStream {
    fn drop(&mut self) {
        self.wires.net.borrow_mut().close(self.id, true);
    }
}
