//! A queue that grows by chunks: no entry ever waits for a copy of all the others.

use std::collections::VecDeque;

/// Entries of one chunk.
const CHUNK_ENTRIES: usize = 4096;

/// First in, first out.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    /// None is empty, but the only one.
    chunks: VecDeque<VecDeque<T>>,
    len: usize,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { chunks: VecDeque::new(), len: 0 }
    }
}

impl<T> Queue<T> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn push_back(&mut self, entry: T) {
        self.len += 1;
        match self.chunks.back_mut() {
            Some(chunk) if chunk.len() < chunk.capacity() => chunk.push_back(entry),
            _ => {
                let mut chunk = VecDeque::with_capacity(CHUNK_ENTRIES);
                chunk.push_back(entry);
                self.chunks.push_back(chunk);
            }
        }
    }

    pub(crate) fn pop_front(&mut self) -> Option<T> {
        let chunk = self.chunks.front_mut()?;
        let entry = chunk.pop_front();
        if chunk.is_empty() && self.chunks.len() > 1 {
            self.chunks.pop_front();
        }
        self.len -= usize::from(entry.is_some());
        entry
    }

    pub(crate) fn front(&self) -> Option<&T> {
        self.chunks.front()?.front()
    }

    /// Every entry, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flatten()
    }

    /// Entries from the one at a place on, the oldest being at 0.
    pub(crate) fn iter_from(&self, mut place: usize) -> impl Iterator<Item = &T> {
        let skipped = self.chunks.iter().position(|chunk| {
            let is_here = place < chunk.len();
            place -= if is_here { 0 } else { chunk.len() };
            is_here
        });
        self.chunks.iter().skip(skipped.unwrap_or(self.chunks.len())).flatten().skip(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_as_they_went() {
        let mut queue = Queue::default();
        let (mut pushed, mut popped) = (0, 0);
        for round in 1..20 {
            for _ in 0..round * 997 {
                queue.push_back(pushed);
                pushed += 1;
            }
            for _ in 0..round * 500 {
                assert_eq!((queue.front().copied(), queue.pop_front()), (Some(popped), Some(popped)));
                popped += 1;
            }
            assert_eq!(queue.len(), pushed - popped);
            assert!(queue.iter().copied().eq(popped..pushed));
            for place in [0, 1, 4_095, 4_096, 5_000, queue.len(), queue.len() + 1] {
                assert!(queue.iter_from(place).copied().eq((popped + place).min(pushed)..pushed), "{place}");
            }
        }
        while queue.pop_front().is_some() {}
        assert_eq!((queue.len(), queue.front(), queue.iter().count()), (0, None, 0));
    }
}
