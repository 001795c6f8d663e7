//! One measurement: a contestant, a flow, a consumer.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use walcast_testbed::{
    ConnectorConfig, Debezium, DebeziumConfig, ProcessUsage, Testbed, TopicFollower, Walcast,
};

use super::load::{Commits, Load};
use crate::bench::meter::ServerMeter;
use crate::bench::rows::drop_slot;

/// No start and no flow takes longer.
const LIMIT: Duration = Duration::from_secs(300);
/// How long the flow runs before it is measured.
const WARM_UP: Duration = Duration::from_secs(3);
/// A contestant that delivers nothing for this long is behind for good.
const SILENCE: Duration = Duration::from_secs(30);
/// What a confluent serializer writes before an Avro key: the magic byte and the schema's id.
const KEY_PREFIX: usize = 5;

/// What is measured.
pub(super) enum Contestant<'a> {
    /// walcast, with this guarantee.
    Walcast(&'static str),
    /// Debezium, at least once, with the polling interval of ten milliseconds.
    Debezium(&'a Debezium),
}

/// The flow.
#[derive(Clone, Copy)]
pub(super) struct Flow {
    pub(super) rate: u32,
    pub(super) rows: u32,
    pub(super) lasts: Duration,
}

/// What came of it.
pub(super) struct Measured {
    /// Latencies, sorted.
    pub(super) latencies: Vec<Duration>,
    /// Rate at which the transactions were committed.
    pub(super) committed_per_second: f64,
    /// Time after the last commit until its record was there.
    pub(super) behind: Duration,
    /// Processor time by second of the flow.
    pub(super) connector_cores: f64,
    pub(super) broker_cores: f64,
    /// Of Postgres, the sessions that write included.
    pub(super) server_cores: f64,
    pub(super) resident_bytes_peak: u64,
}

/// A contestant that runs.
pub(super) enum Running<'a> {
    Walcast(Walcast),
    Debezium(&'a Debezium, DebeziumConfig),
}

impl Running<'_> {
    fn usage(&self) -> Result<ProcessUsage> {
        Ok(match self {
            Running::Walcast(walcast) => walcast.usage()?,
            Running::Debezium(worker, _) => ProcessUsage::of(worker.process_id())?,
        })
    }
}

pub(super) async fn measure(
    testbed: &Testbed,
    binary: &Path,
    contestant: &Contestant<'_>,
    flow: Flow,
) -> Result<Measured> {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let name = format!("latency{}", RUNS.fetch_add(1, Ordering::Relaxed));
    let running = begin(testbed, binary, contestant, &name).await?;
    warm_up(testbed, flow).await?;
    let measured = Box::pin(measure_flow(testbed, &running, &name, flow)).await?;
    end(testbed, running, &name).await?;
    Ok(measured)
}

/// Runs the flow for a while without measuring it.
pub(super) async fn warm_up(testbed: &Testbed, flow: Flow) -> Result<()> {
    let postgres = &testbed.postgres;
    Load::begin(postgres, flow.rate, flow.rows, WARM_UP.min(flow.lasts))
        .await?
        .end()
        .await?;
    Ok(())
}

/// Measures a flow that a running contestant delivers into topics with this prefix.
pub(super) async fn measure_flow(
    testbed: &Testbed,
    running: &Running<'_>,
    name: &str,
    flow: Flow,
) -> Result<Measured> {
    let postgres = &testbed.postgres;
    let follower = follow(&testbed.kafka.brokers(), &format!("{name}.public.pings")).await?;

    let (before, servers) = (running.usage()?, ServerMeter::start(testbed)?);
    let load = Load::begin(postgres, flow.rate, flow.rows, flow.lasts).await?;
    let commits = load.commits.clone();
    let arrivals = tokio::task::spawn_blocking(move || arrivals(&follower, &commits));
    let commits = load.commits.clone();
    let took = load.end().await?;
    let ended_at = Instant::now();
    let (after, servers) = (running.usage()?, servers.used()?);
    let arrivals = arrivals.await??;

    let mut latencies = Vec::with_capacity(arrivals.len());
    for (transaction, arrived) in arrivals.iter().enumerate() {
        let acknowledged = commits
            .acknowledged_at(transaction)
            .context("no acknowledgement")?;
        latencies.push(arrived.saturating_duration_since(acknowledged));
    }
    latencies.sort();
    let last = arrivals.into_iter().max().unwrap_or(ended_at);
    let seconds = took.as_secs_f64();
    Ok(Measured {
        committed_per_second: f64::from(u32::try_from(commits.len())?) / seconds,
        latencies,
        behind: last.saturating_duration_since(ended_at),
        connector_cores: (after.cpu_seconds - before.cpu_seconds) / seconds,
        broker_cores: servers.broker_cpu_seconds / seconds,
        server_cores: servers.server_cpu_seconds / seconds,
        resident_bytes_peak: after.resident_bytes_peak,
    })
}

