//! The table of connections. A key names one connection for ever: its slot is used again, its key is not, so a work
//! that comes back late finds nobody instead of a stranger.

use crate::connection::Connection;

struct Slot<S> {
    generation: u32,
    connection: Option<Connection<S>>,
}

pub(crate) struct Connections<S> {
    slots: Vec<Slot<S>>,
    free: Vec<u32>,
    open: usize,
}

impl<S> Default for Connections<S> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), open: 0 }
    }
}

fn key(index: usize, generation: u32) -> u64 {
    u64::from(generation) << 32 | index as u64
}

impl<S> Connections<S> {
    /// The key that the next connection gets.
    pub(crate) fn next_key(&self) -> u64 {
        match self.free.last() {
            Some(&index) => key(index as usize, self.slots[index as usize].generation),
            None => key(self.slots.len(), 0),
        }
    }

    /// Takes a connection in, under the key that [`Connections::next_key`] said.
    pub(crate) fn insert(&mut self, connection: Connection<S>) -> u64 {
        let key = self.next_key();
        match self.free.pop() {
            Some(index) => self.slots[index as usize].connection = Some(connection),
            None => self.slots.push(Slot { generation: 0, connection: Some(connection) }),
        }
        self.open += 1;
        key
    }

    pub(crate) fn get_mut(&mut self, key: u64) -> Option<&mut Connection<S>> {
        let slot = self.slots.get_mut(key as u32 as usize)?;
        if u64::from(slot.generation) == key >> 32 { slot.connection.as_mut() } else { None }
    }

    pub(crate) fn remove(&mut self, key: u64) -> Option<Connection<S>> {
        self.get_mut(key)?;
        let slot = &mut self.slots[key as u32 as usize];
        // The top bit stays clear of the two keys that stand for the listener and the bell.
        slot.generation = (slot.generation + 1) & (u32::MAX >> 1);
        self.free.push(key as u32);
        self.open -= 1;
        slot.connection.take()
    }

    pub(crate) fn len(&self) -> usize {
        self.open
    }

    /// The keys of all that are open. Walks the whole table: for stopping, not for every turn.
    pub(crate) fn keys(&self) -> Vec<u64> {
        let slots = self.slots.iter().enumerate().filter(|(_, slot)| slot.connection.is_some());
        slots.map(|(index, slot)| key(index, slot.generation)).collect()
    }
}
