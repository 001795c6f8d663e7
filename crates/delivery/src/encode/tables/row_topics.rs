//! Topics that rows name.

use walcast_mapper::{MapError, MapperConfig, Plan};

use crate::encode::dead_letters::config::OnError;
use crate::encode::dead_letters::writer::DeadLetters;
use crate::encode::encode_error::EncodeError;
use crate::encode::owners::Owners;
use crate::encode::registrar::Registrar;
use crate::error::DeliveryError;
use crate::port_error::Detail;
use crate::ports::registry::SchemaRegistry;
use crate::ports::topics::Topics;
use crate::state::outbox_topics::OutboxTopics;

/// What decides whether the events of an outbox may be sent to a topic that a row names.
#[derive(Clone, Copy)]
pub(super) struct EventTopics<'r, 'a> {
    pub(super) owners: &'r Owners,
    pub(super) dead_letters: &'r DeadLetters<'a>,
    /// Topics to which events were sent.
    pub(super) used: &'r OutboxTopics,
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
        let dead_letters = self.dead_letters;
        match dead_letters.action(plan.table()) {
            OnError::Halt => Ok(()),
            OnError::DeadLetter => match dead_letters.refused_topic(topic) {
                Some(error) => Err(EncodeError::RefusedTopic(error.to_owned())),
                None => Ok(()),
            },
            OnError::Quarantine => match dead_letters.rejected_topic(topic) {
                Some(error) => Err(EncodeError::RejectedTopic(error.to_owned())),
                None => Ok(()),
            },
        }
    }

    /// Error of a topic that cannot be used. A topic that Kafka refuses is an error of the row that names it, where the table has dead
    /// letters: another role may write rows with names of its choice, and they must not stop the other events.
    fn explain(&self, plan: &Plan, error: DeliveryError) -> EncodeError {
        let is_refused = matches!(
            error.detail(),
            Some(Detail::TopicUnusable { is_refused: true, .. })
        );
        match is_refused && self.dead_letters.action(plan.table()) == OnError::DeadLetter {
            true => EncodeError::RefusedTopic(self.dead_letters.describe.error(&error)),
            false => EncodeError::Edge(error),
        }
    }
}

/// Rejects a topic that would keep the last event of each stream only.
async fn check_keeps_events<T: Topics, R: SchemaRegistry>(
    registrar: &mut Registrar<'_, T, R>,
    event_topics: EventTopics<'_, '_>,
    plan: &Plan,
    topic: &str,
) -> Result<(), EncodeError> {
    let ensured = registrar.ensure(topic).await;
    ensured.map_err(|error| event_topics.explain(plan, error))?;
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
/// that its topic is not known to have, the plan encodes again if the topic has more partitions by now; when its payload does not fit the
/// schema of its type, it encodes again if the registry has a later one.
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
                    check_keeps_events(registrar, event_topics, plan, &topic).await?;
                }
                if let Err(error) = registrar.find_schema(plan).await? {
                    return Ok(Err(error));
                }
                let bound = registrar.bind_topic(plan, &topic).await;
                bound.map_err(|error| event_topics.explain(plan, error))?;
                if plan.outbox_updates().is_some() {
                    event_topics.used.add(&topic, plan.table());
                }
            }
            Err(error @ MapError::OutboxValue { .. }) if plan.lacks_partition() => {
                if !registrar.refresh_partitions(plan).await? {
                    return Ok(Err(error));
                }
            }
            // An application may write events of a later version as soon as it is registered.
            Err(error @ MapError::OutboxPayload { .. }) => {
                if !registrar.refresh_schema(plan).await? {
                    return Ok(Err(error));
                }
            }
            encoded => return Ok(encoded),
        }
    }
}
