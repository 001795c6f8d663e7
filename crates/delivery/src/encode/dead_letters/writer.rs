//! Writer of dead letters: puts them into the batch, so that they are in the Kafka transaction that the change's
//! records would be in.

use std::collections::HashSet;
use std::sync::Arc;

use tracing::{info, warn};
use walcast_mapper::dead_letter::{DeadLetter, DeadLetterReason, DeadLetterSource, write_tombstone};
use walcast_mapper::{ChangeContext, MapperConfig, RecordBuffer, TableName};
use walcast_pgoutput::PgTimestamp;

use crate::describe::Describe;
use crate::encode::dead_letters::config::{DeadLetterConfig, OnError};
use crate::encode::dead_letters::rejected_changes::RejectedChanges;
use crate::encode::registrar::Registrar;
use crate::encode::rejection::Rejection;
use crate::error::DeliveryError;
use crate::metrics::{DeadLetterLabels, Metrics};
use crate::ports::registry::SchemaRegistry;
use crate::ports::topics::Topics;
use crate::state::dead_letters::{DeadLettersState, SentDeadLetter};

/// Dead letters of one session.
pub(crate) struct DeadLetters<'a> {
    config: &'a DeadLetterConfig,
    mapper: &'a MapperConfig,
    metrics: &'a Metrics,
    rejected: &'a RejectedChanges,
    topic: Arc<str>,
    /// Maximum size of a dead letter; `None` before the first one, when Kafka has not been queried.
    bytes_max: Option<usize>,
    /// Tables and reasons that were logged: the first dead letter is logged, further ones are counted.
    logged: HashSet<(TableName, DeadLetterReason)>,
    /// How the errors in dead letters are described.
    pub(crate) describe: Describe,
    /// The last dead letters, for observers.
    sent: DeadLettersState,
}

/// Change that was kept as a dead letter, of which the first of a table and a reason is logged.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct KeptAsDeadLetter {
    /// Error of the change, as it is described in the dead letter.
    pub error: String,
}

impl<'a> DeadLetters<'a> {
    pub(crate) fn new(
        config: &'a DeadLetterConfig,
        mapper: &'a MapperConfig,
        metrics: &'a Metrics,
        rejected: &'a RejectedChanges,
        describe: Describe,
    ) -> Self {
        Self {
            config,
            mapper,
            metrics,
            rejected,
            topic: config.topic.as_str().into(),
            bytes_max: None,
            logged: HashSet::new(),
            describe,
            sent: DeadLettersState::default(),
        }
    }

    /// Has dead letters shown to observers.
    pub(crate) fn reporting_to(mut self, sent: DeadLettersState) -> Self {
        self.sent = sent;
        self
    }

    /// Action for undeliverable changes of a table.
    pub(crate) fn action(&self, table: &TableName) -> OnError {
        self.config.action(table)
    }

    /// Error with which Kafka rejected the topic of a table in an earlier session.
    pub(crate) fn rejected_topic(&self, topic: &str) -> Option<&str> {
        self.rejected.topic_error(topic)
    }

    /// Error with which Kafka refused a topic in an earlier session, whatever the settings with which topics are created.
    pub(crate) fn refused_topic(&self, topic: &str) -> Option<&str> {
        self.rejected.topic_refusal(topic)
    }

    /// Rejection of a change whose record Kafka rejected in an earlier session.
    #[inline]
    pub(crate) fn rejection(&self, context: &ChangeContext<'_>) -> Option<Rejection> {
        let reason = self.rejected.reason(context.commit_lsn, context.ordinal)?;
        Some(Rejection::by_kafka(reason, self.rejected.error()))
    }

    /// Writes the dead letter of a change.
    pub(crate) async fn write<T: Topics, R: SchemaRegistry>(
        &mut self,
        registrar: &mut Registrar<'_, T, R>,
        dead_letter: &DeadLetter<'_>,
        batch: &mut RecordBuffer,
    ) -> Result<(), DeliveryError> {
        let bytes_max = match self.bytes_max {
            Some(bytes_max) => bytes_max,
            None => {
                registrar.ensure_dead_letters(&self.topic).await?;
                registrar.limits(&self.topic).await?.taken
            }
        };
        self.bytes_max = Some(bytes_max);
        dead_letter.write(&self.topic, &self.config.connector, self.mapper, bytes_max, batch);
        self.report(dead_letter);
        Ok(())
    }

    /// Writes tombstones of dead letters, given by the value of their `walcast.id` header, whose rows were read.
    pub(crate) async fn resolve<T: Topics, R: SchemaRegistry>(
        &mut self,
        registrar: &mut Registrar<'_, T, R>,
        letters: &[String],
        batch: &mut RecordBuffer,
    ) -> Result<(), DeliveryError> {
        if letters.is_empty() {
            return Ok(());
        }
        registrar.ensure_dead_letters(&self.topic).await?;
        for id in letters {
            write_tombstone(&self.topic, &self.config.connector, id, batch);
        }
        info!(
            letters = letters.len(),
            topic = %self.topic,
            "dead letters resolved: their rows were read"
        );
        Ok(())
    }

    fn report(&mut self, dead_letter: &DeadLetter<'_>) {
        let table = TableName::from(dead_letter.relation);
        let labels = DeadLetterLabels {
            table: table.to_string(),
            reason: dead_letter.reason.as_str(),
        };
        self.metrics.dead_letters.get_or_create(&labels).inc();
        self.sent.add(SentDeadLetter {
            id: dead_letter.id(),
            table: labels.table.clone(),
            reason: labels.reason,
            commit_lsn: match &dead_letter.source {
                DeadLetterSource::Change { context, .. } => context.commit_lsn,
                DeadLetterSource::Read(context) => context.lsn,
            },
            seen: PgTimestamp::now(),
        });
        if self.logged.insert((table, dead_letter.reason)) {
            let lsn = match &dead_letter.source {
                DeadLetterSource::Change { context, .. } => context.lsn,
                DeadLetterSource::Read(context) => context.lsn,
            };
            let kept = KeptAsDeadLetter {
                error: dead_letter.error.to_owned(),
            };
            warn!(
                relation = labels.table,
                reason = labels.reason,
                topic = %self.topic,
                %lsn,
                error = self.describe.error(&kept),
                "change cannot be delivered and is kept as a dead letter; further dead letters of this table are only counted"
            );
        }
    }
}
