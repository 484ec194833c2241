//! The locations that a token is for.

use std::fmt;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::ids::LocationHandle;
use crate::limits::TOKEN_LOCATIONS_MAX;

/// A few locations in ascending order, each once, with [`LocationHandle::NONE`] behind the last. So the same locations always
/// have the same bytes.
///
/// What comes from outside may be anything: it is a list only if [`Self::is_list`] says so.
#[derive(Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(transparent)]
pub struct Locations([LocationHandle; TOKEN_LOCATIONS_MAX]);

impl Locations {
    /// No location at all.
    pub const NONE: Self = Self([LocationHandle::NONE; TOKEN_LOCATIONS_MAX]);

    /// These locations, in whichever order they come, each as often as it comes; `None` if they are more than
    /// [`TOKEN_LOCATIONS_MAX`].
    pub fn of(handles: &[LocationHandle]) -> Option<Self> {
        let mut locations = Self::NONE;
        locations.0.get_mut(..handles.len())?.copy_from_slice(handles);
        locations.0.sort_unstable();
        Some(locations)
    }

    /// Whether they are in ascending order, each once, with nothing but NONE behind the last.
    pub fn is_list(&self) -> bool {
        self.0.windows(2).all(|pair| pair[0] < pair[1] || pair[1].is_none())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0[0].is_none()
    }

    /// The lowest, [`LocationHandle::NONE`] if there is none.
    pub fn first(&self) -> LocationHandle {
        self.0[0]
    }

    /// Them, lowest first.
    pub fn iter(&self) -> impl Iterator<Item = LocationHandle> + Clone {
        self.0.into_iter().take_while(|location| !location.is_none())
    }

    /// Whether a location is one of them; [`LocationHandle::NONE`] never is.
    #[inline]
    pub fn has(&self, location: LocationHandle) -> bool {
        !location.is_none() && self.0.contains(&location)
    }
}

impl fmt::Debug for Locations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handles(numbers: &[u16]) -> Vec<LocationHandle> {
        numbers.iter().map(|&number| LocationHandle::new(number)).collect()
    }

    /// These numbers as they are, as bytes from outside may have them.
    fn raw(numbers: &[u16]) -> Locations {
        let mut locations = Locations::NONE;
        locations.0[..numbers.len()].copy_from_slice(&handles(numbers));
        locations
    }

    #[test]
    fn the_same_locations_have_the_same_bytes_whatever_their_order() {
        let some = Locations::of(&handles(&[7, 0, 300])).unwrap();
        assert_eq!(some, raw(&[0, 7, 300]));
        assert_eq!(some.iter().collect::<Vec<_>>(), handles(&[0, 7, 300]));
        assert_eq!(format!("{some:?}"), "[0, 7, 300]");
        assert!(some.is_list() && !some.is_empty() && some.first() == LocationHandle::new(0));
        assert_eq!(
            [0, 7, 300, 8].map(|number| some.has(LocationHandle::new(number))),
            [true, true, true, false]
        );
        assert!(!some.has(LocationHandle::NONE));
        assert_eq!(Locations::of(&[]), Some(Locations::NONE));
        assert!(Locations::NONE.is_list() && Locations::NONE.is_empty() && Locations::NONE.first().is_none());
    }

    #[test]
    fn there_are_as_many_as_the_limit_says() {
        let many: Vec<u16> = (0..=TOKEN_LOCATIONS_MAX as u16).collect();
        let full = Locations::of(&handles(&many[1..])).unwrap();
        assert!(full.is_list() && full.iter().count() == TOKEN_LOCATIONS_MAX);
        assert_eq!(Locations::of(&handles(&many)), None);
    }

    #[test]
    fn what_has_an_order_of_its_own_a_duplicate_or_a_gap_is_no_list() {
        for wrong in [&[2, 1][..], &[1, 1], &[u16::MAX, 1], &[1, u16::MAX, 2], &[0; TOKEN_LOCATIONS_MAX]] {
            assert!(!raw(wrong).is_list(), "{wrong:?}");
        }
        assert!(!Locations::of(&handles(&[5, 5])).unwrap().is_list(), "it does not hide that one came twice");
    }
}
