//! Holding connections to their grants: what a role may not bring and what a quota does not hold is refused before it is
//! queued, and who may not be here any more is let go.

use orderline_core::door::Work;
use orderline_protocol::RejectCode;
use orderline_protocol::frame::CloseReason;

use crate::Gateway;
use crate::network::Network;
use crate::stats::add;

impl<N: Network> Gateway<N> {
    /// Takes out of a work what its connection may not bring, and says so; `None`: that was all of it.
    #[inline]
    pub(crate) fn screen(&mut self, key: u64, work: Box<Work>, kinds: u128) -> Option<Box<Work>> {
        let grant = self.connections.get_mut(key).and_then(|connection| connection.grant.as_ref());
        let is_fine = grant.is_none_or(|grant| grant.deeds.has_kinds(kinds) && grant.quota.is_none());
        if is_fine { Some(work) } else { self.part(key, work) }
    }

    #[cold]
    fn part(&mut self, key: u64, mut work: Box<Work>) -> Option<Box<Work>> {
        let connection = self.connections.get_mut(key)?;
        let grant = connection.grant.clone()?;
        let accepted_before = connection.accepted_before;
        let mut forbidden = self.pool.work();
        work.part(&mut forbidden, |command| grant.deeds.has_kind(command.kind));
        self.refuse(key, forbidden, RejectCode::Forbidden, grant.role as u32, 0);
        if let Some(quota) = &grant.quota {
            let now_us = self.options.access.now_us();
            // What is asked again from before may have taken effect: only the engine can say what became of it.
            let is_new = |request: u64| request > accepted_before;
            let mut left = quota.take(count_new(&work, is_new), now_us);
            let mut beyond = self.pool.work();
            work.part(&mut beyond, |command| {
                let is_kept = !is_new(command.request) || left > 0;
                left -= u32::from(is_kept && is_new(command.request));
                is_kept
            });
            self.refuse(key, beyond, RejectCode::QuotaExceeded, 0, quota.wait_us(now_us));
        }
        if work.command_count == 0 {
            self.pool.recycle(work);
            return None;
        }
        Some(work)
    }

    fn refuse(&mut self, key: u64, mut work: Box<Work>, code: RejectCode, subject: u32, detail: u64) {
        if work.command_count == 0 {
            self.pool.recycle(work);
            return;
        }
        add(&self.stats.commands_denied, work.command_count.into());
        work.refuse(code, subject, detail, self.door.durable());
        self.tell_refused(key, work);
    }

    /// Lets go whom the tokens, as they stand now, do not let in any more: what is in flight is still answered.
    #[inline]
    pub(crate) fn recheck(&mut self) {
        let generation = self.options.access.generation();
        if generation != self.access_generation {
            self.access_generation = generation;
            self.let_go();
        }
    }

    #[cold]
    fn let_go(&mut self) {
        for key in self.connections.keys() {
            let connection = self.connections.get_mut(key);
            let grant = connection.and_then(|connection| connection.grant.as_ref());
            if grant.is_some_and(|grant| self.options.access.is_valid(grant).is_err()) {
                self.drain(key, CloseReason::Token);
            }
        }
    }
}

/// Commands of a work that a quota counts.
fn count_new(work: &Work, is_new: impl Fn(u64) -> bool) -> u32 {
    work.requests().filter(|&request| is_new(request)).count() as u32
}
