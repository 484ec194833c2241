//! A hundred servers started at once on one directory: one serves, the others say who does.

use std::thread;

use crate::proof::Proof;
use crate::support::Server;
use crate::support::server::NO_SNAPSHOTS;

const STARTS: usize = 100;

#[test]
fn of_a_hundred_racing_starts_one_serves_and_the_others_name_it() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    // Once on a directory that is not there yet, once on one that is.
    let mut proof = Proof::of(21, "100 racing starts, on no directory and on a used one");
    for _ in 0..2 {
        let outcomes: Vec<_> = thread::scope(|scope| {
            let starts: Vec<_> =
                (0..STARTS).map(|_| scope.spawn(|| Server::try_start(&data, NO_SNAPSHOTS))).collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        let (winners, losers): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
        proof.check(winners.len() == 1, || format!("{} servers on one directory", winners.len()));
        let Some(Ok(winner)) = winners.into_iter().next() else { continue };
        let pid = format!("process {};", winner.pid());
        for loser in losers.into_iter().filter_map(Result::err) {
            let is_told = loser.code == Some(2) && loser.stderr.contains(&pid);
            proof.check(is_told, || format!("{pid} was not named: {loser:?}"));
        }
        winner.kill();
    }
    proof.end();
}
