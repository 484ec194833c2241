//! A snapshot's bytes out of a state that goes on changing: section by section, as the state stood when the walk began.
//!
//! Each table keeps what the snapshot still needs of it (see `frozen`); here they are walked one after the other, a bounded
//! number of bytes at a time, so that whoever drives the walk can put it between commands.

use zerocopy::IntoBytes;

use super::hash::{StateHash, Sum, put};
use super::image::{Head, IMAGE_VERSION, SECTION_TAGS};
use super::image::{
    TAG_CATALOGUE, TAG_GROUPS, TAG_HEAD, TAG_KEYS, TAG_LEDGERS, TAG_LEVELS, TAG_MOVEMENTS, TAG_ORDERS,
    TAG_RESERVATIONS, TAG_SESSIONS,
};
use super::{ImageError, State};

/// How far a walk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Bytes of the section with this tag were written, perhaps none. Sections come in the order of [`SECTION_TAGS`], each at
    /// least once.
    Section(u32),
    /// All of it has been written before. This is the hash of the state as it stood when the walk began.
    End(StateHash),
}

/// A walk under way.
#[derive(Default)]
pub struct Walk {
    /// The section's place among the tags.
    section: usize,
    /// The front of the first section, and what stands behind the queue of what has finished.
    front: Vec<u8>,
    back: Vec<u8>,
    sum: Sum,
}

impl State {
    /// Begins a walk over the state as it stands now. What one walk has begun, another one forgets.
    ///
    /// Nothing is copied here but some settings, so it takes microseconds. From now on an entry that changes is first written
    /// out for the walk, until it has come to it.
    pub fn begin_walk(&mut self) {
        self.end_walk();
        let mut walk = Walk::default();
        self.add_small_hashes(&mut walk.sum);
        let head = Head {
            version: IMAGE_VERSION,
            sequence: self.sequence,
            policy: self.settings.policy.as_bytes().to_vec(),
            policy_version: self.settings.version,
            sourcing: self.settings.sourcing().map(|rules| rules.as_bytes().to_vec()).collect(),
            orders_horizon_ms: self.finished.orders_horizon_ms,
            reservations_horizon_ms: self.finished.reservations_horizon_ms,
            keys_horizon_us: self.keys.horizon_us,
        };
        put(&head, &mut walk.front);
        let named = self.stock.unnamed_shortages.iter().map(|(sku, location)| (sku.get(), location.get()));
        put(&named.collect::<Vec<(u32, u16)>>(), &mut walk.back);
        self.finished.freeze();
        self.catalogue.freeze();
        self.stock.freeze(self.catalogue.sku_count());
        self.stock.movements.ring.freeze();
        self.orders.freeze();
        self.reservations.freeze();
        self.groups.freeze();
        self.ledgers.freeze();
        self.sessions.freeze(self.sequence);
        self.keys.ring.freeze();
        self.walk = Some(Box::new(walk));
    }

    /// Forgets the walk under way, if there is one.
    pub fn end_walk(&mut self) {
        if self.walk.take().is_some() {
            self.finished.thaw();
            self.catalogue.thaw();
            self.stock.thaw();
            self.orders.thaw();
            self.reservations.thaw();
            self.groups.thaw();
            self.ledgers.thaw();
            self.sessions.thaw();
            self.keys.ring.thaw();
        }
    }

    /// Whether a walk is under way.
    pub fn is_walking(&self) -> bool {
        self.walk.is_some()
    }

    /// Writes more of the walk under way: bytes of one section, until `out` holds about `bytes_max` (one entry more at most, or
    /// what was kept in one piece). The walk is over with [`Step::End`].
    ///
    /// # Panics
    /// If no walk is under way.
    pub fn walk(&mut self, out: &mut Vec<u8>, bytes_max: usize) -> Step {
        let Some(mut walk) = self.walk.take() else { panic!("no walk has begun") };
        let Some(&tag) = SECTION_TAGS.get(walk.section) else {
            return Step::End(StateHash(walk.sum.total()));
        };
        let total = match tag {
            TAG_HEAD => {
                out.append(&mut walk.front);
                let total = self.finished.walk(out, bytes_max);
                if total.is_some() {
                    out.append(&mut walk.back);
                }
                total
            }
            TAG_CATALOGUE => self.catalogue.walk(out, bytes_max),
            TAG_LEVELS => self.stock.walk(&self.catalogue, out, bytes_max),
            TAG_MOVEMENTS => self.stock.movements.ring.walk(out, bytes_max),
            TAG_ORDERS => self.orders.walk(out, bytes_max),
            TAG_RESERVATIONS => self.reservations.walk(out, bytes_max),
            TAG_GROUPS => self.groups.walk(out, bytes_max),
            TAG_LEDGERS => self.ledgers.walk(out, bytes_max),
            TAG_SESSIONS => self.sessions.walk(out, bytes_max),
            TAG_KEYS => self.keys.ring.walk(out, bytes_max),
            tag => panic!("there is no section {tag}"),
        };
        if let Some(total) = total {
            walk.sum.add_hash(total);
            walk.section += 1;
        }
        self.walk = Some(walk);
        Step::Section(tag)
    }

    /// Writes the state in one go, section by section: `section` is told a tag and bytes of that section, which follow those it
    /// was told before. Returns the state's hash. A walk under way is forgotten.
    ///
    /// # Errors
    /// What `section` came to.
    pub fn write_image(
        &mut self,
        mut section: impl FnMut(u32, &[u8]) -> Result<(), ImageError>,
    ) -> Result<StateHash, ImageError> {
        self.begin_walk();
        let mut out = Vec::new();
        loop {
            match self.walk(&mut out, WRITE_BYTES) {
                Step::Section(tag) => section(tag, &out)?,
                Step::End(hash) => return Ok(hash),
            }
            out.clear();
        }
    }
}

/// Bytes told in one go when a state is written that nobody waits for.
const WRITE_BYTES: usize = 256 * 1024;
