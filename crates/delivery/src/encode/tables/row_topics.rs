//! Topics that rows name.

use walcast_mapper::{MapError, Plan};

use crate::encode::registrar::Registrar;
use crate::error::DeliveryError;
use crate::ports::registry::SchemaRegistry;
use crate::ports::topics::Topics;

/// Encodes with a plan. When a row names a topic for the first time, the topic is created, the schemas are registered under its
/// subjects, and the plan encodes again: a change has several records, which may name several topics.
#[inline]
pub(super) async fn encode_binding_topics<T: Topics, R: SchemaRegistry>(
    registrar: &mut Registrar<'_, T, R>,
    plan: &mut Plan,
    mut encode: impl FnMut(&mut Plan) -> Result<(), MapError>,
) -> Result<Result<(), MapError>, DeliveryError> {
    loop {
        match encode(plan) {
            Err(MapError::UnknownTopic { topic }) => registrar.bind_topic(plan, &topic).await?,
            encoded => return Ok(encoded),
        }
    }
}
