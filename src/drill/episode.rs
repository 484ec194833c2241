//! What a campaign of many kills does to one small store: which moments, in which order. Every point of the disk seam has
//! its turn, while the server makes its store, serves, and recovers, and every second kill falls into a recovery.

use std::time::Duration;

use orderline_journal::storage::FAULT_POINTS;
use orderline_loadgen::WorkloadName;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use crate::campaign::{LoadPlan, Moment};

/// Groups of kills in an episode: one while it serves and two in the recoveries from it.
const GROUPS: usize = 4;

/// One episode in so many is loaded so heavily that batches are written through the mapping.
const HEAVY_EVERY: usize = 16;

/// Points that are passed while a store is made.
const BIRTH: [&str; 10] = [
    "lock",
    "root.mkdir",
    "store.create",
    "store.write",
    "store.sync",
    "store.rename",
    "root.sync",
    "new-segment.write",
    "new-segment.rename",
    "journal.sync",
];

/// Points that are passed while orders flow, with how often at most before the one that counts.
const SERVING: [(&str, u32); 14] = [
    ("segment.write", 60),
    ("segment.sync", 60),
    ("new-segment.create", 1),
    ("new-segment.allocate", 1),
    ("new-segment.write", 10),
    ("new-segment.sync", 10),
    ("new-segment.rename", 1),
    ("segment.map", 2),
    ("new-snapshot.create", 1),
    ("new-snapshot.write", 20),
    ("new-snapshot.sync", 1),
    ("new-snapshot.rename", 1),
    ("snapshots.sync", 2),
    ("snapshot.remove", 1),
];

