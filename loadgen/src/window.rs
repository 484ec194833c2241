//! What one connection has sent and not seen answered.

use orderline_protocol::Request;

/// No start has this index: the slot is free.
const FREE: u64 = u64::MAX;

/// A command on its way, or about to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sent<S> {
    /// The index in the run of the start (order, cart, transaction) that it belongs to.
    pub(crate) start: u64,
    /// The (intended) beginning of that, in nanoseconds after the run's.
    pub(crate) start_ns: u64,
    /// What of it this is: the workload knows.
    pub(crate) step: S,
}

impl<S> Sent<S> {
    /// Another step of the same start.
    pub(crate) fn then<T>(&self, step: T) -> Sent<T> {
        Sent { start: self.start, start_ns: self.start_ns, step }
    }
}

/// What one connection has sent and not seen answered, by request number: a ring, because requests are numbered
/// upwards and answered about in that order.
#[derive(Debug)]
pub(crate) struct Window<S> {
    slots: Vec<(Request, Sent<S>)>,
    len: u32,
}

impl<S: Copy + Default> Window<S> {
    /// A window for so many unanswered commands.
    pub(crate) fn new(in_flight_max: u32) -> Self {
        // Twice as many slots as commands: while one answer is late, as many others again can pass it.
        let slots = (in_flight_max as usize * 2).next_power_of_two();
        Self { slots: vec![(0, Sent { start: FREE, start_ns: 0, step: S::default() }); slots], len: 0 }
    }

    /// Commands unanswered.
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// Whether the place of this request is free. It is, as long as no more requests are on their way between the
    /// oldest and the newest than the server gave credits for when the window was made.
    #[inline]
    pub(crate) fn has_room(&self, request: Request) -> bool {
        self.slots[request as usize & (self.slots.len() - 1)].1.start == FREE
    }

    /// Keeps what was sent as this request, in a place that is free.
    #[inline]
    pub(crate) fn put(&mut self, request: Request, sent: Sent<S>) {
        debug_assert!(self.has_room(request));
        let slot = request as usize & (self.slots.len() - 1);
        self.slots[slot] = (request, sent);
        self.len += 1;
    }

    /// Takes out what was sent as this request, if it was and is unanswered.
    #[inline]
    pub(crate) fn take(&mut self, request: Request) -> Option<Sent<S>> {
        let slot = request as usize & (self.slots.len() - 1);
        let (kept, sent) = self.slots[slot];
        if kept != request || sent.start == FREE {
            return None;
        }
        self.slots[slot].1.start = FREE;
        self.len -= 1;
        Some(sent)
    }

    /// Everything unanswered, in no order.
    pub(crate) fn unanswered(&self) -> impl Iterator<Item = Sent<S>> {
        self.slots.iter().map(|&(_, sent)| sent).filter(|sent| sent.start != FREE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_finds_its_command_once() {
        let mut window = Window::new(3);
        for request in 100..106 {
            window.put(request, Sent { start: request * 2, start_ns: request, step: 'a' });
        }
        assert_eq!(window.len(), 6);
        assert_eq!(window.take(104), Some(Sent { start: 208, start_ns: 104, step: 'a' }));
        assert_eq!(window.take(104), None);
        assert_eq!(window.take(96), None, "another request of the same slot");
        assert_eq!(window.take(112), None, "another request of the same slot, later");
        assert_eq!(window.len(), 5);
        assert_eq!(window.unanswered().map(|sent| sent.start).min(), Some(200));
    }

    #[test]
    fn a_late_answer_is_never_written_over() {
        let mut window = Window::new(1);
        window.put(1, Sent { start: 10, start_ns: 0, step: () });
        assert!(window.has_room(2) && !window.has_room(3));
        assert_eq!(window.take(1).map(|sent| sent.start), Some(10));
    }
}
