//! The client: one session, its unanswered commands, and the connection that it has or is about to have again.

use std::fmt;
use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use orderline_protocol::frame::{Close, CloseReason, FrameKind, HELLO_MAGIC, Hello, Welcome};
use orderline_protocol::{Command, Malformed, Reply, Request, SessionId};
use zerocopy::IntoBytes;

use crate::link::{Arrived, Fill, Link};
use crate::transport::{Tcp, Transport};
use crate::unanswered::Unanswered;
use crate::{ClientError, ClientOptions, OwnedReply, random, wait};

/// Where the client stands with its connection.
enum Phase<S> {
    /// There is none; the next attempt is due then.
    Down { retry_at: Instant },
    /// The hello is on its way and the welcome has not come.
    Greeting { link: Link<S>, deadline: Instant },
    /// Welcomed.
    Up { link: Link<S> },
    /// Nothing will heal it.
    Failed(ClientError),
}

/// A session with the server. See the crate's first page for how it is driven.
pub struct Client<T: Transport = Tcp> {
    transport: T,
    options: ClientOptions,
    session: SessionId,
    phase: Phase<T::Stream>,
    unanswered: Unanswered,
    credits: u32,
    idle_max: Duration,
    welcomed: bool,
    accepted_any: bool,
    down_since: Instant,
    attempts: u32,
    pause: Duration,
    last_loss: ClientError,
    reconnects: u64,
    strays: u64,
}

impl Client {
    /// Connects, says hello and waits for the welcome. One attempt: the reconnect policy begins to count once the
    /// client has been welcomed.
    ///
    /// # Errors
    /// When the address does not resolve or cannot be reached, or the server refuses or does not welcome in time.
    pub fn connect(addr: impl ToSocketAddrs, options: ClientOptions) -> Result<Self, ClientError> {
        let addresses = addr.to_socket_addrs().map_err(|why| ClientError::Address(Arc::new(why)))?;
        let mut client = Self::over(Tcp::new(addresses.collect(), options.encryption.clone()), options);
        loop {
            client.pump(|_| ())?;
            if client.welcomed {
                return Ok(client);
            }
            wait([&client], client.options.connect_timeout)?;
        }
    }

    /// Submits one command and waits for its reply.
    ///
    /// # Errors
    /// [`ClientError::Overlap`] when other requests are unanswered, [`ClientError::CallTimeout`], and what is final.
    pub fn call(&mut self, command: &Command<'_>) -> Result<OwnedReply, ClientError> {
        let mut answer = None;
        self.call_all([()], |client, ()| client.submit(command), |_, reply| answer = Some(reply.into()))?;
        answer.ok_or(ClientError::Unexpected("success without a reply"))
    }

    /// Submits one command for each item, as many at once as there are credits, and waits for all replies;
    /// `on_reply` gets the item's index with each. Meant for setting up and for tests.
    ///
    /// # Errors
    /// As [`Client::call`], and whatever `submit` returns.
    pub fn call_all<I: IntoIterator>(
        &mut self,
        items: I,
        mut submit: impl FnMut(&mut Self, I::Item) -> Result<Request, ClientError>,
        mut on_reply: impl FnMut(usize, Reply<'_>),
    ) -> Result<(), ClientError> {
        if self.unanswered() > 0 {
            return Err(ClientError::Overlap { unanswered: self.unanswered() });
        }
        let first = self.next_request();
        let mut items = items.into_iter().peekable();
        let mut progress_at = Instant::now();
        while items.peek().is_some() || self.unanswered() > 0 {
            while self.credits_left() > 0
                && let Some(item) = items.next()
            {
                submit(self, item)?;
            }
            let delivered = self.pump(|reply| {
                on_reply((reply.header.request.get() - first) as usize, reply);
            })?;
            if delivered > 0 {
                progress_at = Instant::now();
            } else if progress_at.elapsed() > self.options.call_timeout {
                return Err(ClientError::CallTimeout { timeout_ms: self.options.call_timeout.as_millis() });
            } else {
                wait([&*self], self.options.call_timeout)?;
            }
        }
        Ok(())
    }

    /// The socket to wait for, if there is one, and whether to wait until it can be written.
    pub(crate) fn interest(&self) -> Option<(&TcpStream, bool)> {
        match &self.phase {
            Phase::Greeting { link, .. } | Phase::Up { link } => Some((link.stream.tcp(), link.has_output())),
            Phase::Down { .. } | Phase::Failed(_) => None,
        }
    }
}

impl<T: Transport> Client<T> {
    /// A client over this transport. It connects with the first [`Client::pump`], and until it is welcomed its first loss
    /// is final.
    pub fn over(mut transport: T, options: ClientOptions) -> Self {
        let now = transport.now();
        Self {
            session: options.session.unwrap_or_else(|| random::session(|| transport.draw())),
            transport,
            phase: Phase::Down { retry_at: now },
            unanswered: Unanswered::new(),
            credits: 0,
            idle_max: Duration::MAX,
            welcomed: false,
            accepted_any: false,
            down_since: now,
            attempts: 0,
            pause: options.reconnect.pause_first,
            last_loss: ClientError::Vanished,
            reconnects: 0,
            strays: 0,
            options,
        }
    }

