//! What the servers report for a record: each of them may be absent.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;

use serde::Deserialize;
use walcast_delivery::CheckpointStore;
use walcast_kafka::{Registry, RegistryConfig};
use walcast_mapper::config::Encoding;
use walcast_mapper::{TableName, names};

use crate::admin::TableReport;
use crate::cli::delivered;
use crate::cli::snapshot::ask::Admin;
use crate::config::Config;
use crate::remedy;
use crate::wiring;

/// Answers of the servers.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// Tables of which rows were delivered, by the checkpoint.
    pub(super) delivered: Option<Vec<TableName>>,
    /// The running connector.
    pub(super) connector: Option<Running>,
    /// Compatibility levels of the registry.
    pub(super) levels: Option<Levels>,
    /// What was not answered.
    pub(super) unanswered: Vec<Unanswered>,
}

/// Part of `/status`.
#[derive(Debug, Deserialize)]
pub(super) struct Running {
    pub(super) version: String,
    pub(super) tables: Vec<TableReport>,
}

/// Compatibility levels.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Levels {
    /// Level of subjects without one of their own; `None` if the registry reports none.
    pub(super) of_all: Option<String>,
    /// Levels of the subjects that have one.
    pub(super) own: BTreeMap<String, String>,
}

/// A question without an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unanswered {
    /// What was asked.
    pub(super) what: &'static str,
    /// What the record lacks.
    pub(super) lacks: &'static str,
    /// Why there is no answer.
    pub(super) reason: String,
}

const CHECKPOINT: (&str, &str) = ("the checkpoint", "the tables whose rows were delivered");
const CONNECTOR: (&str, &str) = (
    "the running connector",
    "its version, and tables that need attention",
);
const REGISTRY: (&str, &str) = ("the schema registry", "the compatibility levels");

impl Asked {
    /// Answers of a command that asks no server.
    pub(super) fn offline() -> Self {
        let mut asked = Self::default();
        for question in [CHECKPOINT, CONNECTOR, REGISTRY] {
            asked.unanswered(question, "--offline was given".to_owned());
        }
        asked
    }

    /// Asks every server; an error of one of them is a part of the answers.
    pub(super) async fn servers(config: &Config) -> Self {
        let mut asked = Self::default();
        asked.delivered = asked.answer(CHECKPOINT, tables(config)).await;
        asked.connector = asked.answer(CONNECTOR, running(config)).await;
        if let Some(registry) = &config.registry {
            let subjects = subjects(config, asked.delivered.as_deref().unwrap_or_default());
            asked.levels = asked.answer(REGISTRY, levels(registry, subjects)).await;
        }
        asked
    }

    async fn answer<T>(
        &mut self,
        question: (&'static str, &'static str),
        answer: impl Future<Output = anyhow::Result<T>>,
    ) -> Option<T> {
        match pin!(answer).await {
            Ok(answer) => Some(answer),
            Err(error) => {
                self.unanswered(question, remedy::describe(error.as_ref()));
                None
            }
        }
    }

    fn unanswered(&mut self, (what, lacks): (&'static str, &'static str), reason: String) {
        self.unanswered.push(Unanswered { what, lacks, reason });
    }
}

async fn tables(config: &Config) -> anyhow::Result<Vec<TableName>> {
    let log = wiring::checkpoints(config).peek().await?;
    Ok(delivered::delivered_tables(config, &log, &[]))
}

async fn running(config: &Config) -> anyhow::Result<Running> {
    Admin::new(config)?.status().await
}

/// Subjects of the topics of these tables.
fn subjects(config: &Config, tables: &[TableName]) -> Vec<String> {
    let parts = [(config.mapper.key, "key"), (config.mapper.value, "value")];
    let parts = parts
        .into_iter()
        .filter(|(encoding, _)| *encoding == Encoding::Avro);
    let parts: Vec<&str> = parts.map(|(_, part)| part).collect();
    let mut topics: Vec<String> = tables
        .iter()
        .map(|table| names::topic(&config.mapper, table))
        .collect();
    // Tables can share a topic.
    topics.sort_unstable();
    topics.dedup();
    let mut subjects = Vec::new();
    for topic in topics {
        subjects.extend(parts.iter().map(|part| format!("{topic}-{part}")));
    }
    subjects
}

async fn levels(config: &RegistryConfig, subjects: Vec<String>) -> anyhow::Result<Levels> {
    let registry = Registry::new(config)?;
    let levels = registry.compatibility_levels()?;
    let of_all = levels.of_all().await?;
    let mut own = BTreeMap::new();
    for subject in subjects {
        if let Some(level) = levels.of(&subject).await?
            && of_all.as_ref() != Some(&level)
        {
            own.insert(subject, level);
        }
    }
    Ok(Levels { of_all, own })
}
