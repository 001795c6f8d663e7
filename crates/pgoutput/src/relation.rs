//! The shape of a table as the log tells it.

use crate::{Oid, Xid};

/// What a [Relation message] says: the columns of a table as they were when the changes after it were made.
///
/// It carries no nullability and no defaults; those come from the catalog, as it is now.
///
/// [Relation message]: https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html#PROTOCOL-LOGICALREP-MESSAGE-FORMATS-RELATION
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Relation {
    /// The transaction, when the message lies in a streamed one (protocol 2 and later).
    pub xid: Option<Xid>,
    /// The number later messages name the table by; valid for this session only.
    pub oid: Oid,
    /// The schema; the wire's empty text stands for `pg_catalog` and is already replaced.
    pub namespace: String,
    /// The table.
    pub name: String,
    /// What old tuples of updates and deletes hold.
    pub replica_identity: ReplicaIdentity,
    /// The columns, in the order in which tuples hold them.
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

/// `relreplident`: see <https://www.postgresql.org/docs/current/catalog-pg-class.html>.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReplicaIdentity {
    /// `d`: the primary key, if there is one.
    Default,
    /// `n`: nothing; the server refuses updates and deletes of a published table.
    Nothing,
    /// `f`: the whole row.
    Full,
    /// `i`: a unique index.
    Index,
}
