//! Every limit of the protocol and the core in one place; relations between them are checked when this compiles.

/// Lines of one order. 2,000 covers the largest real basket that we know (1,114 lines) with room.
pub const ORDER_LINES_MAX: usize = 2_000;

/// Units of one line, and of one SKU summed over an order's lines.
pub const LINE_QUANTITY_MAX: u32 = 1_000_000_000;

/// The price of one unit, in minor units (a hundred billion in a currency with two decimals).
pub const UNIT_PRICE_MINOR_MAX: i64 = 10_000_000_000_000;

/// The total of one order, in minor units. Sums of 2^10 such totals still fit 64 bits with a sign.
pub const ORDER_TOTAL_MINOR_MAX: i64 = 9_000_000_000_000_000;

/// Units on hand at one inventory level, over its buckets, and units incoming.
///
/// Available may be as far below zero as above: it is kept in 48 bits with a sign.
pub const BUCKET_QUANTITY_MAX: u64 = (1 << 47) - 1;

/// Bytes of a seller, location or SKU code (UTF-8, printable, no surrounding blanks).
pub const CODE_BYTES_MAX: usize = 64;

/// Bytes of a carrier's tracking code.
pub const TRACKING_BYTES_MAX: usize = 64;

/// Sellers that one core holds.
pub const SELLERS_MAX: usize = 1 << 20;
/// Locations that one core holds.
pub const LOCATIONS_MAX: usize = (1 << 16) - 1;
/// SKUs that one core holds.
pub const SKUS_MAX: usize = 1 << 25;

/// Tokens that one core holds, revoked ones included: a number is never given to another bearer.
pub const TOKENS_MAX: usize = 1 << 16;

/// Locations of one warehouse token: more than people or devices go between, and few enough to travel, to be kept and to be
/// looked through as 32 bytes with every batch of commands. Who works at more takes a second token.
pub const TOKEN_LOCATIONS_MAX: usize = 16;

/// Orders of one group: sellers of one cart.
pub const GROUP_ORDERS_MAX: usize = 500;

/// Lines of one cart over all its orders; bounded so that a reservation and a group fit a command.
pub const CART_LINES_MAX: usize = 2_000;

/// Holds, shipments, returns and refunds of one order, each.
pub const ORDER_PARTS_MAX: usize = 1_000;

/// Seconds of any duration in a command: ten years.
pub const DURATION_S_MAX: u32 = 315_360_000;

/// How far ahead of the recorded time the time in an id may lie, in milliseconds: a day. What has an
/// id from the future stays in memory until its time has come.
pub const ID_AHEAD_MS_MAX: u64 = 86_400_000;

/// How far ahead of the recorded time the caller's own time of an event may lie, in microseconds: a day. Clocks of
/// carriers and payment services are off by minutes, and a local time taken for UTC by up to 14 hours; what lies
/// further ahead has not happened, and is somebody's mistake of unit or date.
pub const HAPPENED_AHEAD_US_MAX: i64 = 86_400_000_000;

/// Stock movements that are remembered for levels set as of a sequence, over all levels.
pub const MOVEMENTS_MAX: usize = 1 << 20;

/// Entries of one event that the core makes by itself (expiries, refills, retirements, orders hit by a shortage); more
/// make another event.
pub const DUE_ENTRIES_MAX: usize = 500;

/// Sessions that the core remembers; opening one more forgets the one that was idle longest.
pub const SESSIONS_MAX: usize = 1 << 14;

/// SKUs that one query asks the availability of: a page of a shop's listing.
pub const AVAILABILITY_SKUS_MAX: usize = 500;

/// How far back, in request numbers, a session remembers what it accepted.
/// An older request is refused: it is never run a second time.
pub const SESSION_WINDOW: u64 = 1 << 14;

/// Accepted keyed requests that the core remembers, over all sessions: the newest.
pub const KEYED_REQUESTS_MAX: usize = 1 << 20;

/// Commands that one connection may have unanswered. Told by the server in its welcome; may be configured lower.
pub const CREDITS_MAX: u32 = 1 << 13;

/// Bytes of a frame's payload.
pub const FRAME_PAYLOAD_BYTES_MAX: usize = 256 * 1024 - crate::frame::FRAME_HEADER_BYTES;

/// Bytes of one command with its header.
pub const COMMAND_BYTES_MAX: usize = 64 * 1024;

// A client that resends all that it has unanswered must find all of it remembered, with as much again for the
// requests that it numbered since.
const _: () = assert!(SESSION_WINDOW >= 2 * CREDITS_MAX as u64);
// The largest order fits a command, and a command fits a frame.
const _: () = assert!(ORDER_LINES_MAX * 16 + 64 <= COMMAND_BYTES_MAX);
const _: () = assert!(CART_LINES_MAX * 16 + GROUP_ORDERS_MAX * 24 + 96 <= COMMAND_BYTES_MAX);
const _: () = assert!(COMMAND_BYTES_MAX <= FRAME_PAYLOAD_BYTES_MAX);
const _: () = assert!(AVAILABILITY_SKUS_MAX * 4 + 64 <= COMMAND_BYTES_MAX);
// A line's product and an order's sum are computed in 128 bits, so only the total's own bound has to hold.
const _: () = assert!((ORDER_TOTAL_MINOR_MAX as i128) * (1 << 10) < i64::MAX as i128 * 2);
