//! One change in the history of a row.

use std::cmp::Ordering;
use std::sync::Arc;

use walcast_pgoutput::Lsn;

use crate::change::Operation;
use crate::record::{Content, Header, Record};
use crate::value::Row;
use crate::walcast_id::WalcastId;

/// Change in the history of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyChange {
    /// Topic of the record.
    pub topic: Arc<str>,
    /// Partition of the record.
    pub partition: i32,
    /// Offset of the record.
    pub offset: i64,
    /// Header `walcast.id`.
    pub id: Option<WalcastId>,
    /// Position in the order of delivery ([`Record::lsn`]).
    pub lsn: Option<Lsn>,
    /// Transaction id.
    pub xid: Option<u32>,
    /// Commit time in microseconds since the Unix epoch.
    pub commit_micros: Option<i64>,
    /// Timestamp of Kafka in milliseconds since the Unix epoch.
    pub produced_millis: Option<i64>,
    /// Operation.
    pub operation: Operation,
    /// Key of the record.
    pub key: Row,
    /// Key that the row had before, or has from now on, where the change is half of an update of the key.
    pub other_key: Option<OtherKey>,
    /// Row before the change, as far as WAL contains it.
    pub before: Option<Row>,
    /// Row after the change.
    pub after: Option<Row>,
    /// Whether the record is a tombstone: it follows a delete, or is one in place of it.
    pub is_tombstone: bool,
    /// Headers with context: all except those that identify the record and the connector.
    pub context: Vec<Header>,
    /// Position of the change itself, for the order of changes without `walcast.id`.
    change_lsn: Option<Lsn>,
}

/// Other key of a row whose key was updated, as the header of the record has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OtherKey {
    /// The change is a create, and the row had this key before.
    Old(String),
    /// The change is a delete, and the row has this key now.
    New(String),
}

const NEW_KEY: &str = "__debezium.newkey";
const OLD_KEY: &str = "__debezium.oldkey";

/// Prefixes of the names of headers that are no context.
const TECHNICAL: [&str; 4] = ["__debezium.context.", NEW_KEY, OLD_KEY, "walcast.id"];

impl KeyChange {
    /// Change that a record contains; `None` if it has no key or contains no change of a row. A tombstone is a delete.
    pub(crate) fn of(record: Record) -> Option<Self> {
        let lsn = record.lsn();
        let other_key = other_key(&record);
        let (topic, partition, offset) = (record.topic, record.partition, record.offset);
        let key = record.key?.as_row()?.clone();
        let context = record.headers.into_iter().filter(|header| {
            let name = header.name.as_str();
            !TECHNICAL.iter().any(|technical| name.starts_with(technical))
        });
        let mut change = Self {
            topic,
            partition,
            offset,
            id: record.id,
            lsn,
            xid: None,
            commit_micros: None,
            produced_millis: record.timestamp,
            operation: Operation::Delete,
            key,
            other_key,
            before: None,
            after: None,
            is_tombstone: record.content == Content::Tombstone,
            context: context.collect(),
            change_lsn: None,
        };
        match record.content {
            Content::Tombstone => Some(change),
            Content::Change(content) => {
                change.xid = content.source.xid;
                change.commit_micros = content.source.commit_micros;
                change.operation = content.operation;
                change.before = content.before;
                change.after = content.after;
                change.change_lsn = content.source.lsn;
                Some(change)
            }
            Content::DeadLetter(_) | Content::Event(_) | Content::Foreign { .. } => None,
        }
    }

    /// Identity of the change in WAL, which all of its records share.
    pub(crate) fn event(&self) -> Option<(Lsn, u64)> {
        match self.id {
            Some(WalcastId::Change {
                commit_lsn, ordinal, ..
            }) => Some((commit_lsn, ordinal)),
            Some(_) => None,
            None => self.change_lsn.map(|lsn| (lsn, u64::MAX)),
        }
    }

    /// Order of changes: by position, rows of a snapshot before the changes that it does not contain, then by the number of the change
    /// and of the record.
    pub(crate) fn order(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }

    fn rank(&self) -> (Option<Lsn>, bool, u64, u32, i64) {
        let (ordinal, part) = match self.id {
            Some(WalcastId::Change { ordinal, part, .. }) => (Some(ordinal), part),
            Some(_) => (None, 0),
            None => (self.change_lsn.map(Lsn::as_u64), 0),
        };
        (
            self.lsn,
            ordinal.is_some(),
            ordinal.unwrap_or_default(),
            part,
            self.offset,
        )
    }
}

fn other_key(record: &Record) -> Option<OtherKey> {
    let text = |name: &str| record.header(name).map(ToOwned::to_owned);
    text(NEW_KEY)
        .map(OtherKey::New)
        .or_else(|| text(OLD_KEY).map(OtherKey::Old))
}
