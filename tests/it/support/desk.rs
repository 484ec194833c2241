//! A merchant's desk: every command of an order's life over a client, and the views that tell how it stands.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use orderline_client::catalogue::{self, Location, Receipt, Seller};
use orderline_client::{Client, OwnedReply};
use orderline_protocol::command::*;
use orderline_protocol::reply::{GroupView, LedgerView, LevelView, OrderParts, OrderView, ReservationView};
use orderline_protocol::{
    Amount, BuyerId, Command, GroupId, LocationHandle, OrderId, RejectCode, ReservationId, SellerHandle,
    SkuHandle,
};
use zerocopy::little_endian::{U32, U64};

use super::shop::CURRENCY;

/// Who buys.
pub(crate) const BUYER: BuyerId = BuyerId::new(4_711);

/// Any version will do.
const ANY: U32 = U32::ZERO;

/// How long anything that happens by itself is waited for: only what never happens meets it.
const AWAIT_MAX: Duration = Duration::from_secs(60);

/// Two sellers' shops, seen through one client.
pub(crate) struct Desk {
    pub(crate) client: Client,
    /// Takes a commission of 12.5 % of.
    pub(crate) acme: SellerHandle,
    /// Takes 8 % of.
    pub(crate) zest: SellerHandle,
    pub(crate) store: LocationHandle,
    pub(crate) depot: LocationHandle,
    /// Acme's tea and cups, in the store.
    pub(crate) tea: SkuHandle,
    pub(crate) cups: SkuHandle,
    /// Zest's, in the depot.
    pub(crate) spoons: SkuHandle,
    /// The time in this desk's ids, and how many of them were made.
    began_unix_ms: u64,
    ids: u128,
}

/// A line of an order.
pub(crate) fn line(sku: SkuHandle, quantity: u32, minor: i64) -> OrderLine {
    OrderLine { sku, quantity: quantity.into(), unit_price: Amount::new(minor) }
}

/// Units of a line.
pub(crate) fn units(line: u16, quantity: u32) -> LineQuantity {
    LineQuantity { line: line.into(), reserved: [0; 2], quantity: quantity.into() }
}

impl Desk {
    /// Sees to it that the shops are there; stock comes with [`Desk::receive`].
    pub(crate) fn open(mut client: Client) -> Self {
        let sellers =
            [Seller { code: "acme", commission_bp: 1_250 }, Seller { code: "zest", commission_bp: 800 }];
        let sellers = catalogue::define_sellers(&mut client, sellers).unwrap();
        let place = |code, priority, region| Location { code, priority, region, daily_capacity: 0 };
        let locations = [place("store", 1, 44), place("depot", 2, 45)];
        let locations = catalogue::define_locations(&mut client, locations).unwrap();
        let (acme, zest) = (sellers[0], sellers[1]);
        let of_acme = catalogue::skus(&mut client, acme, CURRENCY, ["tea", "cups"]).unwrap();
        let of_zest = catalogue::skus(&mut client, zest, CURRENCY, ["spoons"]).unwrap();
        let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Self {
            client,
            acme,
            zest,
            store: locations[0],
            depot: locations[1],
            tea: of_acme[0],
            cups: of_acme[1],
            spoons: of_zest[0],
            began_unix_ms: began.as_millis() as u64,
            ids: 0,
        }
    }

    pub(crate) fn receive(&mut self, sku: SkuHandle, location: LocationHandle, quantity: u64) {
        catalogue::receive(&mut self.client, [Receipt { sku, location, quantity }]).unwrap();
    }

    /// An id that nobody has used.
    pub(crate) fn new_id(&mut self) -> OrderId {
        self.ids += 1;
        OrderId::from_parts(self.began_unix_ms, self.ids)
    }

    /// Sends a command, whatever comes of it.
    pub(crate) fn send(&mut self, command: &Command<'_>) -> OwnedReply {
        self.client.call(command).unwrap()
    }

    /// Sends a command that must be accepted, or answered; returns its detail.
    pub(crate) fn run(&mut self, command: &Command<'_>) -> u64 {
        let reply = self.send(command);
        let code = RejectCode::from_number(reply.header.code.get());
        assert_eq!(code, None, "{:?}: {:?}", command.kind(), reply.header);
        reply.header.detail.get()
    }

