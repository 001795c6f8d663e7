//! Size limits of the records of a topic.

use tracing::warn;
use walcast_mapper::RecordLimits;

use crate::clients;
use crate::cluster::Cluster;
use crate::error::KafkaError;
use crate::properties::KafkaProperties;

/// Least overhead of a request with one record beside key, value and headers: 61 bytes of the batch header, and the record's
/// lengths and deltas, at least one byte each.
const REQUEST_BYTES_MIN: usize = 68;

/// Largest overhead of such a request, with the names of a few headers.
const REQUEST_BYTES_MAX: usize = 512;

/// Default of `max.message.bytes`, used where the topic's settings may not be read.
const TOPIC_BYTES_SHIPPED: usize = 1_048_588;

/// Fetches the size limits of a topic.
pub(crate) async fn fetch(
    cluster: &Cluster,
    properties: &KafkaProperties,
    topic: &str,
) -> Result<RecordLimits, KafkaError> {
    let topic_bytes = match cluster.setting(topic, "max.message.bytes").await {
        Ok(setting) => setting.and_then(|bytes| bytes.parse().ok()),
        // DescribeConfigs is a separate permission, which nothing else here needs.
        Err(error @ KafkaError::Unauthorized { .. }) => {
            warn!(topic, %error, "the topic's max.message.bytes is unknown: a record above it is noticed only when the broker rejects it");
            None
        }
        Err(error) => return Err(error),
    };
    let producer = usize::try_from(clients::record_bytes_max(properties)).unwrap_or(usize::MAX);
    Ok(of(producer, topic_bytes, clients::compresses(properties)))
}

fn of(producer: usize, topic: Option<usize>, compresses: bool) -> RecordLimits {
    RecordLimits {
        key_and_value: producer,
        // A compressed record may fit in spite of its size.
        whole: topic
            .filter(|_| !compresses)
            .map_or(usize::MAX, |bytes| bytes.saturating_sub(REQUEST_BYTES_MIN)),
        taken: producer
            .min(topic.unwrap_or(TOPIC_BYTES_SHIPPED))
            .saturating_sub(REQUEST_BYTES_MAX),
    }
}

#[cfg(test)]
mod tests {
    use walcast_mapper::RecordLimits;

    use super::of;

    #[test]
    fn limits_are_exceeded_only_by_records_that_the_broker_rejects() {
        let limits = |key_and_value, whole, taken| RecordLimits {
            key_and_value,
            whole,
            taken,
        };
        assert_eq!(
            of(1_000_000, Some(20_000), false),
            limits(1_000_000, 19_932, 19_488)
        );
        assert_eq!(
            of(1_000_000, Some(20_000), true),
            limits(1_000_000, usize::MAX, 19_488)
        );
        assert_eq!(of(5_000, None, false), limits(5_000, usize::MAX, 4_488));
    }
}
