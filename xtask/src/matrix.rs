//! The matrix of faults: each row's fault, what is promised, and which commands prove it. A proof is a test or a program that
//! counts what it did and hands the counts over as JSON lines; nothing here reads prose.

/// A row.
pub(crate) struct Row {
    pub(crate) number: u32,
    pub(crate) fault: &'static str,
    pub(crate) promise: &'static str,
    pub(crate) proofs: &'static [Proof],
    /// Figures that a promise bounds, and by how much.
    pub(crate) bounds: &'static [(&'static str, f64)],
}

/// A command that proves something.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Tests of a package's test target whose names begin so.
    Tests { package: &'static str, target: &'static str, filter: &'static str },
    /// A campaign of this part of all kills that were asked for beyond the tests' own.
    Campaign { workload: &'static str, percent: u64 },
    /// Lives in the simulator for so many seconds, in the long form for ten times as many.
    Lives { seconds: u64 },
    /// The fuzzers' nightly executions of these targets. Of the long form only.
    Fuzzing { row: u32, targets: &'static [&'static str] },
}

impl Proof {
    /// Whether it takes so long that only the long form has it.
    pub(crate) fn is_long(&self) -> bool {
        matches!(self, Campaign { .. } | Fuzzing { .. })
    }
}

use Proof::{Campaign, Fuzzing, Lives, Tests};

const fn it(filter: &'static str) -> Proof {
    Tests { package: "orderline", target: "it", filter }
}

const fn journal(filter: &'static str) -> Proof {
    Tests { package: "orderline-journal", target: "journal", filter }
}

const fn row(number: u32, fault: &'static str, promise: &'static str, proofs: &'static [Proof]) -> Row {
    Row { number, fault, promise, proofs, bounds: &[] }
}

/// Campaigns of the long form.
const CAMPAIGNS: [Proof; 3] = [
    Campaign { workload: "place", percent: 60 },
    Campaign { workload: "life", percent: 20 },
    Campaign { workload: "carts", percent: 20 },
];

/// What waits for a part of the program that is not there yet, said instead of run.
pub(crate) const WAITING: &[(u32, &str, &str)] = &[
    (22, "a follower lags", "waits for more machines"),
    (23, "split brain", "waits for more machines"),
    (24, "a corrupt follower", "waits for more machines"),
];

/// The rows, in their order.
pub(crate) const ROWS: &[Row] = &[
    row(
        1,
        "kill -9 under load, at random microseconds and at every point of the disk seam",
        "A B C H",
        &[it("campaign::"), CAMPAIGNS[0], CAMPAIGNS[1], CAMPAIGNS[2]],
    ),
    row(
        2,
        "kill -9 while recovering, making snapshots, rotating: row 1 nested",
        "A B C H",
        &[it("campaign::")],
    ),
    row(
        3,
        "power loss: unsynced sectors lost, kept, torn, reordered",
        "A B C H",
        &[journal("crash::what_was"), journal("crash::a_crash"), Lives { seconds: 30 }],
    ),
    row(
        4,
        "a torn tail",
        "the valid prefix is kept, what is cut is told and kept aside",
        &[journal("damage::a_torn"), it("damage::a_torn")],
    ),
    row(
        5,
        "a bit flipped inside the log",
        "R",
        &[
            journal("damage::every_flipped"),
            it("repair::a_flip"),
            Fuzzing { row: 5, targets: &["records", "batches", "recovery"] },
        ],
    ),
    row(6, "sectors swapped, repeated, stale; a recycled segment", "R", &[journal("sectors::")]),
    row(
        7,
        "a snapshot cut or flipped",
        "the older one and a longer replay, or R",
        &[journal("snapshots::a_damaged"), Fuzzing { row: 7, targets: &["snapshots"] }],
    ),
    row(
        8,
        "a lost directory entry",
        "A B C; R on a gap",
        &[journal("damage::missing"), journal("entries::")],
    ),
    row(
        9,
        "the disk full, and freed again",
        "a typed rejection before anything is acknowledged, reads go on, work resumes",
        &[it("full_disk::")],
    ),
    row(
        10,
        "an error of any sync or write",
        "no acknowledgement, no retry, stop; A B C H on restart",
        &[journal("crash::a_failed_sync"), it("faults::sync_errors")],
    ),
    Row {
        number: 11,
        fault: "a mapped segment is truncated (SIGBUS)",
        promise: "R within 1 s",
        proofs: &[it("faults::lost_pages")],
        bounds: &[("stop_ms_max", 1_000.0)],
    },
    row(
        12,
        "a slow disk",
        "bounded queues, senders held back, no early acknowledgement",
        &[it("faults::slow_disk")],
    ),
    row(
        13,
        "the clock goes back an hour, forward a year",
        "times never go back; H",
        &[
            Tests { package: "orderline-core", target: "engine", filter: "recorded_times" },
            it("faults::clock_jumps"),
        ],
    ),
    row(
        14,
        "a full queue: the line stands still",
        "senders wait, or are refused as busy, as they ask; sent = acknowledged + rejected + unknown",
        &[it("faults::full_queue")],
    ),
    row(
        15,
        "clients that never read",
        "a cap, then dropped; the others do not feel it",
        &[it("faults::slow_readers")],
    ),
    row(16, "half-open connections", "reaped by heartbeat; idempotency survives", &[it("faults::half_open")]),
    row(
        17,
        "10,000 silent sockets, a byte a second",
        "absolute deadlines, no spinning, a good client is served",
        &[it("faults::idle_flood")],
    ),
    row(
        18,
        "malformed and oversized frames",
        "a typed close, no panic, nothing journalled",
        &[
            it("bad_input::random"),
            Fuzzing { row: 18, targets: &["frames", "hello", "commands", "lives", "replies"] },
        ],
    ),
    row(
        19,
        "a request sent again: after its answer, a crash, a snapshot",
        "the same answer, B",
        &[it("faults::duplicates")],
    ),
    row(20, "too little memory", "a sentence at the start, or row 1", &[it("faults::memory_limit")]),
    row(
        21,
        "100 racing starts on one directory",
        "one serves, the others R with its process id",
        &[it("faults::racing_starts")],
    ),
    row(25, "an unknown version", "R", &[it("damage::unknown_versions")]),
    row(
        26,
        "wrong identity: another role's commands, another's orders, tokens that ended, were revoked or made up",
        "denied, nothing journalled",
        &[
            Tests { package: "orderline-gateway", target: "access", filter: "every_role" },
            it("http_access::"),
        ],
    ),
    row(
        27,
        "abuse, plaintext, weak configuration",
        "quotas before the queue, safe defaults",
        &[it("faults::abuse"), it("access::beyond"), it("access::with_tls")],
    ),
];
