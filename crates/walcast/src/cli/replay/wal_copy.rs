//! Sending of a window of WAL: each batch in one Kafka transaction with the place behind it.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Context;
use jiff::Timestamp;
use tracing::{info, warn};
use walcast_delivery::{
    BoxedPortError, CheckpointLog, CheckpointStore, DeliveryError, Disposition, Feedback, PortError,
    ReplayEnded, ReplayPlace, ReplayState, ReplayTarget, WalStatus, WalWindow, WindowEnded,
};
use walcast_kafka::{RecordCopy, ReplaySink, StoredReplay, WalOrigin};
use walcast_mapper::RecordBuffer;
use walcast_pgoutput::Lsn;
use walcast_postgres::{CopiedFrom, ReplicationFeedback};

use super::args::StartArgs;
use super::progress_bar::ReplayBar;
use super::retained::{Retained, RetainedSlot};
use super::wal::{self, Targets, WalPart};
use crate::config::Config;
use crate::exit::Rejection;
use crate::wiring;

/// Sends a replay from WAL.
pub(super) struct WalCopier {
    sink: ReplaySink,
    /// Replay with the progress that is committed.
    stored: StoredReplay,
    targets: Targets,
    bar: ReplayBar,
    /// Slot that is copied, and handles to the copy; `None` before the start.
    copied: Option<Copied>,
    /// Reason for which the replay ended itself.
    ended_by: Option<Rejection>,
    /// Topics that are not replayed, of which records were left out.
    left_out: BTreeSet<String>,
}

struct Copied {
    slot: RetainedSlot,
    origin: CopiedFrom,
    feedback: ReplicationFeedback,
}

/// The slot that a replay copied is gone. The text is that of the rejection.
#[derive(Debug, thiserror::Error)]
#[error("the slot that the replay reads is gone")]
struct OriginGone;

impl PortError for OriginGone {
    fn disposition(&self) -> Disposition {
        Disposition::Stop
    }
}

impl WalCopier {
    pub(super) fn new(sink: ReplaySink, stored: StoredReplay) -> anyhow::Result<Self> {
        Ok(Self {
            sink,
            targets: Targets::of(&stored.replay.topics),
            bar: ReplayBar::new(&stored.replay, &stored.progress)?,
            stored,
            copied: None,
            ended_by: None,
            left_out: BTreeSet::new(),
        })
    }

    /// Replay with the progress that is committed.
    pub(super) fn into_stored(self) -> StoredReplay {
        self.stored
    }

    /// Sends until the end of the window, or until `stop` ends. A copy of a slot ends with its connection, so that each start makes one:
    /// of the slot that retains the least of what is left.
    pub(super) async fn run(
        &mut self,
        config: &Config,
        args: &StartArgs,
        from: Lsn,
        stop: impl Future<Output = ()>,
    ) -> anyhow::Result<ReplayEnded> {
        let origin = self.stored.replay.wal.clone();
        let origin = origin.context("the stored replay has no part of WAL")?;
        let window = WalWindow {
            from,
            end: origin.end_lsn.parse().context("the stored end of the window")?,
        };
        let log = wiring::checkpoints(config).peek().await?;
        let slot = self.slot(config, &log, &origin, from).await?;
        let previous = origin.previous_commit_end.as_deref();
        let previous = previous.map(str::parse::<Lsn>).transpose();
        let previous = previous.context("the stored end of the transaction before the window")?;
        let stored = self.stored.progress.place;
        let first_place = |position| ReplayPlace {
            partial: stored.and_then(|place| place.partial),
            ..wal::first_place(&log, position, previous)
        };
        // A slot can begin behind the place, where what lies between is before the window.
        let place = stored.filter(|place| place.until >= slot.position);
        let place = place.unwrap_or_else(|| first_place(slot.position));
        let left = place.until.max(from);
        let copy = wal::open(config, &slot, place, left).await?;
        let place = match place.until < copy.begins_at() {
            true => first_place(copy.begins_at()),
            false => place,
        };
        info!(
            replay = self.stored.replay.name,
            lsn = %place.until,
            "WAL is read from a temporary copy of {}",
            slot.text()
        );
        self.copied = Some(Copied {
            slot,
            origin: copy.origin(),
            feedback: copy.feedback(),
        });
        let part = WalPart {
            window,
            place,
            processed_at_unix_micros: self.stored.replay.created_at_unix_micros,
        };
        let read = Box::pin(wal::read(config, args, log, part, copy, self, stop)).await;
        match read {
            Ok(WindowEnded::Complete) => Ok(ReplayEnded::Complete),
            Ok(WindowEnded::Stopped) => Ok(ReplayEnded::Interrupted),
            Err(error) => Err(self.explained(error).await),
        }
    }

