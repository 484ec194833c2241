//! The vocabulary of Orderline and its bytes: ids, money, commands, events, replies, frames, limits. No I/O.
