//! Records of the checkpoint topic: how a checkpoint is encoded and decoded.
//!
//! Key `<name>` holds the current checkpoint, key `<name>@<end_lsn>` an entry of the history, key `<name>#tables` the OIDs of the
//! captured tables, key `<name>#restrictions` their row filters and column lists, key `<name>#schema/<oid>` the schemas under which
//! rows of a table were delivered, and key `<name>#partition/<oid>` a partition of a captured table, and key `<name>#quarantine/<oid>` the
//! quarantine of a table. Keys `<name>#poll/<worker>` belong to polled outboxes (`polled_claim.rs`). A record without a value deletes its key. The values are JSON with a version, so that any consumer shows them in readable form.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use walcast_delivery::{
    Checkpoint, CheckpointLog, CheckpointUpdate, Restrictions, StoredHistory, StoredQuarantine, TableHistory,
};
use walcast_pgoutput::{Lsn, Oid};

use crate::error::KafkaError;
use crate::stored_partition::StoredPartition;

/// Record of the checkpoint topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CheckpointRecord {
    pub(crate) key: String,
    /// Value of the record; `None` deletes the key.
    pub(crate) value: Option<String>,
}

/// Records that one commit writes.
pub(crate) fn records(name: &str, update: &CheckpointUpdate) -> Result<Vec<CheckpointRecord>, KafkaError> {
    let value =
        serde_json::to_string(&update.current).map_err(|source| KafkaError::CheckpointUnreadable {
            key: name.to_owned(),
            source,
        })?;
    let mut records = Vec::with_capacity(3 + update.expired.len());
    records.extend(update.expired.iter().map(|lsn| CheckpointRecord {
        key: history_key(name, *lsn),
        value: None,
    }));
    if update.enters_history {
        let key = history_key(name, update.current.end_lsn);
        records.push(CheckpointRecord {
            key,
            value: Some(value.clone()),
        });
    }
    if let Some(tables) = &update.known_tables {
        let key = tables_key(name);
        let tables = KnownTables {
            version: Checkpoint::VERSION,
            tables: tables.iter().map(|table| table.as_u32()).collect(),
        };
        records.push(record(key, Some(&tables))?);
    }
    if let Some(restrictions) = &update.restrictions {
        let key = restrictions_key(name);
        let stored = StoredRestrictions {
            version: Checkpoint::VERSION,
            tables: restrictions.clone(),
        };
        records.push(record(key, Some(&stored))?);
    }
    for (table, history) in &update.schemas {
        records.push(schema_record(name, *table, history.as_ref())?);
    }
    for (partition, known) in &update.partitions {
        let stored = known.as_ref().map(StoredPartition::of);
        records.push(record(partition_key(name, *partition), stored.as_ref())?);
    }
    for (table, quarantine) in &update.quarantines {
        let stored = quarantine
            .as_ref()
            .map(|quarantine| StoredQuarantine::of(Checkpoint::VERSION, quarantine));
        records.push(record(quarantine_key(name, *table), stored.as_ref())?);
    }
    records.push(CheckpointRecord {
        key: name.to_owned(),
        value: Some(value),
    });
    Ok(records)
}

fn record(key: String, stored: Option<&impl Serialize>) -> Result<CheckpointRecord, KafkaError> {
    match stored.map(serde_json::to_string).transpose() {
        Ok(value) => Ok(CheckpointRecord { key, value }),
        Err(source) => Err(KafkaError::CheckpointUnreadable { key, source }),
    }
}

fn schema_record(
    name: &str,
    table: Oid,
    history: Option<&TableHistory>,
) -> Result<CheckpointRecord, KafkaError> {
    let stored = history.map(|history| StoredHistory::of(Checkpoint::VERSION, history));
    record(schema_key(name, table), stored.as_ref())
}

/// Stored form of the captured tables' OIDs. They have a record of their own, because the checkpoint is written far more
/// often.
#[derive(Serialize, Deserialize)]
struct KnownTables {
    version: u32,
    tables: Vec<u32>,
}

