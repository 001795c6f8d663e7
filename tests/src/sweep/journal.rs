//! What the application wrote: every change of a row in commit order, with the values that the row had at that moment.

use std::collections::BTreeMap;

use super::model::CAPTURED;

/// A row by column name: the text of each value, as `to_jsonb` prints it.
pub(super) type Row = BTreeMap<String, Option<String>>;

/// A change of a row, or of what is known of it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Transaction.
    pub(super) xid: i64,
    /// Position before the transaction began.
    pub(super) begin: u64,
    /// Position after it was committed.
    pub(super) end: u64,
    /// OID of the table or partition that holds the row.
    pub(super) oid: i64,
    /// Number of times that rows of the table came or left without being written.
    pub(super) epoch: u32,
    /// Table under which the change is published.
    pub(super) table: String,
    /// Whether the table writes WAL.
    pub(super) is_logged: bool,
    /// Whether the old row is in WAL in full.
    pub(super) has_full_identity: bool,
    /// Whether the table has a primary key.
    pub(super) has_key: bool,
    /// Identity of the row.
    pub(super) id: i64,
    /// What happened.
    pub(super) event: Event,
    /// The row after it; before it, where the row was removed.
    pub(super) row: Row,
}

/// What happened to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// It was written.
    Inserted,
    /// It was written with other values.
    Updated,
    /// It was deleted.
    Deleted,
    /// Its key was changed, and it had this id before.
    Rekeyed(i64),
    /// It came into the topic without being written.
    Arrived,
    /// It left the topic without being deleted.
    Departed,
    /// It is gone, without a change of its own.
    Gone,
    /// It has other columns or values, without a change of its own.
    Reshaped,
}

impl Entry {
    /// Whether the stream of the publication has this change.
    pub(super) fn is_streamed(&self) -> bool {
        let is_change = matches!(
            self.event,
            Event::Inserted | Event::Updated | Event::Deleted | Event::Rekeyed(_)
        );
        is_change && self.is_logged && self.is_captured()
    }

    /// Whether the schema of the table is captured.
    pub(super) fn is_captured(&self) -> bool {
        self.table
            .strip_prefix(CAPTURED)
            .is_some_and(|rest| rest.starts_with('.'))
    }

    /// Whether the row exists after it.
    pub(super) fn leaves_row(&self) -> bool {
        !matches!(self.event, Event::Deleted | Event::Gone)
    }

    /// The id under which the row was known before.
    pub(super) fn earlier_id(&self) -> i64 {
        match self.event {
            Event::Rekeyed(id) => id,
            _ => self.id,
        }
    }
}

/// All entries, in commit order.
#[derive(Clone, Debug, Default)]
pub(super) struct Journal {
    pub(super) entries: Vec<Entry>,
}

impl Journal {
    /// Places of the entries that the stream has for a table, in order.
    pub(super) fn streamed(&self, table: &str) -> Vec<usize> {
        let places = self.entries.iter().enumerate();
        places
            .filter(|(_, entry)| entry.is_streamed() && entry.table == table)
            .map(|(place, _)| place)
            .collect()
    }

    /// Tables that entries name.
    pub(super) fn tables(&self) -> std::collections::BTreeSet<&str> {
        self.entries.iter().map(|entry| entry.table.as_str()).collect()
    }

    /// Rows with this id that a snapshot at a position may show.
    pub(super) fn states_at(&self, id: i64, position: u64) -> Vec<&Row> {
        let about = || {
            self.entries
                .iter()
                .filter(|entry| entry.id == id || entry.earlier_id() == id)
        };
        let before = about().rfind(|entry| entry.end <= position);
        let around = about().filter(|entry| entry.begin < position && position < entry.end);
        // Labels of enums are those of the moment at which the row is sent, also within an older snapshot.
        let relabelled = about()
            .skip_while(|entry| entry.end <= position)
            .take_while(|entry| entry.event == Event::Reshaped);
        before
            .into_iter()
            .chain(around)
            .chain(relabelled)
            .filter(|entry| entry.leaves_row() && entry.id == id)
            .map(|entry| &entry.row)
            .collect()
    }
}
