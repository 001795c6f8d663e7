//! Whether all rows of an outbox table are delivered at present, or what may keep some from Kafka.

use std::collections::BTreeMap;
use std::fmt;

use walcast_pgoutput::{Lsn, Oid};

use crate::drift::Inspection;
use crate::outbox_cleanup::removal::{OutboxLook, OutboxTable};
use crate::outbox_cleanup::{CleanupRule, OutboxCleanupConfig};
use crate::state::ConnectorState;
use crate::state::tables::TableState;

/// What keeps rows of a table from being removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// The connector does not stream.
    NotStreaming,
    /// Changes of the table are not delivered, or its rows are being read.
    NotDelivered,
    /// The publication does not publish all rows.
    NotPublished,
    /// Only rows that satisfy a condition of the configuration are read.
    Filtered,
    /// The connector has not inspected the table since it was first found.
    NotInspected,
    /// Whether rows from before the table was captured were sent is not known.
    Incomplete,
    /// A trigger or a rule would run with the privileges of the connector's role.
    ForeignCode(String),
    /// No row is old enough, or the checkpoint has not passed it.
    Waiting,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::ForeignCode(code) => {
                return write!(
                    f,
                    "{code} would run with the privileges of the connector's role, which does not own its function: drop it, or remove \
                     rows by a program of your own"
                );
            }
            Self::NotStreaming => "the connector does not stream",
            Self::NotDelivered => {
                "changes of the table are not delivered, or its rows are being read: see tables in /status"
            }
            Self::NotPublished => {
                "the publication does not publish the inserts of all rows: see publication_drift in /status"
            }
            Self::Filtered => "[[snapshot.filters]] leaves out rows of the table",
            Self::NotInspected => "the next inspection of the publication (slot_check_interval)",
            Self::Incomplete => {
                "the table holds rows of which it is not known whether they were ever sent: delete them, send them by walcast snapshot \
                 start, or set cleanup_existing = true if another connector has sent them"
            }
            Self::Waiting => "rows that are old enough and in Kafka",
        };
        f.write_str(text)
    }
}

/// Obstacle of a table at present.
pub(super) fn obstacle(
    state: &ConnectorState,
    config: &OutboxCleanupConfig,
    seen: &Seen,
    table: &OutboxTable,
    rule: &CleanupRule,
) -> Option<Obstacle> {
    if !state.status.is_streaming() {
        return Some(Obstacle::NotStreaming);
    }
    let states = state.table_states();
    if !matches!(states.get(&table.name), Some(TableState::Streaming)) {
        return Some(Obstacle::NotDelivered);
    }
    if !table.is_published || state.drift.read().iter().any(|one| one.finding.hides_changes()) {
        return Some(Obstacle::NotPublished);
    }
    if config.filtered.iter().any(|pattern| pattern.matches(&table.name)) {
        return Some(Obstacle::Filtered);
    }
    if !seen.is_settled(table.oid, state.drift.inspection()) {
        return Some(Obstacle::NotInspected);
    }
    if !rule.existing && !state.outboxes.is_complete(table.oid) {
        return Some(Obstacle::Incomplete);
    }
    None
}

/// Published tables and partitions, by OID, each with what was known when it was first found.
#[derive(Debug, Default)]
pub(super) struct Seen {
    session: u64,
    first: BTreeMap<Oid, FirstSeen>,
}

#[derive(Clone, Copy, Debug)]
struct FirstSeen {
    /// End of WAL.
    end: Lsn,
    /// Number of inspections before.
    inspections: u64,
}

impl Seen {
    /// Adds what is found for the first time, and forgets what is not found any more. In another session everything is found for the
    /// first time: another instance may have led in between.
    pub(super) fn observe(&mut self, look: &OutboxLook, inspection: Inspection) {
        if self.session != look.session {
            self.first.clear();
        }
        self.session = look.session;
        let published = look.tables.iter().filter(|table| table.is_published);
        let found = published.flat_map(|table| table.parts.iter().copied().chain([table.oid]));
        let first = FirstSeen {
            end: look.end,
            inspections: inspection.count,
        };
        self.first = found
            .map(|oid| (oid, self.first.get(&oid).copied().unwrap_or(first)))
            .collect();
    }

    /// Whether the connector has inspected the server since a table or a partition was first found: it has found it too by then, and
    /// reads the rows that it brought.
    pub(super) fn is_settled(&self, oid: Oid, inspection: Inspection) -> bool {
        let first = self.first.get(&oid);
        first.is_some_and(|first| {
            inspection.count > first.inspections && inspection.at.is_some_and(|at| at >= first.end)
        })
    }

    /// The parts that are settled.
    pub(super) fn settled(&self, parts: &[Oid], inspection: Inspection) -> Vec<Oid> {
        let parts = parts.iter().copied();
        parts.filter(|oid| self.is_settled(*oid, inspection)).collect()
    }
}
