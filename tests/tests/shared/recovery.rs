//! Servers that were rewound: to a point in time, to an earlier copy, behind the server that took their place. What the
//! connector had delivered and the server does not have is named; where there is no such thing, the stream continues.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod point_in_time;
mod rewind;

use walcast_tests::Case;

/// Where the server that a case is on left the timeline before its own.
async fn switched_at(case: &Case<'_>) -> String {
    let history = "SELECT regexp_replace(convert_from(pg_read_binary_file('pg_wal/' || file), 'UTF8'), \
                   '^.*\\t([0-9A-F]+/[0-9A-F]+)\\t[^\\t]*$', '\\1') \
                   FROM (SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8) || '.history' AS file) AS it";
    case.text(history).await
}

/// Where the last transaction that was delivered ends.
async fn delivered_until(case: &Case<'_>) -> String {
    let checkpoint = case.checkpoint().await;
    checkpoint["last_commit"]["end_lsn"].as_str().unwrap().to_owned()
}

/// The rows that the server has.
async fn ids_in_table(case: &Case<'_>) -> String {
    case.text("SELECT string_agg(id::text, ',' ORDER BY id) FROM items")
        .await
}
