//! What a disk does that the journal never asked for: what is left of it after a power loss, and bits that flip.

use std::sync::Arc;

use orderline_journal::{MemoryStorage, Reader, Start, Storage};

use crate::chance::Chance;
use crate::faults::Tally;
use crate::judge::Judge;
use crate::plan::Plan;
use crate::server::{Found, look};

/// How a power loss chooses among what a sector may hold.
#[derive(Debug, Clone, Copy)]
enum Loss {
    /// What was not synced is gone.
    Everything,
    /// What was written is there.
    Nothing,
    /// All but one is there.
    AllButOne(usize),
    /// One is there.
    OnlyOne(usize),
    /// What was written first is there.
    First(usize),
    /// What was written last is there.
    Last(usize),
    /// Each as it falls.
    Any,
}

/// The disk after a power loss.
pub fn lose_power(storage: &MemoryStorage, chance: &mut Chance, tally: &mut Tally) -> MemoryStorage {
    let mut count = 0;
    storage.crash(&mut |_| {
        count += 1;
        0
    });
    let at = chance.index(count.max(1));
    let loss = match chance.below(10) {
        0 => Loss::Everything,
        1 => Loss::Nothing,
        2 => Loss::AllButOne(at),
        3 => Loss::OnlyOne(at),
        4 => Loss::First(at),
        5 => Loss::Last(at),
        _ => Loss::Any,
    };
    let mut index = 0;
    storage.crash(&mut |versions| {
        let is_newest = match loss {
            Loss::Everything => false,
            Loss::Nothing => true,
            Loss::AllButOne(at) => index != at,
            Loss::OnlyOne(at) => index == at,
            Loss::First(at) => index < at,
            Loss::Last(at) => index >= at,
            Loss::Any => chance.one_in(2),
        };
        index += 1;
        let chosen = match (is_newest, loss) {
            (true, _) => versions - 1,
            (false, Loss::Any) => chance.index(versions),
            (false, _) => 0,
        };
        tally.sectors_chosen += 1;
        tally.sectors_not_newest += u64::from(chosen + 1 < versions);
        chosen
    })
}

/// Flips a bit of a copy of a disk that has just been recovered, somewhere in front of the last batch that a later one calls
/// durable, and recovers the copy: all must be there, or the refusal must name the file.
///
/// # Errors
/// What must not be.
pub fn flip(
    storage: &MemoryStorage,
    plan: &Plan,
    found: &Found,
    chance: &mut Chance,
    judge: &mut Judge,
) -> Result<(), String> {
    let Some((name, offset)) = choose(storage, chance)? else { return Ok(()) };
    let bit = chance.below(8) as u8;
    let damaged = storage.duplicate();
    damaged.flip_bit(&name, offset, bit);
    judge.tally.bits_flipped += 1;
    match look(&damaged, plan, chance.draw()) {
        Ok((_, again)) if again.sequence == found.sequence && again.hash == found.hash => {
            judge.tally.flips_harmless += 1;
            Ok(())
        }
        Ok((_, again)) => Err(format!(
            "R: with bit {bit} of byte {offset} of {name} flipped, a recovery comes to {} instead of {} and says nothing",
            again.sequence, found.sequence
        )),
        Err(error) if error.to_string().contains("memory/") => {
            judge.tally.flips_refused += 1;
            Ok(())
        }
        Err(error) => Err(format!("R: with {name} damaged, the refusal names no file: {error}")),
    }
}

/// A place to be damaged.
fn choose(storage: &MemoryStorage, chance: &mut Chance) -> Result<Option<(String, u64)>, String> {
    let told = |error: orderline_journal::JournalError| format!("the disk is unreadable: {error}");
    let shared: Arc<dyn Storage> = Arc::new(storage.clone());
    let mut reader = Reader::open(Arc::clone(&shared), Start::Oldest).map_err(told)?;
    let (mut ends, mut durable) = (Vec::new(), 0);
    while let Some(batch) = reader.next_batch(u64::MAX).map_err(told)? {
        durable = durable.max(batch.durable_sequence);
        ends.push((batch.last_sequence(), batch.position_after));
    }
    let protected = ends.iter().rev().find(|(last, _)| *last <= durable);
    let directory = chance.of(&["journal", "journal", "snapshots", ""]);
    let names = storage.list(directory).map_err(told)?;
    if names.is_empty() {
        return Ok(None);
    }
    let name = &names[chance.index(names.len())];
    let path = if directory.is_empty() { name.clone() } else { format!("{directory}/{name}") };
    let mut bytes = storage.open(&path, false).and_then(|file| file.len()).map_err(told)?;
    if directory == "journal" {
        let Some((_, position)) = protected else { return Ok(None) };
        let last = format!("{:08}.segment", position.segment);
        if *name > last {
            return Ok(None);
        }
        if *name == last {
            bytes = bytes.min(position.offset);
        }
    }
    Ok((bytes > 0).then(|| (path, chance.below(bytes))))
}
