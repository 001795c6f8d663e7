//! `cargo xtask bench`: how fast changes reach Kafka, beside how fast the server gives them away.

mod backlog;
mod command;
mod connector;
mod figures;
mod growth;
mod latency;
mod meter;
mod peers;
mod plot;
mod raw;
mod report;
mod round;
mod rows;
mod starts;
mod suite;
mod verification;

use anyhow::Result;
use clap::{Args, Subcommand};
use walcast_testbed::{
    Debezium, DebeziumOptions, KafkaOptions, PostgresOptions, Testbed, TestbedOptions, Walcast,
};

use backlog::{Backlog, Workload};
use peers::Wanted;
use round::Race;
use rows::{Shape, Task};

/// The heap of Debezium's worker: what Kafka's own start script gives one at most is 2 GB.
const DEBEZIUM_HEAP_MB: u32 = 2048;
/// Existing rows, if no number is asked for.
const ROWS: u64 = 1_000_000;

/// A backlog of changes: the raw stream, then walcast exactly once with Avro, then the raw stream again.
#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  cargo xtask bench\n  cargo xtask bench --changes 100000 --rounds 3\n  \
    cargo xtask bench --workload toast     # other changes: large-transaction, full-identity, toast, tables\n  \
    cargo xtask bench --peers              # walcast at least once and Debezium over the same backlog\n  \
    cargo xtask bench --without-context-headers\n  \
    cargo xtask bench --work-mem 1GB       # logical_decoding_work_mem of all\n  \
    cargo xtask bench --rows               # existing rows, beside COPY and Debezium\n  \
    cargo xtask bench --rows --shape toast --changes 20000\n  \
    cargo xtask bench latency              # a steady flow, beside Debezium\n  \
    cargo xtask bench growth               # larger transactions, rows, numbers of tables, outages\n  \
    cargo xtask bench verify               # a comparison of source and topics, beside reading both\n  \
    cargo xtask bench replay               # a steady flow beside a replay\n  \
    cargo xtask bench suite                # all of it, written to docs/benchmarks.md\n\n\
    Before the first round each delivers a backlog of 200000 changes (or of --changes, if that is less) that is not \
    counted: a broker that has just started is slower, and files it has never seen are not in memory yet.\n\n\
    Machines are noisy: the ratio within one run is what counts. Nothing is asserted about time."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    other: Option<Other>,
    /// What kind of changes wait
    #[arg(long, value_enum, default_value_t = Workload::Mixed, conflicts_with = "rows")]
    workload: Workload,
    /// Changes that wait; by default 150000 to 1000000, by workload
    #[arg(long, value_parser = clap::value_parser!(u64).range(3..))]
    changes: Option<u64>,
    /// How often the whole is done
    #[arg(long, default_value_t = 1)]
    rounds: u32,
    /// The server's logical_decoding_work_mem
    #[arg(long, value_name = "SIZE")]
    work_mem: Option<String>,
    /// Measure walcast at least once and Debezium over the same backlog
    #[arg(long, conflicts_with = "rows")]
    peers: bool,
    /// Measure Debezium with larger queues and batches too
    #[arg(long, requires = "peers")]
    tuned: bool,
    /// Measure walcast without Debezium's context headers too
    #[arg(long, conflicts_with = "rows")]
    without_context_headers: bool,
    /// Measure existing rows instead: tables of --changes rows together, at the first start
    #[arg(long, conflicts_with_all = ["json", "work_mem"])]
    rows: bool,
    /// How many tables share the rows: a thread of Debezium's reads whole tables
    #[arg(long, default_value_t = 4, requires = "rows", value_parser = clap::value_parser!(u32).range(1..))]
    tables: u32,
    /// What a row looks like
    #[arg(long, value_enum, default_value_t = Shape::Orders, requires = "rows")]
    shape: Shape,
    /// With how many sessions walcast reads beside one
    #[arg(long, default_value_t = 2, requires = "rows")]
    sessions: u32,
    /// Leave Debezium out
    #[arg(long, requires = "rows")]
    without_debezium: bool,
    /// Print JSON, one line a round
    #[arg(long)]
    json: bool,
}

/// Measurements of something other than a backlog.
#[derive(Subcommand)]
enum Other {
    /// How long a steady flow takes from the commit to the consumer
    Latency(latency::Arguments),
    /// How throughput, memory and start grow with transactions, rows, tables and outages
    Growth(growth::Arguments),
    /// How fast both sides are compared, beside how fast they are read
    Verify(verification::Arguments),
    /// How long a steady flow takes beside a replay
    Replay(latency::BesideArguments),
    /// All measurements beside Debezium, as a document
    Suite(suite::Arguments),
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let walcast = Walcast::binary()?;
    let testbed = Box::pin(Testbed::start(options(arguments.work_mem.as_deref()))).await?;
    match &arguments.other {
        Some(Other::Latency(flows)) => return Box::pin(latency::run(&testbed, &walcast, flows)).await,
        Some(Other::Growth(growth)) => return Box::pin(growth::run(&testbed, &walcast, growth)).await,
        Some(Other::Verify(verify)) => return Box::pin(verification::run(&testbed, &walcast, verify)).await,
        Some(Other::Replay(replay)) => {
            return Box::pin(latency::run_beside(&testbed, &walcast, replay)).await;
        }
        Some(Other::Suite(suite)) => return Box::pin(suite::run(&testbed, &walcast, suite)).await,
        None => {}
    }
    if arguments.rows {
        let task = Task {
            rows: arguments.changes.unwrap_or(ROWS),
            tables: arguments.tables,
            shape: arguments.shape,
            sessions: arguments.sessions,
            rounds: arguments.rounds,
            without_debezium: arguments.without_debezium,
        };
        return rows::run(&testbed, &walcast, &task).await;
    }
    let changes = arguments.changes.unwrap_or(arguments.workload.default_changes());
    let backlog = Backlog::of(arguments.workload, changes);
    let worker = if arguments.peers {
        Some(debezium_worker(&testbed).await?)
    } else {
        None
    };
    let wanted = Wanted {
        without_context_headers: arguments.without_context_headers,
        at_least_once: arguments.peers,
        tuned: arguments.tuned,
    };
    let race = Race::new(&testbed, &walcast, backlog, worker.as_ref(), wanted)?;
    let print = if arguments.json {
        report::print_json
    } else {
        report::print
    };
    Box::pin(race.run(arguments.rounds, |number, round| print(number, backlog, round))).await
}

/// A worker of the default release of Debezium, as it is run in production.
async fn debezium_worker(testbed: &Testbed) -> Result<Debezium> {
    let options = DebeziumOptions {
        heap_mb: DEBEZIUM_HEAP_MB,
        optimised: true,
        ..DebeziumOptions::default()
    };
    Ok(Debezium::start_with(&testbed.kafka, options).await?)
}

fn options(work_mem: Option<&str>) -> TestbedOptions {
    let mut settings: Vec<(String, String)> = [
        ("max_wal_size", "8GB"),
        ("checkpoint_timeout", "1h"),
        // A publication of ten thousand tables locks all of them.
        ("max_locks_per_transaction", "1024"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    settings.extend(work_mem.map(|size| ("logical_decoding_work_mem".to_owned(), size.to_owned())));
    TestbedOptions {
        postgres: PostgresOptions {
            settings,
            ..PostgresOptions::default()
        },
        kafka: KafkaOptions {
            heap_mb: 768,
            optimised: true,
            ..KafkaOptions::default()
        },
    }
}
