//! Stored form of a table's schemas: JSON in which every OID, name and modifier is as the catalog has it.

use serde::{Deserialize, Serialize};
use walcast_mapper::{ColumnMetadata, Ordinal, TableMetadata, TypeKind, TypeMetadata};
use walcast_pgoutput::{Lsn, Oid, Relation, RelationColumn, ReplicaIdentity};

use crate::schema_history::{ChangePosition, TableHistory, TableSchema};

/// Schemas of one table, as a record of the checkpoint topic holds them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredHistory {
    /// Version of the format: that of the checkpoint.
    pub version: u32,
    /// Schemas, ascending by position.
    schemas: Vec<StoredSchema>,
    /// End of WAL when the table was first found not to be captured any more.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::serde_text::as_optional_text"
    )]
    missing_since: Option<Lsn>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredSchema {
    #[serde(with = "crate::serde_text::as_text")]
    commit_lsn: Lsn,
    ordinal: u64,
    namespace: String,
    name: String,
    replica_identity: StoredIdentity,
    columns: Vec<StoredColumn>,
    key: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    unsent_key: Vec<String>,
    types: Vec<StoredType>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    former_labels: Vec<u32>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredIdentity {
    Default,
    Nothing,
    Full,
    Index,
}

/// Column of a relation, and of the table where the catalog has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredColumn {
    name: String,
    #[serde(rename = "type")]
    type_oid: u32,
    modifier: i32,
    #[serde(default, skip_serializing_if = "is_false")]
    is_key: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    catalog: Option<StoredCatalogColumn>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredCatalogColumn {
    #[serde(rename = "type")]
    type_oid: u32,
    modifier: i32,
    not_null: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    default: Option<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    generated: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredType {
    oid: u32,
    namespace: String,
    name: String,
    kind: StoredKind,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum StoredKind {
    Base,
    Enum { labels: Vec<String> },
    Domain { base: u32, modifier: i32 },
    Array { element: u32, delimiter: u8 },
    Composite,
    Range,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(value: &bool) -> bool {
    !*value
}

impl StoredHistory {
    /// Stored form of a table's history.
    #[must_use]
    pub fn of(version: u32, history: &TableHistory) -> Self {
        Self {
            version,
            schemas: history.schemas.iter().map(StoredSchema::of).collect(),
            missing_since: history.missing_since,
        }
    }

    /// History of the table with this OID.
    #[must_use]
    pub fn into_history(self, table: Oid) -> TableHistory {
        let schemas = self.schemas.into_iter();
        TableHistory {
            schemas: schemas.map(|schema| schema.into_schema(table)).collect(),
            missing_since: self.missing_since,
        }
    }
}

impl StoredSchema {
    fn of(schema: &TableSchema) -> Self {
        let TableSchema {
            since,
            relation,
            metadata,
        } = schema;
        let columns = relation.columns.iter().map(|column| {
            let mut known = metadata.columns.iter();
            StoredColumn {
                name: column.name.clone(),
                type_oid: column.type_oid.as_u32(),
                modifier: column.type_modifier,
                is_key: column.is_key,
                catalog: known
                    .find(|known| known.name == column.name)
                    .map(StoredCatalogColumn::of),
            }
        });
        Self {
            commit_lsn: since.commit_lsn,
            ordinal: since.ordinal.as_u64(),
            namespace: relation.namespace.clone(),
            name: relation.name.clone(),
            replica_identity: match relation.replica_identity {
                ReplicaIdentity::Default => StoredIdentity::Default,
                ReplicaIdentity::Nothing => StoredIdentity::Nothing,
                ReplicaIdentity::Full => StoredIdentity::Full,
                ReplicaIdentity::Index => StoredIdentity::Index,
            },
            columns: columns.collect(),
            key: metadata.key_columns.clone(),
            unsent_key: metadata.unsent_key_columns.clone(),
            types: metadata
                .types
                .iter()
                .map(|(oid, one)| StoredType::of(*oid, one))
                .collect(),
            former_labels: metadata.former_labels.iter().map(|oid| oid.as_u32()).collect(),
        }
    }

    fn into_schema(self, table: Oid) -> TableSchema {
        let catalog = |column: &StoredColumn| {
            let known = column.catalog.clone()?;
            Some(ColumnMetadata {
                name: column.name.clone(),
                type_oid: Oid::new(known.type_oid),
                type_modifier: known.modifier,
                not_null: known.not_null,
                default_expression: known.default,
                generated: known.generated,
            })
        };
        let metadata = TableMetadata {
            columns: self.columns.iter().filter_map(catalog).collect(),
            key_columns: self.key,
            unsent_key_columns: self.unsent_key,
            types: self.types.into_iter().map(StoredType::into_entry).collect(),
            former_labels: self.former_labels.into_iter().map(Oid::new).collect(),
        };
        let columns = self.columns.into_iter().map(|column| RelationColumn {
            is_key: column.is_key,
            name: column.name,
            type_oid: Oid::new(column.type_oid),
            type_modifier: column.modifier,
        });
        TableSchema {
            since: ChangePosition {
                commit_lsn: self.commit_lsn,
                ordinal: Ordinal::new(self.ordinal),
            },
            relation: Relation {
                xid: None,
                oid: table,
                namespace: self.namespace,
                name: self.name,
                replica_identity: match self.replica_identity {
                    StoredIdentity::Default => ReplicaIdentity::Default,
                    StoredIdentity::Nothing => ReplicaIdentity::Nothing,
                    StoredIdentity::Full => ReplicaIdentity::Full,
                    StoredIdentity::Index => ReplicaIdentity::Index,
                },
                columns: columns.collect(),
            },
            metadata,
        }
    }
}

impl StoredCatalogColumn {
    fn of(column: &ColumnMetadata) -> Self {
        Self {
            type_oid: column.type_oid.as_u32(),
            modifier: column.type_modifier,
            not_null: column.not_null,
            default: column.default_expression.clone(),
            generated: column.generated,
        }
    }
}

impl StoredType {
    fn of(oid: Oid, one: &TypeMetadata) -> Self {
        Self {
            oid: oid.as_u32(),
            namespace: one.namespace.clone(),
            name: one.name.clone(),
            kind: match &one.kind {
                TypeKind::Base => StoredKind::Base,
                TypeKind::Enum { labels } => StoredKind::Enum {
                    labels: labels.clone(),
                },
                TypeKind::Domain { base, base_modifier } => StoredKind::Domain {
                    base: base.as_u32(),
                    modifier: *base_modifier,
                },
                TypeKind::Array { element, delimiter } => StoredKind::Array {
                    element: element.as_u32(),
                    delimiter: *delimiter,
                },
                TypeKind::Composite => StoredKind::Composite,
                TypeKind::Range => StoredKind::Range,
            },
        }
    }

    fn into_entry(self) -> (Oid, TypeMetadata) {
        let kind = match self.kind {
            StoredKind::Base => TypeKind::Base,
            StoredKind::Enum { labels } => TypeKind::Enum { labels },
            StoredKind::Domain { base, modifier } => TypeKind::Domain {
                base: Oid::new(base),
                base_modifier: modifier,
            },
            StoredKind::Array { element, delimiter } => TypeKind::Array {
                element: Oid::new(element),
                delimiter,
            },
            StoredKind::Composite => TypeKind::Composite,
            StoredKind::Range => TypeKind::Range,
        };
        let metadata = TypeMetadata {
            namespace: self.namespace,
            name: self.name,
            kind,
        };
        (Oid::new(self.oid), metadata)
    }
}
