//! Order of the rows of an event store: by the number that it gives each event.

use walcast_delivery::{EventOrder, sql};
use walcast_mapper::TableMetadata;
use walcast_pgoutput::Oid;

/// Order of rows, and the row behind which they are read.
#[derive(Debug)]
pub(super) struct ReadOrder {
    /// The column, quoted.
    column: String,
    after: Option<(Oid, i64)>,
    /// Whether no two rows have one number: then the last row that was read is not read again.
    is_unique: bool,
    /// Whether a row may have no number: such rows come last.
    is_nullable: bool,
}

impl ReadOrder {
    pub(super) fn new(order: EventOrder, metadata: &TableMetadata) -> Self {
        let mut columns = metadata.columns.iter();
        let column = columns.find(|column| column.name == order.column);
        Self {
            column: sql::identifier(&order.column),
            after: order.after,
            is_unique: metadata.key_columns == [order.column],
            is_nullable: column.is_none_or(|column| !column.not_null),
        }
    }

    /// Condition on the rows of a table or partition that are left to be read; empty: all.
    pub(super) fn range(&self, part: Oid) -> String {
        let Some((_, number)) = self.after.filter(|(of, _)| *of == part) else {
            return String::new();
        };
        let column = &self.column;
        let comparison = if self.is_unique { ">" } else { ">=" };
        match self.is_nullable {
            true => format!("({column} {comparison} {number} OR {column} IS NULL)"),
            false => format!("{column} {comparison} {number}"),
        }
    }

    /// Clause that sorts the rows.
    pub(super) fn sort(&self) -> String {
        format!(" ORDER BY {}", self.column)
    }
}

#[cfg(test)]
mod tests {
    use walcast_delivery::EventOrder;
    use walcast_mapper::{ColumnMetadata, TableMetadata};
    use walcast_pgoutput::Oid;

    use super::ReadOrder;

    /// Range of the partitions 7 and 8, of which 7 was read up to event 41.
    fn ranges(is_unique: bool, not_null: bool) -> [String; 2] {
        let metadata = TableMetadata {
            columns: vec![ColumnMetadata {
                name: "seq \"id".to_owned(),
                type_oid: Oid::new(20),
                type_modifier: -1,
                not_null,
                default_expression: None,
                generated: false,
            }],
            key_columns: if is_unique {
                vec!["seq \"id".to_owned()]
            } else {
                Vec::new()
            },
            ..TableMetadata::default()
        };
        let order = EventOrder {
            column: "seq \"id".to_owned(),
            after: Some((Oid::new(7), 41)),
        };
        let order = ReadOrder::new(order, &metadata);
        assert_eq!(order.sort(), " ORDER BY \"seq \"\"id\"");
        [7, 8].map(|part| order.range(Oid::new(part)))
    }

    #[test]
    fn events_are_read_behind_the_last_one() {
        assert_eq!(ranges(true, true), ["\"seq \"\"id\" > 41", ""]);
    }

    #[test]
    fn no_event_is_left_out_where_numbers_may_come_twice_or_be_missing() {
        assert_eq!(
            ranges(false, false),
            ["(\"seq \"\"id\" >= 41 OR \"seq \"\"id\" IS NULL)", ""]
        );
    }
}
