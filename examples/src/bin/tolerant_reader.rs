//! Prints items, whatever version of the table they were written in.
//!
//! ```text
//! cargo run -p walcast-examples --bin tolerant_reader -- --topic shop.public.items
//! ```

use std::io::Write;

use clap::Parser;
use walcast_examples::Source;
use walcast_examples::tolerant_reader::{self, Item};

/// Print the rows of a table as this program needs them
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    source: Source,

    /// Consumer group
    #[arg(long, default_value = "walcast-tolerant-reader")]
    group: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let Arguments { source, group } = Arguments::parse();
    let print = |item: Item| drop(writeln!(std::io::stdout().lock(), "{item:?}"));
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    tolerant_reader::run(&source, &group, print, stop).await
}
