//! Records of the checkpoint topic: how a checkpoint is encoded and decoded.
//!
//! Key `<name>` holds the current checkpoint, key `<name>@<end_lsn>` an entry of the history, key `<name>#tables` the OIDs of the
//! captured tables, key `<name>#restrictions` their row filters and column lists, key `<name>#schema/<oid>` the schemas under which
//! rows of a table were delivered, and key `<name>#partition/<oid>` a partition of a captured table. A record without a value deletes
//! its key. The values are JSON with a version, so that any consumer shows them in readable form.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use walcast_delivery::{
    Checkpoint, CheckpointLog, CheckpointUpdate, Restrictions, StoredHistory, TableHistory,
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
    history
        .chain(tables)
        .chain(restrictions)
        .chain(schemas)
        .chain(partitions)
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
        } else if let Some(table) = rest.strip_prefix(SCHEMA).and_then(|oid| oid.parse().ok()) {
            match value {
                Some(value) => self.schemas.insert(table, value.to_owned()),
                None => self.schemas.remove(&table),
            };
        } else if let Some(partition) = rest.strip_prefix(PARTITION).and_then(|oid| oid.parse().ok()) {
            match value {
                Some(value) => self.partitions.insert(partition, value.to_owned()),
                None => self.partitions.remove(&partition),
            };
        } else if let Some(lsn) = rest.strip_prefix('@').and_then(|lsn| lsn.parse::<Lsn>().ok()) {
            match value {
                Some(value) => self.history.insert(lsn, value.to_owned()),
                None => self.history.remove(&lsn),
            };
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
        Ok(CheckpointLog {
            partitions: partitions.collect::<Result<_, KafkaError>>()?,
            schemas: schemas.collect::<Result<_, KafkaError>>()?,
            current,
            history: history.collect::<Result<_, KafkaError>>()?,
            restrictions: restrictions.map(|stored: StoredRestrictions| stored.tables),
            known_tables: tables.map(|tables| tables.into_iter().map(Oid::new).collect::<BTreeSet<_>>()),
        })
    }
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
mod tests {
    use expect_test::{Expect, expect};
    use walcast_delivery::{
        ChangePosition, CheckpointState, KnownPartition, PartitionRecords, SchemaChanges, SystemIdentifier,
        TableSchema, Timeline,
    };
    use walcast_mapper::{TableMetadata, TableName};
    use walcast_pgoutput::{Relation, ReplicaIdentity, Xid};

    use super::*;

    fn checkpoint(end_lsn: u64) -> Checkpoint {
        Checkpoint {
            version: Checkpoint::VERSION,
            state: CheckpointState::Streaming,
            system_identifier: SystemIdentifier::new(7_553_123_456_789_012_345),
            timeline: Timeline::new(3),
            database: "shop".to_owned(),
            slot: "walcast_shop".to_owned(),
            end_lsn: Lsn::new(end_lsn),
            last_commit: None,
            last_message: None,
            partial: None,
            snapshot: None,
            signals_read: None,
            written_at_unix_micros: 1_700_000_000_000_000,
        }
    }

    fn history() -> TableHistory {
        let schema = TableSchema {
            since: ChangePosition::of_snapshot(Lsn::new(0x10)),
            relation: Relation {
                xid: None,
                oid: Oid::new(16_400),
                namespace: "public".to_owned(),
                name: "orders".to_owned(),
                replica_identity: ReplicaIdentity::Full,
                columns: Vec::new(),
            },
            metadata: TableMetadata {
                key_columns: vec!["id".to_owned()],
                ..TableMetadata::default()
            },
        };
        TableHistory {
            schemas: vec![schema],
            missing_since: None,
        }
    }

    fn partition() -> KnownPartition {
        KnownPartition {
            table: Oid::new(16_410),
            name: TableName {
                namespace: "public".to_owned(),
                name: "events_2023".to_owned(),
            },
            attached_by: Some(Xid::new(740)),
            file: Oid::new(16_425),
            is_logged: true,
        }
    }

    fn read(records: &[(&str, Option<&str>)]) -> Result<CheckpointLog, KafkaError> {
        let mut last = LastRecords::of("shop");
        records
            .iter()
            .for_each(|(key, value)| last.apply(key.as_bytes(), value.map(str::as_bytes)));
        last.into_log()
    }

    fn check(records: &[(&str, Option<&str>)], expected: Expect) {
        expected.assert_eq(&match read(records) {
            Ok(log) => format!(
                "{:?}, history {:?}",
                log.current.map(|c| c.end_lsn),
                log.history.keys()
            ),
            Err(error) => error.to_string(),
        });
    }

