//! Completion of the catalog's metadata: what the catalog does not know any more of a relation comes from the schema history.

use std::collections::{BTreeSet, HashMap};

use walcast_mapper::config::TypeModes;
use walcast_mapper::{
    ColumnMetadata, MapError, TableMetadata, TableName, TypeKind, TypeMetadata, is_extension_type,
};
use walcast_pgoutput::{Oid, Relation, RelationColumn, ReplicaIdentity, TypeMessage};

use crate::schema_history::TableSchema;

/// First OID that is not a built-in object's (`FirstNormalObjectId` of access/transam.h).
const FIRST_NORMAL_OID: u32 = 16_384;

/// Inputs of a completion besides the relation.
pub(crate) struct Sources<'a> {
    /// Metadata of the table in the catalog now.
    pub(crate) catalog: TableMetadata,
    /// Schema that the history has of the table.
    pub(crate) known: Option<&'a TableSchema>,
    /// Types that the stream has named.
    pub(crate) named_types: &'a HashMap<Oid, TypeMessage>,
    /// Handling of types.
    pub(crate) types: &'a TypeModes,
    /// Whether the configuration gives the table a key.
    pub(crate) has_configured_key: bool,
}

/// Metadata of a relation: of each column what the catalog says where it has the column, else what the history says.
///
/// # Errors
/// Neither knows the key of a table whose replica identity does not contain it, or the type of a column.
pub(crate) fn complete(relation: &Relation, sources: Sources<'_>) -> Result<TableMetadata, MapError> {
    let Sources {
        mut catalog,
        known,
        named_types,
        types,
        has_configured_key,
    } = sources;
    let columns = relation
        .columns
        .iter()
        .filter_map(|column| column_metadata(column, &catalog, known))
        .collect();
    let key_columns = key_columns(relation, &catalog, known, has_configured_key)?;
    if let Some(known) = known {
        for (oid, one) in &known.metadata.types {
            catalog.types.entry(*oid).or_insert_with(|| one.clone());
        }
        catalog
            .former_labels
            .extend(known.metadata.former_labels.iter().copied());
    }
    for column in &relation.columns {
        let oid = column.type_oid;
        if oid.as_u32() < FIRST_NORMAL_OID || catalog.types.contains_key(&oid) {
            continue;
        }
        let named = named_types.get(&oid);
        // Of such a type the name is enough.
        let Some(named) = named.filter(|named| {
            is_extension_type(&named.name) || types.is_as_text(&named.namespace, &named.name)
        }) else {
            return Err(MapError::UnknownType {
                table: TableName::from(relation),
                column: column.name.clone(),
                type_oid: oid,
                type_name: named.map(|named| format!("{}.{}", named.namespace, named.name)),
            });
        };
        let one = TypeMetadata {
            namespace: named.namespace.clone(),
            name: named.name.clone(),
            kind: TypeKind::Base,
        };
        catalog.types.insert(oid, one);
    }
    let mut metadata = TableMetadata {
        columns,
        key_columns,
        ..catalog
    };
    keep_types_of(relation, &mut metadata);
    Ok(metadata)
}

/// Keeps the types of the relation's columns, with their element and base types: those of other columns say nothing of its
/// rows.
fn keep_types_of(relation: &Relation, metadata: &mut TableMetadata) {
    let mut used = BTreeSet::new();
    let mut unseen: Vec<Oid> = relation.columns.iter().map(|column| column.type_oid).collect();
    while let Some(oid) = unseen.pop() {
        let Some(one) = metadata.types.get(&oid) else {
            continue;
        };
        if !used.insert(oid) {
            continue;
        }
        match one.kind {
            TypeKind::Domain { base, .. } => unseen.push(base),
            TypeKind::Array { element, .. } => unseen.push(element),
            TypeKind::Base | TypeKind::Enum { .. } | TypeKind::Composite | TypeKind::Range => {}
        }
    }
    metadata.types.retain(|oid, _| used.contains(oid));
    metadata.former_labels.retain(|oid| used.contains(oid));
}

/// Metadata of a column: from the catalog if it has a column of that name and type, else from the history, else from the
/// catalog's column of another type.
fn column_metadata(
    column: &RelationColumn,
    catalog: &TableMetadata,
    known: Option<&TableSchema>,
) -> Option<ColumnMetadata> {
    let named = |metadata: &TableMetadata| {
        let mut columns = metadata.columns.iter();
        columns.find(|one| one.name == column.name).cloned()
    };
    let now = named(catalog);
    let then = known.and_then(|known| named(&known.metadata));
    let is_of_type = |one: &ColumnMetadata| one.type_oid == column.type_oid;
    now.clone().filter(is_of_type).or(then.filter(is_of_type)).or(now)
}

/// Key columns of a relation: the catalog's if the relation has them all, else the history's; none if the server does not send all of
/// the catalog's, which compiling a plan reports.
fn key_columns(
    relation: &Relation,
    catalog: &TableMetadata,
    known: Option<&TableSchema>,
    has_configured_key: bool,
) -> Result<Vec<String>, MapError> {
    if !catalog.unsent_key_columns.is_empty() {
        // A former key may be a part of this one, and identify no row any more.
        return Ok(Vec::new());
    }
    let has_all = |key: &&Vec<String>| {
        let is_column = |name: &String| relation.columns.iter().any(|column| column.name == *name);
        !key.is_empty() && key.iter().all(is_column)
    };
    let then = known.map(|known| &known.metadata.key_columns);
    if let Some(key) = Some(&catalog.key_columns)
        .filter(has_all)
        .or(then.filter(has_all))
    {
        return Ok(key.clone());
    }
    let is_in_wal = match relation.replica_identity {
        ReplicaIdentity::Default | ReplicaIdentity::Index => {
            relation.columns.iter().any(|column| column.is_key)
        }
        ReplicaIdentity::Full | ReplicaIdentity::Nothing => false,
    };
    // A table that exists and has no key has none; where the table or its key is gone, the key is not known.
    let was_without_key = then.is_some_and(Vec::is_empty);
    let exists = !catalog.columns.is_empty() || relation.columns.is_empty();
    let is_without_key = exists && catalog.key_columns.is_empty();
    if is_in_wal || has_configured_key || was_without_key || is_without_key {
        return Ok(Vec::new());
    }
    Err(MapError::UnknownKey {
        table: TableName::from(relation),
    })
}

#[cfg(test)]
mod tests;
