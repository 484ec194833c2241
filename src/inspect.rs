//! `orderline inspect`: journal records as JSON lines, handles shown by their codes; or a seller's ledger. Changes nothing.

use std::io::{BufWriter, ErrorKind, Write};

use orderline_core::State;
use orderline_core::recovery;
use orderline_json::Life;
use orderline_protocol::event::Event;

use crate::cli::InspectArguments;
use crate::names::StateNames;
use crate::offline;
use crate::statement;
use crate::verb::{Ending, Refusal, VerbResult};

pub(crate) fn run(arguments: &InspectArguments) -> VerbResult {
    if let Some(seller) = &arguments.ledger {
        return statement::run(&arguments.data, seller);
    }
    let mut offline = offline::open_earliest(&arguments.data)?;
    if offline.snapshot_sequence > 0 {
        eprintln!(
            "the journal's first segments were removed: records start behind {}",
            offline.state.sequence()
        );
    }
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut left = arguments.limit.unwrap_or(u64::MAX);
    let mut life = arguments.order.map(Life::of);
    // The state is carried along for the names: a record is shown with the codes that it had when it was written.
    while left > 0 {
        let Some(batch) = offline.reader.next_batch(u64::MAX)? else { break };
        for seen in batch.records() {
            let event = recovery::apply_seen(&mut offline.state, batch.recorded_at_us, &seen)?;
            // Asked before what is wanted begins, too: what a life is made of, its earlier events tell.
            let is_about = life.as_mut().is_none_or(|life| life.has(&event));
            if is_about && seen.sequence >= arguments.from && left > 0 {
                left -= 1;
                if !print(&mut out, &offline.state, seen.sequence, batch.recorded_at_us, &event)? {
                    return Ok(Ending::Well);
                }
            }
        }
    }
    out.flush()?;
    Ok(Ending::Well)
}

/// Prints a record; false when nobody reads any more.
fn print(
    out: &mut impl Write,
    state: &State,
    sequence: u64,
    recorded_at_us: i64,
    event: &Event<'_>,
) -> Result<bool, Refusal> {
    let value = orderline_json::record(&StateNames(state), sequence, recorded_at_us, event);
    match writeln!(out, "{value}") {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error.into()),
    }
}
