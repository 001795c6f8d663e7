//! Tables whose names are not UTF-8, in a database with encoding `SQL_ASCII`.

use walcast_mapper::TableName;

use super::query::{rows, value};
use super::tables::NAMES;
use crate::config::PostgresConfig;
use crate::connect::{ServerEncoding, SqlSession};
use crate::error::PostgresError;

const DOING: &str = "finding tables whose names are not UTF-8";

/// Table whose name is not UTF-8.
pub(crate) struct UnreadableTable {
    pub(crate) oid: u32,
    /// Name with U+FFFD in place of the bytes that cannot be read.
    pub(crate) name: TableName,
}

/// Tables that the patterns would select if their names were UTF-8.
pub(crate) async fn unreadable_tables(
    session: &SqlSession,
    config: &PostgresConfig,
) -> Result<Vec<UnreadableTable>, PostgresError> {
    let mut unreadable = Vec::new();
    if *session.client.encoding() != ServerEncoding::SqlAscii {
        return Ok(unreadable);
    }
    for row in rows(&session.client, DOING, NAMES, &[]).await? {
        let name = TableName {
            namespace: value(DOING, &row, 1)?,
            name: value(DOING, &row, 2)?,
        };
        if name.is_unreadable() && config.captures(&name) {
            let oid = value(DOING, &row, 0)?;
            unreadable.push(UnreadableTable { oid, name });
        }
    }
    Ok(unreadable)
}
