//! `walcast checkpoint show` and `list`: the current checkpoint and the positions available for replay.

use jiff::Timestamp;
use serde::Serialize;
use tracing::warn;
use walcast_delivery::{
    Checkpoint, CheckpointLog, CheckpointState, CheckpointStore, RewindWindow, rewind_window,
};

use crate::config::Config;
use crate::exit::Exit;
use crate::remedy;
use crate::stdout::stdout;
use crate::wiring;

pub(super) async fn show(config: &Config, json: bool) -> anyhow::Result<Exit> {
    let log = wiring::checkpoints(config).read().await?;
    let mut output = stdout();
    match (&log.current, json) {
        (current, true) => output.json(current)?,
        (Some(current), false) => output.lines(describe(&config.name, current))?,
        (None, false) => output.line(&format!("{} has no checkpoint yet", config.name))?,
    };
    output.flush()?;
    Ok(Exit::Done)
}

pub(super) async fn list(config: &Config, json: bool) -> anyhow::Result<Exit> {
    let log = wiring::checkpoints(config).read().await?;
    let window = window(config, &log).await;
    let listing = Listing::new(&log, window);
    let mut output = stdout();
    match json {
        true => output.json(&listing)?,
        false => output.lines(listing.table())?,
    };
    output.flush()?;
    Ok(Exit::Done)
}

/// Positions that the server can still stream from; `None` if the server cannot be queried.
async fn window(config: &Config, log: &CheckpointLog) -> Option<RewindWindow> {
    let timeline = log.current.as_ref().map(|current| current.timeline);
    match walcast_postgres::inspect(&config.postgres, timeline).await {
        Ok(source_state) => rewind_window(&source_state, log),
        Err(error) => {
            warn!(
                error = remedy::describe(&error),
                "the positions available for replay are not known"
            );
            None
        }
    }
}

/// Text form of a checkpoint, one line per field.
pub(in crate::cli) fn describe(name: &str, checkpoint: &Checkpoint) -> Vec<String> {
    let state = match checkpoint.state {
        CheckpointState::CreatingSlot => "creating its slot",
        CheckpointState::Streaming => "streaming",
        CheckpointState::ReplacingSlot => "replacing its slot",
    };
    let mut lines = Vec::new();
    let mut line = |label: &str, value: String| lines.push(format!("{label:<13} {value}"));
    line("connector", name.to_owned());
    line("position", checkpoint.end_lsn.to_string());
    line("state", state.to_owned());
    if let Some(last) = checkpoint.last_commit {
        let committed = time(last.commit_time_unix_micros);
        let text = match last.is_known_by_end() {
            true => format!("transaction that ends at {}", last.end_lsn),
            false => format!("{} at {committed}, xid {}", last.commit_lsn, last.xid),
        };
        line("last commit", text);
    }
    if let Some(partial) = checkpoint.partial {
        line(
            "split",
            format!(
                "{} changes of transaction {} are delivered",
                partial.next_ordinal, partial.commit_lsn
            ),
        );
    }
    if let Some(held_by) = &checkpoint.held_by {
        let accepted = if held_by.is_accepted { ", accepted" } else { "" };
        line(
            "halted",
            format!("before transaction {}: {}{accepted}", held_by.xid, held_by.error),
        );
    }
    line("slot", checkpoint.slot.clone());
    line("database", checkpoint.database.clone());
    line(
        "cluster",
        format!(
            "{}, timeline {}",
            checkpoint.system_identifier, checkpoint.timeline
        ),
    );
    if let Some(snapshot) = &checkpoint.snapshot {
        let left = snapshot.tables.len();
        let text = format!(
            "{} rows read, {left} of {} tables remaining",
            snapshot.rows, snapshot.table_count
        );
        line("snapshot", text);
    }
    line("written", time(checkpoint.written_at_unix_micros));
    lines
}

fn time(unix_micros: i64) -> String {
    match Timestamp::from_microsecond(unix_micros) {
        Ok(time) => time.to_string(),
        Err(_) => format!("{unix_micros} µs since 1970"),
    }
}

/// Positions available for replay.
#[derive(Debug, Serialize)]
struct Listing<'a> {
    /// Oldest position available for replay; null if there is none, or the server cannot be queried.
    oldest: Option<String>,
    /// Newest position available for replay.
    newest: Option<String>,
    positions: Vec<Entry<'a>>,
}

#[derive(Debug, Serialize)]
struct Entry<'a> {
    is_current: bool,
    /// Whether the server can still stream from the position; null if the server cannot be queried.
    is_reachable: Option<bool>,
    #[serde(flatten)]
    checkpoint: &'a Checkpoint,
}

impl<'a> Listing<'a> {
    fn new(log: &'a CheckpointLog, window: Option<RewindWindow>) -> Self {
        let mut checkpoints: Vec<(bool, &Checkpoint)> = log
            .history
            .values()
            .map(|checkpoint| (false, checkpoint))
            .collect();
        if let Some(current) = &log.current {
            checkpoints.retain(|(_, past)| past.end_lsn != current.end_lsn);
            checkpoints.push((true, current));
        }
        checkpoints.sort_by_key(|(_, checkpoint)| checkpoint.end_lsn);
        let entry = |(is_current, checkpoint): (bool, &'a Checkpoint)| Entry {
            is_current,
            is_reachable: window.map(|window| (window.oldest..=window.newest).contains(&checkpoint.end_lsn)),
            checkpoint,
        };
        Self {
            oldest: window.map(|window| window.oldest.to_string()),
            newest: window.map(|window| window.newest.to_string()),
            positions: checkpoints.into_iter().map(entry).collect(),
        }
    }

