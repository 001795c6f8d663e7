//! Stored form of the quarantine of a table.

use serde::{Deserialize, Serialize};
use walcast_mapper::{Ordinal, TableName};
use walcast_pgoutput::Lsn;

use super::{Quarantine, QuarantinePhase, QuarantineReason};
use crate::schema_history::ChangePosition;

/// Quarantine of a table, as the checkpoint topic holds it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredQuarantine {
    version: u32,
    namespace: String,
    name: String,
    /// Commit record of the transaction of the first change that was not delivered.
    #[serde(with = "crate::serde_text::as_text")]
    commit_lsn: Lsn,
    /// Number of that change.
    ordinal: u64,
    #[serde(with = "crate::serde_text::as_text")]
    lsn: Lsn,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    of_rows: bool,
    reason: QuarantineReason,
    error: String,
    phase: QuarantinePhase,
    entered_at_unix_micros: i64,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::serde_text::as_optional_text"
    )]
    missing_since: Option<Lsn>,
}

impl StoredQuarantine {
    /// Stored form of a quarantine.
    #[must_use]
    pub fn of(version: u32, quarantine: &Quarantine) -> Self {
        Self {
            version,
            namespace: quarantine.table.namespace.clone(),
            name: quarantine.table.name.clone(),
            commit_lsn: quarantine.since.commit_lsn,
            ordinal: quarantine.since.ordinal.as_u64(),
            lsn: quarantine.lsn,
            of_rows: quarantine.of_rows,
            reason: quarantine.reason,
            error: quarantine.error.clone(),
            phase: quarantine.phase,
            entered_at_unix_micros: quarantine.entered_at_unix_micros,
            missing_since: quarantine.missing_since,
        }
    }

    /// Quarantine of which this is the stored form.
    #[must_use]
    pub fn into_quarantine(self) -> Quarantine {
        Quarantine {
            table: TableName {
                namespace: self.namespace,
                name: self.name,
            },
            since: ChangePosition {
                commit_lsn: self.commit_lsn,
                ordinal: Ordinal::new(self.ordinal),
            },
            lsn: self.lsn,
            of_rows: self.of_rows,
            reason: self.reason,
            error: self.error,
            phase: self.phase,
            entered_at_unix_micros: self.entered_at_unix_micros,
            missing_since: self.missing_since,
        }
    }
}
