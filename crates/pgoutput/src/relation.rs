//! Columns and replica identity of a table, as the WAL describes them.

use crate::identity::{Oid, Xid};

/// A [Relation message]: the columns of a table as of the changes after it.
///
/// The message has no nullability and no defaults; those come from the catalog, in its current state.
///
/// [Relation message]: https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html#PROTOCOL-LOGICALREP-MESSAGE-FORMATS-RELATION
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Relation {
    /// The transaction, when the message is part of a streamed one (protocol 2 and later).
    pub xid: Option<Xid>,
    /// OID by which later messages refer to the table; valid for this session only.
    pub oid: Oid,
    /// Schema of the table; `pg_catalog` where the wire has an empty text.
    pub namespace: String,
    /// Name of the table.
    pub name: String,
    /// Replica identity: the columns that old tuples of updates and deletes contain.
    pub replica_identity: ReplicaIdentity,
    /// Columns, in the order of tuples.
    pub columns: Vec<RelationColumn>,
}

/// One column of a [`Relation`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RelationColumn {
    /// Whether the column is part of the replica identity (all are, under `FULL`).
    pub is_key: bool,
    /// The name, unquoted.
    pub name: String,
    /// The data type.
    pub type_oid: Oid,
    /// The type's modifier (`atttypmod`), -1 when there is none.
    pub type_modifier: i32,
}

/// Replica identity (`relreplident`): see <https://www.postgresql.org/docs/current/catalog-pg-class.html>.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReplicaIdentity {
    /// `d`: the primary key, if there is one.
    Default,
    /// `n`: no columns; the server rejects updates and deletes of a published table.
    Nothing,
    /// `f`: the whole row.
    Full,
    /// `i`: a unique index.
    Index,
}
