//! Writes orders at a steady rate, order 8471 among them.
//!
//! ```text
//! cargo run -p walcast-examples --bin order_service -- --database postgres://postgres@localhost:5432/shop
//! ```

use clap::Parser;
use walcast_examples::order_service;

/// Place, change, cancel and refund orders, order 8471 among them
#[derive(Debug, Parser)]
struct Arguments {
    /// URL of the database of the service
    #[arg(long)]
    database: String,

    /// Number of orders; each is three writes
    #[arg(long, default_value_t = 1000)]
    orders: u32,

    /// Writes in a second
    #[arg(long, default_value_t = 200)]
    writes_per_second: u32,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let Arguments {
        database,
        orders,
        writes_per_second,
    } = Arguments::parse();
    order_service::run(&database, orders, writes_per_second).await
}
