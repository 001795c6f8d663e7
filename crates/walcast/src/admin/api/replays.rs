//! `/api/v1/replays`.

use std::collections::BTreeMap;

use axum::response::Json;
use serde::Serialize;
use walcast_delivery::ReplayState;
use walcast_kafka::{StoredReplay, stored_replays};

use crate::admin::addressed::Addressed;
use crate::admin::instant::instant_of;
use crate::connector_handle::ConnectorHandle;
use crate::remedy::describe;
use crate::replay_extent::percent;

/// Replays of the connector.
#[derive(Debug, Serialize)]
pub(super) struct Replays {
    as_of: Option<String>,
    error: Option<String>,
    replays: Vec<Replay>,
    commands: BTreeMap<&'static str, &'static str>,
}

#[derive(Debug, Serialize)]
struct Replay {
    name: String,
    state: ReplayState,
    source: String,
    slot: Option<String>,
    bookmark: Option<String>,
    from: String,
    to: String,
    from_lsn: Option<String>,
    to_lsn: Option<String>,
    tables: Vec<String>,
    into: Option<String>,
    created_at: Option<String>,
    updated_at: Option<String>,
    percent: f64,
    records: u64,
    bytes: u64,
    topics: Vec<ReplayTopic>,
}

#[derive(Debug, Serialize)]
struct ReplayTopic {
    topic: String,
    target: String,
    records: u64,
}

pub(super) async fn replays(Addressed(connector): Addressed) -> Json<Replays> {
    Json(read(&connector).await)
}

async fn read(connector: &ConnectorHandle) -> Replays {
    let views = &connector.views.replays;
    let view = match &connector.settings {
        None => views.known(),
        Some(settings) => {
            let kafka = settings.kafka.clone();
            let read = || async move { stored_replays(&kafka).await.map_err(|error| describe(&error)) };
            views.view(read).await
        }
    };
    let replays = view.value.as_deref().map(Vec::as_slice).unwrap_or_default();
    Replays {
        as_of: view.as_of,
        error: view.error,
        replays: replays.iter().map(Replay::of).collect(),
        commands: BTreeMap::from([
            ("start", "walcast replay start --from FROM --into NAME"),
            ("status", "walcast replay status NAME"),
            ("cancel", "walcast replay cancel NAME"),
        ]),
    }
}

impl Replay {
    fn of(stored: &StoredReplay) -> Self {
        let StoredReplay { replay, progress } = stored;
        let topics = replay.topics.iter().zip(&progress.records);
        Self {
            name: replay.name.clone(),
            state: progress.state,
            source: replay.source.clone(),
            slot: replay.wal.as_ref().map(|origin| origin.slot.clone()),
            bookmark: replay.wal.as_ref().and_then(|origin| origin.bookmark.clone()),
            from: replay.request.from.clone(),
            to: replay.request.to.clone(),
            from_lsn: replay.from_lsn.clone(),
            to_lsn: replay.to_lsn.clone(),
            tables: replay.request.tables.clone(),
            into: replay.request.into.clone(),
            created_at: instant_of(replay.created_at_unix_micros),
            updated_at: instant_of(progress.updated_at_unix_micros),
            percent: percent(replay, progress),
            records: progress.sent(),
            bytes: progress.bytes,
            topics: topics
                .map(|(topic, records)| ReplayTopic {
                    topic: topic.topic.clone(),
                    target: topic.target.clone(),
                    records: *records,
                })
                .collect(),
        }
    }
}
