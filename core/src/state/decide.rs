//! Deciding: may this be, and what exactly happens? Looks at the state, changes nothing, writes the event's bytes.

use orderline_protocol::command::{
    AdjustStock, Bucket, Command, DefineLocation, DefineSeller, DefineSku, OrderLine, PlaceOrder,
    ReceiveStock, Standing,
};
use orderline_protocol::event::{
    Allocation, Event, EventKind, LocationDefined, Origin, SellerDefined, SessionOpened, SkuDefined,
    StockAdjusted, StockReceived,
};
use orderline_protocol::limits::{
    BUCKET_QUANTITY_MAX, LINE_QUANTITY_MAX, LOCATIONS_MAX, ORDER_LINES_MAX, ORDER_TOTAL_MINOR_MAX,
    SELLERS_MAX, SKUS_MAX, UNIT_PRICE_MINOR_MAX,
};
use orderline_protocol::{LocationHandle, RejectCode, SessionHandle, SessionId, SkuHandle};
use zerocopy::IntoBytes;

use super::codes::is_code;
use super::sourcing::Demand;
use super::{Accepted, Decision, Parsed, Rejection, State};

/// Room that decisions work in, kept between them so that none allocates.
#[derive(Debug, Default)]
pub struct Scratch {
    /// What the order being decided wants, summed per SKU.
    pub(crate) demands: Vec<Demand>,
    /// Lines by SKU, for orders too long to compare line with line.
    pub(crate) by_sku: Vec<(u32, u32)>,
    /// Candidates among a SKU's levels: rank, location, available.
    pub(crate) candidates: Vec<((u32, u32), LocationHandle, u64)>,
    /// By location: how many SKUs of the order it has enough of. All zeros between decisions.
    pub(crate) location_counts: Vec<u32>,
    /// Which of the counts are not zero.
    pub(crate) locations_touched: Vec<LocationHandle>,
    /// Units of lines by location, when no location has everything.
    pub(crate) allocations: Vec<Allocation>,
    /// Units taken from each line by a command that names lines.
    pub(crate) wanted: Vec<u32>,
}

type Refusable<T> = Result<T, Rejection>;

impl State {
    /// Decides a command of a session. On [`Decision::Event`] the event's bytes have been appended to `out`;
    /// otherwise `out` is as it was. Queries are not decided: see [`State::answer`].
    #[inline]
    pub fn decide(
        &self,
        session: SessionHandle,
        command: &Parsed<'_>,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Decision {
        let Parsed { raw, body } = command;
        match self.known(session, raw) {
            Ok(None) => {}
            Ok(Some(answer)) => return Decision::Before(answer),
            Err(rejection) => return Decision::Rejected(rejection),
        }
        let body = match *body {
            Ok(body) => body,
            Err(None) => return Decision::Rejected(Rejection::new(RejectCode::UnknownKind)),
            Err(Some(_)) => return Decision::Rejected(Rejection::new(RejectCode::Malformed)),
        };
        let origin = Origin { session, digest: raw.digest().into(), request: raw.request.into() };
        if let Command::PlaceOrder(head, lines) = body {
            return self.decide_place(origin, head, lines, scratch, out);
        }
        if let Some(handle) = self.already_defined(&body) {
            // Defining what stands so already changes nothing and is not journalled: it holds as of now.
            let sequence = self.sequence;
            return Decision::Before(Accepted { sequence, detail: handle.into(), version: 0, state: 0 });
        }
        let decided = match body {
            Command::DefineSeller(head, code) => self.decide_seller(origin, head, code, out),
            Command::DefineLocation(head, code) => self.decide_location(origin, head, code, out),
            Command::DefineSku(head, code) => self.decide_sku(origin, head, code, out),
            Command::ReceiveStock(head) => self.decide_receive(origin, head, out),
            Command::AdjustStock(head) => self.decide_adjust(origin, head, out),
            Command::ConfirmOrder(head) => self.decide_confirm(origin, head, out),
            Command::CancelLines(head, lines) => self.decide_cancel(origin, head, lines, scratch, out),
            Command::ShipLines(head, lines, tracking) => {
                self.decide_ship(origin, head, lines, tracking, scratch, out)
            }
            Command::DeliverLines(head, lines) => self.decide_deliver(origin, head, lines, scratch, out),
            Command::PlaceOrder(..)
            | Command::QueryOrder(_)
            | Command::QueryStock(_)
            | Command::ResolveCode(..)
            | Command::QueryStatus(_) => {
                // Placements were decided above; queries, whoever drives the state tells by their kind beforehand.
                Err(Rejection::new(RejectCode::UnknownKind))
            }
        };
        match decided {
            Ok(kind) => Decision::Event(kind),
            Err(rejection) => Decision::Rejected(rejection),
        }
    }

