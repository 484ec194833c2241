//! Terms: what orders are found by. The store keeps, for each run of orders, pages of (term, place) pairs in the order of the
//! terms; a run's pages are written once, so that they only ever go to the end of their table.

use orderline_protocol::{BuyerId, SellerHandle, SkuHandle};
use xxhash_rust::xxh3::xxh3_64;

use crate::error::Damage;

/// What a term is about. The numbers stand in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TermKind {
    Order = 1,
    External = 2,
    Buyer = 3,
    Seller = 4,
    Sku = 5,
}

impl TermKind {
    pub(crate) const ALL: [Self; 5] = [Self::Order, Self::External, Self::Buyer, Self::Seller, Self::Sku];
}

/// A term: a number, or the hash of something longer, so that an order found by it is looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Term {
    pub(crate) kind: TermKind,
    pub(crate) value: u64,
}

impl Term {
    pub(crate) fn order(id: u128) -> Self {
        Self { kind: TermKind::Order, value: xxh3_64(&id.to_le_bytes()) }
    }

    pub(crate) fn external(id: &str) -> Self {
        // Zero says in memory that there is none.
        Self { kind: TermKind::External, value: xxh3_64(id.as_bytes()).max(1) }
    }

    pub(crate) fn buyer(buyer: BuyerId) -> Self {
        Self { kind: TermKind::Buyer, value: buyer.get() }
    }

    pub(crate) fn seller(seller: SellerHandle) -> Self {
        Self { kind: TermKind::Seller, value: seller.get().into() }
    }

    pub(crate) fn sku(sku: SkuHandle) -> Self {
        Self { kind: TermKind::Sku, value: sku.get().into() }
    }
}

/// Pairs of a page at most: one is read whole.
const PAGE_PAIRS: usize = 512;

/// The key of a page: its run, kind, and first pair. With a pair's own numbers it leads to the last page that may have it.
pub(crate) fn page_key(run: u32, kind: TermKind, term: u64, place: u32) -> [u8; 17] {
    let mut key = [0; 17];
    key[..4].copy_from_slice(&run.to_be_bytes());
    key[4] = kind as u8;
    key[5..13].copy_from_slice(&term.to_be_bytes());
    key[13..].copy_from_slice(&place.to_be_bytes());
    key
}

/// Calls with the key and the bytes of each page of sorted pairs.
pub(crate) fn each_page(
    run: u32,
    kind: TermKind,
    pairs: &[(u64, u32)],
    mut each: impl FnMut([u8; 17], Vec<u8>),
) {
    for page in pairs.chunks(PAGE_PAIRS) {
        let (first, mut bytes) = (page[0], Vec::with_capacity(page.len() * 4));
        let mut before = first;
        for &(term, place) in page {
            put(term - before.0, &mut bytes);
            let same = term == before.0;
            put(u64::from(if same { place - before.1 } else { place }), &mut bytes);
            before = (term, place);
        }
        each(page_key(run, kind, first.0, first.1), bytes);
    }
}

/// The pairs of a page whose key is known.
pub(crate) fn read_page(key: &[u8], bytes: &[u8]) -> Result<Vec<(u64, u32)>, Damage> {
    const DAMAGE: Damage = Damage("a page of terms is not one");
    let key: &[u8; 17] = key.try_into().map_err(|_| DAMAGE)?;
    let mut before = (0, 0);
    key[5..13].iter().for_each(|&byte| before.0 = before.0 << 8 | u64::from(byte));
    key[13..].iter().for_each(|&byte| before.1 = before.1 << 8 | u32::from(byte));
    let (mut pairs, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        let (term, place) = (take(&mut rest).ok_or(DAMAGE)?, take(&mut rest).ok_or(DAMAGE)?);
        let place = u32::try_from(place).map_err(|_| DAMAGE)?;
        let place = if term == 0 { before.1.checked_add(place).ok_or(DAMAGE)? } else { place };
        before = (before.0.checked_add(term).ok_or(DAMAGE)?, place);
        pairs.push(before);
    }
    Ok(pairs)
}

/// Seven bits a byte, lowest first, the highest bit saying that more follow.
fn put(mut value: u64, out: &mut Vec<u8>) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn take(rest: &mut &[u8]) -> Option<u64> {
    let (mut value, mut shift) = (0u64, 0);
    loop {
        let (&byte, behind) = rest.split_first()?;
        *rest = behind;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
        shift += 7;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_survive_their_pages() {
        let mut pairs: Vec<(u64, u32)> =
            (0..3_000).map(|at: u32| (u64::from(at % 7) * 1_000_003, at)).collect();
        pairs.push((u64::MAX, u32::MAX));
        pairs.sort_unstable();
        let (mut read, mut keys) = (Vec::new(), Vec::new());
        each_page(3, TermKind::Sku, &pairs, |key, bytes| {
            read.extend(read_page(&key, &bytes).unwrap());
            keys.push(key);
        });
        assert_eq!(read, pairs);
        assert!(keys.is_sorted() && keys.len() == 6, "{}", keys.len());
        assert!(read_page(&keys[0], &[0x80]).is_err(), "a number that does not end");
        assert!(read_page(&keys[0], &[0xff; 22]).is_err(), "a number that is too long");
    }
}
