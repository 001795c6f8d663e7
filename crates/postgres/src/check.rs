//! Preconditions of the source, checked without leadership and without creating or disturbing anything.

use walcast_delivery::{ConnectorSetting, Fix, Precondition, SystemIdentifier, sql};
use walcast_mapper::TableName;

use crate::catalog;
use crate::config::PostgresConfig;
use crate::connect::{
    ConnectConfig, ReadingRole, ServerEncoding, SqlSession, connect_ordinary, connect_physical_replication,
    connect_replication, connect_to,
};
use crate::error::PostgresError;
use crate::primary::connect_primary;
use crate::replication::ReplicationConnection;
use crate::snapshot::STANDBY_SLOTS_SINCE;
use crate::source_state::inspect;

/// Checks every precondition, one after the other; checks that depend on a failed one are left out.
///
/// # Errors
/// A setting is invalid, or the server does not answer a query. A refused connection is an outcome and no error.
pub async fn preconditions(config: &PostgresConfig) -> Result<Vec<Precondition>, PostgresError> {
    config.validate()?;
    let (session, system_identifier) = match connect_primary(config).await {
        Ok(connected) => connected,
        Err(error) => return Ok(vec![Precondition::error("connection", error)]),
    };
    let mut found = vec![Precondition::holds(
        "connection",
        format!("{} as {}", session.endpoint, config.connect.user()),
    )];
    let source_state = inspect(&session, config, system_identifier, Vec::new()).await?;
    let catalog = catalog::preconditions(&session.client, config, &source_state).await?;
    found.extend(encoding(session.client.encoding()));
    for table in catalog::unreadable_tables(&session, config).await? {
        found.push(unreadable_table(&table));
    }
    for (table, name) in catalog::captured_names(&session.client, &source_state.captured).await? {
        found.push(Precondition::warned(
            format!("table {table}"),
            format!("{} has no equivalent in UTF-8: {}", name.named(), name.effect()),
            format!("rename it: {}", name.rename),
        ));
    }
    let may_replicate = catalog
        .iter()
        .all(|one| one.name != catalog::ROLE || one.is_met());
    found.extend(catalog);
    if may_replicate {
        found.push(replication_connection(config, &session, system_identifier).await);
        found.push(physical_replication(config, &session).await);
    }
    found.extend(left_publications(&session).await?);
    if let Some(role) = &config.reading_role {
        found.push(reading_role(config, &session, role).await);
    }
    for table in &source_state.captured {
        found.extend(filter(config, &session, &table.name).await?);
    }
    if let Some(reader) = &config.reader {
        found.push(standby(config, reader, system_identifier).await);
    }
    Ok(found)
}

/// What follows from the encoding of the database; `None` for UTF8.
fn encoding(encoding: &ServerEncoding) -> Option<Precondition> {
    const NAME: &str = "server encoding";
    match encoding {
        ServerEncoding::Utf8 => None,
        ServerEncoding::Converted(encoding) => Some(Precondition::holds(
            NAME,
            format!(
                "{encoding}: texts are converted to UTF-8; a value with a character that has no equivalent there has no form"
            ),
        )),
        ServerEncoding::SqlAscii => Some(Precondition::warned(
            NAME,
            "SQL_ASCII: texts are not converted; a value that is not UTF-8 has no form in Avro and JSON, and is handled as the settings for \
             such values say",
            "choose dead letters, a quarantine or null for such values (docs/types.md, Encodings), or copy the database into one with \
             ENCODING 'UTF8'",
        )),
    }
}

fn unreadable_table(table: &catalog::UnreadableTable) -> Precondition {
    Precondition::warned(
        format!("table {}", table.name),
        format!("is left out: its name is not UTF-8 (OID {})", table.oid),
        format!("rename it: {}", table.rename()),
    )
}

/// Publications that killed tails have left. While a table is in one, the server rejects updates and deletes of the table if it has
/// no replica identity.
async fn left_publications(session: &SqlSession) -> Result<Vec<Precondition>, PostgresError> {
    let left = catalog::left_publications(&session.client).await?;
    let warned = |left: catalog::LeftPublication| {
        Precondition::warned(
            "publication of a tail",
            format!(
                "{} was left behind by a killed walcast tail; the server rejects updates and deletes of a table in it that has no replica \
                 identity",
                left.name
            ),
            format!("run: DROP PUBLICATION {}", sql::identifier(&left.name)),
        )
    };
    Ok(left.into_iter().map(warned).collect())
}

/// Whether the role that reads rows can connect.
async fn reading_role(config: &PostgresConfig, session: &SqlSession, role: &ReadingRole) -> Precondition {
    const NAME: &str = "role that reads rows";
    let connect = config.reading(&config.connect);
    let connected = connect_to(&connect, session.endpoint.clone(), &config.application_name()).await;
    match connected {
        Ok(_) => Precondition::holds(NAME, role.user()),
        Err(error) => Precondition::failed(
            NAME,
            error.to_string(),
            Fix::from("check ")
                .setting(ConnectorSetting::SnapshotUser)
                .text(" and its password (or ~/.pgpass), and allow connections of the role from this host in pg_hba.conf"),
        ),
    }
}

