//! Outside codes and the dense handles behind them: looked up at the edge, never on the hot path.

use super::id_table::IdTable;
use super::stack::Stack;

/// Bytes of one text.
const TEXT_BYTES: usize = 1 << 16;

/// An interner: codes get handles 0, 1, 2, … in the order in which they are added.
pub(crate) struct Codes {
    /// Codes one behind the other, none of them cut. Several texts, so that growing copies no more than the first of them.
    texts: Vec<String>,
    /// By handle.
    places: Stack<Place>,
    /// Handles by the hash of their codes. It grows without ever being hashed anew, for there may be tens of millions.
    handles: IdTable,
}

/// Where a code stands.
#[derive(Debug, Clone, Copy)]
struct Place {
    text: u32,
    start: u16,
    bytes: u16,
}

impl Codes {
    pub(crate) fn new(seed: u64) -> Self {
        Self { texts: Vec::new(), places: Stack::default(), handles: IdTable::new(seed) }
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    pub(crate) fn code(&self, handle: u32) -> Option<&str> {
        let place = self.places.get(handle as usize)?;
        let start = usize::from(place.start);
        self.texts[place.text as usize].get(start..start + usize::from(place.bytes))
    }

    pub(crate) fn find(&self, code: &str) -> Option<u32> {
        let hash = self.handles.hash_of(code.as_bytes());
        self.handles.find(hash, |handle| self.code(handle) == Some(code))
    }

    /// Adds a code that is not there yet.
    pub(crate) fn add(&mut self, code: &str) -> u32 {
        debug_assert!(self.find(code).is_none());
        assert!(code.len() < TEXT_BYTES, "a code of {} bytes", code.len());
        let handle = self.places.len() as u32;
        if self.texts.last().is_none_or(|text| text.len() + code.len() > TEXT_BYTES) {
            // The first text grows as it is needed, for most lists of codes are short.
            let capacity = if self.texts.is_empty() { 0 } else { TEXT_BYTES };
            self.texts.push(String::with_capacity(capacity));
        }
        let last = self.texts.len() - 1;
        let (start, bytes) = (self.texts[last].len() as u16, code.len() as u16);
        self.texts[last].push_str(code);
        self.places.push(Place { text: last as u32, start, bytes });
        self.handles.insert(self.handles.hash_of(code.as_bytes()), handle);
        handle
    }
}

/// Whether a text can be a code: 1 to 64 bytes, no control characters, no blanks at its ends.
pub fn is_code(text: &str) -> bool {
    (1..=orderline_protocol::limits::CODE_BYTES_MAX).contains(&text.len())
        && text.trim() == text
        && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_get_dense_handles_and_are_found_by_both() {
        let mut codes = Codes::new(3);
        // More than one text of them.
        for n in 0..10_000 {
            assert_eq!(codes.add(&format!("sku-{n}")), n);
        }
        assert!(codes.texts.len() > 1 && (0..10_000).all(|n| codes.code(n) == Some(&format!("sku-{n}"))));
        assert_eq!(
            (codes.find("sku-77"), codes.code(77), codes.find("sku")),
            (Some(77), Some("sku-77"), None)
        );
        assert_eq!(codes.code(10_000), None);
    }

    #[test]
    fn blanks_and_controls_are_no_codes() {
        assert!(is_code("85123A") && is_code("Größe 7") && is_code(&"x".repeat(64)));
        assert!(
            !is_code("")
                && !is_code(" a")
                && !is_code("a\n")
                && !is_code("a\tb")
                && !is_code(&"x".repeat(65))
        );
    }
}
