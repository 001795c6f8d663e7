//! Clients that read consumer groups.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::BaseConsumer;

use crate::config::KafkaConfig;
use crate::error::KafkaError;
use crate::events::Events;

/// Description of the operation, for errors.
pub(super) const DOING: &str = "reading consumer groups";

/// Time limit of one request.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Client with these settings, which connects in the background.
pub(super) fn client(
    config: &KafkaConfig,
    settings: ClientConfig,
    events: &Events,
) -> Result<BaseConsumer<Events>, KafkaError> {
    settings
        .create_with_context(events.clone())
        .map_err(|error| KafkaError::ClientRejected {
            reason: config.properties.redact(&error.to_string()),
        })
}