    fn table(&self) -> Vec<String> {
        let mut lines = vec![match (&self.oldest, &self.newest) {
            (Some(oldest), Some(newest)) => {
                format!("any position from {oldest} to {newest} is available for replay")
            }
            _ => "the positions available for replay are not known".to_owned(),
        }];
        lines.push(format!(
            "{:<20} {:<30} {:<30} NOTE",
            "POSITION", "LAST COMMIT", "WRITTEN"
        ));
        for entry in &self.positions {
            let Entry {
                is_current,
                is_reachable,
                checkpoint,
            } = entry;
            let note = match (is_current, is_reachable) {
                (true, _) => "current",
                (false, Some(false)) => "unavailable",
                (false, _) => "",
            };
            let committed = checkpoint
                .last_commit
                .map(|last| time(last.commit_time_unix_micros));
            let row = format!(
                "{:<20} {:<30} {:<30} {note}",
                checkpoint.end_lsn.to_string(),
                committed.unwrap_or_else(|| "-".to_owned()),
                time(checkpoint.written_at_unix_micros)
            );
            lines.push(row.trim_end().to_owned());
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use expect_test::expect;
    use walcast_delivery::{CommitPosition, Partial, SnapshotProgress, SystemIdentifier, Timeline};
    use walcast_pgoutput::Lsn;

    use super::*;

    fn checkpoint(end_lsn: u64) -> Checkpoint {
        Checkpoint {
            version: Checkpoint::VERSION,
            state: CheckpointState::Streaming,
            system_identifier: SystemIdentifier::new(7_300_000_000_000_000_001),
            timeline: Timeline::new(1),
            database: "shop".to_owned(),
            slot: "walcast_shop".to_owned(),
            end_lsn: Lsn::new(end_lsn),
            last_commit: Some(CommitPosition {
                commit_lsn: Lsn::new(end_lsn - 0x30),
                end_lsn: Lsn::new(end_lsn),
                commit_time_unix_micros: 1_700_000_000_000_000,
                xid: 742,
            }),
            last_message: None,
            partial: None,
            snapshot: None,
            signals_read: None,
            complete_outboxes: BTreeMap::new(),
            held_by: None,
            written_at_unix_micros: 1_700_000_000_123_456,
        }
    }

    #[test]
    fn a_checkpoint_is_described() {
        let mut checkpoint = checkpoint(0x16B_3748);
        checkpoint.partial = Some(Partial {
            commit_lsn: Lsn::new(0x16B_4000),
            next_ordinal: 12,
        });
        let table = |name: &str| walcast_mapper::TableName {
            namespace: "public".to_owned(),
            name: name.to_owned(),
        };
        checkpoint.snapshot = Some(SnapshotProgress::of([table("items"), table("orders")]));
        expect![[r#"
            connector     shop
            position      0/16B3748
            state         streaming
            last commit   0/16B3718 at 2023-11-14T22:13:20Z, xid 742
            split         12 changes of transaction 0/16B4000 are delivered
            slot          walcast_shop
            database      shop
            cluster       7300000000000000001, timeline 1
            snapshot      0 rows read, 2 of 2 tables remaining
            written       2023-11-14T22:13:20.123456Z"#]]
        .assert_eq(&describe("shop", &checkpoint).join("\n"));
    }

    fn log() -> CheckpointLog {
        let history: BTreeMap<Lsn, Checkpoint> = [0x1000, 0x2000, 0x3000]
            .into_iter()
            .map(|lsn| (Lsn::new(lsn), checkpoint(lsn)))
            .collect();
        CheckpointLog {
            current: Some(checkpoint(0x3000)),
            history,
            known_tables: None,
            restrictions: None,
            schemas: BTreeMap::new(),
            partitions: BTreeMap::new(),
            quarantines: BTreeMap::new(),
            polled_by: std::collections::BTreeSet::new(),
        }
    }

    #[test]
    fn lists_positions_with_their_availability() {
        let log = log();
        let window = RewindWindow {
            oldest: Lsn::new(0x1800),
            newest: Lsn::new(0x3000),
        };
        expect![[r#"
            any position from 0/1800 to 0/3000 is available for replay
            POSITION             LAST COMMIT                    WRITTEN                        NOTE
            0/1000               2023-11-14T22:13:20Z           2023-11-14T22:13:20.123456Z    unavailable
            0/2000               2023-11-14T22:13:20Z           2023-11-14T22:13:20.123456Z
            0/3000               2023-11-14T22:13:20Z           2023-11-14T22:13:20.123456Z    current"#]]
        .assert_eq(&Listing::new(&log, Some(window)).table().join("\n"));
        expect![[r#"
            the positions available for replay are not known
            POSITION             LAST COMMIT                    WRITTEN                        NOTE
            0/1000               2023-11-14T22:13:20Z           2023-11-14T22:13:20.123456Z
            0/2000               2023-11-14T22:13:20Z           2023-11-14T22:13:20.123456Z
            0/3000               2023-11-14T22:13:20Z           2023-11-14T22:13:20.123456Z    current"#]]
        .assert_eq(&Listing::new(&log, None).table().join("\n"));
    }

    #[test]
    fn json_lists_the_same_positions() {
        let log = log();
        let listing = Listing::new(&log, None);
        let json = serde_json::to_value(&listing).unwrap();
        assert_eq!(json["positions"][2]["end_lsn"], "0/3000");
        assert_eq!(json["positions"][2]["is_current"], true);
        assert_eq!(json["positions"][0]["is_reachable"], serde_json::Value::Null);
        assert_eq!(json["positions"].as_array().unwrap().len(), 3);
    }
}
