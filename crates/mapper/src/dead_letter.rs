//! Dead letters: a change without record is kept with its position, the reason and its row.
//!
//! A dead letter is JSON, whatever the encoding of records, and needs no registry, which may be the cause. Columns
//! that the configuration excludes or transforms are withheld, so that no failure publishes their values.

mod row;

use std::sync::Arc;

use serde::Serialize;
use walcast_pgoutput::{OldTuple, Relation, Tuple};

use self::row::{Kept, Row, beginning};
use crate::change::{ChangeContext, RowChange};
use crate::config::MapperConfig;
use crate::event_context::EventContext;
use crate::header::identity_text;
use crate::read::ReadContext;
use crate::record_buffer::{Header, RecordBuffer};
use crate::table_name::TableName;
use crate::transaction_context::TransactionContext;
use crate::{key, names};

/// A change that has no record.
#[derive(Clone, Copy, Debug)]
pub struct DeadLetter<'a> {
    /// The table, as the Relation message at the change's position describes it.
    pub relation: &'a Relation,
    /// Key columns from the catalog ([`crate::TableMetadata::key_columns`]).
    pub key_columns: &'a [String],
    /// Whether the key has columns that the server does not send ([`crate::TableMetadata::unsent_key_columns`]).
    pub has_unsent_key_columns: bool,
    /// The event.
    pub event: UndeliverableEvent<'a>,
    /// Position of the event.
    pub source: DeadLetterSource<'a>,
    /// Reason, as one word.
    pub reason: DeadLetterReason,
    /// Reason, as the error's text.
    pub error: &'a str,
}

/// The event of a dead letter.
#[derive(Clone, Copy, Debug)]
pub enum UndeliverableEvent<'a> {
    /// A change of a row.
    Change(RowChange<'a>),
    /// A truncate of the table.
    Truncate,
    /// A row that was read from the table.
    Read(Tuple<'a>),
}

/// Position of the event of a dead letter.
#[derive(Clone, Copy, Debug)]
pub enum DeadLetterSource<'a> {
    /// A change in the WAL.
    Change {
        /// The change.
        context: ChangeContext<'a>,
        /// Number of the record among those of the change; for a truncate, the table's place among the truncated
        /// tables.
        part: u32,
    },
    /// A row of a table.
    Read(ReadContext),
}

/// Reason why a change has no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeadLetterReason {
    /// The row or its table cannot be mapped.
    Mapping,
    /// The record exceeds Kafka's limits.
    Size,
    /// The registry rejects the table's schema.
    Schema,
    /// Kafka refuses the topic that a row of an outbox names.
    Topic,
}

impl DeadLetterReason {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::Mapping, Self::Size, Self::Schema, Self::Topic];

    /// The reason in headers, metrics and listings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mapping => "mapping",
            Self::Size => "size",
            Self::Schema => "schema",
            Self::Topic => "topic",
        }
    }
}

/// Limit of the size of key and headers, with their names.
const ENVELOPE_BYTES: usize = 2048;

/// Limit of the error's size in a header.
const HEADER_ERROR_BYTES: usize = 1000;

/// Limit of the error's size in a value: a registry's error may be long.
const ERROR_BYTES: usize = 4000;

/// Version of the value's format.
pub const VERSION: u32 = 1;

/// Key of a dead letter's record: the connector, and the `walcast.id` of the record that it replaces.
#[must_use]
pub fn dead_letter_key(connector: &str, id: &str) -> String {
    format!("{connector}@{id}")
}

/// Adds the tombstone that resolves a dead letter: its key, and no value.
pub fn write_tombstone(topic: &Arc<str>, connector: &str, id: &str, buffer: &mut RecordBuffer) {
    let header = Header {
        name: "walcast.id",
        value: Some(id.as_bytes()),
    };
    let key = dead_letter_key(connector, id);
    buffer.push(topic, Some(key.as_bytes()), None, [header]);
}

