//! The checkout whose broker was away.

use std::time::Duration;

use walcast_examples::checkout;
use walcast_tests::{Case, Instance, LIMIT, assert_reports, await_that, shared};

use super::{configuration, configure, database};

/// No broker is at this address.
const AWAY: &str = "127.0.0.1:1";
/// How long a checkout waits for a broker that is away.
const PATIENCE: Duration = Duration::from_millis(200);

#[tokio::test]
async fn a_dual_write_loses_what_an_outbox_keeps_while_the_broker_is_away() {
    let mut case = Case::new("example_checkout").await;
    configure(&mut case, &configuration("checkout"));
    case.sql(include_str!("../../../../examples/checkout/schema.sql"))
        .await;
    let (url, brokers) = (database(&case), shared().await.kafka().brokers());
    let (dual, outbox) = ("checkout.dual", "checkout.order");
    let mut instance = Instance::start(&case.config).await;

    let sent = checkout::dual_write(&url, &brokers, dual, 1..=5, LIMIT).await;
    assert!(sent.unwrap().is_empty());
    let unsent = checkout::dual_write(&url, AWAY, dual, 6..=8, PATIENCE).await;
    assert_eq!(unsent.unwrap(), [6, 7, 8]);
    let missing = checkout::missing(&url, &brokers, dual, 1).await;
    assert_eq!(missing.unwrap(), [6, 7, 8]);

    checkout::outbox(&url, 9..=12).await.unwrap();
    // Nothing leads from the database to Kafka.
    instance.stop().await;
    checkout::outbox(&url, 13..=16).await.unwrap();
    let mut instance = Instance::start(&case.config).await;
    await_that("the events of all orders", async || {
        let missing = checkout::missing(&url, &brokers, outbox, 9).await;
        missing.unwrap().is_empty()
    })
    .await;

    // All orders of the table are in its topic, also those that were not announced.
    let verified = case.command(&["verify", "--tables", "public.orders"]).await;
    assert_eq!(verified.code, Some(0), "{verified:#?}");
    assert_reports(&verified.stdout, &["identical up to ", ": 16 rows"]);
    instance.stop().await;
}
