//! Which columns are a record's key, whether an update moved it, and how it is written.

use std::collections::BTreeSet;

use walcast_pgoutput::{Column, Relation, ReplicaIdentity, Tuple};

use crate::envelope::KeyColumn;
use crate::{KeyRule, MapError, MissingKeyColumns, TableFacts, TableName};

/// Which columns are a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// Their places in the relation, in key order; empty when records have no key.
    pub(crate) places: Vec<usize>,
    /// Whether the log may leave some of them out of a former row, and nothing of their type is then written.
    pub(crate) filled: bool,
}

/// The key of a relation: what the configuration says, else what the log and the catalog say.
pub(crate) fn of(
    relation: &Relation,
    facts: &TableFacts,
    rules: &[KeyRule],
    table: &TableName,
) -> Result<Key, MapError> {
    let mut places = Vec::new();
    let mut filled = false;
    for rule in rules.iter().filter(|rule| rule.tables.matches(table)) {
        filled |= rule.missing == MissingKeyColumns::Fill;
        for pattern in &rule.columns {
            let columns = relation.columns.iter().enumerate();
            let chosen: Vec<usize> = columns
                .filter(|(_, column)| pattern.matches(&column.name))
                .map(|(place, _)| place)
                .collect();
            if chosen.is_empty() {
                return Err(MapError::KeyColumn {
                    table: table.clone(),
                    pattern: pattern.to_string(),
                });
            }
            let further = chosen.into_iter().filter(|place| !places.contains(place));
            places.extend(further.collect::<Vec<_>>());
        }
    }
    if places.is_empty() {
        return Ok(Key {
            places: of_rows(relation, &facts.key_columns),
            filled: false,
        });
    }
    let untold = untold(relation, &places);
    if !untold.is_empty() && !filled {
        return Err(MapError::KeyNotInIdentity {
            table: table.clone(),
            columns: untold,
        });
    }
    filled = !untold.is_empty();
    Ok(Key { places, filled })
}

/// The columns of a key that the log does not tell of a row that is gone. Where nothing identifies rows, the server
/// refuses to delete any.
fn untold(relation: &Relation, places: &[usize]) -> Vec<String> {
    let flagged = relation.columns.iter().any(|column| column.is_key);
    match relation.replica_identity {
        ReplicaIdentity::Default | ReplicaIdentity::Index if flagged => {
            let columns = places.iter().filter_map(|place| relation.columns.get(*place));
            let untold = columns.filter(|column| !column.is_key);
            untold.map(|column| column.name.clone()).collect()
        }
        ReplicaIdentity::Default
        | ReplicaIdentity::Index
        | ReplicaIdentity::Full
        | ReplicaIdentity::Nothing => Vec::new(),
    }
}

/// The columns that identify a row, and the key's where the configuration says nothing.
///
/// The log is believed before the catalog: under the default identity it flags the primary key as it was. The catalog
/// knows the order of the key's columns, and the key where the identity is the whole row. A primary key that a replica
/// identity index does not cover cannot be told of a deleted row: there the index is the key.
pub(crate) fn of_rows(relation: &Relation, key_columns: &[String]) -> Vec<usize> {
    let flagged: Vec<usize> = relation
        .columns
        .iter()
        .enumerate()
        .filter(|(_, column)| column.is_key)
        .map(|(index, _)| index)
        .collect();
    let place = |name: &String| relation.columns.iter().position(|column| column.name == *name);
    let catalog: Vec<usize> = key_columns
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
