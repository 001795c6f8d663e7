//! Whether rows can be read as somebody asks for them.

use tokio_postgres::Client;
use tokio_postgres::types::Type;
use walcast_delivery::{Fault, FormerKey, sql};
use walcast_mapper::TableName;

use super::described::named;
use super::query::{rows, value};
use super::tables::WITH_PARTITIONS;
use crate::error::PostgresError;

const DOING: &str = "looking whether rows can be read";

/// What the role may not read of a table and what lies below it, and who it is.
const UNREADABLE: &str = "
SELECT format('%I.%I', n.nspname, c.relname), format('%I', current_user)
FROM tree JOIN pg_class c ON c.oid = tree.oid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND NOT has_table_privilege(c.oid, 'SELECT')
ORDER BY 1";

/// What the role may not read of these tables and their partitions: names, and the role, quoted.
pub(super) async fn unreadable(
    client: &Client,
    numbers: &[u32],
) -> Result<Option<(Vec<String>, String)>, PostgresError> {
    let (mut tables, mut role): (Vec<String>, String) = (Vec::new(), String::new());
    let sql = format!("{WITH_PARTITIONS}{UNREADABLE}");
    for row in rows(client, DOING, &sql, &[(&numbers, Type::OID_ARRAY)]).await? {
        tables.push(value(DOING, &row, 0)?);
        role = value(DOING, &row, 1)?;
    }
    Ok((!tables.is_empty()).then_some((tables, role)))
}

async fn number(client: &Client, table: &TableName) -> Result<Option<u32>, PostgresError> {
    let found = named(client, DOING, table).await?;
    found.map(|row| value(DOING, &row, 0)).transpose()
}

/// Whether there is such a table.
pub(crate) async fn exists(client: &Client, table: &TableName) -> Result<bool, PostgresError> {
    Ok(number(client, table).await?.is_some())
}

/// Why rows of a table cannot be read, or not by a condition; `None`: they can.
pub(crate) async fn refuses(
    client: &Client,
    table: &TableName,
    filter: Option<&str>,
) -> Result<Option<String>, PostgresError> {
    let Some(number) = number(client, table).await? else {
        return Ok(Some("it does not exist".to_owned()));
    };
    if let Some((tables, role)) = unreadable(client, &[number]).await? {
        return Ok(Some(format!(
            "run: GRANT SELECT ON {} TO {role}",
            tables.join(", ")
        )));
    }
    let Some(filter) = filter else { return Ok(None) };
    // Planned and begun, and no row is looked at. The extended protocol takes one statement only.
    let sql = format!("SELECT FROM {} WHERE ({filter}) LIMIT 0", sql::table(table));
    match rows(client, DOING, &sql, &[]).await {
        Ok(_) => Ok(None),
        Err(error) if error.is_about_rows() => Ok(Some(
            error
                .server_error()
                .map_or_else(|| error.to_string(), ToString::to_string),
        )),
        Err(error) => Err(error),
    }
}

/// Which of some keys no row of a table has, of those that the publication lets through.
pub(crate) async fn gone(
    client: &Client,
    table: &TableName,
    filter: Option<&str>,
    keys: Vec<FormerKey>,
) -> Result<Vec<FormerKey>, PostgresError> {
    const DOING: &str = "looking for rows that are gone";
    let name = sql::table(table);
    let filter = filter.map_or_else(String::new, |filter| format!(" AND ({filter})"));
    let exists = keys.iter().enumerate().map(|(number, key)| {
        let has_key = sql::has_key(&key.0);
        format!("SELECT {number}::int8, EXISTS (SELECT FROM {name} WHERE {has_key}{filter})")
    });
    let exists: Vec<String> = exists.collect();
    let mut is_gone = vec![false; keys.len()];
    for row in rows(client, DOING, &exists.join(" UNION ALL "), &[]).await? {
        let number = usize::try_from(value::<i64>(DOING, &row, 0)?).ok();
        if let Some(is_gone) = number.and_then(|number| is_gone.get_mut(number)) {
            *is_gone = !value::<bool>(DOING, &row, 1)?;
        }
    }
    let keys = keys.into_iter().zip(is_gone);
    Ok(keys.filter(|(_, is_gone)| *is_gone).map(|(key, _)| key).collect())
}