impl DeadLetter<'_> {
    /// Adds the dead letter's record to a buffer. Values are truncated until it is no larger than `bytes_max`.
    pub fn write(
        &self,
        topic: &Arc<str>,
        connector: &str,
        config: &MapperConfig,
        bytes_max: usize,
        buffer: &mut RecordBuffer,
    ) {
        let id = self.id();
        let key = dead_letter_key(connector, &id);
        let context = self.transaction_context();
        let envelope_bytes = ENVELOPE_BYTES + context.map_or(0, TransactionContext::header_bytes);
        let value = self.value(&id, config, bytes_max.saturating_sub(envelope_bytes));
        let table = self.table().to_string();
        let mut headers = vec![
            ("walcast.id", id),
            (
                "walcast.error",
                beginning(self.error, HEADER_ERROR_BYTES).to_owned(),
            ),
            ("walcast.reason", self.reason.as_str().to_owned()),
            ("walcast.relation", table),
        ];
        match &self.source {
            DeadLetterSource::Change { context, .. } => headers.extend([
                ("walcast.lsn", context.lsn.to_string()),
                ("walcast.xid", context.xid.to_string()),
                ("walcast.ordinal", context.ordinal.to_string()),
            ]),
            DeadLetterSource::Read(context) => headers.push(("walcast.lsn", context.lsn.to_string())),
        }
        let given = context.into_iter().flat_map(TransactionContext::headers);
        let headers = headers.iter().map(|(name, value)| (*name, value.as_str()));
        let headers = headers.chain(given).map(|(name, value)| Header {
            name,
            value: Some(value.as_bytes()),
        });
        buffer.push(topic, Some(key.as_bytes()), Some(&value), headers);
    }

    /// Context of the transaction of a change.
    fn transaction_context(&self) -> Option<&TransactionContext> {
        match &self.source {
            DeadLetterSource::Change { context, .. } => context.transaction_context,
            DeadLetterSource::Read(_) => None,
        }
    }

    fn table(&self) -> TableName {
        TableName::from(self.relation)
    }

    /// The `walcast.id` that the record would have.
    #[must_use]
    pub fn id(&self) -> String {
        match &self.source {
            DeadLetterSource::Change { context, part } => {
                let mut context = EventContext::from(context);
                context.identity.set_part(*part);
                identity_text(&context.identity)
            }
            DeadLetterSource::Read(context) => identity_text(&EventContext::from(context).identity),
        }
    }

    fn value(&self, id: &str, config: &MapperConfig, bytes_max: usize) -> Vec<u8> {
        let mut value_bytes_max = match self.row_bytes() > bytes_max {
            true => bytes_max / 2,
            false => usize::MAX,
        };
        loop {
            let written = serde_json::to_vec(&self.letter(id, config, value_bytes_max));
            let written = written.expect("what is written here is JSON");
            if written.len() <= bytes_max || value_bytes_max == 0 {
                return written;
            }
            value_bytes_max = value_bytes_max.min(bytes_max) / 2;
        }
    }

    /// Size of the row's values on the wire.
    fn row_bytes(&self) -> usize {
        let (old, new) = self.rows();
        let old = old.map(|(tuple, _)| tuple);
        old.iter().chain(new.iter()).map(row::bytes).sum()
    }

    fn rows(&self) -> (Option<(Tuple<'_>, bool)>, Option<Tuple<'_>>) {
        let former = |old| match old {
            OldTuple::Full(tuple) => (tuple, false),
            OldTuple::Key(tuple) => (tuple, true),
        };
        match self.event {
            UndeliverableEvent::Change(RowChange::Insert { new }) | UndeliverableEvent::Read(new) => {
                (None, Some(new))
            }
            UndeliverableEvent::Change(RowChange::Update { old, new }) => (old.map(former), Some(new)),
            UndeliverableEvent::Change(RowChange::Delete { old }) => (Some(former(old)), None),
            UndeliverableEvent::Truncate => (None, None),
        }
    }

    fn letter<'l>(&'l self, id: &'l str, config: &MapperConfig, value_bytes_max: usize) -> Letter<'l> {
        let table = self.table();
        let kept = Kept::new(config, &table, value_bytes_max);
        let (old, new) = self.rows();
        let row = |tuple, key_only| Row::new(self.relation, tuple, key_only, &kept);
        let (change, read) = match &self.source {
            DeadLetterSource::Change { context, .. } => (Some(context), None),
            DeadLetterSource::Read(context) => (None, Some(context)),
        };
        let time = change.map_or_else(
            || read.map(|context| context.fixed_at),
            |context| Some(context.commit_time),
        );
        Letter {
            version: VERSION,
            id,
            topic: names::topic(config, &table),
            schema: &self.relation.namespace,
            table: &self.relation.name,
            key: self.key(),
            operation: self.operation(),
            reason: self.reason.as_str(),
            error: beginning(self.error, ERROR_BYTES),
            lsn: change.map_or_else(
                || read.map(|context| context.lsn.to_string()),
                |context| Some(context.lsn.to_string()),
            ),
            commit_lsn: change.map(|context| context.commit_lsn.to_string()),
            xid: change.map(|context| context.xid.as_u32()),
            ordinal: change.map(|context| context.ordinal.as_u64()),
            committed_at_unix_micros: time.map(|time| time.unix_micros()),
            before: old.map(|(tuple, key_only)| row(tuple, key_only)),
            after: new.map(|tuple| row(tuple, false)),
        }
    }

    /// Columns that identify the row in its table; empty for a table without key, and if the server does not send all of them.
    fn key(&self) -> Vec<&str> {
        let places = key::of_rows(self.relation, self.key_columns, self.has_unsent_key_columns);
        let columns = places
            .into_iter()
            .filter_map(|place| self.relation.columns.get(place));
        columns.map(|column| column.name.as_str()).collect()
    }

    fn operation(&self) -> &'static str {
        match self.event {
            UndeliverableEvent::Change(RowChange::Insert { .. }) => "insert",
            UndeliverableEvent::Change(RowChange::Update { .. }) => "update",
            UndeliverableEvent::Change(RowChange::Delete { .. }) => "delete",
            UndeliverableEvent::Truncate => "truncate",
            UndeliverableEvent::Read(_) => "read",
        }
    }
}

#[derive(Serialize)]
struct Letter<'l> {
    version: u32,
    id: &'l str,
    topic: String,
    schema: &'l str,
    table: &'l str,
    key: Vec<&'l str>,
    operation: &'static str,
    reason: &'static str,
    error: &'l str,
    #[serde(skip_serializing_if = "Option::is_none")]
    lsn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    commit_lsn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    xid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ordinal: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    committed_at_unix_micros: Option<i64>,
    before: Option<Row<'l>>,
    after: Option<Row<'l>>,
}
