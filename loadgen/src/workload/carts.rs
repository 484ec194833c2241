//! The workload `carts`, and `place --reserve`: carts that are reserved first, then checked out of their reservation.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use orderline_client::{Client, ClientError};
use orderline_protocol::command::{
    CartLine, CheckOut, CommandKind, GroupOrder, OrderLine, QueryReservation, ReserveCart,
};
use orderline_protocol::lifecycle::ReservationState;
use orderline_protocol::reply::ReservationView;
use orderline_protocol::{BuyerId, Command, RejectCode, ReservationId};
use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::{Conclusion, End, Workload};
use crate::goods::{Catalogue, Goods};
use crate::ids::Ids;
use crate::observer::Observer;
use crate::options::LoadOptions;
use crate::outcomes::{Answer, Outcomes};
use crate::particulars::{CartsReport, Particulars};
use crate::setup::CURRENCY;
use crate::window::Sent;

/// Of the carts that are left to expire, the newest so many are asked for at the end.
const LEFT_ASKED_MAX: usize = 256;

/// How long beyond their time expiries are waited for.
const EXPIRY_PATIENCE: Duration = Duration::from_secs(5);

/// What of a cart is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum CartStep {
    #[default]
    Reserve,
    CheckOut,
}

/// Carts. A cart is chosen by its own index and the seed alone, so that it is chosen again, the same, when it is checked
/// out, and nothing has to be kept of it meanwhile.
pub(crate) struct Carts {
    ids: Ids,
    goods: Goods,
    seed: u64,
    /// Orders of a cart, each of another seller: every seller's, or one chosen among them.
    orders: u32,
    /// Whether every other cart is left to expire.
    leaves_half: bool,
    reservation_s: u32,
    chosen: Chosen,
    reserved: u64,
    checked_out: u64,
    left_to_expire: u64,
    /// The newest of those.
    left: VecDeque<ReservationId>,
    /// Carts that were not even reserved.
    refused: u64,
}

/// The cart that was chosen last; one is filled again and again.
#[derive(Default)]
struct Chosen {
    buyer: Option<BuyerId>,
    region: u16,
    orders: Vec<GroupOrder>,
    lines: Vec<OrderLine>,
    cart_lines: Vec<CartLine>,
}

impl Carts {
    /// Carts over all sellers, half of which are left to expire.
    pub(crate) fn over_all_sellers(options: &LoadOptions, catalogue: Catalogue, ids: Ids) -> Self {
        let orders = catalogue.sellers.len() as u32;
        Self::new(options, catalogue, ids, orders, true)
    }

    /// Carts of one seller each, all of which are checked out.
    pub(crate) fn of_one_seller(options: &LoadOptions, catalogue: Catalogue, ids: Ids) -> Self {
        Self::new(options, catalogue, ids, 1, false)
    }

    fn new(options: &LoadOptions, catalogue: Catalogue, ids: Ids, orders: u32, leaves_half: bool) -> Self {
        Self {
            ids,
            goods: Goods::new(options, catalogue),
            seed: options.seed,
            orders,
            leaves_half,
            reservation_s: options.reservation_s,
            chosen: Chosen::default(),
            reserved: 0,
            checked_out: 0,
            left_to_expire: 0,
            left: VecDeque::new(),
            refused: 0,
        }
    }

    fn is_left(&self, start: u64) -> bool {
        self.leaves_half && start % 2 == 1
    }

    /// Chooses the cart with this index.
    fn choose(&mut self, start: u64, start_ns: u64) {
        let Self { goods, chosen, .. } = self;
        // An odd factor keeps the seeds of different carts apart.
        let seed = self.seed ^ start.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let random = &mut SmallRng::seed_from_u64(seed);
        chosen.buyer = Some(goods.choose_buyer(random));
        chosen.region = goods.choose_region(random);
        chosen.orders.clear();
        chosen.lines.clear();
        chosen.cart_lines.clear();
        let first_seller = if self.orders == 1 { goods.choose_seller(random) } else { 0 };
        for (seller, order) in (first_seller..).zip(self.ids.orders(start, self.orders, start_ns)) {
            goods.choose_lines(seller, random, &mut chosen.lines);
            chosen.orders.push(GroupOrder {
                order,
                seller: goods.seller(seller),
                line_count: goods.lines().into(),
                reserved: [0; 2],
            });
        }
        let cart_line = |line: &OrderLine| CartLine { sku: line.sku, quantity: line.quantity };
        chosen.cart_lines.extend(chosen.lines.iter().map(cart_line));
    }
}

