//! `cargo xtask bench`: how fast a backlog reaches Kafka, beside how fast the server gives it away.

mod backlog;
mod raw;

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::json;
use walcast_testbed::{
    ConnectorConfig, KafkaOptions, PostgresOptions, ProcessUsage, Testbed, TestbedOptions, TopicReader,
    Walcast,
};

use crate::binary;
use backlog::Backlog;

/// The slot that the yardstick reads.
const RAW_SLOT: &str = "bench_raw";
/// The connector's name; slot and publication are named after it.
const NAME: &str = "bench";
/// How often the connector is asked how far it is.
const ASK_EVERY: Duration = Duration::from_millis(25);
/// No backlog of this size takes longer, whatever the machine.
const LIMIT: Duration = Duration::from_secs(900);

/// A backlog of a million changes: the raw stream, then walcast exactly once with Avro, then the raw stream again.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  cargo xtask bench\n  cargo xtask bench --changes 100000 --rounds 3\n  \
    cargo xtask bench --work-mem 1GB       # logical_decoding_work_mem of both\n\n\
    Machines are noisy: the ratio within one run is what counts. Nothing is asserted about time."
)]
pub(crate) struct Arguments {
    /// Changes that wait
    #[arg(long, default_value_t = 1_000_000)]
    changes: u64,
    /// How often the whole is done
    #[arg(long, default_value_t = 1)]
    rounds: u32,
    /// The server's logical_decoding_work_mem
    #[arg(long, value_name = "SIZE")]
    work_mem: Option<String>,
    /// Print JSON, one line a round
    #[arg(long)]
    json: bool,
}

struct Round {
    raw: Vec<Duration>,
    stream_bytes: u64,
    walcast: Duration,
    usage: ProcessUsage,
    idle_bytes: u64,
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let walcast = tokio::task::spawn_blocking(|| binary::build(true)).await??;
    let backlog = if arguments.changes == Backlog::FULL.changes() {
        Backlog::FULL
    } else {
        Backlog::scaled(arguments.changes)
    };
    let testbed = Box::pin(Testbed::start(options(arguments.work_mem.as_deref()))).await?;
    backlog::create_table(&testbed.postgres).await?;
    let config =
        ConnectorConfig::new(&testbed, NAME)?.set("postgres.tables", vec!["public.orders".to_owned()]);
    let mut delivered = 0;
    for number in 1..=arguments.rounds {
        let round = round(&testbed, &walcast, &config, backlog).await?;
        delivered += backlog.changes();
        let found = count(&testbed).await?;
        ensure!(
            found == delivered,
            "{found} records are in Kafka where {delivered} changes were made"
        );
        print(&arguments, number, backlog, &round)?;
    }
    Ok(())
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

async fn round(
    testbed: &Testbed,
    binary: &Path,
    config: &ConnectorConfig,
    backlog: Backlog,
) -> Result<Round> {
    let postgres = &testbed.postgres;
    // The slots come before the backlog; the connector makes its own.
    let mut first = Walcast::spawn_binary(binary, config, &[])?;
    first.wait_ready(LIMIT).await.context("walcast does not start")?;
    let idle_bytes = first.usage()?.resident_bytes;
    ensure!(
        first.sigterm(LIMIT).await?.success(),
        "walcast did not stop in good order"
    );
    postgres.execute("TRUNCATE orders").await?;
    postgres
        .execute(&format!(
            "SELECT pg_create_logical_replication_slot('{RAW_SLOT}', 'pgoutput')"
        ))
        .await?;
    eprintln!("writing {} changes", backlog.changes());
    backlog::write(postgres, backlog).await?;
    postgres.execute("CHECKPOINT").await?;

    let before = drain_raw(testbed, backlog).await?;
    eprintln!("raw      {:.2} s", before.elapsed.as_secs_f64());
    let (walcast, usage) = drain_with_walcast(binary, config, backlog).await?;
    eprintln!("walcast  {:.2} s", walcast.as_secs_f64());
    let after = drain_raw(testbed, backlog).await?;
    eprintln!("raw      {:.2} s", after.elapsed.as_secs_f64());
    postgres
        .execute(&format!("SELECT pg_drop_replication_slot('{RAW_SLOT}')"))
        .await?;
    Ok(Round {
        raw: vec![before.elapsed, after.elapsed],
        stream_bytes: before.bytes,
        walcast,
        usage,
        idle_bytes,
    })
}

async fn drain_raw(testbed: &Testbed, backlog: Backlog) -> Result<raw::Drained> {
    let postgres = &testbed.postgres;
    let (port, options) = (postgres.port(), postgres.options().clone());
    walcast_testbed::wait_until("the raw slot to be free", LIMIT, async || {
        let sql = format!("SELECT active FROM pg_replication_slots WHERE slot_name = '{RAW_SLOT}'");
        let client = postgres.client().await?;
        let row = client
            .query_one(&sql, &[])
            .await
            .map_err(|source| walcast_testbed::Error::Postgres {
                action: "looking at the raw slot".to_owned(),
                source,
            })?;
        Ok(!row.get::<_, bool>(0))
    })
    .await?;
    let publication = format!("walcast_{NAME}");
    let commits = backlog.transactions();
    tokio::task::spawn_blocking(move || {
        raw::drain(
            port,
            &options.superuser,
            &options.database,
            RAW_SLOT,
            &publication,
            commits,
        )
    })
    .await?
}

/// From the start of the process until Kafka has committed the last change.
async fn drain_with_walcast(
    binary: &Path,
    config: &ConnectorConfig,
    backlog: Backlog,
) -> Result<(Duration, ProcessUsage)> {
    let begun = Instant::now();
    let mut walcast = Walcast::spawn_binary(binary, config, &[])?;
    loop {
        // Until the admin interface is up there is nothing to read.
        let page = walcast.ask("metrics").await.unwrap_or_default();
        if delivered_transactions(&page) >= backlog.transactions() {
            break;
        }
        if let Some(status) = walcast.ended()? {
            anyhow::bail!("walcast ended with {status}:\n{}", walcast.log());
        }
        ensure!(
            begun.elapsed() < LIMIT,
            "the backlog is not delivered after {} s",
            LIMIT.as_secs()
        );
        tokio::time::sleep(ASK_EVERY).await;
    }
    let elapsed = begun.elapsed();
    let usage = walcast.usage()?;
    ensure!(
        walcast.sigterm(LIMIT).await?.success(),
        "walcast did not stop in good order"
    );
    Ok((elapsed, usage))
}

fn delivered_transactions(page: &str) -> u64 {
    let line = page
        .lines()
        .find(|line| line.starts_with("walcast_transactions_total"));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok())
        .unwrap_or(0)
}

