//! Which inventory levels there are: what is in them is the engine's to tell.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use orderline_protocol::{LocationHandle, SkuHandle};

use crate::error::{Damage, ReadModelError};
use crate::reader::{Cursor, Page, Reader};
use crate::store::{key, letter};
use crate::timeline::PAGE_ENTRIES_MAX;

/// A level that stock commands have named: one SKU at one location.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Level {
    /// Of what.
    pub sku: SkuHandle,
    /// Where.
    pub location: LocationHandle,
}

const LEVEL: Damage = Damage("a level is not one");

impl Reader {
    /// The SKUs that a location has levels of, by handle, at most `limit` of them from a cursor on.
    ///
    /// # Errors
    /// [`ReadModelError::Cursor`] if the cursor is another question's; if the store is damaged.
    pub fn levels_at(
        &self,
        location: LocationHandle,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<Level>, ReadModelError> {
        self.shared.noting(self.levels_at_page(location, cursor, limit))
    }

    fn levels_at_page(
        &self,
        location: LocationHandle,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<Level>, ReadModelError> {
        let asked = u32::from(location.get()) | 1 << 30;
        let from = Cursor::of(cursor, asked)?.map_or(0, |[sku, _]| sku as u32);
        let limit = limit.clamp(1, PAGE_ENTRIES_MAX);
        let at = location.get();
        let parts = self.shared.parts.read();
        let view = parts.view();
        // One more than asked for says whether there is a next page.
        let mut skus: BTreeSet<u32> = BTreeSet::new();
        for head in view.heads() {
            skus.extend(head.levels.range((at, from)..=(at, u32::MAX)).take(limit + 1).map(|&(_, sku)| sku));
        }
        let prefix = key(letter::LEVEL_BY_LOCATION, &[&at.to_be_bytes()]);
        let first = key(letter::LEVEL_BY_LOCATION, &[&at.to_be_bytes(), &from.to_be_bytes()]);
        let mut read = 0;
        view.older.store.each_from(&prefix, &first, |key, _| {
            skus.insert(u32::from_be_bytes(*key.last_chunk().ok_or(LEVEL)?));
            read += 1;
            Ok(if read <= limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        let next = skus.iter().nth(limit).map(|&sku| Cursor { asked, at: [sku.into(), 0] });
        let level = |sku| Level { sku: SkuHandle::new(sku), location };
        Ok(Page { as_of: parts.as_of(), items: skus.into_iter().take(limit).map(level).collect(), next })
    }

    /// The locations that have a level of a SKU, by handle, at most `limit` of them from a cursor on.
    ///
    /// # Errors
    /// [`ReadModelError::Cursor`] if the cursor is another question's; if the store is damaged.
    pub fn levels_of(
        &self,
        sku: SkuHandle,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<Level>, ReadModelError> {
        self.shared.noting(self.levels_of_page(sku, cursor, limit))
    }

    fn levels_of_page(
        &self,
        sku: SkuHandle,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<Level>, ReadModelError> {
        let asked = sku.get() | 1 << 31;
        let from = Cursor::of(cursor, asked)?.map_or(0, |[location, _]| location as u16);
        let limit = limit.clamp(1, PAGE_ENTRIES_MAX);
        let parts = self.shared.parts.read();
        let view = parts.view();
        let mut locations: BTreeSet<u16> = BTreeSet::new();
        for head in view.heads() {
            let own = head.levels.iter().filter(|&&(location, of)| of == sku.get() && location >= from);
            locations.extend(own.map(|&(location, _)| location));
        }
        let prefix = key(letter::LEVEL_BY_SKU, &[&sku.get().to_be_bytes()]);
        let first = key(letter::LEVEL_BY_SKU, &[&sku.get().to_be_bytes(), &from.to_be_bytes()]);
        let mut read = 0;
        view.older.store.each_from(&prefix, &first, |key, _| {
            locations.insert(u16::from_be_bytes(*key.last_chunk().ok_or(LEVEL)?));
            read += 1;
            Ok(if read <= limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        let next = locations.iter().nth(limit).map(|&location| Cursor { asked, at: [location.into(), 0] });
        let level = |location| Level { sku, location: LocationHandle::new(location) };
        Ok(Page { as_of: parts.as_of(), items: locations.into_iter().take(limit).map(level).collect(), next })
    }
}
