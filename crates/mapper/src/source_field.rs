//! Fields of the envelope's `source` block.

use crate::connect::{ALLOWED, ConnectSchema, ENUM, Kind, Slot};
use crate::debezium_version::DebeziumVersion;
use crate::snapshot_marker::SnapshotMarker;

/// A field of the `source` block, by Debezium's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceField {
    /// Version of the connector.
    Version,
    /// Kind of connector.
    Connector,
    /// Topic prefix.
    Name,
    /// Commit time in milliseconds.
    TsMs,
    /// Marker of rows that were read by a snapshot.
    Snapshot,
    /// Name of the database.
    Db,
    /// End of the previous transaction and position of the change, as text.
    Sequence,
    /// Commit time in microseconds.
    TsUs,
    /// Commit time in nanoseconds.
    TsNs,
    /// Schema of the table.
    Schema,
    /// Name of the table.
    Table,
    /// Transaction id.
    TxId,
    /// Position of the change.
    Lsn,
    /// Always null.
    Xmin,
    /// Name of the replication origin of the transaction.
    Origin,
    /// Position of the transaction at its replication origin.
    OriginLsn,
}

/// Values of `source.snapshot`.
const SNAPSHOT_STATES: &str =
    "true,first,first_in_data_collection,last_in_data_collection,last,false,incremental";

impl SourceField {
    /// All fields, in the block's order. Not every version has all of them.
    pub const ALL: [Self; 16] = [
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
        Self::Origin,
        Self::OriginLsn,
    ];

    /// Fields that the block has in a version, in its order.
    pub fn of(version: DebeziumVersion) -> impl Iterator<Item = Self> {
        Self::ALL
            .into_iter()
            .filter(move |field| field.since() <= version)
    }

    /// First version with the field.
    #[must_use]
    pub const fn since(self) -> DebeziumVersion {
        match self {
            Self::Origin | Self::OriginLsn => DebeziumVersion::V3_6,
            Self::Version
            | Self::Connector
            | Self::Name
            | Self::TsMs
            | Self::Snapshot
            | Self::Db
            | Self::Sequence
            | Self::TsUs
            | Self::TsNs
            | Self::Schema
            | Self::Table
            | Self::TxId
            | Self::Lsn
            | Self::Xmin => DebeziumVersion::V3_3,
        }
    }

    /// Name of the field.
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
            Self::Origin => "origin",
            Self::OriginLsn => "origin_lsn",
        }
    }

    /// Schema of the field.
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
            | Self::Table
            | Self::Origin => Kind::String.into(),
            Self::TsMs | Self::TsUs | Self::TsNs | Self::TxId | Self::Lsn | Self::Xmin | Self::OriginLsn => {
                Kind::Int64.into()
            }
        }
    }

    /// Whether the field is nullable.
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
            | Self::Xmin
            | Self::Origin
            | Self::OriginLsn => true,
        }
    }

    /// Slot of the field in the block.
    pub(crate) fn slot(self) -> Slot {
        Slot {
            schema: self.schema(),
            optional: self.is_optional(),
            default: (self == Self::Snapshot).then(|| SnapshotMarker::None.as_str().into()),
        }
    }
}
