//! Writes dead letters into the batch, so that they lie in the Kafka transaction in which the change's records would.

use std::collections::HashSet;
use std::sync::Arc;

use tracing::{info, warn};
use walcast_mapper::{
    Batch, ChangeContext, DeadLetter, LetterPlace, LetterReason, MapperConfig, TableName, write_letter_done,
};

use super::{DeadLetterConfig, Refusal, RefusedChanges};
use crate::edge::{SchemaRegistry, Topics};
use crate::registrar::Registrar;
use crate::{DeadLetterLabels, DeliveryError, Metrics};

/// The dead letters of one session.
pub(crate) struct DeadLetters<'a> {
    config: &'a DeadLetterConfig,
    mapper: &'a MapperConfig,
    metrics: &'a Metrics,
    refused: &'a RefusedChanges,
    topic: Arc<str>,
    /// How large a letter may be; `None` before the first, when nothing was asked of Kafka.
    bytes_max: Option<usize>,
    /// What was told of which table: once, then it is counted.
    told: HashSet<(TableName, LetterReason)>,
}

impl<'a> DeadLetters<'a> {
    pub(crate) fn new(
        config: &'a DeadLetterConfig,
        mapper: &'a MapperConfig,
        metrics: &'a Metrics,
        refused: &'a RefusedChanges,
    ) -> Self {
        Self {
            config,
            mapper,
            metrics,
            refused,
            topic: config.topic.as_str().into(),
            bytes_max: None,
            told: HashSet::new(),
        }
    }

    /// Whether changes of a table that cannot be delivered become dead letters.
    pub(crate) fn keep(&self, table: &TableName) -> bool {
        self.config.keeps(table)
    }

    /// Why a change is not tried again: Kafka did not take its record in an earlier session.
    #[inline]
    pub(crate) fn refusal(&self, context: &ChangeContext) -> Option<Refusal> {
        let is_refused = self.refused.contain(context.commit_lsn, context.ordinal);
        is_refused.then(|| Refusal::by_kafka(self.refused.error()))
    }

    /// Writes the letter of a change.
    pub(crate) async fn write<T: Topics, R: SchemaRegistry>(
        &mut self,
        registrar: &mut Registrar<'_, T, R>,
        letter: &DeadLetter<'_>,
        batch: &mut Batch,
    ) -> Result<(), DeliveryError> {
        let bytes_max = match self.bytes_max {
            Some(bytes_max) => bytes_max,
            None => {
                registrar.ensure_dead_letters(&self.topic).await?;
                registrar.limits(&self.topic).await?.taken
            }
        };
        self.bytes_max = Some(bytes_max);
        letter.write(&self.topic, &self.config.connector, self.mapper, bytes_max, batch);
        self.tell(letter);
        Ok(())
    }

    /// Takes letters off the list, by what they have in header `walcast.id`: their rows were read.
    pub(crate) async fn take_off<T: Topics, R: SchemaRegistry>(
        &mut self,
        registrar: &mut Registrar<'_, T, R>,
        letters: &[String],
        batch: &mut Batch,
    ) -> Result<(), DeliveryError> {
        if letters.is_empty() {
            return Ok(());
        }
        registrar.ensure_dead_letters(&self.topic).await?;
        for id in letters {
            write_letter_done(&self.topic, &self.config.connector, id, batch);
        }
        info!(
            letters = letters.len(),
            topic = %self.topic,
            "dead letters are taken off the list: their rows were read"
        );
        Ok(())
    }

    fn tell(&mut self, letter: &DeadLetter<'_>) {
        let table = TableName::from(letter.relation);
        let labels = DeadLetterLabels {
            table: table.to_string(),
            reason: letter.reason.as_str(),
        };
        self.metrics.dead_letters.get_or_create(&labels).inc();
        if self.told.insert((table, letter.reason)) {
            let lsn = match &letter.place {
                LetterPlace::Change { context, .. } => context.lsn,
                LetterPlace::Read(context) => context.lsn,
            };
            warn!(
                relation = labels.table,
                reason = labels.reason,
                topic = %self.topic,
                %lsn,
                error = letter.error,
                "a change cannot be delivered and is kept as a dead letter; further ones of this table are counted, see walcast dlq list"
            );
        }
    }
}