    /// The session's id: what to keep in order to take it up again.
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// Commands that may be unanswered at once, as the server said.
    pub fn credits(&self) -> u32 {
        self.credits
    }

    /// Commands that may be submitted before a reply must come.
    pub fn credits_left(&self) -> usize {
        (self.credits as usize).saturating_sub(self.unanswered.span())
    }

    /// Requests that were submitted and have no answer yet.
    pub fn unanswered(&self) -> usize {
        self.unanswered.open()
    }

    /// The numbers of these requests, oldest first. After a final error this is what the caller cannot know the
    /// outcome of.
    pub fn unanswered_requests(&self) -> impl Iterator<Item = Request> + '_ {
        self.unanswered.requests()
    }

    /// The number that the next command will get.
    pub fn next_request(&self) -> Request {
        self.unanswered.next_request()
    }

    /// Whether there is a welcomed connection now.
    pub fn is_connected(&self) -> bool {
        matches!(self.phase, Phase::Up { .. })
    }

    /// How often the connection was lost and made again.
    pub fn reconnects(&self) -> u64 {
        self.reconnects
    }

    /// Replies that answered nothing unanswered, and were kept from the caller.
    pub fn stray_replies(&self) -> u64 {
        self.strays
    }

    /// Numbers a command and keeps it until it is answered. It goes out with the next [`Client::flush`] or
    /// [`Client::pump`], also when the connection is just being made again.
    ///
    /// # Errors
    /// [`ClientError::NoCredit`] and [`ClientError::CommandTooLarge`] leave the client as it was; others are final.
    #[inline]
    pub fn submit(&mut self, command: &Command<'_>) -> Result<Request, ClientError> {
        if let Phase::Failed(error) = &self.phase {
            return Err(error.clone());
        }
        if self.credits_left() == 0 {
            return Err(ClientError::NoCredit { credits: self.credits });
        }
        self.unanswered.push(command).map_err(|bytes| ClientError::CommandTooLarge { bytes })
    }

    /// Writes what was submitted, as far as the socket takes it. Never blocks.
    ///
    /// # Errors
    /// Only when the client has failed for good. A connection that breaks here is made again by the next pump.
    pub fn flush(&mut self) -> Result<(), ClientError> {
        let now = self.transport.now();
        match &mut self.phase {
            Phase::Failed(error) => return Err(error.clone()),
            Phase::Up { link } => {
                // An error here comes back when the pump reads, where a close frame may still explain it.
                let _ = Self::send(
                    link,
                    &mut self.unanswered,
                    self.credits as usize,
                    self.options.commands_per_frame_max,
                    now,
                );
            }
            Phase::Down { .. } | Phase::Greeting { .. } => {}
        }
        Ok(())
    }

