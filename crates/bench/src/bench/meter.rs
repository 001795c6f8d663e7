//! What the servers use while something else is measured.

use anyhow::{Context, Result};
use walcast_testbed::{ProcessUsage, Testbed, cpu_seconds_of_tree};

/// Processor time and memory of the servers during one measurement.
#[derive(Clone, Copy, Debug)]
pub(super) struct ServersUsed {
    pub(super) broker_cpu_seconds: f64,
    /// Memory of the broker at the end.
    pub(super) broker_resident_bytes: u64,
    /// Processor time of Postgres, with all its processes: those that write included, where a measurement writes.
    pub(super) server_cpu_seconds: f64,
}

/// Reads what the servers use between its start and [`ServerMeter::used`].
pub(super) struct ServerMeter {
    broker: u32,
    server: u32,
    broker_before: f64,
    server_before: f64,
}

impl ServerMeter {
    /// Starts to measure.
    pub(super) fn start(testbed: &Testbed) -> Result<ServerMeter> {
        let broker = testbed.kafka.process_id().context("the broker does not run")?;
        let server = testbed.postgres.process_id().context("Postgres does not run")?;
        Ok(ServerMeter {
            broker,
            server,
            broker_before: ProcessUsage::of(broker)?.cpu_seconds,
            server_before: cpu_seconds_of_tree(server)?,
        })
    }

    /// What was used since the start.
    pub(super) fn used(&self) -> Result<ServersUsed> {
        let broker = ProcessUsage::of(self.broker)?;
        Ok(ServersUsed {
            broker_cpu_seconds: broker.cpu_seconds - self.broker_before,
            broker_resident_bytes: broker.resident_bytes,
            server_cpu_seconds: cpu_seconds_of_tree(self.server)? - self.server_before,
        })
    }
}
