//! `/api/v1/dead-letters`.

use std::collections::BTreeMap;

use axum::response::Json;
use serde::Serialize;
use walcast_delivery::SentDeadLetter;

use super::commands::argument;
use super::sampling;
use crate::admin::addressed::Addressed;
use crate::admin::instant::instant;
use crate::connector_handle::ConnectorHandle;

/// Dead letters since the process started.
#[derive(Debug, Serialize)]
pub(super) struct DeadLetters {
    topic: Option<String>,
    total: u64,
    counts: Vec<Count>,
    recent: Vec<DeadLetter>,
    commands: BTreeMap<&'static str, &'static str>,
}

#[derive(Debug, Serialize)]
struct Count {
    table: String,
    reason: String,
    count: u64,
}

#[derive(Debug, Serialize)]
struct DeadLetter {
    command: String,
    id: String,
    table: String,
    reason: &'static str,
    commit_lsn: String,
    seen: Option<String>,
}

pub(super) async fn dead_letters(Addressed(connector): Addressed) -> Json<DeadLetters> {
    Json(DeadLetters::of(&connector))
}

impl DeadLetters {
    pub(super) fn of(connector: &ConnectorHandle) -> Self {
        let of_table = |(table, reasons): (String, BTreeMap<String, u64>)| {
            let count = move |(reason, count)| Count {
                table: table.clone(),
                reason,
                count,
            };
            reasons.into_iter().map(count)
        };
        let counts = sampling::dead_letters(&connector.metrics).into_iter();
        let counts: Vec<Count> = counts.flat_map(of_table).collect();
        let recent = connector.state.dead_letters.read().into_iter();
        let settings = connector.settings.as_ref();
        Self {
            topic: settings.map(|settings| settings.dead_letter_topic.clone()),
            total: counts.iter().map(|one| one.count).sum(),
            counts,
            recent: recent.map(DeadLetter::of).collect(),
            commands: BTreeMap::from([
                ("list", "walcast dlq list"),
                ("retry", "walcast dlq redeliver"),
                ("discard", "walcast dlq discard --id ID"),
            ]),
        }
    }
}

impl DeadLetter {
    fn of(letter: SentDeadLetter) -> Self {
        Self {
            command: format!("walcast dlq redeliver --id {}", argument(&letter.id)),
            id: letter.id,
            table: letter.table,
            reason: letter.reason,
            commit_lsn: letter.commit_lsn.to_string(),
            seen: instant(letter.seen),
        }
    }
}
