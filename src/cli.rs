//! The command line: arguments to checked settings, one structure a verb. The verbs' names, arguments and JSON are
//! a contract with the programs that call them.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

/// The order core of marketplaces: orders in over TCP, durable before they are answered, back after a crash.
///
/// With --json a verb prints exactly one JSON object, on one line, last on standard output; progress and people's
/// text go to standard error. Exit code 0: done and well; 1: it ran and found something wrong; 2: unusable
/// arguments, or it refused to start.
#[derive(Debug, Parser)]
#[command(name = "orderline", version, propagate_version = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Open or create a data directory, recover it, and serve orders over TCP until SIGTERM or Ctrl-C.
    Serve(ServeArguments),
    /// Stream generated orders to a server and measure rate and latency.
    Load(LoadArguments),
    /// Bring real order histories from CSV files through the gateway, by a column map.
    Import(ImportArguments),
    /// Read a whole data directory and check every checksum, link and invariant. Changes nothing.
    Verify(VerifyArguments),
    /// Read the bytes of a directory at rest, without stopping at the first damage: each finding with its file and offset,
    /// and what repair would do. Changes nothing, replays nothing.
    Check(CheckArguments),
    /// Mend a copy of a damaged directory, by rules. Never drops what was acknowledged without being told to.
    Repair(RepairArguments),
    /// Rebuild the state from a data directory and time it. Changes nothing.
    Replay(ReplayArguments),
    /// Print journal records as JSON lines, names resolved. Changes nothing.
    Inspect(InspectArguments),
    /// Recovery drill: serve, load, kill -9, recover, and compare with what the client was told.
    Drill(DrillArguments),
    /// A newcomer's first two minutes: orders stream in, a kill -9, a recovery, the proof that nothing was lost.
    Demo(DemoArguments),
    /// Files of settings: the server's own, as `serve` reads them, and, as one readable file, sellers, locations, SKUs, sourcing rules and
    /// policies, out and in.
    Config(ConfigArguments),
    /// Print the transition table: what may be done with which entity in which state. Or, with --access, who may do what.
    Explain(ExplainArguments),
    /// Access tokens: make a secret, define, list and revoke them.
    Token(TokenArguments),
    /// Say whether a server on this machine is ready, over HTTP: exit code 0 if it is, 1 if not.
    Health(HealthArguments),
    /// Print a script by which a shell completes verbs and options.
    Completions(CompletionsArguments),
}

/// How a verb reaches a server, and as whom.
#[derive(Debug, Args)]
pub(crate) struct ConnectArguments {
    /// The server's TCP address.
    #[arg(long, value_name = "ADDR")]
    pub(crate) connect: SocketAddr,
    /// A file with the access token's secret, 64 hexadecimal digits; without it the environment's ORDERLINE_TOKEN is the secret,
    /// if that is set.
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Speak TLS, to a server whose certificate is, or is signed by, one of this PEM file.
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_ca: Option<PathBuf>,
    /// The name in the server's certificate; by default its address.
    #[arg(long, value_name = "NAME", requires = "tls_ca")]
    pub(crate) tls_name: Option<String>,
}

/// See [`Verb::Serve`].
#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// The data directory; made if it is not there.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Where to listen for the TCP protocol; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7411")]
    pub(crate) listen: SocketAddr,
    /// Where to listen for HTTP: the JSON API under /v1, its description at /v1/docs. Without it, HTTP is not served.
    #[arg(long, value_name = "ADDR")]
    pub(crate) http: Option<SocketAddr>,
    /// Settings in a TOML file; `orderline config default` prints one with every key and its default.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Listen beyond loopback all the same without encryption or without tokens: whoever reaches the address reads and changes
    /// everything.
    #[arg(long)]
    pub(crate) insecure_network: bool,
    /// Say the recovered state's hash on standard error before serving (about 0.1 us an order).
    #[arg(long)]
    pub(crate) state_hash: bool,
}

