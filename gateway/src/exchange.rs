//! What a turn does between the sockets and the engine's door: read, collect, release, write.

use orderline_core::bugs::is_planted;
use orderline_core::door::{Task, Work};
use orderline_protocol::command::CommandKind;
use orderline_protocol::frame::CloseReason;
use orderline_protocol::{RejectCode, Scope};

use crate::Gateway;
use crate::connection::{Heard, Stage, Verdict};
use crate::network::Network;
use crate::stats::add;

/// Bytes of commands inside the engine that are too much, whatever their number: long ones are refused before they fill the
/// memory.
const IN_ENGINE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Nothing but availability queries, as bits by the kinds' numbers.
const AVAILABILITY: u128 = 1 << CommandKind::QueryAvailability as u8;

impl<N: Network> Gateway<N> {
    /// Reads each ready connection once: one that has more to say comes back after the others.
    pub(crate) fn read(&mut self) {
        for _ in 0..self.to_read.len() {
            if !self.has_door_room() {
                return;
            }
            let Some(key) = self.to_read.pop_front() else { return };
            let Some(connection) = self.connections.get_mut(key) else { continue };
            connection.is_to_read = false;
            if !connection.may_read(&self.options) {
                continue;
            }
            let (bytes, heard) = connection.read(&mut self.pool, &self.options, self.now);
            add(&self.stats.bytes_in, bytes as u64);
            let has_output = connection.has_output();
            match heard {
                Heard::Nothing => {}
                Heard::Hello(hello) => self.greet(key, &hello),
                Heard::Commands(work, kinds) => {
                    self.count(&work);
                    match self.screen(key, work, kinds) {
                        Some(work) if kinds == AVAILABILITY => self.answer(key, work),
                        Some(work) => self.admit_or_refuse(key, work),
                        None => {}
                    }
                }
                Heard::Gone => {
                    self.remove(key);
                    continue;
                }
                Heard::Wrong(reason) => self.close(key, reason),
            }
            if has_output {
                self.want_write(key);
            }
            self.want_read(key);
            self.arm(key);
        }
    }

    fn count(&self, work: &Work) {
        add(&self.stats.frames, work.payloads.len() as u64);
        add(&self.stats.commands, work.command_count.into());
    }

    /// Answers availability queries from the board; the engine is asked only where it has earlier commands of this
    /// connection, whose replies come first, or where the board is not whole.
    fn answer(&mut self, key: u64, mut work: Box<Work>) {
        let Some(connection) = self.connections.get_mut(key) else {
            self.pool.recycle(work);
            return;
        };
        // The board has everybody's, so who may not see all is answered by the engine.
        let sees_all = connection.grant.as_ref().is_none_or(|grant| grant.scope == Scope::Everything);
        if connection.in_engine > 0 || !sees_all || !self.door.answer(&mut work) {
            return self.admit_or_refuse(key, work);
        }
        add(&self.stats.commands_from_board, work.command_count.into());
        connection.in_flight += 1;
        connection.hold(work.seal().len());
        work.owner = key;
        self.queued += u64::from(work.command_count);
        self.pool.reclaim_input(&mut work);
        self.hold(work);
    }

    /// Hands commands to the engine, unless there is too much to do already and their peer would rather hear so now.
    fn admit_or_refuse(&mut self, key: u64, mut work: Box<Work>) {
        let is_refused = self.is_too_much
            && self.connections.get_mut(key).is_some_and(|of| of.may_refuse(work.first_request()));
        if !is_refused {
            return self.submit(key, work);
        }
        add(&self.stats.commands_refused, work.command_count.into());
        work.refuse(RejectCode::Busy, 0, 0, self.door.durable());
        self.tell_refused(key, work);
    }

    /// Sends a refusal. It speaks of nothing that a crash could take back, so it waits for no watermark, nor for earlier
    /// commands.
    pub(crate) fn tell_refused(&mut self, key: u64, mut work: Box<Work>) {
        let bytes = work.seal().len();
        if let Some(connection) = self.connections.get_mut(key) {
            connection.hold(bytes);
            connection.release(&work, &mut self.pool);
        }
        self.pool.recycle(work);
        self.want_write(key);
    }

    /// Takes note of how much is queued. What has become too much stays so until a quarter of it is done: the engine has
    /// enough to do meanwhile.
    fn weigh(&mut self) {
        let most = self.options.queue_commands_max;
        if self.queued >= most || self.in_engine_bytes >= IN_ENGINE_BYTES_MAX {
            self.is_too_much = true;
        } else if self.queued <= most - most.div_ceil(4)
            && self.in_engine_bytes <= IN_ENGINE_BYTES_MAX - IN_ENGINE_BYTES_MAX / 4
        {
            self.is_too_much = false;
        }
    }

    /// Takes note of a work that is queued no longer.
    fn leave(&mut self, work: &Work) {
        self.queued -= u64::from(work.command_count);
        self.weigh();
    }

