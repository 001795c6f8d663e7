//! `walcast checkpoint at`: the position of a time, and the offsets of topics there.

use clap::ValueEnum;
use serde::Serialize;
use tracing::warn;
use walcast_delivery::{Checkpoint, CheckpointLog, CheckpointStore};
use walcast_mapper::pattern::TablePattern;
use walcast_topics::{PartitionOffset, PointInTime, Topic, offsets_at};

use crate::cli::delivered;
use crate::cli::point_in_time::{point_text, time_text};
use crate::config::Config;
use crate::exit::Exit;
use crate::stdout::stdout;
use crate::wiring;

/// Format of offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OffsetsFormat {
    /// One line for each partition: topic,partition,offset
    Csv,
    /// As --json
    Json,
}

/// Position of a time with its offsets, as printed with `--json`.
#[derive(Debug, Serialize)]
struct Found {
    at: String,
    /// First transaction at the position or after it; null if the topics have none.
    first: Option<First>,
    /// Last checkpoint before; null if the history of checkpoints has none.
    checkpoint: Option<Before>,
    offsets: Vec<Offset>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct First {
    lsn: String,
    committed_at: Option<String>,
    xid: Option<u32>,
}

#[derive(Debug, Serialize)]
struct Before {
    end_lsn: String,
    last_commit_at: Option<String>,
}

#[derive(Debug, Serialize)]
struct Offset {
    topic: String,
    partition: i32,
    offset: i64,
    end: i64,
    /// Whether the offset is the first that retention has left: earlier records that belong to the position may be missing.
    expired: bool,
}

pub(super) async fn at(
    config: &Config,
    point: PointInTime,
    format: Option<OffsetsFormat>,
    selected: &[TablePattern],
    json: bool,
) -> anyhow::Result<Exit> {
    let log = wiring::checkpoints(config).peek().await?;
    let tables = delivered::delivered_tables(config, &log, selected);
    if tables.is_empty() {
        return Err(delivered::no_table(config, selected).into());
    }
    let topics = delivered::topics_of_all(config, &tables).await?;
    let found = find(config, &log, &topics, point).await?;
    for offset in found.offsets.iter().filter(|offset| offset.expired) {
        warn!(
            topic = offset.topic,
            partition = offset.partition,
            "retention has removed the records before this offset: records of the position may be missing"
        );
    }
    let mut output = stdout();
    match format {
        Some(OffsetsFormat::Csv) => output.lines(found.offsets.iter().map(Offset::csv))?,
        Some(OffsetsFormat::Json) => output.json(&found)?,
        None if json => output.json(&found)?,
        None => output.lines(found.lines())?,
    };
    output.flush()?;
    Ok(Exit::Done)
}

async fn find(
    config: &Config,
    log: &CheckpointLog,
    topics: &[Topic],
    point: PointInTime,
) -> anyhow::Result<Found> {
    let mut decoder = delivered::decoder(config, None)?;
    let mut all = Vec::new();
    for topic in topics {
        all.extend(offsets_at(topic, &mut decoder, point).await?);
    }
    Ok(Found {
        at: point_text(point),
        first: first(&all),
        checkpoint: before(log, point),
        offsets: all.iter().map(Offset::of).collect(),
    })
}

/// The first transaction of all records at the offsets.
fn first(offsets: &[PartitionOffset]) -> Option<First> {
    let records = offsets.iter().filter_map(|offset| offset.record.as_ref());
    let record = records
        .filter(|record| record.lsn().is_some())
        .min_by_key(|record| record.lsn())?;
    Some(First {
        lsn: record.lsn()?.to_string(),
        committed_at: record.commit_micros().map(|micros| time_text(Some(micros))),
        xid: record.change().and_then(|change| change.source.xid),
    })
}

/// The last checkpoint whose transactions are all before a point.
fn before(log: &CheckpointLog, point: PointInTime) -> Option<Before> {
    let is_before = |checkpoint: &&Checkpoint| match point {
        PointInTime::Lsn(lsn) => checkpoint.end_lsn <= lsn,
        PointInTime::Time(micros) => checkpoint
            .last_commit
            .is_some_and(|last| !last.is_known_by_end() && last.commit_time_unix_micros < micros),
    };
    let checkpoints = log.history.values().chain(&log.current);
    let checkpoint = checkpoints
        .filter(is_before)
        .max_by_key(|checkpoint| checkpoint.end_lsn)?;
    let last_commit = checkpoint.last_commit.filter(|last| !last.is_known_by_end());
    Some(Before {
        end_lsn: checkpoint.end_lsn.to_string(),
        last_commit_at: last_commit.map(|last| time_text(Some(last.commit_time_unix_micros))),
    })
}

impl Offset {
    fn of(found: &PartitionOffset) -> Self {
        Self {
            topic: found.topic.clone(),
            partition: found.partition,
            offset: found.offset,
            end: found.end,
            expired: found.first > 0 && found.offset <= found.first,
        }
    }

