//! Plan of a replay: the topics, and the ranges of their offsets in which the window lies.

use jiff::Timestamp;
use tracing::warn;
use walcast_delivery::{CheckpointLog, CheckpointStore, ReplayRange, ReplayTopic, droppable};
use walcast_kafka::{KafkaError, Replay, await_open_transactions};
use walcast_mapper::{TableName, names};
use walcast_pgoutput::Lsn;
use walcast_postgres::PostgresBookmarks;
use walcast_topics::{
    Decoder, LsnWindow, PointInTime, Topic, WindowRange, last_position, plan_window, position_of_time,
};

use super::args::{StartArgs, WindowEnd, WindowStart};
use super::gap::{Gap, GapReason};
use super::reachable;
use crate::bookmarking::look;
use crate::cli::delivered;
use crate::cli::point_in_time::{point_text, time_text};
use crate::config::Config;
use crate::exit::{Rejection, UsageError};
use crate::wiring;

/// Description of what the command does with topics, for errors.
const DOING: &str = "planning a replay";

/// Longest name of a topic.
const TOPIC_BYTES_MAX: usize = 249;

/// Plan of a replay.
pub(super) struct Plan {
    /// Window; `None` if no transaction committed at its beginning or later.
    pub(super) window: Option<LsnWindow>,
    pub(super) topics: Vec<PlannedTopic>,
    /// What the window lacks.
    pub(super) gaps: Vec<Gap>,
    /// What was delivered when the replay was planned.
    pub(super) log: CheckpointLog,
}

/// Topic with the ranges in which the window lies.
pub(super) struct PlannedTopic {
    pub(super) topic: Topic,
    pub(super) target: String,
    pub(super) ranges: Vec<WindowRange>,
}

impl Plan {
    /// Plans a replay; writes nothing.
    pub(super) async fn of(config: &Config, args: &StartArgs, decoder: &mut Decoder) -> anyhow::Result<Self> {
        let from = beginning(config, &args.from).await?;
        check_order(args, from)?;
        await_checkpoint(config).await?;
        // Read before the topics: what is delivered up to this position is in them.
        let log = wiring::checkpoints(config).peek().await?;
        let tables = delivered::delivered_tables(config, &log, &args.tables);
        if tables.is_empty() {
            return Err(delivered::no_table(config, &args.tables).into());
        }
        check_shared_topics(config, &log, &tables)?;
        let delivered = log.current.as_ref().map(|current| current.end_lsn);
        if let (PointInTime::Lsn(from), Some(delivered)) = (from, delivered)
            && from > delivered
        {
            return Err(Rejection::Request(format!(
                "--from {from} is behind what {} has delivered; the nearest position is {delivered}",
                config.name
            ))
            .into());
        }
        for topic in delivered::topics_of_all(config, &tables).await? {
            await_open_transactions(&config.kafka, topic.name(), DOING).await?;
        }
        let topics = delivered::topics_of_all(config, &tables).await?;
        check_topics(config, &tables, &topics)?;
        let end = WindowEndFound::of(args, &topics, decoder, &log).await?;
        let window = window(from, &topics, decoder, end.lsn).await?;
        let mut plan = Self {
            window,
            topics: Vec::new(),
            gaps: not_delivered(args, delivered, end.is_certain),
            log,
        };
        for topic in topics {
            let target = target(args, topic.name())?;
            let ranges = match window {
                Some(window) => plan_window(&topic, decoder, window).await?,
                None => Vec::new(),
            };
            plan.gaps
                .extend(reachable::gaps(config, topic.name(), &ranges, args.same_topics).await?);
            plan.topics.push(PlannedTopic {
                topic,
                target,
                ranges,
            });
        }
        Ok(plan)
    }

    /// Replay of the plan, not begun. Partitions without a record of the window are left out.
    pub(super) fn replay(&self, args: &StartArgs) -> Replay {
        let topics = self.topics.iter().map(|planned| ReplayTopic {
            topic: planned.topic.name().to_string(),
            target: planned.target.clone(),
            partitions: planned
                .ranges
                .iter()
                .filter(|range| range.from < range.to)
                .map(|range| ReplayRange {
                    partition: range.partition,
                    from: range.from,
                    to: range.to,
                })
                .collect(),
        });
        let mut replay = Replay::new(
            args.replay_name(),
            args.request(),
            topics.collect(),
            Timestamp::now().as_microsecond(),
        );
        replay.from_lsn = self.window.map(|window| window.from.to_string());
        replay.to_lsn = self.window.and_then(|window| window.to).map(|to| to.to_string());
        replay
    }
}

