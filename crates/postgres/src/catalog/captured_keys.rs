//! Keys of the captured tables: whether the server sends all of their columns.

use tokio_postgres::types::Type;
use walcast_delivery::CapturedTable;
use walcast_mapper::pattern::TablePattern;

use super::query::{Parameter, rows, value};
use super::table_description::{GENERATED_SINCE, table_description};
use super::table_metadata::table_metadata;
use crate::connect::Client;
use crate::error::PostgresError;

const DOING: &str = "finding the keys of the captured tables";

/// Tables of `$1` with a unique index over a generated column.
const CANDIDATES: &str = r"
SELECT DISTINCT i.indrelid
FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) AND a.attgenerated <> ''
WHERE i.indrelid = ANY ($1) AND i.indisunique";

/// Completes captured tables by the generated columns of their keys, except tables whose key is configured (`keyed`). From version 18
/// on such a table has no usable replica identity, unless its generated columns are published.
pub(crate) async fn find_unsent_keys(
    client: &Client,
    server_version: u32,
    publication: &str,
    keyed: &[TablePattern],
    captured: &mut [CapturedTable],
) -> Result<(), PostgresError> {
    if server_version >= GENERATED_SINCE {
        return Ok(());
    }
    let oids: Vec<u32> = captured.iter().map(|table| table.oid.as_u32()).collect();
    let parameter: [Parameter<'_>; 1] = [(&oids, Type::OID_ARRAY)];
    let mut candidates: Vec<u32> = Vec::new();
    for row in rows(client, DOING, CANDIDATES, &parameter).await? {
        candidates.push(value(DOING, &row, 0)?);
    }
    for table in captured.iter_mut() {
        let is_keyed = keyed.iter().any(|pattern| pattern.matches(&table.name));
        if is_keyed || !candidates.contains(&table.oid.as_u32()) {
            continue;
        }
        let described = table_description(client, server_version, publication, &table.name).await?;
        if let Some(described) = described {
            let metadata = table_metadata(client, &described.relation, None).await?;
            table.unsent_key_columns = metadata.unsent_key_columns;
        }
    }
    Ok(())
}
