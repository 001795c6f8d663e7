//! A broker's place in a cluster.

/// A broker among others; each is a controller as well.
#[derive(Debug)]
pub(super) struct Seat {
    /// Number of the broker, from 1.
    pub(super) id: usize,
    /// `id@host:port` of every controller.
    pub(super) voters: String,
    /// How many copies there are of every partition.
    pub(super) replicas: usize,
}

impl Seat {
    /// Settings beside those of a broker that is alone, over which they win.
    pub(super) fn properties(&self) -> Vec<(&'static str, String)> {
        let replicas = self.replicas.to_string();
        // One may be away.
        let in_sync = self.replicas.saturating_sub(1).max(1).to_string();
        vec![
            ("node.id", self.id.to_string()),
            ("controller.quorum.voters", self.voters.clone()),
            ("default.replication.factor", replicas.clone()),
            ("min.insync.replicas", in_sync.clone()),
            ("offsets.topic.replication.factor", replicas.clone()),
            ("transaction.state.log.replication.factor", replicas),
            ("transaction.state.log.min.isr", in_sync),
        ]
    }
}
