//! Preconditions of polling, for commands that must not disturb a running instance.

use tokio_postgres::types::Type;
use walcast_delivery::sql::{identifier, table};
use walcast_delivery::{Backlog, PolledTable, Precondition};
use walcast_mapper::config::{OutboxRule, PublishedMark};

use super::session::connect;
use super::statements::Statements;
use super::tables::{self, FoundTable};
use super::{backlog, transaction};
use crate::catalog::{rows, value};
use crate::config::PostgresConfig;
use crate::connect::SqlSession;
use crate::error::PostgresError;

const DOING: &str = "checking an outbox";

/// Whether the role may do to the outbox what a worker does, and whether an index leads to the rows that are to be sent: one whose
/// condition or columns name the columns that mark them, or, where rows are deleted, any index on the first column of the order.
const PRIVILEGES: &str = "SELECT has_table_privilege($1, 'SELECT'), \
    CASE WHEN $2 THEN has_table_privilege($1, 'DELETE') AND has_any_column_privilege($1, 'UPDATE') \
        ELSE has_table_privilege($1, 'UPDATE') OR (SELECT bool_and(has_column_privilege($1, mark, 'UPDATE')) FROM unnest($3) AS mark) END, \
    EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] \
        WHERE i.indrelid = $1 AND i.indisvalid AND CASE WHEN $2 THEN a.attname::text = $4 \
        ELSE a.attname::text = ANY ($3) OR EXISTS (SELECT FROM pg_depend d JOIN pg_attribute m \
            ON m.attrelid = d.refobjid AND m.attnum = d.refobjsubid WHERE d.classid = 'pg_class'::regclass \
            AND d.objid = i.indexrelid AND d.refobjid = i.indrelid AND m.attname::text = ANY ($3) \
            AND i.indpred IS NOT NULL) END)";

/// Outboxes that are polled, as the connector would find them.
///
/// # Errors
/// The server cannot be reached or does not answer; a rule matches no table, or names a column that the table does not have.
pub async fn polled_tables(
    config: &PostgresConfig,
    outboxes: &[OutboxRule],
) -> Result<Vec<PolledTable>, PostgresError> {
    let session = connect(config).await?;
    let found = tables::find(&session, config, outboxes).await?;
    Ok(found.into_iter().map(|found| found.table).collect())
}

/// Statements by which an administrator gives the role of the connector the privileges on the outboxes. Nothing is executed.
///
/// # Errors
/// As [`polled_tables`].
pub async fn polled_grants(
    config: &PostgresConfig,
    outboxes: &[OutboxRule],
) -> Result<Vec<String>, PostgresError> {
    let session = connect(config).await?;
    let found = tables::find(&session, config, outboxes).await?;
    let role = "SELECT pg_catalog.quote_ident(current_user::pg_catalog.text)";
    let role = transaction::texts(&session.client, DOING, role).await?;
    let role = role.into_iter().flatten().flatten().next().unwrap_or_default();
    let grants = found.iter().map(|outbox| {
        let needed = needed(outbox);
        format!(
            "GRANT SELECT, {needed} ON {} TO {role};",
            table(&outbox.table.name())
        )
    });
    Ok(grants.collect())
}

/// Privilege by which rows are marked.
fn needed(outbox: &FoundTable) -> &'static str {
    match deletes(outbox) {
        true => "DELETE, UPDATE",
        false => "UPDATE",
    }
}

fn deletes(outbox: &FoundTable) -> bool {
    outbox.table.rule.poll.published.first() == Some(&PublishedMark::Delete)
}

/// Preconditions of polling: the server, and each outbox with its privileges, its index, its backlog, and the transaction for which rows
/// wait. Nothing is created, locked or changed.
///
/// # Errors
/// A setting is invalid.
pub async fn polled_preconditions(
    config: &PostgresConfig,
    outboxes: &[OutboxRule],
) -> Result<Vec<Precondition>, PostgresError> {
    config.validate()?;
    let session = match connect(config).await {
        Ok(session) => session,
        Err(error) => return Ok(vec![Precondition::error("connection", error)]),
    };
    let version = session.server_version;
    let reached = format!(
        "{}, server version {version}; no slot and no publication are used",
        session.endpoint
    );
    let mut preconditions = vec![Precondition::holds("connection", reached)];
    match tables::find(&session, config, outboxes).await {
        Ok(found) => {
            for outbox in &found {
                preconditions.extend(of_outbox(&session, outbox).await?);
            }
        }
        Err(error) => preconditions.push(Precondition::error("outboxes", error)),
    }
    Ok(preconditions)
}

async fn of_outbox(session: &SqlSession, outbox: &FoundTable) -> Result<Vec<Precondition>, PostgresError> {
    let name = outbox.table.name();
    let title = format!("outbox {name}");
    transaction::begin(session).await?;
    let marks: Vec<&str> = outbox.marks.iter().map(|mark| mark.name.as_str()).collect();
    let first = outbox.order.first().map_or("", |column| column.name.as_str());
    let deletes = deletes(outbox);
    let oid = outbox.table.relation.oid.as_u32();
    let found = rows(
        &session.client,
        DOING,
        PRIVILEGES,
        &[
            (&oid, Type::OID),
            (&deletes, Type::BOOL),
            (&marks, Type::TEXT_ARRAY),
            (&first, Type::TEXT),
        ],
    )
    .await?;
    transaction::roll_back(session).await?;
    let Some(row) = found.first() else {
        return Ok(Vec::new());
    };
    let (reads, writes, is_indexed): (bool, bool, bool) = (
        value(DOING, row, 0)?,
        value(DOING, row, 1)?,
        value(DOING, row, 2)?,
    );
    let needed = needed(outbox);
    if !(reads && writes) {
        let fix = format!(
            "GRANT SELECT, {needed} ON {} TO the connector's role",
            table(&name)
        );
        let found = format!("the role may not read its rows and {needed} them");
        return Ok(vec![Precondition::failed(title, found, fix)]);
    }
    let backlog = backlog::read(session, &Statements::of(outbox)).await?;
    Ok(vec![
        of_backlog(title.clone(), &backlog),
        of_index(format!("{title} index"), outbox, is_indexed),
    ])
}

fn of_backlog(title: String, backlog: &Backlog) -> Precondition {
    let oldest = backlog
        .oldest
        .map(|age| format!(", the oldest for {} s", age.as_secs()));
    let pending = format!(
        "{} rows to be sent{}",
        backlog.pending,
        oldest.unwrap_or_default()
    );
    match &backlog.gate {
        Some(holder) if backlog.pending > 0 => Precondition::warned(
            title,
            format!("{pending}; rows wait for {holder}, which writes to the outbox"),
            format!("it delays every later event while it runs; {}", holder.remedy()),
        ),
        _ => Precondition::holds(title, pending),
    }
}

fn of_index(title: String, outbox: &FoundTable, is_indexed: bool) -> Precondition {
    if is_indexed {
        return Precondition::holds(title, "an index leads to the rows to be sent");
    }
    let order: Vec<String> = outbox
        .order
        .iter()
        .map(|column| identifier(&column.name))
        .collect();
    let name = table(&outbox.table.name());
    let statements = Statements::of(outbox);
    let condition = statements.index_condition();
    let fix = format!(
        "CREATE INDEX CONCURRENTLY ON {name} ({}){condition}",
        order.join(", ")
    );
    Precondition::warned(
        title,
        "no index leads to the rows to be sent: each query reads the whole table",
        fix,
    )
}
