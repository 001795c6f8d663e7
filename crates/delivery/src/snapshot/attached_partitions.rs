//! Partitions that were attached to a table, and whose rows are to be read.

use serde::{Deserialize, Serialize};
use walcast_pgoutput::{Lsn, Oid};

/// Maximum number of partitions that are stored by their OIDs, with every checkpoint; if more were attached, all are read.
const PARTITIONS_MAX: usize = 1000;

/// Partitions that were attached to a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttachedPartitions {
    /// OIDs of the partitions; empty: all partitions of the table.
    pub partitions: Vec<u32>,
    /// Position from which on snapshots show them as parts of the table.
    #[serde(with = "crate::serde_text::as_text")]
    pub since: Lsn,
}

impl AttachedPartitions {
    pub(crate) fn new(partitions: &[Oid], since: Lsn) -> Self {
        let partitions = partitions.iter().map(|oid| oid.as_u32()).collect();
        Self { partitions, since }.limited()
    }

    /// These partitions, and others that were attached before.
    pub(crate) fn after(mut self, earlier: Option<Self>) -> Self {
        let Some(earlier) = earlier else {
            return self;
        };
        if self.partitions.is_empty() || earlier.partitions.is_empty() {
            self.partitions.clear();
        } else {
            self.partitions.extend(earlier.partitions);
            self.partitions.sort_unstable();
            self.partitions.dedup();
        }
        self.since = self.since.max(earlier.since);
        self.limited()
    }

    fn limited(mut self) -> Self {
        if self.partitions.len() > PARTITIONS_MAX {
            self.partitions.clear();
        }
        self
    }
}
