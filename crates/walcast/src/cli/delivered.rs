//! Topics of the configuration, as the commands open them that read what was delivered.

use walcast_delivery::{CheckpointLog, OnIncompatible};
use walcast_kafka::{KafkaError, Registry};
use walcast_mapper::config::{MetadataField, Shape};
use walcast_mapper::pattern::TablePattern;
use walcast_mapper::{TableName, names};
use walcast_topics::{Decoder, FlatField, Settings, Topic, TopicsError};

use crate::config::Config;
use crate::exit::UsageError;

/// First version of a topic that takes the place of one whose subject rejects a schema.
const SECOND_VERSION: u32 = 2;

/// Decoder for the records of the configuration. `table`: the only table whose rows are read.
pub(super) fn decoder(config: &Config, table: Option<&TableName>) -> anyhow::Result<Decoder> {
    let registry = config.registry.as_ref().map(Registry::new).transpose()?;
    Ok(Decoder::new(registry, settings(config, table)))
}

fn settings(config: &Config, table: Option<&TableName>) -> Settings {
    let mapper = &config.mapper;
    let prefix = &mapper.flat.fields_prefix;
    Settings {
        placeholder: mapper.unavailable_value_placeholder.clone(),
        is_flat: mapper.shape == Shape::Flat,
        flat_fields: mapper
            .flat
            .fields
            .iter()
            .map(|field| flat_field(field, prefix))
            .collect(),
        table_key: table.and_then(|table| names::table_key(mapper, table)),
    }
}

/// A part that is configured with its block has the block in the name of its field; a suffix renames the field.
fn flat_field(field: &MetadataField, prefix: &str) -> FlatField {
    let written = field.written();
    let (part, name) = match written.split_once(':') {
        Some((part, name)) => (part, name.to_owned()),
        None => (written, written.replace('.', "_")),
    };
    FlatField {
        name: format!("{prefix}{name}"),
        part: part.to_owned(),
    }
}

/// The table that an argument names.
pub(super) fn table(pattern: &TablePattern) -> Result<TableName, UsageError> {
    pattern.literal().ok_or_else(|| {
        UsageError(format!(
            "{pattern} selects several tables; name one, as in public.orders"
        ))
    })
}

/// Topics with the records of a table: its topic, and those that follow it where a subject rejected a schema.
pub(super) async fn topics(config: &Config, table: &TableName) -> Result<Vec<Topic>, TopicsError> {
    let name = names::topic(&config.mapper, table);
    let mut topics = vec![Topic::open(&config.kafka, &name).await?];
    if config.delivery.on_incompatible == OnIncompatible::NewSubject {
        for version in SECOND_VERSION.. {
            match Topic::open(&config.kafka, &format!("{name}.v{version}")).await {
                Ok(topic) => topics.push(topic),
                Err(TopicsError::Kafka(KafkaError::UnknownTopic { .. })) => break,
                Err(error) => return Err(error),
            }
        }
    }
    Ok(topics)
}

/// Tables whose rows were delivered, by the schemas in the checkpoint, in the order of their names. Outboxes and event stores are left out: their rows are
/// events in the topics that they name.
pub(super) fn delivered_tables(
    config: &Config,
    log: &CheckpointLog,
    selected: &[TablePattern],
) -> Vec<TableName> {
    let tables = log.schemas.values().filter_map(|history| history.schemas.last());
    let mut tables: Vec<TableName> = tables
        .map(|schema| TableName::from(&schema.relation))
        .filter(|table| !config.mapper.sends_events(table))
        .filter(|table| selected.is_empty() || selected.iter().any(|pattern| pattern.matches(table)))
        .collect();
    tables.sort_unstable();
    tables.dedup();
    tables
}

/// Error for patterns that match no table whose rows were delivered.
pub(super) fn no_table(config: &Config, selected: &[TablePattern]) -> UsageError {
    UsageError(match selected {
        [] => format!(
            "{} has delivered no table yet; start it with: walcast run",
            config.name
        ),
        patterns => {
            let patterns: Vec<String> = patterns.iter().map(ToString::to_string).collect();
            format!(
                "no delivered table matches {}; the tables are in the checkpoint of {}",
                patterns.join(", "),
                config.name
            )
        }
    })
}

/// Topics of several tables, each once; tables without a topic are left out.
pub(super) async fn topics_of_all(config: &Config, tables: &[TableName]) -> Result<Vec<Topic>, TopicsError> {
    let mut all: Vec<Topic> = Vec::new();
    for table in tables {
        match topics(config, table).await {
            Ok(topics) => all.extend(topics),
            Err(TopicsError::Kafka(KafkaError::UnknownTopic { .. })) => {}
            Err(error) => return Err(error),
        }
    }
    all.sort_unstable_by(|one, other| one.name().cmp(other.name()));
    all.dedup_by(|one, other| one.name() == other.name());
    Ok(all)
}
