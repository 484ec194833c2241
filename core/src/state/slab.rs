//! A table of values by index whose places are used again. Growing never moves what it holds, for its stacks grow by chunks.

use super::stack::Stack;

/// Values by index; an index stays the same until its value is removed.
pub(crate) struct Slab<T> {
    values: Stack<Option<T>>,
    free: Stack<u32>,
    len: usize,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { values: Stack::default(), free: Stack::default(), len: 0 }
    }
}

impl<T> Slab<T> {
    /// Values that are there.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Places that there are: every index is below this.
    pub(crate) fn places(&self) -> usize {
        self.values.len()
    }

    /// Adds a value and returns its index.
    pub(crate) fn insert(&mut self, value: T) -> u32 {
        self.len += 1;
        if let Some(index) = self.free.pop() {
            *self.place_mut(index) = Some(value);
            return index;
        }
        self.values.push(Some(value));
        (self.values.len() - 1) as u32
    }

    /// Takes a value out.
    ///
    /// # Panics
    /// If there is none.
    pub(crate) fn remove(&mut self, index: u32) -> T {
        let Some(value) = self.place_mut(index).take() else { panic!("place {index} is empty") };
        self.free.push(index);
        self.len -= 1;
        value
    }

    /// The value at an index.
    ///
    /// # Panics
    /// If there is none.
    #[inline]
    pub(crate) fn get(&self, index: u32) -> &T {
        match self.at(index as usize) {
            Some(value) => value,
            None => panic!("place {index} is empty"),
        }
    }

    /// What stands at a place, if anything does.
    ///
    /// # Panics
    /// If there is no such place.
    #[inline]
    pub(crate) fn at(&self, place: usize) -> Option<&T> {
        match self.values.get(place) {
            Some(value) => value.as_ref(),
            None => panic!("there is no place {place}"),
        }
    }

    /// The value at an index, to change it.
    ///
    /// # Panics
    /// If there is none.
    #[inline]
    pub(crate) fn get_mut(&mut self, index: u32) -> &mut T {
        match self.place_mut(index) {
            Some(value) => value,
            None => panic!("place {index} is empty"),
        }
    }

    /// Every value, by index.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.values.iter_from(0).flatten()
    }

    /// What stands at the places from an index on, each with the index behind it.
    pub(crate) fn iter_from(&self, index: usize) -> impl Iterator<Item = (usize, Option<&T>)> {
        (index + 1..).zip(self.values.iter_from(index).map(Option::as_ref))
    }

    #[inline]
    fn place_mut(&mut self, index: u32) -> &mut Option<T> {
        match self.values.get_mut(index as usize) {
            Some(place) => place,
            None => panic!("there is no place {index}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Slab;

    #[test]
    fn places_are_used_again_and_indexes_stay() {
        let mut slab = Slab::default();
        let indexes: Vec<u32> = (0..10_000).map(|n| slab.insert(n)).collect();
        assert_eq!(indexes, (0..10_000).collect::<Vec<_>>());
        assert_eq!(slab.remove(4_095), 4_095);
        assert_eq!(slab.insert(7), 4_095);
        assert_eq!((*slab.get(4_095), *slab.get(9_999), slab.len()), (7, 9_999, 10_000));
        slab.remove(4_096);
        let some: Vec<_> =
            slab.iter_from(4_095).take(3).map(|(behind, value)| (behind, value.copied())).collect();
        assert_eq!(some, [(4_096, Some(7)), (4_097, None), (4_098, Some(4_097))]);
        assert_eq!((slab.iter_from(0).count(), slab.iter_from(10_000).count()), (10_000, 0));
    }

    #[test]
    #[should_panic(expected = "place 0 is empty")]
    fn a_removed_value_is_gone() {
        let mut slab = Slab::default();
        slab.insert(1);
        slab.remove(0);
        slab.get(0);
    }
}
