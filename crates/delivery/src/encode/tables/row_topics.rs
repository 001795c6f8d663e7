//! Topics that rows name.

use walcast_mapper::{MapError, MapperConfig, Plan};

use crate::encode::dead_letters::config::OnError;
use crate::encode::dead_letters::writer::DeadLetters;
use crate::encode::encode_error::EncodeError;
use crate::encode::owners::Owners;
use crate::encode::registrar::Registrar;
use crate::ports::registry::SchemaRegistry;
use crate::ports::topics::Topics;

/// What decides whether the events of an outbox may be sent to a topic that a row names.
#[derive(Clone, Copy)]
pub(super) struct EventTopics<'r, 'a> {
    pub(super) owners: &'r Owners,
    pub(super) dead_letters: &'r DeadLetters<'a>,
    pub(super) config: &'r MapperConfig,
}

impl EventTopics<'_, '_> {
    /// Checks a topic that the latest row of an outbox names for the first time.
    fn check(&self, plan: &Plan, topic: &str) -> Result<(), EncodeError> {
        let Some(refusal) = plan.names_topic_of_table() else {
            return Ok(());
        };
        // A role that may write rows of an outbox could otherwise write records of any table.
        if self.owners.holds_rows(topic, self.config) {
            return Err(EncodeError::Map(refusal));
        }
        if self.dead_letters.action(plan.table()) == OnError::Quarantine
            && let Some(error) = self.dead_letters.rejected_topic(topic)
        {
            return Err(EncodeError::RejectedTopic(error.to_owned()));
        }
        Ok(())
    }
}

/// Rejects a topic that would keep the last event of each stream only.
async fn check_keeps_events<T: Topics, R: SchemaRegistry>(
    registrar: &mut Registrar<'_, T, R>,
    plan: &Plan,
    topic: &str,
) -> Result<(), EncodeError> {
    registrar.ensure(topic).await?;
    match registrar.is_compacted(topic).await? {
        false => Ok(()),
        true => Err(EncodeError::Map(MapError::EventStoreCompacted {
            table: plan.table().clone(),
            topic: topic.to_owned(),
        })),
    }
}

/// Encodes with a plan. When a row names a topic for the first time, the topic is created, the schemas are registered under its
/// subjects, and the plan encodes again: a change has several records, which may name several topics. When a row names a partition
/// that its topic is not known to have, the plan encodes again if the topic has more partitions by now.
#[inline]
pub(super) async fn encode_binding_topics<T: Topics, R: SchemaRegistry>(
    registrar: &mut Registrar<'_, T, R>,
    event_topics: EventTopics<'_, '_>,
    plan: &mut Plan,
    mut encode: impl FnMut(&mut Plan) -> Result<(), MapError>,
) -> Result<Result<(), MapError>, EncodeError> {
    loop {
        match encode(plan) {
            Err(MapError::UnknownTopic { topic }) => {
                event_topics.check(plan, &topic)?;
                if plan.stream_rules().is_some() {
                    check_keeps_events(registrar, plan, &topic).await?;
                }
                registrar.bind_topic(plan, &topic).await?;
            }
            Err(error @ MapError::OutboxValue { .. }) if plan.lacks_partition() => {
                if !registrar.refresh_partitions(plan).await? {
                    return Ok(Err(error));
                }
            }
            encoded => return Ok(encoded),
        }
    }
}
