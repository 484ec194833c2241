//! Views: what queries are answered with.

use zerocopy::little_endian::{I64, U16, U32, U64, U128};

use crate::command::{
    CartLine, DefineLocation, DefineSeller, DefineSku, DefineSourcing, LineQuantity, OrderLine, SetPolicy,
};
use crate::event::Allocation;
use crate::ids::{BuyerId, GroupId, LocationHandle, OrderId, ReservationId, SellerHandle, SkuHandle};
use crate::limits::{CODE_BYTES_MAX, TRACKING_BYTES_MAX};
use crate::locations::Locations;
use crate::money::{Amount, CurrencyCode};
use crate::wire::{Cut, Malformed, numbered, shapes};

numbered! {
    /// Whether a SKU is sold at all.
    pub enum SaleStanding: u8 {
        /// It is.
        OnSale = 1 "on sale",
        /// The SKU is retired.
        SkuRetired = 2 "SKU retired",
        /// The SKU is not, but its seller is suspended.
        SellerSuspended = 3 "seller suspended",
        /// No SKU has this handle.
        UnknownSku = 4 "unknown SKU",
    }
}

shapes! {
    /// An order as it stands: this head, then its `LineView`s, `Allocation`s, `WorkView`s,
    /// `ShipmentView`s, `Allocation`s of the shipments in their order, `ReturnView`s, `LineQuantity`s of the returns in
    /// their order, `RefundView`s and `HoldView`s.
    pub struct OrderView {
        /// Its id.
        pub order: OrderId,
        /// The group that it was placed in: its own id if it was placed alone.
        pub group: GroupId,
        /// The sequence at which it was placed.
        pub placed_sequence: U64,
        /// Who buys.
        pub buyer: BuyerId,
        /// The front end's own number of the address; 0: not said.
        pub address: U64,
        /// What it costs now: what was ordered and not cancelled, and did not come back.
        pub total: Amount,
        /// Its share of what was captured.
        pub captured: Amount,
        /// What of that was refunded.
        pub refunded: Amount,
        /// The commission taken of it, less what was reversed.
        pub commission: Amount,
        /// What the buyer is owed back: captured, less refunds made or asked for, less what it costs; never below zero.
        pub refund_owed: Amount,
        /// Who sells.
        pub seller: SellerHandle,
        /// Recorded time of the placement, seconds since 1970.
        pub placed_unix_s: U32,
        /// The currency of its prices.
        pub currency: CurrencyCode,
        /// The region that it goes to.
        pub region: U16,
        /// A `FulfilmentStatus`.
        pub fulfilment_status: u8,
        /// A `PaymentStatus`.
        pub payment_status: u8,
        /// A `ReturnStatus`.
        pub return_status: u8,
        /// What its active holds block: bits of `blocks`.
        pub blocked: u8,
        /// Its lines.
        pub line_count: U16,
        /// Its fulfilment orders.
        pub work_count: U16,
        /// Its packages.
        pub shipment_count: U16,
        /// Its returns.
        pub return_count: U16,
        /// Its refunds.
        pub refund_count: U16,
        /// Its holds.
        pub hold_count: U16,
        /// Units of lines at locations, reserved or allocated.
        pub allocation_count: U32,
        /// Parts of its packages.
        pub shipment_part_count: U32,
        /// Lines of its returns.
        pub return_line_count: U32,
    }

    /// A token as it stands: all but its hash.
    pub struct TokenView {
        /// Its number, from 1: what sessions name as their actor.
        pub token: U32,
        /// Its version.
        pub version: U32,
        /// From when on it is not valid any more, in microseconds since 1970; 0: for ever.
        pub expires_at_us: I64,
        /// Whose it is, for the role seller; NONE for others.
        pub seller: SellerHandle,
        /// Commands that it may bring in a second; 0: no bound.
        pub commands_per_s_max: U32,
        /// Where it works, for the role warehouse; none for others.
        pub locations: Locations,
        /// A `Role`.
        pub role: u8,
        /// A `Standing`; inactive: revoked.
        pub standing: u8,
        /// Zeros.
        pub reserved: [u8; 6],
        /// Its label, zeros behind it.
        pub label: [u8; CODE_BYTES_MAX],
    }

    /// One line of an order as it stands.
    pub struct LineView {
        /// What was ordered.
        pub line: OrderLine,
        /// Where its units are.
        pub counters: LineCounters,
        /// Where its open units are; NONE where they are at several locations, or nowhere.
        pub location: LocationHandle,
        /// Zeros.
        pub reserved: [u8; 2],
    }

    /// Where a line's units are: `ordered = cancelled + backordered + reserved + allocated + shipped`,
    /// `delivered <= shipped`, `returned <= delivered`.
    pub struct LineCounters {
        /// Given up.
        pub cancelled: U32,
        /// Promised without stock.
        pub backordered: U32,
        /// Held at a location for a pending order.
        pub reserved: U32,
        /// Committed at a location for a confirmed order, packed or not.
        pub allocated: U32,
        /// Left a location.
        pub shipped: U32,
        /// Of the shipped: arrived.
        pub delivered: U32,
        /// Of the delivered: came back.
        pub returned: U32,
    }

    /// A fulfilment order.
    pub struct WorkView {
        /// Whose work.
        pub location: LocationHandle,
        /// A `WorkState`.
        pub state: u8,
        /// On hold: the `WorkState` that it goes back to; else 0.
        pub held_from: u8,
    }

    /// A package.
    pub struct ShipmentView {
        /// When its state came about, in microseconds since 1970, as the caller that reported it said; 0: not said.
        pub happened_at_us: I64,
        /// Its number in its order, from 1.
        pub number: U16,
        /// The caller's own number of the carrier.
        pub carrier: U16,
        /// Parts of it: units of lines from locations.
        pub part_count: U16,
        /// A `ShipmentState`.
        pub state: u8,
        /// Bytes of the tracking code.
        pub tracking_bytes: u8,
        /// The tracking code, zeros behind it.
        pub tracking: [u8; TRACKING_BYTES_MAX],
    }

    /// A return.
    pub struct ReturnView {
        /// When its state came about, in microseconds since 1970, as the caller that reported it said; 0: not said.
        pub happened_at_us: I64,
        /// Its number in its order, from 1.
        pub number: U16,
        /// The caller's own reason code.
        pub reason: U16,
        /// Lines of it.
        pub line_count: U16,
        /// A `ReturnState`.
        pub state: u8,
        /// 1: a package that came back undelivered.
        pub is_undelivered: u8,
    }

    /// A refund.
    pub struct RefundView {
        /// How much.
        pub amount: Amount,
        /// When its state came about, in microseconds since 1970, as the caller that reported it said; 0: not said.
        pub happened_at_us: I64,
        /// Its number in its order, from 1.
        pub number: U16,
        /// The caller's own reason code.
        pub reason: U16,
        /// A `RefundState`.
        pub state: u8,
        /// Zeros.
        pub reserved: [u8; 3],
    }

    /// A hold.
    pub struct HoldView {
        /// When it expires, in microseconds since 1970; 0: never.
        pub expires_at_us: I64,
        /// Its number in its order, from 1.
        pub number: U16,
        /// The caller's own reason code.
        pub reason: U16,
        /// A `HoldKind`.
        pub kind: u8,
        /// What it blocks: bits of `blocks`.
        pub blocks: u8,
        /// A `HoldState`.
        pub state: u8,
        /// Zero.
        pub reserved: u8,
    }

    /// A reservation as it stands: this head, its lines, its allocations (none once it is finished).
    pub struct ReservationView {
        /// Its id.
        pub reservation: ReservationId,
        /// The sequence at which it was made.
        pub reserved_sequence: U64,
        /// Whose cart.
        pub buyer: BuyerId,
        /// When it expires, in microseconds since 1970.
        pub expires_at_us: I64,
        /// Allocations that follow the lines.
        pub allocation_count: U32,
        /// Lines that follow.
        pub line_count: U16,
        /// A `ReservationState`.
        pub state: u8,
        /// Zero.
        pub reserved: u8,
    }

    /// A group as it stands: this head, then its `GroupOrderView`s.
    pub struct GroupView {
        /// Its id.
        pub group: GroupId,
        /// Who buys.
        pub buyer: BuyerId,
        /// What its orders cost now.
        pub total: Amount,
        /// What its payment has promised, captures included.
        pub authorized: Amount,
        /// What was captured, over all its payments.
        pub captured: Amount,
        /// What was refunded.
        pub refunded: Amount,
        /// When the promise lapses, in microseconds since 1970; 0: never, or there is none.
        pub expires_at_us: I64,
        /// The payment service's own number of the newest payment.
        pub reference: U64,
        /// When what was last reported of the newest payment happened, in microseconds since 1970, as the caller that
        /// reported it said; 0: not said.
        pub happened_at_us: I64,
        /// Orders that follow.
        pub order_count: U16,
        /// The newest payment's number; 0: none yet.
        pub payment: U16,
        /// The newest payment's `PaymentState`.
        pub payment_state: u8,
        /// Zero.
        pub reserved: u8,
        /// The currency.
        pub currency: CurrencyCode,
    }

    /// One order of a group.
    pub struct GroupOrderView {
        /// Which.
        pub order: OrderId,
        /// What it costs now.
        pub total: Amount,
        /// Its share of what was captured.
        pub captured: Amount,
        /// What of that was refunded.
        pub refunded: Amount,
        /// Who sells.
        pub seller: SellerHandle,
        /// Its `OrderState`.
        pub state: u8,
        /// Zeros.
        pub reserved: [u8; 3],
    }

    /// What is owed to a seller in a currency. `sales - commissions - refunds + reversals = accrued + payable + paid`.
    pub struct LedgerView {
        /// Who.
        pub seller: SellerHandle,
        /// In which currency.
        pub currency: CurrencyCode,
        /// Zeros.
        pub reserved: [u8; 2],
        /// Entries made so far.
        pub entry_count: U64,
        /// Captured for its orders.
        pub sales: Amount,
        /// The marketplace's share of that.
        pub commissions: Amount,
        /// Refunded of its orders.
        pub refunds: Amount,
        /// Commission given back with refunds.
        pub reversals: Amount,
        /// Of orders that are not finished yet.
        pub accrued: Amount,
        /// Of finished orders, to be paid; below zero: the seller owes.
        pub payable: Amount,
        /// Paid.
        pub paid: Amount,
    }

    /// One entry of the catalogue's page: its definition in the bytes of its kind's `Define` command, and its code.
    pub struct CatalogueEntry {
        /// Its handle.
        pub handle: U32,
        /// Its version.
        pub version: U32,
        /// `DefineSeller`, `DefineLocation` or `DefineSku`, zeros behind it.
        pub definition: [u8; 16],
        /// The code, zeros behind it.
        pub code: [u8; CODE_BYTES_MAX],
    }

    /// Policies and sourcing rules: this head, then a `DefineSourcing` for everybody and for each seller that has its
    /// own, by handle.
    pub struct SettingsView {
        /// The policies' version.
        pub version: U32,
        /// Rule lists that follow.
        pub sourcing_count: U32,
        /// The policies.
        pub policy: SetPolicy,
    }

    /// One inventory level: `on_hand = available + reserved + committed + safety + damaged + quality_hold`.
    pub struct LevelView {
        /// Of what.
        pub sku: SkuHandle,
        /// Its version: how often a stock command has changed it. What orders and reservations do does not count.
        pub version: U32,
        /// Where.
        pub location: LocationHandle,
        /// Zeros.
        pub reserved_2: [u8; 6],
        /// Free to promise; below zero: a shortage.
        pub available: I64,
        /// Held for reservations and pending orders.
        pub reserved: U64,
        /// Committed to confirmed orders.
        pub committed: U64,
        /// Kept back on purpose.
        pub safety: U64,
        /// Not fit to sell.
        pub damaged: U64,
        /// Waiting for a check.
        pub quality_hold: U64,
        /// On its way, outside what is on hand.
        pub incoming: U64,
    }

    /// One row of the transition table: in this state this action may lead to these states.
    pub struct TransitionView {
        /// The `Entity` whose state it is.
        pub entity: u8,
        /// Where it is: a number of the entity's states.
        pub from: u8,
        /// The `Action`.
        pub action: u8,
        /// How many of `to` say something.
        pub to_count: u8,
        /// Where it can be then, zeros behind the last. Which one, quantities and amounts decide.
        pub to: [u8; 4],
    }

    /// What can be bought of one SKU.
    pub struct AvailabilityView {
        /// Units available, over all active locations; a shortage at one takes nothing from another.
        pub units: U64,
        /// Units that may be promised beyond these: what the SKU's cap leaves of backorders.
        pub backorder_units: U32,
        /// A `SaleStanding`: nothing can be bought of a SKU that is not on sale, whatever is available.
        pub standing: u8,
        /// Zeros.
        pub reserved: [u8; 3],
    }

    /// The core's own figures.
    pub struct StatusView {
        /// A hash that any two equal states share; 0 where it was not asked for.
        pub state_hash: U128,
        /// Orders that the core holds.
        pub orders_total: U64,
        /// Of them: pending or confirmed.
        pub orders_open: U64,
        /// Reservations that the core holds, finished ones included.
        pub reservations: U64,
        /// The newest time in the id of an order that left memory, in milliseconds since 1970; 0: none has.
        pub orders_horizon_ms: U64,
        /// When the newest accepted keyed request was recorded that is no longer known, in microseconds since 1970; 0: all are
        /// known.
        pub keys_horizon_us: I64,
        /// Sellers defined.
        pub sellers: U32,
        /// Locations defined.
        pub locations: U32,
        /// SKUs defined.
        pub skus: U32,
        /// Sessions remembered.
        pub sessions: U32,
    }
}

