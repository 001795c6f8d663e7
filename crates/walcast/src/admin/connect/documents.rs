//! Documents of the API.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use walcast_delivery::Status;
use walcast_mapper::names;

use crate::connector_handle::ConnectorHandle;

/// Class of the connector. Consoles show it; no such class of Java exists.
const CLASS: &str = "walcast";

/// The only task.
const TASK: u32 = 0;

/// Worker. Connect has the ID of the Kafka cluster here, which consoles only show.
pub(super) fn worker() -> Value {
    json!({ "version": env!("CARGO_PKG_VERSION"), "commit": CLASS, "kafka_cluster_id": Value::Null })
}

/// Plugins: the class of the connector.
pub(super) fn plugins() -> Value {
    json!([{ "class": CLASS, "type": "source", "version": env!("CARGO_PKG_VERSION") }])
}

/// Connector: its name, configuration, tasks and type.
pub(super) fn info(handle: &ConnectorHandle) -> Value {
    let name = &handle.identity.name;
    json!({
        "name": name,
        "config": config(handle),
        "tasks": [{ "connector": name, "task": TASK }],
        "type": "source",
    })
}

/// Configuration: the settings of the file by key, without secrets, and the properties that each connector of Connect has.
pub(super) fn config(handle: &ConnectorHandle) -> Map<String, Value> {
    let own = [
        ("name", handle.identity.name.as_str()),
        ("connector.class", CLASS),
        ("tasks.max", "1"),
    ];
    let settings = handle.configured.settings.shown();
    let settings = settings.filter(|(key, _)| *key != "name");
    own.into_iter()
        .chain(settings)
        .map(|(key, text)| (key.to_owned(), text.into()))
        .collect()
}

/// Tasks with their configurations.
pub(super) fn tasks(handle: &ConnectorHandle) -> Value {
    json!([{
        "id": { "connector": handle.identity.name, "task": TASK },
        "config": config(handle),
    }])
}

/// States of Connect, of the connector and of its task.
struct States {
    connector: &'static str,
    task: &'static str,
    /// Error, with its remedy.
    trace: Option<String>,
}

impl States {
    fn of(status: &Status) -> Self {
        let (connector, task, trace) = match status {
            Status::Streaming => ("RUNNING", "RUNNING", None),
            Status::Connecting => ("RESTARTING", "RESTARTING", None),
            // Another instance leads, or none does.
            Status::Standby | Status::Stopped => ("UNASSIGNED", "UNASSIGNED", None),
            Status::Retrying { error, .. } => ("RUNNING", "FAILED", Some(error.clone())),
            Status::Halted { error } => ("FAILED", "FAILED", Some(error.clone())),
        };
        Self {
            connector,
            task,
            trace,
        }
    }
}

/// State of the connector and of its task.
pub(super) fn status(handle: &ConnectorHandle, worker: &str) -> Value {
    let states = States::of(&handle.state.status.read());
    let trace = states.trace.clone().filter(|_| states.connector == "FAILED");
    json!({
        "name": handle.identity.name,
        "connector": state(states.connector, worker, trace),
        "tasks": [task(&states, worker)],
        "type": "source",
    })
}

/// State of the task.
pub(super) fn task_status(handle: &ConnectorHandle, worker: &str) -> Value {
    task(&States::of(&handle.state.status.read()), worker)
}

fn task(states: &States, worker: &str) -> Value {
    let mut document = Map::from_iter([("id".to_owned(), TASK.into())]);
    if let Value::Object(state) = state(states.task, worker, states.trace.clone()) {
        document.extend(state);
    }
    Value::Object(document)
}

fn state(state: &str, worker: &str, trace: Option<String>) -> Value {
    let mut document = json!({ "state": state, "worker_id": worker });
    if let Some(trace) = trace {
        document["trace"] = trace.into();
    }
    document
}

/// Topics of the captured tables. Topics that rows of outboxes and event stores name are not among them.
pub(super) fn topics(handle: &ConnectorHandle) -> Value {
    let mut topics = BTreeSet::new();
    if let Some(mapper) = &handle.configured.mapper {
        for table in handle.state.table_states().keys() {
            let is_routed_by_rows = mapper.outboxes.iter().any(|rule| rule.matches(table))
                || mapper.event_stores.iter().any(|rule| rule.matches(table));
            if !is_routed_by_rows {
                topics.insert(names::topic(mapper, table));
            }
        }
    }
    let name = handle.identity.name.clone();
    Value::Object(Map::from_iter([(name, json!({ "topics": topics }))]))
}

/// Position of the checkpoint, as the offset of the only partition of the source.
pub(super) fn offsets(handle: &ConnectorHandle) -> Value {
    let checkpointed = handle.state.positions.read().checkpointed;
    let known = checkpointed.is_valid().then(|| {
        json!({
            "partition": { "server": handle.identity.topic_prefix },
            "offset": { "lsn": checkpointed.as_u64(), "position": checkpointed.to_string() },
        })
    });
    json!({ "offsets": known.into_iter().collect::<Vec<_>>() })
}
