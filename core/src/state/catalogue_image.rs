//! The catalogue as a snapshot's bytes, and back: four lists of definitions, each in the order of its handles.

use std::collections::BTreeMap;

use orderline_protocol::SkuHandle;
use orderline_protocol::command::{DefineLocation, DefineSeller, DefineSku, DefineToken, Standing};
use orderline_protocol::limits::{LOCATIONS_MAX, SELLERS_MAX, SKUS_MAX, TOKENS_MAX};
use serde::{Deserialize, Serialize};
use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, IntoBytes};

use super::Rejection;
use super::catalogue::Catalogue;
use super::codes::Codes;
use super::define::{check_location_definition, check_seller_definition};
use super::hash::{Sum, put};
use super::image::{ImageError, TAG_CATALOGUE, decode};

/// The lists, in the order in which they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum List {
    Sellers,
    Locations,
    Skus,
    Tokens,
}

const LISTS: [List; 4] = [List::Sellers, List::Locations, List::Skus, List::Tokens];

impl List {
    fn name(self) -> &'static str {
        match self {
            Self::Sellers => "seller",
            Self::Locations => "location",
            Self::Skus => "SKU",
            Self::Tokens => "token",
        }
    }

    /// How many there can be.
    fn len_max(self) -> usize {
        match self {
            Self::Sellers => SELLERS_MAX,
            Self::Locations => LOCATIONS_MAX,
            Self::Skus => SKUS_MAX,
            Self::Tokens => TOKENS_MAX,
        }
    }
}

/// One seller, location, SKU or token: its definition's bytes, its version, its code, and for a location what it has taken on.
#[derive(Serialize, Deserialize)]
struct Entry {
    definition: Vec<u8>,
    version: u32,
    code: String,
    day: u32,
    taken_count: u32,
}

/// What a snapshot that is being made still needs of the catalogue. Entries are written in the order of their handles, so
/// those that change first are kept by handle.
pub(super) struct FrozenCatalogue {
    ends: [u32; 4],
    /// The list and the handle that come next.
    next: (usize, u32),
    kept: BTreeMap<(List, u32), Vec<u8>>,
    sum: Sum,
}

impl Catalogue {
    /// Begins a snapshot.
    pub(super) fn freeze(&mut self) {
        let ends = LISTS.map(|list| self.len_of(list));
        let frozen = FrozenCatalogue { ends, next: (0, 0), kept: BTreeMap::new(), sum: Sum::default() };
        self.frozen = Some(Box::new(frozen));
    }

    /// Forgets the snapshot under way.
    pub(super) fn thaw(&mut self) {
        self.frozen = None;
    }

    fn len_of(&self, list: List) -> u32 {
        match list {
            List::Sellers => self.sellers().len() as u32,
            List::Locations => self.locations().len() as u32,
            List::Skus => self.sku_count() as u32,
            List::Tokens => self.tokens().len() as u32,
        }
    }

    /// Keeps an entry that is about to change, if a snapshot still needs it.
    #[inline]
    pub(super) fn keep(&mut self, list: List, handle: u32) {
        if self.frozen.is_some() {
            self.keep_frozen(list, handle);
        }
    }

    #[cold]
    fn keep_frozen(&mut self, list: List, handle: u32) {
        let Some(mut frozen) = self.frozen.take() else { return };
        let place = (list as usize, handle);
        if place >= frozen.next && handle < frozen.ends[list as usize] {
            let FrozenCatalogue { kept, sum, .. } = &mut *frozen;
            kept.entry((list, handle)).or_insert_with(|| {
                let mut bytes = Vec::new();
                self.put_entry(list, handle, &mut bytes, sum);
                bytes
            });
        }
        self.frozen = Some(frozen);
    }

    /// Writes more of the snapshot under way, about up to so many bytes. Returns the sum of all hashes at its end.
    pub(super) fn walk(&mut self, out: &mut Vec<u8>, bytes_max: usize) -> Option<u128> {
        let mut frozen = self.frozen.take()?;
        while out.len() < bytes_max {
            let (index, handle) = frozen.next;
            let Some(&list) = LISTS.get(index) else { return Some(frozen.sum.total()) };
            if handle == 0 {
                put(&u64::from(frozen.ends[index]), out);
            }
            if handle == frozen.ends[index] {
                frozen.next = (index + 1, 0);
                continue;
            }
            match frozen.kept.remove(&(list, handle)) {
                Some(bytes) => out.extend_from_slice(&bytes),
                None => self.put_entry(list, handle, out, &mut frozen.sum),
            }
            frozen.next.1 += 1;
        }
        self.frozen = Some(frozen);
        None
    }

    fn codes_of(&self, list: List) -> &Codes {
        match list {
            List::Sellers => &self.seller_codes,
            List::Locations => &self.location_codes,
            List::Skus => &self.sku_codes,
            List::Tokens => &self.token_labels,
        }
    }

