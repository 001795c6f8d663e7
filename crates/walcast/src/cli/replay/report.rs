//! Report of a replay, as text and as JSON.

use indicatif::{HumanBytes, HumanCount};
use serde::Serialize;
use walcast_delivery::ReplayState;
use walcast_kafka::StoredReplay;

use super::retained::origin_text;
use crate::cli::point_in_time::time_text;
use crate::replay_extent::percent;

/// Replay, as it is printed.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    name: String,
    state: ReplayState,
    /// Where the records come from.
    source: String,
    /// Slot of which a copy is read, and the bookmark that it holds; null for the topics, or if it is the slot of the connector.
    slot: Option<String>,
    bookmark: Option<String>,
    from: String,
    to: String,
    /// Positions of the window; null where none was found.
    from_lsn: Option<String>,
    to_lsn: Option<String>,
    tables: Vec<String>,
    /// Prefix of the side topics; null: the topics themselves.
    into: Option<String>,
    created_at: String,
    updated_at: String,
    /// Share of the offsets that were read, in percent.
    percent: f64,
    /// Number of records that were sent.
    records: u64,
    bytes: u64,
    topics: Vec<TopicReport>,
}

#[derive(Debug, Serialize)]
struct TopicReport {
    topic: String,
    target: String,
    records: u64,
}

impl Report {
    pub(super) fn of(stored: &StoredReplay) -> Self {
        let StoredReplay { replay, progress } = stored;
        let topics = replay.topics.iter().zip(&progress.records);
        Self {
            name: replay.name.clone(),
            state: progress.state,
            source: replay.source.clone(),
            slot: replay.wal.as_ref().map(|origin| origin.slot.clone()),
            bookmark: replay.wal.as_ref().and_then(|origin| origin.bookmark.clone()),
            from: replay.request.from.clone(),
            to: replay.request.to.clone(),
            from_lsn: replay.from_lsn.clone(),
            to_lsn: replay.to_lsn.clone(),
            tables: replay.request.tables.clone(),
            into: replay.request.into.clone(),
            created_at: time_text(Some(replay.created_at_unix_micros)),
            updated_at: time_text(Some(progress.updated_at_unix_micros)),
            percent: percent(replay, progress),
            records: progress.sent(),
            bytes: progress.bytes,
            topics: topics
                .map(|(topic, records)| TopicReport {
                    topic: topic.topic.clone(),
                    target: topic.target.clone(),
                    records: *records,
                })
                .collect(),
        }
    }

    /// All of it, one line for each topic.
    pub(super) fn lines(&self) -> Vec<String> {
        let end = |point: &str, lsn: &Option<String>| match lsn {
            Some(lsn) if lsn != point => format!("{point} ({lsn})"),
            _ => point.to_owned(),
        };
        let mut lines = vec![
            format!(
                "replay   {}: {}, {} %",
                self.name,
                self.state.word(),
                self.percent
            ),
            format!(
                "window   {} to {}",
                end(&self.from, &self.from_lsn),
                end(&self.to, &self.to_lsn)
            ),
            self.source_line(),
            format!(
                "sent     {} records, {}",
                HumanCount(self.records),
                HumanBytes(self.bytes)
            ),
        ];
        lines.extend(self.topics.iter().map(|topic| {
            let target = match topic.target == topic.topic {
                true => "itself",
                false => &topic.target,
            };
            format!(
                "topic    {} to {target}: {} records",
                topic.topic,
                HumanCount(topic.records)
            )
        }));
        lines
    }
}

impl Report {
    fn source_line(&self) -> String {
        match &self.slot {
            Some(slot) => {
                let origin = origin_text(slot, self.bookmark.as_deref());
                format!("source   {}, from a copy of {origin}", self.source)
            }
            None => format!("source   {}", self.source),
        }
    }
}

