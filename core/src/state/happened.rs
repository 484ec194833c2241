//! The caller's own time: when what an outside system reports happened there. It is kept beside the recorded time and
//! orders nothing; all that is judged is whether it can be a time at all.

use std::mem::offset_of;

use orderline_protocol::RejectCode;
use orderline_protocol::command::*;
use orderline_protocol::limits::HAPPENED_AHEAD_US_MAX;

use super::Rejection;
use super::decide::Refusable;

/// The time that a command says, and where it says it in its body. In each body it stands before all else whose value is
/// looked at, so it is judged first.
fn said(command: &Command<'_>) -> Option<(i64, usize)> {
    macro_rules! at {
        ($head:ident: $type:ident) => {
            ($head.happened_at_us.get(), offset_of!($type, happened_at_us))
        };
        ($head:ident: $type:ident, cause) => {
            ($head.cause.happened_at_us.get(), offset_of!($type, cause) + offset_of!(Cause, happened_at_us))
        };
    }
    Some(match *command {
        Command::ReceiveStock(head) => at!(head: ReceiveStock, cause),
        Command::AdjustStock(head) => at!(head: AdjustStock, cause),
        Command::CountStock(head) => at!(head: CountStock, cause),
        Command::MoveStock(head) => at!(head: MoveStock, cause),
        Command::SetLevel(head) => at!(head: SetLevel, cause),
        Command::RecordAuthorization(head) => at!(head: RecordAuthorization),
        Command::RecordCapture(head) => at!(head: RecordCapture),
        Command::RecordVoid(head) | Command::RecordFailure(head) => at!(head: EndPayment),
        Command::RequestRefund(head) => at!(head: RequestRefund),
        Command::SettleRefund(head) => at!(head: SettleRefund),
        Command::RecordPayout(head) => at!(head: RecordPayout),
        Command::ShipLines(head, ..) => at!(head: ShipLines),
        Command::UpdateShipment(head) => at!(head: UpdateShipment),
        Command::RequestReturn(head, _) => at!(head: RequestReturn),
        Command::UpdateReturn(head) => at!(head: UpdateReturn),
        Command::ReceiveReturn(head, _) => at!(head: ReceiveReturn),
        _ => return None,
    })
}

/// A time that is said is behind 1970, and not further ahead of the recorded time than clocks are off.
pub(super) fn check_happened(now_us: i64, command: &Command<'_>) -> Refusable<()> {
    match said(command) {
        Some((at_us, offset)) if at_us < 0 || at_us > now_us.saturating_add(HAPPENED_AHEAD_US_MAX) => {
            Err(Rejection::new(RejectCode::InvalidField).about(offset as u32))
        }
        _ => Ok(()),
    }
}