impl Default for LineCounters {
    fn default() -> Self {
        zerocopy::FromZeros::new_zeroed()
    }
}

/// An order's view, taken apart.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)] // Each is said at `OrderView`.
pub struct OrderParts<'a> {
    pub head: &'a OrderView,
    pub lines: &'a [LineView],
    pub allocations: &'a [Allocation],
    pub works: &'a [WorkView],
    pub shipments: &'a [ShipmentView],
    pub shipment_parts: &'a [Allocation],
    pub returns: &'a [ReturnView],
    pub return_lines: &'a [LineQuantity],
    pub refunds: &'a [RefundView],
    pub holds: &'a [HoldView],
}

impl OrderView {
    /// Reads an order's view.
    ///
    /// # Errors
    /// When the bytes are not one.
    pub fn read(view: &[u8]) -> Result<OrderParts<'_>, Malformed> {
        let mut cut = Cut::new("order view", view);
        let head: &Self = cut.head()?;
        let parts = OrderParts {
            head,
            lines: cut.list(head.line_count.get().into())?,
            allocations: cut.list(head.allocation_count.get() as usize)?,
            works: cut.list(head.work_count.get().into())?,
            shipments: cut.list(head.shipment_count.get().into())?,
            shipment_parts: cut.list(head.shipment_part_count.get() as usize)?,
            returns: cut.list(head.return_count.get().into())?,
            return_lines: cut.list(head.return_line_count.get() as usize)?,
            refunds: cut.list(head.refund_count.get().into())?,
            holds: cut.list(head.hold_count.get().into())?,
        };
        cut.end()?;
        Ok(parts)
    }
}

