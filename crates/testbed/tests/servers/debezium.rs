//! The real Debezium: two connectors in one worker, and what is said when one cannot run.

use std::time::Duration;

use walcast_testbed::{
    Cell, Debezium, DebeziumConfig, Decoder, Error, Payload, Testbed, TestbedOptions, read_topic, wait_until,
};

const LIMIT: Duration = Duration::from_secs(180);

#[tokio::test(flavor = "multi_thread")]
async fn connectors_are_added_to_a_running_worker_and_removed() {
    let testbed = Testbed::start(TestbedOptions::default()).await.unwrap();
    let debezium = Debezium::start(&testbed.kafka).await.unwrap();
    let setup = "CREATE TABLE t (id int PRIMARY KEY, note text); CREATE PUBLICATION p FOR TABLE t";
    testbed.postgres.execute(setup).await.unwrap();
    let config = |name: &str| {
        DebeziumConfig::new(&testbed.postgres, &testbed.registry, name).set("publication.name", "p")
    };
    debezium.add(&config("one"), &testbed.postgres).await.unwrap();
    debezium.add(&config("two"), &testbed.postgres).await.unwrap();
    testbed
        .postgres
        .execute("INSERT INTO t VALUES (1, 'said')")
        .await
        .unwrap();

    let mut decoder = Decoder::new(&testbed.registry.url()).unwrap();
    for topic in ["one.public.t", "two.public.t"] {
        let brokers = testbed.kafka.brokers();
        let arrived = async || Ok(!read_topic(&brokers, topic).await?.is_empty());
        wait_until(topic, LIMIT, arrived).await.unwrap();
        let records = read_topic(&brokers, topic).await.unwrap();
        let Payload::Change(change) = decoder.decode(&records[0]).await.unwrap().payload else {
            panic!("{topic} holds a tombstone");
        };
        assert_eq!(change.after.unwrap()["note"], Cell::Text("said".to_owned()));
        assert_eq!(change.source["version"], Cell::Text("3.3.1.Final".to_owned()));
    }

    debezium.remove("one").await.unwrap();
    let gone = async || Ok(debezium.status("one").await?.is_none());
    wait_until("removal of a connector", LIMIT, gone).await.unwrap();
    assert!(debezium.runs("two").await.unwrap());

    let lost = config("three").set("database.port", "1");
    let refused = debezium.add(&lost, &testbed.postgres).await.unwrap_err();
    assert!(matches!(refused, Error::Connect { .. }), "{refused}");
    let unpublished = config("four").set("publication.name", "none");
    let failed = debezium.add(&unpublished, &testbed.postgres).await.unwrap_err();
    assert!(failed.to_string().contains("Publication"), "{failed}");
}