    /// Opens a session: writes the event, or returns the one that has this id already.
    pub fn decide_session(&self, id: SessionId, out: &mut Vec<u8>) -> Result<EventKind, SessionHandle> {
        match self.sessions.find(id) {
            Some((handle, _)) => Err(handle),
            None => {
                let handle = self.sessions.next_handle();
                Ok(write(Event::SessionOpened(&SessionOpened { session: id, handle, reserved: [0; 4] }), out))
            }
        }
    }

    /// The handle of what a command defines, if it stands exactly so already.
    fn already_defined(&self, command: &Command<'_>) -> Option<u32> {
        let catalogue = &self.catalogue;
        match *command {
            Command::DefineSeller(head, code) => {
                let handle = catalogue.seller_codes.find(code)?;
                (catalogue.sellers()[handle as usize] == *head).then_some(handle)
            }
            Command::DefineLocation(head, code) => {
                let handle = catalogue.location_codes.find(code)?;
                (catalogue.locations()[handle as usize] == *head).then_some(handle)
            }
            Command::DefineSku(head, code) => {
                let handle = catalogue.sku_codes.find(code)?;
                (catalogue.sku_definition(handle) == *head).then_some(handle)
            }
            _ => None,
        }
    }

    fn decide_seller(
        &self,
        origin: Origin,
        head: &DefineSeller,
        code: &str,
        out: &mut Vec<u8>,
    ) -> Refusable<EventKind> {
        check_code(code)?;
        if head.commission_bp.get() > 10_000 {
            return Err(Rejection::new(RejectCode::InvalidField));
        }
        check_standing(head.standing, 2)?;
        check_zeros(&head.reserved, 4)?;
        let codes = &self.catalogue.seller_codes;
        let handle = next_handle(codes.find(code), codes.len(), SELLERS_MAX)?;
        let head = SellerDefined { origin, handle: handle.into(), reserved: [0; 4], definition: *head };
        Ok(write(Event::SellerDefined(&head, code), out))
    }

    fn decide_location(
        &self,
        origin: Origin,
        head: &DefineLocation,
        code: &str,
        out: &mut Vec<u8>,
    ) -> Refusable<EventKind> {
        check_code(code)?;
        // No sourcing rule looks at capacity yet, and a bound that is not kept is worse than none.
        if head.daily_capacity.get() != 0 {
            return Err(Rejection::new(RejectCode::InvalidField).about(8));
        }
        check_standing(head.standing, 12)?;
        check_zeros(&head.reserved, 14)?;
        let codes = &self.catalogue.location_codes;
        let handle = next_handle(codes.find(code), codes.len(), LOCATIONS_MAX)?;
        let head = LocationDefined { origin, handle: handle.into(), reserved: [0; 4], definition: *head };
        Ok(write(Event::LocationDefined(&head, code), out))
    }

