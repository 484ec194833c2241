//! Looking ahead: while one item is worked on, the memory that the next ones will need is fetched, in two passes. First
//! what an item names is fetched; some items later what that leads to, which by then can be read without waiting.

/// Items that the first pass is ahead of the work, and the second pass. A fetch takes some hundred nanoseconds, the work on an
/// item about as long; much further ahead, fetched lines would push each other out again.
const FIRST_AHEAD: usize = 16;
const SECOND_AHEAD: usize = 8;

/// Items between being read and being worked on.
#[derive(Debug)]
pub struct Ahead<T> {
    /// The item with number n stands at n modulo the length, until another one takes its place.
    ring: [Option<T>; FIRST_AHEAD],
    /// Items read, and of those: that went through the second pass, that were handed out.
    read_count: usize,
    fetched_count: usize,
    taken_count: usize,
}

impl<T> Default for Ahead<T> {
    fn default() -> Self {
        Self { ring: [const { None }; FIRST_AHEAD], read_count: 0, fetched_count: 0, taken_count: 0 }
    }
}

impl<T> Ahead<T> {
    /// The next item, in the order of `items`, after those behind it have gone through their passes; `None`: that were all.
    #[inline]
    pub fn next(
        &mut self,
        items: &mut impl Iterator<Item = T>,
        first_pass: impl Fn(&T),
        second_pass: impl Fn(&T),
    ) -> Option<&T> {
        if self.read_count == 0 {
            self.begin(items, &first_pass, &second_pass);
        }
        // From here on, one item of each for every one that is handed out.
        self.read(items, first_pass);
        self.fetch(second_pass);
        if self.taken_count == self.read_count {
            return None;
        }
        let item = &self.ring[self.taken_count % FIRST_AHEAD];
        self.taken_count += 1;
        item.as_ref()
    }

    /// Gets ahead: one item less than the passes are to be.
    #[inline(never)]
    fn begin(
        &mut self,
        items: &mut impl Iterator<Item = T>,
        first_pass: impl Fn(&T),
        second_pass: impl Fn(&T),
    ) {
        (1..FIRST_AHEAD).for_each(|_| self.read(items, &first_pass));
        (1..SECOND_AHEAD).for_each(|_| self.fetch(&second_pass));
    }

    #[inline]
    fn read(&mut self, items: &mut impl Iterator<Item = T>, first_pass: impl Fn(&T)) {
        if let Some(item) = items.next() {
            first_pass(self.ring[self.read_count % FIRST_AHEAD].insert(item));
            self.read_count += 1;
        }
    }

    #[inline]
    fn fetch(&mut self, second_pass: impl Fn(&T)) {
        if self.fetched_count < self.read_count {
            self.ring[self.fetched_count % FIRST_AHEAD].iter().for_each(second_pass);
            self.fetched_count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn every_item_goes_through_both_passes_and_comes_in_order() {
        for count in [0, 1, 7, 8, 9, 16, 17, 100] {
            let mut ahead = Ahead::default();
            let mut items = 0..count;
            let (first, second) = (RefCell::new(Vec::new()), RefCell::new(Vec::new()));
            let mut taken = Vec::new();
            while let Some(&item) = ahead.next(
                &mut items,
                |&item| first.borrow_mut().push(item),
                |&item| second.borrow_mut().push(item),
            ) {
                assert_eq!(first.borrow().len(), count.min(item + FIRST_AHEAD));
                assert_eq!(second.borrow().len(), count.min(item + SECOND_AHEAD));
                taken.push(item);
            }
            let all: Vec<usize> = (0..count).collect();
            assert_eq!((&taken, &*first.borrow(), &*second.borrow()), (&all, &all, &all));
        }
    }
}
