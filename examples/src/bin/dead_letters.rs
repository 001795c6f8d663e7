//! Adds up a column, and sets aside the records whose value is not a number.
//!
//! ```text
//! cargo run -p walcast-examples --bin dead_letters -- --topic shop.public.orders --column total
//! ```

use std::io::Write;

use clap::Parser;
use serde_json::Value as Json;
use walcast_examples::{Source, dead_letters};

/// Add up a column of new rows; records that cannot be added are written to a topic of dead letters
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    source: Source,

    /// Consumer group
    #[arg(long, default_value = "walcast-dead-letters")]
    group: String,

    /// Column to add up
    #[arg(long)]
    column: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let Arguments {
        source,
        group,
        column,
    } = Arguments::parse();
    let mut sum = 0.0;
    let process = |row: &Json| {
        let value = &row[&column];
        let number = value.as_f64().or_else(|| value.as_str()?.parse().ok());
        sum += number.ok_or_else(|| format!("{column} is not a number: {value}"))?;
        writeln!(std::io::stdout().lock(), "{sum}").map_err(|error| error.to_string())
    };
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    dead_letters::run(&source, &group, process, stop).await
}
