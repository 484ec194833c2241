//! Lists whose entries come, change and go: what the store has of one, as the heads have changed it since, in the order of its keys.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::error::{Damage, ReadModelError};
use crate::head::Head;
use crate::older::View;

/// Entries that are read over for one page at most: those that are not wanted, and those that the heads have taken out.
const LOOKED_AT_MAX: usize = 10_000;

/// The key of an entry of a list.
pub(crate) trait Listed: Ord + Copy {
    /// What stands there.
    type Entry: FromBytes + IntoBytes + Immutable + Copy;

    /// Its bytes in the store, which sort as the keys do.
    fn key(&self) -> Vec<u8>;

    /// Reads its bytes.
    fn read(key: &[u8]) -> Option<Self>;

    /// What came to the list in a head, and what left it (nothing).
    fn changes(head: &Head) -> &BTreeMap<Self, Option<Self::Entry>>;
}

const ENTRY: Damage = Damage("an entry of a list is not one");

/// Hands over the entries from `first` to `last`, all of whose keys begin with `prefix`, behind one of them if it is said, until that
/// breaks or the bound is reached; `step` are read from the store at a time. Where to go on behind; nothing: this was all.
pub(crate) fn walk<T: Listed>(
    view: &View<'_>,
    prefix: &[u8],
    (first, last): (T, T),
    mut behind: Option<T>,
    step: usize,
    mut each: impl FnMut(T, T::Entry) -> Result<ControlFlow<()>, ReadModelError>,
) -> Result<Option<T>, ReadModelError> {
    let mut looked_at = 0;
    loop {
        // What the store has, then what the heads say of these, newest head last.
        let mut found: BTreeMap<T, T::Entry> = BTreeMap::new();
        let from = behind.unwrap_or(first);
        view.older.store.each_from(prefix, &from.key(), |key, value| {
            let key = T::read(key).ok_or(ENTRY)?;
            if behind != Some(key) {
                found.insert(key, T::Entry::read_from_bytes(value).map_err(|_| ENTRY)?);
            }
            Ok(if found.len() < step { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        // Where the store was read up to: behind it the heads must not run ahead.
        let read_to = if found.len() < step { None } else { found.last_key_value().map(|(&key, _)| key) };
        looked_at += found.len();
        let lower = behind.map_or(Bound::Included(first), Bound::Excluded);
        let heads: Vec<_> = view.heads().collect();
        for head in heads.into_iter().rev() {
            for (&key, entry) in T::changes(head).range((lower, Bound::Included(read_to.unwrap_or(last)))) {
                looked_at += 1;
                match entry {
                    Some(entry) => _ = found.insert(key, *entry),
                    None => _ = found.remove(&key),
                }
            }
        }
        for (key, entry) in found {
            if each(key, entry)?.is_break() {
                return Ok(Some(key));
            }
        }
        let Some(reached) = read_to else { return Ok(None) };
        if looked_at >= LOOKED_AT_MAX {
            return Ok(Some(reached));
        }
        behind = Some(reached);
    }
}
