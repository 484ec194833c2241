//! Batches of orders through the gateway: names to handles, stock where it is assumed, then the orders.

use orderline_protocol::command::{Cause, OrderLine, PlaceOrder, QueryOrder, QueryStock, ReceiveStock};
use orderline_protocol::reply::{LevelView, Outcome};
use orderline_protocol::{Amount, Command, LocationHandle, SellerHandle, SkuHandle};

use super::error::ImportError;
use super::gateway::{Gateway, Send};
use super::handles::{self, Handle, NewSku, reason_of};
use super::map::{Assume, Map};
use super::names::Names;
use super::order::{Batch, Line};

/// Places orders.
pub(crate) struct Placement<'g, G> {
    gateway: &'g mut G,
    assume: Assume,
    location: LocationHandle,
    /// The location was there before this import: so orders of an earlier run may be.
    may_be_again: bool,
    /// By the number of the name; `None`: not asked yet.
    sellers: Vec<Option<Handle>>,
    skus: Vec<Option<Handle>>,
    pub(crate) counts: PlacementCounts,
}

/// What was done on the way.
#[derive(Debug, Default)]
pub(crate) struct PlacementCounts {
    pub(crate) accepted: u64,
    pub(crate) accepted_before: u64,
    pub(crate) lines: u64,
    pub(crate) units: u64,
    pub(crate) units_received: u64,
    pub(crate) skus_defined: u64,
}

/// An order as it was answered: its index in the batch, and the total that the core answered with, in minor units.
pub(crate) struct Placed {
    pub(crate) order: usize,
    pub(crate) total_minor: u64,
}

impl<'g, G: Gateway> Placement<'g, G> {
    /// Finds or defines the map's location.
    pub(crate) fn begin(gateway: &'g mut G, map: &Map) -> Result<Self, ImportError> {
        let (location, may_be_again) = handles::location(gateway, &map.location.code)?;
        Ok(Self {
            gateway,
            assume: map.stock.assume,
            location,
            may_be_again,
            sellers: Vec::new(),
            skus: Vec::new(),
            counts: PlacementCounts::default(),
        })
    }

