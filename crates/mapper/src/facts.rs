//! What the catalog adds to a Relation message: nullability, defaults, keys, the nature of types.
//!
//! The catalog shows these as they are now, not as they were at the change's position in the log. They are therefore
//! used only where the log is silent, matched by column name, and corrected when a row contradicts them
//! ([`crate::MapError::is_stale_facts`]).

use std::collections::BTreeMap;

use walcast_pgoutput::Oid;

/// The catalog's view of one table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableFacts {
    /// The columns that exist now, in `attnum` order; generated columns included.
    pub columns: Vec<ColumnFacts>,
    /// The primary key's columns in key order; without one, those of the first unique index (by name) over NOT NULL
    /// plain columns; empty when there is neither.
    pub key_columns: Vec<String>,
    /// Every type that a column of the table uses and that is not built in, with the types it rests on.
    pub types: BTreeMap<Oid, TypeFacts>,
}

/// One column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnFacts {
    /// The name, unquoted.
    pub name: String,
    /// The data type.
    pub type_oid: Oid,
    /// `atttypmod`, -1 when there is none.
    pub type_modifier: i32,
    /// Whether null is refused (`attnotnull`, or a domain that says so).
    pub not_null: bool,
    /// The default as `pg_get_expr` prints it.
    pub default_expression: Option<String>,
    /// Whether the column is generated from others.
    pub generated: bool,
}

/// One type that is not built in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeFacts {
    /// Its schema.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: TypeKind,
}

/// The nature of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TypeKind {
    /// A base type of an extension (citext, hstore, vector, …), known by its name.
    Base,
    /// An enum.
    Enum {
        /// Its labels in sort order.
        labels: Vec<String>,
    },
    /// A domain.
    Domain {
        /// The type it rests on, which may be a domain itself.
        base: Oid,
        /// The modifier it fixes, -1 when it fixes none.
        base_modifier: i32,
    },
    /// An array.
    Array {
        /// Its elements' type.
        element: Oid,
        /// What stands between elements: a comma but for few types (`typdelim`).
        delimiter: u8,
    },
    /// A composite type.
    Composite,
    /// A range or multirange.
    Range,
}