impl ReservationView {
    /// Reads a reservation's view.
    ///
    /// # Errors
    /// When the bytes are not one.
    pub fn read(view: &[u8]) -> Result<(&Self, &[CartLine], &[Allocation]), Malformed> {
        let mut cut = Cut::new("reservation view", view);
        let head: &Self = cut.head()?;
        let lines = cut.list(head.line_count.get().into())?;
        let allocations = cut.list(head.allocation_count.get() as usize)?;
        cut.end()?;
        Ok((head, lines, allocations))
    }
}

impl GroupView {
    /// Reads a group's view.
    ///
    /// # Errors
    /// When the bytes are not one.
    pub fn read(view: &[u8]) -> Result<(&Self, &[GroupOrderView]), Malformed> {
        let mut cut = Cut::new("group view", view);
        let head: &Self = cut.head()?;
        let orders = cut.list(head.order_count.get().into())?;
        cut.end()?;
        Ok((head, orders))
    }
}

impl SettingsView {
    /// Reads the answer to a settings query.
    ///
    /// # Errors
    /// When the bytes are not one.
    pub fn read(view: &[u8]) -> Result<(&Self, &[DefineSourcing]), Malformed> {
        let mut cut = Cut::new("settings view", view);
        let head: &Self = cut.head()?;
        let sourcing = cut.list(head.sourcing_count.get() as usize)?;
        cut.end()?;
        Ok((head, sourcing))
    }
}

