//! Too little memory: a sentence at the start, or an end after which a restart has all that was acknowledged.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::full_load;
use crate::proof::Proof;
use crate::recovery::verified;
use crate::support::Server;
use crate::support::server::{NO_SNAPSHOTS, serve};
use crate::support::shop::status;

/// The same command with a limit on its address space.
fn limited(data: &Path, mib: u64) -> Command {
    let whole = serve(data, NO_SNAPSHOTS);
    let mut command = Command::new("sh");
    command.arg("-c").arg("ulimit -v \"$0\"; exec \"$@\"").arg((mib << 10).to_string());
    command.arg(whole.get_program()).args(whole.get_args());
    command.stdin(std::process::Stdio::null());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    command
}

#[test]
fn too_little_memory_is_said_at_the_start_or_costs_nothing_that_was_acknowledged() {
    let mut proof = Proof::of(20, "limits on the address space");
    let mut least_mib = None;
    let mut ended_under_load = 0;
    // Closer together where it begins to be enough.
    let limits_mib = (64..=224).step_by(80).chain((290..=390).step_by(20)).chain((464..=1_024).step_by(160));
    for mib in limits_mib {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let mut server = match Server::run(limited(&data, mib)) {
            Ok(server) => server,
            Err(ran) => {
                let is_said = ran.code == Some(2) && ran.stderr.contains("memory");
                proof.check(is_said && !ran.stderr.contains("panicked"), || format!("{mib} MiB: {ran:?}"));
                continue;
            }
        };
        least_mib.get_or_insert(mib);
        let loaded = full_load(&server, "1");
        let ran = loaded.finish();
        // Exit code 2: it did not come as far as to send an order.
        let report = if ran.code == Some(2) { json!({"acked": 0, "unknown": 0}) } else { ran.json() };
        ended_under_load += u32::from(!server.is_running() || ran.code != Some(0));
        server.kill();
        let server = Server::start(&data, NO_SNAPSHOTS);
        let total = status(&mut server.client()).0.orders_total.get();
        let (acked, unknown) = (report["acked"].as_u64().unwrap(), report["unknown"].as_u64().unwrap());
        proof.check((acked..=acked + unknown).contains(&total), || {
            format!("{mib} MiB: {total} there: {report}")
        });
        server.kill();
        verified(&data);
    }
    proof.figure("ended_under_load", f64::from(ended_under_load));
    proof.figure("least_mib_that_starts", least_mib.expect("a gigabyte is enough") as f64);
    proof.end();
}