    /// Moves what can be moved without waiting: writes commands, reads replies and hands each to `on_reply`,
    /// answers pings, and sees to it that a lost connection is made again. Returns how many replies it handed out.
    ///
    /// # Errors
    /// Only what is final; every later call returns it again.
    pub fn pump(&mut self, mut on_reply: impl FnMut(Reply<'_>)) -> Result<usize, ClientError> {
        let now = self.transport.now();
        let mut delivered = 0;
        if let Err(error) = self.turn(now, &mut delivered, &mut on_reply) {
            self.lose(error, now)?;
        }
        Ok(delivered)
    }

    /// When a pump has something to do even if the socket stays silent.
    pub fn due_at(&self, now: Instant) -> Option<Instant> {
        match &self.phase {
            Phase::Down { retry_at } => Some(*retry_at),
            Phase::Greeting { deadline, .. } => Some(*deadline),
            Phase::Failed(_) => Some(now),
            Phase::Up { link } => {
                if self.unanswered.has_unframed(self.credits as usize) && link.has_room() {
                    return Some(now);
                }
                let silent_at = link.heard_at.checked_add(self.idle_max);
                if link.has_output() {
                    return silent_at;
                }
                let ping_at = link.said_at.checked_add(self.idle_max / 3);
                ping_at.into_iter().chain(silent_at).min()
            }
        }
    }

    fn turn(
        &mut self,
        now: Instant,
        delivered: &mut usize,
        on_reply: &mut impl FnMut(Reply<'_>),
    ) -> Result<(), ClientError> {
        if let Phase::Down { retry_at } = self.phase {
            if now < retry_at {
                return Ok(());
            }
            self.attempts += 1;
            self.greet()?;
        }
        if matches!(self.phase, Phase::Greeting { .. }) {
            self.await_welcome(now)?;
        }
        match &self.phase {
            Phase::Failed(error) => Err(error.clone()),
            Phase::Down { .. } | Phase::Greeting { .. } => Ok(()),
            Phase::Up { .. } => self.exchange(now, delivered, on_reply),
        }
    }

    /// Connects and says hello.
    fn greet(&mut self) -> Result<(), ClientError> {
        let stream = self.transport.connect(self.options.connect_timeout)?;
        let mut link = Link::new(stream, self.transport.now());
        let must_exist = if self.welcomed {
            self.unanswered.open() > 0 || self.accepted_any
        } else {
            self.options.must_exist
        };
        let hello = Hello {
            magic: HELLO_MAGIC,
            session: self.session,
            token: self.options.token,
            resume: must_exist.into(),
            refuse_when_busy: self.options.refuse_when_busy.into(),
            reserved: [0; 6],
        };
        link.say(FrameKind::Hello, hello.as_bytes());
        let now = link.said_at;
        let written = link.write(now);
        self.phase = Phase::Greeting { link, deadline: now + self.options.connect_timeout };
        written.map_err(lost)
    }

    fn await_welcome(&mut self, now: Instant) -> Result<(), ClientError> {
        let Phase::Greeting { link, deadline } = &mut self.phase else { return Ok(()) };
        let deadline = *deadline;
        let written = link.write(now);
        let filled = link.fill(now);
        while let Some(arrived) = link.take_frame()? {
            match arrived.kind {
                FrameKind::Welcome => {
                    let welcome = *Welcome::read(link.payload(&arrived))?;
                    return self.welcome(&welcome);
                }
                FrameKind::Close => return Err(closed(link, &arrived)),
                FrameKind::Ping => link.say(FrameKind::Pong, &[]),
                _ => return Err(ClientError::Unexpected("frame before the welcome")),
            }
        }
        written.map_err(lost)?;
        if filled.map_err(lost)? == Fill::End {
            return Err(ClientError::Vanished);
        }
        if now >= deadline {
            return Err(ClientError::NoWelcome { timeout_ms: self.options.connect_timeout.as_millis() });
        }
        Ok(())
    }

    fn welcome(&mut self, welcome: &Welcome) -> Result<(), ClientError> {
        let last_request = welcome.last_request.get();
        let numbered = self.unanswered.next_request() - 1;
        if !self.welcomed {
            self.unanswered.start_at(last_request + 1);
        } else if last_request > numbered {
            // Our numbers are taken: sending them again would be answered with somebody else's answers.
            return Err(ClientError::SessionShared { last_request, numbered });
        } else {
            self.reconnects += 1;
        }
        self.welcomed = true;
        self.credits = welcome.credits.get();
        self.idle_max = Duration::from_millis(welcome.idle_ms_max.get().max(3).into());
        self.attempts = 0;
        self.pause = self.options.reconnect.pause_first;
        self.unanswered.unframe();
        let before = std::mem::replace(&mut self.phase, Phase::Failed(ClientError::Vanished));
        let Phase::Greeting { link, .. } = before else { unreachable!("a welcome ends a greeting") };
        self.phase = Phase::Up { link };
        Ok(())
    }

    fn exchange(
        &mut self,
        now: Instant,
        delivered: &mut usize,
        on_reply: &mut impl FnMut(Reply<'_>),
    ) -> Result<(), ClientError> {
        let Phase::Up { link } = &mut self.phase else { return Ok(()) };
        if now.saturating_duration_since(link.said_at) >= self.idle_max / 3 && !link.has_output() {
            link.say(FrameKind::Ping, &[]);
        }
        let (credits, per_frame) = (self.credits as usize, self.options.commands_per_frame_max);
        let written = Self::send(link, &mut self.unanswered, credits, per_frame, now);
        loop {
            let filled = link.fill(now);
            while let Some(arrived) = link.take_frame()? {
                match arrived.kind {
                    FrameKind::Replies => {
                        let mut rest = link.payload(&arrived);
                        for _ in 0..arrived.count {
                            let reply = Reply::take(&mut rest)?;
                            self.accepted_any |= reply.is_accepted();
                            if self.unanswered.settle(reply.header.request.get()) {
                                *delivered += 1;
                                on_reply(reply);
                            } else {
                                self.strays += 1;
                            }
                        }
                        if !rest.is_empty() {
                            return Err(
                                Malformed { what: "replies", why: "bytes follow the last one" }.into()
                            );
                        }
                    }
                    FrameKind::Ping => link.say(FrameKind::Pong, &[]),
                    FrameKind::Pong => {}
                    FrameKind::Close => return Err(closed(link, &arrived)),
                    _ => return Err(ClientError::Unexpected("frame of a client's")),
                }
            }
            match filled.map_err(lost)? {
                Fill::More => {}
                Fill::Drained => break,
                Fill::End => return Err(ClientError::Vanished),
            }
        }
        // Only now: what was read may have said why the socket cannot be written any more.
        written.map_err(lost)?;
        self.unanswered.compact();
        let silent = now.saturating_duration_since(link.heard_at);
        if silent >= self.idle_max {
            return Err(ClientError::Silent { silent_ms: silent.as_millis() });
        }
        Ok(())
    }

    fn send(
        link: &mut Link<T::Stream>,
        unanswered: &mut Unanswered,
        credits: usize,
        commands_per_frame_max: u16,
        now: Instant,
    ) -> io::Result<()> {
        loop {
            while unanswered.has_unframed(credits) && link.has_room() {
                unanswered.frame(&mut link.out, credits, commands_per_frame_max);
            }
            link.write(now)?;
            if link.has_output() || !unanswered.has_unframed(credits) {
                return Ok(());
            }
        }
    }

    /// Goes down after `error`, or fails for good.
    fn lose(&mut self, error: ClientError, now: Instant) -> Result<(), ClientError> {
        let policy = &self.options.reconnect;
        if matches!(self.phase, Phase::Up { .. }) {
            self.down_since = now;
        }
        let is_first = !self.welcomed || policy.attempts_max == 0;
        let last = if is_first || !error.is_passing() {
            error
        } else if self.attempts >= policy.attempts_max
            || now.saturating_duration_since(self.down_since) >= policy.give_up_after
        {
            ClientError::GaveUp { attempts: self.attempts, last: Box::new(error) }
        } else {
            self.last_loss = error;
            self.phase = Phase::Down { retry_at: now + random::jittered(self.pause, self.transport.draw()) };
            self.pause = (self.pause * 2).min(policy.pause_max);
            return Ok(());
        };
        self.phase = Phase::Failed(last.clone());
        Err(last)
    }

    /// Why the connection was lost the last time.
    pub fn last_loss(&self) -> Option<&ClientError> {
        match &self.phase {
            Phase::Failed(error) => Some(error),
            _ if self.reconnects > 0 || matches!(self.phase, Phase::Down { .. }) => Some(&self.last_loss),
            _ => None,
        }
    }
}

impl<T: Transport> fmt::Debug for Client<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("session", &self.session)
            .field("connected", &self.is_connected())
            .field("credits", &self.credits)
            .field("unanswered", &self.unanswered())
            .finish_non_exhaustive()
    }
}

fn lost(error: io::Error) -> ClientError {
    ClientError::Lost(Arc::new(error))
}

fn closed<S: io::Read + io::Write>(link: &Link<S>, arrived: &Arrived) -> ClientError {
    match Close::read(link.payload(arrived)) {
        Ok(close) => {
            let number = close.reason.get();
            CloseReason::from_number(number).map_or(ClientError::ClosedOtherwise(number), ClientError::Closed)
        }
        Err(error) => error.into(),
    }
}
