//! Places orders, written twice or with an outbox, and finds those that were not announced.
//!
//! ```text
//! cargo run -p walcast-examples --bin checkout -- --database postgres://postgres@localhost:5432/checkout outbox
//! ```

use std::io::Write;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand};
use walcast_examples::checkout;

/// How long the checkout tries to send an event.
const SEND_LIMIT: Duration = Duration::from_secs(2);

/// Place orders, and find those that were not announced
#[derive(Debug, Parser)]
struct Arguments {
    /// URL of the database of the checkout
    #[arg(long)]
    database: String,

    /// Bootstrap addresses of Kafka
    #[arg(long, default_value = "127.0.0.1:9092")]
    brokers: String,

    /// Topic of the events
    #[arg(long, default_value = "checkout.order")]
    topic: String,

    /// First order
    #[arg(long, default_value_t = 1)]
    from: i32,

    /// Last order
    #[arg(long, default_value_t = 10)]
    to: i32,

    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Action {
    /// Store each order, and send its event to Kafka afterwards
    DualWrite,
    /// Store each order and its event in one transaction
    Outbox,
    /// Print the orders that the topic has no event of
    Missing,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let Arguments {
        database,
        brokers,
        topic,
        from,
        to,
        action,
    } = Arguments::parse();
    let mut output = std::io::stdout().lock();
    match action {
        Action::DualWrite => {
            let unsent = checkout::dual_write(&database, &brokers, &topic, from..=to, SEND_LIMIT).await?;
            writeln!(output, "events that could not be sent: {unsent:?}")
        }
        Action::Outbox => {
            checkout::outbox(&database, from..=to).await?;
            writeln!(output, "orders {from} to {to} are stored")
        }
        Action::Missing => {
            let missing = checkout::missing(&database, &brokers, &topic, from).await?;
            writeln!(output, "{missing:?}")
        }
    }
    .context("stdout cannot be written to")
}
