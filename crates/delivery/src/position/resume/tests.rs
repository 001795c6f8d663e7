//! Every finding of the loss check, with its text.

use expect_test::{Expect, expect};

use super::*;
use crate::position::checkpoint::tests::streaming;
use crate::position::checkpoint::{CommitPosition, Partial};
use crate::source_state::WalStatus;
use crate::source_state::{Partitions, SystemIdentifier, Timeline, TimelineSwitch};

const SLOT: &str = "walcast_shop";

fn at(lsn: u64) -> Lsn {
    Lsn::new(lsn)
}

/// The WAL ends at 0/300, the slot is confirmed up to 0/100.
fn source_state() -> SourceState {
    SourceState {
        system_identifier: SystemIdentifier::new(7),
        timeline: Timeline::new(2),
        history: vec![TimelineSwitch {
            timeline: Timeline::new(1),
            switched_at: at(0x180),
        }],
        server_version: 170_006,
        flush_lsn: at(0x300),
        database: "shop".to_owned(),
        wal_level: "logical".to_owned(),
        slot: Some(SlotState {
            name: SLOT.to_owned(),
            plugin: Some("pgoutput".to_owned()),
            database: Some("shop".to_owned()),
            active_pid: None,
            holder: None,
            confirmed_flush_lsn: Some(at(0x100)),
            restart_lsn: Some(at(0xF0)),
            wal_status: Some(WalStatus::Reserved),
            invalidation_reason: None,
            retained_bytes: 0,
            temporary: false,
            two_phase: false,
        }),
        publication: None,
        captured: Vec::new(),
        tables: std::collections::BTreeSet::new(),
        partitions: Partitions::Root,
        unmatched_patterns: Vec::new(),
        denied: std::collections::BTreeMap::new(),
        memberships: std::collections::BTreeMap::new(),
    }
}

/// At 0/200, where the last transaction delivered ended.
fn checkpoint() -> Checkpoint {
    Checkpoint {
        timeline: Timeline::new(2),
        ..streaming(at(0x200), last_commit(0x200))
    }
}

fn last_commit(end_lsn: u64) -> CommitPosition {
    CommitPosition {
        commit_lsn: at(end_lsn - 0x30),
        end_lsn: at(end_lsn),
        commit_time_unix_micros: 0,
        xid: 700,
    }
}

fn part_of(commit_lsn: u64) -> Partial {
    Partial {
        commit_lsn: at(commit_lsn),
        next_ordinal: 5,
    }
}

/// What is decided once `change` has happened to the usual case.
fn check(change: impl FnOnce(&mut SourceState, &mut Checkpoint), expected: &Expect) {
    let (mut source_state, mut checkpoint) = (source_state(), checkpoint());
    change(&mut source_state, &mut checkpoint);
    expected.assert_eq(&match resume_position(&source_state, &checkpoint, SLOT) {
        Ok(lsn) => format!("resumes at {lsn}"),
        Err(halt) => match &halt {
            Halt::AheadOfPromoted {
                resumes_at: Some(lsn),
                ..
            } => format!("{halt}; the slot resumes at {lsn}"),
            Halt::AheadOfPromoted { resumes_at: None, .. } => format!("{halt}; there is no slot"),
            _ => halt.to_string(),
        },
    });
}

fn check_slot(change: impl FnOnce(&mut SlotState), expected: &Expect) {
    check(
        |source_state, _| change(source_state.slot.as_mut().unwrap()),
        expected,
    );
}

/// The rewind is repeated; until then the connector has lost nothing, and reads nothing again.
#[test]
fn a_slot_that_is_being_replaced_is_not_missing() {
    check(
        |source_state, checkpoint| {
            checkpoint.state = CheckpointState::ReplacingSlot;
            source_state.slot = None;
        },
        &expect![
            "slot walcast_shop does not exist, because a rewind to a bookmark was interrupted when it replaced the slot; the checkpoint is at 0/200"
        ],
    );
    check(
        |_, checkpoint| checkpoint.state = CheckpointState::ReplacingSlot,
        &expect!["resumes at 0/200"],
    );
}

#[test]
fn resumes_at_the_checkpoint() {
    check(|_, _| {}, &expect!["resumes at 0/200"]);
    check_slot(
        |slot| slot.confirmed_flush_lsn = Some(at(0x200)),
        &expect!["resumes at 0/200"],
    );
    check(
        |source_state, _| source_state.flush_lsn = at(0x200),
        &expect!["resumes at 0/200"],
    );
    check_slot(|slot| slot.wal_status = None, &expect!["resumes at 0/200"]);
    check_slot(
        |slot| slot.wal_status = Some(WalStatus::Unreserved),
        &expect!["resumes at 0/200"],
    );
}

#[test]
fn another_cluster() {
    check(
        |source_state, _| source_state.system_identifier = SystemIdentifier::new(8),
        &expect![
            "the checkpoint at 0/200 belongs to cluster 7, but this server is cluster 8: it is a different server, or was initialized again"
        ],
    );
}