    fn csv(&self) -> String {
        format!("{},{},{}", self.topic, self.partition, self.offset)
    }
}

impl Found {
    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut line = |label: &str, value: String| lines.push(format!("{label:<17} {value}"));
        line("at", self.at.clone());
        match &self.first {
            Some(first) => {
                let time = first.committed_at.as_deref().unwrap_or("-");
                let xid = first.xid.map_or_else(|| "-".to_owned(), |xid| xid.to_string());
                line("first transaction", format!("{} at {time}, xid {xid}", first.lsn));
            }
            None => line("first transaction", "none yet".to_owned()),
        }
        if let Some(before) = &self.checkpoint {
            line("checkpoint before", before.end_lsn.clone());
        }
        let topics = self.offsets.iter().map(|offset| offset.topic.len());
        let width = topics.max().unwrap_or_default().max("TOPIC".len());
        lines.push(format!(
            "{:<width$}  {:>9}  {:>12}  {:>12}",
            "TOPIC", "PARTITION", "OFFSET", "END"
        ));
        lines.extend(self.offsets.iter().map(|offset| {
            let Offset {
                topic,
                partition,
                offset,
                end,
                expired,
            } = offset;
            let note = if *expired {
                "  earlier records have expired"
            } else {
                ""
            };
            format!("{topic:<width$}  {partition:>9}  {offset:>12}  {end:>12}{note}")
        }));
        lines
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn found() -> Found {
        let offset = |topic: &str, offset, first| PartitionOffset {
            topic: topic.to_owned(),
            partition: 0,
            offset,
            first,
            end: 20,
            record: None,
        };
        Found {
            at: "2026-12-01T10:00:00Z".to_owned(),
            first: Some(First {
                lsn: "0/16B3748".to_owned(),
                committed_at: Some("2026-12-01T10:00:01Z".to_owned()),
                xid: Some(742),
            }),
            checkpoint: None,
            offsets: [
                offset("shop.public.orders", 12, 0),
                offset("shop.public.items", 7, 7),
            ]
            .iter()
            .map(Offset::of)
            .collect(),
        }
    }

    #[test]
    fn offsets_are_a_table() {
        expect![[r#"
            at                2026-12-01T10:00:00Z
            first transaction 0/16B3748 at 2026-12-01T10:00:01Z, xid 742
            TOPIC               PARTITION        OFFSET           END
            shop.public.orders          0            12            20
            shop.public.items           0             7            20  earlier records have expired"#]]
        .assert_eq(&found().lines().join("\n"));
    }

    #[test]
    fn offsets_are_lines_that_kafkas_tool_reads() {
        let lines: Vec<String> = found().offsets.iter().map(Offset::csv).collect();
        assert_eq!(lines, ["shop.public.orders,0,12", "shop.public.items,0,7"]);
    }
}