/// Whether rows of a table can be read by the configured condition; `None` when there is none.
async fn filter(
    config: &PostgresConfig,
    session: &SqlSession,
    table: &TableName,
) -> Result<Option<Precondition>, PostgresError> {
    let Some(condition) = config.snapshot_filter(table).filter(|_| config.may_read(table)) else {
        return Ok(None);
    };
    let name = format!("rows of {table} by a configured condition");
    let rejected = match catalog::condition_rejection(session, config, table, condition).await {
        // The role that reads rows cannot connect, which another precondition reports.
        Err(error) if error.server_error().is_some() && config.reading_role.is_some() => return Ok(None),
        rejected => rejected?,
    };
    Ok(Some(match rejected {
        None => Precondition::holds(name, "can be read by the condition"),
        Some(why) => Precondition::failed(
            name,
            why,
            Fix::from("correct `where` in ").setting(ConnectorSetting::SnapshotFilters),
        ),
    }))
}

/// Whether rows can be read from the configured standby, which must follow the server that is streamed from.
async fn standby(
    config: &PostgresConfig,
    reader: &ConnectConfig,
    system_identifier: SystemIdentifier,
) -> Precondition {
    const NAME: &str = "standby to read rows from";
    let fix = || {
        Fix::from("point ")
            .setting(ConnectorSetting::StandbyUrl)
            .text(" at a standby (16 and later) of the server of ")
            .setting(ConnectorSetting::SourceUrl)
            .text(", or leave it out")
    };
    let connecting = async {
        let session = connect_ordinary(reader, &config.application_name()).await?;
        let found = catalog::cluster(&session.client).await?.system_identifier;
        Ok::<_, PostgresError>((session, found))
    };
    match connecting.await {
        Err(error) => Precondition::failed(NAME, error.to_string(), fix()),
        Ok((session, _)) if session.server_version < STANDBY_SLOTS_SINCE => Precondition::failed(
            NAME,
            format!("{} is of version {}", session.endpoint, session.server_version),
            fix(),
        ),
        Ok((session, found)) if found != system_identifier => {
            Precondition::failed(NAME, format!("{} is cluster {found}", session.endpoint), fix())
        }
        Ok((session, _)) => Precondition::holds(NAME, session.endpoint.to_string()),
    }
}

/// Whether a replication connection reaches the same server. A pooler may reject such connections or route them elsewhere, and
/// `pg_hba.conf` may treat them differently.
async fn replication_connection(
    config: &PostgresConfig,
    session: &SqlSession,
    system_identifier: SystemIdentifier,
) -> Precondition {
    const NAME: &str = "replication connection";
    let fix = || {
        Fix::from("point ").setting(ConnectorSetting::SourceUrl).text(
            " at the server itself rather than a pooler, and allow the role's connections to the database in pg_hba.conf",
        )
    };
    let application_name = config.application_name();
    let connected = connect_replication(
        &config.connect,
        &session.endpoint,
        session.server_version,
        &application_name,
        None,
        session.client.encoding().of_sql_sessions(),
    )
    .await;
    let identity = match connected {
        Ok(wire) => ReplicationConnection::new(wire).identify_system().await,
        Err(error) => Err(error),
    };
    match identity {
        Ok(identity) if identity.system_identifier == system_identifier => Precondition::holds(
            NAME,
            format!("cluster {system_identifier}, timeline {}", identity.timeline),
        ),
        Ok(identity) => Precondition::failed(
            NAME,
            format!(
                "it reaches cluster {}, the ordinary connection {system_identifier}",
                identity.system_identifier
            ),
            fix(),
        ),
        Err(error) => Precondition::failed(NAME, error.to_string(), fix()),
    }
}

/// Whether the server allows physical replication by the role. A client with the role's password could then copy the whole cluster,
/// password hashes included. In `pg_hba.conf` the keyword `replication` stands for physical replication, while logical replication
/// connections match the name of the database.
async fn physical_replication(config: &PostgresConfig, session: &SqlSession) -> Precondition {
    const NAME: &str = "physical replication";
    let application_name = config.application_name();
    let connected = connect_physical_replication(&config.connect, &session.endpoint, &application_name).await;
    let identity = match connected {
        Ok(wire) => ReplicationConnection::new(wire).identify_system().await,
        Err(error) => Err(error),
    };
    match identity {
        Ok(_) => Precondition::warned(
            NAME,
            format!(
                "the server allows physical replication by role {user}, so that any client with its password can copy the whole \
                 cluster (BASE_BACKUP)",
                user = config.connect.user()
            ),
            format!(
                "leave replication out of the lines of pg_hba.conf that are for this role, which needs the database alone: \
                 hostssl {} {} … scram-sha-256, or put before them: host replication {} all reject",
                hba_word(config.connect.database()),
                hba_word(config.connect.user()),
                hba_word(config.connect.user()),
            ),
        ),
        Err(error)
            if error
                .server_error()
                .is_some_and(|error| error.code.starts_with("28")) =>
        {
            Precondition::holds(NAME, "is rejected, as it should be")
        }
        Err(error) => Precondition::warned(
            NAME,
            format!("it could not be determined whether the server allows it: {error}"),
            "check whether a line of pg_hba.conf is for replication and this role",
        ),
    }
}

/// Name in the syntax of `pg_hba.conf`: in double quotes where it would have another meaning.
fn hba_word(name: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let has_meaning = ["all", "replication", "sameuser", "samerole", "samegroup"].contains(&name);
    if !name.is_empty() && name.bytes().all(is_plain) && !has_meaning {
        return name.to_owned();
    }
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::hba_word;

    #[test]
    fn quotes_names_that_would_have_another_meaning() {
        assert_eq!(hba_word("shop_2"), "shop_2");
        for (name, quoted) in [
            ("all", "\"all\""),
            ("Shop", "\"Shop\""),
            ("a\"b", "\"a\"\"b\""),
            ("+g", "\"+g\""),
        ] {
            assert_eq!(hba_word(name), quoted);
        }
    }
}