#[test]
fn another_database_or_slot() {
    check(
        |source_state, _| source_state.database = "store".to_owned(),
        &expect![[r#"the checkpoint belongs to database "shop", but "store" is configured"#]],
    );
    check(
        |_, checkpoint| checkpoint.slot = "walcast_old".to_owned(),
        &expect![[r#"the checkpoint belongs to slot "walcast_old", but "walcast_shop" is configured"#]],
    );
}

#[test]
fn a_slot_that_another_client_advanced() {
    check_slot(
        |slot| slot.confirmed_flush_lsn = Some(at(0x201)),
        &expect![
            "slot walcast_shop was advanced, or dropped and recreated, by another client: changes in (0/200, 0/201] were never delivered and the slot no longer has them"
        ],
    );
}

#[test]
fn a_slot_that_is_gone() {
    check(
        |source_state, _| source_state.slot = None,
        &expect![
            "slot walcast_shop does not exist, but a checkpoint at 0/200 does: changes after 0/200 are gone with the slot"
        ],
    );
}

#[test]
fn a_slot_that_was_invalidated() {
    check_slot(
        |slot| slot.wal_status = Some(WalStatus::Lost),
        &expect!["slot walcast_shop was invalidated (wal_removed): changes after 0/200 are gone"],
    );
    check_slot(
        |slot| slot.invalidation_reason = Some("idle_timeout".to_owned()),
        &expect!["slot walcast_shop was invalidated (idle_timeout): changes after 0/200 are gone"],
    );
    check_slot(
        |slot| slot.restart_lsn = None,
        &expect!["slot walcast_shop was invalidated (it has no restart_lsn): changes after 0/200 are gone"],
    );
}

#[test]
fn a_slot_that_sends_prepared_transactions() {
    check_slot(
        |slot| slot.two_phase = true,
        &expect![
            "slot walcast_shop was created with two_phase, so that the server sends prepared transactions before they are committed"
        ],
    );
}

#[test]
fn a_slot_that_is_not_ours() {
    check_slot(
        |slot| slot.plugin = None,
        &expect!["slot walcast_shop cannot be used: it is a physical slot"],
    );
    check_slot(
        |slot| slot.plugin = Some("wal2json".to_owned()),
        &expect!["slot walcast_shop cannot be used: its output plugin is not pgoutput"],
    );
    check_slot(
        |slot| slot.database = Some("store".to_owned()),
        &expect!["slot walcast_shop cannot be used: it belongs to another database"],
    );
    check_slot(
        |slot| slot.temporary = true,
        &expect!["slot walcast_shop cannot be used: it is temporary and is dropped with its session"],
    );
    check_slot(
        |slot| slot.confirmed_flush_lsn = None,
        &expect![
            "slot walcast_shop cannot be used: it has no confirmed position, because its creation was interrupted"
        ],
    );
}

#[test]
fn a_server_that_was_restored() {
    check(
        |source_state, _| source_state.flush_lsn = at(0x1FF),
        &expect![
            "the server's WAL ends at 0/1FF, but changes up to 0/200 are in Kafka: it was restored from a backup; the records in (0/1FF, 0/200] describe changes that the database no longer has"
        ],
    );
}

#[test]
fn a_promoted_server_that_was_restored() {
    check(
        |source_state, checkpoint| {
            checkpoint.timeline = Timeline::new(1);
            checkpoint.end_lsn = at(0x170);
            source_state.flush_lsn = at(0x160);
        },
        &expect![
            "the server's WAL ends at 0/160, but changes up to 0/170 are in Kafka: it was restored from a backup; the records in (0/160, 0/170] describe changes that the database no longer has"
        ],
    );
}

#[test]
fn a_promotion_after_what_was_delivered() {
    check(
        |_, checkpoint| {
            checkpoint.timeline = Timeline::new(1);
            checkpoint.end_lsn = at(0x180);
        },
        &expect!["resumes at 0/180"],
    );
}

/// The connector had passed an idle stretch of WAL that the promoted server lacks: nothing was delivered from it.
#[test]
fn a_promotion_inside_an_idle_stretch() {
    check(
        |_, checkpoint| {
            checkpoint.timeline = Timeline::new(1);
            checkpoint.last_commit = Some(last_commit(0x170));
        },
        &expect!["resumes at 0/180"],
    );
}

#[test]
fn a_promotion_before_what_was_delivered() {
    let promoted = |checkpoint: &mut Checkpoint| checkpoint.timeline = Timeline::new(1);
    check(
        |_, checkpoint| promoted(checkpoint),
        &expect![
            "the server was promoted to timeline 2 at 0/180, but changes up to 0/200 of timeline 1 are in Kafka: the records in (0/180, 0/200] describe changes that the database no longer has; the slot resumes at 0/180"
        ],
    );
    let unknown = |_: &mut SourceState, checkpoint: &mut Checkpoint| {
        promoted(checkpoint);
        checkpoint.last_commit = None;
    };
    check(
        unknown,
        &expect![
            "the server was promoted to timeline 2 at 0/180, but changes up to 0/200 of timeline 1 are in Kafka: the records in (0/180, 0/200] describe changes that the database no longer has; the slot resumes at 0/180"
        ],
    );
}

/// There is no position to resume from then.
#[test]
fn a_promotion_before_what_was_delivered_on_a_server_without_the_slot() {
    check(
        |source_state, checkpoint| {
            checkpoint.timeline = Timeline::new(1);
            source_state.slot = None;
        },
        &expect![
            "the server was promoted to timeline 2 at 0/180, but changes up to 0/200 of timeline 1 are in Kafka: the records in (0/180, 0/200] describe changes that the database no longer has; there is no slot"
        ],
    );
}

/// Part of a transaction that the promoted server never had, or has as another one at the same place.
#[test]
fn a_promotion_before_the_rest_of_a_split_transaction() {
    let promoted = |commit_lsn: u64| {
        move |_: &mut SourceState, checkpoint: &mut Checkpoint| {
            checkpoint.timeline = Timeline::new(1);
            checkpoint.end_lsn = at(0x170);
            checkpoint.last_commit = Some(last_commit(0x170));
            checkpoint.partial = Some(part_of(commit_lsn));
        }
    };
    check(promoted(0x178), &expect!["resumes at 0/170"]);
    check(
        promoted(0x190),
        &expect![
            "the server was promoted to timeline 2 at 0/180, but changes up to 0/190 of timeline 1 are in Kafka: the records in (0/180, 0/190] describe changes that the database no longer has; the slot resumes at 0/170"
        ],
    );
}

#[test]
fn a_server_that_was_restored_to_before_a_split_transaction() {
    check(
        |_, checkpoint| checkpoint.partial = Some(part_of(0x2F0)),
        &expect!["resumes at 0/200"],
    );
    check(
        |_, checkpoint| checkpoint.partial = Some(part_of(0x310)),
        &expect![
            "the server's WAL ends at 0/300, but changes up to 0/310 are in Kafka: it was restored from a backup; the records in (0/300, 0/310] describe changes that the database no longer has"
        ],
    );
}

/// A message that stands for itself was delivered after the checkpoint's position.
#[test]
fn a_message_that_the_server_does_not_have() {
    let promoted = |message: u64| {
        move |_: &mut SourceState, checkpoint: &mut Checkpoint| {
            checkpoint.timeline = Timeline::new(1);
            checkpoint.end_lsn = at(0x170);
            checkpoint.last_commit = Some(last_commit(0x170));
            checkpoint.last_message = Some(at(message));
        }
    };
    check(promoted(0x178), &expect!["resumes at 0/170"]);
    // The position of a message is its end.
    check(promoted(0x180), &expect!["resumes at 0/170"]);
    check(
        promoted(0x188),
        &expect![
            "the server was promoted to timeline 2 at 0/180, but changes up to 0/188 of timeline 1 are in Kafka: the records in (0/180, 0/188] describe changes that the database no longer has; the slot resumes at 0/170"
        ],
    );
    check(
        |_, checkpoint| checkpoint.last_message = Some(at(0x300)),
        &expect!["resumes at 0/200"],
    );
    check(
        |_, checkpoint| checkpoint.last_message = Some(at(0x310)),
        &expect![
            "the server's WAL ends at 0/300, but changes up to 0/310 are in Kafka: it was restored from a backup; the records in (0/300, 0/310] describe changes that the database no longer has"
        ],
    );
}

#[test]
fn a_timeline_that_is_no_descendant() {
    check(
        |_, checkpoint| checkpoint.timeline = Timeline::new(3),
        &expect![
            "the server is on timeline 2, which does not descend from timeline 3 of the checkpoint at 0/200: it is an old primary or was restored"
        ],
    );
    let history_is_unknown = |source_state: &mut SourceState, checkpoint: &mut Checkpoint| {
        checkpoint.timeline = Timeline::new(1);
        source_state.history.clear();
    };
    check(
        history_is_unknown,
        &expect![
            "the server is on timeline 2, which does not descend from timeline 1 of the checkpoint at 0/200: it is an old primary or was restored"
        ],
    );
}

/// A start that was cut short between the slot and its checkpoint: the slot has delivered nothing, wherever it stands.
#[test]
fn a_slot_that_was_just_created() {
    let creating = |checkpoint: &mut Checkpoint| checkpoint.state = CheckpointState::CreatingSlot;
    check(|_, checkpoint| creating(checkpoint), &expect!["resumes at 0/100"]);
    let slot_after_intention = |source_state: &mut SourceState, checkpoint: &mut Checkpoint| {
        creating(checkpoint);
        source_state.slot.as_mut().unwrap().confirmed_flush_lsn = Some(at(0x280));
    };
    check(slot_after_intention, &expect!["resumes at 0/280"]);
}
