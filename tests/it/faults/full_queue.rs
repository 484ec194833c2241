//! The line stands still: credits stop, sockets are not read, TCP holds the senders back, who would rather be refused is
//! refused, memory is bounded, and what was sent is acknowledged, refused or unknown, each order exactly once.

use super::full_load_command;
use crate::proof::Proof;
use crate::recovery::verified;
use crate::support::Server;
use crate::support::program::Running;
use crate::support::server::NO_SNAPSHOTS;
use crate::support::shop::status;

#[test]
fn a_line_that_stands_still_holds_its_senders_back_and_loses_nothing() {
    let mut proof = Proof::of(14, "the disk parked for 1.5 s under a load that fills every credit");
    let mut peak_mib = Vec::new();
    let mut busy = 0;
    // Senders who wait, and senders who would rather be refused.
    for refuses in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let config = NO_SNAPSHOTS.replace("segment_mib = 3", "segment_mib = 16\nunsynced_mib_max = 1")
            + "[gateway]\nqueue_commands_max = 4000\n";
        // Each sync of the first ones takes so long that all queues fill up. More than the load sees itself, for sessions and
        // the shop are synced before it, in as many groups as chance has it.
        let server = Server::faulty(&data, &config, "slow segment.sync 500 40");
        let mut load = full_load_command(&server, "2");
        if refuses {
            load.arg("--refuse-when-busy");
        }
        let report = Running::start(load).finish().well();
        let number = |key: &str| report[key].as_u64().unwrap();
        let accounted = number("acked") + number("rejected") + number("unknown");
        proof.check(number("sent") == accounted && number("sent") > 0, || format!("{report}"));
        let refused = report["rejected_by_code"]["Busy"].as_u64().unwrap_or(0);
        proof.hold(refuses == (refused > 0) && refused == number("rejected"), || format!("{report}"));
        busy += refused;
        let (found, _) = status(&mut server.client());
        let total = found.orders_total.get();
        proof.check(total >= number("acked") && total <= number("acked") + number("unknown"), || {
            format!("{total} there: {report}")
        });
        peak_mib.push(server.peak_mib());
        server.kill();
        proof.check(verified(&data)["orders_total"] == total, || "another total after a kill".to_owned());
    }
    proof.figure("refused_as_busy", busy as f64);
    proof.figure("peak_mib", peak_mib.into_iter().fold(0.0, f64::max));
    proof.end();
}
