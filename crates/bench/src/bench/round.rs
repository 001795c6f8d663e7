//! One measurement: the raw stream, walcast, others, and the raw stream again, over one backlog.

use std::path::Path;

use anyhow::{Result, ensure};
use walcast_testbed::{ConnectorConfig, Debezium, Testbed, TopicReader};

use super::backlog::Backlog;
use super::connector::{self, Drained};
use super::peers::{Peer, Wanted, peers};
use super::raw::slot::{self as raw_slot, RawRun};
use super::rows::drop_slot;

/// Changes that are delivered before anything is measured: enough for the broker's compiler to have seen its hot paths.
const WARM_UP_CHANGES: u64 = 200_000;

/// What one round took.
#[derive(Clone)]
pub(super) struct Round {
    /// The raw stream before and after the others.
    pub(super) raw: [RawRun; 2],
    pub(super) walcast: Drained,
    /// Others over the same backlog, by name.
    pub(super) peers: Vec<(&'static str, Drained)>,
    /// Memory of a walcast that has nothing to do.
    pub(super) idle_bytes: u64,
}

impl Round {
    /// Seconds of the raw stream: the mean of before and after.
    pub(super) fn raw_seconds(&self) -> f64 {
        let [before, after] = self.raw.map(|raw| raw.elapsed.as_secs_f64());
        f64::midpoint(before, after)
    }
}

/// A workload, and the connectors that deliver it.
pub(super) struct Race<'a> {
    testbed: &'a Testbed,
    binary: &'a Path,
    backlog: Backlog,
    /// Name of walcast exactly once; slot and publication are named after it.
    name: String,
    config: ConnectorConfig,
    peers: Vec<Peer<'a>>,
}

impl<'a> Race<'a> {
    /// Debezium takes part if there is a worker.
    pub(super) fn new(
        testbed: &'a Testbed,
        binary: &'a Path,
        backlog: Backlog,
        worker: Option<&'a Debezium>,
        wanted: Wanted,
    ) -> Result<Race<'a>> {
        let name = format!("bench_{}", backlog.workload.name());
        let config = ConnectorConfig::new(testbed, &name)?.set("postgres.tables", backlog.tables());
        Ok(Race {
            testbed,
            binary,
            backlog,
            name,
            config,
            peers: peers(testbed, backlog, worker, wanted)?,
        })
    }

    /// Writes the backlog as often as there are rounds, and has it delivered.
    pub(super) async fn run(
        &self,
        rounds: u32,
        mut each: impl FnMut(u32, &Round) -> Result<()>,
    ) -> Result<()> {
        self.backlog.create_tables(&self.testbed.postgres).await?;
        let mut delivered = self.warm_up().await?;
        self.check_count(delivered).await?;
        for number in 1..=rounds {
            let round = self.measure().await?;
            delivered += self.backlog.changes();
            self.check_count(delivered).await?;
            each(number, &round)?;
        }
        drop_slot(self.testbed, &self.slot()).await?;
        for peer in &self.peers {
            peer.end(self.testbed).await?;
        }
        Ok(())
    }

    /// Delivers a backlog without measuring: what the broker has run once, and the files that it has opened once, do not cost
    /// the first round what they cost no later one. Returns how many changes there were.
    async fn warm_up(&self) -> Result<u64> {
        let backlog = Backlog::of(self.backlog.workload, self.backlog.changes().min(WARM_UP_CHANGES));
        let (testbed, binary) = (self.testbed, self.binary);
        connector::make_slot(binary, &self.config).await?;
        for peer in &self.peers {
            peer.make_slot(testbed, binary, backlog).await?;
        }
        backlog.write(&testbed.postgres).await?;
        testbed.postgres.execute("CHECKPOINT").await?;
        let drained = connector::drain(testbed, binary, &self.config, backlog.transactions()).await?;
        eprintln!(
            "warm-up, not counted: {} changes in {:.2} s",
            backlog.changes(),
            drained.elapsed.as_secs_f64()
        );
        for peer in &self.peers {
            peer.drain(testbed, binary, backlog).await?;
        }
        Ok(backlog.changes())
    }

    /// Writes a backlog and measures how fast it is read and delivered.
    async fn measure(&self) -> Result<Round> {
        let (testbed, binary, backlog) = (self.testbed, self.binary, self.backlog);
        let postgres = &testbed.postgres;
        let idle_bytes = connector::make_slot(binary, &self.config).await?.resident_bytes;
        raw_slot::create(postgres).await?;
        eprintln!("writing {} changes", backlog.changes());
        backlog.write(postgres).await?;
        postgres.execute("CHECKPOINT").await?;

        let before = self.read_raw().await?;
        let walcast = connector::drain(testbed, binary, &self.config, backlog.transactions()).await?;
        eprintln!("walcast  {:.2} s", walcast.elapsed.as_secs_f64());
        let mut drained = Vec::new();
        for peer in &self.peers {
            drained.push((peer.name, peer.drain(testbed, binary, backlog).await?));
        }
        let after = self.read_raw().await?;
        raw_slot::drop_slot(postgres).await?;
        Ok(Round {
            raw: [before, after],
            walcast,
            peers: drained,
            idle_bytes,
        })
    }

    async fn read_raw(&self) -> Result<RawRun> {
        let publication = self.slot();
        let run = raw_slot::read(self.testbed, &publication, self.backlog.transactions()).await?;
        eprintln!("raw      {:.2} s", run.elapsed.as_secs_f64());
        Ok(run)
    }

    /// Slot and publication of walcast exactly once.
    fn slot(&self) -> String {
        format!("walcast_{}", self.name)
    }

    /// A fast connector that loses or doubles changes would be worth nothing.
    async fn check_count(&self, delivered: u64) -> Result<()> {
        let mut found = 0;
        let topics = self.backlog.tables();
        let topics = topics.iter().map(|table| format!("{}.{table}", self.name));
        let mut reader = TopicReader::new(&self.testbed.kafka.brokers(), topics);
        reader.scan_new(|_| found += 1).await?;
        ensure!(
            found == delivered,
            "{found} records are in Kafka where {delivered} changes were made"
        );
        Ok(())
    }
}
