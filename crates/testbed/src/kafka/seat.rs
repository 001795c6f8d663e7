//! A broker's place in a cluster.

use super::Ports;

/// A broker among others; each is a controller as well.
#[derive(Debug)]
pub(super) struct Seat {
    /// Number of the broker, from 1.
    pub(super) id: usize,
    /// `id@host:port` of every controller.
    pub(super) voters: String,
    /// Port on 127.0.0.1 that clients are told: that of the line to the broker.
    pub(super) advertised: u16,
    /// How many copies there are of every partition.
    pub(super) replicas: usize,
}

impl Seat {
    /// Settings beside those of a broker that is alone, over which they win.
    pub(super) fn properties(&self, ports: &Ports) -> Vec<(&'static str, String)> {
        let inner = format!("BROKER://127.0.0.1:{}", ports.inner.number());
        let replicas = self.replicas.to_string();
        // One may be away.
        let in_sync = self.replicas.saturating_sub(1).max(1).to_string();
        vec![
            ("node.id", self.id.to_string()),
            ("controller.quorum.voters", self.voters.clone()),
            (
                "listeners",
                format!(
                    "PLAINTEXT://127.0.0.1:{},{inner},CONTROLLER://127.0.0.1:{}",
                    ports.open.number(),
                    ports.controller.number()
                ),
            ),
            (
                "advertised.listeners",
                format!("PLAINTEXT://127.0.0.1:{},{inner}", self.advertised),
            ),
            // Brokers talk to each other past the lines, so that a line is between clients and one broker.
            ("inter.broker.listener.name", "BROKER".to_owned()),
            ("default.replication.factor", replicas.clone()),
            ("min.insync.replicas", in_sync.clone()),
            ("offsets.topic.replication.factor", replicas.clone()),
            ("transaction.state.log.replication.factor", replicas),
            ("transaction.state.log.min.isr", in_sync),
        ]
    }
}
