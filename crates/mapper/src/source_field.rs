//! The fields of the envelope's `source` block.

use crate::SnapshotMark;
use crate::connect::{ConnectSchema, Kind, Slot};
use crate::schema::{ALLOWED, ENUM};

/// A field of the `source` block, by Debezium's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceField {
    /// The connector's version.
    Version,
    /// The kind of connector.
    Connector,
    /// The topic prefix.
    Name,
    /// When the transaction was committed, in milliseconds.
    TsMs,
    /// Whether the row was read in a snapshot.
    Snapshot,
    /// The database.
    Db,
    /// Where the last transaction ended and where the change lies, as text.
    Sequence,
    /// When the transaction was committed, in microseconds.
    TsUs,
    /// When the transaction was committed, in nanoseconds.
    TsNs,
    /// The table's schema.
    Schema,
    /// The table.
    Table,
    /// The transaction.
    TxId,
    /// Where the change lies.
    Lsn,
    /// Not filled.
    Xmin,
}

/// What `source.snapshot` may say.
const SNAPSHOT_STATES: &str =
    "true,first,first_in_data_collection,last_in_data_collection,last,false,incremental";

impl SourceField {
    /// All of them, in the block's order.
    pub const ALL: [Self; 14] = [
        Self::Version,
        Self::Connector,
        Self::Name,
        Self::TsMs,
        Self::Snapshot,
        Self::Db,
        Self::Sequence,
        Self::TsUs,
        Self::TsNs,
        Self::Schema,
        Self::Table,
        Self::TxId,
        Self::Lsn,
        Self::Xmin,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Connector => "connector",
            Self::Name => "name",
            Self::TsMs => "ts_ms",
            Self::Snapshot => "snapshot",
            Self::Db => "db",
            Self::Sequence => "sequence",
            Self::TsUs => "ts_us",
            Self::TsNs => "ts_ns",
            Self::Schema => "schema",
            Self::Table => "table",
            Self::TxId => "txId",
            Self::Lsn => "lsn",
            Self::Xmin => "xmin",
        }
    }

    /// What it is.
    pub(crate) fn schema(self) -> ConnectSchema {
        match self {
            Self::Snapshot => {
                ConnectSchema::semantic(Kind::String, ENUM).with_parameter(ALLOWED, SNAPSHOT_STATES)
            }
            Self::Version
            | Self::Connector
            | Self::Name
            | Self::Db
            | Self::Sequence
            | Self::Schema
            | Self::Table => Kind::String.into(),
            Self::TsMs | Self::TsUs | Self::TsNs | Self::TxId | Self::Lsn | Self::Xmin => Kind::Int64.into(),
        }
    }

    /// Whether it may be missing.
    pub(crate) fn is_optional(self) -> bool {
        match self {
            Self::Version
            | Self::Connector
            | Self::Name
            | Self::TsMs
            | Self::Db
            | Self::Schema
            | Self::Table => false,
            Self::Snapshot
            | Self::Sequence
            | Self::TsUs
            | Self::TsNs
            | Self::TxId
            | Self::Lsn
            | Self::Xmin => true,
        }
    }

    /// Where it stands in the block.
    pub(crate) fn slot(self) -> Slot {
        Slot {
            schema: self.schema(),
            optional: self.is_optional(),
            default: (self == Self::Snapshot).then(|| SnapshotMark::None.as_str().into()),
        }
    }
}
