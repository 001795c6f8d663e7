//! The wait until the checkpoint of the connector covers a position.

use std::time::{Duration, Instant};

use tracing::info;
use walcast_delivery::{Checkpoint, CheckpointLog, CheckpointStore, SourceState};
use walcast_kafka::KafkaCheckpointStore;
use walcast_pgoutput::Lsn;

/// Interval between two looks at the checkpoint.
const INTERVAL: Duration = Duration::from_millis(250);

/// Interval of the lines about the wait.
const REPORT: Duration = Duration::from_secs(10);

/// Outcome of the wait.
pub(super) enum Fence {
    /// Every transaction before the position is in Kafka.
    Reached(Box<CheckpointLog>),
    /// It is not; the reason and the way on.
    Behind(String),
}

/// Waits until the checkpoint covers `lsn`, a position of the source.
pub(super) async fn wait(
    checkpoints: &KafkaCheckpointStore,
    source: &SourceState,
    lsn: Lsn,
    limit: Duration,
) -> anyhow::Result<Fence> {
    let began = Instant::now();
    let (mut first, mut reported) = (None, began);
    loop {
        let log = checkpoints.peek().await?;
        let Some(current) = &log.current else {
            return Ok(Fence::Behind(
                "the connector has no checkpoint: it has never run, or its checkpoint was deleted; start it with walcast run"
                    .to_owned(),
            ));
        };
        // Positions of two clusters cannot be compared.
        if current.system_identifier != source.system_identifier {
            return Ok(Fence::Behind(format!(
                "the checkpoint of the connector belongs to the cluster with the system identifier {}, and the source has {}; \
                 see what walcast check says",
                current.system_identifier, source.system_identifier
            )));
        }
        // A promoted server reuses positions behind the switch for other WAL.
        let is_of_timeline = current.timeline == source.timeline;
        if is_of_timeline && current.end_lsn >= lsn {
            return Ok(Fence::Reached(Box::new(log)));
        }
        let first = *first.get_or_insert(current.end_lsn);
        if began.elapsed() >= limit {
            return Ok(Fence::Behind(behind(current, first, lsn, limit)));
        }
        if reported.elapsed() >= REPORT {
            reported = Instant::now();
            info!(
                checkpoint = %current.end_lsn,
                position = %lsn,
                bytes = lsn.as_u64().saturating_sub(current.end_lsn.as_u64()),
                "waiting until the checkpoint of the connector covers the position"
            );
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

fn behind(current: &Checkpoint, first: Lsn, lsn: Lsn, limit: Duration) -> String {
    let seconds = limit.as_secs();
    if current.end_lsn >= lsn {
        return format!(
            "after {seconds} s the checkpoint of the connector is still of timeline {}, and the source is on another one; \
             start the connector with walcast run, or see what walcast check says",
            current.timeline.as_u32()
        );
    }
    let way_on = match current.end_lsn > first {
        true => "the connector is behind and advances: give it more time with --wait",
        false => {
            "the checkpoint does not advance: start the connector with walcast run, or see why it does not deliver (walcast check, /status)"
        }
    };
    format!(
        "after {seconds} s the checkpoint of the connector is at {}, before the position {lsn}; {way_on}",
        current.end_lsn
    )
}
