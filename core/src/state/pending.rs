//! Pending orders by the second in which they were placed, while a policy bounds their time. An order that was confirmed or
//! cancelled is not looked for: it is left out when its second comes, so that an order costs one look however it goes on.
//! All of it follows from the orders, and is neither hashed nor kept in snapshots.

use std::collections::{BTreeSet, VecDeque};

use super::stack::Stack;

/// Pending orders, and some that are not pending any more.
#[derive(Debug, Default)]
pub(crate) struct PendingOrders {
    /// Whether a policy bounds their time: else nobody is kept here.
    pub(crate) is_on: bool,
    /// Seconds and the ids of the orders placed in each, oldest second first.
    by_second: VecDeque<(u32, Stack<u128>)>,
    /// Orders whose time is over, by second and id.
    due: BTreeSet<(u32, u128)>,
}

impl PendingOrders {
    /// Adds an order that was placed in a second, which is not before any other order's.
    pub(crate) fn add(&mut self, placed_s: u32, id: u128) {
        match self.by_second.back_mut() {
            Some((second, orders)) if *second >= placed_s => orders.push(id),
            _ => self.by_second.push_back((placed_s, Stack::of(id))),
        }
    }

    /// Forgets everybody.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The second in which the first of them was placed.
    pub(crate) fn first_second(&self) -> Option<u32> {
        let come = self.due.first().map(|&(second, _)| second);
        come.or_else(|| self.by_second.front().map(|&(second, _)| second))
    }

    /// Looks at orders that were placed up to a second, at most `count` of them: puts the pending ones into order and leaves
    /// the others out. Says whether that is all.
    pub(crate) fn come_due(
        &mut self,
        up_to_s: u32,
        mut count: usize,
        is_pending: impl Fn(u128) -> bool,
    ) -> bool {
        while let Some((second, orders)) = self.by_second.front_mut().filter(|(second, _)| *second <= up_to_s)
        {
            while let Some(&id) = orders.last() {
                if count == 0 {
                    return false;
                }
                count -= 1;
                orders.pop();
                if is_pending(id) {
                    self.due.insert((*second, id));
                }
            }
            self.by_second.pop_front();
        }
        true
    }

    /// Appends the first of those that are due, each with the second in which it was placed; leaves out those that are not
    /// pending any more.
    pub(crate) fn first_due(
        &mut self,
        count_max: usize,
        is_pending: impl Fn(u128) -> bool,
        out: &mut Vec<(u32, u128)>,
    ) {
        let mut gone = Vec::new();
        for &(second, id) in &self.due {
            if out.len() == count_max {
                break;
            }
            if is_pending(id) {
                out.push((second, id));
            } else {
                gone.push((second, id));
            }
        }
        gone.iter().for_each(|order| {
            self.due.remove(order);
        });
    }

    /// An order's time was over, and it has expired.
    pub(crate) fn expired(&mut self, placed_s: u32, id: u128) {
        self.due.remove(&(placed_s, id));
    }

    /// The bound is another one now: whose time is over is to be seen again.
    pub(crate) fn bound_changed(&mut self) {
        for (second, id) in std::mem::take(&mut self.due).into_iter().rev() {
            match self.by_second.front_mut() {
                Some((first, orders)) if *first == second => orders.push(id),
                _ => self.by_second.push_front((second, Stack::of(id))),
            }
        }
    }

    /// Everybody, in no order.
    pub(crate) fn ids(&self) -> impl Iterator<Item = u128> {
        let ahead = self.by_second.iter().flat_map(|(_, orders)| orders.iter_from(0).copied());
        ahead.chain(self.due.iter().map(|&(_, id)| id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_due(
        pending: &mut PendingOrders,
        count_max: usize,
        is_pending: fn(u128) -> bool,
    ) -> Vec<(u32, u128)> {
        let mut out = Vec::new();
        pending.first_due(count_max, is_pending, &mut out);
        out
    }

    #[test]
    fn orders_come_due_by_second_and_id_and_the_others_are_left_out() {
        let mut pending = PendingOrders::default();
        for (second, id) in [(5, 9), (5, 3), (5, 4), (6, 1), (8, 2)] {
            pending.add(second, id);
        }
        let is_even = |id: u128| id.is_multiple_of(2);
        assert!(!pending.come_due(6, 2, |_| true));
        assert!(pending.come_due(6, 2, |_| true));
        assert_eq!(first_due(&mut pending, 9, |_| true), [(5, 3), (5, 4), (5, 9), (6, 1)]);
        assert_eq!(first_due(&mut pending, 2, |_| true), [(5, 3), (5, 4)]);
        assert_eq!(first_due(&mut pending, 9, is_even), [(5, 4)], "the others are gone");
        assert_eq!(first_due(&mut pending, 9, |_| true), [(5, 4)]);
        assert_eq!(pending.first_second(), Some(5));
        pending.expired(5, 4);
        assert_eq!(pending.first_second(), Some(8));
        assert!(pending.come_due(8, 9, |id| id != 2));
        assert_eq!((pending.first_second(), pending.ids().count()), (None, 0));
    }

    #[test]
    fn a_longer_bound_takes_back_whose_time_was_over() {
        let mut pending = PendingOrders::default();
        for (second, id) in [(5, 9), (5, 3), (6, 1), (6, 2)] {
            pending.add(second, id);
        }
        assert!(!pending.come_due(6, 3, |_| true));
        pending.bound_changed();
        assert_eq!(first_due(&mut pending, 9, |_| true), []);
        assert!(pending.come_due(5, 9, |_| true));
        assert_eq!(first_due(&mut pending, 9, |_| true), [(5, 3), (5, 9)]);
        assert!(pending.come_due(6, 9, |_| true));
        assert_eq!(first_due(&mut pending, 9, |_| true).len(), 4);
    }
}
