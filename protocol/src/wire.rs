//! Reading fixed-layout structures from bytes, in place. The only door between bytes and shapes.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes that are not what their kind says they are: too short, too long, or with a value that its field does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed {what}: {why}")]
pub struct Malformed {
    /// What was being read.
    pub what: &'static str,
    /// What is wrong with it.
    pub why: &'static str,
}

/// What every travelling structure is: plain, unaligned bytes.
pub(crate) trait Shape: FromBytes + IntoBytes + Immutable + KnownLayout + Unaligned {}
impl<T: FromBytes + IntoBytes + Immutable + KnownLayout + Unaligned> Shape for T {}

/// A cursor over bytes that hands out structures where they lie.
pub(crate) struct Cut<'a> {
    what: &'static str,
    rest: &'a [u8],
}

impl<'a> Cut<'a> {
    pub(crate) fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self { what, rest: bytes }
    }

    pub(crate) fn error(&self, why: &'static str) -> Malformed {
        Malformed { what: self.what, why }
    }

    pub(crate) fn head<T: Shape>(&mut self) -> Result<&'a T, Malformed> {
        let (head, rest) = T::ref_from_prefix(self.rest).map_err(|_| self.error("it ends too early"))?;
        self.rest = rest;
        Ok(head)
    }

    pub(crate) fn list<T: Shape>(&mut self, count: usize) -> Result<&'a [T], Malformed> {
        let (list, rest) = <[T]>::ref_from_prefix_with_elems(self.rest, count)
            .map_err(|_| self.error("its list ends too early"))?;
        self.rest = rest;
        Ok(list)
    }

    pub(crate) fn text(&mut self, bytes: usize) -> Result<&'a str, Malformed> {
        let (text, rest) =
            self.rest.split_at_checked(bytes).ok_or_else(|| self.error("its text ends too early"))?;
        self.rest = rest;
        std::str::from_utf8(text).map_err(|_| self.error("its text is not UTF-8"))
    }

    /// Ends the reading: what is left may only be the zeros that pad to a multiple of 8.
    pub(crate) fn end(self) -> Result<(), Malformed> {
        if self.rest.len() >= 8 || self.rest.iter().any(|&byte| byte != 0) {
            return Err(self.error("bytes follow its end"));
        }
        Ok(())
    }
}

/// Appends zeros until what was appended since `start` is a multiple of 8 bytes long.
pub(crate) fn pad(out: &mut Vec<u8>, start: usize) {
    let odd = (out.len() - start) % 8;
    if odd != 0 {
        out.extend_from_slice(&[0; 8][odd..]);
    }
}
