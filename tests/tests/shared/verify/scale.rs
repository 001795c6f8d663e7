//! Verification of many rows: records that are planted among them are named and nothing else is, and memory does not grow with them.
//!
//! `WALCAST_TEST_ROWS` sets how many rows there are.

use serde_json::{Value, json};
use walcast_testbed::{ConnectorConfig, ProcessUsage, RawRecord, read_topic, send_copy};
use walcast_tests::{Case, Instance, await_that, run, shared};

use super::every::Job;
use super::{DIFFERENT, IDENTICAL, Writer, case, foreign, named, replaced, verify};

/// Rows, unless `WALCAST_TEST_ROWS` says otherwise.
const ROWS: i64 = 100_000;

/// Share of them in the table to which the memory is compared.
const TENTH: i64 = 10;

/// Most memory of a comparison, whatever the number of rows.
const MEMORY_MAX_BYTES: u64 = 128 << 20;

/// What ten times the rows may take more: buffers that the fewer rows do not fill.
const GROWTH_MAX_BYTES: u64 = 64 << 20;

/// Size of the registry's prefix before the value of a key.
const PREFIX_BYTES: usize = 5;

/// Integer as Avro encodes it: zigzag, seven bits in a byte.
fn avro(number: i64) -> Vec<u8> {
    let mut left = ((number << 1) ^ (number >> 63)).cast_unsigned();
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(left & 0x7F).unwrap();
        left >>= 7;
        if left == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// Keys of the rows of which records are planted. The key is in `id`, and the note of each row was `note <id>` first; the stale row has
/// another one since.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Planted {
    /// Row that a foreign tombstone deletes.
    pub(crate) lost: i64,
    /// Row whose record comes twice.
    pub(crate) doubled: i64,
    /// Row whose note a foreign record changes.
    pub(crate) altered: i64,
    /// Row whose first record comes again, behind its newest one.
    pub(crate) stale: i64,
}

impl Planted {
    /// Appends the records to a topic.
    pub(crate) async fn send(self, brokers: &str, topic: &str) {
        let records = read_topic(brokers, topic).await.unwrap();
        let first = |id: i64| -> &RawRecord {
            let key = avro(id);
            let has_key =
                |record: &&RawRecord| record.key.as_deref().is_some_and(|of| of[PREFIX_BYTES..] == key);
            records.iter().find(has_key).unwrap()
        };
        let altered = first(self.altered);
        let note = |word: &str| format!("{word} {}", self.altered).into_bytes();
        let value = replaced(altered.value.as_deref().unwrap(), &note("note"), &note("nota"));
        let planted = [
            RawRecord {
                value: None,
                ..foreign(first(self.lost))
            },
            first(self.doubled).clone(),
            RawRecord {
                value: Some(value),
                ..foreign(altered)
            },
            first(self.stale).clone(),
        ];
        for record in planted {
            send_copy(brokers, &record).await.unwrap();
        }
    }

    /// Checks that a comparison of the table names these rows, and nothing else.
    pub(crate) async fn assert_named(self, config: &ConnectorConfig, table: &str) {
        let found = run(config, &["verify", "--json", "--tables", table]).await;
        assert_eq!(found.code, DIFFERENT, "{found:#?}");
        let report: Value = serde_json::from_str(&found.stdout).unwrap();
        let mut wanted = [
            ("different", self.altered),
            ("different", self.stale),
            ("missing", self.lost),
            ("out_of_order", self.doubled),
            ("out_of_order", self.stale),
        ];
        wanted.sort_unstable();
        let wanted = wanted.map(|(kind, id)| (kind.to_owned(), json!(id)));
        assert_eq!(named(&report), wanted, "{report:#}");
        assert_eq!(
            report["certificate"]["topics"][0]["unverifiable"],
            json!({}),
            "{report:#}"
        );
    }
}

/// What a comparison of a table takes.
async fn usage(case: &Case<'_>, table: &str) -> ProcessUsage {
    let mut job = Job::start(case, &["--tables", table, "--no-certificate"]);
    await_that("the end of a comparison", async || {
        job.assert_running();
        !job.printed("stdout").is_empty()
    })
    .await;
    let usage = ProcessUsage::of(job.id()).unwrap();
    job.stop().await;
    usage
}

#[tokio::test(flavor = "multi_thread")]
async fn records_planted_among_many_are_named_in_memory_that_does_not_grow() {
    let rows: i64 =
        std::env::var("WALCAST_TEST_ROWS").map_or(ROWS, |rows| rows.parse().expect("a number of rows"));
    let case = case("many").await;
    // The writer has the ids from 1000 on.
    let fill = |table: &str, rows: i64| {
        format!("INSERT INTO {table} SELECT -n, 'note ' || -n FROM generate_series(1, {rows}) AS n")
    };
    case.sql("CREATE TABLE fewer (id int PRIMARY KEY, note text)")
        .await;
    case.sql(&fill("items", rows)).await;
    case.sql(&fill("fewer", rows / TENTH)).await;
    let planted = Planted {
        lost: -rows / 5,
        doubled: -rows * 2 / 5,
        altered: -rows * 3 / 5,
        stale: -rows * 4 / 5,
    };
    let mut instance = Instance::start(&case.config).await;
    let update = format!("UPDATE items SET note = 'newer' WHERE id = {}", planted.stale);
    case.sql(&update).await;
    let writer = Writer::start(&case).await;
    let (finished, report) = verify(&case, &[]).await;
    assert_eq!(finished.code, IDENTICAL, "{finished:#?}");
    for topic in report["certificate"]["topics"].as_array().unwrap() {
        let found = topic["source"]["rows"].as_i64().unwrap();
        assert!(found >= rows / TENTH, "{topic:#}");
    }

    planted
        .send(&shared().await.kafka().brokers(), "many.public.items")
        .await;
    let before = writer.writes();
    planted.assert_named(&case.config, "public.items").await;
    eprintln!("{} writes during the comparison", writer.writes() - before);
    assert!(writer.writes() > before);
    writer.stop().await;

    let fewer = usage(&case, "public.fewer").await.resident_bytes_peak;
    let all = usage(&case, "public.items").await.resident_bytes_peak;
    eprintln!("{} rows: {fewer} bytes, {rows} rows: {all} bytes", rows / TENTH);
    assert!(all <= MEMORY_MAX_BYTES, "{all}");
    assert!(all.saturating_sub(fewer) <= GROWTH_MAX_BYTES, "{fewer} {all}");
    instance.stop().await;
}
