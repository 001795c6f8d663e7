//! Rows of outboxes that are polled.

use std::collections::HashMap;

use walcast_mapper::dead_letter::{DeadLetter, DeadLetterSource, UndeliverableEvent};
use walcast_mapper::{MapError, MapperConfig, Plan, ReadContext, RecordBuffer, TableMetadata, TableName};
use walcast_pgoutput::{Relation, Tuple};

use crate::encode::dead_letters::config::OnError;
use crate::encode::dead_letters::writer::DeadLetters;
use crate::encode::encode_error::EncodeError;
use crate::encode::owners::Owners;
use crate::encode::registrar::Registrar;
use crate::encode::tables::CatalogKey;
use crate::encode::tables::row_topics::{EventTopics, encode_binding_topics};
use crate::encode::tables::undeliverable::refresh_limits;
use crate::polling::claim::PolledTable;
use crate::ports::registry::SchemaRegistry;
use crate::ports::topics::Topics;
use crate::schema_history::completion::{Sources, complete};
use crate::state::outbox_topics::OutboxTopics;

/// Encoding of the rows of one polled outbox.
pub(crate) struct PolledPlan {
    relation: Relation,
    key: CatalogKey,
    plan: Plan,
}

/// Encoder of a worker: makes the events that the stream would contain, by the same plans.
pub(crate) struct PolledEncoder<'a, T, R> {
    registrar: Registrar<'a, T, R>,
    config: &'a MapperConfig,
    dead_letters: DeadLetters<'a>,
    /// No table has a topic of its own.
    owners: Owners,
    event_topics: OutboxTopics,
}

impl<'a, T: Topics, R: SchemaRegistry> PolledEncoder<'a, T, R> {
    pub(crate) fn new(
        registrar: Registrar<'a, T, R>,
        config: &'a MapperConfig,
        dead_letters: DeadLetters<'a>,
    ) -> Self {
        Self {
            registrar,
            config,
            dead_letters,
            owners: Owners::default(),
            event_topics: OutboxTopics::default(),
        }
    }

    /// Makes the plan of an outbox. Its topics are bound when rows name them.
    pub(crate) fn plan(&self, table: &PolledTable) -> Result<PolledPlan, MapError> {
        let (relation, name) = (&table.relation, table.name());
        let sources = Sources {
            catalog: table.metadata.clone(),
            known: None,
            named_types: &HashMap::new(),
            types: &self.config.types,
            has_configured_key: self.config.keys.iter().any(|rule| rule.tables.matches(&name)),
        };
        let metadata: TableMetadata = complete(relation, sources)?;
        let mut plan = Plan::compile(relation, &metadata, self.config)?;
        if self.dead_letters.action(&name) == OnError::DeadLetter {
            plan.limit_new_topics();
        }
        Ok(PolledPlan {
            relation: relation.clone(),
            key: CatalogKey::from(&metadata),
            plan,
        })
    }

    /// Encodes a row, or writes a dead letter; true if the row is an event.
    pub(crate) async fn encode(
        &mut self,
        table: &mut PolledPlan,
        row: Tuple<'_>,
        context: &ReadContext,
        batch: &mut RecordBuffer,
    ) -> Result<bool, EncodeError> {
        let fault = match self.try_encode(&mut table.plan, row, context, batch).await {
            Ok(()) => return Ok(true),
            Err(fault) => fault,
        };
        let keeps = self.dead_letters.action(&TableName::from(&table.relation)) == OnError::DeadLetter;
        let rejection = fault.rejection(self.dead_letters.describe);
        let Some(rejection) = rejection.filter(|_| keeps) else {
            return Err(fault);
        };
        let letter = DeadLetter {
            relation: &table.relation,
            key_columns: &table.key.columns,
            has_unsent_key_columns: table.key.has_unsent,
            event: UndeliverableEvent::Read(row),
            source: DeadLetterSource::Read(*context),
            reason: rejection.reason,
            error: &rejection.error,
        };
        self.dead_letters
            .write(&mut self.registrar, &letter, batch)
            .await?;
        Ok(false)
    }

    async fn try_encode(
        &mut self,
        plan: &mut Plan,
        row: Tuple<'_>,
        context: &ReadContext,
        batch: &mut RecordBuffer,
    ) -> Result<(), EncodeError> {
        let event_topics = EventTopics {
            owners: &self.owners,
            dead_letters: &self.dead_letters,
            used: &self.event_topics,
            config: self.config,
        };
        let encoded = encode_binding_topics(&mut self.registrar, event_topics, plan, |plan| {
            plan.encode_read(row, context, batch)
        });
        match encoded.await? {
            Ok(()) => Ok(()),
            // The limits may have been raised since the topic was named for the first time.
            Err(error @ MapError::TooLarge { .. }) => {
                refresh_limits(&mut self.registrar, plan, error).await?;
                plan.encode_read(row, context, batch).map_err(EncodeError::Map)
            }
            Err(error) => Err(EncodeError::Map(error)),
        }
    }
}
