//! `/api/v1/consumers`: consumer groups of the topics.

use axum::response::Json;
use jiff::Timestamp;
use serde::Serialize;
use walcast_kafka::consumer_groups;

use crate::admin::addressed::Addressed;
use crate::background_read::View;
use crate::connector_handle::ConnectorHandle;
use crate::consumer_report::{ConsumersReport, GroupReport, UnreadableGroup, consumed_topics};
use crate::remedy::describe;

/// Consumer groups of the topics.
#[derive(Debug, Serialize)]
pub(super) struct Consumers {
    as_of: Option<String>,
    error: Option<String>,
    groups: Vec<GroupReport>,
    unreadable: Vec<UnreadableGroup>,
    omitted: usize,
    command: &'static str,
}

pub(super) async fn consumers(Addressed(connector): Addressed) -> Json<Consumers> {
    let views = &connector.views.consumers;
    let view = match &connector.settings {
        None => views.known(),
        Some(_) => views.view(|| read(ConnectorHandle::clone(&connector))).await,
    };
    Json(Consumers::of(view))
}

/// Reads the groups now.
pub(super) async fn renew(connector: &ConnectorHandle) -> View<ConsumersReport> {
    connector.views.consumers.renew(|| read(connector.clone())).await
}

/// Reads the groups. The position of the checkpoint is taken before: what it covers is in the topics when their ends are asked for.
async fn read(connector: ConnectorHandle) -> Result<ConsumersReport, String> {
    let Some(settings) = connector.settings else {
        return Err("no server is asked".to_owned());
    };
    let checkpointed = connector.state.positions.read().checkpointed;
    let checkpointed = Some(checkpointed).filter(|lsn| lsn.is_valid());
    let schemas = connector.state.schemas.read().into_values();
    let topics = schemas.map(|schema| schema.topic);
    let events = connector.state.outbox_topics.names();
    let topics = consumed_topics(&settings.mapper, topics.chain(events));
    let groups = consumer_groups(settings.kafka.clone(), topics).await;
    let groups = groups.map_err(|error| describe(&error))?;
    let now = Timestamp::now().as_millisecond();
    Ok(ConsumersReport::of(&groups, checkpointed, now))
}

impl Consumers {
    pub(super) fn of(view: View<ConsumersReport>) -> Self {
        let known = view.value.as_deref();
        Self {
            as_of: view.as_of,
            error: view.error,
            groups: known.map(|report| report.groups.clone()).unwrap_or_default(),
            unreadable: known.map(|report| report.unreadable.clone()).unwrap_or_default(),
            omitted: known.map_or(0, |report| report.omitted),
            command: "walcast consumers",
        }
    }
}
