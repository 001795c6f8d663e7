//! Many tables of many shapes, read while all of them are written to: afterwards the topics hold exactly what the tables
//! hold.
//!
//! `WALCAST_TEST_ROWS` sets how many rows there are in all; the figures in docs/performance.md are those of five million.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::oneshot;
use walcast_testbed::{Cell, Decoder, Payload, read_topic, wait_until};
use walcast_tests::{Case, Instance, shared};

/// Enough for several stretches of each table, and for a gate that has other things to do.
const ROWS: u64 = 60_000;

/// How long reading may take: only a fault reaches it.
const LIMIT: Duration = Duration::from_secs(1800);

/// How many tables of each shape.
const OF_EACH: u64 = 5;

/// What 200 writes a second leave between two.
const WRITE_EVERY: Duration = Duration::from_millis(5);

/// A shape of tables: all have `id` and `note`.
#[derive(Clone, Copy, Debug)]
struct Shape {
    name: &'static str,
    /// What stands between the parentheses, after `id` and `note`.
    columns: &'static str,
    /// What stands behind them.
    after: &'static str,
    /// Statements that follow for `{table}`.
    then: &'static str,
    /// The values of the further columns.
    values: &'static str,
    /// Of a hundred rows so many are in such tables.
    share: u64,
    has_key: bool,
}

const SHAPES: [Shape; 8] = [
    Shape {
        name: "narrow",
        columns: "",
        after: "",
        then: "",
        values: "",
        share: 40,
        has_key: true,
    },
    Shape {
        name: "wide",
        columns: ", a int, b int, c bigint, d text, e text, f numeric(12, 2), g timestamptz, h boolean, i uuid, j date,
                  k double precision, l text, m int, n int, o text, p text, q text, r text, s text, t text",
        after: "",
        then: "",
        values: ", n, -n, n * 1000000007, 'd', NULL, n / 100.0, to_timestamp(n), n % 2 = 0, gen_random_uuid(), '2024-02-29', n * 1.5,
                 repeat('l', (n % 50)::int), NULL, 7, 'o', 'p', 'q', 'r', 's', 't'",
        share: 20,
        has_key: true,
    },
    Shape {
        name: "keyless",
        columns: ", kind int",
        after: "",
        then: "ALTER TABLE {table} REPLICA IDENTITY FULL",
        values: ", n % 3",
        share: 10,
        has_key: false,
    },
    Shape {
        name: "parts",
        columns: "",
        after: "PARTITION BY HASH (id)",
        then: "CREATE TABLE {table}_1 PARTITION OF {table} FOR VALUES WITH (MODULUS 3, REMAINDER 0);
               CREATE TABLE {table}_2 PARTITION OF {table} FOR VALUES WITH (MODULUS 3, REMAINDER 1);
               CREATE TABLE {table}_3 PARTITION OF {table} FOR VALUES WITH (MODULUS 3, REMAINDER 2)",
        values: "",
        share: 10,
        has_key: true,
    },
    Shape {
        name: "toasted",
        columns: ", body text",
        after: "",
        then: "ALTER TABLE {table} ALTER body SET STORAGE EXTERNAL",
        values: ", repeat(md5(n::text), 100)",
        share: 1,
        has_key: true,
    },
    Shape {
        name: "kinds",
        columns: ", a smallint, b numeric, c real, d bytea, e json, f jsonb, g time, h interval, i int[], j text[], k inet,
                  l int4range, m money, n bit(3), o point, p xml, q char(5), r macaddr",
        after: "",
        then: "",
        values: ", n % 100, n / 7.0, n / 3.0, decode(md5(n::text), 'hex'), '{\"a\": 1}', '{\"b\": [1, 2]}', '12:34:56.789', '1 day 2 hours',
                 ARRAY[n, NULL, 3]::int[], ARRAY['x', 'y\"z'], '10.0.0.1/8', '[1,5)', 12.34, B'101', '(1,2)', '<a/>', 'ab', '08:00:2b:01:02:03'",
        share: 9,
        has_key: true,
    },
    Shape {
        name: "Mixed Case",
        columns: ", \"SomeColumn\" int DEFAULT 5",
        after: "",
        then: "",
        values: ", n",
        share: 5,
        has_key: true,
    },
    Shape {
        name: "holes",
        columns: "",
        after: "WITH (fillfactor = 50)",
        then: "",
        values: "",
        share: 5,
        has_key: true,
    },
];

impl Shape {
    fn table(&self, number: u64) -> String {
        format!("\"{} {number}\"", self.name).replace(' ', "_")
    }

    fn topic(&self, number: u64) -> String {
        format!("{}_{number}", self.name).replace(' ', "_")
    }

    fn make(&self, number: u64, rows: u64) -> String {
        let table = self.table(number);
        let key = if self.has_key { "PRIMARY KEY" } else { "NOT NULL" };
        // The quotes stand around the name and what follows it.
        let then = self.then.replace("{table}_1", &part(&table, 1));
        let then = then.replace("{table}_2", &part(&table, 2));
        let then = then.replace("{table}_3", &part(&table, 3));
        let then = then.replace("{table}", &table);
        format!(
            "CREATE TABLE {table} (id bigint {key}, note text{}) {}; {then};
             INSERT INTO {table} SELECT n, 'first'{} FROM generate_series(1::bigint, {rows}) n;
             DELETE FROM {table} WHERE id % 20 = 0",
            self.columns, self.after, self.values
        )
    }
}

fn part(table: &str, number: u32) -> String {
    format!("\"{}_{number}\"", table.trim_matches('"'))
}

fn rows_of(shape: &Shape, all: u64) -> u64 {
    (all * shape.share / 100 / OF_EACH).max(20)
}

