//! Runs the services of a saga, or places an order that begins one.
//!
//! ```text
//! cargo run -p walcast-examples --bin saga -- --topic saga.events --database postgres://postgres@localhost:5432/saga choreographed
//! ```

use clap::Parser;
use walcast_examples::Source;
use walcast_examples::saga::{self, Style};

/// Run the services of a saga, or place an order that begins one
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    source: Source,

    /// Beginning of the names of the consumer groups
    #[arg(long, default_value = "walcast-saga")]
    group: String,

    /// URL of the database of the services
    #[arg(long)]
    database: String,

    /// Place the order of this number, and end
    #[arg(long, value_name = "ORDER")]
    place: Option<String>,

    /// Card of the order; the card "declined" is not charged
    #[arg(long, default_value = "visa")]
    card: String,

    /// Who decides what follows an event
    style: Style,
}

/// The only item of the shop, and how many there are.
const ITEM: (&str, i32) = ("teapot", 10);

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let Arguments {
        source,
        group,
        database,
        place,
        card,
        style,
    } = Arguments::parse();
    let (sku, available) = ITEM;
    saga::set_up(&database, sku, available).await?;
    if let Some(order) = place {
        return saga::place(style, &database, &order, sku, &card).await;
    }
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    saga::run(style, &source, &group, &database, stop).await
}
