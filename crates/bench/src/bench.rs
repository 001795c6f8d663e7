//! `cargo xtask bench`: how fast a backlog reaches Kafka, beside how fast the server gives it away.

mod backlog;
mod latency;
mod peers;
mod raw;
mod report;
mod round;
mod rows;
mod starts;
mod suite;

use std::path::Path;

use anyhow::{Result, ensure};
use clap::{Args, Subcommand};
use walcast_testbed::{
    ConnectorConfig, Debezium, DebeziumOptions, KafkaOptions, PostgresOptions, Testbed, TestbedOptions,
    TopicReader, Walcast,
};

use backlog::Backlog;
use peers::Peers;
use round::Round;
use rows::{Shape, Task};

/// The connector's name; slot and publication are named after it.
const NAME: &str = "bench";
/// The heap of Debezium's worker: what Kafka's own start script gives one at most is 2 GB.
const DEBEZIUM_HEAP_MB: u32 = 2048;
/// Changes that are delivered before anything is measured: enough for the broker's compiler to have seen its hot paths.
const WARM_UP_CHANGES: u64 = 200_000;

/// A backlog of a million changes: the raw stream, then walcast exactly once with Avro, then the raw stream again.
#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  cargo xtask bench\n  cargo xtask bench --changes 100000 --rounds 3\n  \
    cargo xtask bench --work-mem 1GB       # logical_decoding_work_mem of both\n  \
    cargo xtask bench --rows               # existing rows, beside COPY and Debezium\n  \
    cargo xtask bench --rows --shape toast --changes 20000\n  \
    cargo xtask bench --peers              # walcast at least once and Debezium over the same backlog\n  \
    cargo xtask bench latency              # a steady flow, beside Debezium\n  \
    cargo xtask bench suite                # all of it, written to docs/benchmarks.md\n\n\
    Before the first round walcast delivers a backlog of 200000 changes (or of --changes, if that is less) that is not \
    counted: a broker that has just started is slower, and files it has never seen are not in memory yet.\n\n\
    Machines are noisy: the ratio within one run is what counts. Nothing is asserted about time."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    other: Option<Other>,
    /// Changes that wait
    #[arg(long, default_value_t = 1_000_000)]
    changes: u64,
    /// How often the whole is done
    #[arg(long, default_value_t = 1)]
    rounds: u32,
    /// The server's logical_decoding_work_mem
    #[arg(long, value_name = "SIZE")]
    work_mem: Option<String>,
    /// Measure walcast at least once and Debezium over the same backlog
    #[arg(long, conflicts_with_all = ["json", "rows"])]
    peers: bool,
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
    /// Backlog, steady flow, start and existing rows, beside Debezium, as a document
    Suite(suite::Arguments),
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let walcast = Walcast::binary()?;
    let backlog = Backlog::of(arguments.changes);
    let testbed = Box::pin(Testbed::start(options(arguments.work_mem.as_deref()))).await?;
    match &arguments.other {
        Some(Other::Latency(flows)) => return Box::pin(latency::run(&testbed, &walcast, flows)).await,
        Some(Other::Suite(suite)) => return Box::pin(suite::run(&testbed, &walcast, suite)).await,
        None => {}
    }
    if arguments.rows {
        let task = Task {
            rows: arguments.changes,
            tables: arguments.tables,
            shape: arguments.shape,
            sessions: arguments.sessions,
            rounds: arguments.rounds,
            without_debezium: arguments.without_debezium,
        };
        return rows::run(&testbed, &walcast, &task).await;
    }
    let peers = if arguments.peers {
        Some(Peers::start(&testbed).await?)
    } else {
        None
    };
    let rounds = arguments.rounds;
    measure_backlog(&testbed, &walcast, backlog, rounds, peers, |number, round| {
        if arguments.json {
            report::print_json(number, backlog, round)
        } else {
            report::print(number, backlog, round)
        }
    })
    .await
}

/// Writes a backlog as often as there are rounds, and has it delivered.
async fn measure_backlog(
    testbed: &Testbed,
    walcast: &Path,
    backlog: Backlog,
    rounds: u32,
    peers: Option<Peers>,
    mut each: impl FnMut(u32, &Round) -> Result<()>,
) -> Result<()> {
    backlog::create_table(&testbed.postgres).await?;
    let config =
        ConnectorConfig::new(testbed, NAME)?.set("postgres.tables", vec!["public.orders".to_owned()]);
    let warm_up = Backlog::of(backlog.changes().min(WARM_UP_CHANGES));
    round::warm_up(testbed, walcast, &config, peers.as_ref(), warm_up).await?;
    let mut delivered = warm_up.changes();
    check_count(testbed, delivered).await?;
    for number in 1..=rounds {
        let round = round::measure(testbed, walcast, &config, peers.as_ref(), backlog).await?;
        delivered += backlog.changes();
        check_count(testbed, delivered).await?;
        each(number, &round)?;
    }
    Ok(())
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
    let mut settings = vec![
        ("max_wal_size".to_owned(), "8GB".to_owned()),
        ("checkpoint_timeout".to_owned(), "1h".to_owned()),
    ];
    settings.extend(work_mem.map(|size| ("logical_decoding_work_mem".to_owned(), size.to_owned())));
    TestbedOptions {
        postgres: PostgresOptions {
            settings,
            ..PostgresOptions::default()
        },
        kafka: KafkaOptions {
            heap_mb: 768,
            ..KafkaOptions::default()
        },
    }
}

/// A fast connector that loses or doubles changes would be worth nothing.
async fn check_count(testbed: &Testbed, delivered: u64) -> Result<()> {
    let mut found = 0;
    let mut reader = TopicReader::new(&testbed.kafka.brokers(), [format!("{NAME}.public.orders")]);
    reader.scan_new(|_| found += 1).await?;
    ensure!(
        found == delivered,
        "{found} records are in Kafka where {delivered} changes were made"
    );
    Ok(())
}
