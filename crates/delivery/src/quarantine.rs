//! Quarantine: a table of which a change or a row cannot be delivered is set aside, and the other tables are delivered.
//!
//! Changes of a quarantined table are skipped. The record of its quarantine is stored in the Kafka transaction that passes the
//! first change that is not delivered, so that no change is skipped without a stored reason. The quarantine ends by a request:
//! from then on changes are delivered again, and all rows of the table are read. The record is kept until they are, so that a
//! table whose reading fails or is stopped is quarantined again.
//!
//! docs/decisions/0025-quarantine.md

pub(crate) mod current;
pub(crate) mod resumption;
pub(crate) mod start;
pub(crate) mod stored;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use walcast_mapper::TableName;
use walcast_mapper::dead_letter::DeadLetterReason;
use walcast_pgoutput::{Lsn, Oid};

use crate::schema_history::ChangePosition;

/// Quarantines by the OID of their table.
pub type Quarantines = BTreeMap<Oid, Quarantine>;

/// Changes of [`Quarantines`]; `None` ends a quarantine.
pub type QuarantineRecords = BTreeMap<Oid, Option<Quarantine>>;

/// Largest size of [`Quarantine::error`] in bytes: the record of a quarantine is read at every start.
const ERROR_BYTES_MAX: usize = 4096;

/// Table that is set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantine {
    /// Name of the table when it was quarantined.
    pub table: TableName,
    /// First change that was not delivered, or position of the snapshot of which a row was not.
    pub since: ChangePosition,
    /// Position of that change in WAL, or of the snapshot.
    pub lsn: Lsn,
    /// Whether a row of a snapshot, and no change, was not delivered. The other rows of that snapshot are not read either, so that
    /// the quarantine holds at every position.
    pub of_rows: bool,
    /// Kind of the cause.
    pub reason: QuarantineReason,
    /// Cause, as the connector describes errors.
    pub error: String,
    /// Whether changes are skipped, or the rows are being read.
    pub phase: QuarantinePhase,
    /// Time of the quarantine, in microseconds since 1970.
    pub entered_at_unix_micros: i64,
    /// End of WAL when the table was first found not to be captured any more. The WAL may still have changes of it.
    pub missing_since: Option<Lsn>,
}

/// Kind of the cause of a quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuarantineReason {
    /// A row or the table cannot be mapped.
    Mapping,
    /// A record is larger than Kafka accepts.
    Size,
    /// The registry rejects the schema of the table.
    Schema,
    /// The topic of the table does not exist and cannot be created, or may not be written.
    Topic,
    /// Rows of the table cannot be read, or reading them was stopped.
    Rows,
}

impl QuarantineReason {
    /// Name of the reason, as it is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mapping => "mapping",
            Self::Size => "size",
            Self::Schema => "schema",
            Self::Topic => "topic",
            Self::Rows => "rows",
        }
    }
}

impl From<DeadLetterReason> for QuarantineReason {
    fn from(reason: DeadLetterReason) -> Self {
        match reason {
            DeadLetterReason::Mapping => Self::Mapping,
            DeadLetterReason::Size => Self::Size,
            DeadLetterReason::Schema => Self::Schema,
            DeadLetterReason::Topic => Self::Topic,
        }
    }
}

/// Phase of a quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuarantinePhase {
    /// Changes of the table are skipped, and its rows are not read.
    Skipping,
    /// Changes of the table are delivered again, and its rows are being read.
    Reading,
}

impl Quarantine {
    /// Whether changes of the table are skipped.
    #[must_use]
    pub fn is_skipping(&self) -> bool {
        self.phase == QuarantinePhase::Skipping
    }
}

/// Cause of a quarantine.
#[derive(Clone, Debug)]
pub(crate) struct QuarantineCause {
    pub(crate) reason: QuarantineReason,
    /// Error, as the connector describes errors.
    pub(crate) error: String,
}

impl QuarantineCause {
    pub(crate) fn new(reason: impl Into<QuarantineReason>, mut error: String) -> Self {
        let mut end = ERROR_BYTES_MAX.min(error.len());
        while !error.is_char_boundary(end) {
            end -= 1;
        }
        error.truncate(end);
        Self {
            reason: reason.into(),
            error,
        }
    }
}

/// First change or row of a table that is not delivered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FirstMissing {
    pub(crate) since: ChangePosition,
    pub(crate) lsn: Lsn,
    pub(crate) of_rows: bool,
}

impl FirstMissing {
    /// Change of the stream.
    pub(crate) fn of_change(since: ChangePosition, lsn: Lsn) -> Self {
        Self {
            since,
            lsn,
            of_rows: false,
        }
    }

    /// Rows of the snapshot at `lsn`.
    pub(crate) fn of_snapshot(lsn: Lsn) -> Self {
        Self {
            since: ChangePosition::of_snapshot(lsn),
            lsn,
            of_rows: true,
        }
    }
}

/// Report that a table is quarantined, for the process log.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct TableQuarantined {
    /// The table.
    pub table: TableName,
    /// Cause of the quarantine.
    pub error: String,
}

impl From<&Quarantine> for TableQuarantined {
    fn from(quarantine: &Quarantine) -> Self {
        Self {
            table: quarantine.table.clone(),
            error: quarantine.error.clone(),
        }
    }
}
