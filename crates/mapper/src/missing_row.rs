//! Deletes of rows that are no longer in their table, and whose delete or change of key was not delivered.

use std::collections::BTreeMap;

use walcast_pgoutput::{Column, Relation, ReplicaIdentity, encode};

use crate::config::MapperConfig;
use crate::key;
use crate::table_name::TableName;

/// A key as the tuple of a deleted row in the WAL: the values of the key's columns, and null elsewhere.
///
/// `None` where that is not the key of the row's records, which the table or the configuration makes of other columns,
/// and where the WAL contains the whole deleted row.
#[must_use]
pub fn missing_row_tuple(
    relation: &Relation,
    key_columns: &[String],
    config: &MapperConfig,
    key: &BTreeMap<String, String>,
) -> Option<Vec<u8>> {
    let table = TableName::from(relation);
    let has_key_identity = matches!(
        relation.replica_identity,
        ReplicaIdentity::Default | ReplicaIdentity::Index
    );
    if !has_key_identity || config.keys.iter().any(|rule| rule.tables.matches(&table)) {
        return None;
    }
    // Of a table whose key is not sent in full, no record has a key of the catalog.
    let places = key::of_rows(relation, key_columns, false);
    let is_of_key = |place: &usize| {
        let column = relation.columns.get(*place);
        column.is_some_and(|column| key.contains_key(&column.name))
    };
    if places.len() != key.len() || !places.iter().all(is_of_key) {
        return None;
    }
    let value = |name: &String| {
        key.get(name)
            .map_or(Column::Null, |text| Column::Text(text.as_bytes()))
    };
    let columns: Vec<Column<'_>> = relation
        .columns
        .iter()
        .map(|column| value(&column.name))
        .collect();
    Some(encode::tuple(&columns))
}
