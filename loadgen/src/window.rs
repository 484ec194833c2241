//! What one connection has sent and not seen answered.

use orderline_protocol::Request;

/// No order has this index: the slot is free.
const FREE: u64 = u64::MAX;

/// An order on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Its index in the run.
    pub(crate) order: u64,
    /// Its (intended) start in nanoseconds after the run's beginning.
    pub(crate) start_ns: u64,
}

/// What one connection has sent and not seen answered, by request number: a ring, because requests are numbered
/// upwards and answered about in that order.
#[derive(Debug)]
pub(crate) struct Window {
    slots: Vec<(Request, Sent)>,
    len: u32,
}

impl Window {
    /// A window for so many unanswered orders.
    pub(crate) fn new(in_flight_max: u32) -> Self {
        // Twice as many slots as orders: while one answer is late, as many others again can pass it.
        let slots = (in_flight_max as usize * 2).next_power_of_two();
        Self { slots: vec![(0, Sent { order: FREE, start_ns: 0 }); slots], len: 0 }
    }

    /// Orders unanswered.
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// Whether the place of this request is free. It is, as long as no more requests are on their way between the
    /// oldest and the newest than the server gave credits for when the window was made.
    #[inline]
    pub(crate) fn has_room(&self, request: Request) -> bool {
        self.slots[request as usize & (self.slots.len() - 1)].1.order == FREE
    }

    /// Keeps what was sent as this request, in a place that is free.
    #[inline]
    pub(crate) fn put(&mut self, request: Request, sent: Sent) {
        debug_assert!(self.has_room(request));
        let slot = request as usize & (self.slots.len() - 1);
        self.slots[slot] = (request, sent);
        self.len += 1;
    }

    /// Takes out what was sent as this request, if it was and is unanswered.
    #[inline]
    pub(crate) fn take(&mut self, request: Request) -> Option<Sent> {
        let slot = request as usize & (self.slots.len() - 1);
        let (kept, sent) = self.slots[slot];
        if kept != request || sent.order == FREE {
            return None;
        }
        self.slots[slot].1.order = FREE;
        self.len -= 1;
        Some(sent)
    }

    /// Everything unanswered, in no order.
    pub(crate) fn unanswered(&self) -> impl Iterator<Item = Sent> {
        self.slots.iter().map(|&(_, sent)| sent).filter(|sent| sent.order != FREE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_finds_its_order_once() {
        let mut window = Window::new(3);
        for request in 100..106 {
            window.put(request, Sent { order: request * 2, start_ns: request });
        }
        assert_eq!(window.len(), 6);
        assert_eq!(window.take(104), Some(Sent { order: 208, start_ns: 104 }));
        assert_eq!(window.take(104), None);
        assert_eq!(window.take(96), None, "another request of the same slot");
        assert_eq!(window.take(112), None, "another request of the same slot, later");
        assert_eq!(window.len(), 5);
        assert_eq!(window.unanswered().map(|sent| sent.order).min(), Some(200));
    }

    #[test]
    fn a_late_answer_is_never_written_over() {
        let mut window = Window::new(1);
        window.put(1, Sent { order: 10, start_ns: 0 });
        assert!(window.has_room(2) && !window.has_room(3));
        assert_eq!(window.take(1).map(|sent| sent.order), Some(10));
    }
}
