//! Builds a projection of the lines of orders, and keeps it up to date.
//!
//! ```text
//! cargo run -p walcast-examples --bin projection -- --topic lines.public.order_lines --database postgres://localhost/model sales
//! ```

use clap::Parser;
use walcast_examples::Source;
use walcast_examples::projection::{self, Projection};

/// Build a projection of the lines of orders, and keep it up to date
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    source: Source,

    /// URL of the database of the projections
    #[arg(long)]
    database: String,

    /// What is projected
    projection: Projection,

    /// Drop the projection first, and build it from zero
    #[arg(long)]
    rebuild: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let Arguments {
        source,
        database,
        projection,
        rebuild,
    } = Arguments::parse();
    if rebuild {
        projection::drop_schema(projection, &database).await?;
    }
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    projection::run(projection, &source, &database, stop).await
}
