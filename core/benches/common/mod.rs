//! What the core's benches share: a core with a catalogue, and commands ready to be decided.
#![allow(dead_code, unreachable_pub)] // Each bench uses its own part of this.

use orderline_core::ahead::Ahead;
use orderline_core::board::Publisher;
use orderline_core::state::Parsed;
use orderline_core::{Decision, Scratch, State};
use orderline_protocol::command::{
    CartLine, Cause, CheckOut, DefineLocation, DefineSeller, DefineSku, GroupOrder, OrderLine, PlaceOrder,
    RawCommand, ReceiveStock, ReserveCart,
};
use orderline_protocol::event::{EVENT_VERSION, Event};
use orderline_protocol::{
    Amount, BuyerId, Command, CurrencyCode, GroupId, LocationHandle, OrderId, ReservationId, SellerHandle,
    SessionHandle, SessionId, SkuHandle,
};
use rand::distr::Distribution;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use rand_distr::weighted::WeightedAliasIndex;

pub const SKUS: u32 = 100_000;
pub const LINES: usize = 4;
const NOW_US: i64 = 1_700_000_000_000_000;
const CURRENCY: CurrencyCode = CurrencyCode::new(826);

/// A core that decides and applies, without a journal.
pub struct Core {
    pub state: State,
    scratch: Scratch,
    session: SessionHandle,
    event: Vec<u8>,
    pub request: u64,
}

impl Core {
    /// One with so many sellers, and with every SKU at so many locations, of one to three priorities.
    pub fn new(sellers: u32, locations: u16) -> Self {
        Self::over(sellers, locations, SKUS)
    }

    /// The same, over so many SKUs.
    pub fn over(sellers: u32, locations: u16, skus: u32) -> Self {
        Self::prepared(sellers, locations, skus, Self::run)
    }

    /// The same, each SKU defined and received by what `run` makes of a command.
    pub fn prepared(
        sellers: u32,
        locations: u16,
        skus: u32,
        mut run: impl FnMut(&mut Self, &Command<'_>),
    ) -> Self {
        let mut core = Self {
            state: State::new(7),
            scratch: Scratch::default(),
            session: SessionHandle::new(0),
            event: Vec::new(),
            request: 0,
        };
        let kind = core.state.decide_session(SessionId::new(1), 0, &mut core.event).expect("a new session");
        core.apply(kind as u16);
        for seller in 0..sellers {
            let code = format!("seller-{seller}");
            let head = DefineSeller {
                commission_bp: 0.into(),
                standing: 1,
                code_bytes: code.len() as u8,
                expected_version: 0.into(),
            };
            core.run(&Command::DefineSeller(&head, &code));
        }
        for location in 0..locations {
            let code = format!("place-{location}");
            let head = DefineLocation {
                priority: u32::from(location % 3).into(),
                daily_capacity: 0.into(),
                expected_version: 0.into(),
                region: (location % 4).into(),
                standing: 1,
                code_bytes: code.len() as u8,
            };
            core.run(&Command::DefineLocation(&head, &code));
        }
        for sku in 0..skus {
            let code = format!("sku-{sku:07}");
            let head = DefineSku {
                seller: SellerHandle::new(sku % sellers),
                backorder_cap: 0.into(),
                currency: CurrencyCode::NONE,
                standing: 1,
                code_bytes: code.len() as u8,
                expected_version: 0.into(),
            };
            run(&mut core, &Command::DefineSku(&head, &code));
        }
        for location in 0..locations {
            for sku in 0..skus {
                let stock = ReceiveStock {
                    expected_version: 0.into(),
                    sku: SkuHandle::new(sku),
                    location: LocationHandle::new(location),
                    from_incoming: 0,
                    reserved: [0; 5],
                    quantity: (1 << 40).into(),
                    cause: Cause::NONE,
                };
                run(&mut core, &Command::ReceiveStock(&stock));
            }
        }
        core
    }

    /// Decides a command and applies what came of it.
    ///
    /// # Panics
    /// If it is not accepted.
    pub fn run(&mut self, command: &Command<'_>) {
        self.request += 1;
        let mut bytes = Vec::new();
        command.write(self.request, &mut bytes);
        self.decide_and_apply(&Parsed::new(RawCommand::take(&mut &bytes[..]).expect("whole")));
    }

    #[inline]
    pub fn decide_and_apply(&mut self, command: &Parsed<'_>) {
        self.event.clear();
        match self.state.decide(self.session, NOW_US, command, &mut self.scratch, &mut self.event) {
            Decision::Event(kind) => self.apply(kind as u16),
            other => panic!("not accepted: {other:?}"),
        }
    }

    #[inline]
    fn apply(&mut self, kind: u16) {
        let event = Event::read(kind, EVENT_VERSION, &self.event).expect("just written");
        self.state.apply(self.state.sequence() + 1, NOW_US, &event);
    }
}

/// Decides and applies all of it, looking ahead as the engine does.
#[inline(never)]
pub fn run_all(core: &mut Core, bytes: &[u8]) {
    run_published(core, bytes, None);
}

/// Commands of one of the engine's turns, after which what can be bought is published.
const TURN_COMMANDS: usize = 512;

/// The same, publishing to a board as the engine does, if there is one.
#[inline(never)]
pub fn run_published(core: &mut Core, bytes: &[u8], mut publisher: Option<&mut Publisher>) {
    let mut rest = bytes;
    let mut commands = std::iter::from_fn(|| {
        (!rest.is_empty()).then(|| Parsed::new(RawCommand::take(&mut rest).expect("whole")))
    });
    let mut ahead = Ahead::default();
    let mut in_turn = 0;
    loop {
        let state = &core.state;
        let next = ahead.next(
            &mut commands,
            |command| state.prefetch_first(command),
            |command| state.prefetch_second(command),
        );
        let Some(command) = next else { break };
        core.decide_and_apply(command);
        in_turn += 1;
        if in_turn == TURN_COMMANDS
            && let Some(publisher) = &mut publisher
        {
            publisher.publish(&mut core.state);
            in_turn = 0;
        }
    }
}

/// What a cart's commands are to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One order, placed alone; all its lines of one seller.
    Place,
    /// The same cart is reserved.
    Reserve,
    /// And then placed out of its reservation, as it was reserved.
    CheckOut,
}