    /// Puts a work behind those that wait for the watermark. A look at the board may have seen a little more than what the
    /// engine hands back next, which then waits for that, too: it is appended already.
    fn hold(&mut self, mut work: Box<Work>) {
        let newest = self.held.back().map_or(0, |before| before.release_at);
        work.release_at = work.release_at.max(newest);
        self.held.push_back(work);
    }

    pub(crate) fn submit(&mut self, key: u64, mut work: Box<Work>) {
        let Some(connection) = self.connections.get_mut(key) else {
            self.pool.recycle(work);
            return;
        };
        if connection.in_engine >= self.options.works_per_connection_max {
            self.pool.shrink_input(&mut work);
        }
        connection.in_engine += 1;
        connection.in_flight += 1;
        self.in_engine += 1;
        self.in_engine_bytes += work.input.len();
        self.queued += u64::from(work.command_count);
        work.owner = key;
        self.door.submit(work);
        self.weigh();
    }

    /// Takes back what the engine has done with. Its replies wait here for the watermark.
    pub(crate) fn collect(&mut self) {
        while let Some(mut work) = self.door.collect() {
            assert!(self.in_engine > 0, "no more comes back than went in");
            self.in_engine -= 1;
            self.in_engine_bytes -= work.input.len();
            let key = work.owner;
            let Some(connection) = self.connections.get_mut(key) else {
                self.leave(&work);
                self.pool.recycle(work);
                continue;
            };
            connection.in_engine -= 1;
            connection.hold(work.seal().len());
            self.pool.reclaim_input(&mut work);
            assert!(work.release_at >= self.decided, "what comes back first was decided first");
            self.decided = work.release_at;
            self.hold(work);
            self.want_read(key);
        }
    }

    /// Lets go what the watermark has reached.
    pub(crate) fn release(&mut self) {
        let durable = self.door.durable();
        while self
            .held
            .front()
            .is_some_and(|work| work.release_at <= durable || is_planted("ask-no-watermark"))
        {
            let Some(work) = self.held.pop_front() else { return };
            self.door.released(&work);
            let key = work.owner;
            self.leave(&work);
            if let Some(connection) = self.connections.get_mut(key) {
                connection.in_flight -= 1;
                if matches!(work.task, Task::OpenSession { .. }) {
                    self.welcome(key, &work);
                } else if connection.stage != Stage::Closing {
                    connection.release(&work, &mut self.pool);
                    self.want_write(key);
                }
            }
            self.pool.recycle(work);
        }
    }

    /// Writes to every connection that has something, once.
    pub(crate) fn write(&mut self) {
        let mut to_write = std::mem::take(&mut self.to_write);
        for key in to_write.drain(..) {
            let Some(connection) = self.connections.get_mut(key) else { continue };
            connection.is_to_write = false;
            let Some(bytes) = connection.write(&mut self.pool, self.now) else {
                self.remove(key);
                continue;
            };
            add(&self.stats.bytes_out, bytes as u64);
            if connection.queued_bytes() > self.options.output_bytes_max {
                self.close(key, CloseReason::SlowReader);
                continue;
            }
            if let Some(reason) = connection.draining
                && connection.in_flight == 0
                && connection.stage != Stage::Closing
            {
                self.close(key, reason);
            }
            self.want_read(key);
            self.arm(key);
        }
        // What closed in this turn has one more frame to write in the next.
        to_write.append(&mut self.to_write);
        self.to_write = to_write;
    }

    /// Looks at the connections whose deadline has come.
    pub(crate) fn expire(&mut self) {
        while let Some((due, key)) = self.deadlines.pop_due(self.now) {
            let Some(connection) = self.connections.get_mut(key) else { continue };
            if connection.armed != due {
                continue;
            }
            connection.armed = crate::deadlines::NEVER;
            match connection.verdict(&self.options, self.now) {
                Verdict::Fine => {}
                Verdict::Ping => {
                    connection.say(orderline_protocol::frame::FrameKind::Ping, &[], &mut self.pool);
                    self.want_write(key);
                }
                Verdict::Close(reason) => self.close(key, reason),
                Verdict::Drop => self.remove(key),
            }
            self.arm(key);
        }
    }

    pub(crate) fn arm(&mut self, key: u64) {
        if let Some(connection) = self.connections.get_mut(key) {
            let due = connection.due(&self.options).max(self.now + 1);
            self.deadlines.arm(key, &mut connection.armed, due);
        }
    }

    pub(crate) fn want_read(&mut self, key: u64) {
        if let Some(connection) = self.connections.get_mut(key)
            && !connection.is_to_read
            && connection.may_read(&self.options)
        {
            connection.is_to_read = true;
            self.to_read.push_back(key);
        }
    }

    pub(crate) fn want_write(&mut self, key: u64) {
        if let Some(connection) = self.connections.get_mut(key)
            && !connection.is_to_write
        {
            connection.is_to_write = true;
            self.to_write.push(key);
        }
    }
}
