//! History of one row, as `walcast history` and `walcast blame` read it.

use walcast_kafka::KafkaError;
use walcast_mapper::TableName;
use walcast_mapper::pattern::TablePattern;
use walcast_topics::{Decoder, HistoryReader, KeyHistory, Note, TopicsError, TypedKey, Window, policy_note};

use super::delivered;
use super::read_progress::ReadProgress;
use crate::config::Config;
use crate::exit::{Rejection, UsageError};
use crate::printable::printable;

/// History of one row, with what it was read from.
pub(super) struct RowHistory {
    pub(super) table: String,
    pub(super) key: TypedKey,
    pub(super) topics: Vec<String>,
    pub(super) history: KeyHistory,
    decoder: Decoder,
}

/// Error for topics that cannot be opened: a table whose topic does not exist is a wrong argument.
fn topic_error(error: TopicsError, table: &TableName) -> anyhow::Error {
    match error {
        TopicsError::Kafka(KafkaError::UnknownTopic { topic }) => UsageError(format!(
            "topic {topic} does not exist, so no row of {table} was delivered; check the name of the table, and topic_prefix in [kafka]"
        ))
        .into(),
        other => other.into(),
    }
}

/// Property of the producer that chooses partitions.
const PARTITIONER: &str = "partitioner";

impl RowHistory {
    /// Reads the history of a row from the topics of its table.
    pub(super) async fn read(
        config: &Config,
        table: &TablePattern,
        key: TypedKey,
        window: Window,
    ) -> anyhow::Result<Self> {
        let table = delivered::table(table)?;
        if config.mapper.sends_events(&table) {
            return Err(UsageError(format!(
                "{table} is an outbox or event store, whose rows are events in the topics that they name: it has no topic with the history of a row"
            ))
            .into());
        }
        let mut decoder = delivered::decoder(config, Some(&table))?;
        let topics = delivered::topics(config, &table)
            .await
            .map_err(|error| topic_error(error, &table))?;
        let names: Vec<String> = topics.iter().map(|topic| topic.name().to_string()).collect();
        let doing = printable(&format!("{table} {key}")).into_owned();
        let mut progress = ReadProgress::new(doing)?;
        let mut count = || progress.count();
        let partitioner = config.kafka.properties.value(PARTITIONER);
        let reader = HistoryReader::new(&topics, &mut decoder, partitioner, window, &mut count).await?;
        let mut history = reader.read(&key).await?;
        for name in &names {
            history.notes.extend(policy_note(&config.kafka, name).await?);
        }
        Ok(Self {
            table: table.to_string(),
            key,
            topics: names,
            history,
            decoder,
        })
    }

    /// Field of the key that identifies the table in a shared topic.
    pub(super) fn ignored(&self) -> Option<&str> {
        self.decoder.settings().table_key_field()
    }

    /// Error for a key without any record.
    pub(super) fn not_found(&self) -> Rejection {
        Rejection::NoRecord {
            row: format!("{} {}", self.table, self.key),
            topics: self.topics.join(", "),
        }
    }

    /// Notes, as lines.
    pub(super) fn notes(&self) -> impl Iterator<Item = String> {
        self.history.notes.iter().map(|note| format!("note: {note}"))
    }

    /// Whether no change that was written to the topics can be missing.
    pub(super) fn is_complete(&self) -> bool {
        !self.history.notes.iter().any(Note::is_incomplete)
    }
}
