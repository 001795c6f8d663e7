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
    if !state.status.is_streaming() || !state.outboxes.is_verified() {
        return Some(Obstacle::NotStreaming);
    }
    let states = state.table_states();
    if !matches!(states.get(&table.name), Some(TableState::Streaming)) {
        return Some(Obstacle::NotDelivered);
    }
    let Some(membership) = table.membership.as_deref().filter(|_| table.is_published) else {
        return Some(Obstacle::NotPublished);
    };
    if state.drift.read().iter().any(|one| one.finding.hides_changes()) {
        return Some(Obstacle::NotPublished);
    }
    if config.filtered.iter().any(|pattern| pattern.matches(&table.name)) {
        return Some(Obstacle::Filtered);
    }
    let is_inspected = state.outboxes.membership(table.oid.as_u32()).as_deref() == Some(membership);
    if !is_inspected || !seen.is_settled(table.oid, state.drift.inspection()) {
        return Some(Obstacle::NotInspected);
    }
    if !rule.existing && !state.outboxes.is_complete(table.oid, membership) {
        return Some(Obstacle::Incomplete);
    }
    None
}

/// Published tables, by OID, each with what was known when it was first found as it is.
#[derive(Debug, Default)]
pub(super) struct Seen {
    session: u64,
    first: BTreeMap<Oid, FirstSeen>,
}

#[derive(Debug)]
struct FirstSeen {
    membership: Option<String>,
    layout: String,
    /// End of WAL.
    end: Lsn,
    /// Number of inspections before.
    inspections: u64,
    /// Transaction ID that was given after that; `None`: none was asked for.
    next: Option<u64>,
}

impl Seen {
    /// Adds what is found for the first time, and forgets what is not found any more. A table that has left the publication and come
    /// back, or whose partitions have changed, is found for the first time; in another session every table is: another instance may have
    /// led in between.
    pub(super) fn observe(&mut self, look: &OutboxLook, inspection: Inspection) {
        if self.session != look.session {
            self.first.clear();
        }
        self.session = look.session;
        let mut known = std::mem::take(&mut self.first);
        for table in look.tables.iter().filter(|table| table.is_published) {
            let known = known.remove(&table.oid);
            let as_known =
                known.filter(|known| known.membership == table.membership && known.layout == table.layout);
            let first = as_known.unwrap_or_else(|| FirstSeen {
                membership: table.membership.clone(),
                layout: table.layout.clone(),
                end: look.end,
                inspections: inspection.count,
                next: None,
            });
            self.first.insert(table.oid, first);
        }
    }

    /// Whether the connector has inspected the server since a table was first found as it is: it has found it so too by then, and reads
    /// the rows that partitions brought.
    pub(super) fn is_settled(&self, oid: Oid, inspection: Inspection) -> bool {
        let first = self.first.get(&oid);
        first.is_some_and(|first| {
            inspection.count > first.inspections && inspection.at.is_some_and(|at| at >= first.end)
        })
    }

    /// Transaction ID that was given after a table was first found: transactions with a lower one may have inserted rows before the table
    /// was published, which are never sent.
    pub(super) fn next(&self, oid: Oid) -> Option<u64> {
        self.first.get(&oid)?.next
    }

    /// Notes that transaction ID.
    pub(super) fn note_next(&mut self, oid: Oid, next: u64) {
        if let Some(first) = self.first.get_mut(&oid) {
            first.next = Some(next);
        }
    }
}
