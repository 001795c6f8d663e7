//! Catalog metadata that a Relation message does not contain: nullability, defaults, keys, kinds of types.
//!
//! The catalog has the current metadata, not the metadata at the change's position in the WAL. They are therefore used
//! only where the WAL has no information, matched by column name, and refreshed when a row contradicts them
//! ([`crate::MapError::is_stale_metadata`]).

use std::collections::{BTreeMap, BTreeSet};

use walcast_pgoutput::Oid;

/// Catalog metadata of one table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableMetadata {
    /// Current columns in `attnum` order, generated columns included.
    pub columns: Vec<ColumnMetadata>,
    /// Columns of the primary key in key order; without a primary key, those of the first unique index (by name) over
    /// NOT NULL plain columns; empty when there is neither.
    pub key_columns: Vec<String>,
    /// Generated columns of the key, or of the replica identity that is the key, which the server does not send. Unless there are
    /// none, the other key columns do not identify a row.
    pub unsent_key_columns: Vec<String>,
    /// Types of the columns that are not built in, with their base and element types.
    pub types: BTreeMap<Oid, TypeMetadata>,
    /// Enum types of which rows have labels that the catalog did not list when it was read, because they were renamed or
    /// added: any label is then written.
    pub former_labels: BTreeSet<Oid>,
}

/// Catalog metadata of one column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnMetadata {
    /// Name, unquoted.
    pub name: String,
    /// The data type.
    pub type_oid: Oid,
    /// `atttypmod`, -1 when there is none.
    pub type_modifier: i32,
    /// Whether no row has a null in the column: by a valid constraint of the column, or by a domain.
    pub not_null: bool,
    /// Default, as printed by `pg_get_expr`.
    pub default_expression: Option<String>,
    /// Whether the column is a generated column.
    pub generated: bool,
}

/// Catalog metadata of a type that is not built in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeMetadata {
    /// Schema of the type.
    pub namespace: String,
    /// Name of the type.
    pub name: String,
    /// Kind of the type.
    pub kind: TypeKind,
}

/// Kind of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TypeKind {
    /// A base type of an extension (citext, hstore, vector, …), identified by its name.
    Base,
    /// An enum.
    Enum {
        /// Labels in sort order.
        labels: Vec<String>,
    },
    /// A domain.
    Domain {
        /// Base type, which may be a domain itself.
        base: Oid,
        /// Type modifier of the domain, -1 when it has none.
        base_modifier: i32,
    },
    /// An array.
    Array {
        /// Element type.
        element: Oid,
        /// Separator of elements (`typdelim`): a comma for nearly all types.
        delimiter: u8,
    },
    /// A composite type.
    Composite,
    /// A range or multirange.
    Range,
}
