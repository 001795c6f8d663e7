//! Statements of the application that fail because their tables are published.

use std::collections::BTreeSet;

use tokio_postgres::{Client, Error};

use super::source::message;

/// A statement that fails in the source and not in a database without a publication.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    /// Statement and error.
    pub(super) text: String,
    /// Whether Postgres refuses the statement for any published table, and an operator or the application itself has made it so: no
    /// publication of the table would allow the statement.
    pub(super) is_inherent: bool,
    /// Whether the statement waited too long for a lock.
    pub(super) is_lock: bool,
}

/// OIDs of tables and partitions that are published and have a replica identity at this moment.
pub(super) async fn identified_tables(client: &Client) -> BTreeSet<i64> {
    let sql = "WITH published AS ( \
            SELECT prrelid AS oid FROM pg_publication_rel \
            UNION SELECT tree.relid FROM pg_publication_rel, pg_partition_tree(prrelid) tree) \
        SELECT c.oid::int8 FROM pg_class c JOIN published USING (oid) \
        WHERE c.relreplident = 'f' \
           OR c.relreplident = 'd' AND EXISTS (SELECT FROM pg_index WHERE indrelid = c.oid AND indisprimary) \
           OR c.relreplident = 'i' AND EXISTS (SELECT FROM pg_index WHERE indrelid = c.oid AND indisreplident)";
    let rows = client.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Decides whether a refusal is inherent in publishing the table.
///
/// A table without replica identity must not be published by walcast. If it had an identity while it was published, the application
/// has removed it since; and what an operator publishes is the operator's decision.
pub(super) async fn judge(
    client: &Client,
    sql: &str,
    error: &Error,
    identified: &BTreeSet<i64>,
    is_published_by_operator: bool,
) -> Refusal {
    let why = message(error);
    // Postgres makes no published table unlogged.
    let is_logging = why.contains("because it is part of a publication");
    let is_identity = why.contains("does not have a replica identity");
    let lost_identity = match quoted(&why) {
        Some(name) if is_identity => {
            let sql =
                "SELECT oid::int8, relreplident = 'n' AND relispartition FROM pg_class WHERE relname = $1";
            let rows = client.query(sql, &[&name]).await.unwrap();
            rows.iter()
                .any(|row| identified.contains(&row.get(0)) || row.get::<_, bool>(1))
        }
        _ => false,
    };
    Refusal {
        is_lock: why.contains("lock timeout"),
        text: format!("{sql}: {why}"),
        is_inherent: is_logging || is_identity && (is_published_by_operator || lost_identity),
    }
}

/// The name in double quotes.
fn quoted(text: &str) -> Option<&str> {
    text.split('"').nth(1)
}
