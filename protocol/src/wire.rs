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
    whole: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Cut<'a> {
    #[inline]
    pub(crate) fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self { what, whole: bytes, rest: bytes }
    }

    #[cold]
    pub(crate) fn error(&self, why: &'static str) -> Malformed {
        Malformed { what: self.what, why }
    }

    #[inline]
    pub(crate) fn head<T: Shape>(&mut self) -> Result<&'a T, Malformed> {
        let (head, rest) = T::ref_from_prefix(self.rest).map_err(|_| self.error("it ends too early"))?;
        self.rest = rest;
        Ok(head)
    }

    #[inline]
    pub(crate) fn list<T: Shape>(&mut self, count: usize) -> Result<&'a [T], Malformed> {
        let (list, rest) = <[T]>::ref_from_prefix_with_elems(self.rest, count)
            .map_err(|_| self.error("its list ends too early"))?;
        self.rest = rest;
        Ok(list)
    }

    #[inline]
    pub(crate) fn text(&mut self, bytes: usize) -> Result<&'a str, Malformed> {
        // Most texts that may be there are not, and a hot command pays for none of it.
        if bytes == 0 {
            return Ok("");
        }
        let (text, rest) =
            self.rest.split_at_checked(bytes).ok_or_else(|| self.error("its text ends too early"))?;
        self.rest = rest;
        std::str::from_utf8(text).map_err(|_| self.error("its text is not UTF-8"))
    }

    /// Ends the reading: what is left may only be the zeros that pad to a multiple of 8.
    #[inline]
    pub(crate) fn end(self) -> Result<(), Malformed> {
        let is_padding = match (self.rest.len(), self.whole.last_chunk()) {
            (0, _) => true,
            // What is left are the upper bytes of the last eight.
            (count @ 1..8, Some(last)) => u64::from_le_bytes(*last) >> (64 - 8 * count) == 0,
            (count, _) => count < 8 && self.rest.iter().all(|&byte| byte == 0),
        };
        if is_padding { Ok(()) } else { Err(self.error("bytes follow its end")) }
    }
}

/// Appends zeros until what was appended since `start` is a multiple of 8 bytes long.
pub(crate) fn pad(out: &mut Vec<u8>, start: usize) {
    let odd = (out.len() - start) % 8;
    if odd != 0 {
        out.extend_from_slice(&[0; 8][odd..]);
    }
}

/// Defines structures that travel: fixed layout, little-endian, unaligned, read where they lie. Lists them with their
/// offsets and texts in `SHAPES`, from which the documents' tables are made.
macro_rules! shapes {
    ($( $(#[doc = $doc:literal])+ pub struct $name:ident {
        $( $(#[doc = $field_doc:literal])+ pub $field:ident: $type:ty, )+
    } )+) => {
        $(
            $(#[doc = $doc])+
            #[derive(
                Debug, Clone, Copy, PartialEq, Eq, zerocopy::FromBytes, zerocopy::IntoBytes,
                zerocopy::KnownLayout, zerocopy::Immutable, zerocopy::Unaligned,
            )]
            #[repr(C)]
            pub struct $name {
                $( $(#[doc = $field_doc])+ pub $field: $type, )+
            }
        )+

        /// The structures of this page, for the documents.
        pub(super) const SHAPES: &[$crate::wire::ShapeTable] = &[$(
            $crate::wire::ShapeTable {
                name: stringify!($name),
                text: concat!($($doc),+),
                bytes: size_of::<$name>(),
                fields: &[$( $crate::wire::ShapeField {
                    name: stringify!($field),
                    offset: std::mem::offset_of!($name, $field),
                    bytes: size_of::<$type>(),
                    type_name: stringify!($type),
                    text: concat!($($field_doc),+),
                }, )+],
            },
        )+];
    };
}
pub(crate) use shapes;

/// Defines enumerations that travel as numbers, which are never reused, with a name for reports. Lists them in
/// `NUMBERS`, from which the documents' tables are made.
macro_rules! numbered {
    ($( $(#[doc = $doc:literal])+ pub enum $name:ident: $repr:ident {
        $( $(#[doc = $variant_doc:literal])+ $variant:ident = $number:literal $text:literal, )+
    } )+) => {
        $(
            $(#[doc = $doc])+
            #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
            #[repr($repr)]
            pub enum $name {
                $( $(#[doc = $variant_doc])+ $variant = $number, )+
            }

            impl $name {
                /// All of them, in the order of their numbers.
                pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

                /// The one with this number.
                pub const fn from_number(number: $repr) -> Option<Self> {
                    match number {
                        $( $number => Some(Self::$variant), )+
                        _ => None,
                    }
                }

                /// Its name in reports and files.
                pub const fn name(self) -> &'static str {
                    match self {
                        $( Self::$variant => $text, )+
                    }
                }

                /// The one with this name.
                pub fn from_name(name: &str) -> Option<Self> {
                    Self::ALL.iter().copied().find(|one| one.name() == name)
                }
            }
        )+

        /// The enumerations of this page, for the documents.
        pub(super) const NUMBERS: &[$crate::wire::NumberTable] = &[$(
            $crate::wire::NumberTable {
                name: stringify!($name),
                text: concat!($($doc),+),
                rows: &[$( ($number, stringify!($variant), concat!($($variant_doc),+)), )+],
            },
        )+];
    };
}
pub(crate) use numbered;

/// A structure's layout, as a document shows it.
#[derive(Debug, Clone, Copy)]
pub struct ShapeTable {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub text: &'static str,
    /// Its length.
    pub bytes: usize,
    /// Its fields, in order.
    pub fields: &'static [ShapeField],
}

/// A field of a [`ShapeTable`].
#[derive(Debug, Clone, Copy)]
pub struct ShapeField {
    /// Its name.
    pub name: &'static str,
    /// Where it starts.
    pub offset: usize,
    /// Its length.
    pub bytes: usize,
    /// Its type, as the code writes it.
    pub type_name: &'static str,
    /// What it says.
    pub text: &'static str,
}

/// An enumeration's numbers, as a document shows them.
#[derive(Debug, Clone, Copy)]
pub struct NumberTable {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub text: &'static str,
    /// Number, name, meaning.
    pub rows: &'static [(u16, &'static str, &'static str)],
}