impl CatalogueEntry {
    /// Reads a page of the catalogue.
    ///
    /// # Errors
    /// When the bytes are not whole entries.
    pub fn read_all(view: &[u8]) -> Result<&[Self], Malformed> {
        whole("catalogue page", view)
    }

    /// The definition, read as a seller's.
    pub fn seller(&self) -> DefineSeller {
        self.definition()
    }

    /// The definition, read as a location's.
    pub fn location(&self) -> DefineLocation {
        self.definition()
    }

    /// The definition, read as a SKU's.
    pub fn sku(&self) -> DefineSku {
        self.definition()
    }

    fn definition<T: crate::wire::Shape>(&self) -> T {
        let mut definition = T::new_zeroed();
        let bytes = size_of::<T>();
        definition.as_mut_bytes().copy_from_slice(&self.definition[..bytes]);
        definition
    }

    /// The code, if it is text.
    pub fn code(&self) -> Option<&str> {
        text_before_zeros(&self.code)
    }
}

impl TokenView {
    /// Reads a page of the tokens.
    ///
    /// # Errors
    /// When the bytes are not whole tokens.
    pub fn read_all(view: &[u8]) -> Result<&[Self], Malformed> {
        whole("page of tokens", view)
    }

    /// The label, if it is text.
    pub fn label(&self) -> Option<&str> {
        text_before_zeros(&self.label)
    }
}

