//! The newest movements of stock: what is needed to set a level "as of" a sequence without deducting twice what has been
//! shipped since. A bounded ring over all levels; each entry leads to the one before of the same level.

use orderline_protocol::limits::MOVEMENTS_MAX;
use orderline_protocol::{LocationHandle, Sequence, SkuHandle};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::ring::{Entry, Ring};

/// A change of what is on hand at a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct Movement {
    pub(crate) sequence: Sequence,
    pub(crate) delta: i64,
    /// The number of the movement before at this level; 0: none.
    before: u64,
    sku: SkuHandle,
    location: LocationHandle,
    reserved: u16,
}

impl Entry for Movement {
    const COUNT_MAX: usize = MOVEMENTS_MAX;
    const HASH_KIND: u8 = 12;
}

/// The newest movements of all levels. The numbers that levels keep are those of the ring.
#[derive(Default)]
pub(crate) struct Movements {
    pub(crate) ring: Ring<Movement>,
}

impl Movements {
    /// Adds a movement; `before` is the number of the newest one at this level. Returns its number.
    pub(crate) fn add(
        &mut self,
        sequence: Sequence,
        sku: SkuHandle,
        location: LocationHandle,
        delta: i64,
        before: u64,
    ) -> u64 {
        self.ring.add(Movement { sequence, delta, before, sku, location, reserved: 0 })
    }

    /// What changed at a level behind a sequence, from its newest movement back.
    ///
    /// # Errors
    /// The oldest sequence that can be answered, when movements since this one are no longer known.
    pub(crate) fn since(&self, as_of: Sequence, newest: u64) -> Result<i64, Sequence> {
        let mut delta = 0;
        let mut number = newest;
        while number > 0 {
            let Some(movement) = self.ring.get(number) else {
                // What is lost is not newer than the oldest that is kept; one event's movements share its sequence.
                let oldest = self.ring.iter().next().map_or(0, |movement| movement.sequence);
                return if as_of >= oldest { Ok(delta) } else { Err(oldest) };
            };
            if movement.sequence <= as_of {
                break;
            }
            delta += movement.delta;
            number = movement.before;
        }
        Ok(delta)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SKU: SkuHandle = SkuHandle::new(3);
    const PLACE: LocationHandle = LocationHandle::new(4);

    #[test]
    fn changes_behind_a_sequence_are_summed_until_they_are_lost() {
        let mut movements = Movements::default();
        let mut newest = 0;
        for sequence in 1..=10 {
            newest = movements.add(sequence * 10, SKU, PLACE, sequence as i64, newest);
        }
        assert_eq!(movements.since(100, newest), Ok(0));
        assert_eq!(movements.since(75, newest), Ok(8 + 9 + 10));
        assert_eq!(movements.since(0, newest), Ok(55));
        for sequence in 0..MOVEMENTS_MAX as u64 - 3 {
            movements.add(1_000 + sequence, SKU, LocationHandle::new(5), 1, 0);
        }
        // Of ours, only the newest three are left; the oldest kept is that of sequence 80, and another of that sequence may
        // be lost.
        assert_eq!(movements.since(80, newest), Ok(19));
        assert_eq!(movements.since(79, newest), Err(80));
    }
}
