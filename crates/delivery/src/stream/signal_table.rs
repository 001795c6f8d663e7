//! Table whose new rows are signals.

use walcast_mapper::TableName;
use walcast_pgoutput::{Column, Oid, Relation, Tuple};

use crate::snapshot::signal::{Signal, SignalError};

/// Columns, named as Debezium names them.
const ID: &str = "id";
const KIND: &str = "type";
const DATA: &str = "data";

/// Signal table, and the signals of the open transaction.
#[derive(Debug)]
pub(super) struct SignalTable {
    name: TableName,
    /// OID, and the positions of `id`, `type` and `data` in a row.
    found: Option<(Oid, Option<usize>, usize, usize)>,
    signals: Vec<Result<Signal, SignalError>>,
}

impl SignalTable {
    pub(super) fn new(name: TableName) -> Self {
        Self {
            name,
            found: None,
            signals: Vec::new(),
        }
    }

    /// Finds the columns, if the relation is the signal table.
    pub(super) fn add_relation(&mut self, relation: &Relation) {
        if relation.namespace != self.name.namespace || relation.name != self.name.name {
            return;
        }
        let place = |name: &str| relation.columns.iter().position(|column| column.name == name);
        self.found = place(KIND)
            .zip(place(DATA))
            .map(|(kind, data)| (relation.oid, place(ID), kind, data));
    }

    /// Adds the signal of a new row, if the row is one of the signal table.
    #[inline]
    pub(super) fn insert(&mut self, relation: Oid, row: &Tuple<'_>) {
        if let Some((table, id, kind, data)) = self.found
            && table == relation
        {
            let text = |place| row.columns().nth(place).and_then(text);
            let kind = text(kind).unwrap_or_default();
            // Watermarks of Debezium's incremental snapshots.
            if !kind.starts_with("snapshot-window-") {
                self.signals
                    .push(Signal::of_row(id.and_then(text), kind, text(data)));
            }
        }
    }

    /// Signals of the transaction that ends.
    pub(super) fn take(&mut self) -> Vec<Result<Signal, SignalError>> {
        std::mem::take(&mut self.signals)
    }
}

fn text(column: Column<'_>) -> Option<&str> {
    match column {
        Column::Text(text) => str::from_utf8(text).ok(),
        Column::Null | Column::UnchangedToast | Column::Binary(_) => None,
    }
}
