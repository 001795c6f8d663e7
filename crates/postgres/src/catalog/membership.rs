//! Membership of tables in the publication, as a text that is another one after a table has left the publication and come back.

use std::collections::BTreeMap;

use tokio_postgres::types::Type;
use walcast_delivery::CapturedTable;
use walcast_pgoutput::Oid;

use super::publication::RESTRICTIONS_SINCE;
use super::query::{oid, rows, value};
use crate::connect::Client;
use crate::error::PostgresError;

const DOING: &str = "reading the membership of tables in the publication";

/// Expression for the membership of the table `c` in the publication `p`; null if it is no member.
///
/// Each way of becoming a member writes a row, with a new OID or a new `xmin`: of the publication (`publish`, options), of its tables
/// (row filters and columns too), of its schemas, and of the partitioned tables above. A table that is a member by its schema also
/// leaves by `SET SCHEMA`, and one that is no member of its own by `SET UNLOGGED`, which gives it another file.
pub(super) fn membership(server_version: u32) -> String {
    let lineage = "SELECT c.oid UNION ALL SELECT a.relid::oid FROM pg_partition_ancestors(c.oid) a WHERE c.relispartition";
    let of_schema = if server_version >= RESTRICTIONS_SINCE {
        format!(
            "(SELECT string_agg(concat(s.oid, '.', s.xmin, '.', k.oid, '.', k.xmin), ',' ORDER BY s.oid, k.oid) \
             FROM pg_publication_namespace s JOIN pg_class k ON k.relnamespace = s.pnnspid \
             WHERE s.pnpubid = p.oid AND k.oid IN ({lineage}))"
        )
    } else {
        "NULL::text".to_owned()
    };
    format!(
        "(SELECT format('%s.%s/%s/%s/%s/%s', p.oid, p.xmin, way.of_table, way.of_schema, way.file, \
           (SELECT string_agg(concat(i.inhparent, '.', i.xmin), ',' ORDER BY i.inhrelid) FROM pg_inherits i \
            WHERE c.relispartition AND i.inhrelid IN ({lineage}))) \
          FROM (SELECT \
            (SELECT string_agg(concat(r.oid, '.', r.xmin), ',' ORDER BY r.oid) FROM pg_publication_rel r \
             WHERE r.prpubid = p.oid AND r.prrelid IN ({lineage})) AS of_table, \
            {of_schema} AS of_schema, \
            CASE WHEN p.puballtables OR c.relispartition THEN c.relfilenode END AS file) way \
          WHERE p.puballtables OR way.of_table IS NOT NULL OR way.of_schema IS NOT NULL)"
    )
}

/// Memberships of captured tables in a publication, by OID.
pub(crate) async fn memberships(
    client: &Client,
    server_version: u32,
    publication: &str,
    captured: &[CapturedTable],
) -> Result<BTreeMap<Oid, String>, PostgresError> {
    let sql = format!(
        "SELECT found.oid, found.membership FROM (SELECT c.oid, {} AS membership FROM pg_publication p, pg_class c \
         WHERE p.pubname = $1 AND c.oid = ANY ($2)) found WHERE found.membership IS NOT NULL",
        membership(server_version)
    );
    let oids: Vec<u32> = captured.iter().map(|table| table.oid.as_u32()).collect();
    let parameters = [(&publication as _, Type::TEXT), (&oids as _, Type::OID_ARRAY)];
    let mut memberships = BTreeMap::new();
    for row in rows(client, DOING, &sql, &parameters).await? {
        memberships.insert(oid(DOING, &row, 0)?, value(DOING, &row, 1)?);
    }
    Ok(memberships)
}
