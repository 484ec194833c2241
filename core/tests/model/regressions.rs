//! Short lists of commands by which the engine and the model once differed, or which only luck finds: each as the
//! shrinker printed it.

use crate::generate::{Step, What};
use crate::replay;

/// The recorded time, and the command's bytes in hexadecimal; none: time passes.
type Recorded<'a> = (i64, &'a str);

fn steps(recorded: &[Recorded<'_>]) -> Vec<Step> {
    let byte = |at: usize, text: &str| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    recorded
        .iter()
        .map(|&(now_us, text)| {
            let bytes: Vec<u8> = (0..text.len()).step_by(2).map(|at| byte(at, text)).collect();
            Step { now_us, what: if bytes.is_empty() { What::Tick } else { What::Command(bytes) } }
        })
        .collect()
}

#[track_caller]
fn agree(recorded: &[Recorded<'_>]) {
    if let Err((step, why)) = replay(&steps(recorded)) {
        panic!("step {step}: {why}");
    }
}
