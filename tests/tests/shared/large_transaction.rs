//! Large transactions: through, whole, in order, in little memory, also when the connector is killed in the middle.
//!
//! `WALCAST_TEST_ROWS` sets how many rows the largest has.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::time::Duration;

use walcast_testbed::{
    ChangeId, ConnectorConfig, Decoder, Direction, Flow, Payload, PostgresOptions, Proxy, RawRecord,
    TopicReader, wait_until,
};
use walcast_tests::{Instance, LIMIT, World, assert_memory, await_that, sample};

/// How much more memory than idle the connector may ever have had.
const MEMORY_MAX_BYTES: u64 = 100_000_000;

const TABLES: &str = "
    CREATE TABLE readings (id bigint PRIMARY KEY, sensor int NOT NULL, taken timestamptz NOT NULL, note text);
    CREATE TABLE warm (id int PRIMARY KEY)";

/// The readings as a reader sees them: one after another, with nothing between, numbered from 0.
#[derive(Default)]
struct Readings {
    first: Option<RawRecord>,
    last: Option<RawRecord>,
    count: u64,
    wrong: Vec<String>,
}

impl Readings {
    fn see(&mut self, record: RawRecord) {
        let id = record.change_id();
        let first = self.first.get_or_insert_with(|| record.clone());
        let expected = ChangeId {
            commit_lsn: first.change_id().map_or(0, |id| id.commit_lsn),
            ordinal: self.count,
            part: 0,
        };
        // The end of a Kafka transaction takes an offset: where there is none between, they lie in one transaction.
        let is_next = first.offset + i64::try_from(self.count).unwrap() == record.offset;
        if (id != Some(expected) || !is_next) && self.wrong.len() < 5 {
            self.wrong
                .push(format!("{id:?} at offset {}, not {expected}", record.offset));
        }
        self.count += 1;
        self.last = Some(record);
    }
}

/// Reads the topic and checks that it holds this many readings, in one Kafka transaction and in order.
async fn assert_whole(world: &World, rows: u64) {
    let mut readings = Readings::default();
    let mut reader = TopicReader::new(&world.kafka().brokers(), [world.topic("public.readings")]);
    reader.scan_new(|record| readings.see(record)).await.unwrap();
    assert!(readings.wrong.is_empty(), "{:#?}", readings.wrong);
    assert_eq!(readings.count, rows);
    let mut decoder = Decoder::new(&world.registry().url()).unwrap();
    for (record, id) in [(readings.first, 1), (readings.last, rows)] {
        let record = decoder.decode(&record.unwrap()).await.unwrap();
        let Payload::Change(change) = record.payload else {
            panic!("a tombstone at {}", record.offset)
        };
        assert_eq!(change.after.unwrap()["id"].to_text(), Some(id.to_string()));
    }
}

/// Starts a connector that is idle: set up, and having written before.
async fn start(world: &World, config: ConnectorConfig) -> Instance {
    world.postgres.execute(TABLES).await.unwrap();
    let config = config.set("kafka.topics.partitions", 1);
    let mut walcast = Instance::start(&config.set("postgres.idle_interval", "500ms")).await;
    world
        .postgres
        .execute("INSERT INTO warm VALUES (1)")
        .await
        .unwrap();
    await_checkpoint(world, &mut walcast).await;
    walcast
}

/// Inserts the readings 1 to `rows` in one transaction.
async fn insert(world: &World, rows: u64) {
    let client = world.postgres.client().await.unwrap();
    let sql = format!(
        "INSERT INTO readings SELECT n, n % 1000, now(), 'a reading that is about as long as a row of a log ' || n
         FROM generate_series(1, {rows}) n"
    );
    assert_eq!(client.execute(&sql, &[]).await.unwrap(), rows);
}

/// Waits until a checkpoint covers all that was committed before this call.
async fn await_checkpoint(world: &World, walcast: &mut Instance) {
    await_checkpoint_within(LIMIT, world, walcast).await;
}

async fn await_checkpoint_within(limit: Duration, world: &World, walcast: &mut Instance) {
    let end = world.end_of_log().await;
    let covered = wait_until("a checkpoint behind the commit", limit, async || {
        walcast.assert_running();
        let status = walcast.try_status().await;
        let checkpointed =
            status.and_then(|status| Some(walcast_tests::lsn(status["lsn"]["checkpointed"].as_str()?)));
        Ok(checkpointed.is_some_and(|checkpointed| checkpointed >= end))
    });
    covered
        .await
        .unwrap_or_else(|error| panic!("{error}\n{}", walcast.log_end()));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_million_rows_lie_in_one_kafka_transaction_and_need_less_than_100_mb() {
    let rows: u64 =
        std::env::var("WALCAST_TEST_ROWS").map_or(2_000_000, |rows| rows.parse().expect("a number of rows"));
    let world = World::sharing("large", PostgresOptions::default()).await;
    let mut walcast = start(&world, world.config()).await;
    let idle = walcast.usage();
    insert(&world, rows).await;
    let for_each_million = LIMIT * u32::try_from(rows / 1_000_000 + 1).unwrap();
    await_checkpoint_within(for_each_million, &world, &mut walcast).await;
    let used = walcast.usage();
    walcast.stop().await;

    let what = format!("{rows} rows in one transaction");
    assert_memory(&what, idle, used, MEMORY_MAX_BYTES);
    assert_whole(&world, rows).await;
}

/// The connector gets no more than the beginning of the transaction over the network, so that it cannot have finished it when it is
/// killed, however late that is.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_was_half_written_when_the_connector_was_killed_is_seen_once_and_whole() {
    const ROWS: u64 = 400_000;
    /// Less than a tenth of what the rows take.
    const SOME_BYTES: u64 = 8_000_000;
    /// Less than half of what the server sends.
    const BEGINNING_BYTES: u64 = 24_000_000;
    let world = World::sharing("halfway", PostgresOptions::default()).await;
    let network = Proxy::start(world.postgres.port()).await.unwrap();
    let direct = format!(":{}/", world.postgres.port());
    let url = world
        .postgres
        .url()
        .replace(&direct, &format!(":{}/", network.port()));
    let mut walcast = start(&world, world.config().set("postgres.url", url)).await;
    network.let_flow(Direction::ToClient, Flow::Only(BEGINNING_BYTES));
    insert(&world, ROWS).await;
    await_that("a part of the transaction in the producer", async || {
        sample(&walcast.page("metrics").await, "walcast_produced_bytes_total").unwrap_or(0) > SOME_BYTES
    })
    .await;
    walcast.kill9();
    let mut reader = TopicReader::new(&world.kafka().brokers(), [world.topic("public.readings")]);
    let visible = reader.read_new().await.unwrap();
    assert!(
        visible.is_empty(),
        "{} rows of a transaction that was not finished",
        visible.len()
    );

    network.flow();
    walcast.start_again();
    walcast.ready().await;
    await_checkpoint(&world, &mut walcast).await;
    walcast.stop().await;
    assert_whole(&world, ROWS).await;
}
