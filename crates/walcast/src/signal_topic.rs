//! Consumer of the signal topic: executes signals one after the other.

use std::time::Duration;

use tracing::{debug, info, warn};
use walcast_delivery::{SnapshotControl, SnapshotUnanswered};
use walcast_kafka::{KafkaError, SignalTopic};

use crate::remedy::describe;

/// Delay before a topic that cannot be read, or does not exist yet, is tried again.
const PAUSE: Duration = Duration::from_secs(5);

/// Reason for which consumption of the topic restarts.
#[derive(Debug, thiserror::Error)]
enum Interrupted {
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    #[error(transparent)]
    Unanswered(#[from] SnapshotUnanswered),
}

/// Passes every record with the given key to the connector, which executes each once. Never returns.
pub(crate) async fn follow(topic: SignalTopic, key: String, control: SnapshotControl) {
    loop {
        match try_follow(&topic, &key, &control).await {
            Interrupted::Kafka(error) => {
                warn!(error = describe(&error), "signals cannot be read; retrying");
                tokio::time::sleep(PAUSE).await;
            }
            // The stream is restarting, and accepts requests afterwards.
            Interrupted::Unanswered(error) => debug!(%error, "a signal was not stored"),
        }
    }
}

async fn try_follow(topic: &SignalTopic, key: &str, control: &SnapshotControl) -> Interrupted {
    let outcome: Result<std::convert::Infallible, Interrupted> = async {
        // In a topic that does not exist yet, every record is written after this moment.
        let end = topic.end().await?;
        let from = control.signals_from(end.unwrap_or(0)).await?;
        info!(offset = from, "listening for signals");
        if end.is_none() {
            info!("the signal topic does not exist yet");
            while topic.end().await?.is_none() {
                tokio::time::sleep(PAUSE).await;
            }
        }
        topic.read_from(from)?;
        loop {
            let record = topic.next().await?;
            if record.key.as_deref() == Some(key.as_bytes()) {
                let value = record.value.unwrap_or_default();
                control.signal(record.offset, &value).await?;
            }
        }
    }
    .await;
    match outcome {
        Ok(never) => match never {},
        Err(interrupted) => interrupted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reason_of_a_restart_has_the_text_of_its_cause() {
        let topic = KafkaError::UnknownTopic {
            topic: "signals".to_owned(),
        };
        let text = topic.to_string();
        assert_eq!(Interrupted::from(topic).to_string(), text);
        let lost = SnapshotUnanswered::Lost;
        let text = lost.to_string();
        assert_eq!(Interrupted::from(lost).to_string(), text);
    }
}
