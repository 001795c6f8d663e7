//! The table whose new rows are signals.

use walcast_mapper::TableName;
use walcast_pgoutput::{Column, Oid, Relation, Tuple};

use crate::snapshot::{Signal, SignalError};

/// Its columns, as Debezium names them.
const ID: &str = "id";
const KIND: &str = "type";
const DATA: &str = "data";

/// The table, and the signals of the transaction that is being read.
#[derive(Debug)]
pub(super) struct SignalTable {
    name: TableName,
    /// Its number, and where id, type and data stand in its rows.
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

    /// Takes a Relation message.
    pub(super) fn learn(&mut self, relation: &Relation) {
        if relation.namespace != self.name.namespace || relation.name != self.name.name {
            return;
        }
        let place = |name: &str| relation.columns.iter().position(|column| column.name == name);
        self.found = place(KIND)
            .zip(place(DATA))
            .map(|(kind, data)| (relation.oid, place(ID), kind, data));
    }

    /// Takes a new row, if it is one of the table.
    #[inline]
    pub(super) fn insert(&mut self, relation: Oid, row: &Tuple<'_>) {
        if let Some((table, id, kind, data)) = self.found
            && table == relation
        {
            let text = |place| row.columns().nth(place).and_then(text);
            let kind = text(kind).unwrap_or_default();
            // Debezium's incremental snapshots write such rows for themselves.
            if !kind.starts_with("snapshot-window-") {
                self.signals
                    .push(Signal::of_row(id.and_then(text), kind, text(data)));
            }
        }
    }

    /// The signals of the transaction, which ends.
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
