//! A table of values by index whose places are used again. Grows by chunks, so that growing never moves what it holds.

use super::stack::Stack;

/// Places of one chunk.
const CHUNK_PLACES: usize = 4096;

/// Values by index; an index stays the same until its value is removed.
pub(crate) struct Slab<T> {
    chunks: Vec<Vec<Option<T>>>,
    free: Stack<u32>,
    len: usize,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), free: Stack::default(), len: 0 }
    }
}

impl<T> Slab<T> {
    /// Values that are there.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Places that there are: every index is below this.
    pub(crate) fn places(&self) -> usize {
        let last = self.chunks.last().map_or(0, Vec::len);
        self.chunks.len().saturating_sub(1) * CHUNK_PLACES + last
    }

    /// Adds a value and returns its index.
    pub(crate) fn insert(&mut self, value: T) -> u32 {
        self.len += 1;
        if let Some(index) = self.free.pop() {
            let (chunk, place) = Self::split(index);
            self.chunks[chunk][place] = Some(value);
            return index;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK_PLACES) {
            self.chunks.push(Vec::with_capacity(CHUNK_PLACES));
        }
        let chunk = self.chunks.len() - 1;
        self.chunks[chunk].push(Some(value));
        (chunk * CHUNK_PLACES + self.chunks[chunk].len() - 1) as u32
    }

    /// Takes a value out.
    ///
    /// # Panics
    /// If there is none.
    pub(crate) fn remove(&mut self, index: u32) -> T {
        let (chunk, place) = Self::split(index);
        let Some(value) = self.chunks[chunk][place].take() else { panic!("place {index} is empty") };
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
        let (chunk, place) = Self::split(index);
        match &self.chunks[chunk][place] {
            Some(value) => value,
            None => panic!("place {index} is empty"),
        }
    }

    /// What stands at a place, if anything does.
    ///
    /// # Panics
    /// If there is no such place.
    pub(crate) fn at(&self, place: usize) -> Option<&T> {
        let (chunk, place) = Self::split(place as u32);
        self.chunks[chunk][place].as_ref()
    }

    /// The value at an index, to change it.
    ///
    /// # Panics
    /// If there is none.
    #[inline]
    pub(crate) fn get_mut(&mut self, index: u32) -> &mut T {
        let (chunk, place) = Self::split(index);
        match &mut self.chunks[chunk][place] {
            Some(value) => value,
            None => panic!("place {index} is empty"),
        }
    }

    /// Every value, by index.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flatten().flatten()
    }

    /// What stands at the places from an index on, each with the index behind it.
    pub(crate) fn iter_from(&self, index: usize) -> impl Iterator<Item = (usize, Option<&T>)> {
        let chunks = self.chunks.iter().enumerate().skip(index / CHUNK_PLACES);
        chunks.flat_map(move |(number, chunk)| {
            let first = if number == index / CHUNK_PLACES { index % CHUNK_PLACES } else { 0 };
            chunk
                .iter()
                .enumerate()
                .skip(first)
                .map(move |(place, value)| (number * CHUNK_PLACES + place + 1, value.as_ref()))
        })
    }

    fn split(index: u32) -> (usize, usize) {
        (index as usize / CHUNK_PLACES, index as usize % CHUNK_PLACES)
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