/// Stored form of the captured tables' row filters and column lists.
#[derive(Serialize, Deserialize)]
struct StoredRestrictions {
    version: u32,
    tables: Restrictions,
}

/// Records that delete every key of a connector.
pub(crate) fn tombstones(name: &str, log: &CheckpointLog) -> Vec<CheckpointRecord> {
    let history = log.history.keys().map(|lsn| history_key(name, *lsn));
    let tables = log.known_tables.as_ref().map(|_| tables_key(name));
    let restrictions = log.restrictions.as_ref().map(|_| restrictions_key(name));
    let schemas = log.schemas.keys().map(|table| schema_key(name, *table));
    let partitions = log.partitions.keys().map(|oid| partition_key(name, *oid));
    let quarantines = log.quarantines.keys().map(|oid| quarantine_key(name, *oid));
    let claims = log.polled_by.iter().map(|worker| claim_key(name, *worker));
    history
        .chain(tables)
        .chain(restrictions)
        .chain(schemas)
        .chain(partitions)
        .chain(quarantines)
        .chain(claims)
        .chain([name.to_owned()])
        .map(|key| CheckpointRecord { key, value: None })
        .collect()
}

fn tables_key(name: &str) -> String {
    format!("{name}#tables")
}

fn restrictions_key(name: &str) -> String {
    format!("{name}{RESTRICTIONS}")
}

/// End of the key of the restrictions, behind the connector's name.
const RESTRICTIONS: &str = "#restrictions";

fn schema_key(name: &str, table: Oid) -> String {
    format!("{name}{SCHEMA}{table}")
}

/// Part of a key between the connector's name and the OID of a table.
const SCHEMA: &str = "#schema/";

fn partition_key(name: &str, partition: Oid) -> String {
    format!("{name}{PARTITION}{partition}")
}

/// Part of a key between the connector's name and the OID of a partition.
const PARTITION: &str = "#partition/";

fn quarantine_key(name: &str, table: Oid) -> String {
    format!("{name}{QUARANTINE}{table}")
}

/// Part of a key between the connector's name and the OID of a quarantined table.
const QUARANTINE: &str = "#quarantine/";

/// Key of the record with the last claim of a worker.
pub(crate) fn claim_key(connector: &str, worker: u32) -> String {
    format!("{connector}{POLL}{worker}")
}

/// Worker whose claim a record has, from the part of its key behind the connector's name.
pub(crate) fn worker_of(rest: &str) -> Option<u32> {
    rest.strip_prefix(POLL)?.parse().ok()
}

/// Part of a key between the connector's name and the number of a worker.
const POLL: &str = "#poll/";

fn history_key(name: &str, lsn: Lsn) -> String {
    format!("{name}@{lsn}")
}

/// Last record of each key of one connector. Only these records are decoded: the records they replaced may have any
/// format version.
#[derive(Debug)]
pub(crate) struct LastRecords<'a> {
    name: &'a str,
    current: Option<Vec<u8>>,
    history: BTreeMap<Lsn, Vec<u8>>,
    tables: Option<Vec<u8>>,
    restrictions: Option<Vec<u8>>,
    schemas: BTreeMap<u32, Vec<u8>>,
    partitions: BTreeMap<u32, Vec<u8>>,
    quarantines: BTreeMap<u32, Vec<u8>>,
    polled_by: BTreeSet<u32>,
}

impl<'a> LastRecords<'a> {
    pub(crate) fn of(name: &'a str) -> Self {
        Self {
            name,
            current: None,
            history: BTreeMap::new(),
            tables: None,
            restrictions: None,
            schemas: BTreeMap::new(),
            partitions: BTreeMap::new(),
            quarantines: BTreeMap::new(),
            polled_by: BTreeSet::new(),
        }
    }

