//! Names: codes to handles on the way in, handles to codes on the way out.
//!
//! A handle means the same thing for ever, so what was once asked may be kept and may be forgotten. What is not kept, the
//! engine is asked for.

use std::borrow::Cow;
use std::sync::Arc;

use orderline_protocol::command::{EntityKind, QueryCatalogue, QueryOrder, ResolveCode};
use orderline_protocol::limits::CODE_BYTES_MAX;
use orderline_protocol::reply::{CatalogueEntry, OrderParts, OrderView};
use orderline_protocol::{
    Command, LocationHandle, OrderId, RejectCode, Scope, SellerHandle, SessionId, SkuHandle,
};
use quick_cache::sync::Cache;

use crate::front::{Actor, Commands, Front, FrontError, Replies};

/// Codes of SKUs that are kept, each way; some 100 bytes each.
const SKUS_KEPT: usize = 262_144;

/// Codes of sellers and of locations that are kept, each way.
const OTHERS_KEPT: usize = 65_536;

/// Whoever asks only for names needs no session, and is no token: names are nobody's secret.
pub(crate) const READER: Actor =
    Actor { token: u32::MAX - 1, session: SessionId::new(0), scope: Scope::Everything };

/// Codes and handles of one kind.
struct Kept {
    handles: Cache<Arc<str>, u32>,
    codes: Cache<u32, Arc<str>>,
}

impl Kept {
    fn new(count: usize) -> Self {
        Self { handles: Cache::new(count), codes: Cache::new(count) }
    }

    fn keep(&self, code: &str, handle: u32) {
        let code: Arc<str> = code.into();
        self.handles.insert(Arc::clone(&code), handle);
        self.codes.insert(handle, code);
    }
}

/// What is known of names.
pub struct Names {
    front: Front,
    sellers: Kept,
    locations: Kept,
    skus: Kept,
}

impl Names {
    /// Knows none yet.
    pub fn new(front: Front) -> Self {
        let (sellers, locations) = (Kept::new(OTHERS_KEPT), Kept::new(OTHERS_KEPT));
        Self { front, sellers, locations, skus: Kept::new(SKUS_KEPT) }
    }

    fn kept(&self, kind: EntityKind) -> &Kept {
        match kind {
            EntityKind::Seller => &self.sellers,
            EntityKind::Location => &self.locations,
            EntityKind::Sku => &self.skus,
        }
    }

    /// The handles behind codes, in their order; the first code that nothing has is the error's.
    ///
    /// # Errors
    /// The index of the code that is unknown, or that the front did not answer.
    pub async fn handles(&self, kind: EntityKind, codes: &[&str]) -> Result<Vec<u32>, NameError> {
        let kept = self.kept(kind);
        let mut handles: Vec<Option<u32>> = codes.iter().map(|&code| kept.handles.get(code)).collect();
        let missing: Vec<usize> = (0..codes.len()).filter(|&at| handles[at].is_none()).collect();
        let mut asked = Commands::default();
        for &at in &missing {
            let code = codes[at];
            if code.is_empty() || code.len() > CODE_BYTES_MAX {
                return Err(NameError::Unknown(at));
            }
            let head = ResolveCode { entity: kind as u8, code_bytes: code.len() as u8, reserved: [0; 6] };
            asked.push(&Command::ResolveCode(&head, code));
        }
        let replies = self.front.ask(READER, asked).await?;
        for (at, reply) in missing.into_iter().zip(replies.iter()) {
            if reply.header.code.get() != 0 {
                return Err(NameError::Unknown(at));
            }
            let handle = reply.header.detail.get() as u32;
            kept.keep(codes[at], handle);
            handles[at] = Some(handle);
        }
        Ok(handles.into_iter().flatten().collect())
    }

    /// The handle behind a code.
    ///
    /// # Errors
    /// As [`Names::handles`].
    pub async fn handle(&self, kind: EntityKind, code: &str) -> Result<u32, NameError> {
        Ok(self.handles(kind, &[code]).await?[0])
    }

    /// Asks the engine, which has the last word, on a thread of the runtime that steps aside meanwhile.
    fn ask(&self, query: &Command<'_>) -> Option<Replies> {
        tokio::task::block_in_place(|| self.front.ask_blocking(READER, Commands::one(query))).ok()
    }

    fn entry(&self, kind: EntityKind, handle: u32) -> Option<CatalogueEntry> {
        let head =
            QueryCatalogue { from: handle.into(), count: 1.into(), entity: kind as u8, reserved: [0; 7] };
        let replies = self.ask(&Command::QueryCatalogue(&head))?;
        let entry = *CatalogueEntry::read_all(replies.first().view).ok()?.first()?;
        (entry.handle.get() == handle).then_some(entry)
    }

    /// An order as it is now, if the engine has it. Threads of the runtime may call it.
    pub(crate) fn with_order<T>(&self, order: OrderId, with: impl FnOnce(&OrderParts<'_>) -> T) -> Option<T> {
        let replies = self.ask(&Command::QueryOrder(&QueryOrder { order }))?;
        OrderView::read(replies.first().view).ok().map(|parts| with(&parts))
    }

    /// The seller of a SKU. Threads of the runtime may call it.
    pub(crate) fn sku_seller(&self, sku: SkuHandle) -> Option<SellerHandle> {
        self.entry(EntityKind::Sku, sku.get()).map(|entry| entry.sku().seller)
    }

    /// The code of a handle. Threads of the runtime may call it: one that has to ask steps aside.
    pub fn code(&self, kind: EntityKind, handle: u32) -> Option<Arc<str>> {
        let kept = self.kept(kind);
        if let Some(code) = kept.codes.get(&handle) {
            return Some(code);
        }
        let entry = self.entry(kind, handle)?;
        kept.keep(entry.code()?, handle);
        kept.codes.get(&handle)
    }
}

/// A code that is kept by many, for whoever wants it for himself.
fn own(code: Option<Arc<str>>) -> Option<Cow<'static, str>> {
    code.map(|code| Cow::Owned(code.as_ref().to_owned()))
}

impl orderline_json::Names for Names {
    fn seller_code(&self, handle: SellerHandle) -> Option<Cow<'_, str>> {
        own(self.code(EntityKind::Seller, handle.get()))
    }

    fn location_code(&self, handle: LocationHandle) -> Option<Cow<'_, str>> {
        own(self.code(EntityKind::Location, handle.get().into()))
    }

    fn sku_code(&self, handle: SkuHandle) -> Option<Cow<'_, str>> {
        own(self.code(EntityKind::Sku, handle.get()))
    }
}

/// Why a code has no handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing is defined under the code at this index.
    #[error("{}", RejectCode::UnknownCode.text())]
    Unknown(usize),
    /// The front could not ask.
    #[error(transparent)]
    Front(#[from] FrontError),
}