async fn count(testbed: &Testbed) -> Result<u64> {
    let mut records = 0;
    let mut reader = TopicReader::new(&testbed.kafka.brokers(), [format!("{NAME}.public.orders")]);
    reader.scan_new(|_| records += 1).await?;
    Ok(records)
}

fn print(arguments: &Arguments, number: u32, backlog: Backlog, round: &Round) -> Result<()> {
    let seconds: Vec<f64> = round.raw.iter().map(Duration::as_secs_f64).collect();
    let raw = seconds.iter().sum::<f64>() / f64::from(u32::try_from(seconds.len())?);
    let walcast = round.walcast.as_secs_f64();
    let per_second = f64::from(u32::try_from(backlog.changes())?) / walcast;
    let megabytes = |bytes: u64| bytes / (1024 * 1024);
    let mut out = std::io::stdout().lock();
    if arguments.json {
        let figures = json!({
            "round": number, "changes": backlog.changes(), "transactions": backlog.transactions(),
            "stream_bytes": round.stream_bytes, "raw_seconds": seconds, "walcast_seconds": walcast,
            "ratio": raw / walcast, "changes_per_second": per_second, "cpu_seconds": round.usage.cpu_seconds,
            "rss_peak_bytes": round.usage.resident_bytes_peak, "rss_idle_bytes": round.idle_bytes,
        });
        writeln!(out, "{figures}")?;
        return Ok(());
    }
    writeln!(
        out,
        "round {number}: {} changes in {} transactions, {} MB of stream",
        backlog.changes(),
        backlog.transactions(),
        megabytes(round.stream_bytes)
    )?;
    writeln!(
        out,
        "  raw stream, nothing done with it      {:>6.2} s, {:.2} s",
        seconds[0], seconds[1]
    )?;
    writeln!(
        out,
        "  walcast, exactly once, Avro           {walcast:>6.2} s  ({per_second:.0} changes/s)"
    )?;
    writeln!(
        out,
        "  raw / walcast                         {:>6.2}",
        raw / walcast
    )?;
    writeln!(
        out,
        "  walcast, processor time               {:>6.2} s",
        round.usage.cpu_seconds
    )?;
    writeln!(
        out,
        "  walcast, memory idle / peak           {:>6} / {} MB",
        megabytes(round.idle_bytes),
        megabytes(round.usage.resident_bytes_peak)
    )?;
    Ok(())
}
