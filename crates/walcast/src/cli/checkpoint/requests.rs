//! `walcast checkpoint requests` and `drop-requests`: the snapshot requests in the checkpoint.

use jiff::Timestamp;
use serde::Serialize;
use walcast_delivery::{
    Checkpoint, CheckpointStore, CheckpointUpdate, DeliveryError, Sink, Source, TableProgress,
};
use walcast_mapper::pattern::TablePattern;

use super::set::open_stopped;
use crate::config::Config;
use crate::exit::{Exit, Rejection};
use crate::stdout::stdout;
use crate::wiring;

/// Snapshot request, as printed with `--json`.
#[derive(Debug, Serialize)]
struct Listed {
    table: String,
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    condition: Option<String>,
    /// Whether the condition is free SQL instead of a list of comparisons.
    sql: bool,
    rows_read: u64,
    /// Number of reads that the server ended for a transient cause.
    failures: u32,
    dead_letters: usize,
}

impl Listed {
    fn of(request: &TableProgress) -> Self {
        Self {
            table: request.table().to_string(),
            condition: request.filter.clone(),
            sql: request.filter_is_sql,
            rows_read: request.rows,
            failures: request.failures,
            dead_letters: request.letters.len(),
        }
    }
}

pub(super) async fn list(config: &Config, json: bool) -> anyhow::Result<Exit> {
    let log = wiring::checkpoints(config).read().await?;
    let listed = of(log.current.as_ref());
    let mut output = stdout();
    match json {
        true => output.json(&serde_json::json!({ "requests": listed }))?,
        false if listed.is_empty() => output.line(&format!("{} has no snapshot requests", config.name))?,
        false => output.lines(listed.iter().map(line))?,
    };
    output.flush()?;
    Ok(Exit::Done)
}

fn of(checkpoint: Option<&Checkpoint>) -> Vec<Listed> {
    let progress = checkpoint.and_then(|checkpoint| checkpoint.snapshot.as_ref());
    progress
        .into_iter()
        .flat_map(|progress| progress.requests().map(Listed::of))
        .collect()
}

fn line(request: &Listed) -> String {
    let condition = request.condition.as_deref().unwrap_or("all rows");
    format!("{}  {} rows read  {condition}", request.table, request.rows_read)
}

pub(super) async fn drop(config: &Config, tables: &[TablePattern], json: bool) -> anyhow::Result<Exit> {
    let (mut source, mut sink) = (wiring::source(config)?, wiring::sink(config)?);
    let now = Timestamp::now().as_microsecond();
    let dropped = drop_from(&config.name, &mut source, &mut sink, tables, now).await?;
    let mut output = stdout();
    match json {
        true => output.json(&serde_json::json!({ "dropped": dropped }))?,
        false if dropped.is_empty() => {
            output.line(&format!("{} has no matching snapshot requests", config.name))?
        }
        false => output.line(&format!(
            "dropped the snapshot requests of {}",
            dropped.join(", ")
        ))?,
    };
    output.flush()?;
    Ok(Exit::Done)
}

/// Writes the checkpoint without the requests as the connector does: with leadership, and in a Kafka transaction that fences
/// any other instance of the same name.
pub(super) async fn drop_from<P: Source, K: Sink>(
    name: &str,
    source: &mut P,
    sink: &mut K,
    tables: &[TablePattern],
    now_unix_micros: i64,
) -> anyhow::Result<Vec<String>> {
    let log = open_stopped(name, source, sink).await?;
    let Some(mut checkpoint) = log.current else {
        return Err(
            Rejection::Request(format!("{name} has no checkpoint yet, and no snapshot requests")).into(),
        );
    };
    let progress = checkpoint.snapshot.as_mut();
    let dropped = progress.map_or_else(Vec::new, |progress| progress.drop_requests(tables));
    if dropped.is_empty() {
        return Ok(Vec::new());
    }
    checkpoint.snapshot = checkpoint.snapshot.filter(|progress| !progress.tables.is_empty());
    // Rows that were to be read are not in Kafka.
    checkpoint.complete_outboxes.clear();
    checkpoint.written_at_unix_micros = now_unix_micros;
    let update = CheckpointUpdate::of(checkpoint);
    sink.commit(&update).await.map_err(DeliveryError::Sink)?;
    Ok(dropped.iter().map(ToString::to_string).collect())
}
