//! Changes of partitions for which Postgres publishes nothing.

use std::fmt;

use walcast_mapper::TableName;

/// Maximum number of partitions that a text names.
const NAMED_MAX: usize = 10;

/// Change of partitions of a captured table for which Postgres publishes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionChange {
    /// What happened.
    pub kind: PartitionChangeKind,
    /// The captured table.
    pub table: TableName,
    /// The partitions.
    pub partitions: Vec<TableName>,
}

/// What happened to partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionChangeKind {
    /// They were attached, or became logged, and the rows that they held are read.
    AttachedAndRead,
    /// The same, and the configuration excludes reading the rows.
    AttachedUnread,
    /// They were detached.
    Detached,
    /// They were dropped.
    Dropped,
    /// They have another file.
    Rewritten,
    /// One statement gave all partitions another file.
    AllRewritten,
}

impl PartitionChangeKind {
    /// Word for `/status`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::AttachedAndRead | Self::AttachedUnread => "attached",
            Self::Detached => "detached",
            Self::Dropped => "dropped",
            Self::Rewritten | Self::AllRewritten => "truncated or rewritten",
        }
    }
}

impl PartitionChange {
    /// Whether the topic of the table lacks rows, or may hold rows that the table no longer has.
    #[must_use]
    pub fn needs_attention(&self) -> bool {
        match self.kind {
            PartitionChangeKind::AttachedAndRead | PartitionChangeKind::AllRewritten => false,
            PartitionChangeKind::AttachedUnread
            | PartitionChangeKind::Detached
            | PartitionChangeKind::Dropped
            | PartitionChangeKind::Rewritten => true,
        }
    }
}

impl fmt::Display for PartitionChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (table, partitions) = (&self.table, Named(&self.partitions));
        let was = if self.partitions.len() == 1 { "was" } else { "were" };
        match self.kind {
            PartitionChangeKind::AttachedAndRead => write!(
                f,
                "{partitions} of {table} came with rows that the WAL does not contain as rows of {table} (ATTACH PARTITION or SET LOGGED): \
                 the rows are read"
            ),
            PartitionChangeKind::AttachedUnread => write!(
                f,
                "{partitions} of {table} came with rows that the WAL does not contain as rows of {table} (ATTACH PARTITION or SET LOGGED): \
                 the rows are not read, because the settings exclude it"
            ),
            PartitionChangeKind::Detached => write!(
                f,
                "{partitions} {was} detached from {table}: Postgres publishes no delete, so the rows that left {table} stay in its topic, and \
                 later changes are those of another table"
            ),
            PartitionChangeKind::Dropped => write!(
                f,
                "{partitions} of {table} {was} dropped: Postgres publishes no delete, so the rows stay in the topic of {table}"
            ),
            PartitionChangeKind::Rewritten => write!(
                f,
                "{partitions} of {table} {was} truncated or rewritten: Postgres does not publish TRUNCATE of a partition, so rows that it \
                 removed stay in the topic of {table}; VACUUM FULL, CLUSTER and ALTER TABLE remove none"
            ),
            PartitionChangeKind::AllRewritten => write!(
                f,
                "one statement truncated or rewrote all partitions of {table}; TRUNCATE of {table} is published"
            ),
        }
    }
}

impl std::error::Error for PartitionChange {}

/// Partitions in a text.
struct Named<'a>(&'a [TableName]);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.len() == 1 {
            "partition "
        } else {
            "partitions "
        })?;
        for (number, partition) in self.0.iter().take(NAMED_MAX).enumerate() {
            let separator = if number == 0 { "" } else { ", " };
            write!(f, "{separator}{partition}")?;
        }
        match self.0.len().saturating_sub(NAMED_MAX) {
            0 => Ok(()),
            more => write!(f, " and {more} others"),
        }
    }
}
