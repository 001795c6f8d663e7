//! Snapshots of streams, written while this instance leads.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, info, warn};
use walcast_delivery::{ConnectorState, Role};
use walcast_kafka::{KafkaError, StreamSnapshotError, StreamSnapshots};

use crate::remedy::describe;

/// Delay before the writer looks again whether this instance leads, or whether the topic exists.
const PAUSE: Duration = Duration::from_secs(1);

/// Delay after a first error. It doubles with each further one, because a new attempt reads all snapshots.
const PAUSE_AFTER_ERROR: Duration = Duration::from_secs(10);

/// Longest delay after an error; an attempt that lasted longer was no failure to begin.
const PAUSE_MAX: Duration = Duration::from_secs(300);

/// Writes the snapshots of a topic whenever this instance leads. Never returns: an error is logged, and ends no delivery.
pub(crate) async fn follow(snapshots: StreamSnapshots, state: ConnectorState) -> Infallible {
    let leads = || state.role.read().role == Role::Leader;
    let mut pause = PAUSE_AFTER_ERROR;
    let mut is_missing = false;
    loop {
        tokio::time::sleep(PAUSE).await;
        if !leads() {
            continue;
        }
        let begun = Instant::now();
        match Box::pin(snapshots.follow(leads)).await {
            Ok(()) => pause = PAUSE_AFTER_ERROR,
            // The first event creates the topic of events.
            Err(StreamSnapshotError::Kafka(KafkaError::UnknownTopic { topic })) if is_missing => {
                debug!(topic, "the topic does not exist yet");
            }
            Err(StreamSnapshotError::Kafka(KafkaError::UnknownTopic { topic })) => {
                is_missing = true;
                info!(topic, "snapshots of streams are written once the topic exists");
            }
            Err(error) => {
                snapshots.count_error();
                if begun.elapsed() > PAUSE_MAX {
                    pause = PAUSE_AFTER_ERROR;
                }
                warn!(
                    topic = snapshots.topic(),
                    error = describe(&error),
                    "snapshots of streams are not written; retrying"
                );
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
}
