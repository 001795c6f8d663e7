//! What is known of outbox tables, and what is removed from them, as plain values.

use std::time::Duration;

use walcast_mapper::TableName;
use walcast_pgoutput::{Lsn, Oid};

use crate::outbox_cleanup::CleanupAction;
use crate::source_state::{SystemIdentifier, Timeline};

/// Server and outbox tables at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxLook {
    /// Cluster of the server.
    pub system_identifier: SystemIdentifier,
    /// Its timeline.
    pub timeline: Timeline,
    /// Number of the session, which changes when the connection is established again.
    pub session: u64,
    /// 64-bit transaction ID: every transaction with a lower ID had ended.
    pub horizon: u64,
    /// End of WAL, read after `horizon`.
    pub end: Lsn,
    /// The tables.
    pub tables: Vec<OutboxTable>,
}

/// Outbox table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxTable {
    /// Name.
    pub name: TableName,
    /// OID.
    pub oid: Oid,
    /// Whether the publication publishes inserts of all rows of the table.
    pub is_published: bool,
    /// Membership in the publication ([`SourceState::memberships`](crate::SourceState)); `None`: it is no member.
    pub membership: Option<String>,
    /// Tables that store the rows: the table itself, or its partitions.
    pub parts: Vec<Oid>,
    /// How and with which files the partitions belong to the table: another text after one was detached, attached or rewritten.
    pub layout: String,
}

/// Rows that are to be removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal<'r> {
    /// The outbox table.
    pub table: &'r OutboxTable,
    /// Handling of the rows.
    pub action: &'r CleanupAction,
    /// Only rows of transactions with a lower 64-bit ID are removed.
    pub horizon: u64,
    /// Age from which rows are removed.
    pub keep: Duration,
    /// Column with the time of a row; `None`: all rows below the horizon have the age.
    pub age_column: Option<&'r str>,
    /// Number of rows that are removed at most.
    pub limit: u32,
}

/// What was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Number of rows.
    pub rows: u64,
    /// Number of partitions.
    pub partitions: u64,
    /// Whether there may be more to remove.
    pub has_more: bool,
    /// Trigger or rule that would run with the privileges of the connector's role: nothing was removed because of it.
    pub prevented_by: Option<String>,
}
