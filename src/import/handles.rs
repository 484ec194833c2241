//! Sellers, location and SKUs: found by their codes, defined where they are not there yet.
//!
//! What is there is never defined again, for that would change it.

use orderline_protocol::command::{
    DefineLocation, DefineSeller, DefineSku, EntityKind, ResolveCode, Standing,
};
use orderline_protocol::{Command, CurrencyCode, LocationHandle, RejectCode, Reply, SellerHandle};

use super::error::ImportError;
use super::gateway::{Gateway, Send};
use super::reason::Reason;

/// What the core says of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handle {
    /// It was there.
    Found(u32),
    /// It was defined now.
    Made(u32),
    /// It could not be defined.
    Refused(Reason),
}

impl Handle {
    /// The number.
    ///
    /// # Errors
    /// The reason for which there is none.
    pub(crate) fn number(self) -> Result<u32, Reason> {
        match self {
            Self::Found(number) | Self::Made(number) => Ok(number),
            Self::Refused(reason) => Err(reason),
        }
    }
}

/// A new SKU: its code, and who sells it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewSku<'a> {
    pub(crate) code: &'a str,
    pub(crate) seller: SellerHandle,
}

/// Finds or defines sellers.
pub(crate) fn sellers(gateway: &mut impl Gateway, codes: &[&str]) -> Result<Vec<Handle>, ImportError> {
    find_or_define(gateway, EntityKind::Seller, codes, |index, send| {
        let head = DefineSeller {
            commission_bp: 0.into(),
            standing: Standing::Active as u8,
            code_bytes: codes[index].len() as u8,
            expected_version: 0.into(),
        };
        send(&Command::DefineSeller(&head, codes[index]));
    })
}

/// Finds or defines SKUs, sold in any currency and never beyond the stock.
pub(crate) fn skus(gateway: &mut impl Gateway, skus: &[NewSku<'_>]) -> Result<Vec<Handle>, ImportError> {
    let codes: Vec<&str> = skus.iter().map(|sku| sku.code).collect();
    find_or_define(gateway, EntityKind::Sku, &codes, |index, send| {
        let NewSku { code, seller } = skus[index];
        let head = DefineSku {
            seller,
            backorder_cap: 0.into(),
            currency: CurrencyCode::NONE,
            standing: Standing::Active as u8,
            code_bytes: code.len() as u8,
            expected_version: 0.into(),
        };
        send(&Command::DefineSku(&head, code));
    })
}

/// Finds or defines the location; says whether it was there.
pub(crate) fn location(
    gateway: &mut impl Gateway,
    code: &str,
) -> Result<(LocationHandle, bool), ImportError> {
    let handles = find_or_define(gateway, EntityKind::Location, &[code], |_, send| {
        let head = DefineLocation {
            region: 0.into(),
            priority: 0.into(),
            daily_capacity: 0.into(),
            standing: Standing::Active as u8,
            code_bytes: code.len() as u8,
            expected_version: 0.into(),
        };
        send(&Command::DefineLocation(&head, code));
    })?;
    let refused =
        |why| ImportError::Refused { what: format!("the location {code:?} of the map's location.code"), why };
    match handles.first() {
        Some(Handle::Found(number)) => Ok((LocationHandle::new(*number as u16), true)),
        Some(Handle::Made(number)) => Ok((LocationHandle::new(*number as u16), false)),
        Some(Handle::Refused(Reason::Core(code))) => Err(refused(code.text())),
        _ => Err(refused("The server gave a reason that this program does not know.")),
    }
}

fn find_or_define(
    gateway: &mut impl Gateway,
    entity: EntityKind,
    codes: &[&str],
    mut define: impl FnMut(usize, Send<'_>),
) -> Result<Vec<Handle>, ImportError> {
    let mut handles = vec![None; codes.len()];
    let mut resolve = |index: usize, send: Send<'_>| {
        let code: &str = codes[index];
        let head = ResolveCode { entity: entity as u8, code_bytes: code.len() as u8, reserved: [0; 6] };
        send(&Command::ResolveCode(&head, code));
    };
    gateway.exchange(codes.len(), &mut resolve, &mut |index, reply| {
        if reply.header.code == 0 {
            handles[index] = Some(Handle::Found(reply.header.detail.get() as u32));
        } else if reply.header.code != RejectCode::UnknownCode as u16 {
            handles[index] = Some(Handle::Refused(reason_of(&reply)));
        }
    })?;
    let missing: Vec<usize> = (0..codes.len()).filter(|&index| handles[index].is_none()).collect();
    gateway.exchange(
        missing.len(),
        &mut |index, send| define(missing[index], send),
        &mut |index, reply| {
            let made = Handle::Made(reply.header.detail.get() as u32);
            let handle = if reply.is_accepted() { made } else { Handle::Refused(reason_of(&reply)) };
            handles[missing[index]] = Some(handle);
        },
    )?;
    let unanswered = || ImportError::Gateway("a command was left without an answer".to_owned());
    handles.into_iter().map(|handle| handle.ok_or_else(unanswered)).collect()
}

/// Why the core refused.
pub(crate) fn reason_of(reply: &Reply<'_>) -> Reason {
    let number = reply.header.code.get();
    RejectCode::from_number(number).map_or(Reason::CoreUnknown(number), Reason::Core)
}