    fn decide_sku(
        &self,
        origin: Origin,
        head: &DefineSku,
        code: &str,
        out: &mut Vec<u8>,
    ) -> Refusable<EventKind> {
        check_code(code)?;
        if self.catalogue.seller(head.seller).is_none() {
            return Err(Rejection::new(RejectCode::UnknownSeller).about(head.seller.get()));
        }
        // Backorders are not promised yet, and a cap that is not kept is worse than none.
        if head.backorder_cap.get() != 0 {
            return Err(Rejection::new(RejectCode::InvalidField).about(4));
        }
        if head.currency.get() != 0 && !head.currency.is_known() {
            return Err(Rejection::new(RejectCode::UnknownCurrency).with(head.currency.get().into()));
        }
        check_standing(head.standing, 10)?;
        check_zeros(&head.reserved, 12)?;
        let codes = &self.catalogue.sku_codes;
        let handle = next_handle(codes.find(code), codes.len(), SKUS_MAX)?;
        if let Some(sku) = self.catalogue.sku(SkuHandle::new(handle))
            && sku.seller != head.seller
        {
            return Err(Rejection::new(RejectCode::SkuOfOtherSeller).with(sku.seller.get().into()));
        }
        let head = SkuDefined { origin, handle: handle.into(), reserved: [0; 4], definition: *head };
        Ok(write(Event::SkuDefined(&head, code), out))
    }

    fn check_level(&self, sku: SkuHandle, location: LocationHandle) -> Refusable<()> {
        if self.catalogue.sku(sku).is_none() {
            return Err(Rejection::new(RejectCode::UnknownSku).with(sku.get().into()));
        }
        if self.catalogue.location(location).is_none() {
            return Err(Rejection::new(RejectCode::UnknownLocation).about(location.get()));
        }
        Ok(())
    }

    fn decide_receive(&self, origin: Origin, head: &ReceiveStock, out: &mut Vec<u8>) -> Refusable<EventKind> {
        self.check_level(head.sku, head.location)?;
        check_zeros(&head.reserved, 26)?;
        if head.quantity.get() == 0 {
            return Err(Rejection::new(RejectCode::ZeroQuantity));
        }
        let held =
            self.stock.find(&self.catalogue, head.sku, head.location).map_or(0, |level| level.available);
        if held.checked_add(head.quantity.get()).is_none_or(|sum| sum > BUCKET_QUANTITY_MAX) {
            return Err(Rejection::new(RejectCode::StockOverflow).with(held));
        }
        Ok(write(Event::StockReceived(&StockReceived { origin, receipt: *head }), out))
    }

    fn decide_adjust(&self, origin: Origin, head: &AdjustStock, out: &mut Vec<u8>) -> Refusable<EventKind> {
        self.check_level(head.sku, head.location)?;
        let Some(bucket) = Bucket::from_number(head.bucket) else {
            return Err(Rejection::new(RejectCode::InvalidField).about(26));
        };
        check_zeros(&head.reserved, 27)?;
        if head.delta.get() == 0 {
            return Err(Rejection::new(RejectCode::ZeroQuantity));
        }
        let level = self.stock.find(&self.catalogue, head.sku, head.location);
        let held = level.map_or(0, |level| level.bucket(bucket));
        match held.checked_add_signed(head.delta.get()) {
            Some(sum) if sum <= BUCKET_QUANTITY_MAX => {}
            Some(_) => return Err(Rejection::new(RejectCode::StockOverflow).with(held)),
            None if head.delta.get() > 0 => {
                return Err(Rejection::new(RejectCode::StockOverflow).with(held));
            }
            None => return Err(Rejection::new(RejectCode::StockNegative).with(held)),
        }
        Ok(write(Event::StockAdjusted(&StockAdjusted { origin, adjustment: *head }), out))
    }