/// Makes carts of four lines, popular SKUs more often (Zipf 0.99).
pub struct Carts {
    popularity: WeightedAliasIndex<f64>,
    sellers: u32,
    skus: u32,
}

impl Carts {
    pub fn new(sellers: u32) -> Self {
        Self::over(sellers, SKUS)
    }

    /// The same, over so many SKUs.
    pub fn over(sellers: u32, skus: u32) -> Self {
        let weights = (1..=skus).map(|rank| 1.0 / f64::from(rank).powf(0.99)).collect();
        Self { popularity: WeightedAliasIndex::<f64>::new(weights).expect("weights"), sellers, skus }
    }

    /// Ready-made commands, one after the other, as they lie in frames. The same seed makes the same carts, whatever the
    /// shape.
    #[inline(never)]
    pub fn commands(&self, shape: Shape, first_request: u64, count: u64, seed: u64) -> Vec<u8> {
        let mut rng = SmallRng::seed_from_u64(seed);
        // Popular SKUs do not lie side by side in a real catalogue.
        let place = |rank: usize| (rank as u64 * 7_919 % u64::from(self.skus)) as u32;
        let mut bytes = Vec::new();
        for n in 0..count {
            let seller = rng.random_range(0..self.sellers);
            let mut lines =
                [OrderLine { sku: SkuHandle::NONE, quantity: 1.into(), unit_price: Amount::new(1_999) };
                    LINES];
            for at in 0..LINES {
                loop {
                    let sku = place(self.popularity.sample(&mut rng));
                    let sku = SkuHandle::new(sku - sku % self.sellers + seller);
                    if lines[..at].iter().all(|line| line.sku != sku) {
                        lines[at].sku = sku;
                        break;
                    }
                }
            }
            let id = OrderId::from_parts(1_700_000_000_000 + n / 1_000, rng.random()).get();
            let (seller, buyer) = (SellerHandle::new(seller), BuyerId::new(n));
            write(shape, first_request + n, id, seller, buyer, &lines, &mut bytes);
        }
        bytes
    }
}

fn write(
    shape: Shape,
    request: u64,
    id: u128,
    seller: SellerHandle,
    buyer: BuyerId,
    lines: &[OrderLine; LINES],
    bytes: &mut Vec<u8>,
) {
    let (line_count, region) = ((LINES as u16).into(), 2.into());
    match shape {
        Shape::Place => {
            let order = OrderId::new(id);
            let head = PlaceOrder {
                order,
                buyer,
                seller,
                currency: CURRENCY,
                line_count,
                region,
                external_id_bytes: 0,
            };
            Command::PlaceOrder(&head, lines, "").write(request, bytes);
        }
        Shape::Reserve => {
            let head = ReserveCart {
                expected_version: 0.into(),
                reservation: ReservationId::new(id),
                replaces: ReservationId::new(0),
                buyer,
                seconds: 900.into(),
                region,
                line_count,
            };
            let lines = lines.map(|line| CartLine { sku: line.sku, quantity: line.quantity });
            Command::ReserveCart(&head, &lines).write(request, bytes);
        }
        Shape::CheckOut => {
            let head = CheckOut {
                expected_version: 0.into(),
                group: GroupId::new(id),
                reservation: ReservationId::new(id),
                buyer,
                currency: CURRENCY,
                order_count: 1.into(),
                line_count,
                region,
                external_id_bytes: 0,
            };
            let order = GroupOrder { order: OrderId::new(id ^ 1), seller, line_count, reserved: [0; 2] };
            Command::CheckOut(&head, &[order], lines, "").write(request, bytes);
        }
    }
}
