//! Keys of rows as Postgres writes them, by which a running connector reads rows again.

use std::collections::BTreeMap;

use walcast_mapper::{MapperConfig, TableName, missing_row_tuple, names};
use walcast_pgoutput::{Column, Oid, Relation, ReplicaIdentity, Tuple};

use crate::value::Value;

/// Columns that identify a row in its table, with their text.
pub type RowKey = BTreeMap<String, String>;

/// Columns that identify the rows of a table; empty if there are none. `catalog` contains those of the primary key, or of another
/// unique key.
pub(crate) fn identifying_columns(
    relation: &Relation,
    catalog: &[String],
    has_unsent_columns: bool,
) -> Vec<String> {
    if has_unsent_columns {
        return Vec::new();
    }
    let is_identified = matches!(
        relation.replica_identity,
        ReplicaIdentity::Default | ReplicaIdentity::Index
    );
    if !catalog.is_empty() || !is_identified {
        return catalog.to_vec();
    }
    let flagged = relation.columns.iter().filter(|column| column.is_key);
    flagged.map(|column| column.name.clone()).collect()
}

/// Key of a row of the source; `None` if a column of the key is not sent.
pub(crate) fn of_row(relation: &Relation, columns: &[String], row: Tuple<'_>) -> Option<RowKey> {
    if columns.is_empty() {
        return None;
    }
    let values: Vec<Column<'_>> = row.columns().collect();
    let text = |name: &String| {
        let place = relation.columns.iter().position(|column| column.name == *name)?;
        match values.get(place)? {
            Column::Text(text) => Some((name.clone(), String::from_utf8(text.to_vec()).ok()?)),
            _ => None,
        }
    };
    columns.iter().map(text).collect()
}

/// Key of a row that no longer exists, from the key of its records; `None` if the key of a record is not that of the row, or has a
/// value that Postgres may write in another way.
pub(crate) fn of_record(
    relation: &Relation,
    catalog: &[String],
    config: &MapperConfig,
    key: &Value,
) -> Option<RowKey> {
    let Value::Record(fields) = key else { return None };
    let mut found = RowKey::new();
    for column in &relation.columns {
        if let Some(value) = fields.get(&names::field(&column.name, config)) {
            found.insert(column.name.clone(), text(value, column.type_oid)?);
        }
    }
    // A topic of several tables has the table in its keys.
    let table = names::table_key(config, &TableName::from(relation));
    let has_every_field = found.len() + usize::from(table.is_some()) == fields.len();
    let is_key = missing_row_tuple(relation, catalog, config, &found).is_some();
    (has_every_field && is_key).then_some(found)
}

/// OIDs of types whose values have the same text in Postgres and in records.
mod oid {
    pub(super) const BOOL: u32 = 16;
    pub(super) const INT8: u32 = 20;
    pub(super) const INT2: u32 = 21;
    pub(super) const INT4: u32 = 23;
    pub(super) const TEXT: u32 = 25;
    pub(super) const BPCHAR: u32 = 1042;
    pub(super) const VARCHAR: u32 = 1043;
    pub(super) const UUID: u32 = 2950;
}

fn text(value: &Value, type_oid: Oid) -> Option<String> {
    match (value, type_oid.as_u32()) {
        (Value::Int(number), oid::INT2 | oid::INT4 | oid::INT8) => Some(number.to_string()),
        (Value::Bool(value), oid::BOOL) => Some(if *value { "t" } else { "f" }.to_owned()),
        (Value::Text(text), oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::UUID) => Some(text.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use walcast_pgoutput::reader::Reader;
    use walcast_pgoutput::{RelationColumn, encode};

    use super::*;

    fn relation(identity: ReplicaIdentity) -> Relation {
        let column = |name: &str, type_oid, is_key| RelationColumn {
            is_key,
            name: name.to_owned(),
            type_oid: Oid::new(type_oid),
            type_modifier: -1,
        };
        Relation {
            xid: None,
            oid: Oid::new(16_384),
            namespace: "public".to_owned(),
            name: "items".to_owned(),
            replica_identity: identity,
            columns: vec![
                column("id", oid::INT4, true),
                column("day", 1082, false),
                column("note", oid::TEXT, false),
            ],
        }
    }

    fn record(fields: &[(&str, Value)]) -> Value {
        let fields = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()));
        Value::Record(fields.collect())
    }

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn rows_are_identified_by_the_key_of_the_catalog_or_of_their_identity() {
        let (default, full) = (
            relation(ReplicaIdentity::Default),
            relation(ReplicaIdentity::Full),
        );
        assert_eq!(identifying_columns(&default, &owned(&["note"]), false), ["note"]);
        assert_eq!(identifying_columns(&default, &[], false), ["id"]);
        assert!(identifying_columns(&default, &owned(&["note"]), true).is_empty());
        assert!(identifying_columns(&full, &[], false).is_empty());
    }

    #[test]
    fn the_key_of_a_row_is_its_text() {
        let relation = relation(ReplicaIdentity::Default);
        let bytes = encode::tuple(&[Column::Text(b"7"), Column::Null, Column::Text(b"x")]);
        let key = |columns: &[&str]| {
            let tuple = Tuple::read(&mut Reader::new(&bytes)).unwrap();
            of_row(&relation, &owned(columns), tuple)
        };
        let pair = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        assert_eq!(
            key(&["note", "id"]),
            Some([pair("id", "7"), pair("note", "x")].into())
        );
        assert_eq!(key(&["day"]), None);
        assert_eq!(key(&[]), None);
    }

    #[test]
    fn only_the_key_of_records_with_an_exact_text_is_one_of_a_row() {
        let config = MapperConfig::new("shop", "shop");
        let catalog = owned(&["id"]);
        let relation_of = relation;
        let relation = relation(ReplicaIdentity::Default);
        let of = |key: &Value| of_record(&relation, &catalog, &config, key);
        let id = record(&[("id", Value::Int(7))]);
        assert_eq!(of(&id), Some([("id".to_owned(), "7".to_owned())].into()));
        // Not the key, a value of another type, and a date, whose record has a number.
        assert_eq!(
            of(&record(&[
                ("id", Value::Int(7)),
                ("note", Value::Text("x".to_owned()))
            ])),
            None
        );
        assert_eq!(of(&record(&[("id", Value::Text("7".to_owned()))])), None);
        assert_eq!(of(&record(&[("day", Value::Int(7))])), None);
        assert_eq!(
            of_record(&relation_of(ReplicaIdentity::Full), &catalog, &config, &id),
            None
        );
    }
}