    #[inline]
    fn decide_place(
        &self,
        origin: Origin,
        head: &PlaceOrder,
        lines: &[OrderLine],
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Decision {
        if let Some(slot) = self.orders.find(head.order) {
            let order = self.orders.head(slot);
            if order.digest != origin.digest.get() {
                return Decision::Rejected(Rejection {
                    sequence: Some(order.placed_sequence),
                    ..Rejection::new(RejectCode::OrderIdReused)
                });
            }
            // Another session has placed it: the same first answer.
            return Decision::Before(Accepted {
                sequence: order.placed_sequence,
                detail: self.orders.total_minor(slot) as u64,
                version: 1,
                state: super::transitions::OrderState::Pending as u8,
            });
        }
        let sourced =
            self.check_placement(head, lines).and_then(|()| self.source(head, lines, origin, scratch, out));
        match sourced {
            Ok(()) => Decision::Event(EventKind::OrderPlaced),
            Err(rejection) => Decision::Rejected(rejection),
        }
    }

    #[inline]
    fn check_placement(&self, head: &PlaceOrder, lines: &[OrderLine]) -> Refusable<()> {
        if head.order.get() == 0 {
            return Err(Rejection::new(RejectCode::InvalidOrderId));
        }
        if lines.is_empty() {
            return Err(Rejection::new(RejectCode::NoLines));
        }
        if lines.len() > ORDER_LINES_MAX {
            return Err(Rejection::new(RejectCode::TooManyLines).with(lines.len() as u64));
        }
        let Some(seller) = self.catalogue.seller(head.seller) else {
            return Err(Rejection::new(RejectCode::UnknownSeller).about(head.seller.get()));
        };
        if seller.standing != Standing::Active as u8 {
            return Err(Rejection::new(RejectCode::SellerSuspended).about(head.seller.get()));
        }
        if !head.currency.is_known() {
            return Err(Rejection::new(RejectCode::UnknownCurrency).with(head.currency.get().into()));
        }
        let mut total: i128 = 0;
        for (index, line) in lines.iter().enumerate() {
            let index = index as u32;
            let refuse = |code| Err(Rejection::new(code).about(index));
            let Some(sku) = self.catalogue.sku(line.sku) else {
                return Err(Rejection::new(RejectCode::UnknownSku).about(index).with(line.sku.get().into()));
            };
            if !sku.is_active() {
                return refuse(RejectCode::SkuRetired);
            }
            if sku.seller != head.seller {
                return Err(Rejection::new(RejectCode::SkuOfOtherSeller)
                    .about(index)
                    .with(sku.seller.get().into()));
            }
            if sku.currency.get() != 0 && sku.currency != head.currency {
                return Err(Rejection::new(RejectCode::MixedCurrencies)
                    .about(index)
                    .with(sku.currency.get().into()));
            }
            match line.quantity.get() {
                0 => return refuse(RejectCode::ZeroQuantity),
                1..=LINE_QUANTITY_MAX => {}
                _ => return refuse(RejectCode::QuantityTooLarge),
            }
            match line.unit_price.minor() {
                ..=0 => return refuse(RejectCode::InvalidPrice),
                1..=UNIT_PRICE_MINOR_MAX => {}
                _ => return refuse(RejectCode::PriceTooLarge),
            }
            total += i128::from(line.unit_price.minor()) * i128::from(line.quantity.get());
        }
        if total > i128::from(ORDER_TOTAL_MINOR_MAX) {
            return Err(Rejection::new(RejectCode::TotalTooLarge));
        }
        Ok(())
    }
}

/// The handle of what has this code, or the next free one.
fn next_handle(found: Option<u32>, len: usize, len_max: usize) -> Refusable<u32> {
    match found {
        Some(handle) => Ok(handle),
        None if len < len_max => Ok(len as u32),
        None => Err(Rejection::new(RejectCode::CatalogueFull)),
    }
}

fn check_code(code: &str) -> Refusable<()> {
    if is_code(code) { Ok(()) } else { Err(Rejection::new(RejectCode::InvalidCode)) }
}

fn check_standing(number: u8, offset: u32) -> Refusable<()> {
    match Standing::from_number(number) {
        Some(_) => Ok(()),
        None => Err(Rejection::new(RejectCode::InvalidField).about(offset)),
    }
}

/// Reserved bytes are zero, so that a later version can give them a meaning.
pub(crate) fn check_zeros(reserved: &[u8], offset: u32) -> Refusable<()> {
    if reserved.as_bytes().iter().all(|&byte| byte == 0) {
        Ok(())
    } else {
        Err(Rejection::new(RejectCode::InvalidField).about(offset))
    }
}

#[inline]
pub(crate) fn write(event: Event<'_>, out: &mut Vec<u8>) -> EventKind {
    event.write(out);
    event.kind()
}
