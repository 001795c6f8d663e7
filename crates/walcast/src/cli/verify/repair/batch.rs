//! Batches of rows to be repaired: the size of a request is limited, as every checkpoint contains it until its rows are read.

use std::collections::BTreeMap;

use walcast_delivery::{FormerKey, sql};
use walcast_mapper::TableName;
use walcast_verify::RowKey;

/// Maximum number of rows in a batch: as many as index lookups find quickly.
const ROWS_MAX: usize = 200;

/// Maximum length of the condition of a batch; only the condition of a single row may be longer.
const CONDITION_BYTES_MAX: usize = 16 * 1024;

const OR: &str = " OR ";

/// Row to be delivered once more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RepairedRow {
    pub(super) key: RowKey,
    /// Whether the key is deleted if no row has it.
    pub(super) is_extra: bool,
}

/// Rows of one table that one request reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Batch {
    /// Keys of the rows.
    pub(super) keys: Vec<RowKey>,
    /// Keys that are deleted if no row has them.
    pub(super) former_keys: Vec<FormerKey>,
    /// Condition that selects the rows.
    pub(super) condition: String,
}

/// Groups the rows of each table.
pub(super) fn batches(rows: BTreeMap<TableName, Vec<RepairedRow>>) -> BTreeMap<TableName, Vec<Batch>> {
    let of_table = |(table, rows): (TableName, Vec<RepairedRow>)| {
        let mut batches: Vec<Batch> = Vec::new();
        for row in rows {
            let condition = format!("({})", sql::has_key(&row.key));
            let bytes = OR.len() + condition.len();
            let has_room = |batch: &&mut Batch| {
                batch.keys.len() < ROWS_MAX && batch.condition.len() + bytes <= CONDITION_BYTES_MAX
            };
            match batches.last_mut().filter(has_room) {
                Some(batch) => batch.add(row, &condition),
                None => {
                    let mut batch = Batch::default();
                    batch.add(row, &condition);
                    batches.push(batch);
                }
            }
        }
        (table, batches)
    };
    rows.into_iter().map(of_table).collect()
}

impl Batch {
    fn add(&mut self, row: RepairedRow, condition: &str) {
        if !self.condition.is_empty() {
            self.condition.push_str(OR);
        }
        self.condition.push_str(condition);
        if row.is_extra {
            self.former_keys.push(FormerKey(row.key.clone()));
        }
        self.keys.push(row.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, is_extra: bool) -> RepairedRow {
        RepairedRow {
            key: [("id".to_owned(), id.to_owned())].into(),
            is_extra,
        }
    }

    fn of(rows: Vec<RepairedRow>) -> Vec<Batch> {
        let table = TableName {
            namespace: "public".to_owned(),
            name: "items".to_owned(),
        };
        batches([(table, rows)].into()).into_values().flatten().collect()
    }

    #[test]
    fn the_key_of_an_extra_row_is_read_and_a_former_one() {
        let found = of(vec![row("7", false), row("it's", true)]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].keys.len(), 2);
        assert_eq!(found[0].condition, r#"("id" = E'7') OR ("id" = E'it''s')"#);
        assert_eq!(found[0].former_keys, [FormerKey(row("it's", true).key)]);
    }

    #[test]
    fn requests_are_limited() {
        let sizes =
            |rows: Vec<RepairedRow>| -> Vec<usize> { of(rows).iter().map(|one| one.keys.len()).collect() };
        let many = (0..450).map(|id| row(&id.to_string(), false));
        assert_eq!(sizes(many.collect()), [200, 200, 50]);
        let long = "x".repeat(CONDITION_BYTES_MAX);
        assert_eq!(
            sizes(vec![row("1", false), row(&long, false), row("2", false)]),
            [1, 1, 1]
        );
        assert!(sizes(Vec::new()).is_empty());
    }
}
