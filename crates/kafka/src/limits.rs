//! How large a record of a topic may be.

use tracing::warn;
use walcast_mapper::RecordLimits;

use crate::cluster::Cluster;
use crate::{KafkaError, Properties, clients};

/// What the smallest request with one record holds beside key, value and headers: 61 bytes of its own, and the lengths and
/// distances of the record, one byte each at least.
const REQUEST_BYTES_MIN: usize = 68;

/// What it holds at most beside them and the names of a few headers.
const REQUEST_BYTES_MAX: usize = 512;

/// What a broker takes that was left as shipped, where it may not be asked.
const TOPIC_BYTES_SHIPPED: usize = 1_048_588;

/// Asks a topic's setting.
pub(crate) async fn ask(
    cluster: &Cluster,
    properties: &Properties,
    topic: &str,
) -> Result<RecordLimits, KafkaError> {
    let topic_bytes = match cluster.setting(topic, "max.message.bytes").await {
        Ok(setting) => setting.and_then(|bytes| bytes.parse().ok()),
        // Reading settings is a right of its own, which nothing else here needs.
        Err(error @ KafkaError::Unauthorized { .. }) => {
            warn!(topic, %error, "how large a record may be is not known before one is refused");
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
        // What is compressed may fit all the same.
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
    fn only_what_is_surely_refused_is_over_the_limits() {
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
