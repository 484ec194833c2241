//! Lives under seeds that are always the same, and under others each time: none may come to what must not be, and every seed
//! must lead to the same life again.

use std::time::{Duration, Instant, SystemTime};

use orderline_sim::{Tally, live};

/// Lives of the fixed seeds.
const FIXED: u64 = 150;

/// Seeds that found something: a reader beside a writer that took zeros of before for the end of a page.
const FOUND: [u64; 1] = [7_014_726_362_750_437];

/// How long new seeds are tried.
const NEW_FOR: Duration = Duration::from_secs(15);

fn well(seed: u64, tally: &mut Tally) {
    let ended = live(seed, false);
    if let Some(violation) = ended.violation {
        panic!(
            "{violation}\nseed {seed}; again: cargo run --release -p orderline-sim -- --seed {seed} --trace"
        );
    }
    tally.add(&ended.tally);
}

#[test]
fn lives_of_known_seeds_are_well_and_meet_every_fault() {
    let mut tally = Tally::default();
    (1..=FIXED).chain(FOUND).for_each(|seed| well(seed, &mut tally));
    let missing: Vec<&str> =
        tally.rows().iter().filter(|(.., count)| *count == 0).map(|&(name, ..)| name).collect();
    assert_eq!(
        missing, [""; 0],
        "these never came about: the seeds test less than they are meant to\n{tally}"
    );
}

#[test]
fn lives_of_new_seeds_are_well() {
    if let Ok(seed) = std::env::var("ORDERLINE_TEST_SEED") {
        return well(seed.parse().expect("ORDERLINE_TEST_SEED is a number"), &mut Tally::default());
    }
    let since = SystemTime::UNIX_EPOCH.elapsed().expect("it is after 1970");
    let (begin, first) = (Instant::now(), since.as_nanos() as u64 >> 8);
    let mut tally = Tally::default();
    let mut seed = first;
    while begin.elapsed() < NEW_FOR {
        well(seed, &mut tally);
        seed += 1;
    }
    eprintln!("{} lives from seed {first}\n{tally}", seed - first);
}

#[test]
fn a_seed_leads_to_the_same_life_again() {
    for seed in [3, 1_000, 77_777] {
        let (once, again) = (live(seed, false), live(seed, false));
        let of = |ended: &orderline_sim::Ended| {
            (ended.trace, ended.tally, ended.simulated_us, ended.violation.clone())
        };
        assert_eq!(of(&once), of(&again), "seed {seed}");
        assert!(once.tally.steps > 100);
    }
    assert_ne!(live(3, false).trace, live(4, false).trace);
}
