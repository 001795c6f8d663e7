//! The rows that are in the tables already: how they are read.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use walcast_mapper::{TableMetadata, TableName};
use walcast_pgoutput::{Lsn, Oid, PgTimestamp, Relation};

use crate::condition::Condition;
use crate::port_error::BoxedPortError;
use crate::snapshot::former_key::FormerKey;
use crate::snapshot::progress::NextRow;

/// Takes snapshots of the source.
pub trait Snapshots {
    /// What is taken.
    type Snapshot: Snapshot;

    /// Time for which the stream may be held while a snapshot is taken; then the stream continues, and may pass the snapshot.
    fn hold(&self) -> Duration;

    /// Takes a snapshot at a position that lies at or after the end of WAL at the time of the call. Waits until the
    /// transactions that run now have ended. Cancel-safe: a dropped future leaves nothing behind.
    fn take(&mut self) -> impl Future<Output = Result<Self::Snapshot, BoxedPortError>>;
}

/// Tables as the transactions that were committed before one position left them, whatever changes are made meanwhile. Dropping the
/// snapshot releases that state on the server.
pub trait Snapshot {
    /// The position: a transaction whose commit record lies at or after it is not seen.
    fn lsn(&self) -> Lsn;

    /// When it was taken.
    fn taken_at(&self) -> PgTimestamp;

    /// How large tables are, in bytes and more or less; of those that exist.
    fn sizes(
        &mut self,
        tables: &[TableName],
    ) -> impl Future<Output = Result<BTreeMap<TableName, u64>, BoxedPortError>>;

    /// Has the rows of the table that is opened next read in an order of their own, behind one of them, and not from a row on.
    fn order(&mut self, _order: Option<EventOrder>) {}

    /// Begins to read a table, from the row `from` on; the table that was read before is done with. A table or partition
    /// whose file is not that of `from` any more is read from its first row. With `oid` the table is found by it, also under
    /// another name, which [`SnapshotTable::relation`] has.
    fn open(
        &mut self,
        table: &TableName,
        oid: Option<Oid>,
        from: Option<NextRow>,
        rows: ChosenRows<'_>,
    ) -> impl Future<Output = Result<Opened, BoxedPortError>>;

    /// The next rows of the table, ascending by table and place ([`walcast_mapper::RowId`]); `None` at its end. Cancel-safe.
    fn next(&mut self) -> impl Future<Output = Result<Option<CopiedRows>, BoxedPortError>>;

    /// Which of these keys no row of the table has that was read to its end last; in their order.
    fn gone(&mut self, keys: Vec<FormerKey>) -> impl Future<Output = Result<Vec<FormerKey>, BoxedPortError>>;
}

/// Which rows of a table are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChosenRows<'a> {
    /// As configured.
    Configured,
    /// As configured, and only of the partitions with these OIDs. The snapshot shows each that still is a partition of the table.
    Partitions(&'a [u32]),
    /// Those of a condition.
    Where(&'a Condition),
    /// The same; they are few, and by their key: the rest of the table need not be looked at.
    Few(&'a Condition),
}

impl<'a> ChosenRows<'a> {
    /// The condition; `None`: as configured.
    #[must_use]
    pub fn condition(self) -> Option<&'a Condition> {
        match self {
            Self::Configured | Self::Partitions(_) => None,
            Self::Where(condition) | Self::Few(condition) => Some(condition),
        }
    }

    /// Whether rows of a table that stores rows are read: the table that is opened, or a partition of it.
    #[must_use]
    pub fn include(self, table: Oid) -> bool {
        match self {
            Self::Partitions(chosen) => chosen.contains(&table.as_u32()),
            Self::Configured | Self::Where(_) | Self::Few(_) => true,
        }
    }
}

/// Order in which the events of an event store are read, within each table that stores rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventOrder {
    /// Column with the number of an event.
    pub column: String,
    /// Number behind which events are read, and the OID of the table or partition to which it applies.
    pub after: Option<(Oid, i64)>,
}

/// Whether a table can be read.
#[derive(Debug)]
pub enum Opened {
    /// Yes: [`Snapshot::next`] gives its rows.
    Table(Box<SnapshotTable>),
    /// It did not exist at the snapshot's position.
    Missing,
    /// It was altered, emptied or dropped since, or is being: its rows cannot be seen any more as they were. A later
    /// snapshot shows it.
    Altered,
}

/// A table, as of a snapshot.
#[derive(Debug)]
pub struct SnapshotTable {
    /// Description as in a Relation message.
    pub relation: Relation,
    /// Metadata from the catalog.
    pub facts: TableMetadata,
    /// Whether a condition selects its rows, also one of the configuration.
    pub is_filtered: bool,
    /// How many bytes are left to be read of it, more or less.
    pub bytes: u64,
}

/// A stretch of a table's rows.
#[derive(Debug)]
pub struct CopiedRows {
    /// The table that holds them: that which was opened, or a partition of it.
    pub table: Oid,
    /// The file in which they lie.
    pub file: Oid,
    /// The rows as COPY writes them in text format, each with the end of its line: first its `ctid`, then the columns of
    /// the relation.
    pub lines: Vec<u8>,
    /// How many bytes of the table are left behind with them, more or less.
    pub bytes: u64,
}
