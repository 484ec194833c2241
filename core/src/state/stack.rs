//! A stack that grows by chunks: no entry ever waits for a copy of all the others.

/// Entries of one chunk. The first chunk grows as it is needed, for most stacks stay small.
const CHUNK_ENTRIES: usize = 4096;

/// Last in, first out; read at any place.
#[derive(Debug)]
pub(crate) struct Stack<T> {
    /// All but the last are full; the last may be empty.
    chunks: Vec<Vec<T>>,
}

impl<T> Default for Stack<T> {
    fn default() -> Self {
        Self { chunks: Vec::new() }
    }
}

impl<T> Stack<T> {
    /// One of one entry.
    pub(crate) fn of(entry: T) -> Self {
        Self { chunks: vec![vec![entry]] }
    }

    pub(crate) fn len(&self) -> usize {
        let last = self.chunks.last().map_or(0, Vec::len);
        self.chunks.len().saturating_sub(1) * CHUNK_ENTRIES + last
    }

    pub(crate) fn push(&mut self, entry: T) {
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK_ENTRIES => chunk.push(entry),
            None => *self = Self::of(entry),
            Some(_) => {
                let mut chunk = Vec::with_capacity(CHUNK_ENTRIES);
                chunk.push(entry);
                self.chunks.push(chunk);
            }
        }
    }

    pub(crate) fn pop(&mut self) -> Option<T> {
        // An empty chunk goes with the next pop, not with the one that empties it: a push may follow.
        if self.chunks.len() > 1 && self.chunks.last().is_some_and(Vec::is_empty) {
            self.chunks.pop();
        }
        self.chunks.last_mut()?.pop()
    }

    /// The newest entry.
    pub(crate) fn last(&self) -> Option<&T> {
        self.get(self.len().checked_sub(1)?)
    }

    /// The entry at a place, the oldest being at 0.
    #[inline]
    pub(crate) fn get(&self, place: usize) -> Option<&T> {
        self.chunks.get(place / CHUNK_ENTRIES)?.get(place % CHUNK_ENTRIES)
    }

    /// The same, to change it.
    #[inline]
    pub(crate) fn get_mut(&mut self, place: usize) -> Option<&mut T> {
        self.chunks.get_mut(place / CHUNK_ENTRIES)?.get_mut(place % CHUNK_ENTRIES)
    }

    /// The entries from a place on, oldest first.
    pub(crate) fn iter_from(&self, place: usize) -> impl Iterator<Item = &T> {
        self.chunks.iter().skip(place / CHUNK_ENTRIES).flatten().skip(place % CHUNK_ENTRIES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_in_turn_and_stand_at_their_places() {
        let mut stack = Stack::default();
        let mut model = Vec::new();
        for round in 1..20 {
            for entry in 0..round * 997 {
                stack.push(entry);
                model.push(entry);
            }
            for _ in 0..round * 900 {
                assert_eq!(stack.pop(), model.pop());
            }
            assert_eq!(stack.len(), model.len());
            assert!(stack.iter_from(0).eq(&model));
            assert_eq!(stack.last(), model.last());
            for place in [0, 1, 4_095, 4_096, model.len() / 2, model.len() - 1, model.len()] {
                assert_eq!(stack.get(place), model.get(place), "{place}");
                assert_eq!(stack.get_mut(place), model.get_mut(place), "{place}");
                assert!(stack.iter_from(place).eq(model.iter().skip(place)), "{place}");
            }
        }
        // To and fro over the end of a chunk.
        while stack.len() > CHUNK_ENTRIES {
            assert_eq!(stack.pop(), model.pop());
        }
        for entry in 0..10 {
            stack.push(entry);
            assert_eq!((stack.pop(), stack.len()), (Some(entry), CHUNK_ENTRIES));
        }
        while let Some(entry) = model.pop() {
            assert_eq!(stack.pop(), Some(entry));
        }
        assert_eq!((stack.pop(), stack.len(), stack.iter_from(0).count()), (None, 0, 0));
    }
}
