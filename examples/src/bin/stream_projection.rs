//! Keeps the states of the streams of an event store in a database, beginning with their snapshots.
//!
//! ```text
//! cargo run -p walcast-examples --bin stream_projection -- --topic shop.public.events --database postgres://localhost/model
//! ```

use clap::Parser;
use walcast_examples::{Source, stream_projection};

/// Keep the states of the streams of an event store in a database, beginning with their snapshots
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    source: Source,

    /// URL of the database of the states
    #[arg(long)]
    database: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let Arguments { source, database } = Arguments::parse();
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    stream_projection::run(&source, &database, stop).await
}
