//! Keys that no row has: of rows whose delete, or whose move to another key, was not delivered when it was its turn.

use std::collections::BTreeMap;

use walcast_pgoutput::{Column, Relation, ReplicaIdentity, encode};

use crate::{MapperConfig, TableName, key};

/// A key as the tuple that the log has of a deleted row: its values by column, and null elsewhere.
///
/// `None` where that would not be the key of the row's records: it is made of other columns, by the table or by the
/// configuration; or where the log would tell the whole row of one that is gone.
#[must_use]
pub fn gone_tuple(
    relation: &Relation,
    key_columns: &[String],
    config: &MapperConfig,
    key: &BTreeMap<String, String>,
) -> Option<Vec<u8>> {
    let table = TableName::from(relation);
    let is_told_by_key = matches!(
        relation.replica_identity,
        ReplicaIdentity::Default | ReplicaIdentity::Index
    );
    if !is_told_by_key || config.keys.iter().any(|rule| rule.tables.matches(&table)) {
        return None;
    }
    let places = key::of_rows(relation, key_columns);
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