async fn begin<'a>(
    testbed: &Testbed,
    binary: &Path,
    contestant: &Contestant<'a>,
    name: &str,
) -> Result<Running<'a>> {
    match contestant {
        Contestant::Walcast(guarantee) => {
            let config = ConnectorConfig::new(testbed, name)?
                .set("postgres.tables", vec!["public.pings".to_owned()])
                .set("kafka.delivery_guarantee", *guarantee)
                .set("snapshot.mode", "never");
            let mut walcast = Walcast::spawn_binary(binary, &config, &[])?;
            walcast
                .wait_ready(LIMIT)
                .await
                .context("walcast does not start")?;
            Ok(Running::Walcast(walcast))
        }
        Contestant::Debezium(worker) => {
            let config = DebeziumConfig::new(&testbed.postgres, &testbed.registry, name)
                .set("table.include.list", "public.pings")
                .set("poll.interval.ms", "10");
            testbed
                .postgres
                .execute(&format!("CREATE PUBLICATION {} FOR TABLE pings", config.slot()))
                .await?;
            worker.add(&config, &testbed.postgres).await?;
            Ok(Running::Debezium(worker, config))
        }
    }
}

/// Stops a contestant, and removes what it has left on the server.
pub(super) async fn end(testbed: &Testbed, running: Running<'_>, name: &str) -> Result<()> {
    match running {
        Running::Walcast(mut walcast) => {
            ensure!(
                walcast.sigterm(LIMIT).await?.success(),
                "walcast did not stop cleanly"
            );
            drop_slot(testbed, &format!("walcast_{name}")).await
        }
        Running::Debezium(worker, config) => {
            worker.remove(config.name()).await?;
            drop_slot(testbed, config.slot()).await
        }
    }
}

/// A consumer that has received what was written before.
async fn follow(brokers: &str, topic: &str) -> Result<TopicFollower> {
    let begun = Instant::now();
    loop {
        let (brokers, topic) = (brokers.to_owned(), topic.to_owned());
        let found = tokio::task::spawn_blocking(move || -> Result<Option<TopicFollower>> {
            let Some(follower) = TopicFollower::of(&brokers, &topic)? else {
                return Ok(None);
            };
            follower.next_key(SILENCE)?.context("nothing was delivered")?;
            while follower.next_key(Duration::from_secs(1))?.is_some() {}
            Ok(Some(follower))
        });
        if let Some(follower) = found.await?? {
            return Ok(follower);
        }
        ensure!(begun.elapsed() < LIMIT, "the topic was never created");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The time of arrival of each transaction of a flow. A record that comes twice counts once.
fn arrivals(follower: &TopicFollower, commits: &Commits) -> Result<Vec<Instant>> {
    let mut arrivals: Vec<Option<Instant>> = vec![None; commits.len()];
    let mut missing = arrivals.len();
    while missing > 0 {
        let (key, arrived) = follower
            .next_key(SILENCE)?
            .with_context(|| format!("{missing} transactions do not arrive"))?;
        let Some(transaction) = commits.ended_by(id_of(&key)?) else {
            continue;
        };
        let arrival = arrivals
            .get_mut(transaction)
            .context("a transaction beyond the flow")?;
        missing -= usize::from(arrival.is_none());
        arrival.get_or_insert(arrived);
    }
    Ok(arrivals.into_iter().flatten().collect())
}

/// The only field of the key: a `long` of Avro, which is a zigzag number of variable length.
fn id_of(key: &[u8]) -> Result<i64> {
    let bytes = key.get(KEY_PREFIX..).context("a key that is too short")?;
    let mut number = 0u64;
    for (place, byte) in bytes.iter().take(10).enumerate() {
        number |= u64::from(byte & 0x7f) << (7 * place);
    }
    let half = i64::try_from(number >> 1)?;
    Ok(if number & 1 == 0 { half } else { -half - 1 })
}

#[cfg(test)]
mod tests {
    use super::id_of;

    #[test]
    fn ids_are_zigzag_numbers_behind_the_prefix() {
        for (bytes, id) in [
            (&[0x02][..], 1),
            (&[0x01], -1),
            (&[0x80, 0x01], 64),
            (&[0xff, 0x01], -128),
        ] {
            let key = [&[0; 5], bytes].concat();
            assert_eq!(id_of(&key).unwrap(), id);
        }
        assert!(id_of(&[0; 4]).is_err());
    }
}
