//! Other connectors over the same backlog: walcast at least once, and the real Debezium as it is shipped.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use walcast_testbed::{ConnectorConfig, Debezium, DebeziumConfig, ProcessUsage, Testbed, records_written};

use super::backlog::Backlog;
use super::debezium_worker;
use super::round::{self, Drained, LIMIT};

/// The connectors' names; slots and publications are named after them.
const AT_LEAST_ONCE: &str = "bench_at_least_once";
const DEBEZIUM: &str = "bench_debezium";
/// How often the broker is asked how long the topic is.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// Connectors that drain the backlog of a round after walcast, each from a slot of its own.
pub(super) struct Peers {
    at_least_once: ConnectorConfig,
    worker: Debezium,
    debezium: DebeziumConfig,
}

impl Peers {
    /// Starts Debezium's worker.
    pub(super) async fn start(testbed: &Testbed) -> Result<Peers> {
        let at_least_once = ConnectorConfig::new(testbed, AT_LEAST_ONCE)?
            .set("postgres.tables", vec!["public.orders".to_owned()])
            .set("kafka.delivery_guarantee", "at_least_once");
        let debezium = DebeziumConfig::new(&testbed.postgres, &testbed.registry, DEBEZIUM)
            .set("table.include.list", "public.orders");
        Ok(Peers {
            at_least_once,
            worker: debezium_worker(testbed).await?,
            debezium,
        })
    }

    /// Runs each until it streams, so that there are slots before there is a backlog.
    pub(super) async fn make_slots(&self, testbed: &Testbed, binary: &Path) -> Result<()> {
        round::make_slot(binary, &self.at_least_once).await?;
        let publication = self.debezium.slot();
        let create = format!(
            "CREATE PUBLICATION {publication} FOR TABLE orders WITH (publish = 'insert, update, delete')"
        );
        testbed.postgres.execute(&create).await?;
        self.worker.add(&self.debezium, &testbed.postgres).await?;
        Ok(self.worker.remove(self.debezium.name()).await?)
    }

    /// Delivers the backlog with each, one after another.
    pub(super) async fn drain(
        &self,
        testbed: &Testbed,
        binary: &Path,
        backlog: Backlog,
    ) -> Result<Vec<(&'static str, Drained)>> {
        let at_least_once =
            round::drain_with_walcast(&testbed.kafka, binary, &self.at_least_once, backlog).await?;
        let debezium = self.drain_with_debezium(testbed, backlog).await?;
        let drained = vec![
            ("walcast, at least once", at_least_once),
            ("Debezium as shipped, at least once", debezium),
        ];
        for (name, drained) in &drained {
            eprintln!("{name}  {:.2} s", drained.elapsed.as_secs_f64());
        }
        Ok(drained)
    }

    async fn drain_with_debezium(&self, testbed: &Testbed, backlog: Backlog) -> Result<Drained> {
        let (brokers, topics) = (testbed.kafka.brokers(), [format!("{DEBEZIUM}.public.orders")]);
        let broker = testbed.kafka.process_id().context("the broker does not run")?;
        let delivered_before = records_written(&brokers, &topics).await?;
        let usage = || -> Result<_> {
            let worker = ProcessUsage::of(self.worker.process_id())?;
            Ok((worker, ProcessUsage::of(broker)?))
        };
        let (before, broker_before) = usage()?;
        let begun = Instant::now();
        self.worker.begin(&self.debezium).await?;
        while records_written(&brokers, &topics).await? < delivered_before + backlog.changes() {
            // A task that has failed says why.
            self.worker.runs(self.debezium.name()).await?;
            ensure!(
                begun.elapsed() < LIMIT,
                "Debezium has not delivered the backlog after {} s",
                LIMIT.as_secs()
            );
            tokio::time::sleep(ASK_EVERY).await;
        }
        let elapsed = begun.elapsed();
        let (after, broker_after) = usage()?;
        self.worker.remove(self.debezium.name()).await?;
        Ok(Drained {
            elapsed,
            usage: ProcessUsage {
                cpu_seconds: after.cpu_seconds - before.cpu_seconds,
                ..after
            },
            broker_cpu_seconds: broker_after.cpu_seconds - broker_before.cpu_seconds,
        })
    }
}
