//! What is known of a relation whose table the catalog has changed or dropped.

use std::collections::{BTreeMap, HashMap};

use walcast_mapper::config::TypeModes;
use walcast_mapper::{ColumnMetadata, MapError, Ordinal, TableMetadata, TypeKind, TypeMetadata};
use walcast_pgoutput::{Lsn, Oid, Relation, RelationColumn, ReplicaIdentity, TypeMessage};

use super::{Sources, complete};
use crate::schema_history::{ChangePosition, TableSchema};

const INT4: u32 = 23;
const HSTORE: u32 = 20_000;
const DOMAIN: u32 = 20_001;

fn relation(identity: ReplicaIdentity, columns: &[(&str, u32)]) -> Relation {
    let columns = columns.iter().map(|(name, oid)| RelationColumn {
        is_key: *name == "id",
        name: (*name).to_owned(),
        type_oid: Oid::new(*oid),
        type_modifier: -1,
    });
    Relation {
        xid: None,
        oid: Oid::new(16_400),
        namespace: "public".to_owned(),
        name: "items".to_owned(),
        replica_identity: identity,
        columns: columns.collect(),
    }
}

fn catalog(columns: &[(&str, u32, bool)], key: &[&str], types: &[(u32, &str, TypeKind)]) -> TableMetadata {
    let columns = columns.iter().map(|(name, oid, not_null)| ColumnMetadata {
        name: (*name).to_owned(),
        type_oid: Oid::new(*oid),
        type_modifier: -1,
        not_null: *not_null,
        default_expression: None,
        generated: false,
    });
    let types = types.iter().map(|(oid, name, kind)| {
        let metadata = TypeMetadata {
            namespace: "public".to_owned(),
            name: (*name).to_owned(),
            kind: kind.clone(),
        };
        (Oid::new(*oid), metadata)
    });
    TableMetadata {
        columns: columns.collect(),
        key_columns: key.iter().map(|name| (*name).to_owned()).collect(),
        types: types.collect(),
        ..TableMetadata::default()
    }
}

fn known(relation: &Relation, metadata: TableMetadata) -> TableSchema {
    TableSchema {
        since: ChangePosition {
            commit_lsn: Lsn::new(100),
            ordinal: Ordinal::default(),
        },
        relation: relation.clone(),
        metadata,
    }
}

fn completed(
    relation: &Relation,
    catalog: TableMetadata,
    known: Option<&TableSchema>,
    named: &[(u32, &str)],
) -> Result<TableMetadata, MapError> {
    let named_types: HashMap<Oid, TypeMessage> = named
        .iter()
        .map(|(oid, name)| {
            let named = TypeMessage {
                xid: None,
                oid: Oid::new(*oid),
                namespace: "public".to_owned(),
                name: (*name).to_owned(),
            };
            (named.oid, named)
        })
        .collect();
    complete(
        relation,
        Sources {
            catalog,
            known,
            named_types: &named_types,
            types: &TypeModes::default(),
            has_configured_key: false,
        },
    )
}

fn domain() -> TypeKind {
    TypeKind::Domain {
        base: Oid::new(1700),
        base_modifier: -1,
    }
}

#[test]
fn a_dropped_column_is_as_it_was_delivered() {
    let row = relation(ReplicaIdentity::Default, &[("id", INT4), ("cost", DOMAIN)]);
    let before = catalog(
        &[("id", INT4, true), ("cost", DOMAIN, true)],
        &["id"],
        &[(DOMAIN, "price", domain())],
    );
    let after = catalog(&[("id", INT4, true), ("note", 25, false)], &["id"], &[]);
    let metadata = completed(&row, after, Some(&known(&row, before.clone())), &[]).unwrap();
    assert_eq!(metadata, before);
}

#[test]
fn a_column_that_exists_is_as_the_catalog_has_it() {
    let row = relation(ReplicaIdentity::Default, &[("id", INT4)]);
    let before = catalog(&[("id", INT4, false)], &["id"], &[]);
    let after = catalog(&[("id", INT4, true), ("more", INT4, true)], &["id"], &[]);
    let metadata = completed(&row, after, Some(&known(&row, before)), &[]).unwrap();
    let columns: Vec<(String, bool)> = metadata
        .columns
        .into_iter()
        .map(|column| (column.name, column.not_null))
        .collect();
    assert_eq!(columns, [("id".to_owned(), true)]);
}

#[test]
fn a_dropped_table_keeps_its_key() {
    let row = relation(ReplicaIdentity::Full, &[("id", INT4), ("v", INT4)]);
    let before = catalog(&[("id", INT4, true), ("v", INT4, false)], &["id"], &[]);
    let gone = TableMetadata::default();
    let metadata = completed(&row, gone.clone(), Some(&known(&row, before)), &[]).unwrap();
    assert_eq!(metadata.key_columns, ["id"]);
    let keyless = catalog(&[("id", INT4, true), ("v", INT4, false)], &[], &[]);
    let metadata = completed(&row, gone.clone(), Some(&known(&row, keyless)), &[]).unwrap();
    assert!(metadata.key_columns.is_empty());
    // The key is not known.
    let error = completed(&row, gone.clone(), None, &[]).unwrap_err();
    assert!(matches!(error, MapError::UnknownKey { .. }), "{error}");
    // The WAL has it.
    let flagged = relation(ReplicaIdentity::Default, &[("id", INT4), ("v", INT4)]);
    assert!(completed(&flagged, gone, None, &[]).is_ok());
}

#[test]
fn a_renamed_key_of_a_whole_row_identity_is_not_guessed() {
    let row = relation(ReplicaIdentity::Full, &[("old_id", INT4)]);
    let renamed = catalog(&[("id", INT4, true)], &["id"], &[]);
    let error = completed(&row, renamed, None, &[]).unwrap_err();
    assert!(matches!(error, MapError::UnknownKey { .. }), "{error}");
    let never_had_one = catalog(&[("old_id", INT4, true)], &[], &[]);
    assert!(completed(&row, never_had_one, None, &[]).is_ok());
}

#[test]
fn a_dropped_type_is_known_by_the_name_of_an_extension_type_only() {
    let row = relation(ReplicaIdentity::Default, &[("id", INT4), ("attrs", HSTORE)]);
    let after = catalog(&[("id", INT4, true)], &["id"], &[]);
    let metadata = completed(&row, after.clone(), None, &[(HSTORE, "hstore")]).unwrap();
    let expected = TypeMetadata {
        namespace: "public".to_owned(),
        name: "hstore".to_owned(),
        kind: TypeKind::Base,
    };
    assert_eq!(metadata.types, BTreeMap::from([(Oid::new(HSTORE), expected)]));
    for named in [&[][..], &[(HSTORE, "mood")][..]] {
        let error = completed(&row, after.clone(), None, named).unwrap_err();
        assert!(matches!(error, MapError::UnknownType { .. }), "{error}");
    }
}
