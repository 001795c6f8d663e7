//! Keys with generated columns that the server does not send. Before version 18 it sends no generated column, and from then on those
//! that are published; the other columns of such a key do not identify a row.

use tokio_postgres::types::Type;
use walcast_mapper::ColumnMetadata;
use walcast_pgoutput::{Relation, ReplicaIdentity};

use super::query::{Parameter, rows, value};
use crate::connect::Client;
use crate::error::PostgresError;

const DOING: &str = "finding generated columns in keys";

/// Generated columns of the index that is the replica identity.
const OF_IDENTITY: &str = r"
SELECT a.attname::text
FROM pg_index i JOIN pg_attribute a
  ON a.attrelid = i.indrelid AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]) AND a.attgenerated <> ''
WHERE i.indrelid = $1 AND i.indisreplident AND i.indisvalid
ORDER BY a.attnum";

/// Generated columns of a relation's key that the relation does not have, given the columns and the key of the catalog.
pub(super) async fn unsent_key_columns(
    client: &Client,
    relation: &Relation,
    columns: &[ColumnMetadata],
    key_columns: &[String],
) -> Result<Vec<String>, PostgresError> {
    let is_sent = |name: &String| relation.columns.iter().any(|column| column.name == *name);
    if !columns
        .iter()
        .any(|column| column.generated && !is_sent(&column.name))
    {
        return Ok(Vec::new());
    }
    let is_generated = |name: &String| columns.iter().any(|one| one.generated && one.name == *name);
    let is_unsent = |name: &String| is_generated(name) && !is_sent(name);
    let of_key: Vec<String> = key_columns
        .iter()
        .filter(|name| is_unsent(name))
        .cloned()
        .collect();
    if relation.replica_identity != ReplicaIdentity::Index {
        return Ok(of_key);
    }
    // An index that covers the key identifies rows by the key; any other index is the key itself.
    let is_in_identity = |name: &String| {
        let mut columns = relation.columns.iter();
        columns.any(|column| column.is_key && column.name == *name)
    };
    if !key_columns.is_empty() && key_columns.iter().all(is_in_identity) {
        return Ok(Vec::new());
    }
    let number = relation.oid.as_u32();
    let parameter: [Parameter<'_>; 1] = [(&number, Type::OID)];
    let mut unsent = Vec::new();
    for row in rows(client, DOING, OF_IDENTITY, &parameter).await? {
        unsent.push(value(DOING, &row, 0)?);
    }
    unsent.retain(|name| !is_sent(name));
    Ok(unsent)
}
