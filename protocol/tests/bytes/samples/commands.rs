//! A sample of every command, and of those with lists or texts one with and one without.

use orderline_protocol::Command;
use orderline_protocol::LocationHandle;
use orderline_protocol::command::{
    AskedSku, CheckOut, ConfirmOrder, DefineSourcing, EntityKind, ExtendReservation, PlaceOrder,
    QueryAvailability, QueryCatalogue, QueryGroup, QueryLedger, QueryOrder, QueryReservation, QuerySettings,
    QueryStatus, QueryStock, QueryTokens, QueryTransitions, ReleaseReservation, ResolveCode, RevokeToken,
    ShipLines,
};

use orderline_protocol::lifecycle::Entity;

use super::{
    AT_US, EXTERNAL_ID, LOCATION, OTHER_SKU, POUNDS, SELLER, SKU, adjustment, authorization, cancel_lines,
    capture, cart, cart_lines, checkout, count, edit_address, edit_line, end_payment, group, group_orders,
    hold, location, move_work, order, order_lines, payout, placement, policy, quantities, receipt,
    receive_return, refund, reject_work, release_hold, request_return, reservation, returned, seller,
    set_level, settlement, sku, sourcing, stock_move, token, update_return, update_shipment, update_work,
};

/// Calls with every command in the order of the kinds. Texts are short of a multiple of 8, so that padding shows.
pub(crate) fn each_command(mut each: impl FnMut(Command<'_>)) {
    each(Command::DefineSeller(&seller(21), "acme"));
    each(Command::DefineLocation(&location(22), "leeds2"));
    each(Command::DefineSku(&sku(23), "tea-250"));
    each(Command::ReceiveStock(&receipt()));
    each(Command::AdjustStock(&adjustment()));
    each(Command::PlaceOrder(&placement(2), &order_lines()[..2], EXTERNAL_ID));
    each(Command::PlaceOrder(&PlaceOrder { external_id_bytes: 0, ..placement(0) }, &[], ""));
    each(Command::ConfirmOrder(&ConfirmOrder {
        order: order(),
        expected_version: 1.into(),
        reserved: [0; 4],
    }));
    each(Command::CancelLines(&cancel_lines(2), &quantities()));
    each(Command::CancelLines(&cancel_lines(0), &[]));
    let mut ship = ShipLines {
        happened_at_us: (AT_US - 99).into(),
        order: order(),
        expected_version: 2.into(),
        location: LOCATION,
        line_count: 2.into(),
        carrier: 5.into(),
        tracking_bytes: 9,
        is_sent: 1,
    };
    each(Command::ShipLines(&ship, &quantities(), "RM1234567"));
    (ship.location, ship.line_count, ship.tracking_bytes, ship.is_sent) =
        (LocationHandle::NONE, 0.into(), 0, 0);
    each(Command::ShipLines(&ship, &[], ""));
    each(Command::CountStock(&count()));
    each(Command::MoveStock(&stock_move()));
    each(Command::SetLevel(&set_level()));
    each(Command::DefineSourcing(&sourcing()));
    each(Command::DefineSourcing(&DefineSourcing { expected_rules: 0x0d0c_0b0a.into(), ..sourcing() }));
    each(Command::SetPolicy(&policy(24)));
    each(Command::ReserveCart(&cart(2), &cart_lines()));
    each(Command::ReserveCart(&cart(0), &[]));
    each(Command::ExtendReservation(&ExtendReservation {
        reservation: reservation(),
        expected_version: 1.into(),
        seconds: 600.into(),
    }));
    each(Command::ReleaseReservation(&ReleaseReservation {
        reservation: reservation(),
        expected_version: 2.into(),
        reserved: [0; 4],
    }));
    each(Command::CheckOut(&checkout(2, 3), &group_orders(), &order_lines(), EXTERNAL_ID));
    each(Command::CheckOut(&CheckOut { external_id_bytes: 0, ..checkout(0, 0) }, &[], &[], ""));
    each(Command::EditLine(&edit_line()));
    each(Command::EditAddress(&edit_address()));
    each(Command::RecordAuthorization(&authorization()));
    each(Command::RecordCapture(&capture()));
    each(Command::RecordVoid(&end_payment()));
    each(Command::RecordFailure(&end_payment()));
    each(Command::RequestRefund(&refund()));
    each(Command::SettleRefund(&settlement()));
    each(Command::PlaceHold(&hold()));
    each(Command::ReleaseHold(&release_hold()));
    each(Command::UpdateWork(&update_work()));
    each(Command::RejectWork(&reject_work()));
    each(Command::MoveWork(&move_work(2), &quantities()));
    each(Command::MoveWork(&move_work(0), &[]));
    each(Command::UpdateShipment(&update_shipment()));
    each(Command::RequestReturn(&request_return(2), &quantities()));
    each(Command::RequestReturn(&request_return(0), &[]));
    each(Command::UpdateReturn(&update_return()));
    each(Command::ReceiveReturn(&receive_return(2), &returned()));
    each(Command::ReceiveReturn(&receive_return(0), &[]));
    each(Command::RecordPayout(&payout()));
    each(Command::DefineToken(&token(25), "leeds-gun"));
    each(Command::RevokeToken(&RevokeToken { token: 7.into(), expected_version: 2.into() }));
    each(Command::QueryOrder(&QueryOrder { order: order() }));
    each(Command::QueryStock(&QueryStock { sku: SKU, location: LOCATION }));
    let resolve = ResolveCode { entity: EntityKind::Sku as u8, code_bytes: 7, reserved: [0; 6] };
    each(Command::ResolveCode(&resolve, "tea-250"));
    each(Command::QueryStatus(&QueryStatus { with_state_hash: 1, reserved: [0; 7] }));
    each(Command::QueryGroup(&QueryGroup { group: group() }));
    each(Command::QueryReservation(&QueryReservation { reservation: reservation() }));
    each(Command::QueryLedger(&QueryLedger { seller: SELLER, currency: POUNDS, reserved: [0; 2] }));
    each(Command::QueryCatalogue(&QueryCatalogue {
        from: 100.into(),
        count: 50.into(),
        entity: EntityKind::Location as u8,
        reserved: [0; 7],
    }));
    each(Command::QuerySettings(&QuerySettings { reserved: [0; 8] }));
    let availability = |sku_count: u16| QueryAvailability { sku_count: sku_count.into(), reserved: [0; 2] };
    each(Command::QueryAvailability(&availability(2), &[SKU, OTHER_SKU].map(|sku| AskedSku { sku })));
    each(Command::QueryAvailability(&availability(0), &[]));
    each(Command::QueryTransitions(&QueryTransitions { entity: Entity::Payment as u8, reserved: [0; 7] }));
    each(Command::QueryTokens(&QueryTokens { from: 9.into(), count: 60.into() }));
}
