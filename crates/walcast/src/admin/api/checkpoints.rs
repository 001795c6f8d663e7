//! `/api/v1/checkpoint`: the checkpoint in Kafka, and earlier ones.

use std::collections::BTreeMap;

use axum::response::Json;
use serde::Serialize;
use walcast_delivery::{Checkpoint, CheckpointLog, CheckpointState, CheckpointStore};
use walcast_kafka::KafkaCheckpointStore;

use crate::admin::addressed::Addressed;
use crate::admin::instant::instant_of;
use crate::admin::observed::Positions;
use crate::connector_handle::ConnectorHandle;
use crate::remedy::describe;

/// Number of earlier checkpoints in a response.
const HISTORY_SHOWN: usize = 200;

/// Checkpoints of the connector.
#[derive(Debug, Serialize)]
pub(super) struct Checkpoints {
    as_of: Option<String>,
    error: Option<String>,
    lsn: Positions,
    current: Option<CheckpointReport>,
    history: Vec<CheckpointReport>,
    commands: BTreeMap<&'static str, &'static str>,
}

#[derive(Debug, Serialize)]
struct CheckpointReport {
    is_current: bool,
    end_lsn: String,
    state: CheckpointState,
    last_commit: Option<Commit>,
    split: Option<Split>,
    slot: String,
    database: String,
    system_identifier: String,
    timeline: u32,
    snapshot: Option<SnapshotLeft>,
    written: Option<String>,
}

#[derive(Debug, Serialize)]
struct Commit {
    xid: u32,
    commit_lsn: String,
    end_lsn: String,
    committed: Option<String>,
}

/// Transaction of which a part is delivered.
#[derive(Debug, Serialize)]
struct Split {
    commit_lsn: String,
    changes_delivered: u64,
}

/// Snapshot in progress.
#[derive(Debug, Serialize)]
struct SnapshotLeft {
    rows_read: u64,
    tables_remaining: usize,
    tables_total: usize,
}

pub(super) async fn checkpoints(Addressed(connector): Addressed) -> Json<Checkpoints> {
    Json(read(&connector).await)
}

async fn read(connector: &ConnectorHandle) -> Checkpoints {
    let views = &connector.views.checkpoints;
    let view = match &connector.settings {
        None => views.known(),
        Some(settings) => {
            let kafka = settings.kafka.clone();
            let read = || async move {
                let log = KafkaCheckpointStore::new(kafka).peek().await;
                log.map_err(|error| describe(&error))
            };
            views.view(read).await
        }
    };
    let log = view.value.as_deref();
    Checkpoints {
        as_of: view.as_of,
        error: view.error,
        lsn: Positions::of(connector.state.positions.read()),
        current: log
            .and_then(|log| log.current.as_ref())
            .map(|checkpoint| CheckpointReport::of(checkpoint, true)),
        history: log.map(history).unwrap_or_default(),
        commands: BTreeMap::from([
            ("show", "walcast checkpoint show"),
            ("list", "walcast checkpoint list"),
            ("rewind", "walcast checkpoint set LSN"),
        ]),
    }
}

/// Earlier checkpoints, the newest first.
fn history(log: &CheckpointLog) -> Vec<CheckpointReport> {
    let current = log.current.as_ref().map(|current| current.end_lsn);
    let past = log.history.iter().rev().take(HISTORY_SHOWN);
    past.map(|(lsn, checkpoint)| CheckpointReport::of(checkpoint, Some(*lsn) == current))
        .collect()
}

impl CheckpointReport {
    fn of(checkpoint: &Checkpoint, is_current: bool) -> Self {
        let snapshot = checkpoint.snapshot.as_ref();
        Self {
            is_current,
            end_lsn: checkpoint.end_lsn.to_string(),
            state: checkpoint.state,
            last_commit: checkpoint.last_commit.map(|last| Commit {
                xid: last.xid,
                commit_lsn: last.commit_lsn.to_string(),
                end_lsn: last.end_lsn.to_string(),
                committed: instant_of(last.commit_time_unix_micros),
            }),
            split: checkpoint.partial.map(|partial| Split {
                commit_lsn: partial.commit_lsn.to_string(),
                changes_delivered: partial.next_ordinal,
            }),
            slot: checkpoint.slot.clone(),
            database: checkpoint.database.clone(),
            system_identifier: checkpoint.system_identifier.to_string(),
            timeline: checkpoint.timeline.as_u32(),
            snapshot: snapshot.map(|snapshot| SnapshotLeft {
                rows_read: snapshot.rows,
                tables_remaining: snapshot.tables.len(),
                tables_total: snapshot.table_count,
            }),
            written: instant_of(checkpoint.written_at_unix_micros),
        }
    }
}
