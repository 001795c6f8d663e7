//! Memory stays flat: while Kafka takes nothing, and with thousands of tables. (Large transactions: `large_transaction.rs`.)
//!
//! `WALCAST_TEST_TABLES` sets how many tables there are.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::time::Duration;

use walcast_testbed::{PostgresOptions, TestbedOptions, TopicReader, wait_until};
use walcast_tests::{Instance, LIMIT, World, assert_memory, await_that, sample};

/// How much more memory than idle the connector may ever have had.
const MEMORY_MAX_BYTES: u64 = 100_000_000;

/// How much more each table may take: its plan, and what was looked up of it.
const TABLE_MAX_BYTES: u64 = 20_000;

/// Tables, unless `WALCAST_TEST_TABLES` says otherwise.
const TABLES: u32 = 300;

/// So many looks with the same figure: it does not grow any more.
const LOOKS: u32 = 30;

/// Waits for so many records, a little longer for each thousand.
async fn await_records(world: &World, walcast: &mut Instance, topic: &str, wanted: u64) {
    let mut reader = TopicReader::new(&world.kafka().brokers(), [topic.to_owned()]);
    let mut found = 0;
    let limit = LIMIT + Duration::from_millis(wanted * 50);
    let what = format!("{wanted} records in {topic}");
    let come = wait_until(&what, limit, async || {
        walcast.assert_running();
        reader.scan_new(|_| found += 1).await?;
        Ok(found >= wanted)
    });
    come.await
        .unwrap_or_else(|error| panic!("{error}\n{}", walcast.log_end()));
    assert_eq!(found, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_takes_nothing_costs_no_memory() {
    const TRANSACTIONS: u64 = 400;
    const ROWS: u64 = 1000;
    let mut world = World::alone("blocked", TestbedOptions::default()).await;
    let create = "CREATE TABLE readings (id bigint PRIMARY KEY, note text)";
    world.postgres.execute(create).await.unwrap();
    let mut walcast = Instance::start(&world.config()).await;
    let topic = world.topic("public.readings");
    world
        .postgres
        .execute("INSERT INTO readings VALUES (0, 'the first')")
        .await
        .unwrap();
    await_records(&world, &mut walcast, &topic, 1).await;

    world.kafka_mut().pause().unwrap();
    let idle = walcast.usage();
    let client = world.postgres.client().await.unwrap();
    for number in 0..TRANSACTIONS {
        let sql = format!(
            "INSERT INTO readings SELECT n, repeat('a reading ' || n, 10) FROM generate_series({}, {}) n",
            number * ROWS + 1,
            (number + 1) * ROWS
        );
        client.execute(&sql, &[]).await.unwrap();
    }
    let (mut seen, mut same) = (0, 0);
    await_that("the end of reading", async || {
        let received = sample(&walcast.page("metrics").await, "walcast_received_bytes_total").unwrap_or(0);
        same = if received == seen { same + 1 } else { 0 };
        seen = received;
        same >= LOOKS
    })
    .await;
    let what =
        format!("{TRANSACTIONS} transactions of {ROWS} rows that Kafka does not take, {seen} bytes read");
    assert_memory(&what, idle, walcast.usage(), MEMORY_MAX_BYTES);

    world.kafka_mut().resume().unwrap();
    await_records(&world, &mut walcast, &topic, TRANSACTIONS * ROWS + 1).await;
    assert_memory(
        "the same when Kafka has them",
        idle,
        walcast.usage(),
        MEMORY_MAX_BYTES,
    );
    walcast.stop().await;
}

/// All tables go into one topic: what is measured is the connector, not the broker's files.
#[tokio::test(flavor = "multi_thread")]
async fn many_tables_cost_a_little_each() {
    let tables: u32 = std::env::var("WALCAST_TEST_TABLES")
        .map_or(TABLES, |tables| tables.parse().expect("a number of tables"));
    let world = World::sharing("tables", PostgresOptions::default()).await;
    let create = |from: u32, to: u32| {
        let statements = (from..to).map(|number| {
            format!(
                "CREATE TABLE t{number} (id int PRIMARY KEY, name text NOT NULL, amount numeric(10,2), at timestamptz DEFAULT now());"
            )
        });
        statements.collect::<String>()
    };
    for from in (0..tables).step_by(100) {
        let to = tables.min(from + 100);
        world.postgres.execute(&create(from, to)).await.unwrap();
    }
    let mut route = toml::Table::new();
    route.insert("pattern".to_owned(), r"tables\.public\.t[0-9]+".into());
    route.insert("topic".to_owned(), "tables.all".into());
    let config = world.config().set("names.routes", vec![route]);
    let mut walcast = Instance::start(&config).await;
    let idle = walcast.usage();
    for round in 0..2 {
        for from in (0..tables).step_by(100) {
            let inserts: String = (from..tables.min(from + 100))
                .map(|number| format!("INSERT INTO t{number} VALUES ({round}, 'name', {round}.5);"))
                .collect();
            world.postgres.execute(&inserts).await.unwrap();
        }
    }
    await_records(&world, &mut walcast, "tables.all", u64::from(tables) * 2).await;
    let most = MEMORY_MAX_BYTES + u64::from(tables) * TABLE_MAX_BYTES;
    assert_memory(&format!("{tables} tables"), idle, walcast.usage(), most);
    walcast.stop().await;
}
