//! Appends the changes of a table to an audit trail, with the context of their transactions.
//!
//! ```text
//! cargo run -p walcast-examples --bin audit_trail -- --topic shop.public.orders --database postgres://localhost/audit
//! ```

use clap::Parser;
use walcast_examples::{Source, audit_trail};

/// Append the changes of a topic to a table that nothing is removed from
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    source: Source,

    /// Consumer group
    #[arg(long, default_value = "walcast-audit-trail")]
    group: String,

    /// URL of the database of the audit trail
    #[arg(long)]
    database: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let Arguments {
        source,
        group,
        database,
    } = Arguments::parse();
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    audit_trail::run(&source, &group, &database, stop).await
}
