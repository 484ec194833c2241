//! From a list of steps that fails to a short one that still does.

use crate::generate::Step;

/// Lists that are tried at most.
const TRIES_MAX: u32 = 4_000;

/// Leaves steps out, in ever smaller pieces, as long as what is left still fails.
pub fn shrink(mut steps: Vec<Step>, mut fails: impl FnMut(&[Step]) -> bool) -> Vec<Step> {
    let mut piece = steps.len().div_ceil(2).max(1);
    let mut tries = 0;
    loop {
        let mut is_shorter = false;
        let mut start = 0;
        while start < steps.len() && tries < TRIES_MAX {
            let end = (start + piece).min(steps.len());
            let mut fewer = steps.clone();
            fewer.drain(start..end);
            tries += 1;
            if fails(&fewer) {
                steps = fewer;
                is_shorter = true;
            } else {
                start = end;
            }
        }
        if tries == TRIES_MAX || (piece == 1 && !is_shorter) {
            return steps;
        }
        if !is_shorter {
            piece = piece.div_ceil(2);
        }
    }
}

#[test]
fn a_long_list_shrinks_to_what_it_fails_by() {
    use crate::generate::{Generator, What};
    use crate::model::Model;
    use crate::pair::with_command;

    let run = |steps: &[Step]| {
        let mut model = Model::default();
        for step in steps {
            match &step.what {
                What::Command(bytes) => drop(with_command(bytes, |command| model.run(step.now_us, command))),
                What::Tick => drop(model.tick(step.now_us)),
            }
        }
        model
    };
    let names_somebody =
        |steps: &[Step]| run(steps).shortages.iter().any(|shortage| !shortage.orders.is_empty());
    // The first seed of which the first shortage comes late.
    let until_somebody = |seed: u64| {
        let (mut generator, mut steps) = (Generator::new(seed), Vec::new());
        while !names_somebody(&steps) {
            steps.push(generator.next(&run(&steps)));
            assert!(steps.len() < 3_000, "no order was hit by a shortage");
        }
        steps
    };
    let steps = (1..).map(until_somebody).find(|steps| steps.len() > 250).unwrap();
    // A seller, a location, SKUs, stock, an order, and what takes the stock away: nothing of it can be left out.
    let short = shrink(steps.clone(), names_somebody);
    assert!(names_somebody(&short) && short.len() * 10 < steps.len(), "{} of {}", short.len(), steps.len());
    for index in 0..short.len() {
        let mut fewer = short.clone();
        fewer.remove(index);
        assert!(!names_somebody(&fewer), "step {index} could have been left out");
    }
}