    /// Places a batch's good orders. Those that are refused are marked with the reason; `placed` is told of the
    /// others as the answers come.
    ///
    /// # Errors
    /// When the server is gone, or refuses to take stock. Orders of which nothing was told are then undecided.
    pub(crate) fn place(
        &mut self,
        batch: &mut Batch,
        skus: &Names,
        sellers: &Names,
        placed: &mut dyn FnMut(&Batch, Placed),
    ) -> Result<(), ImportError> {
        self.name(batch, skus, sellers)?;
        if self.assume == Assume::Enough {
            self.stock(batch)?;
        }
        let good = good_orders(batch);
        let Self { gateway, sellers, skus, counts, .. } = self;
        let handle = |handles: &[Option<Handle>], number: u32| {
            handles[number as usize].and_then(|handle| handle.number().ok()).unwrap_or(u32::MAX)
        };
        let mut refused = Vec::new();
        let mut lines: Vec<OrderLine> = Vec::new();
        let mut ask = |index: usize, send: Send<'_>| {
            let (order, order_lines) = (&batch.orders[good[index]], batch.lines(good[index]));
            lines.clear();
            lines.extend(order_lines.iter().map(|line| OrderLine {
                sku: SkuHandle::new(handle(skus, line.sku)),
                quantity: line.quantity.into(),
                unit_price: Amount::new(line.unit_price_minor),
            }));
            let head = PlaceOrder {
                order: order.id,
                buyer: order.buyer,
                seller: SellerHandle::new(handle(sellers, order.seller)),
                currency: order.currency,
                line_count: (lines.len() as u16).into(),
                region: 0.into(),
                external_id_bytes: 0,
            };
            send(&Command::PlaceOrder(&head, &lines, ""));
        };
        let asked = gateway.exchange(good.len(), &mut ask, &mut |index, reply| {
            let order = good[index];
            if !reply.is_accepted() {
                refused.push((order, reason_of(&reply)));
                return;
            }
            counts.accepted += 1;
            counts.accepted_before += u64::from(reply.outcome() == Outcome::AcceptedBefore);
            let lines = batch.lines(order);
            counts.lines += lines.len() as u64;
            counts.units += units(lines);
            placed(batch, Placed { order, total_minor: reply.header.detail.get() });
        });
        for (order, reason) in refused {
            batch.orders[order].rejected = Some(reason);
        }
        asked
    }

    /// Sees to it that every seller and SKU of the batch's good orders has a handle; rejects the orders of those
    /// that cannot have one.
    fn name(&mut self, batch: &mut Batch, skus: &Names, sellers: &Names) -> Result<(), ImportError> {
        self.sellers.resize(sellers.len(), None);
        self.skus.resize(skus.len(), None);
        let mut new_sellers = Vec::new();
        for order in good_orders(batch) {
            let seller = batch.orders[order].seller;
            if self.sellers[seller as usize].is_none() && !new_sellers.contains(&seller) {
                new_sellers.push(seller);
            }
        }
        let codes: Vec<&str> = new_sellers.iter().map(|&seller| sellers.text(seller)).collect();
        for (&seller, handle) in new_sellers.iter().zip(handles::sellers(self.gateway, &codes)?) {
            self.sellers[seller as usize] = Some(handle);
        }
        self.reject_unnamed(batch);
        let mut is_new = vec![false; skus.len()];
        let mut new_skus = Vec::new();
        let mut asked = Vec::new();
        for order in good_orders(batch) {
            let seller = batch.orders[order].seller as usize;
            let Some(Ok(seller)) = self.sellers[seller].map(Handle::number) else { continue };
            for line in batch.lines(order) {
                let sku = line.sku as usize;
                if self.skus[sku].is_none() && !is_new[sku] {
                    is_new[sku] = true;
                    new_skus.push(line.sku);
                    asked.push(NewSku { code: skus.text(line.sku), seller: SellerHandle::new(seller) });
                }
            }
        }
        for (&sku, handle) in new_skus.iter().zip(handles::skus(self.gateway, &asked)?) {
            self.counts.skus_defined += u64::from(matches!(handle, Handle::Made(_)));
            self.skus[sku as usize] = Some(handle);
        }
        self.reject_unnamed(batch);
        Ok(())
    }

    fn reject_unnamed(&self, batch: &mut Batch) {
        let refusal = |handles: &[Option<Handle>], number: u32| {
            handles[number as usize].and_then(|handle| handle.number().err())
        };
        for index in good_orders(batch) {
            let of_sku = || batch.lines(index).iter().find_map(|line| refusal(&self.skus, line.sku));
            let reason = refusal(&self.sellers, batch.orders[index].seller).or_else(of_sku);
            batch.orders[index].rejected = reason;
        }
    }

    /// Receives what the batch's orders take and the location does not have. Orders that an earlier run has placed
    /// took theirs then, so importing twice leaves the stock as importing once.
    fn stock(&mut self, batch: &Batch) -> Result<(), ImportError> {
        let mut is_placed = vec![false; batch.orders.len()];
        if self.may_be_again {
            let good = good_orders(batch);
            let mut ask = |index: usize, send: Send<'_>| {
                send(&Command::QueryOrder(&QueryOrder { order: batch.orders[good[index]].id }));
            };
            self.gateway.exchange(good.len(), &mut ask, &mut |index, reply| {
                is_placed[good[index]] = reply.outcome() == Outcome::Answered;
            })?;
        }
        let mut needed_units = vec![0_u64; self.skus.len()];
        for order in good_orders(batch).into_iter().filter(|&order| !is_placed[order]) {
            for line in batch.lines(order) {
                needed_units[line.sku as usize] += u64::from(line.quantity);
            }
        }
        let mut needs: Vec<(SkuHandle, u64)> = Vec::new();
        for (handle, units) in self.skus.iter().zip(needed_units).filter(|&(_, units)| units > 0) {
            if let Some(Ok(number)) = handle.map(Handle::number) {
                needs.push((SkuHandle::new(number), units));
            }
        }
        let location = self.location;
        let queried = needs.clone();
        let mut ask = |index: usize, send: Send<'_>| {
            send(&Command::QueryStock(&QueryStock { sku: queried[index].0, location }));
        };
        self.gateway.exchange(queried.len(), &mut ask, &mut |index, reply| {
            // A SKU that was never at the location has no level there, and so nothing.
            let levels = LevelView::read_all(reply.view).unwrap_or_default();
            let available_units: u64 = levels.iter().map(|level| level.available.get().max(0) as u64).sum();
            needs[index].1 = needs[index].1.saturating_sub(available_units);
        })?;
        needs.retain(|&(_, units)| units > 0);
        let mut ask = |index: usize, send: Send<'_>| {
            let (sku, units) = needs[index];
            send(&Command::ReceiveStock(&ReceiveStock {
                expected_version: 0.into(),
                sku,
                location,
                quantity: units.into(),
                from_incoming: 0,
                reserved: [0; 5],
                cause: Cause::NONE,
            }));
        };
        let mut received_units = 0;
        self.gateway.exchange(needs.len(), &mut ask, &mut |index, reply| {
            // Refused stock shows where it matters: in the orders that then find none.
            received_units += if reply.is_accepted() { needs[index].1 } else { 0 };
        })?;
        self.counts.units_received += received_units;
        Ok(())
    }
}

/// The indexes of the orders that nothing is known against and that have rows.
pub(crate) fn good_orders(batch: &Batch) -> Vec<usize> {
    let is_good = |&(_, order): &(usize, &super::order::Order)| order.rejected.is_none() && order.rows > 0;
    batch.orders.iter().enumerate().filter(is_good).map(|(index, _)| index).collect()
}

fn units(lines: &[Line]) -> u64 {
    lines.iter().map(|line| u64::from(line.quantity)).sum()
}
