//! Dry run of a replay: its records are counted, and nothing is written.

use std::sync::Arc;

use indicatif::{HumanBytes, HumanCount};
use serde::Serialize;
use walcast_kafka::{PartitionRange, RecordCopy};
use walcast_topics::{Bound, Decoder, LsnWindow, WindowRecords};

use super::args::StartArgs;
use super::gap::Gap;
use super::plan::{Plan, PlannedTopic};
use super::source::{Source, choose};
use super::wal_counted::WalCounted;
use crate::cli::read_progress::ReadProgress;
use crate::config::Config;

/// What a replay would send, as it is printed.
#[derive(Debug, Serialize)]
pub(super) struct DryRun {
    /// Where the records come from.
    source: &'static str,
    /// Reason for this source.
    reason: String,
    /// Slot of which a copy is read, and the bookmark that it holds; null for the topics, or if it is the slot of the connector.
    slot: Option<String>,
    bookmark: Option<String>,
    /// Positions of the window; null where none was found.
    from_lsn: Option<String>,
    to_lsn: Option<String>,
    records: u64,
    bytes: u64,
    topics: Vec<Counted>,
    gaps: Vec<Gap>,
}

#[derive(Debug, Serialize)]
struct Counted {
    topic: String,
    target: String,
    records: u64,
    bytes: u64,
}

impl DryRun {
    /// Counts the records of a plan.
    pub(super) async fn of(
        config: &Config,
        args: &StartArgs,
        plan: Plan,
        decoder: &mut Decoder,
    ) -> anyhow::Result<Self> {
        let chosen = choose(config, args, &plan, decoder).await?;
        let topics = match &chosen.source {
            Source::Topics => count_topics(&plan, &args.replay_name(), decoder).await?,
            Source::Wal { slot, window, .. } => {
                let counted = Box::pin(WalCounted::of(config, args, &plan, slot, *window)).await?;
                let planned = plan.topics.iter().zip(counted.topics);
                planned
                    .map(|(planned, (records, bytes))| Counted {
                        records,
                        bytes,
                        ..Counted::none(planned)
                    })
                    .collect()
            }
        };
        let origin = chosen.origin();
        Ok(Self {
            source: chosen.source.word(),
            slot: origin.as_ref().map(|origin| origin.slot.clone()),
            bookmark: origin.and_then(|origin| origin.bookmark),
            gaps: chosen.gaps(&plan),
            reason: chosen.reason,
            from_lsn: plan.window.map(|window| window.from.to_string()),
            to_lsn: plan.window.and_then(|window| window.to).map(|to| to.to_string()),
            records: topics.iter().map(|topic| topic.records).sum(),
            bytes: topics.iter().map(|topic| topic.bytes).sum(),
            topics,
        })
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = vec![match (&self.from_lsn, &self.to_lsn) {
            (Some(from), Some(to)) => format!("window   {from} to {to}"),
            (Some(from), None) => format!("window   from {from}"),
            (None, _) => "window   no transaction committed then or later".to_owned(),
        }];
        lines.push(format!("source   {}: {}", self.source, self.reason));
        lines.extend(self.topics.iter().map(|topic| {
            format!(
                "topic    {} to {}: {} records, {}",
                topic.topic,
                topic.target,
                HumanCount(topic.records),
                HumanBytes(topic.bytes)
            )
        }));
        lines.push(format!(
            "in all   {} records, {}; nothing was written",
            HumanCount(self.records),
            HumanBytes(self.bytes)
        ));
        lines.extend(self.gaps.iter().map(|gap| format!("gap      {}", gap.text())));
        lines
    }
}

impl Counted {
    fn none(planned: &PlannedTopic) -> Self {
        Self {
            topic: planned.topic.name().to_string(),
            target: planned.target.clone(),
            records: 0,
            bytes: 0,
        }
    }
}

async fn count_topics(plan: &Plan, name: &str, decoder: &mut Decoder) -> anyhow::Result<Vec<Counted>> {
    let mut progress = ReadProgress::new("dry run".to_owned())?;
    let mut topics = Vec::new();
    for planned in &plan.topics {
        topics.push(match plan.window {
            Some(window) => count(planned, window, name, decoder, &mut progress).await?,
            None => Counted::none(planned),
        });
    }
    Ok(topics)
}

async fn count(
    planned: &PlannedTopic,
    window: LsnWindow,
    name: &str,
    decoder: &mut Decoder,
    progress: &mut ReadProgress,
) -> anyhow::Result<Counted> {
    let mut counted = Counted::none(planned);
    let target: Arc<str> = Arc::from(planned.target.as_str());
    let topic = planned.topic.name();
    for range in planned.ranges.iter().filter(|range| range.from < range.to) {
        let offsets = PartitionRange {
            partition: range.partition,
            first: range.from,
            end: range.to,
        };
        let mut records = WindowRecords::new(window);
        let mut reader = planned
            .topic
            .read_partition(decoder, offsets, Bound::Beginning)
            .await?;
        while let Some(record) = reader.next_undecoded().await? {
            progress.count();
            if records.contain(decoder, topic, &record).await? {
                counted.records += 1;
                let copy = RecordCopy::new(record, Arc::clone(&target), name);
                counted.bytes += copy.bytes() as u64;
            }
        }
    }
    Ok(counted)
}
