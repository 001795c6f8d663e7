//! What is kept of a change that has no record: where it stands, why, and its row as the log has it.
//!
//! A dead letter is JSON whatever the encoding of records, and needs no registry: that may be what refuses. Columns that the
//! configuration leaves out or changes on the way are withheld, so that nothing gets to Kafka by its failure.

mod row;

use std::sync::Arc;

use serde::Serialize;
use walcast_pgoutput::{OldTuple, Relation, Tuple};

use self::row::{Kept, Row};
use crate::header::identity_text;
use crate::read::EventContext;
use crate::{Batch, ChangeContext, Header, MapperConfig, ReadContext, RowChange, TableName, key};

/// A change that has no record.
#[derive(Clone, Copy, Debug)]
pub struct DeadLetter<'a> {
    /// Its table, as the log described it at that place.
    pub relation: &'a Relation,
    /// The columns of its key, as the catalog has them ([`crate::TableFacts::key_columns`]).
    pub key_columns: &'a [String],
    /// What happened.
    pub event: LostEvent<'a>,
    /// Where it stands.
    pub place: LetterPlace,
    /// Why it has no record, as a word.
    pub reason: LetterReason,
    /// The same in full.
    pub error: &'a str,
}

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum LostEvent<'a> {
    /// A row changed.
    Change(RowChange<'a>),
    /// The table was emptied.
    Truncate,
    /// The row was read from its table.
    Read(Tuple<'a>),
}

/// Where a dead letter's event stands.
#[derive(Clone, Copy, Debug)]
pub enum LetterPlace {
    /// In the log; `part` is a table's place among those that were emptied together.
    Change {
        /// The change.
        context: ChangeContext,
        /// Which record of it.
        part: u32,
    },
    /// In its table.
    Read(ReadContext),
}

/// Why a change has no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LetterReason {
    /// The row or its table cannot be mapped.
    Mapping,
    /// Its record is larger than Kafka takes.
    Size,
    /// The registry refuses the table's schema.
    Schema,
}

impl LetterReason {
    /// The word in headers, metrics and listings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mapping => "mapping",
            Self::Size => "size",
            Self::Schema => "schema",
        }
    }
}

/// What a letter takes beside its value: key and headers, with their names.
const ENVELOPE_BYTES: usize = 2048;

/// How much of an error a header holds.
const HEADER_ERROR_BYTES: usize = 1000;

/// How much of an error a value holds: a registry's words can be long.
const ERROR_BYTES: usize = 4000;

/// Version of the value's form.
const VERSION: u32 = 1;

/// The key of a letter's record: the connector, and what the record that it stands for would have in header `walcast.id`.
#[must_use]
pub fn letter_key(connector: &str, id: &str) -> String {
    format!("{connector}@{id}")
}

/// Adds the record that takes a letter off the list: its key, and no value.
pub fn write_letter_done(topic: &Arc<str>, connector: &str, id: &str, batch: &mut Batch) {
    let header = Header {
        name: "walcast.id",
        value: id.as_bytes(),
    };
    let key = letter_key(connector, id);
    batch.push(topic, Some(key.as_bytes()), None, [header]);
}

impl DeadLetter<'_> {
    /// Adds the letter's record to a batch. Values are cut until it is no larger than `bytes_max`.
    pub fn write(
        &self,
        topic: &Arc<str>,
        connector: &str,
        config: &MapperConfig,
        bytes_max: usize,
        batch: &mut Batch,
    ) {
        let id = self.id();
        let key = letter_key(connector, &id);
        let value = self.value(&id, config, bytes_max.saturating_sub(ENVELOPE_BYTES));
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
        match &self.place {
            LetterPlace::Change { context, .. } => headers.extend([
                ("walcast.lsn", context.lsn.to_string()),
                ("walcast.xid", context.xid.to_string()),
                ("walcast.ordinal", context.ordinal.to_string()),
            ]),
            LetterPlace::Read(context) => headers.push(("walcast.lsn", context.lsn.to_string())),
        }
        let headers = headers.iter().map(|(name, value)| Header {
            name,
            value: value.as_bytes(),
        });
        batch.push(topic, Some(key.as_bytes()), Some(&value), headers);
    }

    fn table(&self) -> TableName {
        TableName::from(self.relation)
    }

    /// What its record would have in header `walcast.id`.
    fn id(&self) -> String {
        match &self.place {
            LetterPlace::Change { context, part } => {
                let mut context = EventContext::from(context);
                context.identity.set_part(*part);
                identity_text(&context.identity)
            }
            LetterPlace::Read(context) => identity_text(&EventContext::from(context).identity),
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

    /// Bytes of the values as the log has them.
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
            LostEvent::Change(RowChange::Insert { new }) | LostEvent::Read(new) => (None, Some(new)),
            LostEvent::Change(RowChange::Update { old, new }) => (old.map(former), Some(new)),
            LostEvent::Change(RowChange::Delete { old }) => (Some(former(old)), None),
            LostEvent::Truncate => (None, None),
        }
    }

    fn letter<'l>(&'l self, id: &'l str, config: &MapperConfig, value_bytes_max: usize) -> Letter<'l> {
        let table = self.table();
        let kept = Kept::new(config, &table, value_bytes_max);
        let (old, new) = self.rows();
        let row = |tuple, key_only| Row::new(self.relation, tuple, key_only, &kept);
        let (change, read) = match &self.place {
            LetterPlace::Change { context, .. } => (Some(context), None),
            LetterPlace::Read(context) => (None, Some(context)),
        };
        let time = change.map_or_else(
            || read.map(|context| context.fixed_at),
            |context| Some(context.commit_time),
        );
        Letter {
            version: VERSION,
            id,
            topic: config.topic(&table),
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

    /// The columns by which the row is found in its table; none where it has no key.
    fn key(&self) -> Vec<&str> {
        let places = key::of_rows(self.relation, self.key_columns);
        let columns = places
            .into_iter()
            .filter_map(|place| self.relation.columns.get(place));
        columns.map(|column| column.name.as_str()).collect()
    }

    fn operation(&self) -> &'static str {
        match self.event {
            LostEvent::Change(RowChange::Insert { .. }) => "insert",
            LostEvent::Change(RowChange::Update { .. }) => "update",
            LostEvent::Change(RowChange::Delete { .. }) => "delete",
            LostEvent::Truncate => "truncate",
            LostEvent::Read(_) => "read",
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

/// As much of a text as so many bytes hold.
fn beginning(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}
