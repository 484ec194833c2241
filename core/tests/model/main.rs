//! A second, simple, slow telling of the rules beside the engine's: plain maps, written from `docs/domain.md` alone.
//! The same commands, made at random, go to both, and every answer, bucket, counter, amount and status must agree.

// Helpers of tests are tests, and nothing here is seen from outside.
#![allow(clippy::unwrap_used, unreachable_pub)]

mod catalogue;
mod checkout;
mod compare;
mod due;
mod faults;
mod fields;
mod fulfilment;
mod generate;
mod model;
mod money;
mod orders;
mod pair;
mod regressions;
mod returns;
mod shrink;
mod sound;
mod sourcing;
mod status;
mod stock;
#[path = "../support/mod.rs"]
mod support;
mod tokens;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use orderline_protocol::RejectCode;
use orderline_protocol::command::CommandKind;
use orderline_protocol::event::DecidingRule;

use generate::{Generator, Step, What};
use model::{Model, Rare};
use pair::{Counts, Pair, with_command};
use support::{image_and_back, spoiled_images};

/// Steps of one seed: its history is young enough that most of what happens meets something else.
const STEPS: u64 = 2_500;

/// Steps after which everything is compared, not only the answer.
const COMPARE_EVERY: usize = 50;

/// Commands in one run of this test; `MODEL_COMMANDS` takes another number.
const COMMANDS: u64 = 1_000_000;

/// Images of a seed's last state that are read with some of their bytes changed.
const SPOILED_IMAGES: usize = 4;

/// Seeds that make so many commands: in about a twelfth of its steps a seed lets time pass instead.
fn seeds_of(commands: u64) -> u64 {
    (commands * 11).div_ceil(STEPS * 10)
}

/// The seed that `ORDERLINE_TEST_SEED` names, to run it alone.
fn only_seed() -> Option<u64> {
    let seed = std::env::var("ORDERLINE_TEST_SEED").ok()?;
    Some(seed.parse().expect("ORDERLINE_TEST_SEED is a number"))
}

fn commands() -> u64 {
    match std::env::var("MODEL_COMMANDS") {
        Ok(commands) => commands.parse().expect("MODEL_COMMANDS is a number"),
        Err(_) => COMMANDS,
    }
}

/// Runs steps with both from the beginning, comparing everything often.
///
/// # Errors
/// The step at which they do not agree, and on what.
fn replay(steps: &[Step]) -> Result<Pair, (usize, String)> {
    let every = if steps.len() < 300 { 1 } else { COMPARE_EVERY };
    let mut pair = Pair::new(1);
    for (index, step) in steps.iter().enumerate() {
        pair.step(step).map_err(|why| (index, why))?;
        if index % every == 0 || index + 1 == steps.len() {
            pair.compare().map_err(|why| (index, why))?;
        }
    }
    comes_back(&mut pair, 1).map_err(|why| (steps.len(), why))?;
    Ok(pair)
}

/// The kept events give the same state, and so does an image, whatever the seeds of their tables.
fn comes_back(pair: &mut Pair, seed: u64) -> Result<(), String> {
    let hash = pair.driver.state.hash();
    if pair.driver.replayed(seed + 1).hash() != hash {
        return Err("replay of the events gives another state".to_owned());
    }
    let image = image_and_back(&mut pair.driver.state);
    if image.hash() != hash {
        return Err("an image read back gives another state".to_owned());
    }
    let unsound = image.check();
    if unsound.is_empty() { Ok(()) } else { Err(format!("the image is unsound: {unsound:?}")) }
}

/// Runs one seed, keeping its steps, until it ends or the two do not agree.
fn run_seed(seed: u64, steps: &mut Vec<Step>) -> Result<Counts, String> {
    let mut generator = Generator::new(seed);
    let mut pair = Pair::new(seed);
    for index in 0..STEPS as usize {
        let step = generator.next(&pair.model);
        steps.push(step.clone());
        pair.step(&step)?;
        if index % COMPARE_EVERY == 0 {
            pair.compare()?;
        }
    }
    pair.compare()?;
    comes_back(&mut pair, seed)?;
    let refused = spoiled_images(&mut pair.driver.state, seed, SPOILED_IMAGES);
    pair.counts.spoiled = [SPOILED_IMAGES as u64, refused as u64];
    pair.counts.add_rare(&pair.model.rare);
    pair.counts.walked = pair.driver.walk.as_ref().map_or(0, |walk| walk.ended_count as u64);
    Ok(pair.counts)
}

