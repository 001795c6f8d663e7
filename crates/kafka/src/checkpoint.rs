//! How a checkpoint is written as a record, and read from one.
//!
//! Key `<name>`: the current checkpoint. Key `<name>@<end_lsn>`: an entry of the history; without value: deleted. The value
//! is JSON with a version, so that people can read it with any consumer.

use serde::Deserialize;
use walcast_delivery::{Checkpoint, CheckpointLog, CheckpointUpdate};
use walcast_pgoutput::Lsn;

use crate::KafkaError;

/// One record of the checkpoint topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CheckpointRecord {
    pub(crate) key: String,
    /// `None` deletes the key.
    pub(crate) value: Option<String>,
}

/// The records that one commit writes.
pub(crate) fn records(name: &str, update: &CheckpointUpdate) -> Result<Vec<CheckpointRecord>, KafkaError> {
    let value = serde_json::to_string(&update.current)
        .map_err(|source| KafkaError::CheckpointUnreadable { key: name.to_owned(), source })?;
    let mut records = Vec::with_capacity(2 + update.expired.len());
    records.extend(update.expired.iter().map(|lsn| CheckpointRecord { key: history_key(name, *lsn), value: None }));
    if update.enters_history {
        let key = history_key(name, update.current.end_lsn);
        records.push(CheckpointRecord { key, value: Some(value.clone()) });
    }
    records.push(CheckpointRecord { key: name.to_owned(), value: Some(value) });
    Ok(records)
}

/// The records that delete everything a log holds.
pub(crate) fn tombstones(name: &str, log: &CheckpointLog) -> Vec<CheckpointRecord> {
    let history = log.history.keys().map(|lsn| history_key(name, *lsn));
    history.chain([name.to_owned()]).map(|key| CheckpointRecord { key, value: None }).collect()
}

fn history_key(name: &str, lsn: Lsn) -> String {
    format!("{name}@{lsn}")
}

/// Enters one record of the topic into a log; records of other connectors are passed over.
pub(crate) fn apply(name: &str, log: &mut CheckpointLog, key: &[u8], value: Option<&[u8]>) -> Result<(), KafkaError> {
    let Some(rest) = std::str::from_utf8(key).ok().and_then(|key| key.strip_prefix(name)) else { return Ok(()) };
    let read = |value: Option<&[u8]>| value.map(|value| decode(&format!("{name}{rest}"), value)).transpose();
    if rest.is_empty() {
        log.current = read(value)?;
    } else if let Some(lsn) = rest.strip_prefix('@').and_then(|lsn| lsn.parse::<Lsn>().ok()) {
        match read(value)? {
            Some(checkpoint) => log.history.insert(lsn, checkpoint),
            None => log.history.remove(&lsn),
        };
    }
    Ok(())
}

/// What every version of the format has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

fn decode(key: &str, value: &[u8]) -> Result<Checkpoint, KafkaError> {
    let unreadable = |source| KafkaError::CheckpointUnreadable { key: key.to_owned(), source };
    let Versioned { version } = serde_json::from_slice(value).map_err(unreadable)?;
    if version > Checkpoint::VERSION {
        return Err(KafkaError::CheckpointVersion { found: version, known: Checkpoint::VERSION });
    }
    serde_json::from_slice(value).map_err(unreadable)
}
