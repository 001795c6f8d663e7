//! Topics that the rows of an outbox name: which of them are refused, and how many partitions they have.

use super::Plan;
use crate::error::MapError;
use crate::row::RowError;

impl Plan {
    /// Error of the latest row of an outbox, which names a topic that holds the rows of a table; `None` for other tables.
    #[must_use]
    pub fn names_topic_of_table(&self) -> Option<MapError> {
        let outbox = self.outbox.as_ref()?;
        Some(self.explain(RowError::OutboxValue {
            place: outbox.route_place(),
            wanted: "the name of a topic: this one holds the rows of a table",
        }))
    }

    /// Whether rows of an outbox name partitions.
    #[must_use]
    pub fn names_partitions(&self) -> bool {
        self.outbox
            .as_ref()
            .is_some_and(|outbox| outbox.names_partitions())
    }

    /// Whether the latest row of an outbox names a partition that its topic is not known to have: the row cannot be mapped unless the
    /// topic has more partitions by now.
    #[must_use]
    pub fn lacks_partition(&self) -> bool {
        self.outbox
            .as_ref()
            .is_some_and(|outbox| outbox.lacks_partition())
    }

    /// Number of partitions of the topic that the latest row of an outbox names; `None`: not checked.
    #[must_use]
    pub fn partitions(&self) -> Option<i32> {
        self.outbox.as_ref()?.partitions()
    }

    /// Sets the number of partitions of that topic: a row that names another one cannot be mapped.
    pub fn set_partitions(&mut self, partitions: i32) {
        if let Some(outbox) = &mut self.outbox {
            outbox.set_partitions(partitions);
        }
    }
}
