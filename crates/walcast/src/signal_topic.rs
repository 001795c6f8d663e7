//! Signals that come through a topic of Kafka, one after the other.

use std::time::Duration;

use tracing::{debug, info, warn};
use walcast_delivery::{SnapshotControl, SnapshotUnanswered};
use walcast_kafka::{KafkaError, SignalTopic};

/// How long a topic that cannot be read, or is not there yet, is left alone.
const PAUSE: Duration = Duration::from_secs(5);

/// Why following a topic had to begin again.
#[derive(Debug, thiserror::Error)]
enum Interrupted {
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    #[error(transparent)]
    Unanswered(#[from] SnapshotUnanswered),
}

/// Hands every record with our key to the connector, which carries each out once. Never ends.
pub(crate) async fn follow(topic: SignalTopic, key: String, control: SnapshotControl) {
    loop {
        match try_follow(&topic, &key, &control).await {
            Interrupted::Kafka(error) => {
                warn!(%error, "signals cannot be read, trying again");
                tokio::time::sleep(PAUSE).await;
            }
            // The stream is begun anew meanwhile, and takes requests again then.
            Interrupted::Unanswered(error) => debug!(%error, "a signal was not stored"),
        }
    }
}

async fn try_follow(topic: &SignalTopic, key: &str, control: &SnapshotControl) -> Interrupted {
    let outcome: Result<std::convert::Infallible, Interrupted> = async {
        // In a topic that is not there yet every record is one that comes after this moment.
        let end = topic.end().await?;
        let from = control.signals_from(end.unwrap_or(0)).await?;
        info!(offset = from, "listening for signals");
        if end.is_none() {
            info!("there is no signal topic yet");
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
