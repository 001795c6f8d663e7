//! Membership in the publication of the outbox tables that remain to be read.

use crate::snapshot::progress::SnapshotProgress;

impl SnapshotProgress {
    /// Notes the membership of each table of which no row is read, before the snapshot is taken that shows its rows: a table that has
    /// left the publication and come back since then has rows that were neither streamed nor read.
    pub(crate) fn note_memberships(&mut self, membership: impl Fn(u32) -> Option<String>) {
        let untouched = self.tables.iter_mut().filter(|table| table.next.is_none());
        for table in untouched {
            table.membership = table.oid.and_then(&membership);
        }
    }
}