/// An error, or the words of a panic as one.
fn caught<T>(run: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(format!("panicked: {}", text.unwrap_or("without words")))
    })
}

/// What two failures have in common if they are of one kind: their words without those that name a number.
fn words(why: &str) -> String {
    let words = why.split(|mark: char| !mark.is_alphanumeric()).filter(|word| !word.is_empty());
    let words: Vec<&str> = words.filter(|word| !word.contains(|mark: char| mark.is_ascii_digit())).collect();
    words.join(" ")
}

/// What to print of a seed that failed: the shortest list of commands found that still fails in the same way.
fn report(seed: u64, steps: Vec<Step>, why: &str) -> String {
    use std::fmt::Write;
    let kind = words(why);
    let fails = |steps: &[Step]| {
        caught(|| replay(steps).map_err(|(_, why)| why)).is_err_and(|other| words(&other) == kind)
    };
    let mut text = format!("seed {seed}, step {}: {why}\n", steps.len().saturating_sub(1));
    let is_repeatable = fails(&steps);
    let short = if is_repeatable { shrink::shrink(steps, fails) } else { Vec::new() };
    if !is_repeatable {
        text.push_str("The same steps in a fresh pair agree, so there is nothing to shrink.\n");
        return text;
    }
    let again = caught(|| replay(&short).map_err(|(step, why)| format!("step {step}: {why}")));
    let why = again.err().unwrap_or_default();
    let _ = writeln!(text, "\n{} steps are left: {why}\n", short.len());
    for (index, step) in short.iter().enumerate() {
        match &step.what {
            What::Tick => {
                let _ = writeln!(text, "{index:3} at {}: time passes", step.now_us);
            }
            What::Command(bytes) => with_command(bytes, |command| {
                let _ = writeln!(text, "{index:3} at {}: {command:?}", step.now_us);
            }),
        }
    }
    text.push_str("\nFor regressions.rs:\n");
    for step in &short {
        let bytes: &[u8] = if let What::Command(bytes) = &step.what { bytes } else { &[] };
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let _ = writeln!(text, "        ({}, \"{hex}\"),", step.now_us);
    }
    text
}

/// Codes that a run is worth nothing without.
const REACHED: &[RejectCode] = &[
    RejectCode::InvalidField,
    RejectCode::UnknownSeller,
    RejectCode::UnknownLocation,
    RejectCode::UnknownSku,
    RejectCode::UnknownOrder,
    RejectCode::SellerSuspended,
    RejectCode::LocationInactive,
    RejectCode::SkuRetired,
    RejectCode::SkuOfOtherSeller,
    RejectCode::InvalidCode,
    RejectCode::ZeroQuantity,
    RejectCode::QuantityTooLarge,
    RejectCode::InvalidPrice,
    RejectCode::PriceTooLarge,
    RejectCode::NoLines,
    RejectCode::TooManyLines,
    RejectCode::UnknownCurrency,
    RejectCode::MixedCurrencies,
    RejectCode::TotalTooLarge,
    RejectCode::OrderIdReused,
    RejectCode::InvalidOrderId,
    RejectCode::InsufficientStock,
    RejectCode::UnknownLine,
    RejectCode::QuantityNotThere,
    RejectCode::IllegalTransition,
    RejectCode::VersionMismatch,
    RejectCode::NothingToDo,
    RejectCode::LineRepeated,
    RejectCode::OnHold,
    RejectCode::FulfilmentBegun,
    RejectCode::StockOverflow,
    RejectCode::StockNegative,
    RejectCode::AsOfAhead,
    RejectCode::AsOfStale,
    RejectCode::UnknownReservation,
    RejectCode::UnknownGroup,
    RejectCode::UnknownWork,
    RejectCode::UnknownShipment,
    RejectCode::UnknownReturn,
    RejectCode::UnknownRefund,
    RejectCode::UnknownHold,
    RejectCode::ReservationIdReused,
    RejectCode::GroupIdReused,
    RejectCode::OtherBuyer,
    RejectCode::SellerRepeated,
    RejectCode::OrderIdTooOld,
    RejectCode::IdAhead,
    RejectCode::TooManyOrders,
    RejectCode::GroupNotWhole,
    RejectCode::InvalidAmount,
    RejectCode::AmountTooLarge,
    RejectCode::CurrencyMismatch,
    RejectCode::NotInGroup,
    RejectCode::CapacityExhausted,
    RejectCode::SameLocation,
    RejectCode::NotHeldLongEnough,
    RejectCode::UnknownToken,
    RejectCode::TokenHashReused,
];