/// Writes to all tables until it is stopped; how often.
fn write(case: &Case<'static>, all: u64) -> (oneshot::Sender<()>, tokio::task::JoinHandle<u64>) {
    let (stop, mut stopped) = oneshot::channel::<()>();
    let (postgres, name) = (case.postgres, case.name().to_owned());
    let writing = tokio::spawn(async move {
        let client = postgres.client_of(&name).await.unwrap();
        let mut random = StdRng::seed_from_u64(7);
        let mut writes = 0;
        let mut ticks = tokio::time::interval(WRITE_EVERY);
        loop {
            tokio::select! {
                biased;
                _ = &mut stopped => return writes,
                _ = ticks.tick() => {}
            }
            let shape = &SHAPES[random.random_range(0..SHAPES.len())];
            let table = shape.table(random.random_range(0..OF_EACH));
            let id = random.random_range(1..=rows_of(shape, all));
            writes += 1;
            let new = 1_000_000_000 + writes;
            let sql = match random.random_range(0..5) {
                0 => format!("DELETE FROM {table} WHERE id = {id}"),
                1 => format!("INSERT INTO {table} (id, note) VALUES ({new}, 'new {writes}')"),
                // The key moves, and with it the row.
                2 if shape.has_key => {
                    format!("UPDATE {table} SET id = {new}, note = 'moved {writes}' WHERE id = {id}")
                }
                _ => format!("UPDATE {table} SET note = 'changed {writes}' WHERE id = {id}"),
            };
            client.batch_execute(&sql).await.unwrap();
        }
    });
    (stop, writing)
}

/// How often each row is there: of a table with key by what it is now, of one without by all that was done to it.
async fn in_topic(case: &Case<'_>, shape: &Shape, number: u64) -> BTreeMap<(i64, String), i64> {
    let world = shared().await;
    let topic = format!("{}.public.{}", case.name(), shape.topic(number));
    let records = read_topic(&world.kafka().brokers(), &topic).await.unwrap();
    let mut decoder = Decoder::new(&world.registry().url()).unwrap();
    let mut rows: BTreeMap<(i64, String), i64> = BTreeMap::new();
    let mut notes: BTreeMap<i64, String> = BTreeMap::new();
    for record in &records {
        let record = decoder.decode(record).await.unwrap();
        let Payload::Change(change) = &record.payload else {
            continue;
        };
        let row = |row: &BTreeMap<String, Cell>| {
            let text = |column: &str| row[column].to_text().unwrap_or_default();
            (text("id").parse::<i64>().unwrap(), text("note"))
        };
        if shape.has_key {
            if let Some(after) = &change.after {
                let (id, note) = row(after);
                notes.insert(id, note);
            } else if let Some(key) = &record.key {
                notes.remove(&key["id"].to_text().unwrap().parse().unwrap());
            }
            continue;
        }
        if let Some(before) = &change.before {
            *rows.entry(row(before)).or_default() -= 1;
        }
        if let Some(after) = &change.after {
            *rows.entry(row(after)).or_default() += 1;
        }
    }
    rows.extend(notes.into_iter().map(|row| (row, 1)));
    rows.retain(|_, count| *count != 0);
    rows
}

async fn in_table(case: &Case<'_>, shape: &Shape, number: u64) -> BTreeMap<(i64, String), i64> {
    let sql = format!(
        "SELECT id, note, count(*) FROM {} GROUP BY 1, 2",
        shape.table(number)
    );
    let rows = case.client().await.query(&sql, &[]).await.unwrap();
    rows.iter()
        .map(|row| ((row.get(0), row.get(1)), row.get(2)))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn forty_tables_of_every_shape_are_in_kafka_as_they_are_in_the_source() {
    let all = std::env::var("WALCAST_TEST_ROWS").map_or(ROWS, |rows| rows.parse().expect("a number of rows"));
    let mut case = super::case("forty").await;
    for shape in SHAPES {
        for number in 0..OF_EACH {
            case.sql(&shape.make(number, rows_of(&shape, all))).await;
        }
    }
    case.config = case.config.set("snapshot.hold_max", "2s");
    let (stop, writing) = write(&case, all);
    let begun = Instant::now();
    let mut instance = Instance::start(&case.config).await;
    let is_read = async || {
        instance.assert_running();
        Ok(case.checkpoint().await.get("snapshot").is_none())
    };
    wait_until("the end of the snapshot", LIMIT, is_read)
        .await
        .unwrap();
    let read_in = begun.elapsed();
    stop.send(()).unwrap();
    let writes = writing.await.unwrap();
    let usage = instance.usage();
    // The fence: nothing is written any more, and what was is in Kafka when this is.
    case.insert([1]).await;
    case.await_ids([1]).await;
    let mut rows = 0;
    for shape in SHAPES {
        for number in 0..OF_EACH {
            let there = in_table(&case, &shape, number).await;
            rows += there.len();
            let found = in_topic(&case, &shape, number).await;
            if found != there {
                let missing: Vec<_> = there
                    .iter()
                    .filter(|row| found.get(row.0) != Some(row.1))
                    .take(5)
                    .collect();
                let more: Vec<_> = found
                    .iter()
                    .filter(|row| there.get(row.0) != Some(row.1))
                    .take(5)
                    .collect();
                panic!(
                    "{}: not in Kafka {missing:?}, not in the table {more:?}",
                    shape.table(number)
                );
            }
        }
    }
    eprintln!(
        "{rows} rows of {} tables, {writes} writes meanwhile, read in {read_in:?}, {usage:?}",
        SHAPES.len() as u64 * OF_EACH
    );
    instance.stop().await;
}
