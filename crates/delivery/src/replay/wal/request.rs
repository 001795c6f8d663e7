//! Request to replay a window.

use std::collections::{BTreeMap, BTreeSet};

use walcast_mapper::{MapperConfig, TableName};
use walcast_pgoutput::{Lsn, Oid};

use crate::config::OnIncompatible;
use crate::describe::Describe;
use crate::encode::dead_letters::config::DeadLetterConfig;
use crate::replay::wal::place::ReplayPlace;
use crate::schema_history::TableHistory;

/// Transactions of a window of WAL, by the positions at which their commit records begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalWindow {
    /// First position.
    pub from: Lsn,
    /// Position before which the window ends.
    pub end: Lsn,
}

/// Request to replay a window from WAL.
#[derive(Debug)]
pub struct WindowReplay<'a> {
    /// Window. Everything in it was delivered.
    pub window: WalWindow,
    /// Place before which everything was sent.
    pub place: ReplayPlace,
    /// Tables that are replayed; `None`: all.
    pub tables: Option<BTreeSet<TableName>>,
    /// Mapping of records, as that of the connector.
    pub mapper: &'a MapperConfig,
    /// Dead letters of the connector: changes that it did not deliver are not replayed.
    pub dead_letters: &'a DeadLetterConfig,
    /// What the connector does about incompatible schemas.
    pub on_incompatible: OnIncompatible,
    /// Schema history of the checkpoint.
    pub schemas: BTreeMap<Oid, TableHistory>,
    /// Size at which records are sent.
    pub batch_bytes: usize,
    /// Time of processing that the records carry, which is that of the replay.
    pub processed_at_unix_nanos: i64,
    /// How errors are described.
    pub describe: Describe,
}
