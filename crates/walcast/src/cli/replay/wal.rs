//! Replay from WAL: a window is read from a temporary copy of a slot, and encoded again.

use std::collections::HashMap;
use std::sync::Arc;

use tracing::debug;
use walcast_delivery::ReplayTopic;
use walcast_delivery::{
    ChangeStream, CheckpointLog, CommitPosition, Describe, ReplayPlace, ReplayPorts, ReplayTarget, WalWindow,
    WindowEnded, WindowReplay, replay_window,
};
use walcast_kafka::{KafkaTopics, Registry};
use walcast_pgoutput::Lsn;
use walcast_postgres::CopiedSlot;

use super::args::StartArgs;
use super::retained::RetainedSlot;
use crate::cli::delivered;
use crate::config::Config;
use crate::exit::Rejection;
use crate::remedy::describe;

/// Size at which records are sent. A transaction is open only while they are, since consumers of its topics wait for its end.
const BATCH_BYTES: usize = 2 * 1024 * 1024;

/// Part of a window that is left to be read.
pub(super) struct WalPart {
    pub(super) window: WalWindow,
    pub(super) place: ReplayPlace,
    /// Time of processing that the records carry: that of the first start, so that a resumed replay sends the same bytes.
    pub(super) processed_at_unix_micros: i64,
}

/// Copies a slot, and begins the stream of what is left of a window: from `place`, or from the position of the copy, if only transactions
/// before `left` lie in between.
///
/// # Errors
/// The slot cannot be copied, or it has moved beyond what is left since it was looked up, as the slot of a running connector does.
pub(super) async fn open(
    config: &Config,
    slot: &RetainedSlot,
    place: ReplayPlace,
    left: Lsn,
) -> anyhow::Result<CopiedSlot> {
    let copy = CopiedSlot::open(&config.postgres, &slot.slot, place.until).await?;
    let begins_at = copy.begins_at();
    if begins_at > left {
        return Err(Rejection::Request(format!(
            "{} has moved to {begins_at} meanwhile, and no longer retains the WAL from {left}; start again, or keep a position with walcast \
             bookmark create",
            slot.text()
        ))
        .into());
    }
    Ok(copy)
}

/// Reads a part of WAL from a copy of a slot, and sends it to a target.
///
/// # Errors
/// The stream, the registry or the target fails, or a change cannot be mapped as it was when it was delivered.
pub(super) async fn read(
    config: &Config,
    args: &StartArgs,
    log: CheckpointLog,
    part: WalPart,
    mut copy: CopiedSlot,
    target: &mut impl ReplayTarget,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<WindowEnded> {
    let registry = config.registry.clone().map(|mut registry| {
        registry.auto_register = false;
        Registry::new(&registry)
    });
    let ports = ReplayPorts {
        catalog: copy.catalog(),
        topics: KafkaTopics::new(config.kafka.clone())?,
        registry: registry.transpose()?,
    };
    let selected = (!args.tables.is_empty()).then(|| {
        let tables = delivered::delivered_tables(config, &log, &args.tables);
        tables.into_iter().collect()
    });
    let replay = WindowReplay {
        window: part.window,
        place: part.place,
        tables: selected,
        mapper: &config.mapper,
        dead_letters: &config.delivery.dead_letters,
        on_incompatible: config.delivery.on_incompatible,
        schemas: log.schemas,
        batch_bytes: BATCH_BYTES,
        processed_at_unix_nanos: part.processed_at_unix_micros.saturating_mul(1_000),
        describe: Describe::by(describe),
    };
    let ended = Box::pin(replay_window(&mut copy, ports, replay, target, stop)).await?;
    // The copy of the slot ends with the connection, however that ends.
    if let Err(error) = copy.stop().await {
        debug!(%error, "the stream did not end cleanly");
    }
    Ok(ended)
}

/// Place at the position of a slot, with the transaction before it: that of the checkpoint at this position, or the one before the window
/// if it ended before the position.
pub(super) fn first_place(
    log: &CheckpointLog,
    position: Lsn,
    previous_commit_end: Option<Lsn>,
) -> ReplayPlace {
    let current = log.current.as_ref().filter(|current| current.end_lsn == position);
    let known = current.or_else(|| log.history.get(&position));
    let place = ReplayPlace::at(position);
    match known.filter(|known| known.last_commit.is_some()) {
        Some(known) => ReplayPlace {
            last_commit: known.last_commit,
            last_message: known.last_message,
            ..place
        },
        None => ReplayPlace {
            last_commit: previous_commit_end
                .filter(|end| *end <= position)
                .map(|end| CommitPosition::ended_at(end, None)),
            ..place
        },
    }
}

/// Target of each topic, with its number.
pub(super) struct Targets(HashMap<String, (usize, Arc<str>)>);

impl Targets {
    pub(super) fn of(topics: &[ReplayTopic]) -> Self {
        let topics = topics.iter().enumerate();
        Self(
            topics
                .map(|(number, topic)| (topic.topic.clone(), (number, Arc::from(topic.target.as_str()))))
                .collect(),
        )
    }

    /// Number and target of a topic; `None` if the topic is not replayed.
    pub(super) fn of_topic(&self, topic: &str) -> Option<(usize, Arc<str>)> {
        let (number, target) = self.0.get(topic)?;
        Some((*number, Arc::clone(target)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transaction_before_a_slot_is_the_one_before_the_window_if_it_ended_there() {
        let log = CheckpointLog::default();
        let previous = |end: u64| {
            let place = first_place(&log, Lsn::new(0x100), Some(Lsn::new(end)));
            place.last_commit.map(|commit| commit.end_lsn)
        };
        assert_eq!(previous(0x80), Some(Lsn::new(0x80)));
        assert_eq!(previous(0x100), Some(Lsn::new(0x100)));
        // Another transaction ended between the slot and the record.
        assert_eq!(previous(0x101), None);
        assert_eq!(first_place(&log, Lsn::new(7), None), ReplayPlace::at(Lsn::new(7)));
    }
}
