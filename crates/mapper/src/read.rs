//! Positions of rows that were read from their table.

use walcast_pgoutput::{Lsn, Oid, PgTimestamp, Tid};

use crate::snapshot_marker::SnapshotMarker;

/// Position of a row that was read, from which the `source` block and the record's identity are made.
#[derive(Clone, Copy, Debug)]
pub struct ReadContext {
    /// Position of the snapshot: the row is as the transactions committed before it left it; `source.lsn`.
    pub lsn: Lsn,
    /// Time of the snapshot: `source.ts_ms`, `ts_us`, `ts_ns`.
    pub fixed_at: PgTimestamp,
    /// Place of the row among those of the snapshot.
    pub marker: SnapshotMarker,
    /// Identity of the row.
    pub row: RowId,
    /// Local clock, nanoseconds since 1970: the envelope's `ts_ms`, `ts_us`, `ts_ns`.
    pub processed_at_unix_nanos: i64,
}

/// Position at which no row has a key: that of a row whose delete, or whose change of key, was not delivered.
#[derive(Clone, Copy, Debug)]
pub struct MissingRowContext {
    /// Position of the snapshot: no row has the key as the transactions committed before it left the table.
    pub lsn: Lsn,
    /// Time of the snapshot.
    pub fixed_at: PgTimestamp,
    /// OID of the table.
    pub table: Oid,
    /// Number of the key among those that were looked up.
    pub number: u32,
    /// Local clock, nanoseconds since 1970.
    pub processed_at_unix_nanos: i64,
}

/// Identity of a row in a snapshot: the table's OID and the row's `ctid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowId {
    /// OID of the table.
    pub table: Oid,
    /// `ctid` of the row.
    pub tid: Tid,
}
