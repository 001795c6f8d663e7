//! Dry run of a replay from WAL: the records are encoded and counted, and nothing is written.

use walcast_delivery::ReplayTopic;
use walcast_delivery::{BoxedPortError, ReplayPlace, ReplayTarget, WalWindow};
use walcast_kafka::RecordCopy;
use walcast_mapper::RecordBuffer;

use super::args::StartArgs;
use super::plan::Plan;
use super::retained::RetainedSlot;
use super::wal::{self, Targets, WalPart};
use crate::cli::read_progress::ReadProgress;
use crate::config::Config;

/// Number and bytes of the records of each topic, in the order of the plan.
pub(super) struct WalCounted {
    targets: Targets,
    name: String,
    progress: ReadProgress,
    pub(super) topics: Vec<(u64, u64)>,
}

impl WalCounted {
    /// Counts the records of a planned window.
    pub(super) async fn of(
        config: &Config,
        args: &StartArgs,
        plan: &Plan,
        slot: &RetainedSlot,
        window: WalWindow,
    ) -> anyhow::Result<Self> {
        let replay = plan.replay(args);
        let topics: &[ReplayTopic] = &replay.topics;
        let mut counted = Self {
            targets: Targets::of(topics),
            name: replay.name.clone(),
            progress: ReadProgress::new("dry run".to_owned())?,
            topics: vec![(0, 0); topics.len()],
        };
        let part = WalPart {
            window,
            place: wal::first_place(&plan.log, slot.position, None),
            processed_at_unix_micros: replay.created_at_unix_micros,
        };
        let copy = wal::open(config, slot, part.place, window.from).await?;
        let never = std::future::pending();
        let log = plan.log.clone();
        Box::pin(wal::read(config, args, log, part, copy, &mut counted, never)).await?;
        Ok(counted)
    }
}

impl ReplayTarget for WalCounted {
    async fn send(&mut self, records: &RecordBuffer, _: ReplayPlace, _: bool) -> Result<(), BoxedPortError> {
        for record in records.records() {
            self.progress.count();
            let Some((number, target)) = self.targets.of_topic(record.topic) else {
                continue;
            };
            if let Some((count, bytes)) = self.topics.get_mut(number) {
                *count += 1;
                *bytes += RecordCopy::encoded(&record, target, &self.name).bytes() as u64;
            }
        }
        Ok(())
    }
}
