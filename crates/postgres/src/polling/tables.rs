//! Outboxes that the rules select, from the catalog.

use tokio_postgres::types::Type;
use walcast_delivery::PolledTable;
use walcast_mapper::TableName;
use walcast_mapper::config::{OutboxRule, PublishedMark};
use walcast_pgoutput::Oid;

use super::transaction;
use crate::catalog::{rows, table_description, table_metadata, value};
use crate::config::PostgresConfig;
use crate::connect::{Client, ServerEncoding, SqlSession};
use crate::error::PostgresError;

const DOING: &str = "finding the outboxes";

/// Column and its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TypedColumn {
    /// Name of the column.
    pub(super) name: String,
    /// Name of its type, as `format_type` prints it.
    pub(super) data_type: String,
}

/// Column that marks rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MarkColumn {
    pub(super) name: String,
    /// `pg_type.typcategory`.
    pub(super) category: String,
    pub(super) is_not_null: bool,
    /// Values of rows that are to be sent and that were sent; `None`: by the type of the column.
    pub(super) states: Option<(String, String)>,
}

/// Outbox with what its statements need.
#[derive(Clone, Debug)]
pub(super) struct FoundTable {
    pub(super) table: PolledTable,
    pub(super) keys: Vec<TypedColumn>,
    pub(super) order: Vec<TypedColumn>,
    /// Empty if rows are deleted.
    pub(super) marks: Vec<MarkColumn>,
}

/// Column in the catalog.
struct Column {
    typed: TypedColumn,
    category: String,
    is_not_null: bool,
}

/// Tables that are no partitions; the rows of partitions are read through them.
const TABLES: &str = r"
SELECT n.nspname::text, c.relname::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
  AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%'
ORDER BY 1, 2";

const COLUMNS: &str = r"
SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), t.typcategory::text, a.attnotnull
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum";

/// Whether other tables inherit from a table that is no partitioned one.
const HAS_CHILDREN: &str = r"
SELECT EXISTS (SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent WHERE i.inhparent = $1 AND c.relkind = 'r')";

/// Finds the outboxes.
pub(super) async fn find(
    session: &SqlSession,
    config: &PostgresConfig,
    outboxes: &[OutboxRule],
) -> Result<Vec<FoundTable>, PostgresError> {
    transaction::begin(session).await?;
    let client = &session.client;
    let mut found = Vec::new();
    for row in rows(client, DOING, TABLES, &[]).await? {
        let name = TableName {
            namespace: value(DOING, &row, 0)?,
            name: value(DOING, &row, 1)?,
        };
        // No statement can name it.
        if *client.encoding() != ServerEncoding::Utf8 && name.is_unreadable() {
            continue;
        }
        let rule = outboxes.iter().find(|rule| rule.matches(&name));
        let Some(rule) = rule.filter(|_| config.captures(&name)) else {
            continue;
        };
        found.extend(describe(session, &name, rule).await?);
    }
    transaction::roll_back(session).await?;
    let unmatched = outboxes.iter().find(|rule| {
        !found
            .iter()
            .any(|one: &FoundTable| rule.matches(&one.table.name()))
    });
    match unmatched {
        Some(rule) => Err(PostgresError::NoTableMatches {
            pattern: rule.tables.as_ref().map(ToString::to_string).unwrap_or_default(),
        }),
        None => Ok(found),
    }
}

