//! Outside codes and the dense handles behind them: looked up at the edge, never on the hot path.

use super::id_table::IdTable;

/// An interner: codes get handles 0, 1, 2, … in the order in which they are added.
pub(crate) struct Codes {
    bytes: Vec<u8>,
    /// By handle: where its code ends in `bytes`; it starts where the one before ends.
    ends: Vec<u64>,
    /// Handles by the hash of their codes. It grows without ever being hashed anew, for there may be tens of millions.
    handles: IdTable,
}

impl Codes {
    pub(crate) fn new(seed: u64) -> Self {
        Self { bytes: Vec::new(), ends: Vec::new(), handles: IdTable::new(seed) }
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn code(&self, handle: u32) -> Option<&str> {
        code_at(&self.bytes, &self.ends, handle as usize)
    }

    pub(crate) fn find(&self, code: &str) -> Option<u32> {
        let hash = self.handles.hash_of(code.as_bytes());
        self.handles.find(hash, |handle| self.code(handle) == Some(code))
    }

    /// Adds a code that is not there yet.
    pub(crate) fn add(&mut self, code: &str) -> u32 {
        debug_assert!(self.find(code).is_none());
        let handle = self.ends.len() as u32;
        self.bytes.extend_from_slice(code.as_bytes());
        self.ends.push(self.bytes.len() as u64);
        self.handles.insert(self.handles.hash_of(code.as_bytes()), handle);
        handle
    }
}

fn code_at<'a>(bytes: &'a [u8], ends: &[u64], index: usize) -> Option<&'a str> {
    let end = *ends.get(index)? as usize;
    let start = if index == 0 { 0 } else { ends[index - 1] as usize };
    // Only whole codes were ever added, and they were text.
    std::str::from_utf8(&bytes[start..end]).ok()
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
        for n in 0..10_000 {
            assert_eq!(codes.add(&format!("sku-{n}")), n);
        }
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
