//! What is known about a record: as text and as JSON.

use serde::Serialize;
use walcast_delivery::{Checkpoint, CheckpointLog};
use walcast_kafka::SchemaId;
use walcast_pgoutput::Lsn;
use walcast_topics::{Content, Decoder, Header, Record, Row, TopicsError, TransactionBlock};

use crate::cli::point_in_time::time_text;

/// Number of other records of the transaction that are listed.
const LISTED_MAX: usize = 20;

/// Report on a record.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    place: String,
    id: Option<String>,
    content: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    foreign_because: Option<String>,
    key: Option<serde_json::Value>,
    /// Position in the order of delivery: that of the commit record or of the snapshot.
    lsn: Option<String>,
    /// Position of the change itself.
    change_lsn: Option<String>,
    xid: Option<u32>,
    transaction: Option<TransactionBlock>,
    table: Option<String>,
    snapshot: Option<String>,
    committed_at: Option<String>,
    processed_at: Option<String>,
    /// Timestamp of Kafka.
    produced_at: Option<String>,
    key_schema: Option<SchemaUse>,
    value_schema: Option<SchemaUse>,
    /// First known checkpoint that contains the record.
    checkpoint: Option<Covering>,
    headers: Vec<Header>,
    /// Other records of the transaction.
    neighbours: Vec<Neighbour>,
    /// Number of other records that are not listed; at least, where `has_more`.
    not_listed: usize,
    has_more: bool,
}

/// Schema with the version of the subject that it is.
#[derive(Debug, Serialize)]
struct SchemaUse {
    id: u32,
    subject: String,
    /// Null if the subject has no version with that id.
    version: Option<u32>,
}

#[derive(Debug, Serialize)]
struct Covering {
    end_lsn: String,
    written_at: String,
    is_current: bool,
}

#[derive(Debug, Serialize)]
struct Neighbour {
    place: String,
    id: Option<String>,
    content: &'static str,
}

impl Report {
    /// Collects what is known. `of_transaction`: records of the same position, `has_more` if there are more.
    pub(super) async fn new(
        record: &Record,
        of_transaction: &[Record],
        has_more: bool,
        log: &CheckpointLog,
        decoder: &Decoder,
    ) -> Result<Self, TopicsError> {
        let change = record.change();
        let source = change.map(|change| &change.source);
        let neighbours: Vec<&Record> = of_transaction
            .iter()
            .filter(|other| other.place() != record.place())
            .collect();
        let time = |micros: Option<i64>| micros.map(|micros| time_text(Some(micros)));
        Ok(Self {
            place: record.place(),
            id: record.id.map(|id| id.to_string()),
            content: content(record),
            foreign_because: match &record.content {
                Content::Foreign { reason } => Some(reason.clone()),
                _ => None,
            },
            key: record.key.as_ref().and_then(|key| serde_json::to_value(key).ok()),
            lsn: record.lsn().map(|lsn| lsn.to_string()),
            change_lsn: source.and_then(|source| source.lsn).map(|lsn| lsn.to_string()),
            xid: source.and_then(|source| source.xid),
            transaction: change.and_then(|change| change.transaction.clone()),
            table: source.and_then(|source| {
                Some(format!(
                    "{}.{}",
                    source.schema.as_deref()?,
                    source.table.as_deref()?
                ))
            }),
            snapshot: source.and_then(|source| source.snapshot.clone()),
            committed_at: time(record.commit_micros()),
            processed_at: time(change.and_then(|change| change.processed_micros)),
            produced_at: time(record.timestamp.and_then(|millis| millis.checked_mul(1_000))),
            key_schema: schema(record, record.schemas.key, "key", decoder).await?,
            value_schema: schema(record, record.schemas.value, "value", decoder).await?,
            checkpoint: record.lsn().and_then(|lsn| covering(log, lsn)),
            headers: record.headers.clone(),
            not_listed: neighbours.len().saturating_sub(LISTED_MAX),
            neighbours: neighbours
                .into_iter()
                .take(LISTED_MAX)
                .map(Neighbour::of)
                .collect(),
            has_more,
        })
    }

