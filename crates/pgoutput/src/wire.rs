//! Constants shared by decoding and encoding.

/// `LOGICALREP_IS_REPLICA_IDENTITY`: the column belongs to the replica identity.
pub(crate) const COLUMN_IS_KEY: u8 = 1;
/// `TRUNCATE_CASCADE`.
pub(crate) const TRUNCATE_CASCADE: u8 = 1;
/// `TRUNCATE_RESTART_SEQS`.
pub(crate) const TRUNCATE_RESTART_IDENTITY: u8 = 2;
/// `MESSAGE_TRANSACTIONAL`.
pub(crate) const MESSAGE_TRANSACTIONAL: u8 = 1;
/// Schema that the server sends as an empty text.
pub(crate) const CATALOG_NAMESPACE: &str = "pg_catalog";