    /// Applies the next record of the topic; records of other connectors are ignored.
    pub(crate) fn apply(&mut self, key: &[u8], value: Option<&[u8]>) {
        let Some(rest) = std::str::from_utf8(key)
            .ok()
            .and_then(|key| key.strip_prefix(self.name))
        else {
            return;
        };
        if rest.is_empty() {
            self.current = value.map(ToOwned::to_owned);
        } else if rest == "#tables" {
            self.tables = value.map(ToOwned::to_owned);
        } else if rest == RESTRICTIONS {
            self.restrictions = value.map(ToOwned::to_owned);
        } else if let Some(table) = oid_behind(SCHEMA, rest) {
            replace(&mut self.schemas, table, value);
        } else if let Some(partition) = oid_behind(PARTITION, rest) {
            replace(&mut self.partitions, partition, value);
        } else if let Some(table) = oid_behind(QUARANTINE, rest) {
            replace(&mut self.quarantines, table, value);
        } else if let Some(worker) = worker_of(rest) {
            match value {
                Some(_) => self.polled_by.insert(worker),
                None => self.polled_by.remove(&worker),
            };
        } else if let Some(lsn) = rest.strip_prefix('@').and_then(|lsn| lsn.parse::<Lsn>().ok()) {
            replace(&mut self.history, lsn, value);
        }
    }

    /// Decodes the last records.
    pub(crate) fn into_log(self) -> Result<CheckpointLog, KafkaError> {
        let current = self.current.map(|value| decode(self.name, &value)).transpose()?;
        let tables = self.tables.map(|value| decode(&tables_key(self.name), &value));
        let tables = tables.transpose()?.map(|known: KnownTables| known.tables);
        let restrictions = self
            .restrictions
            .map(|value| decode(&restrictions_key(self.name), &value));
        let restrictions = restrictions.transpose()?;
        let history = self
            .history
            .iter()
            .map(|(lsn, value)| Ok((*lsn, decode(&history_key(self.name, *lsn), value)?)));
        let schemas = self.schemas.iter().map(|(oid, value)| {
            let table = Oid::new(*oid);
            let stored: StoredHistory = decode(&schema_key(self.name, table), value)?;
            Ok((table, stored.into_history(table)))
        });
        let partitions = self.partitions.iter().map(|(oid, value)| {
            let partition = Oid::new(*oid);
            let stored: StoredPartition = decode(&partition_key(self.name, partition), value)?;
            Ok((partition, stored.into_known()))
        });
        let quarantines = self.quarantines.iter().map(|(oid, value)| {
            let table = Oid::new(*oid);
            let stored: StoredQuarantine = decode(&quarantine_key(self.name, table), value)?;
            Ok((table, stored.into_quarantine()))
        });
        Ok(CheckpointLog {
            polled_by: self.polled_by,
            quarantines: quarantines.collect::<Result<_, KafkaError>>()?,
            partitions: partitions.collect::<Result<_, KafkaError>>()?,
            schemas: schemas.collect::<Result<_, KafkaError>>()?,
            current,
            history: history.collect::<Result<_, KafkaError>>()?,
            restrictions: restrictions.map(|stored: StoredRestrictions| stored.tables),
            known_tables: tables.map(|tables| tables.into_iter().map(Oid::new).collect::<BTreeSet<_>>()),
        })
    }
}

/// OID in a key behind the connector's name.
fn oid_behind(part: &str, rest: &str) -> Option<u32> {
    rest.strip_prefix(part)?.parse().ok()
}

/// Replaces the last record of a key, or deletes the key.
fn replace<K: Ord>(last: &mut BTreeMap<K, Vec<u8>>, key: K, value: Option<&[u8]>) {
    match value {
        Some(value) => last.insert(key, value.to_owned()),
        None => last.remove(&key),
    };
}

/// Field that every format version has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

fn decode<D: DeserializeOwned>(key: &str, value: &[u8]) -> Result<D, KafkaError> {
    let unreadable = |source| KafkaError::CheckpointUnreadable {
        key: key.to_owned(),
        source,
    };
    let Versioned { version } = serde_json::from_slice(value).map_err(unreadable)?;
    if version > Checkpoint::VERSION {
        return Err(KafkaError::CheckpointVersion {
            found: version,
            known: Checkpoint::VERSION,
        });
    }
    serde_json::from_slice(value).map_err(unreadable)
}

#[cfg(test)]
mod tests;