/// See [`Verb::Load`].
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("extent").required(true).args(["orders", "seconds"])))]
pub(crate) struct LoadArguments {
    #[command(flatten)]
    pub(crate) server: ConnectArguments,
    /// Orders to send in all (carts: carts, tpcc: transactions, availability: queries), with all that follows on them.
    #[arg(long, value_name = "N")]
    pub(crate) orders: Option<u64>,
    /// Seconds to send for.
    #[arg(long, value_name = "S")]
    pub(crate) seconds: Option<f64>,
    /// Orders (carts, transactions, queries) a second on an open-loop schedule; latency then counts from the intended start.
    /// Without it: as fast as answers allow.
    #[arg(long, value_name = "R")]
    pub(crate) rate: Option<f64>,
    /// Lines of an order; flash has one, tpcc 5 to 15.
    #[arg(long, value_name = "L", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=2000))]
    pub(crate) lines: u16,
    /// SKUs in the catalogue, dealt out evenly among the sellers.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=33_554_432))]
    pub(crate) skus: u32,
    /// Sellers: each order is of one of them, each cart of all. By default 1, for carts 3; flash and tpcc have 1.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    pub(crate) sellers: Option<u32>,
    /// Locations that every SKU is stocked at, each in a region of its own, which orders go to. By default 1, for tpcc
    /// 10, its warehouses; flash has 1.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=65_535))]
    pub(crate) locations: Option<u16>,
    /// For place: reserve each order's cart first and check it out of its reservation.
    #[arg(long)]
    pub(crate) reserve: bool,
    /// Seconds that reservations hold.
    #[arg(long, value_name = "S", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=315_360_000))]
    pub(crate) reservation_seconds: u32,
    /// How orders choose SKUs: zipf:EXPONENT or uniform.
    #[arg(long, value_name = "SKEW", default_value = "zipf:0.99")]
    pub(crate) skew: String,
    /// Connections to send over.
    #[arg(long, value_name = "C", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) connections: u32,
    /// Orders (queries) in flight on each connection; by default 4,096 divided among the connections, for availability as
    /// many queries as ask about 32,768 SKUs.
    #[arg(long, value_name = "W", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) in_flight: Option<u32>,
    /// Orders in a frame at most; 1 sends each in a frame of its own.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) orders_per_frame: Option<u32>,
    /// Be refused at once where the server has too much to do, instead of waiting.
    #[arg(long)]
    pub(crate) refuse_when_busy: bool,
    /// Milliseconds from an order's (intended) start in which it must be accepted to count as goodput.
    #[arg(long, value_name = "MS", default_value_t = 100.0)]
    pub(crate) deadline_ms: f64,
    /// SKUs that a query of availability asks about.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub(crate) query_skus: u16,
    /// What to send: place (orders over the whole catalogue), flash (every buyer wants one SKU), life (orders paid,
    /// shipped, delivered, some cancelled or returned), carts (reserved, half of them checked out), feed (orders, and
    /// bursts of stock levels beside them), tpcc (a TPC-C-shaped mix, no TPC result, checked afterwards) or availability
    /// (no orders, but queries what can be bought).
    #[arg(long, value_name = "NAME", default_value = "place")]
    pub(crate) workload: String,
    /// Units of the one SKU that a flash sale has to sell.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub(crate) flash_stock: u64,
    /// Stock levels in a burst of a feed.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) feed_burst: u32,
    /// Seconds from one burst of a feed to the next.
    #[arg(long, value_name = "S", default_value_t = 1.0)]
    pub(crate) feed_seconds: f64,
    /// For feed: whole lives of orders (as life) beside the bursts, so that stock leaves while levels are set.
    #[arg(long)]
    pub(crate) ship: bool,
    /// Seconds to wait for a vanished server to come back.
    #[arg(long, value_name = "S", default_value_t = 10.0)]
    pub(crate) patience: f64,
    /// The generator's seed; order ids differ between runs all the same.
    #[arg(long, value_name = "X", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Print the report as one JSON line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// See [`Verb::Import`].
#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    #[command(flatten)]
    pub(crate) server: ConnectArguments,
    /// The column map; examples/import holds commented ones.
    #[arg(long, value_name = "MAP.toml")]
    pub(crate) map: PathBuf,
    /// CSV files, plain, .gz or .zst, in the order in which they are to be read.
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Print the report as one JSON line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// See [`Verb::Verify`].
#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {
    /// The data directory.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Check every invariant over the whole state after each so many records, too; 1: after every record. Each check
    /// reads the whole state.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) check_every: Option<u64>,
    /// Print the report as one JSON line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// See [`Verb::Check`].
#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// The data directory.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Print the report as one JSON line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// See [`Verb::Repair`].
#[derive(Debug, Args)]
pub(crate) struct RepairArguments {
    /// The damaged directory. It is read, and stays as it is.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Where the mended copy is made: an empty or absent directory.
    #[arg(long, value_name = "NEWDIR")]
    pub(crate) to: PathBuf,
    /// End the log before the damage where nothing else helps. What is dropped is listed, with the orders that it names.
    #[arg(long)]
    pub(crate) drop_acknowledged: bool,
    /// Print the report as one JSON line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// See [`Verb::Replay`].
#[derive(Debug, Args)]
pub(crate) struct ReplayArguments {
    /// The data directory.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Stop after this sequence; by default at the journal's end.
    #[arg(long, value_name = "SEQ")]
    pub(crate) to: Option<u64>,
    /// Start from the newest good snapshot instead of the first record.
    #[arg(long)]
    pub(crate) from_snapshot: bool,
    /// Print the report as one JSON line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// See [`Verb::Inspect`].
#[derive(Debug, Args)]
pub(crate) struct InspectArguments {
    /// The data directory.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Begin at this sequence.
    #[arg(long, value_name = "SEQ", default_value_t = 1)]
    pub(crate) from: u64,
    /// Only the records of this order, group or reservation.
    #[arg(long, value_name = "ID")]
    pub(crate) order: Option<orderline_protocol::OrderId>,
    /// Print at most this many records.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
    /// Instead of records: every entry of this seller's ledger, and whether they add up to its sums.
    #[arg(long, value_name = "SELLER", conflicts_with_all = ["from", "order", "limit"])]
    pub(crate) ledger: Option<String>,
    /// The records are JSON lines with or without this.
    #[arg(long)]
    pub(crate) json: bool,
}

/// See [`Verb::Drill`].
#[derive(Debug, Args)]
pub(crate) struct DrillArguments {
    /// Where to drill: an empty or absent directory, kept afterwards; by default a temporary one, removed. With --copy:
    /// the directory to copy.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Drill on a copy of --data, a directory at rest, which is not touched: recover it, be killed while recovering, recover
    /// again. Could we come back from this, and how long would it take?
    #[arg(long, requires = "data", conflicts_with_all = ["campaign", "seconds"])]
    pub(crate) copy: bool,
    /// With --copy: keep a record of what came of it in the directory, as drill.json, where a server finds it for /v1/recovery.
    #[arg(long, requires = "copy")]
    pub(crate) record: bool,
    /// With --copy: where the copy is made, and removed again; by default where temporary files go.
    #[arg(long, value_name = "DIR", requires = "copy")]
    pub(crate) scratch: Option<PathBuf>,
    /// Many small stores instead of one that grows: killed while they are made, loaded and recovered, three deep, and, in
    /// a build with fault points, at every one of them.
    #[arg(long, conflicts_with = "seconds")]
    pub(crate) campaign: bool,
    /// How long to drill in all; by default as long as the kills take.
    #[arg(long, value_name = "S")]
    pub(crate) seconds: Option<f64>,
    /// How many times to kill the server.
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(crate) kills: u32,
    /// What to load it with: place, life or carts, as `load` does.
    #[arg(long, value_name = "NAME", default_value = "place")]
    pub(crate) workload: String,
    /// The seed of the kill times and the orders.
    #[arg(long, value_name = "X")]
    pub(crate) seed: Option<u64>,
    /// Print the report as one JSON line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// See [`Verb::Demo`].
#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// Print the report as one JSON line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// See [`Verb::Config`].
#[derive(Debug, Args)]
pub(crate) struct ConfigArguments {
    #[command(subcommand)]
    pub(crate) verb: ConfigVerb,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigVerb {
    /// Print the server's settings as a commented TOML file, every key with its default, for `serve --config`.
    Default(ConfigDefaultArguments),
    /// Say whether a file of the server's settings can be served with. Starts nothing.
    Check(ConfigCheckArguments),
    /// Write what a server has as a TOML file.
    Export(ConfigExportArguments),
    /// Show what differs from a file, then make the server have what the file says. Doing it again changes nothing.
    Apply(ConfigApplyArguments),
}

/// See [`ConfigVerb::Default`].
#[derive(Debug, Args)]
pub(crate) struct ConfigDefaultArguments {
    /// Print one JSON line that holds the file's text.
    #[arg(long)]
    pub(crate) json: bool,
}

/// See [`ConfigVerb::Check`].
#[derive(Debug, Args)]
pub(crate) struct ConfigCheckArguments {
    /// The file.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Print the report as one JSON line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// See [`ConfigVerb::Export`].
#[derive(Debug, Args)]
pub(crate) struct ConfigExportArguments {
    #[command(flatten)]
    pub(crate) server: ConnectArguments,
    /// Where to write; by default to standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Print a report as one JSON line; without --out it holds the file's text.
    #[arg(long)]
    pub(crate) json: bool,
}

/// See [`ConfigVerb::Apply`].
#[derive(Debug, Args)]
pub(crate) struct ConfigApplyArguments {
    #[command(flatten)]
    pub(crate) server: ConnectArguments,
    /// The file. What it does not mention stays as it is.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Only show what differs.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print the report as one JSON line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// See [`Verb::Explain`].
#[derive(Debug, Args)]
pub(crate) struct ExplainArguments {
    /// Only this entity: order, reservation, "fulfilment order", shipment, payment, refund, return or hold.
    #[arg(long, value_name = "NAME")]
    pub(crate) entity: Option<String>,
    /// Instead: which role may bring which kind of command, and use what fronts show.
    #[arg(long, conflicts_with_all = ["entity", "mermaid"])]
    pub(crate) access: bool,
    /// As Mermaid state diagrams.
    #[arg(long, conflicts_with = "json")]
    pub(crate) mermaid: bool,
    /// As one JSON line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// See [`Verb::Token`].
#[derive(Debug, Args)]
pub(crate) struct TokenArguments {
    #[command(subcommand)]
    pub(crate) verb: TokenVerb,
}

/// What is to be done with tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenVerb {
    /// Make a secret and print it with its hash. Nobody is told: the hash is for `token add --hash`, or, as the first operator's,
    /// for access.operator_token_hash in the server's configuration.
    New(TokenNewArguments),
    /// Define a token, or change the one with this label, and print its new secret.
    Add(TokenAddArguments),
    /// List the tokens of a server.
    List(TokenListArguments),
    /// Revoke a token: its secret is worth nothing from then on, and its connections are closed.
    Revoke(TokenRevokeArguments),
}

/// See [`TokenVerb::New`].
#[derive(Debug, Args)]
pub(crate) struct TokenNewArguments {
    /// Write the secret to this new file, for its owner alone, instead of printing it.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Print the report as one JSON line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// See [`TokenVerb::Add`].
#[derive(Debug, Args)]
pub(crate) struct TokenAddArguments {
    #[command(flatten)]
    pub(crate) server: ConnectArguments,
    /// Who or what bears it; 1 to 64 bytes.
    #[arg(long, value_name = "LABEL")]
    pub(crate) label: String,
    /// operator, seller, warehouse, support, analyst or read-only.
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: String,
    /// For the role seller: the code of whose it is.
    #[arg(long, value_name = "CODE")]
    pub(crate) seller: Option<String>,
    /// For the role warehouse: the codes of where it works, each with a --location of its own; at most 16.
    #[arg(long = "location", value_name = "CODE")]
    pub(crate) locations: Vec<String>,
    /// From when on it is not valid any more, as 2027-01-31T00:00:00Z; by default it is valid for ever.
    #[arg(long, value_name = "TIME")]
    pub(crate) expires: Option<String>,
    /// Commands that it may bring in a second, over all connections; 0: no bound.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) commands_per_second: u32,
    /// The hash of a secret that was made elsewhere; without it one is made here.
    #[arg(long, value_name = "HASH")]
    pub(crate) hash: Option<String>,
    /// Write the new secret to this new file, for its owner alone, instead of printing it.
    #[arg(long, value_name = "FILE", conflicts_with = "hash")]
    pub(crate) out: Option<PathBuf>,
    /// Print the report as one JSON line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// See [`TokenVerb::List`].
#[derive(Debug, Args)]
pub(crate) struct TokenListArguments {
    #[command(flatten)]
    pub(crate) server: ConnectArguments,
    /// Print the report as one JSON line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// See [`TokenVerb::Revoke`].
#[derive(Debug, Args)]
pub(crate) struct TokenRevokeArguments {
    #[command(flatten)]
    pub(crate) server: ConnectArguments,
    /// The token's label.
    #[arg(value_name = "LABEL")]
    pub(crate) label: String,
    /// Print the report as one JSON line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// See [`Verb::Health`].
#[derive(Debug, Args)]
pub(crate) struct HealthArguments {
    /// Where it listens for HTTP; an address of this machine's own.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7412")]
    pub(crate) http: SocketAddr,
    /// The server's settings, which say whether it speaks TLS.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print the report as one JSON line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// See [`Verb::Completions`].
#[derive(Debug, Args)]
pub(crate) struct CompletionsArguments {
    /// For which shell.
    pub(crate) shell: Shell,
}