impl LevelView {
    /// Reads the levels that answer a stock query.
    ///
    /// # Errors
    /// When the bytes are not whole levels.
    pub fn read_all(view: &[u8]) -> Result<&[Self], Malformed> {
        whole("stock view", view)
    }
}

impl TransitionView {
    /// Reads the answer to a query for the transition table.
    ///
    /// # Errors
    /// When the bytes are not whole rows.
    pub fn read_all(view: &[u8]) -> Result<&[Self], Malformed> {
        whole("transition table", view)
    }

    /// Where the action can lead.
    pub fn targets(&self) -> &[u8] {
        &self.to[..self.to.len().min(self.to_count.into())]
    }
}

impl AvailabilityView {
    /// Reads the answer to an availability query: one for each SKU that was asked about, in their order.
    ///
    /// # Errors
    /// When the bytes are not whole.
    pub fn read_all(view: &[u8]) -> Result<&[Self], Malformed> {
        whole("availability view", view)
    }

    /// Whether so many units could be bought, at the sequence that the answer speaks of.
    pub fn can_buy(&self, quantity: u32) -> bool {
        let units = self.units.get().saturating_add(self.backorder_units.get().into());
        self.standing == SaleStanding::OnSale as u8 && units >= quantity.into()
    }
}

impl LedgerView {
    /// Reads the answer to a ledger query.
    ///
    /// # Errors
    /// When the bytes are not one.
    pub fn read(view: &[u8]) -> Result<&Self, Malformed> {
        one("ledger view", view)
    }
}

impl StatusView {
    /// Reads the answer to a status query.
    ///
    /// # Errors
    /// When the bytes are not one.
    pub fn read(view: &[u8]) -> Result<&Self, Malformed> {
        one("status view", view)
    }
}

/// The text in front of the zeros behind it, if it is one.
fn text_before_zeros(bytes: &[u8]) -> Option<&str> {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    std::str::from_utf8(&bytes[..end]).ok()
}

/// Reads a view that is a list.
fn whole<'a, T: crate::wire::Shape>(what: &'static str, view: &'a [u8]) -> Result<&'a [T], Malformed> {
    let mut cut = Cut::new(what, view);
    let list = cut.list(view.len() / size_of::<T>())?;
    cut.end()?;
    Ok(list)
}

/// Reads a view that is one structure.
fn one<'a, T: crate::wire::Shape>(what: &'static str, view: &'a [u8]) -> Result<&'a T, Malformed> {
    let mut cut = Cut::new(what, view);
    let head = cut.head()?;
    cut.end()?;
    Ok(head)
}
