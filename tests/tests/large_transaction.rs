//! One transaction of two million rows: through, whole, in order, in little memory.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use walcast_testbed::{ChangeId, Decoder, Payload, PostgresOptions, RawRecord, TopicReader};
use walcast_tests::{Instance, World, await_that};

const ROWS: u64 = 2_000_000;

/// How much more memory than idle the connector may ever have had.
const MEMORY_MAX_BYTES: u64 = 100_000_000;

/// The rows as a reader sees them: what must not change from one to the next, and where the next one must be.
#[derive(Default)]
struct Rows {
    first: Option<RawRecord>,
    last: Option<RawRecord>,
    count: u64,
    wrong: Vec<String>,
}

impl Rows {
    fn see(&mut self, record: RawRecord) {
        let place = format!("offset {}", record.offset);
        let id = record.change_id();
        match (&self.first, id) {
            (None, Some(ChangeId { ordinal: 0, .. })) => self.first = Some(record),
            (Some(first), Some(id)) => {
                let commit_lsn = first.change_id().unwrap().commit_lsn;
                let expected = ChangeId {
                    commit_lsn,
                    ordinal: self.count,
                    part: 0,
                };
                let contiguous = first.offset + i64::try_from(self.count).unwrap() == record.offset;
                if id != expected || !contiguous {
                    self.complain(format!(
                        "{id} at {place}, after {} rows of {expected}",
                        self.count
                    ));
                }
                self.last = Some(record);
            }
            (_, id) => self.complain(format!("{id:?} at {place}")),
        }
        self.count += 1;
    }

    fn complain(&mut self, what: String) {
        if self.wrong.len() < 5 {
            self.wrong.push(what);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_million_rows_lie_in_one_kafka_transaction_and_need_less_than_100_mb() {
    let world = World::sharing("large", PostgresOptions::default()).await;
    let table = "CREATE TABLE readings (id bigint PRIMARY KEY, sensor int NOT NULL, taken timestamptz NOT NULL, note text)";
    world.postgres.execute(table).await.unwrap();
    world
        .postgres
        .execute("CREATE TABLE warm (id int PRIMARY KEY)")
        .await
        .unwrap();
    let config = world.config().set("kafka.topics.partitions", 1);
    let mut walcast = Instance::start(&config.set("postgres.idle_interval_ms", 500)).await;
    // Idle is: connected, set up, and having written before.
    world
        .postgres
        .execute("INSERT INTO warm VALUES (1)")
        .await
        .unwrap();
    let warmed_at = world.end_of_log().await;
    await_checkpoint(&mut walcast, warmed_at).await;
    let idle = walcast.usage();

    let client = world.postgres.client().await.unwrap();
    let insert = format!(
        "INSERT INTO readings SELECT n, n % 1000, now(), 'a reading that is about as long as a row of a log ' || n
         FROM generate_series(1, {ROWS}) n"
    );
    assert_eq!(client.execute(&insert, &[]).await.unwrap(), ROWS);
    let committed_at = world.end_of_log().await;
    await_checkpoint(&mut walcast, committed_at).await;
    let used = walcast.usage();
    walcast.stop().await;

    let mut rows = Rows::default();
    let mut reader = TopicReader::new(&world.kafka().brokers(), [world.topic("public.readings")]);
    reader.scan_new(|record| rows.see(record)).await.unwrap();
    let more_than_idle = used.resident_bytes_peak.saturating_sub(idle.resident_bytes);
    let mb = |bytes: u64| bytes / 1_000_000;
    eprintln!(
        "{ROWS} rows in one transaction: idle {} MB, peak {} MB ({} MB more), {:.1} s of processor time",
        mb(idle.resident_bytes),
        mb(used.resident_bytes_peak),
        mb(more_than_idle),
        used.cpu_seconds - idle.cpu_seconds
    );
    assert!(rows.wrong.is_empty(), "{:#?}", rows.wrong);
    assert_eq!(rows.count, ROWS);
    assert!(more_than_idle < MEMORY_MAX_BYTES, "{idle:?} {used:?}");

    let mut decoder = Decoder::new(&world.registry().url()).unwrap();
    for (record, id) in [(rows.first, "1".to_owned()), (rows.last, ROWS.to_string())] {
        let record = decoder.decode(&record.unwrap()).await.unwrap();
        let Payload::Change(change) = record.payload else {
            panic!("a tombstone")
        };
        assert_eq!(change.after.unwrap()["id"].to_text(), Some(id));
    }
}

/// Waits until a checkpoint covers a position that was the end of the log after a commit.
async fn await_checkpoint(walcast: &mut Instance, position: u64) {
    await_that("a checkpoint behind the commit", async || {
        walcast.assert_running();
        walcast.position("checkpointed").await >= position
    })
    .await;
}
