//! The read models, through a real journal: random lives of orders made by the engine's own generator, told to the read models
//! and held against what the engine's views and the events themselves say.

// Helpers of tests are tests, and nothing here is seen from outside.
#![allow(clippy::unwrap_used, unreachable_pub, dead_code)]

mod lives;
mod paging;
mod stores;
mod world;

// The generator of random commands and what it needs, as the core's own tests have them.
#[path = "../../../core/tests/model/catalogue.rs"]
mod catalogue;
#[path = "../../../core/tests/model/checkout.rs"]
mod checkout;
#[path = "../../../core/tests/model/compare.rs"]
mod compare;
#[path = "../../../core/tests/model/due.rs"]
mod due;
#[path = "../../../core/tests/model/faults.rs"]
mod faults;
#[path = "../../../core/tests/model/fields.rs"]
mod fields;
#[path = "../../../core/tests/model/fulfilment.rs"]
mod fulfilment;
#[path = "../../../core/tests/model/generate/mod.rs"]
mod generate;
#[path = "../../../core/tests/model/model.rs"]
mod model;
#[path = "../../../core/tests/model/money.rs"]
mod money;
#[path = "../../../core/tests/model/orders.rs"]
mod orders;
#[path = "../../../core/tests/model/pair.rs"]
mod pair;
#[path = "../../../core/tests/model/returns.rs"]
mod returns;
#[path = "../../../core/tests/model/sound.rs"]
mod sound;
#[path = "../../../core/tests/model/sourcing.rs"]
mod sourcing;
#[path = "../../../core/tests/model/status.rs"]
mod status;
#[path = "../../../core/tests/model/stock.rs"]
mod stock;
#[path = "../../../core/tests/support/mod.rs"]
mod support;
#[path = "../../../core/tests/model/tokens.rs"]
mod tokens;