impl Workload for Carts {
    type Step = CartStep;

    fn kind(step: CartStep) -> CommandKind {
        match step {
            CartStep::Reserve => CommandKind::ReserveCart,
            CartStep::CheckOut => CommandKind::CheckOut,
        }
    }

    fn orders(&self, step: CartStep) -> u32 {
        match step {
            CartStep::Reserve => 0,
            CartStep::CheckOut => self.orders,
        }
    }

    fn begin(
        &mut self,
        _start: u64,
        _start_ns: u64,
        _waiting: &mut VecDeque<Sent<CartStep>>,
    ) -> Option<CartStep> {
        Some(CartStep::Reserve)
    }

    fn write<R>(&mut self, sent: &Sent<CartStep>, sink: impl FnOnce(&Command<'_>) -> R) -> R {
        self.choose(sent.start, sent.start_ns);
        let Chosen { buyer, region, orders, lines, cart_lines } = &self.chosen;
        let buyer = buyer.unwrap_or(BuyerId::new(0));
        let reservation = self.ids.reservation(sent.start, sent.start_ns);
        let line_count = (lines.len() as u16).into();
        match sent.step {
            CartStep::Reserve => {
                let head = ReserveCart {
                    expected_version: 0.into(),
                    reservation,
                    replaces: ReservationId::new(0),
                    buyer,
                    seconds: self.reservation_s.into(),
                    region: (*region).into(),
                    line_count,
                };
                sink(&Command::ReserveCart(&head, cart_lines))
            }
            CartStep::CheckOut => {
                let head = CheckOut {
                    expected_version: 0.into(),
                    group: self.ids.group(sent.start, sent.start_ns),
                    reservation,
                    buyer,
                    currency: CURRENCY,
                    order_count: (orders.len() as u16).into(),
                    line_count,
                    region: (*region).into(),
                    external_id_bytes: 0,
                };
                sink(&Command::CheckOut(&head, orders, lines, ""))
            }
        }
    }

    fn answered<O: Observer>(
        &mut self,
        answer: &Answer<'_, CartStep>,
        outcomes: &mut Outcomes<'_, O>,
        waiting: &mut VecDeque<Sent<CartStep>>,
    ) {
        match answer.sent.step {
            CartStep::Reserve => {
                if outcomes.is_refused(answer) {
                    self.refused += 1;
                    return;
                }
                self.reserved += 1;
                if self.is_left(answer.sent.start) {
                    self.left_to_expire += 1;
                    if self.left.len() == LEFT_ASKED_MAX {
                        self.left.pop_front();
                    }
                    self.left.push_back(self.ids.reservation(answer.sent.start, answer.sent.start_ns));
                } else {
                    waiting.push_back(answer.sent.then(CartStep::CheckOut));
                }
            }
            CartStep::CheckOut => {
                if outcomes.placed(answer, self.orders) {
                    self.checked_out += 1;
                }
            }
        }
    }

    fn conclude(self, end: &mut End<'_>) -> Conclusion {
        let report = CartsReport {
            reserved: self.reserved,
            checked_out: self.checked_out,
            left_to_expire: self.left_to_expire,
            orders_per_cart: self.orders,
        };
        let mut conclusion =
            Conclusion { particulars: Some(Particulars::Carts(report)), ..Conclusion::default() };
        if self.refused > 0 {
            let refused = self.refused;
            conclusion
                .problems
                .push(format!("{refused} reservations were refused, though there is stock for all"));
        }
        // What was not answered may have been left, too: then nothing is said.
        if let Some(client) = end.client.as_deref_mut()
            && self.leaves_half
        {
            let patience = Duration::from_secs(self.reservation_s.into()) + EXPIRY_PATIENCE;
            let standing = still_standing(client, self.left.into(), patience);
            conclusion.checks = BTreeMap::from([(
                "what_was_left_has_expired",
                standing.as_ref().is_ok_and(|&count| count == 0),
            )]);
            match standing {
                Ok(0) => {}
                Ok(count) => conclusion.problems.push(format!(
                    "{count} of the newest reservations that were left to expire have not, {} s after the end",
                    patience.as_secs()
                )),
                Err(error) => conclusion.problems.push(format!("reservations cannot be asked for: {error}")),
            }
        }
        conclusion
    }
}

/// Asks for reservations until all have expired or patience is at its end; how many have not.
fn still_standing(
    client: &mut Client,
    mut left: Vec<ReservationId>,
    patience: Duration,
) -> Result<usize, ClientError> {
    let began = Instant::now();
    loop {
        let mut standing = Vec::new();
        for reservation in left {
            let reply = client.call(&Command::QueryReservation(&QueryReservation { reservation }))?;
            let has_left = reply.header.code.get() == RejectCode::OrderRetired as u16;
            let state = ReservationView::read(&reply.view).map(|parts| parts.0.state);
            if !has_left && state.ok() != Some(ReservationState::Expired as u8) {
                standing.push(reservation);
            }
        }
        if standing.is_empty() || began.elapsed() >= patience {
            return Ok(standing.len());
        }
        left = standing;
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::goods::tests::{catalogue, options};

    /// A command's bytes.
    fn written(carts: &mut Carts, start: u64, step: CartStep) -> Vec<u8> {
        let mut out = Vec::new();
        carts.write(&Sent { start, start_ns: 0, step }, |command| command.write(1, &mut out));
        out
    }

    #[test]
    fn a_cart_is_checked_out_as_it_was_reserved() {
        let mut carts = Carts::over_all_sellers(&options(4, 90), catalogue(3, 2, 90), Ids::random());
        for start in [0, 7, 0] {
            let mut reserved = Vec::new();
            let mut reservation = None;
            carts.write(&Sent { start, start_ns: 5, step: CartStep::Reserve }, |command| {
                let Command::ReserveCart(head, lines) = command else { panic!("{command:?}") };
                reserved.extend_from_slice(lines);
                reservation = Some(**head);
            });
            carts.choose(start + 1, 0);
            let reservation = reservation.unwrap();
            carts.write(&Sent { start, start_ns: 5, step: CartStep::CheckOut }, |command| {
                let Command::CheckOut(head, orders, lines, _) = command else { panic!("{command:?}") };
                assert_eq!((head.reservation, head.buyer), (reservation.reservation, reservation.buyer));
                assert_eq!(head.region, reservation.region);
                assert_eq!((orders.len(), lines.len()), (3, 12));
                let same = |(line, cart): (&OrderLine, &CartLine)| {
                    line.sku == cart.sku && line.quantity == cart.quantity
                };
                assert!(lines.iter().zip(&reserved).all(same));
                for (seller, order) in orders.iter().enumerate() {
                    assert_eq!((order.seller.index(), order.line_count.get()), (seller, 4));
                    assert!(lines[seller * 4..][..4].iter().all(|line| line.sku.index() / 30 == seller));
                }
            });
        }
        assert_ne!(written(&mut carts, 1, CartStep::Reserve), written(&mut carts, 2, CartStep::Reserve));
    }

    #[test]
    fn a_cart_of_one_seller_is_one_order() {
        let mut carts = Carts::of_one_seller(&options(4, 90), catalogue(3, 1, 90), Ids::random());
        let mut sellers = [0; 3];
        for start in 0..300 {
            carts.choose(start, 0);
            assert_eq!((carts.chosen.orders.len(), carts.chosen.lines.len()), (1, 4));
            sellers[carts.chosen.orders[0].seller.index()] += 1;
            assert!(!carts.is_left(start));
        }
        assert!(sellers.iter().all(|&count| count > 60), "{sellers:?}");
    }
}