/// Describes an outbox; `None` if it was dropped meanwhile.
async fn describe(
    session: &SqlSession,
    name: &TableName,
    rule: &OutboxRule,
) -> Result<Option<FoundTable>, PostgresError> {
    let client = &session.client;
    // Columns and rows are those of the table: no publication restricts them.
    let Some(found) = table_description(client, session.server_version, "", name).await? else {
        return Ok(None);
    };
    let metadata = table_metadata(client, &found.relation, None).await?;
    let by_number = [(&found.relation.oid.as_u32() as _, Type::OID)];
    for row in rows(client, DOING, HAS_CHILDREN, &by_number).await? {
        // The primary key is not unique among the rows of children, and their writers do not lock the outbox.
        if value(DOING, &row, 0)? {
            return Err(PostgresError::Setting {
                setting: "[[outbox]] tables",
                value: name.to_string(),
                problem: "is an outbox from which other tables inherit, whose rows have no key and no order in common with its own: use \
                          partitions, or poll a table without children",
            });
        }
    }
    let columns = columns(client, found.relation.oid).await?;
    let wrong = |setting, column: &str, problem| PostgresError::Setting {
        setting,
        value: format!("{name}.{column}"),
        problem,
    };
    let find = |setting, column: &str| {
        let mut all = columns.iter();
        all.find(|one| one.typed.name == *column)
            .ok_or_else(|| wrong(setting, column, "is not a column of the outbox"))
    };
    for (setting, column) in [
        ("[[outbox]] key", &rule.key),
        ("[[outbox]] payload", &rule.payload),
        ("[[outbox]] id", &rule.id),
    ] {
        find(setting, column)?;
    }
    if let Some(created) = &rule.poll.created
        && find("[outbox.poll] created", created)?.category != "D"
    {
        return Err(wrong("[outbox.poll] created", created, "is not a time"));
    }
    let mut keys = Vec::new();
    for key in &metadata.key_columns {
        keys.push(find("[[outbox]] tables", key)?.typed.clone());
    }
    let is_read = |key: &TypedColumn| {
        let mut all = found.relation.columns.iter();
        all.any(|column| column.name == key.name)
    };
    if keys.is_empty() || !keys.iter().all(is_read) {
        return Err(PostgresError::Setting {
            setting: "[[outbox]] tables",
            value: name.to_string(),
            problem: "is an outbox without a primary key, by which its rows are marked",
        });
    }
    let mut order = Vec::new();
    for column in &rule.poll.order_by {
        let column = find("[outbox.poll] order_by", column)?;
        if !column.is_not_null {
            let problem = "may be null, and a row without it has no place in the order: set it NOT NULL";
            return Err(wrong("[outbox.poll] order_by", &column.typed.name, problem));
        }
        order.push(column.typed.clone());
    }
    let mut marks = Vec::new();
    for mark in &rule.poll.published {
        let PublishedMark::Column { column, states } = mark else {
            continue;
        };
        let column = find("[outbox.poll] published", column)?;
        if states.is_none() && !matches!(column.category.as_str(), "B" | "D") {
            let problem = "is neither a time nor a boolean: write column:unpublished:published";
            return Err(wrong("[outbox.poll] published", &column.typed.name, problem));
        }
        if marks.is_empty() && states.is_none() && column.category == "D" && column.is_not_null {
            let problem = "is NOT NULL, so that no row is to be sent: the time of a row whose event is to be sent is null";
            return Err(wrong("[outbox.poll] published", &column.typed.name, problem));
        }
        marks.push(MarkColumn {
            name: column.typed.name.clone(),
            category: column.category.clone(),
            is_not_null: column.is_not_null,
            states: states.clone(),
        });
    }
    Ok(Some(FoundTable {
        table: PolledTable {
            relation: found.relation,
            metadata,
            rule: rule.clone(),
        },
        keys,
        order,
        marks,
    }))
}

async fn columns(client: &Client, table: Oid) -> Result<Vec<Column>, PostgresError> {
    let by_number = [(&table.as_u32() as _, Type::OID)];
    let found = rows(client, DOING, COLUMNS, &by_number).await?;
    let columns = found.iter().map(|row| {
        Ok(Column {
            typed: TypedColumn {
                name: value(DOING, row, 0)?,
                data_type: value(DOING, row, 1)?,
            },
            category: value(DOING, row, 2)?,
            is_not_null: value(DOING, row, 3)?,
        })
    });
    columns.collect()
}