    #[test]
    fn records_of_an_update_are_read_back() {
        let update = CheckpointUpdate {
            current: checkpoint(0x16_B3748),
            enters_history: true,
            expired: vec![Lsn::new(0x10), Lsn::new(0x20)],
            known_tables: Some(BTreeSet::from([Oid::new(16_400), Oid::new(16_410)])),
            restrictions: serde_json::from_str(r#"{"16400":{"accepted":{"filter":"(id > 0)"}}}"#).unwrap(),
            schemas: SchemaChanges::from([(Oid::new(16_400), Some(history()))]),
            partitions: PartitionRecords::from([
                (Oid::new(16_420), Some(partition())),
                (Oid::new(16_430), None),
            ]),
        };
        let written = records("shop", &update).unwrap();
        expect![[r#"
            [
                CheckpointRecord {
                    key: "shop@0/10",
                    value: None,
                },
                CheckpointRecord {
                    key: "shop@0/20",
                    value: None,
                },
                CheckpointRecord {
                    key: "shop@0/16B3748",
                    value: Some(
                        "{\"version\":1,\"state\":\"streaming\",\"system_identifier\":\"7553123456789012345\",\"timeline\":3,\"database\":\"shop\",\"slot\":\"walcast_shop\",\"end_lsn\":\"0/16B3748\",\"last_commit\":null,\"partial\":null,\"written_at_unix_micros\":1700000000000000}",
                    ),
                },
                CheckpointRecord {
                    key: "shop#tables",
                    value: Some(
                        "{\"version\":1,\"tables\":[16400,16410]}",
                    ),
                },
                CheckpointRecord {
                    key: "shop#restrictions",
                    value: Some(
                        "{\"version\":1,\"tables\":{\"16400\":{\"accepted\":{\"filter\":\"(id > 0)\"}}}}",
                    ),
                },
                CheckpointRecord {
                    key: "shop#schema/16400",
                    value: Some(
                        "{\"version\":1,\"schemas\":[{\"commit_lsn\":\"0/10\",\"ordinal\":0,\"namespace\":\"public\",\"name\":\"orders\",\"replica_identity\":\"full\",\"columns\":[],\"key\":[\"id\"],\"types\":[]}]}",
                    ),
                },
                CheckpointRecord {
                    key: "shop#partition/16420",
                    value: Some(
                        "{\"version\":1,\"table\":16410,\"namespace\":\"public\",\"name\":\"events_2023\",\"attached_by\":740,\"file\":16425}",
                    ),
                },
                CheckpointRecord {
                    key: "shop#partition/16430",
                    value: None,
                },
                CheckpointRecord {
                    key: "shop",
                    value: Some(
                        "{\"version\":1,\"state\":\"streaming\",\"system_identifier\":\"7553123456789012345\",\"timeline\":3,\"database\":\"shop\",\"slot\":\"walcast_shop\",\"end_lsn\":\"0/16B3748\",\"last_commit\":null,\"partial\":null,\"written_at_unix_micros\":1700000000000000}",
                    ),
                },
            ]"#]].assert_eq(&format!("{written:#?}"));
        let pairs: Vec<_> = written
            .iter()
            .map(|record| (record.key.as_str(), record.value.as_deref()))
            .collect();
        let log = read(&pairs).unwrap();
        assert_eq!(log.current, Some(checkpoint(0x16_B3748)));
        assert_eq!(
            log.history,
            BTreeMap::from([(Lsn::new(0x16_B3748), checkpoint(0x16_B3748))])
        );

        assert_eq!(log.known_tables, update.known_tables);
        assert_eq!(log.restrictions, update.restrictions);
        assert_eq!(log.partitions, BTreeMap::from([(Oid::new(16_420), partition())]));
        assert_eq!(log.schemas, BTreeMap::from([(Oid::new(16_400), history())]));

        let deleted = tombstones("shop", &log);
        let pairs: Vec<_> = pairs
            .into_iter()
            .chain(deleted.iter().map(|record| (record.key.as_str(), None)))
            .collect();
        assert_eq!(read(&pairs).unwrap(), CheckpointLog::default());
    }

    #[test]
    fn ignores_replaced_records_and_records_of_other_connectors() {
        let ours = serde_json::to_string(&checkpoint(0x100)).unwrap();
        check(
            &[
                ("shop2", Some("?")),
                ("sho", Some("?")),
                ("shop@", Some("?")),
                ("shop@x", Some("?")),
            ],
            expect!["None, history []"],
        );
        check(
            &[
                ("shop", Some("?")),
                ("shop", Some(&ours)),
                ("shop@0/5", Some("?")),
                ("shop@0/5", None),
            ],
            expect!["Some(0/100), history []"],
        );
    }

    /// docs/decisions/0020-checkpoint-compatibility.md
    #[test]
    fn error_names_the_newer_format_before_any_unknown_field() {
        for newer in [
            r#"{"version":2}"#,
            r#"{"version":2,"state":"paused","windows":{"a":[1]},"end_lsn":7}"#,
        ] {
            check(
                &[("shop", Some(newer))],
                expect![
                    "the checkpoint has format version 2, and the latest that can be read is 1; use the version that wrote it"
                ],
            );
        }
    }

    #[test]
    fn error_names_the_unreadable_record() {
        check(
            &[("shop", Some("{"))],
            expect![
                "the checkpoint record shop cannot be read: EOF while parsing an object at line 1 column 1"
            ],
        );
        check(
            &[("shop@0/5", Some(r#"{"version":1}"#))],
            expect![
                "the checkpoint record shop@0/5 cannot be read: missing field `state` at line 1 column 13"
            ],
        );
    }
}