    /// Slot that retains what is left.
    async fn slot(
        &self,
        config: &Config,
        log: &CheckpointLog,
        origin: &WalOrigin,
        from: Lsn,
    ) -> anyhow::Result<RetainedSlot> {
        let name = &self.stored.replay.name;
        let place = self.stored.progress.place;
        let left = place.map_or(from, |place| place.until.max(from));
        let current = log.current.as_ref();
        let current = current.with_context(|| format!("{} has no checkpoint any more", config.name))?;
        let retained = Box::pin(Retained::look(config, current)).await?;
        if let Some(slot) = retained.reaching(left) {
            return Ok(slot.clone());
        }
        let origin = super::retained::origin_text(&origin.slot, origin.bookmark.as_deref());
        Err(Rejection::Request(format!(
            "the replay {name} cannot continue: it read WAL from {origin}, and now {}; replay the rest from the topics, with another name: \
             --from {left} --source topics --into NAME",
            retained.lacking(left)
        ))
        .into())
    }

    /// Error of the stream, or what has become of the slot that was copied.
    async fn explained(&mut self, error: anyhow::Error) -> anyhow::Error {
        if self.ended_by.is_none() && matches!(error.downcast_ref(), Some(DeliveryError::Source(_))) {
            // The server may not answer either: the first error says more.
            self.check_origin().await.ok();
        }
        match self.ended_by.take() {
            Some(rejection) => rejection.into(),
            None => error,
        }
    }

    /// Ends the replay once the bookmark that it reads is dropped or invalidated: the copy would retain WAL that the source is to remove.
    async fn check_origin(&mut self) -> Result<(), BoxedPortError> {
        let Some(copied) = &self.copied else { return Ok(()) };
        let Some(bookmark) = &copied.slot.bookmark else {
            return Ok(());
        };
        let what = match copied.origin.state().await? {
            None => "was dropped",
            Some(slot) if slot.wal_status == Some(WalStatus::Lost) || slot.invalidation_reason.is_some() => {
                "was invalidated by the server"
            }
            Some(_) => return Ok(()),
        };
        let name = &self.stored.replay.name;
        let sent = self.stored.progress.sent();
        let left = self.stored.progress.place.map(|place| place.until);
        let left = left.unwrap_or(copied.slot.position);
        self.ended_by = Some(Rejection::Request(format!(
            "the replay {name} ended after {sent} records: bookmark {bookmark}, from which it read, {what}; the same command continues it if \
             another bookmark retains the WAL from {left}, otherwise replay the rest from the topics, with another name: --from {left} \
             --source topics --into NAME"
        )));
        Err(OriginGone.into())
    }

    fn copies(&mut self, records: &RecordBuffer, sent: &mut [u64]) -> Vec<RecordCopy> {
        let name = &self.stored.replay.name;
        let mut copies = Vec::with_capacity(records.record_count());
        for record in records.records() {
            match self.targets.of_topic(record.topic) {
                Some((number, target)) => {
                    if let Some(sent) = sent.get_mut(number) {
                        *sent += 1;
                    }
                    copies.push(RecordCopy::encoded(&record, Arc::clone(&target), name));
                }
                None if self.left_out.insert(record.topic.to_owned()) => {
                    warn!(
                        topic = record.topic,
                        "records of this topic are no part of the replay, and are left out"
                    );
                }
                None => {}
            }
        }
        copies
    }
}

impl ReplayTarget for WalCopier {
    async fn send(
        &mut self,
        records: &RecordBuffer,
        place: ReplayPlace,
        is_end: bool,
    ) -> Result<(), BoxedPortError> {
        self.check_origin().await?;
        let mut next = self.stored.progress.clone();
        let copies = self.copies(records, &mut next.records);
        next.bytes += copies.iter().map(|copy| copy.bytes() as u64).sum::<u64>();
        next.place = Some(place);
        next.updated_at_unix_micros = Timestamp::now().as_microsecond();
        if is_end {
            next.state = ReplayState::Complete;
        }
        self.sink.commit(copies, &next).await?;
        self.stored.progress = next;
        self.bar.show(&self.stored.replay, &self.stored.progress);
        if let Some(copied) = &self.copied {
            copied.feedback.confirm(place.until);
        }
        Ok(())
    }
}
