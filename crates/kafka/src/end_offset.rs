//! End of a partition.

use std::time::Duration;

use rdkafka::consumer::{Consumer, ConsumerContext};
use rdkafka::error::KafkaError as ClientError;

use crate::error_class::ErrorClass;

/// Time limit of one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Offset after the last record that a consumer sees; `None` when the topic does not exist.
pub(crate) fn end_offset<C: ConsumerContext>(
    consumer: &impl Consumer<C>,
    topic: &str,
    partition: i32,
) -> Result<Option<i64>, ClientError> {
    match consumer.fetch_watermarks(topic, partition, REQUEST_TIMEOUT) {
        Ok((_, end)) => Ok(Some(end)),
        Err(error)
            if error
                .rdkafka_error_code()
                .is_some_and(|code| ErrorClass::of(code) == ErrorClass::UnknownTopic) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