/// Table of replays.
pub(super) fn table(replays: &[Report]) -> Vec<String> {
    if replays.is_empty() {
        return vec!["no replays".to_owned()];
    }
    let width = |text: fn(&Report) -> usize, title: &str| {
        replays
            .iter()
            .map(text)
            .max()
            .unwrap_or_default()
            .max(title.len())
    };
    let names = width(|replay| replay.name.len(), "NAME");
    let from = width(|replay| replay.from.len(), "FROM");
    let to = width(|replay| replay.to.len(), "TO");
    let mut lines = vec![format!(
        "{:<names$}  {:<10}  {:>7}  {:>12}  {:<6}  {:<from$}  {:<to$}  INTO",
        "NAME", "STATE", "DONE", "RECORDS", "SOURCE", "FROM", "TO"
    )];
    lines.extend(replays.iter().map(|replay| {
        format!(
            "{:<names$}  {:<10}  {:>5} %  {:>12}  {:<6}  {:<from$}  {:<to$}  {}",
            replay.name,
            replay.state.word(),
            replay.percent,
            replay.records,
            replay.source,
            replay.from,
            replay.to,
            replay.into.as_deref().unwrap_or("the same topics")
        )
    }));
    lines
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use walcast_delivery::{ReplayPlace, ReplayRange, ReplayTopic};
    use walcast_kafka::{Replay, ReplayRequest, RequestedSource, WalOrigin};
    use walcast_pgoutput::Lsn;

    use super::*;
    use crate::replay_extent::{extent, offsets};

    fn stored() -> StoredReplay {
        let topic = |name: &str, ranges: &[(i64, i64)]| ReplayTopic {
            topic: format!("shop.public.{name}"),
            target: format!("fix.shop.public.{name}"),
            partitions: (0..)
                .zip(ranges)
                .map(|(partition, (from, to))| ReplayRange {
                    partition,
                    from: *from,
                    to: *to,
                })
                .collect(),
        };
        let request = ReplayRequest {
            from: "2026-12-01T00:00:00Z".to_owned(),
            to: "now".to_owned(),
            tables: Vec::new(),
            into: Some("fix".to_owned()),
            source: RequestedSource::Auto,
        };
        let topics = vec![topic("items", &[(0, 10), (5, 15)]), topic("orders", &[(0, 20)])];
        let mut replay = Replay::new("fix".to_owned(), request, topics, 1_796_119_200_000_000);
        replay.from_lsn = Some("0/16B3748".to_owned());
        replay.to_lsn = Some("0/16B4F08".to_owned());
        let mut progress = replay.begun();
        progress.partition = 1;
        progress.last = Some(9);
        progress.records = vec![12, 0];
        progress.bytes = 4096;
        StoredReplay { replay, progress }
    }

    #[test]
    fn a_replay_is_shown_with_its_window_and_progress() {
        let mut stored = stored();
        assert_eq!(offsets(&stored.replay, &stored.progress), (40, 15));
        expect![[r#"
            replay   fix: unfinished, 37.5 %
            window   2026-12-01T00:00:00Z (0/16B3748) to now (0/16B4F08)
            source   topics
            sent     12 records, 4.00 KiB
            topic    shop.public.items to fix.shop.public.items: 12 records
            topic    shop.public.orders to fix.shop.public.orders: 0 records"#]]
        .assert_eq(&Report::of(&stored).lines().join("\n"));
        expect![[r#"
            NAME  STATE          DONE       RECORDS  SOURCE  FROM                  TO   INTO
            fix   unfinished   37.5 %            12  topics  2026-12-01T00:00:00Z  now  fix"#]]
        .assert_eq(&table(&[Report::of(&stored)]).join("\n"));

        let mut from_wal = stored.clone();
        from_wal.replay = from_wal.replay.from_wal(WalOrigin {
            slot: "walcast_bm_before".to_owned(),
            bookmark: Some("before".to_owned()),
            end_lsn: "0/16B3848".to_owned(),
            previous_commit_end: None,
        });
        assert_eq!(extent(&from_wal.replay, &from_wal.progress), (256, 0));
        from_wal.progress.place = Some(ReplayPlace::at(Lsn::new(0x16B_3788)));
        assert_eq!(extent(&from_wal.replay, &from_wal.progress), (256, 64));
        let lines = Report::of(&from_wal).lines();
        assert_eq!(lines[0], "replay   fix: unfinished, 25 %");
        assert_eq!(lines[2], "source   wal, from a copy of bookmark before");

        stored.progress.state = ReplayState::Complete;
        assert_eq!(offsets(&stored.replay, &stored.progress), (40, 40));
        assert_eq!(table(&[]), ["no replays"]);
    }
}
