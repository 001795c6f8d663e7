//! Registrar: creates topics and registers schemas before the first record that needs them.

use tracing::warn;
use walcast_mapper::events::EventTopic;
use walcast_mapper::{MapError, Plan, RecordLimits, SchemaId, SchemaIds};

use crate::config::OnIncompatible;
use crate::error::DeliveryError;
use crate::port_error::Detail;
use crate::ports::registry::{LatestSchema, SchemaRegistry};
use crate::ports::topics::Topics;

/// Access to topics and schemas.
pub(crate) struct Registrar<'a, T, R> {
    topics: &'a mut T,
    registry: &'a mut R,
    on_incompatible: OnIncompatible,
}

/// Number of incompatible schema changes after which the registrar creates no further topic for a table.
const VERSIONS_MAX: u32 = 100;

impl<'a, T: Topics, R: SchemaRegistry> Registrar<'a, T, R> {
    pub(crate) fn new(topics: &'a mut T, registry: &'a mut R, on_incompatible: OnIncompatible) -> Self {
        Self {
            topics,
            registry,
            on_incompatible,
        }
    }

    /// Creates the topic of a plan and registers its schemas: under the subjects of its topic or, if so configured, of
    /// the first of `<topic>`, `<topic>.v2`, `<topic>.v3`, … whose subjects accept both. No state is needed: the
    /// registry accepts a schema again that it has, so every version of a table finds its topic again.
    pub(crate) async fn bind_plan(&mut self, plan: &mut Plan) -> Result<(), DeliveryError> {
        let topic = plan.topic().to_owned();
        let mut version = 1;
        loop {
            match self.try_bind_plan(plan).await {
                Ok(()) => return Ok(()),
                Err(error) if self.tries_next_topic_after(&error) && version < VERSIONS_MAX => {
                    version += 1;
                    let next = format!("{topic}.v{version}");
                    warn!(relation = %plan.table(), %error, topic = next, "schema is incompatible with the topic, trying the next topic");
                    plan.move_to(next);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn tries_next_topic_after(&self, error: &DeliveryError) -> bool {
        let is_incompatible = matches!(error, DeliveryError::Registry { fault, .. } if fault.detail() == Some(Detail::IncompatibleSchema));
        is_incompatible && self.on_incompatible == OnIncompatible::NewSubject
    }

    async fn try_bind_plan(&mut self, plan: &mut Plan) -> Result<(), DeliveryError> {
        self.ensure(plan.topic()).await?;
        let ids = self
            .ids(plan.topic(), plan.key_schema(), plan.value_schema())
            .await?;
        plan.bind(ids);
        Ok(())
    }

    /// Finds the schema of the registry that the topic to be bound needs, if it needs one. The error within is that of the row.
    pub(crate) async fn find_schema(
        &mut self,
        plan: &mut Plan,
    ) -> Result<Result<(), MapError>, DeliveryError> {
        let Some(subject) = plan.wanted_subject().map(str::to_owned) else {
            return Ok(Ok(()));
        };
        let latest = self.latest(&subject).await?;
        let latest = latest.as_ref().map(|latest| (latest.id, latest.schema.as_str()));
        Ok(plan.set_wanted_schema(latest))
    }

    /// Asks for a later version of the schema under which the payload of the latest row is written. True if there is one.
    pub(crate) async fn refresh_schema(&mut self, plan: &mut Plan) -> Result<bool, DeliveryError> {
        let Some((subject, known)) = plan.payload_schema() else {
            return Ok(false);
        };
        let subject = subject.to_owned();
        let Some(LatestSchema { id, schema }) = self.latest(&subject).await? else {
            return Ok(false);
        };
        Ok(id != known && plan.replace_payload_schema(id, &schema).is_ok())
    }

    async fn latest(&mut self, subject: &str) -> Result<Option<LatestSchema>, DeliveryError> {
        let latest = self.registry.latest(subject).await;
        latest.map_err(|fault| DeliveryError::Registry {
            subject: subject.to_owned(),
            fault,
        })
    }

    /// Creates a topic that a row names, and registers the schemas of the row's plan under the subjects of that topic.
    pub(crate) async fn bind_topic(&mut self, plan: &mut Plan, topic: &str) -> Result<(), DeliveryError> {
        self.ensure(topic).await?;
        let ids = self.ids(topic, plan.key_schema(), plan.value_schema()).await?;
        plan.bind_topic(topic, ids);
        if plan.limits_new_topics() {
            plan.limit(self.limits(topic).await?);
            if plan.names_partitions() {
                plan.set_partitions(self.partitions(topic).await?);
            }
        }
        Ok(())
    }

    /// Asks again how many partitions the topic has that the latest row of an outbox names. True if they are more than were known.
    pub(crate) async fn refresh_partitions(&mut self, plan: &mut Plan) -> Result<bool, DeliveryError> {
        let partitions = self.partitions(plan.limited_topic()).await?;
        let is_more = plan.partitions().is_some_and(|known| partitions > known);
        plan.set_partitions(partitions);
        Ok(is_more)
    }

    /// Creates the dead-letter topic.
    pub(crate) async fn ensure_dead_letters(&mut self, topic: &str) -> Result<(), DeliveryError> {
        let ensured = self.topics.ensure_dead_letters(topic).await;
        ensured.map_err(DeliveryError::Sink)
    }

    /// Current size limits of a topic's records.
    pub(crate) async fn limits(&mut self, topic: &str) -> Result<RecordLimits, DeliveryError> {
        self.topics.limits(topic).await.map_err(DeliveryError::Sink)
    }

    /// Whether a topic is compacted, and so takes no record without a key.
    pub(crate) async fn is_compacted(&mut self, topic: &str) -> Result<bool, DeliveryError> {
        self.topics.is_compacted(topic).await.map_err(DeliveryError::Sink)
    }

    /// Creates a topic of events and registers its schemas, once per session.
    pub(crate) async fn bind_events(&mut self, topic: &mut EventTopic) -> Result<(), DeliveryError> {
        if topic.is_bound() {
            return Ok(());
        }
        self.ensure(topic.name()).await?;
        let ids = self
            .ids(topic.name(), topic.key_schema(), topic.value_schema())
            .await?;
        topic.bind(ids);
        Ok(())
    }

    /// Registers the schemas of a topic, as far as the format has any.
    async fn ids(
        &mut self,
        topic: &str,
        key: Option<&str>,
        value: Option<&str>,
    ) -> Result<SchemaIds, DeliveryError> {
        let key = match key {
            Some(schema) => Some(self.register(topic, "key", schema).await?),
            None => None,
        };
        let value = match value {
            Some(schema) => Some(self.register(topic, "value", schema).await?),
            None => None,
        };
        Ok(SchemaIds { key, value })
    }

    async fn partitions(&mut self, topic: &str) -> Result<i32, DeliveryError> {
        self.topics.partitions(topic).await.map_err(DeliveryError::Sink)
    }

    /// Creates a topic if it is missing, or checks that it can be written.
    pub(crate) async fn ensure(&mut self, topic: &str) -> Result<(), DeliveryError> {
        self.topics.ensure(topic).await.map_err(DeliveryError::Sink)
    }

    async fn register(&mut self, topic: &str, part: &str, schema: &str) -> Result<SchemaId, DeliveryError> {
        let subject = format!("{topic}-{part}");
        let registered = self.registry.register(&subject, schema).await;
        registered.map_err(|fault| DeliveryError::Registry { subject, fault })
    }
}
