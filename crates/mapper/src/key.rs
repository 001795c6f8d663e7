//! Keys of records: their columns, and whether an update changed the key.

use std::collections::BTreeSet;

use walcast_pgoutput::{Relation, ReplicaIdentity, Tuple};

use crate::column::ColumnPlan;
use crate::config::{KeyRule, MissingKeyColumns};
use crate::error::MapError;
use crate::row;
use crate::table_metadata::TableMetadata;
use crate::table_name::TableName;

/// Key columns of a relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// Places of the columns in the relation, in key order; empty when records have no key.
    pub(crate) places: Vec<usize>,
    /// Whether an old row may not contain some of the columns, which are then filled with the zero value of their
    /// type.
    pub(crate) filled: bool,
}

/// A key column.
#[derive(Debug)]
pub(crate) struct KeyColumn {
    /// Place of the column in the relation.
    pub(crate) place: usize,
    /// Encoding plan of the column in keys.
    pub(crate) column: ColumnPlan,
}

/// Key of a relation: by the configuration, else by the Relation message and the catalog.
pub(crate) fn of(
    relation: &Relation,
    metadata: &TableMetadata,
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
    let unsent = &metadata.unsent_key_columns;
    if places.is_empty() {
        if !unsent.is_empty() {
            return Err(MapError::KeyNotSent {
                table: table.clone(),
                columns: unsent.clone(),
            });
        }
        return Ok(Key {
            places: of_rows(relation, &metadata.key_columns, false),
            filled: false,
        });
    }
    let outside_identity = outside_identity(relation, &places, !unsent.is_empty());
    if !outside_identity.is_empty() && !filled {
        return Err(MapError::KeyNotInIdentity {
            table: table.clone(),
            columns: outside_identity,
        });
    }
    filled = !outside_identity.is_empty();
    Ok(Key { places, filled })
}

/// Key columns outside the replica identity. Where no column identifies rows, the server rejects deletes, unless the rows are
/// identified by columns that it does not send.
fn outside_identity(relation: &Relation, places: &[usize], has_unsent: bool) -> Vec<String> {
    let flagged = relation.columns.iter().any(|column| column.is_key);
    match relation.replica_identity {
        ReplicaIdentity::Default | ReplicaIdentity::Index if flagged || has_unsent => {
            let columns = places.iter().filter_map(|place| relation.columns.get(*place));
            let outside_identity = columns.filter(|column| !column.is_key);
            outside_identity.map(|column| column.name.clone()).collect()
        }
        ReplicaIdentity::Default
        | ReplicaIdentity::Index
        | ReplicaIdentity::Full
        | ReplicaIdentity::Nothing => Vec::new(),
    }
}

/// Columns that identify a row, and the key's columns where the configuration has none. None if the server does not send all
/// columns of the key (`has_unsent`).
///
/// The Relation message takes precedence over the catalog: under the default identity it flags the primary key as of
/// the change. The catalog has the order of the key's columns, and the key where the identity is the whole row. Where
/// a replica identity index does not cover the primary key, deleted rows do not contain the primary key: there the
/// index is the key.
pub(crate) fn of_rows(relation: &Relation, key_columns: &[String], has_unsent: bool) -> Vec<usize> {
    if has_unsent {
        return Vec::new();
    }
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

/// Whether the texts of the key columns differ. Different texts may still be the same key (`1.0` and `1.00`).
pub(crate) fn texts_differ(key: &[KeyColumn], old: &Tuple<'_>, new: &Tuple<'_>) -> bool {
    key.iter().any(|KeyColumn { place, .. }| {
        let before = row::at(old, *place);
        let after = row::at(new, *place).map(|column| row::merge(column, before));
        before != after
    })
}
