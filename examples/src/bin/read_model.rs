//! Keeps the rows of a table in another database, each change applied exactly once.
//!
//! ```text
//! cargo run -p walcast-examples --bin read_model -- --topic shop.public.orders --database postgres://localhost/model
//! ```

use clap::Parser;
use walcast_examples::{Source, read_model};

/// Apply the records of a topic to a Postgres database, exactly once
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    source: Source,

    /// URL of the database of the read model
    #[arg(long)]
    database: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let Arguments { source, database } = Arguments::parse();
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    read_model::run(&source, &database, stop).await
}