    /// One line for each fact.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut line = |label: &str, value: Option<String>| {
            lines.extend(value.map(|value| format!("{label:<13} {value}")));
        };
        line("record", Some(format!("{} ({})", self.place, self.content)));
        line("because", self.foreign_because.clone());
        line("walcast.id", self.id.clone());
        line("table", self.table.clone());
        line("key", self.key.as_ref().map(ToString::to_string));
        line("position", self.lsn.clone());
        line("change", self.change_lsn.clone());
        line("xid", self.xid.map(|xid| xid.to_string()));
        line(
            "transaction",
            self.transaction.as_ref().map(|block| {
                format!(
                    "{}, event {} of all, {} of the table",
                    block.id, block.total_order, block.data_collection_order
                )
            }),
        );
        line("snapshot", self.snapshot.clone());
        line("committed", self.committed_at.clone());
        line("processed", self.processed_at.clone());
        line("produced", self.produced_at.clone());
        line("key schema", self.key_schema.as_ref().map(SchemaUse::text));
        line("value schema", self.value_schema.as_ref().map(SchemaUse::text));
        line("checkpoint", self.checkpoint.as_ref().map(Covering::text));
        for header in &self.headers {
            let value = header.value.as_deref().unwrap_or("null");
            line("header", Some(format!("{}: {value}", header.name)));
        }
        for neighbour in &self.neighbours {
            let id = neighbour.id.as_deref().unwrap_or("-");
            line(
                "same position",
                Some(format!("{} ({}), {id}", neighbour.place, neighbour.content)),
            );
        }
        let more = match (self.not_listed, self.has_more) {
            (0, false) => None,
            (more, false) => Some(format!("{more} more records")),
            (more, true) => Some(format!("at least {more} more records")),
        };
        line("same position", more);
        lines
    }
}

fn content(record: &Record) -> &'static str {
    match &record.content {
        Content::Change(change) => change.operation.word(),
        Content::Tombstone => "tombstone",
        Content::DeadLetter(_) => "dead letter",
        Content::Event(event) => event_word(event),
        Content::Foreign { .. } => "foreign",
    }
}

fn event_word(event: &Row) -> &'static str {
    match event.has("message") {
        true => "message",
        false => "transaction metadata",
    }
}

/// Subject and version of a schema.
async fn schema(
    record: &Record,
    id: Option<SchemaId>,
    part: &str,
    decoder: &Decoder,
) -> Result<Option<SchemaUse>, TopicsError> {
    let Some(id) = id else { return Ok(None) };
    let subject = format!("{}-{part}", record.topic);
    let versions = decoder.versions(&subject).await?;
    let version = versions.iter().find(|version| version.id == id);
    Ok(Some(SchemaUse {
        id: id.as_u32(),
        version: version.map(|version| version.version),
        subject,
    }))
}

/// First known checkpoint after a position. The end of a transaction is after its commit record.
fn covering(log: &CheckpointLog, lsn: Lsn) -> Option<Covering> {
    let is_after = |checkpoint: &&Checkpoint| checkpoint.end_lsn > lsn;
    let known = log.history.values().chain(&log.current);
    let checkpoint = known
        .filter(is_after)
        .min_by_key(|checkpoint| checkpoint.end_lsn)?;
    Some(Covering {
        end_lsn: checkpoint.end_lsn.to_string(),
        written_at: time_text(Some(checkpoint.written_at_unix_micros)),
        is_current: log
            .current
            .as_ref()
            .is_some_and(|current| current.end_lsn == checkpoint.end_lsn),
    })
}

impl SchemaUse {
    fn text(&self) -> String {
        match self.version {
            Some(version) => format!("{}, version {version} of {}", self.id, self.subject),
            None => format!("{}, not a version of {}", self.id, self.subject),
        }
    }
}

impl Covering {
    fn text(&self) -> String {
        let current = if self.is_current { " (current)" } else { "" };
        format!("{}, written at {}{current}", self.end_lsn, self.written_at)
    }
}

impl Neighbour {
    fn of(record: &Record) -> Self {
        Self {
            place: record.place(),
            id: record.id.map(|id| id.to_string()),
            content: content(record),
        }
    }
}
