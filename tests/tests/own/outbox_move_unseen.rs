//! An outbox that is moved to the WAL while a commit before the position waits for a synchronous standby.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fs::File;

use walcast_testbed::{TestbedOptions, read_topic};
use walcast_tests::{World, await_that, command};

const TOPIC: &str = "outbox_unseen.events";

const INSERT: &str = "INSERT INTO outbox_events (type, aggregate_id) VALUES ('Placed', 'unseen')";

async fn holds(world: &World, condition: &str) -> bool {
    let client = world.postgres.client().await.unwrap();
    let row = client.query_one(&format!("SELECT {condition}"), &[]).await;
    row.unwrap().get(0)
}

/// Begins a transaction with an ID, whose commit waits for no standby.
async fn begin(world: &World) -> (tokio_postgres::Client, String) {
    let client = world.postgres.client().await.unwrap();
    let begin = client.batch_execute("SET synchronous_commit = local; BEGIN");
    begin.await.unwrap();
    let row = client.query_one("SELECT txid_current()::text", &[]).await;
    let xid = row.unwrap().get(0);
    (client, xid)
}

/// Waits until the creation of a slot waits for a transaction.
async fn await_waiting_for(world: &World, xid: &str) {
    let condition = format!(
        "EXISTS (SELECT FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted AND transactionid::text = '{xid}')"
    );
    await_that("the slot waits for a transaction", async || {
        holds(world, &condition).await
    })
    .await;
}

/// The snapshot of the slot shows a commit whose row no other session sees: it has to be sent all the same, because the WAL from the
/// position on does not have it.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_waits_for_a_standby_is_sent_once_others_see_it() {
    let world = World::alone("outbox_unseen", TestbedOptions::default()).await;
    let execute = async |sql: &str| world.postgres.execute(sql).await.unwrap();
    execute(
        "CREATE TABLE outbox_events (id bigserial PRIMARY KEY, type text NOT NULL, aggregate_id text, payload jsonb, \
         created_at timestamptz NOT NULL DEFAULT now(), published_at timestamptz)",
    )
    .await;
    execute("INSERT INTO outbox_events (type, aggregate_id) SELECT 'Placed', 'key ' || n % 5 FROM generate_series(1, 20) n").await;
    // The command creates one slot alone, whose creation the transactions below take from one step to the next.
    execute("CREATE PUBLICATION walcast_outbox_unseen FOR TABLE outbox_events WITH (publish_via_partition_root = true)").await;
    execute("SELECT pg_create_logical_replication_slot('walcast_outbox_unseen', 'pgoutput')").await;
    let entry = |further: &str| {
        let entry = format!(
            "tables = \"public.outbox_events\"\npreset = \"published_at\"\nroute_topic = \"{TOPIC}\"\n{further}"
        );
        vec![toml::Value::Table(toml::from_str(&entry).unwrap())]
    };
    let streaming = world
        .config()
        .set("format.key", "json")
        .set("format.value", "json")
        .set("outbox", entry(""));
    let polling = streaming.clone().set("outbox", entry("source = \"poll\""));
    let [of_polling, of_streaming] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let to = streaming.write_to(of_streaming.path()).unwrap();
    let log = of_polling.path().join("stderr");

    let (first, first_xid) = begin(&world).await;
    let mut process = command(&["outbox", "move", "--to", to.to_str().unwrap()])
        .env("WALCAST_CONFIG", polling.write_to(of_polling.path()).unwrap())
        .env("XDG_RUNTIME_DIR", polling.runtime_directory())
        .stderr(File::create(&log).unwrap())
        .spawn()
        .unwrap();
    await_waiting_for(&world, &first_xid).await;
    let (second, second_xid) = begin(&world).await;
    first.batch_execute("COMMIT").await.unwrap();
    await_waiting_for(&world, &second_xid).await;
    let set = world.postgres.set_setting("synchronous_standby_names", "absent");
    set.await.unwrap();
    // The server begins to wait for standbys a moment later.
    let inserting = loop {
        let client = world.postgres.client().await.unwrap();
        let inserting = tokio::spawn(async move { client.batch_execute(INSERT).await });
        await_that("the row is inserted, or waits for a standby", async || {
            inserting.is_finished()
                || holds(
                    &world,
                    "EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep')",
                )
                .await
        })
        .await;
        if !inserting.is_finished() {
            break inserting;
        }
    };
    second.batch_execute("COMMIT").await.unwrap();
    await_that("the command waits for the commit", async || {
        let text = std::fs::read_to_string(&log).unwrap();
        assert!(process.try_wait().unwrap().is_none(), "{text}");
        text.contains("other sessions do not see yet")
    })
    .await;
    let set = world.postgres.set_setting("synchronous_standby_names", "");
    set.await.unwrap();
    inserting.await.unwrap().unwrap();
    let ended = process.wait().await.unwrap();
    assert!(ended.success(), "{}", std::fs::read_to_string(&log).unwrap());

    let records = read_topic(&world.kafka().brokers(), TOPIC).await.unwrap();
    let ids = records.iter().map(|record| {
        let mut headers = record.headers.iter();
        let id = headers.find(|(name, _)| name == "id");
        let id = id.and_then(|(_, value)| value.clone()).unwrap();
        String::from_utf8(id).unwrap().parse().unwrap()
    });
    let mut sent: Vec<i64> = ids.collect();
    sent.sort_unstable();
    let client = world.postgres.client().await.unwrap();
    let rows = client
        .query("SELECT id FROM outbox_events ORDER BY id", &[])
        .await
        .unwrap();
    let written: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(sent, written);
}
