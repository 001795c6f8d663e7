//! Prints the orders that were placed, whichever version their events have.
//!
//! ```text
//! cargo run -p walcast-examples --bin upcast -- --topic placed.public.order_events
//! ```

use std::io::Write;

use clap::Parser;
use walcast_examples::Source;
use walcast_examples::upcast::{self, OrderPlaced};

/// Print the orders that were placed, whichever version their events have
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    source: Source,

    /// Consumer group
    #[arg(long, default_value = "walcast-upcast")]
    group: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let Arguments { source, group } = Arguments::parse();
    let print = |order: OrderPlaced| drop(writeln!(std::io::stdout().lock(), "{order:?}"));
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    upcast::run(&source, &group, print, stop).await
}
