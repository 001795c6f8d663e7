//! What a value holds: Debezium's envelope, the row alone, or a CloudEvent.

mod cloud_events;
mod flat;

pub(crate) use cloud_events::CloudEventsPlan;
pub(crate) use flat::FlatPlan;

use walcast_pgoutput::{Lsn, Xid};

use crate::connect::{ConnectSchema, Field};
use crate::encode::Scratch;
use crate::envelope::{Envelope, Op, Row, RowFault};
use crate::events::EventOrder;
use crate::format::Format;
use crate::read::EventContext;
use crate::serialization::Body;
use crate::{Encoding, MapperConfig, Shape, schema};

/// How the values of one relation are shaped.
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
    /// The plan, the schema of values, and how they are encoded.
    pub(crate) fn compile(
        namespace: &str,
        columns: Vec<Field>,
        config: &MapperConfig,
    ) -> (Self, ConnectSchema, Encoding) {
        match config.shape {
            Shape::Debezium => (Self::Debezium, schema::value(namespace, columns), config.value),
            Shape::Flat => {
                let plan = FlatPlan::new(&config.flat);
                let schema = plan.schema(namespace, columns);
                (Self::Flat(plan), schema, config.value)
            }
            Shape::CloudEvents => {
                let schema = cloud_events::data_schema(namespace, columns);
                let plan = CloudEventsPlan::new(&config.topic_prefix, config.value, &schema);
                // The event itself has no schema; its data may have one.
                (Self::CloudEvents(plan), schema, Encoding::Json)
            }
        }
    }
}

/// The value of one record, to be written in the format of its topic.
pub(crate) struct Value<'r, 'a> {
    pub(crate) shape: &'r ShapePlan,
    pub(crate) envelope: &'r Envelope,
    pub(crate) op: Op,
    pub(crate) before: Option<&'r Row<'a>>,
    pub(crate) after: Option<&'r Row<'a>>,
    pub(crate) context: &'r EventContext,
    /// Its place in its transaction, where transactions are told.
    pub(crate) order: Option<EventOrder>,
}

impl Value<'_, '_> {
    /// What the block `transaction` is made of.
    pub(crate) fn place_in_transaction(&self) -> Option<(Xid, Lsn, EventOrder)> {
        let origin = &self.context.origin;
        let (xid, order) = origin.xid.zip(self.order)?;
        Some((xid, origin.lsn, order))
    }
}

impl Body for Value<'_, '_> {
    #[inline]
    fn put<F: Format>(&self, scratch: &mut Scratch, out: &mut Vec<u8>) -> Result<(), RowFault> {
        match self.shape {
            ShapePlan::Debezium => self.envelope.put::<F>(self, scratch, out),
            ShapePlan::Flat(flat) => flat.put::<F>(self, scratch, out),
            ShapePlan::CloudEvents(event) => event.put::<F>(self, scratch, out),
        }
    }
}
