//! An upcast from version 1 to version 2, and a tolerant reader that reads the topic from its beginning.

use std::cell::RefCell;

use walcast_examples::Source;
use walcast_examples::upcast::{self, OrderPlaced};
use walcast_testbed::{read_topic, topic_names};
use walcast_tests::{Case, Instance, await_that, shared};

use super::{configuration, configure, until};

const TOPIC: &str = "example_upcast.public.order_events";

async fn append(case: &Case<'_>, version: u32, data: &str, revision: u32) {
    case.sql(&format!(
        "INSERT INTO order_events (stream_id, version, type, id, data, revision) \
         VALUES ('order-1', {version}, 'OrderPlaced', 'e{version}', '{data}', {revision})"
    ))
    .await;
}

async fn await_events(instance: &mut Instance, count: usize) {
    let brokers = shared().await.kafka().brokers();
    await_that("the events in the topic", async || {
        instance.assert_running();
        let names = topic_names(&brokers).await.unwrap();
        names.iter().any(|name| name == TOPIC) && read_topic(&brokers, TOPIC).await.unwrap().len() >= count
    })
    .await;
}

#[tokio::test]
async fn consumers_see_version_2_and_a_tolerant_reader_reads_both() {
    let mut case = Case::new("example_upcast").await;
    let text = configuration("upcast");
    configure(&mut case, &text);
    case.config = case.config.clone().set("kafka.topics.partitions", 1);
    case.sql(include_str!("../../../../examples/upcast/schema.sql"))
        .await;
    let tested = case.command(&["upcast", "test"]).await;
    assert_eq!(tested.code, Some(0), "{tested:#?}");

    // Before the upcaster was written.
    let table: toml::Table = toml::from_str(&text).unwrap();
    let mut stores = table["event_store"].as_array().unwrap().clone();
    stores[0].as_table_mut().unwrap().remove("upcasters").unwrap();
    let with_upcaster = case.config.clone();
    case.config = with_upcaster.clone().set("event_store", stores);
    let mut instance = Instance::start(&case.config).await;
    append(&case, 1, r#"{"order": 1, "customer": "Ada Lovelace"}"#, 1).await;
    await_events(&mut instance, 1).await;
    instance.stop().await;

    case.config = with_upcaster;
    let mut instance = Instance::start(&case.config).await;
    append(&case, 2, r#"{"order": 2, "customer": "Grace Hopper"}"#, 1).await;
    append(
        &case,
        3,
        r#"{"order": 3, "first_name": "Mary", "last_name": "Shaw", "currency": "USD"}"#,
        2,
    )
    .await;
    await_events(&mut instance, 3).await;
    instance.stop().await;

    let servers = shared().await;
    let source = Source {
        brokers: servers.kafka().brokers(),
        registry: servers.registry().url(),
        topic: TOPIC.to_owned(),
    };
    let records = read_topic(&source.brokers, TOPIC).await.unwrap();
    let has_first_version = |record: &walcast_testbed::RawRecord| {
        String::from_utf8_lossy(record.value.as_deref().unwrap()).contains("customer")
    };
    let first_version: Vec<bool> = records.iter().map(has_first_version).collect();
    assert_eq!(first_version, [true, false, false]);

    let orders = RefCell::new(Vec::new());
    let read = |order: OrderPlaced| orders.borrow_mut().push(order);
    let run = upcast::run(&source, "example-upcast", read, std::future::pending());
    let done = await_that("three orders", async || orders.borrow().len() >= 3);
    until(Box::pin(run), done).await;
    let order = |order, customer: &str, currency: &str| OrderPlaced {
        order,
        customer: customer.to_owned(),
        currency: currency.to_owned(),
    };
    assert_eq!(
        orders.into_inner(),
        [
            order(1, "Ada Lovelace", "EUR"),
            order(2, "Grace Hopper", "EUR"),
            order(3, "Mary Shaw", "USD")
        ]
    );
}