    /// Sends a command that must be refused; returns why.
    pub(crate) fn refused(&mut self, command: &Command<'_>) -> RejectCode {
        let reply = self.send(command);
        let code = RejectCode::from_number(reply.header.code.get());
        code.unwrap_or_else(|| panic!("{:?} was to be refused: {:?}", command.kind(), reply.header))
    }

    /// Asks until the answer is what is waited for.
    pub(crate) fn wait_until(&mut self, what: &str, mut is_so: impl FnMut(&mut Self) -> bool) {
        let start = Instant::now();
        while !is_so(self) {
            assert!(start.elapsed() < AWAIT_MAX, "{what}: it did not happen");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn order(&mut self, order: OrderId) -> OrderSeen {
        let reply = self.send(&Command::QueryOrder(&QueryOrder { order }));
        assert_eq!(reply.header.code, 0, "{:?}", reply.header);
        OrderSeen(reply)
    }

    /// The group's view, and its orders'.
    pub(crate) fn group(&mut self, group: GroupId) -> GroupView {
        let reply = self.send(&Command::QueryGroup(&QueryGroup { group }));
        *GroupView::read(&reply.view).unwrap().0
    }

    pub(crate) fn reservation(&mut self, reservation: ReservationId) -> ReservationView {
        let reply = self.send(&Command::QueryReservation(&QueryReservation { reservation }));
        *ReservationView::read(&reply.view).unwrap().0
    }

    pub(crate) fn ledger(&mut self, seller: SellerHandle) -> LedgerView {
        let query = QueryLedger { seller, currency: CURRENCY, reserved: [0; 2] };
        *LedgerView::read(&self.send(&Command::QueryLedger(&query)).view).unwrap()
    }

    /// What is available, reserved and committed of a SKU at a location.
    pub(crate) fn level(&mut self, sku: SkuHandle, location: LocationHandle) -> (i64, u64, u64) {
        let reply = self.send(&Command::QueryStock(&QueryStock { sku, location }));
        let level = LevelView::read_all(&reply.view).unwrap()[0];
        (level.available.get(), level.reserved.get(), level.committed.get())
    }

    /// Holds a cart for so many seconds; returns when it expires.
    pub(crate) fn reserve(&mut self, id: ReservationId, seconds: u32, lines: &[(SkuHandle, u32)]) -> i64 {
        let lines: Vec<_> =
            lines.iter().map(|&(sku, quantity)| CartLine { sku, quantity: quantity.into() }).collect();
        let head = ReserveCart {
            expected_version: 0.into(),
            reservation: id,
            replaces: ReservationId::new(0),
            buyer: BUYER,
            seconds: seconds.into(),
            region: 44.into(),
            line_count: (lines.len() as u16).into(),
        };
        self.run(&Command::ReserveCart(&head, &lines)) as i64
    }

    /// The head of an order of Acme's.
    pub(crate) fn placement(&self, order: OrderId, line_count: u16) -> PlaceOrder {
        PlaceOrder {
            order,
            buyer: BUYER,
            seller: self.acme,
            currency: CURRENCY,
            line_count: line_count.into(),
            region: 44.into(),
            external_id_bytes: 0,
        }
    }

    /// Places an order of one line of Acme's; returns its id.
    pub(crate) fn place(&mut self, sku: SkuHandle, quantity: u32, minor: i64) -> OrderId {
        let order = self.new_id();
        let head = self.placement(order, 1);
        assert_eq!(
            self.run(&Command::PlaceOrder(&head, &[line(sku, quantity, minor)], "")) as i64,
            i64::from(quantity) * minor
        );
        order
    }

    pub(crate) fn confirm(&mut self, order: OrderId) {
        self.run(&Command::ConfirmOrder(&confirmation(order)));
    }

    /// Places a hold; returns its number.
    pub(crate) fn hold(&mut self, order: OrderId, kind: u8, blocks: u8, seconds: u32) -> u16 {
        let head = PlaceHold {
            order,
            expected_version: ANY,
            seconds: seconds.into(),
            kind,
            blocks,
            reason: 3.into(),
            reserved: [0; 4],
        };
        self.run(&Command::PlaceHold(&head)) as u16
    }

    pub(crate) fn release_hold(&mut self, order: OrderId, hold: u16) {
        let head = ReleaseHold { order, expected_version: ANY, hold: hold.into(), reason: 4.into() };
        self.run(&Command::ReleaseHold(&head));
    }

    /// A promise of money for a group; `seconds` 0: for ever.
    pub(crate) fn authorize(&mut self, group: GroupId, minor: i64, seconds: u32) {
        let head = RecordAuthorization {
            happened_at_us: 0.into(),
            group,
            amount: Amount::new(minor),
            reference: 900.into(),
            expected_version: ANY,
            seconds: seconds.into(),
            currency: CURRENCY,
            reserved: [0; 6],
        };
        self.run(&Command::RecordAuthorization(&head));
    }

    /// Says how far a location is.
    pub(crate) fn work(&mut self, order: OrderId, location: LocationHandle, step: WorkStep) {
        let head = UpdateWork { order, expected_version: ANY, location, step: step as u8, reserved: 0 };
        self.run(&Command::UpdateWork(&head));
    }

    /// Packs lines (none named: all that is open), and sends the package if it says so; returns its number.
    pub(crate) fn pack(
        &mut self,
        order: OrderId,
        location: LocationHandle,
        lines: &[LineQuantity],
        is_sent: bool,
    ) -> u16 {
        let tracking = "RM123456785GB";
        let head = ShipLines {
            happened_at_us: 0.into(),
            order,
            expected_version: ANY,
            location,
            line_count: (lines.len() as u16).into(),
            carrier: 5.into(),
            tracking_bytes: tracking.len() as u8,
            is_sent: is_sent.into(),
        };
        self.run(&Command::ShipLines(&head, lines, tracking)) as u16
    }

    pub(crate) fn package(&mut self, order: OrderId, shipment: u16, step: ShipmentStep) {
        let head = UpdateShipment {
            happened_at_us: 0.into(),
            order,
            expected_version: ANY,
            shipment: shipment.into(),
            step: step as u8,
            reserved: 0,
        };
        self.run(&Command::UpdateShipment(&head));
    }

    /// A step of a return.
    pub(crate) fn return_step(&mut self, order: OrderId, number: u16, step: ReturnStep) {
        let head = UpdateReturn {
            happened_at_us: 0.into(),
            order,
            expected_version: ANY,
            return_number: number.into(),
            step: step as u8,
            reserved: 0,
        };
        self.run(&Command::UpdateReturn(&head));
    }

    pub(crate) fn set_policy(&mut self, pending_order_s: u32, retention_s: u32) {
        let head = SetPolicy {
            pending_order_s: pending_order_s.into(),
            retention_s: retention_s.into(),
            reservation_s_max: 86_400.into(),
            expected_version: ANY,
        };
        self.run(&Command::SetPolicy(&head));
    }
}

pub(crate) fn confirmation(order: OrderId) -> ConfirmOrder {
    ConfirmOrder { order, expected_version: ANY, reserved: [0; 4] }
}

/// A cancellation of so many lines of an order.
pub(crate) fn cancelling(order: OrderId, line_count: u16) -> CancelLines {
    CancelLines { order, expected_version: ANY, line_count: line_count.into(), reason: 9.into() }
}

/// A request for a return of so many lines of an order.
pub(crate) fn returning(order: OrderId, line_count: u16) -> RequestReturn {
    RequestReturn {
        order,
        happened_at_us: 0.into(),
        expected_version: ANY,
        line_count: line_count.into(),
        reason: 9.into(),
    }
}

/// A payment to a seller.
pub(crate) fn payout(seller: SellerHandle, minor: i64) -> RecordPayout {
    let amount = Amount::new(minor);
    RecordPayout {
        expected_version: 0.into(),
        happened_at_us: 0.into(),
        seller,
        currency: CURRENCY,
        reserved: [0; 6],
        amount,
        reference: U64::new(77),
    }
}

/// An order's answer.
#[derive(Debug, Clone)]
pub(crate) struct OrderSeen(pub(crate) OwnedReply);

impl OrderSeen {
    /// An `OrderState`.
    pub(crate) fn state(&self) -> u8 {
        self.0.header.state
    }

    pub(crate) fn version(&self) -> u32 {
        self.0.header.version.get()
    }

    pub(crate) fn parts(&self) -> OrderParts<'_> {
        OrderView::read(&self.0.view).unwrap()
    }
}
