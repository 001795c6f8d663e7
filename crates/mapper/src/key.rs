//! Which columns are a record's key, whether an update moved it, and how it is written.

use std::collections::BTreeSet;

use walcast_pgoutput::{Column, Relation, ReplicaIdentity, Tuple};

use crate::TableFacts;
use crate::envelope::KeyColumn;

/// The key's columns as places in the relation, in key order; empty when records have no key.
///
/// The log is believed before the catalog: under the default identity it flags the primary key as it was. The catalog
/// knows the order of the key's columns, and the key where the identity is the whole row. A primary key that a replica
/// identity index does not cover cannot be told of a deleted row: there the index is the key.
pub(crate) fn columns(relation: &Relation, facts: &TableFacts) -> Vec<usize> {
    let flagged: Vec<usize> = relation
        .columns
        .iter()
        .enumerate()
        .filter(|(_, column)| column.is_key)
        .map(|(index, _)| index)
        .collect();
    let place = |name: &String| relation.columns.iter().position(|column| column.name == *name);
    let catalog: Vec<usize> = facts
        .key_columns
        .iter()
        .map(place)
        .collect::<Option<_>>()
        .unwrap_or_default();
    let as_set = |places: &[usize]| places.iter().copied().collect::<BTreeSet<_>>();
    match relation.replica_identity {
        ReplicaIdentity::Default if !flagged.is_empty() => {
            if as_set(&catalog) == as_set(&flagged) {
                catalog
            } else {
                flagged
            }
        }
        ReplicaIdentity::Index if !flagged.is_empty() => {
            let covered = !catalog.is_empty() && as_set(&catalog).is_subset(&as_set(&flagged));
            if covered { catalog } else { flagged }
        }
        ReplicaIdentity::Default
        | ReplicaIdentity::Index
        | ReplicaIdentity::Full
        | ReplicaIdentity::Nothing => catalog,
    }
}

/// The value of a column after a change: from the old tuple when it is stored out of line and was not sent again.
pub(crate) fn merge<'a>(new: Column<'a>, old: Option<Column<'a>>) -> Column<'a> {
    match (new, old) {
        (Column::UnchangedToast, Some(old @ (Column::Text(_) | Column::Binary(_)))) => old,
        (new, _) => new,
    }
}

/// The column at a place of a tuple.
pub(crate) fn at<'a>(tuple: &Tuple<'a>, place: usize) -> Option<Column<'a>> {
    tuple.columns().nth(place)
}

/// Whether the texts of the key's columns differ. Different texts may still be the same key (`1.0` and `1.00`).
pub(crate) fn texts_differ(key: &[KeyColumn], old: &Tuple<'_>, new: &Tuple<'_>) -> bool {
    key.iter().any(|KeyColumn { place, .. }| {
        let before = at(old, *place);
        let after = at(new, *place).map(|column| merge(column, before));
        before != after
    })
}