/// Waits until the checkpoint of a transaction that is being committed is visible. A transaction that does not end, such as that of a
/// connector that was killed, is left out.
async fn await_checkpoint(config: &Config) -> Result<(), KafkaError> {
    let topic = config.kafka.checkpoint_topic();
    match await_open_transactions(&config.kafka, &topic, DOING).await {
        Ok(()) | Err(KafkaError::EndHidden { .. } | KafkaError::UnknownTopic { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Beginning of a window as a position or a time.
async fn beginning(config: &Config, from: &WindowStart) -> anyhow::Result<PointInTime> {
    match from {
        WindowStart::Point(point) => Ok(*point),
        WindowStart::Bookmark(name) => {
            let mut slots = PostgresBookmarks::connect(&config.postgres).await?;
            let sample = look(&mut slots).await?;
            Ok(PointInTime::Lsn(droppable(&sample, name)?.held_position()?))
        }
    }
}

fn check_order(args: &StartArgs, from: PointInTime) -> Result<(), UsageError> {
    let WindowEnd::Point(to) = args.to else {
        return Ok(());
    };
    let is_reversed = match (from, to) {
        (PointInTime::Lsn(from), PointInTime::Lsn(to)) => from > to,
        (PointInTime::Time(from), PointInTime::Time(to)) => from > to,
        _ => false,
    };
    if is_reversed {
        return Err(UsageError(format!(
            "--from {} is behind --to {}",
            point_text(from),
            point_text(to)
        )));
    }
    let now = Timestamp::now().as_microsecond();
    for (option, point) in [("--from", from), ("--to", to)] {
        if let PointInTime::Time(micros) = point
            && micros > now
        {
            let time = time_text(Some(micros));
            return Err(UsageError(format!("{option} {time} is in the future")));
        }
    }
    Ok(())
}

/// A topic is replayed as a whole, also if several tables share it.
fn check_shared_topics(
    config: &Config,
    log: &CheckpointLog,
    selected: &[TableName],
) -> Result<(), UsageError> {
    let topics: Vec<String> = selected
        .iter()
        .map(|table| names::topic(&config.mapper, table))
        .collect();
    for table in delivered::delivered_tables(config, log, &[]) {
        let topic = names::topic(&config.mapper, &table);
        if topics.contains(&topic) && !selected.contains(&table) {
            return Err(UsageError(format!(
                "{topic} holds records of {table} too; add --tables {table}"
            )));
        }
    }
    Ok(())
}

/// Rejects a replay without any topic. Topics that do not exist are left out, such as that of a table whose rows are events of an outbox.
fn check_topics(config: &Config, tables: &[TableName], topics: &[Topic]) -> Result<(), Rejection> {
    let wanted = tables.iter().map(|table| names::topic(&config.mapper, table));
    let missing: Vec<String> = wanted
        .filter(|name| topics.iter().all(|topic| **topic.name() != **name))
        .collect();
    if topics.is_empty() {
        return Err(Rejection::Request(format!(
            "nothing was sent: there is no topic {}",
            missing.join(", ")
        )));
    }
    for topic in missing {
        warn!(
            topic,
            "the topic of a delivered table does not exist, and is left out"
        );
    }
    Ok(())
}

/// End of a window, as it was found.
struct WindowEndFound {
    lsn: Option<Lsn>,
    /// Whether no transaction that belongs to the window can be delivered later.
    is_certain: bool,
}

impl WindowEndFound {
    async fn of(
        args: &StartArgs,
        topics: &[Topic],
        decoder: &mut Decoder,
        log: &CheckpointLog,
    ) -> anyhow::Result<Self> {
        let delivered = log.current.as_ref().map(|current| current.end_lsn);
        let (lsn, is_certain) = match args.to {
            WindowEnd::Now => (delivered, true),
            WindowEnd::Point(PointInTime::Lsn(lsn)) => (Some(lsn), true),
            WindowEnd::Point(PointInTime::Time(micros)) => {
                match last_position(topics, decoder, micros).await? {
                    Some(last) => (Some(last), true),
                    // The source may be idle, or the connector late.
                    None => {
                        let last = log.current.as_ref().and_then(|current| current.last_commit);
                        let is_later = last.is_some_and(|last| last.commit_time_unix_micros > micros);
                        (delivered, is_later)
                    }
                }
            }
        };
        Ok(Self { lsn, is_certain })
    }
}

async fn window(
    from: PointInTime,
    topics: &[Topic],
    decoder: &mut Decoder,
    to: Option<Lsn>,
) -> anyhow::Result<Option<LsnWindow>> {
    let from = match from {
        PointInTime::Lsn(lsn) => Some(lsn),
        PointInTime::Time(micros) => position_of_time(topics, decoder, micros).await?,
    };
    Ok(from.map(|from| LsnWindow { from, to }))
}

fn not_delivered(args: &StartArgs, delivered: Option<Lsn>, is_certain: bool) -> Vec<Gap> {
    let gap = |nearest: Option<Lsn>| Gap {
        topic: None,
        reason: GapReason::NotDelivered,
        nearest: nearest.map(|lsn| lsn.to_string()),
    };
    match (args.to, delivered) {
        (_, None) => vec![gap(None)],
        (WindowEnd::Point(PointInTime::Lsn(to)), Some(delivered)) if to > delivered => {
            vec![gap(Some(delivered))]
        }
        (_, Some(delivered)) if !is_certain => vec![gap(Some(delivered))],
        (_, Some(_)) => Vec::new(),
    }
}

fn target(args: &StartArgs, topic: &str) -> Result<String, UsageError> {
    if args.same_topics {
        return Ok(topic.to_owned());
    }
    let target = format!("{}.{topic}", args.replay_name());
    match target.len() <= TOPIC_BYTES_MAX {
        true => Ok(target),
        false => Err(UsageError(format!(
            "the name of the side topic {target} is too long; give the replay a shorter one with --into"
        ))),
    }
}
