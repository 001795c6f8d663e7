//! Estimate of the existing rows of tables.

use tokio_postgres::types::Type;

use super::query::{one, value};
use super::tables::WITH_PARTITIONS;
use crate::connect::Client;
use crate::error::PostgresError;

/// Estimate of the existing rows of tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowEstimate {
    /// Number of tables; partitions of one table count as one.
    pub tables: usize,
    /// Estimated number of rows.
    pub rows: u64,
    /// Size in bytes, with values that are stored out of line.
    pub bytes: u64,
    /// Number of tables and partitions that were never analyzed, whose rows are estimated from their size.
    pub unanalyzed: u64,
}

/// Rows per page of the last `VACUUM` or `ANALYZE`, as the planner uses them, over the pages of today. Of a table that was never
/// analyzed a row of 100 bytes is assumed.
const ESTIMATE: &str = "
SELECT coalesce(sum(CASE WHEN c.relpages > 0 AND c.reltuples >= 0
                         THEN c.reltuples / c.relpages * (s.bytes / current_setting('block_size')::float8)
                         ELSE s.bytes / 100.0 END), 0)::int8,
       coalesce(sum(pg_table_size(c.oid)), 0)::int8,
       count(*) FILTER (WHERE s.bytes > 0 AND (c.relpages = 0 OR c.reltuples < 0))
FROM tree JOIN pg_class c ON c.oid = tree.oid CROSS JOIN LATERAL (SELECT pg_relation_size(c.oid)::float8) s (bytes)
WHERE c.relkind = 'r'";

/// Estimates the rows of the tables with these OIDs, partitions included.
pub(crate) async fn row_estimate(client: &Client, oids: &[u32]) -> Result<RowEstimate, PostgresError> {
    const DOING: &str = "estimating the existing rows";
    let sql = format!("{}{ESTIMATE}", WITH_PARTITIONS.trim_end());
    let row = one(client, DOING, &sql, &[(&oids, Type::OID_ARRAY)]).await?;
    let count = |index| {
        let count: Result<i64, PostgresError> = value(DOING, &row, index);
        count.map(|count| u64::try_from(count).unwrap_or(0))
    };
    Ok(RowEstimate {
        tables: oids.len(),
        rows: count(0)?,
        bytes: count(1)?,
        unanalyzed: count(2)?,
    })
}
