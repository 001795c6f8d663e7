//! Other connectors over the same backlog: walcast with other settings, and the real Debezium.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use walcast_testbed::{ConnectorConfig, Debezium, DebeziumConfig, ProcessUsage, Testbed, records_written};

use super::backlog::Backlog;
use super::connector::{self, Drained, LIMIT};
use super::meter::ServerMeter;
use super::rows::drop_slot;

/// How often the broker is asked how long the topic is.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// Documented settings of the tuned Debezium: a queue and batches that are four times as large as by default, and larger requests.
const TUNED: [(&str, &str); 5] = [
    ("max.queue.size", "32768"),
    ("max.batch.size", "8192"),
    ("poll.interval.ms", "10"),
    ("producer.override.batch.size", "262144"),
    ("producer.override.linger.ms", "5"),
];

/// What is measured beside walcast exactly once.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    /// walcast exactly once with `[format] context_headers = false`.
    pub(super) without_context_headers: bool,
    /// walcast at least once.
    pub(super) at_least_once: bool,
    /// Debezium with larger queues and batches than as shipped.
    pub(super) tuned: bool,
}

/// A connector that drains the backlog of a round after walcast, from a slot of its own.
pub(super) struct Peer<'a> {
    pub(super) name: &'static str,
    kind: Kind<'a>,
}

enum Kind<'a> {
    /// The name of the slot, and the configuration.
    Walcast(String, ConnectorConfig),
    Debezium(&'a Debezium, DebeziumConfig),
}

/// The connectors that are wanted. Debezium is among them if there is a worker.
pub(super) fn peers<'a>(
    testbed: &Testbed,
    backlog: Backlog,
    worker: Option<&'a Debezium>,
    wanted: Wanted,
) -> Result<Vec<Peer<'a>>> {
    let workload = backlog.workload.name();
    let walcast = |suffix: &str| -> Result<(String, ConnectorConfig)> {
        let own = format!("bench_{workload}_{suffix}");
        let config = ConnectorConfig::new(testbed, &own)?.set("postgres.tables", backlog.tables());
        Ok((format!("walcast_{own}"), config))
    };
    let mut peers = Vec::new();
    if wanted.without_context_headers {
        let (slot, config) = walcast("no_headers")?;
        peers.push(Peer {
            name: "walcast, exactly once, without context headers",
            kind: Kind::Walcast(slot, config.set("format.context_headers", false)),
        });
    }
    if wanted.at_least_once {
        let (slot, config) = walcast("at_least_once")?;
        peers.push(Peer {
            name: "walcast, at least once",
            kind: Kind::Walcast(slot, config.set("kafka.delivery_guarantee", "at_least_once")),
        });
    }
    let Some(worker) = worker else {
        return Ok(peers);
    };
    let debezium = |suffix: &str| {
        let name = format!("bench_{workload}_{suffix}");
        DebeziumConfig::new(&testbed.postgres, &testbed.registry, &name)
            .set("table.include.list", &backlog.tables().join(","))
    };
    peers.push(Peer {
        name: "Debezium as shipped, at least once",
        kind: Kind::Debezium(worker, debezium("debezium")),
    });
    if wanted.tuned {
        let tuned = TUNED
            .iter()
            .fold(debezium("tuned"), |config, (name, value)| config.set(name, value));
        peers.push(Peer {
            name: "Debezium with larger batches, at least once",
            kind: Kind::Debezium(worker, tuned),
        });
    }
    Ok(peers)
}

impl Peer<'_> {
    /// Runs the connector until it streams, so that there is a slot before there is a backlog.
    pub(super) async fn make_slot(&self, testbed: &Testbed, binary: &Path, backlog: Backlog) -> Result<()> {
        match &self.kind {
            Kind::Walcast(_, config) => connector::make_slot(binary, config).await.map(drop),
            Kind::Debezium(worker, config) => {
                let create = format!(
                    "CREATE PUBLICATION {} FOR TABLE {} WITH (publish = 'insert, update, delete')",
                    config.slot(),
                    backlog.tables().join(", ")
                );
                testbed.postgres.execute(&create).await?;
                worker.add(config, &testbed.postgres).await?;
                Ok(worker.remove(config.name()).await?)
            }
        }
    }

    /// Delivers the backlog.
    pub(super) async fn drain(&self, testbed: &Testbed, binary: &Path, backlog: Backlog) -> Result<Drained> {
        let drained = match &self.kind {
            Kind::Walcast(_, config) => {
                connector::drain(testbed, binary, config, backlog.transactions()).await?
            }
            Kind::Debezium(worker, config) => drain_with_debezium(testbed, worker, config, backlog).await?,
        };
        eprintln!("{}  {:.2} s", self.name, drained.elapsed.as_secs_f64());
        Ok(drained)
    }

    /// Drops the slot, which retains WAL otherwise.
    pub(super) async fn end(&self, testbed: &Testbed) -> Result<()> {
        let slot: &str = match &self.kind {
            Kind::Walcast(slot, _) => slot,
            Kind::Debezium(_, config) => config.slot(),
        };
        drop_slot(testbed, slot).await
    }
}

async fn drain_with_debezium(
    testbed: &Testbed,
    worker: &Debezium,
    config: &DebeziumConfig,
    backlog: Backlog,
) -> Result<Drained> {
    let (brokers, name) = (testbed.kafka.brokers(), config.name());
    let topics: Vec<String> = backlog
        .tables()
        .iter()
        .map(|table| format!("{name}.{table}"))
        .collect();
    let last = [format!("{name}.{}", backlog.last_table())];
    let expected = records_written(&brokers, &topics).await? + backlog.changes();
    let expected_last = records_written(&brokers, &last).await? + backlog.changes_of_last_table();
    let (servers, before) = (
        ServerMeter::start(testbed)?,
        ProcessUsage::of(worker.process_id())?,
    );
    let begun = Instant::now();
    worker.begin(config).await?;
    let elapsed = loop {
        // Many topics take long to ask for: all of them only once the last one is complete.
        if records_written(&brokers, &last).await? >= expected_last {
            let elapsed = begun.elapsed();
            if records_written(&brokers, &topics).await? >= expected {
                break elapsed;
            }
        }
        // A task that has failed says why.
        worker.runs(name).await?;
        ensure!(
            begun.elapsed() < LIMIT,
            "Debezium has not delivered the backlog after {} s",
            LIMIT.as_secs()
        );
        tokio::time::sleep(ASK_EVERY).await;
    };
    let (servers, after) = (servers.used()?, ProcessUsage::of(worker.process_id())?);
    worker.remove(name).await?;
    Ok(Drained {
        elapsed,
        usage: ProcessUsage {
            cpu_seconds: after.cpu_seconds - before.cpu_seconds,
            ..after
        },
        servers,
    })
}
