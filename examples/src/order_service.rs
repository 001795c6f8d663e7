//! The writes of an order service: orders are placed, changed, cancelled and refunded at a steady rate, order 8471 among them.

use std::time::Duration;

use anyhow::Context;
use tokio_postgres::Client;

use crate::postgres::connect;

const SCHEMA: &str = include_str!("../orders/schema.sql");
/// Transactions of order 8471, each with the context of its user.
const DISPUTE: &str = include_str!("../orders/dispute.sql");

/// More than a service does.
const WRITES_PER_SECOND_MAX: u32 = 1_000_000;

/// Writes of an order: its placement, a coupon or none, and its cancellation or refund.
const WRITES_OF_AN_ORDER: u32 = 3;

/// Writes so many orders at this rate, and order 8471 in the middle of them.
///
/// # Errors
/// The database fails.
pub async fn run(database: &str, orders: u32, writes_per_second: u32) -> anyhow::Result<()> {
    let client = connect(database, SCHEMA).await?;
    let rate = writes_per_second.clamp(1, WRITES_PER_SECOND_MAX);
    let pause = Duration::from_secs(1) / rate * WRITES_OF_AN_ORDER;
    let mut pace = tokio::time::interval(pause);
    for id in 1..=orders {
        pace.tick().await;
        order(&client, i64::from(id)).await?;
        if id == orders.div_ceil(2) {
            client
                .batch_execute(DISPUTE)
                .await
                .context("order 8471 was not written")?;
        }
    }
    Ok(())
}

/// An order from its placement to its end, in three transactions.
async fn order(client: &Client, id: i64) -> anyhow::Result<()> {
    let end = match id % 10 {
        0 => "UPDATE orders SET total = 0, status = 'refunded' WHERE id = $1::bigint",
        1 => "UPDATE orders SET status = 'cancelled' WHERE id = $1::bigint",
        _ => "UPDATE orders SET status = 'delivered' WHERE id = $1::bigint",
    };
    for statement in [
        "INSERT INTO orders VALUES ($1::bigint, 'customer ' || $1::bigint, 50, NULL, 'placed')",
        "UPDATE orders SET total = 45, coupon = 'SAVE5' WHERE id = $1::bigint",
        end,
    ] {
        client
            .execute(statement, &[&id])
            .await
            .with_context(|| format!("order {id} was not written"))?;
    }
    Ok(())
}
