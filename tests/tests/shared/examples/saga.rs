//! A saga over the outboxes of four services, choreographed and orchestrated.

use walcast_examples::Source;
use walcast_examples::saga::{self, Style};
use walcast_testbed::topic_names;
use walcast_tests::{Case, Instance, await_that, shared};

use super::{configuration, configure, database, until};

const SKU: &str = "teapot";

const STATES: &str = "SELECT string_agg(id || ' ' || state, ', ' ORDER BY id) FROM orders.orders";

/// Places four orders, of which one is not paid and one finds no stock, and has each event processed twice.
async fn play(name: &str, style: Style, topic: &str) {
    let mut case = Case::new(name).await;
    configure(&mut case, &configuration("saga").replace("saga.events", topic));
    case.config = case.config.clone().set("kafka.topics.partitions", 1);
    let servers = shared().await;
    let source = Source {
        brokers: servers.kafka().brokers(),
        registry: servers.registry().url(),
        topic: topic.to_owned(),
    };
    let url = database(&case);
    saga::set_up(&url, SKU, 2).await.unwrap();
    let mut instance = Instance::start(&case.config).await;
    let place = async |order, card| saga::place(style, &url, order, SKU, card).await.unwrap();
    place("1", "visa").await;
    place("2", "declined").await;
    await_that("the topic of the events", async || {
        topic_names(&source.brokers)
            .await
            .unwrap()
            .contains(&source.topic)
    })
    .await;
    let play_until = async |group: &str, states: &str| {
        let run = Box::pin(saga::run(style, &source, group, &url, std::future::pending()));
        let ended = await_that(states, async || case.text(STATES).await == states);
        until(run, ended).await;
    };
    play_until(&format!("{name}-one"), "1 shipped, 2 cancelled").await;
    place("3", "visa").await;
    place("4", "visa").await;
    // Other groups read the events of the first two orders again.
    let states = "1 shipped, 2 cancelled, 3 shipped, 4 cancelled";
    play_until(&format!("{name}-two"), states).await;
    instance.stop().await;

    for (query, expected) in [
        ("SELECT available FROM stock.items", "0"),
        (
            "SELECT string_agg(order_id || ' ' || state, ', ' ORDER BY order_id) FROM stock.reservations",
            "1 reserved, 2 released, 3 reserved",
        ),
        (
            "SELECT string_agg(order_id || ' ' || state, ', ' ORDER BY order_id) FROM payment.charges",
            "1 charged, 2 declined, 3 charged",
        ),
        (
            "SELECT string_agg(order_id, ', ' ORDER BY order_id) FROM shipping.parcels",
            "1, 3",
        ),
        (
            "SELECT string_agg(type || ' ' || n, ', ' ORDER BY type)
             FROM (SELECT type, count(*) AS n FROM stock.outbox GROUP BY type) AS announced",
            "StockRejected 1, StockReleased 1, StockReserved 3",
        ),
    ] {
        assert_eq!(case.text(query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn a_choreographed_saga_compensates_a_payment_that_fails() {
    play(
        "example_choreographed",
        Style::Choreographed,
        "saga.choreographed",
    )
    .await;
}

#[tokio::test]
async fn an_orchestrated_saga_compensates_a_payment_that_fails() {
    play("example_orchestrated", Style::Orchestrated, "saga.orchestrated").await;
}
