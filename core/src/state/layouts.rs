//! Layouts: the lists of locations that SKUs are at, each once, so that one number tells that two SKUs are at the same
//! locations, in the same order. They follow from the levels, and are neither hashed nor kept in snapshots.

use std::collections::BTreeMap;

use orderline_protocol::LocationHandle;

/// Locations of the longest list that is kept: their places are bits of a word.
pub(crate) const LAYOUT_PLACES_MAX: usize = u64::BITS as usize;

/// Lists that are kept: some MiB. A catalogue has few; where it has more, sourcing asks each SKU where it is.
const LAYOUTS_MAX: usize = 1 << 16;

/// Which list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LayoutId(u32);

impl LayoutId {
    /// The list without a location.
    pub(crate) const EMPTY: Self = Self(0);
    /// A list that is not kept. Two SKUs that have it may be anywhere.
    const UNKNOWN: Self = Self(u32::MAX);

    pub(crate) const fn number(self) -> u32 {
        self.0
    }

    /// The one that had this number.
    pub(crate) const fn from_number(number: u32) -> Self {
        Self(number)
    }
}

/// A location of a list and its place there, in one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seat(u32);

/// Bits of a seat that are its place; its location is above them.
pub(crate) const PLACE_BITS: u32 = 6;
const _: () = assert!(1 << PLACE_BITS == LAYOUT_PLACES_MAX);

impl Seat {
    const fn new(location: LocationHandle, place: usize) -> Self {
        Self((location.get() as u32) << PLACE_BITS | place as u32)
    }

    /// The one that had this number.
    #[inline]
    pub(crate) const fn from_number(number: u32) -> Self {
        Self(number)
    }

    #[inline]
    pub(crate) const fn number(self) -> u32 {
        self.0
    }

    #[inline]
    pub(crate) const fn location(self) -> LocationHandle {
        LocationHandle::new((self.0 >> PLACE_BITS) as u16)
    }

    #[inline]
    pub(crate) const fn place(self) -> usize {
        (self.0 % (1 << PLACE_BITS)) as usize
    }
}

/// All lists.
pub(crate) struct Layouts {
    lists: Vec<Box<[Seat]>>,
    longer: BTreeMap<(LayoutId, LocationHandle), LayoutId>,
}

impl Default for Layouts {
    fn default() -> Self {
        Self { lists: vec![Box::default()], longer: BTreeMap::new() }
    }
}

impl Layouts {
    /// The locations of a list; `None`: it is not kept.
    #[inline]
    pub(crate) fn get(&self, id: LayoutId) -> Option<&[Seat]> {
        self.lists.get(id.0 as usize).map(|list| &**list)
    }

    /// The list that is another one and one location more.
    pub(crate) fn longer(&mut self, id: LayoutId, location: LocationHandle) -> LayoutId {
        let Some(list) = self.lists.get(id.0 as usize) else { return LayoutId::UNKNOWN };
        if let Some(&longer) = self.longer.get(&(id, location)) {
            return longer;
        }
        if list.len() == LAYOUT_PLACES_MAX || self.lists.len() == LAYOUTS_MAX {
            return LayoutId::UNKNOWN;
        }
        let list = list.iter().copied().chain([Seat::new(location, list.len())]).collect();
        let longer = LayoutId(self.lists.len() as u32);
        self.lists.push(list);
        self.longer.insert((id, location), longer);
        longer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(layouts: &mut Layouts, places: impl IntoIterator<Item = u16>) -> LayoutId {
        places.into_iter().fold(LayoutId::EMPTY, |id, place| layouts.longer(id, LocationHandle::new(place)))
    }

    #[test]
    fn the_same_list_is_one_and_another_order_is_another() {
        let mut layouts = Layouts::default();
        let some = layout(&mut layouts, [3, 1, 2]);
        assert_eq!(layout(&mut layouts, [3, 1, 2]), some);
        let seats = layouts.get(some).unwrap();
        let found: Vec<_> = seats.iter().map(|seat| (seat.location().get(), seat.place())).collect();
        assert_eq!(found, [(3, 0), (1, 1), (2, 2)]);
        for others in [&[1, 3, 2][..], &[3, 1], &[3, 1, 2, 4]] {
            assert_ne!(layout(&mut layouts, others.iter().copied()), some);
        }
    }

    #[test]
    fn a_list_too_long_or_one_too_many_is_not_kept() {
        let mut layouts = Layouts::default();
        let longest = layout(&mut layouts, 0..LAYOUT_PLACES_MAX as u16);
        assert!(layouts.get(longest).is_some());
        let longer = layouts.longer(longest, LocationHandle::new(9_000));
        assert_eq!((longer, layouts.get(longer)), (LayoutId::UNKNOWN, None));
        assert_eq!(layouts.longer(longer, LocationHandle::new(1)), LayoutId::UNKNOWN);
        for place in 0..u16::MAX {
            layouts.longer(LayoutId::EMPTY, LocationHandle::new(place));
        }
        assert_eq!(layouts.lists.len(), LAYOUTS_MAX);
        let one = layout(&mut layouts, [7]);
        assert_eq!(layouts.longer(one, LocationHandle::new(1)), LayoutId::UNKNOWN);
        assert_eq!(layout(&mut layouts, 0..LAYOUT_PLACES_MAX as u16), longest);
    }
}
