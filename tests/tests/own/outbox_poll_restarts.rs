//! An outbox that is polled while the broker and the server are restarted.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeMap;

use walcast_testbed::{PostgresOptions, StopMode, TestbedOptions, read_topic};
use walcast_tests::{Instance, World, await_that};

const PENDING: &str = "SELECT count(*) FROM outbox_events WHERE published_at IS NULL";

async fn pending(world: &World) -> Option<i64> {
    let client = world.postgres.client().await.ok()?;
    let row = client.query_one(PENDING, &[]).await.ok()?;
    Some(row.get(0))
}

async fn insert(world: &World, count: u32) {
    let sql = format!(
        "INSERT INTO outbox_events (type, aggregate_id) SELECT 'Placed', 'key ' || n % 5 FROM generate_series(1, {count}) n"
    );
    world.postgres.execute(&sql).await.unwrap();
}

async fn await_published(world: &World, instance: &mut Instance) {
    await_that("every row is marked", async || {
        instance.assert_running();
        pending(world).await == Some(0)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_sent_once_beside_restarts_of_both_servers() {
    let options = TestbedOptions {
        postgres: PostgresOptions::default().with_setting("wal_level", "replica"),
        ..TestbedOptions::default()
    };
    let mut world = World::alone("poll_restarts", options).await;
    world
        .postgres
        .execute(
            "CREATE TABLE outbox_events (id bigserial PRIMARY KEY, type text NOT NULL, aggregate_id text, payload jsonb, \
             created_at timestamptz NOT NULL DEFAULT now(), published_at timestamptz)",
        )
        .await
        .unwrap();
    let entry = "tables = \"public.outbox_events\"\nsource = \"poll\"\npreset = \"published_at\"\nroute_topic = \"poll_restarts.events\"\n\
                 poll = { workers = 3, batch_rows = 10, interval = \"20ms\" }";
    let config = world
        .config()
        .set("format.key", "json")
        .set("format.value", "json")
        .set("kafka.topics.partitions", 1)
        .set("retry.backoff_max", "1000ms")
        .set("outbox", vec![toml::Value::Table(toml::from_str(entry).unwrap())]);
    let mut instance = Instance::start(&config).await;
    insert(&world, 500).await;
    world.kafka_mut().kill().unwrap();
    insert(&world, 100).await;
    world.kafka_mut().start_again().await.unwrap();
    await_published(&world, &mut instance).await;

    insert(&world, 500).await;
    world.postgres.stop(StopMode::Immediate).await.unwrap();
    let reconnects = async || instance.status().await["reconnects"].as_u64().unwrap();
    let before = reconnects().await;
    await_that("attempts to connect", async || reconnects().await >= before + 2).await;
    world.postgres.start_again().await.unwrap();
    insert(&world, 100).await;
    await_published(&world, &mut instance).await;
    instance.stop().await;

    let mut ids: BTreeMap<Vec<u8>, Vec<i64>> = BTreeMap::new();
    for record in read_topic(&world.kafka().brokers(), "poll_restarts.events")
        .await
        .unwrap()
    {
        let mut headers = record.headers.iter();
        let id = headers.find(|(name, _)| name == "id");
        let id = id.and_then(|(_, value)| value.clone()).unwrap();
        let id = String::from_utf8(id).unwrap().parse().unwrap();
        ids.entry(record.key.unwrap()).or_default().push(id);
    }
    for ids in ids.values() {
        assert!(ids.is_sorted_by(|one, next| one < next), "{ids:?}");
    }
    let sent: usize = ids.values().map(Vec::len).sum();
    let client = world.postgres.client().await.unwrap();
    let row = client
        .query_one("SELECT count(*) FROM outbox_events", &[])
        .await
        .unwrap();
    assert_eq!(sent, usize::try_from(row.get::<_, i64>(0)).unwrap());
}