/// Queries are what the two are compared by.
fn is_modelled(kind: &&CommandKind) -> bool {
    (**kind as u8) < 64
}

/// A run is worth nothing if it did not reach both sides of the rules.
fn assert_reached(counts: &Counts) {
    let accepted = |kind: CommandKind| counts.accepted.get(&(kind as u8)).copied().unwrap_or(0);
    let mut text = String::new();
    for &kind in CommandKind::ALL.iter().filter(is_modelled) {
        text.push_str(&format!("{kind:?} {}, ", accepted(kind)));
    }
    eprintln!("{} commands; accepted: {text}and before {}", counts.commands, counts.before);
    eprintln!("refused: {:?}", counts.refused);
    eprintln!(
        "decided by: {:?}; shortages {}, expiries {}, left memory {}",
        counts.rules, counts.shortages, counts.expired, counts.left
    );
    eprintln!("rare: {:?}", counts.rare);
    for &kind in CommandKind::ALL.iter().filter(is_modelled) {
        assert!(accepted(kind) > 100, "{kind:?} was accepted {} times", accepted(kind));
    }
    for &code in REACHED {
        assert!(counts.refused.contains_key(&code), "{code:?} was never reached");
    }
    for &rule in DecidingRule::ALL {
        assert!(counts.rules.contains_key(&(rule as u8)), "{rule:?} never decided anything");
    }
    for rare in Rare::ALL {
        assert!(counts.rare.contains_key(rare), "{rare:?} was never met");
    }
    assert!(counts.before > 100 && counts.shortages > 100 && counts.expired > 100 && counts.left > 100);
}

#[test]
fn the_engine_and_the_model_answer_alike() {
    let seeds = match only_seed() {
        Some(seed) => seed..seed + 1,
        None => 0..seeds_of(commands()),
    };
    let next = AtomicU64::new(seeds.start);
    let is_over = AtomicBool::new(false);
    let all = Mutex::new((Counts::default(), None::<(u64, Vec<Step>, String)>));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        break;
                    }
                    let mut steps = Vec::new();
                    let ended = caught(|| run_seed(seed, &mut steps));
                    let mut all = all.lock().unwrap();
                    match ended {
                        Ok(counts) => all.0.add(&counts),
                        Err(why) => {
                            is_over.store(true, Ordering::Relaxed);
                            all.1.get_or_insert((seed, steps, why));
                        }
                    }
                }
            });
        }
    });
    let (counts, failed) = all.into_inner().unwrap();
    if let Some((seed, steps, why)) = failed {
        // Panics of lists that are tried while shrinking are expected, and nobody wants to read them.
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let text = report(seed, steps, &why);
        std::panic::set_hook(hook);
        panic!("{text}");
    }
    if only_seed().is_none() && commands() >= COMMANDS {
        assert!(counts.commands >= commands(), "{} commands", counts.commands);
        assert!(counts.walked > 500, "{} snapshots walked beside the commands", counts.walked);
        let [spoiled, refused] = counts.spoiled;
        assert!((1..spoiled).contains(&refused), "{refused} of {spoiled} spoiled images were refused");
        assert_reached(&counts);
    }
}

/// The model is worth nothing as a measure if it makes or loses units or money itself.
#[test]
fn the_model_keeps_its_own_rules() {
    let mut counts = Counts::default();
    for seed in 1_000_000..1_000_100 {
        let mut generator = Generator::new(seed);
        let mut model = Model::default();
        for index in 0..STEPS {
            let step = generator.next(&model);
            match &step.what {
                What::Tick => {
                    counts.expired += model.tick(step.now_us) as u64;
                    counts.left += model.retire(step.now_us) as u64;
                }
                What::Command(bytes) => with_command(bytes, |command| {
                    let answer = model.run(step.now_us, command);
                    counts.note(&model, command.kind(), &answer);
                }),
            }
            if index % 10 == 0 {
                assert_eq!(model.broken(), Vec::<String>::new(), "seed {seed}, step {index}");
            }
        }
        counts.add_rare(&model.rare);
    }
    assert_reached(&counts);
}
