//! `/api/v1/tables`.

use std::collections::BTreeMap;
use std::fmt;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use serde::Serialize;
use walcast_delivery::{EncodedSchema, SnapshotTableStatus};

use super::commands::argument;
use super::sampling;
use crate::admin::addressed::Addressed;
use crate::admin::changes;
use crate::admin::observed::Observed;
use crate::admin::reading::ExistingRows;
use crate::admin::rejected::error;
use crate::admin::tables::{QuarantineReport, TableReport, reports};
use crate::connector_handle::ConnectorHandle;

/// Captured tables.
#[derive(Debug, Serialize)]
pub(super) struct Tables {
    tables: Vec<Table>,
    snapshot: ExistingRows,
}

#[derive(Debug, Serialize)]
struct Table {
    table: String,
    pattern: String,
    state: String,
    finding: Option<String>,
    quarantine: Option<QuarantineReport>,
    changes: BTreeMap<String, u64>,
    changes_total: u64,
    changes_per_second: Option<f64>,
    last_change: Option<String>,
    dead_letters: u64,
    snapshot: Option<TableSnapshot>,
    schema: Option<TableSchema>,
    commands: BTreeMap<&'static str, String>,
}

#[derive(Debug, Serialize)]
struct TableSnapshot {
    rows_read: u64,
    bytes: Option<u64>,
    bytes_remaining: Option<u64>,
    percent: Option<f64>,
}

#[derive(Debug, Serialize)]
struct TableSchema {
    topic: String,
    key_subject: Option<String>,
    value_subject: Option<String>,
    key_schema_id: Option<u32>,
    value_schema_id: Option<u32>,
}

pub(super) async fn tables(Addressed(connector): Addressed) -> Response {
    match Tables::of(&connector) {
        Ok(tables) => Json(tables).into_response(),
        Err(failed) => error(StatusCode::INTERNAL_SERVER_ERROR, &failed.to_string()),
    }
}

impl Tables {
    pub(super) fn of(connector: &ConnectorHandle) -> Result<Self, fmt::Error> {
        let (state, metrics) = (&connector.state, &connector.metrics);
        let mut known = Known {
            changes: changes::by_table(&metrics.changes)?,
            dead_letters: sampling::dead_letters(metrics),
            has_rates: connector.samples.throughput().is_some(),
            ..Known::default()
        };
        for (table, activity) in connector.samples.tables() {
            let last = activity.last_change.map(|at| at.to_string());
            known.activity.insert(table, (activity.changes_per_second, last));
        }
        for table in state.snapshot.read().tables {
            known
                .snapshots
                .insert(table.table.to_string(), TableSnapshot::of(&table));
        }
        for (table, schema) in state.schemas.read() {
            known.schemas.insert(table.to_string(), TableSchema::of(schema));
        }
        Ok(Self {
            tables: reports(state)
                .into_iter()
                .map(|report| known.table(report))
                .collect(),
            snapshot: Observed::new(connector).existing_rows(),
        })
    }
}

/// What is known of tables, by their names.
#[derive(Default)]
struct Known {
    changes: changes::Counts,
    dead_letters: changes::Counts,
    /// Rate, and the time of the last change.
    activity: BTreeMap<String, (f64, Option<String>)>,
    has_rates: bool,
    snapshots: BTreeMap<String, TableSnapshot>,
    schemas: BTreeMap<String, TableSchema>,
}

impl Known {
    fn table(&mut self, report: TableReport) -> Table {
        let TableReport {
            table,
            pattern,
            state,
            finding,
            quarantine,
        } = report;
        let changes = self.changes.remove(&table).unwrap_or_default();
        let (rate, last_change) = match self.activity.remove(&table) {
            Some((rate, last)) => (Some(rate), last),
            None => (self.has_rates.then_some(0.0), None),
        };
        let name = argument(&pattern);
        let mut commands = BTreeMap::from([("snapshot", format!("walcast snapshot start --tables {name}"))]);
        if quarantine.is_some() {
            commands.insert("resume", format!("walcast table resume {name}"));
        }
        Table {
            changes_total: changes.values().sum(),
            changes,
            changes_per_second: rate,
            last_change,
            dead_letters: self
                .dead_letters
                .get(&table)
                .map_or(0, |reasons| reasons.values().sum()),
            snapshot: self.snapshots.remove(&table),
            schema: self.schemas.remove(&table),
            commands,
            table,
            pattern,
            state,
            finding,
            quarantine,
        }
    }
}

impl TableSnapshot {
    fn of(table: &SnapshotTableStatus) -> Self {
        Self {
            rows_read: table.rows,
            bytes: table.bytes,
            bytes_remaining: table.bytes_left,
            percent: table.percent().map(|percent| (percent * 10.0).round() / 10.0),
        }
    }
}

impl TableSchema {
    fn of(schema: EncodedSchema) -> Self {
        let subject = |part: &str| format!("{}-{part}", schema.topic);
        Self {
            key_subject: schema.key.map(|_| subject("key")),
            value_subject: schema.value.map(|_| subject("value")),
            key_schema_id: schema.key.map(walcast_mapper::SchemaId::as_u32),
            value_schema_id: schema.value.map(walcast_mapper::SchemaId::as_u32),
            topic: schema.topic,
        }
    }
}
