//! A polled outbox under load, whose connector is killed again and again: what `cargo xtask polling` runs. The gate has a reduced form
//! (`tests/tests/shared/outbox_poll.rs`).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use walcast_testbed::{PostgresOptions, TestbedOptions, read_topic};

use crate::{Instance, World, await_that};

const TABLE: &str = "CREATE TABLE outbox_events (id bigserial PRIMARY KEY, type text NOT NULL, aggregate_id text, payload jsonb, \
     created_at timestamptz NOT NULL DEFAULT clock_timestamp(), published_at timestamptz); \
     CREATE INDEX ON outbox_events (id) WHERE published_at IS NULL";

const TOPIC: &str = "polling.events";

/// Number of sessions that write. Each has keys of its own, so that the order of their rows is that of their commits.
const WRITERS: u32 = 4;

/// Transactions of a writer in a second.
const TRANSACTIONS_PER_SECOND: u32 = 10;

/// What is played.
#[derive(Clone, Copy, Debug)]
pub struct Polling {
    /// Seed of the places of the kills.
    pub seed: u64,
    /// Number of times that the connector is killed.
    pub kills: u64,
    /// Largest number of events between a start and a kill.
    pub events_between: u64,
    /// Events that are written in a second.
    pub events_per_second: u32,
    /// Number of workers.
    pub workers: u32,
}

/// Figures of a run in which every event was sent once, in the order of its key.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// Number of events.
    pub events: usize,
    /// Number of kills.
    pub kills: u64,
    /// Duration from the first start to the last mark.
    pub took: Duration,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { events, kills, took } = self;
        let seconds = took.as_secs_f64();
        write!(
            f,
            "{events} events, each sent once and in the order of its key; {kills} kills; {seconds:.1} s"
        )
    }
}

/// Plays a run. Panics if an event is missing, doubled or out of order.
pub async fn play(polling: &Polling, report_event: impl Fn(&str)) -> Report {
    let options = TestbedOptions {
        postgres: PostgresOptions::default().with_setting("wal_level", "replica"),
        ..TestbedOptions::default()
    };
    let world = World::alone("polling", options).await;
    world.postgres.execute(TABLE).await.unwrap();
    let entry = format!(
        "tables = \"public.outbox_events\"\nsource = \"poll\"\npreset = \"published_at\"\nroute_topic = \"{TOPIC}\"\n\
         poll = {{ workers = {}, interval = \"20ms\" }}",
        polling.workers
    );
    let config = world
        .config()
        .set("format.key", "json")
        .set("format.value", "json")
        .set("retry.backoff_max", "1000ms")
        .set(
            "outbox",
            vec![toml::Value::Table(toml::from_str(&entry).unwrap())],
        );
    let begun = Instant::now();
    let mut instance = Instance::start(&config).await;
    let ends = AtomicBool::new(false);
    let killing = async {
        let mut chance = StdRng::seed_from_u64(polling.seed);
        for number in 1..=polling.kills {
            let before = marked(&world).await;
            let wanted = chance.random_range(1..=polling.events_between.max(1));
            await_that("further rows are marked", async || {
                marked(&world).await >= before + wanted
            })
            .await;
            instance.kill9();
            report_event(&format!("kill {number} after {wanted} events"));
            instance.start_again();
        }
        ends.store(true, Ordering::Relaxed);
    };
    let [one, two, three, four] = [0, 1, 2, 3].map(|writer| write(&world, polling, writer, &ends));
    tokio::join!(killing, one, two, three, four);
    instance.ready().await;
    let count = number(&world, "SELECT count(*) FROM outbox_events").await;
    await_that("every row is marked", async || {
        instance.assert_running();
        marked(&world).await == count
    })
    .await;
    let took = begun.elapsed();
    instance.stop().await;
    let events = verify(&world).await;
    assert_eq!(u64::try_from(events).unwrap(), count);
    Report {
        events,
        kills: polling.kills,
        took,
    }
}

/// Inserts rows at the wanted rate until `ends` is true; one transaction in nine is rolled back.
async fn write(world: &World, polling: &Polling, writer: u32, ends: &AtomicBool) {
    let client = world.postgres.client().await.unwrap();
    let rows = (polling.events_per_second / (WRITERS * TRANSACTIONS_PER_SECOND)).max(1);
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / TRANSACTIONS_PER_SECOND);
    for transaction in 0_u64.. {
        ticks.tick().await;
        if ends.load(Ordering::Relaxed) {
            return;
        }
        let end = if transaction % 9 == 8 {
            "ROLLBACK"
        } else {
            "COMMIT"
        };
        let sql = format!(
            "BEGIN; INSERT INTO outbox_events (type, aggregate_id, payload) \
             SELECT 'Placed', 'writer {writer} key ' || n % 7, '{{}}' FROM generate_series(1, {rows}) n; {end}"
        );
        client.batch_execute(&sql).await.unwrap();
    }
}

async fn marked(world: &World) -> u64 {
    number(
        world,
        "SELECT count(*) FROM outbox_events WHERE published_at IS NOT NULL",
    )
    .await
}

async fn number(world: &World, query: &str) -> u64 {
    let client = world.postgres.client().await.unwrap();
    let row = client.query_one(query, &[]).await.unwrap();
    u64::try_from(row.get::<_, i64>(0)).unwrap()
}

/// Checks that the topic has each row once, and those of a key in their order. Returns the number of events.
async fn verify(world: &World) -> usize {
    let mut ids: BTreeMap<Vec<u8>, Vec<i64>> = BTreeMap::new();
    for record in read_topic(&world.kafka().brokers(), TOPIC).await.unwrap() {
        let mut headers = record.headers.iter();
        let id = headers.find(|(name, _)| name == "id");
        let id = id.and_then(|(_, value)| value.clone()).unwrap();
        let id = String::from_utf8(id).unwrap().parse().unwrap();
        ids.entry(record.key.unwrap()).or_default().push(id);
    }
    for (key, ids) in &ids {
        let key = String::from_utf8_lossy(key);
        assert!(
            ids.is_sorted_by(|one, next| one < next),
            "{key}: doubled or out of order"
        );
    }
    let mut found: Vec<i64> = ids.into_values().flatten().collect();
    found.sort_unstable();
    let client = world.postgres.client().await.unwrap();
    let rows = client
        .query("SELECT id FROM outbox_events ORDER BY id", &[])
        .await
        .unwrap();
    let written: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
    assert!(
        found == written,
        "{} events of {} rows",
        found.len(),
        written.len()
    );
    found.len()
}