    fn put_entry(&self, list: List, handle: u32, out: &mut Vec<u8>, sum: &mut Sum) {
        let entry = |definition: &[u8], version, code: Option<&str>| Entry {
            definition: definition.to_vec(),
            version,
            code: code.unwrap_or_default().to_owned(),
            day: 0,
            taken_count: 0,
        };
        let at = handle as usize;
        let entry = match list {
            List::Sellers => {
                let seller = &self.sellers()[at];
                entry(seller.definition.as_bytes(), seller.version, self.seller_codes.code(handle))
            }
            List::Locations => {
                let location = &self.locations()[at];
                Entry {
                    day: location.day,
                    taken_count: location.taken_count,
                    ..entry(
                        location.definition.as_bytes(),
                        location.version,
                        self.location_codes.code(handle),
                    )
                }
            }
            List::Skus => {
                let version = self.sku_version(SkuHandle::new(handle)).unwrap_or(0);
                entry(self.sku_definition(handle).as_bytes(), version, self.sku_codes.code(handle))
            }
            List::Tokens => {
                let token = &self.tokens()[at];
                entry(token.definition.as_bytes(), token.version, self.token_labels.code(handle))
            }
        };
        put(&entry, out);
        self.add_entry_hash(list, handle, sum);
    }

    /// Adds the hashes of all definitions.
    pub(super) fn add_hashes(&self, sum: &mut Sum) {
        for list in LISTS {
            (0..self.len_of(list)).for_each(|handle| self.add_entry_hash(list, handle, sum));
        }
    }

    fn add_entry_hash(&self, list: List, handle: u32, sum: &mut Sum) {
        let at = handle as usize;
        match list {
            List::Sellers => sum.add(1, |out| {
                let seller = &self.sellers()[at];
                out.extend_from_slice([handle, seller.version].map(U32::new).as_bytes());
                out.extend_from_slice(seller.definition.as_bytes());
                out.extend_from_slice(code_of(&self.seller_codes, handle));
            }),
            List::Locations => sum.add(2, |out| {
                let location = &self.locations()[at];
                let numbers = [handle, location.version, location.day, location.taken_count];
                out.extend_from_slice(numbers.map(U32::new).as_bytes());
                out.extend_from_slice(location.definition.as_bytes());
                out.extend_from_slice(code_of(&self.location_codes, handle));
            }),
            List::Skus => sum.add(3, |out| {
                let version = self.sku_version(SkuHandle::new(handle)).unwrap_or(0);
                out.extend_from_slice([handle, version].map(U32::new).as_bytes());
                out.extend_from_slice(self.sku_definition(handle).as_bytes());
                out.extend_from_slice(code_of(&self.sku_codes, handle));
            }),
            List::Tokens => sum.add(15, |out| {
                let token = &self.tokens()[at];
                out.extend_from_slice([handle, token.version].map(U32::new).as_bytes());
                out.extend_from_slice(token.definition.as_bytes());
                out.extend_from_slice(code_of(&self.token_labels, handle));
            }),
        }
    }

    /// Reads a snapshot's catalogue into an empty one, entry by entry.
    pub(super) fn read_image(&mut self, from: &mut dyn std::io::Read) -> Result<(), ImageError> {
        let wrong = |why: &str| ImageError::Section { tag: TAG_CATALOGUE, why: why.into() };
        let cut = || wrong("a definition has another length");
        for list in LISTS {
            let count: u64 = decode(TAG_CATALOGUE, from)?;
            if count > list.len_max() as u64 {
                return Err(wrong("there are more definitions than handles"));
            }
            for handle in 0..count as u32 {
                let Entry { definition, version, code, day, taken_count } = decode(TAG_CATALOGUE, from)?;
                let refused = |rejection: Rejection| {
                    let (name, code) = (list.name(), rejection.code.name());
                    wrong(&format!("{name} {handle} is defined as none can be ({code})"))
                };
                if self.codes_of(list).find(&code).is_some() {
                    return Err(wrong(&format!("{} {handle} has another one's code", list.name())));
                }
                match list {
                    List::Sellers => {
                        let definition = DefineSeller::ref_from_bytes(&definition).map_err(|_| cut())?;
                        check_seller_definition(definition, &code).map_err(refused)?;
                        self.set_seller(handle, version, &code, definition);
                    }
                    List::Locations => {
                        let definition = DefineLocation::ref_from_bytes(&definition).map_err(|_| cut())?;
                        check_location_definition(definition, &code).map_err(refused)?;
                        self.set_location(handle, version, &code, definition);
                        self.restore_taken(handle, day, taken_count);
                    }
                    List::Skus => {
                        let definition = DefineSku::ref_from_bytes(&definition).map_err(|_| cut())?;
                        self.check_sku_definition(definition, &code).map_err(refused)?;
                        self.set_sku(handle, version, &code, definition);
                    }
                    List::Tokens => {
                        let definition = DefineToken::ref_from_bytes(&definition).map_err(|_| cut())?;
                        if Standing::from_number(definition.standing).is_none() {
                            return Err(wrong(&format!("token {handle} has a standing that is not known")));
                        }
                        let before = DefineToken { standing: Standing::Active as u8, ..*definition };
                        self.check_token_definition(&before, &code).map_err(refused)?;
                        self.set_token(handle, version, &code, definition);
                    }
                }
            }
        }
        Ok(())
    }
}

fn code_of(codes: &Codes, handle: u32) -> &[u8] {
    codes.code(handle).unwrap_or_default().as_bytes()
}
