//! `cargo xtask demo`: the whole of it on a fresh machine, with a verdict.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use walcast_testbed::{
    Audit, Cells, ConnectorConfig, Load, LoadOptions, Payload, Record, Shop, Testbed, TestbedOptions,
    Verdict, Walcast,
};

/// The connector's name, and the first part of the topics' names.
const NAME: &str = "demo";
/// How often a line is printed.
const LINE_EVERY: Duration = Duration::from_secs(1);
/// A server that takes longer than this is broken.
const LIMIT: Duration = Duration::from_secs(120);
/// How much of a decoded record fits a line.
const RECORD_CHARS: usize = 100;

/// A shop writes, walcast delivers and is killed twice, an independent consumer judges.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  cargo xtask demo\n  cargo xtask demo --seconds 120 --writes 1000\n\n\
    Exit code 0: every change of the source was found once in Kafka, in order. 1: it was not, or something failed."
)]
pub(crate) struct Arguments {
    /// How long the shop is open
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(6..))]
    seconds: u32,
    /// Row changes a second
    #[arg(long, default_value_t = 200)]
    writes: u32,
    /// Seed of the shop's choices
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Major version of Postgres, 12 to 18
    #[arg(long, default_value_t = 17)]
    postgres: u16,
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let binary = Walcast::binary()?;
    let mut options = TestbedOptions::default();
    options.postgres.major = arguments.postgres;
    let testbed = Box::pin(Testbed::start(options)).await?;
    say(&format!("postgres  {}", testbed.postgres.url()))?;
    say(&format!("kafka     {}", testbed.kafka.brokers()))?;
    say(&format!("registry  {}", testbed.registry.url()))?;
    let shop = Shop::create(&testbed.postgres).await?;
    let config = ConnectorConfig::new(&testbed, NAME)?;
    say(&format!("\nwalcast.toml\n{}", config.text()))?;
    let mut stage = Stage::open(&testbed, binary, config).await?;
    let load_options = LoadOptions {
        writes_per_second: Some(arguments.writes),
        seed: arguments.seed,
        ..LoadOptions::default()
    };
    let load = shop.run(&testbed.postgres, &load_options);
    stage.show(&load, arguments.seconds).await?;
    let written = load.stop().await?;
    say(&format!(
        "\nthe shop is closed: {} transactions, {} row changes",
        written.transactions, written.writes
    ))?;
    let verdict = stage.judge().await?;
    say(&format!("\n{verdict}"))?;
    ensure!(
        verdict.is_clean(),
        "the topics do not match the journal of the source"
    );
    say("verdict: every change once, in order")
}

struct Stage<'a> {
    testbed: &'a Testbed,
    binary: PathBuf,
    config: ConnectorConfig,
    walcast: Walcast,
    audit: Audit,
}

impl<'a> Stage<'a> {
    async fn open(testbed: &'a Testbed, binary: PathBuf, config: ConnectorConfig) -> Result<Self> {
        let walcast = start(&binary, &config).await?;
        let audit = Audit::new(testbed, NAME, &Shop::TABLES)?;
        Ok(Self {
            testbed,
            binary,
            config,
            walcast,
            audit,
        })
    }

    /// Prints a line each second; kills the connector after a third and after two thirds of the time.
    async fn show(&mut self, load: &Load, seconds: u32) -> Result<()> {
        let begun = Instant::now();
        for second in 1..=seconds {
            tokio::time::sleep_until((begun + LINE_EVERY * second).into()).await;
            if second == seconds / 3 || second == seconds * 2 / 3 {
                say("      SIGKILL to walcast; started again")?;
                self.kill_and_start_again().await?;
            }
            let records = self.audit.refresh().await?;
            let last = records.iter().rev().find_map(describe).unwrap_or_default();
            let delivered = self
                .audit
                .records()
                .iter()
                .filter(|record| record.payload != Payload::Tombstone)
                .count();
            let lag = self.lag().await;
            let writes = load.progress().writes;
            say(&format!(
                "{second:>4} s  {writes:>7} written  {delivered:>7} delivered  lag {lag:>8}  {last}"
            ))?;
        }
        Ok(())
    }

    async fn kill_and_start_again(&mut self) -> Result<()> {
        let next = Walcast::spawn_binary(&self.binary, &self.config.second_instance()?, &[])?;
        std::mem::replace(&mut self.walcast, next).kill9()?;
        Ok(())
    }

    async fn lag(&self) -> String {
        let page = self.walcast.ask("metrics").await.unwrap_or_default();
        let line = page.lines().find(|line| line.starts_with("walcast_lag_seconds{"));
        line.and_then(|line| line.rsplit(' ').next())
            .map_or_else(|| "-".to_owned(), |lag| format!("{lag} s"))
    }

    async fn judge(mut self) -> Result<Verdict> {
        self.walcast.wait_ready(LIMIT).await?;
        let delivered = self
            .audit
            .wait_until_delivered(&self.testbed.postgres, LIMIT)
            .await;
        let ended = self.walcast.sigterm(LIMIT).await?;
        if !ended.success() {
            bail!("walcast ended with {ended}:\n{}", self.walcast.log());
        }
        // The verdict names the changes that are missing.
        if let Err(error) = delivered {
            say(&format!("{error}"))?;
        }
        Ok(self.audit.verdict(&self.testbed.postgres).await?)
    }
}

async fn start(binary: &Path, config: &ConnectorConfig) -> Result<Walcast> {
    let mut walcast = Walcast::spawn_binary(binary, config, &[])?;
    walcast
        .wait_ready(LIMIT)
        .await
        .context("walcast does not start")?;
    Ok(walcast)
}

/// One record as a consumer sees it, short.
fn describe(record: &Record) -> Option<String> {
    let Payload::Change(change) = &record.payload else {
        return None;
    };
    let row = change.after.as_ref().or(change.before.as_ref())?;
    let text = format!("{} {} {}", record.topic, change.op, columns(row));
    Some(text.chars().take(RECORD_CHARS).collect())
}

fn columns(row: &Cells) -> String {
    let cells: Vec<String> = row
        .iter()
        .map(|(name, cell)| format!("{name}={}", cell.to_text().unwrap_or_else(|| "null".to_owned())))
        .collect();
    cells.join(" ")
}

fn say(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
