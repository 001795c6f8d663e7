//! A steady flow alone, beside a replay, and alone again, in one run of the connector.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use walcast_testbed::{ConnectorConfig, Testbed, Walcast};

use super::load;
use super::report::{self, Line};
use super::runs::{self, Contestant, Flow, Running};
use crate::bench::command;
use crate::bench::connector::{LIMIT, await_transactions};

/// A steady flow with and without a replay beside it: commit to consumer.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  cargo xtask bench replay\n  cargo xtask bench replay --rate 3000 --window 5000000\n\n\
    While the flow is measured, a window of another table is replayed into side topics, again and again. Nothing is asserted."
)]
pub(crate) struct Arguments {
    /// Transactions of one row per second
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(in crate::bench) rate: u32,
    /// Seconds of a measurement
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub(in crate::bench) seconds: u32,
    /// Records of the window
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(10..))]
    pub(in crate::bench) window: u64,
}

/// The flow in one of the three measurements.
#[derive(Clone)]
pub(in crate::bench) struct Beside {
    pub(in crate::bench) line: Line,
    /// Number of records of the replays that were completed meanwhile.
    pub(in crate::bench) replayed: u64,
}

/// Name of the connector.
const NAME: &str = "beside";

/// Transactions that write the window.
const TRANSACTIONS: u64 = 10;

/// How often the connector is asked whether it has delivered the window.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// Measures, and prints the lines.
pub(in crate::bench) async fn run(testbed: &Testbed, binary: &Path, arguments: &Arguments) -> Result<()> {
    report::print_head()?;
    for measured in measure(testbed, binary, arguments).await? {
        report::print(&measured.line, false)?;
        if measured.replayed > 0 {
            eprintln!("{} records were replayed meanwhile", measured.replayed);
        }
    }
    Ok(())
}

/// Measures the flow alone, beside a replay, and alone again.
pub(in crate::bench) async fn measure(
    testbed: &Testbed,
    binary: &Path,
    arguments: &Arguments,
) -> Result<Vec<Beside>> {
    let postgres = &testbed.postgres;
    load::create_table(postgres).await?;
    postgres
        .execute("CREATE TABLE replayed (id bigint PRIMARY KEY, note text NOT NULL)")
        .await?;
    let tables = ["public.pings", "public.replayed"].map(str::to_owned);
    let config = ConnectorConfig::new(testbed, NAME)?
        .set("postgres.tables", tables.to_vec())
        .set("snapshot.mode", "never");
    let mut walcast = Walcast::spawn_binary(binary, &config, &[])?;
    walcast
        .wait_ready(LIMIT)
        .await
        .context("walcast does not start")?;
    let row = postgres.client().await?;
    let row = row.query_one("SELECT pg_current_wal_lsn()::text", &[]).await?;
    let from: String = row.get(0);
    let each = arguments.window / TRANSACTIONS;
    for number in 0..TRANSACTIONS {
        let (first, last) = (number * each + 1, (number + 1) * each);
        postgres
            .execute(&format!(
                "INSERT INTO replayed SELECT n, 'a note of an ordinary length' FROM generate_series({first}, {last}) n"
            ))
            .await?;
    }
    await_transactions(&mut walcast, TRANSACTIONS, ASK_EVERY).await?;

    let flow = Flow {
        rate: arguments.rate,
        rows: 1,
        lasts: Duration::from_secs(arguments.seconds.into()),
    };
    runs::warm_up(testbed, flow).await?;
    let running = Running::Walcast(walcast);
    let mut measured = Vec::new();
    for (what, is_beside) in [
        ("alone", false),
        ("beside a replay", true),
        ("alone again", false),
    ] {
        let mut completed = 0;
        let flowing = Box::pin(runs::measure_flow(testbed, &running, NAME, flow));
        let found = match is_beside {
            false => flowing.await?,
            true => tokio::select! {
                found = flowing => found?,
                error = replays(binary, &config, &from, &mut completed) => bail!(error),
            },
        };
        let line = Line::of(&Contestant::Walcast("exactly_once"), flow, &found);
        measured.push(Beside {
            line: Line {
                contestant: format!("walcast, {what}"),
                ..line
            },
            replayed: completed * each * TRANSACTIONS,
        });
    }
    runs::end(testbed, running, NAME).await?;
    Ok(measured)
}

/// Replays the window again and again, each time into other topics, until dropped or an error occurs.
async fn replays(binary: &Path, config: &ConnectorConfig, from: &str, completed: &mut u64) -> anyhow::Error {
    loop {
        let into = format!("beside{completed}");
        let arguments = [
            "replay",
            "start",
            "--from",
            from,
            "--tables",
            "public.replayed",
            "--into",
            &into,
        ];
        match command::run(binary, config, &arguments).await {
            Ok(_) => *completed += 1,
            Err(error) => return error,
        }
    }
}
