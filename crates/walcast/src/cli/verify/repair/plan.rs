//! The rows that are repaired, and those that cannot be.

use std::collections::{BTreeMap, BTreeSet};

use walcast_mapper::config::{FlatDeletes, Operation, Shape};
use walcast_mapper::{MapperConfig, TableName};
use walcast_verify::{Digest, RowKey};

use super::super::details::Difference;
use super::super::recheck::Again;
use super::batch::RepairedRow;
use super::report::NotRepaired;

/// Rows to be repaired, by table.
pub(super) type Rows = BTreeMap<TableName, Vec<RepairedRow>>;

/// Whether the connector writes anything for a delete.
pub(super) fn sends_deletes(mapper: &MapperConfig) -> bool {
    let is_dropped = mapper.shape == Shape::Flat && mapper.flat.deletes == FlatDeletes::Drop;
    mapper.events.operations.contains(&Operation::Delete) && !is_dropped
}

/// Rows to be repaired, by table, and those that cannot be.
pub(super) fn plan(sends_deletes: bool, differences: &[Difference]) -> (Rows, Vec<NotRepaired>) {
    let (mut rows, mut not_repaired) = (Rows::new(), Vec::new());
    // A record in the wrong order has no digest: its row is another difference, if it differs at all.
    for difference in differences.iter().filter(|one| one.digest.is_some()) {
        let is_extra = difference.kind == "extra";
        let reason = match (&difference.table, &difference.row_key) {
            _ if difference.copies.is_some() => {
                "its table has no key by which a row is read again; walcast snapshot start --where reads rows, and adds a record for each"
            }
            _ if is_extra && !sends_deletes => {
                "[events] operations or [format.flat] deletes leaves deletes out; write a tombstone for the key"
            }
            // The row may be there: in another database, or in another table whose records the topic has too.
            _ if is_extra && difference.is_foreign => {
                "its record names another connector, database or table, whose row it may be; write a tombstone for the key if it is not"
            }
            (Some(table), Some(key)) => {
                let key = key.clone();
                let rows: &mut Vec<RepairedRow> = rows.entry(table.clone()).or_default();
                rows.push(RepairedRow { key, is_extra });
                continue;
            }
            _ if is_extra => {
                "the key of its records does not give the key of a row for certain; write a tombstone for the key"
            }
            _ => {
                "its table has no key by which the row is read again, or was altered meanwhile; read it with walcast snapshot start --where"
            }
        };
        not_repaired.push(NotRepaired::of(difference, reason));
    }
    (rows, not_repaired)
}

/// Digests of the rows to be repaired, by topic.
pub(super) fn keys(differences: &[Difference], rows: &Rows) -> Again {
    let mut again = Again::new();
    let mut planned: BTreeSet<(&TableName, &RowKey)> = BTreeSet::new();
    for (table, rows) in rows {
        planned.extend(rows.iter().map(|row| (table, &row.key)));
    }
    for difference in differences {
        let is_planned = match (&difference.table, &difference.row_key) {
            (Some(table), Some(key)) => planned.contains(&(table, key)),
            _ => false,
        };
        let digest = difference.digest.as_deref();
        let digest = digest.and_then(|digest| u128::from_str_radix(digest, 16).ok());
        if let Some(digest) = digest.filter(|_| is_planned) {
            let digests = again.entry(difference.topic.clone()).or_default();
            digests.insert(Digest::from_bytes(digest.to_be_bytes()));
        }
    }
    again
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn difference(kind: &'static str, id: u32) -> Difference {
        Difference {
            topic: "shop.public.items".to_owned(),
            kind,
            digest: Some(format!("{id:032x}")),
            key: Some(json!({"id": id})),
            table: Some(TableName {
                namespace: "public".to_owned(),
                name: "items".to_owned(),
            }),
            row_key: Some([("id".to_owned(), id.to_string())].into()),
            ..Difference::default()
        }
    }

    #[test]
    fn rows_with_a_key_are_repaired_and_the_others_are_named() {
        let differences = vec![
            difference("missing", 1),
            difference("extra", 2),
            Difference {
                row_key: None,
                ..difference("extra", 3)
            },
            Difference {
                copies: Some(2),
                ..difference("extra", 4)
            },
            Difference {
                is_foreign: true,
                ..difference("extra", 6)
            },
            Difference {
                digest: None,
                ..difference("out_of_order", 5)
            },
        ];
        let (rows, not_repaired) = plan(true, &differences);
        let planned: Vec<(String, bool)> = rows
            .values()
            .flatten()
            .map(|row| (row.key["id"].clone(), row.is_extra))
            .collect();
        assert_eq!(planned, [("1".to_owned(), false), ("2".to_owned(), true)]);
        assert_eq!(not_repaired.len(), 3);
        // A delete that is not sent cannot be repaired either.
        assert_eq!(plan(false, &differences).1.len(), 4);
        let again = keys(&differences, &rows);
        assert_eq!(again["shop.public.items"].len(), 2);
    }
}
