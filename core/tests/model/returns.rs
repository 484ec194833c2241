//! Returns: goods on their way back, and what becomes of them.

use std::collections::BTreeMap;

use orderline_protocol::RejectCode;
use orderline_protocol::command::*;
use orderline_protocol::lifecycle::*;

use crate::fields;
use crate::model::{Answer, Model, Rare, Refused, refuse, seen};
use crate::orders::{Order, SOLD};

#[derive(Debug, Clone)]
pub struct Return {
    pub reason: u16,
    /// Units by line.
    pub lines: BTreeMap<usize, u32>,
    pub state: ReturnState,
    /// A package that came back: its units were never delivered.
    pub is_undelivered: bool,
    /// When its state came about, as its caller said.
    pub happened_at_us: i64,
}

impl Return {
    /// Whether its units are spoken for.
    pub fn is_open(&self) -> bool {
        matches!(self.state, ReturnState::Requested | ReturnState::Approved)
    }
}

impl Order {
    /// Delivered units of a line that were not returned and are in no open return.
    pub fn returnable(&self, line: usize) -> u32 {
        let open = self.returns.iter().filter(|one| one.is_open() && !one.is_undelivered);
        let spoken_for: u32 = open.filter_map(|one| one.lines.get(&line)).sum();
        self.lines[line].delivered - self.lines[line].returned - spoken_for
    }

    fn known_return(&self, number: u16) -> Result<usize, Refused> {
        match usize::from(number).checked_sub(1).filter(|&index| index < self.returns.len()) {
            Some(index) => Ok(index),
            None => Err(Refused::new(RejectCode::UnknownReturn).subject(number.into())),
        }
    }

    fn allow_return(&self, index: usize, action: Action, states: &[ReturnState]) -> Result<(), Refused> {
        let state = self.returns[index].state;
        if states.contains(&state) {
            Ok(())
        } else {
            Err(Refused::illegal(Entity::Return, state as u8, action))
        }
    }
}

impl Model {
    pub fn request_return(&mut self, head: &RequestReturn, lines: &[LineQuantity]) -> Answer {
        fields::named_lines(lines)?;
        let mut order = self.known_order(head.order)?;
        order.known_lines(lines)?;
        seen(head.expected_version.get(), order.version)?;
        order.allow(Action::RequestReturn, SOLD)?;
        let wanted = order.wanted(lines, |index| order.returnable(index))?;
        Order::room(order.returns.len())?;
        order.returns.push(Return {
            reason: head.reason.get(),
            lines: wanted.into_iter().collect(),
            state: ReturnState::Requested,
            is_undelivered: false,
            happened_at_us: head.happened_at_us.get(),
        });
        let number = order.returns.len() as u64;
        self.keep_and_tell(order, number)
    }

    pub fn update_return(&mut self, head: &UpdateReturn) -> Answer {
        use ReturnState::{Approved, Cancelled, Closed, Declined, Received, Requested};
        let mut order = self.known_order(head.order)?;
        let index = order.known_return(head.return_number.get())?;
        seen(head.expected_version.get(), order.version)?;
        let step = ReturnStep::from_number(head.step).expect("the fields were checked");
        let (action, from, to): (Action, &[ReturnState], ReturnState) = match step {
            ReturnStep::Approve => (Action::Approve, &[Requested], Approved),
            ReturnStep::Decline => (Action::Decline, &[Requested], Declined),
            ReturnStep::Cancel => (Action::Cancel, &[Requested, Approved], Cancelled),
            ReturnStep::Close => (Action::Close, &[Received], Closed),
        };
        order.allow(action, SOLD)?;
        order.allow_return(index, action, from)?;
        order.returns[index].state = to;
        order.returns[index].happened_at_us = head.happened_at_us.get();
        self.keep_and_tell(order, 0)
    }

    pub fn receive_return(&mut self, head: &ReceiveReturn, units: &[ReturnedUnits]) -> Answer {
        for unit in units {
            if unit.quantity.get() == 0 {
                return Err(Refused::new(RejectCode::ZeroQuantity).subject(unit.line.get().into()));
            }
        }
        let mut order = self.known_order(head.order)?;
        let index = order.known_return(head.return_number.get())?;
        let location = self.known_location(head.location)?;
        for unit in units {
            order.known_line(unit.line.get())?;
        }
        seen(head.expected_version.get(), order.version)?;
        order.allow(Action::Receive, SOLD)?;
        order.allow_return(index, Action::Receive, &[ReturnState::Approved])?;
        if units.is_empty() {
            return refuse(RejectCode::NothingToDo);
        }
        let mut came = BTreeMap::<usize, u64>::new();
        for unit in units {
            let line = usize::from(unit.line.get());
            let says = order.returns[index].lines.get(&line).copied().unwrap_or(0);
            let sum = came.entry(line).or_default();
            *sum += u64::from(unit.quantity.get());
            if *sum > u64::from(says) {
                let refused = Refused::new(RejectCode::QuantityNotThere).subject(line as u32);
                return Err(refused.detail(says.into()));
            }
        }
        let mut value = 0;
        for unit in units {
            let (line, count) = (usize::from(unit.line.get()), unit.quantity.get());
            let at = (order.lines[line].sku, location);
            value += i64::from(count) * order.lines[line].price;
            match Disposition::from_number(unit.disposition).expect("the fields were checked") {
                Disposition::Restock => {
                    self.level_mut(at).available += i64::from(count);
                    self.note_movement(at, count.into());
                }
                Disposition::Damaged => {
                    self.level_mut(at).damaged += i64::from(count);
                    self.note_movement(at, count.into());
                }
                Disposition::Discard => {}
            }
            if !order.returns[index].is_undelivered {
                order.lines[line].returned += count;
            }
        }
        order.returns[index].state = ReturnState::Received;
        order.returns[index].happened_at_us = head.happened_at_us.get();
        self.met(Rare::UndeliveredCameBack, order.returns[index].is_undelivered);
        self.keep_and_tell(order, value as u64)
    }
}