/// A point that a recovery passes, how often at most before the passing that counts, and the kill that must go before so
/// that there is something to do.
type Recovering = (&'static str, u32, Option<(&'static str, &'static str)>);

/// Points that are passed by a recovery.
const RECOVERING: [Recovering; 14] = [
    ("lock", 1, None),
    ("root.mkdir", 2, None),
    ("segment.read", 8, None),
    ("snapshot.read", 20, None),
    ("segment.resync", 1, None),
    ("journal.sync", 1, None),
    ("segment.map", 1, None),
    ("new-segment.remove", 1, Some(("new-segment.write", "after"))),
    ("new-snapshot.remove", 1, Some(("new-snapshot.write", "half"))),
    ("kept.create", 1, Some(("segment.write", "half"))),
    ("kept.write", 1, Some(("segment.write", "half"))),
    ("kept.sync", 1, Some(("segment.write", "half"))),
    ("kept.rename", 1, Some(("segment.write", "half"))),
    ("segment.cut", 1, Some(("segment.write", "half"))),
];

/// One store's kills and load.
pub(super) struct Episode {
    pub(super) moments: Vec<Moment>,
    pub(super) load: LoadPlan,
}

/// Makes one episode after the other.
pub(super) struct Episodes {
    rng: SmallRng,
    made: usize,
    workload: WorkloadName,
    birth: Turns,
    serving: Turns,
    recovering: Turns,
    heavy: Turns,
}

/// Points by turns, in an order of the seed's.
struct Turns {
    points: Vec<(&'static str, &'static str)>,
    next: usize,
}

impl Turns {
    fn new(rng: &mut SmallRng, names: impl Iterator<Item = &'static str>) -> Self {
        let mut points = Vec::new();
        for point in names.filter_map(|name| FAULT_POINTS.iter().find(|point| point.name == name)) {
            let whens: &[_] =
                if point.has_half { &["before", "half", "after"] } else { &["before", "after"] };
            points.extend(whens.iter().map(|when| (point.name, *when)));
        }
        points.shuffle(rng);
        Self { points, next: 0 }
    }

    /// Nothing in a build without fault points.
    fn next(&mut self) -> Option<(&'static str, &'static str)> {
        let at = self.next.checked_rem(self.points.len())?;
        self.next += 1;
        Some(self.points[at])
    }
}

impl Episodes {
    pub(super) fn new(seed: u64, workload: WorkloadName) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        Self {
            birth: Turns::new(&mut rng, BIRTH.into_iter()),
            serving: Turns::new(&mut rng, SERVING.iter().map(|(name, _)| *name)),
            recovering: Turns::new(&mut rng, RECOVERING.iter().map(|(name, ..)| *name)),
            heavy: Turns::new(&mut rng, ["segment.copy"].into_iter()),
            rng,
            made: 0,
            workload,
        }
    }

    /// The next episode, of so many kills at most.
    pub(super) fn next(&mut self, kills_max: usize) -> Episode {
        self.made += 1;
        let is_heavy = self.made.is_multiple_of(HEAVY_EVERY) && !self.heavy.points.is_empty();
        let mut moments = Vec::new();
        let mut births: Vec<_> = (0..2).filter_map(|_| self.birth.next()).collect();
        // What comes first in making a store comes first: the other way round the store would be there already.
        births.sort_by_key(|(name, _)| BIRTH.iter().position(|known| known == name));
        moments.extend(births.into_iter().map(|of| self.point(of, 1)));
        moments.push(self.loaded());
        if is_heavy {
            for _ in 0..3 {
                moments.extend(self.heavy.next().map(|of| self.point(of, 3)));
                moments.push(self.started());
            }
        } else {
            for _ in 0..GROUPS {
                self.group(&mut moments);
            }
        }
        moments.truncate(kills_max);
        let load = LoadPlan {
            workload: self.workload,
            seed: self.rng.random(),
            skus: 300,
            rate: (!is_heavy).then_some(12_000.0),
            connections: if is_heavy { 4 } else { 2 },
            in_flight: is_heavy.then_some(4_096),
            reconnect_pause_max: Duration::from_millis(20),
        };
        Episode { moments, load }
    }

    /// A kill while it serves, one in the recovery from it, and one in the recovery from that.
    fn group(&mut self, moments: &mut Vec<Moment>) {
        let is_random = self.rng.random_bool(0.25);
        let recovering = self.recovering.next().filter(|_| !is_random);
        let known = recovering.and_then(|(name, _)| RECOVERING.iter().find(|(known, ..)| *known == name));
        let (times_max, opener) = known.map_or((1, None), |(_, times_max, opener)| (*times_max, *opener));
        let serving = match opener {
            Some(opener) => Some(opener),
            None => self.serving.next().filter(|_| !is_random),
        };
        moments.push(match serving {
            Some(of) => {
                let times_max = SERVING.iter().find(|(name, _)| *name == of.0).map_or(1, |(_, times)| *times);
                self.point(of, times_max)
            }
            None => self.loaded(),
        });
        moments.push(match recovering {
            Some(of) => self.point(of, times_max),
            None => self.started(),
        });
        // Again while it recovers: at any moment, or where every recovery passes.
        moments.push(match self.rng.random_range(0..4_u32) {
            0 => self.point(("segment.read", "after"), 3),
            1 => self.point(("segment.resync", "before"), 1),
            _ => self.started(),
        });
    }

    fn point(&mut self, (point, when): (&'static str, &'static str), times_max: u32) -> Moment {
        Moment::Point { point, when, number: self.rng.random_range(1..=times_max) }
    }

    fn loaded(&mut self) -> Moment {
        Moment::Loaded(Duration::from_micros(self.rng.random_range(0..150_000)))
    }

    fn started(&mut self) -> Moment {
        // Two draws, for most of what there is to break lies in the first milliseconds.
        let (one, other) = (self.rng.random_range(0..40_000), self.rng.random_range(0..40_000));
        Moment::Started(Duration::from_micros(u64::min(one, other)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_point_has_its_turn() {
        let mut episodes = Episodes::new(7, WorkloadName::Place);
        let mut reached = BTreeSet::new();
        let mut kills = 0;
        while kills < 1_000 {
            let episode = episodes.next(1_000);
            kills += episode.moments.len();
            reached.extend(episode.moments.iter().filter_map(|moment| match moment {
                Moment::Point { point, .. } => Some(*point),
                _ => None,
            }));
        }
        // Segments are removed by a setting under which nothing can be held against the first record.
        let missing: Vec<_> = FAULT_POINTS
            .iter()
            .map(|point| point.name)
            .filter(|name| !reached.contains(name) && *name != "segment.remove")
            .collect();
        assert_eq!(missing, Vec::<&str>::new());
    }
}
