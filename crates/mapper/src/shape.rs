//! Shapes of values: Debezium's envelope, the row alone, or a CloudEvent.

mod cloud_events;
mod flat;

pub(crate) use cloud_events::CloudEventsPlan;
pub(crate) use flat::FlatPlan;

use crate::config::{Encoding, MapperConfig, Shape};
use crate::connect::{ConnectSchema, Field};
use crate::encode::Scratch;
use crate::envelope::Envelope;
use crate::format::Format;
use crate::row::RowError;
use crate::row_event::RowEvent;
use crate::schema;
use crate::serialization::Body;

/// Shape of the values of one relation.
#[derive(Debug)]
pub(crate) enum ShapePlan {
    /// Debezium's envelope.
    Debezium,
    /// The row alone.
    Flat(FlatPlan),
    /// A CloudEvent.
    CloudEvents(CloudEventsPlan),
}

impl ShapePlan {
    /// Compiles the plan, the schema of values, and their encoding.
    pub(crate) fn compile(
        namespace: &str,
        columns: Vec<Field>,
        config: &MapperConfig,
    ) -> (Self, ConnectSchema, Encoding) {
        match config.shape {
            Shape::Debezium => (
                Self::Debezium,
                schema::value(namespace, columns, config.debezium_version),
                config.value,
            ),
            Shape::Flat => {
                let plan = FlatPlan::new(&config.flat);
                let schema = plan.schema(namespace, columns);
                (Self::Flat(plan), schema, config.value)
            }
            Shape::CloudEvents => {
                let schema = cloud_events::data_schema(namespace, columns);
                let plan = CloudEventsPlan::new(&config.topic_prefix, config.value, &schema);
                // The event has no schema; its data may have one.
                (Self::CloudEvents(plan), schema, Encoding::Json)
            }
        }
    }
}

/// Value of one record, to be written in the format of its topic.
pub(crate) struct Value<'r, 'a> {
    pub(crate) shape: &'r ShapePlan,
    pub(crate) envelope: &'r Envelope,
    pub(crate) event: RowEvent<'r, 'a>,
}

impl Body for Value<'_, '_> {
    #[inline]
    fn put<F: Format>(&self, scratch: &mut Scratch, out: &mut Vec<u8>) -> Result<(), RowError> {
        match self.shape {
            ShapePlan::Debezium => self.envelope.put::<F>(&self.event, scratch, out),
            ShapePlan::Flat(plan) => plan.put::<F>(self.envelope, &self.event, scratch, out),
            ShapePlan::CloudEvents(plan) => plan.put::<F>(self.envelope, &self.event, scratch, out),
        }
    }
}
