use expect_test::{Expect, expect};
use walcast_delivery::condition::ConditionError;
use walcast_delivery::{
    BookmarkRejected, ImportError, ImportRejected, RequestChannel, RewindRejected, RewindWindow,
    SnapshotRejected, SnapshotUnanswered, SystemIdentifier, Timeline,
};
use walcast_mapper::TableName;
use walcast_pgoutput::{Lsn, Xid};

use crate::remedy::describe;

const WINDOW: RewindWindow = RewindWindow {
    oldest: Lsn::new(0x100),
    newest: Lsn::new(0x180),
};

fn slot() -> String {
    "walcast_shop".to_owned()
}

fn check_rewind(rejected: &RewindRejected, expected: &Expect) {
    expected.assert_eq(&describe(rejected));
}

#[test]
fn every_rejected_request_about_a_bookmark_has_a_way_on() {
    let name = || "before".to_owned();
    for (rejected, remedy) in [
        (
            BookmarkRejected::InvalidName {
                name: name(),
                longest: 30,
            },
            "; choose another name",
        ),
        (
            BookmarkRejected::ReservedName {
                name: name(),
                prefix: "rolling_",
            },
            "; choose another name",
        ),
        (
            BookmarkRejected::NameInUse { name: name() },
            "drop it with: walcast bookmark drop before",
        ),
        (
            BookmarkRejected::Unknown {
                name: name(),
                known: Vec::new(),
            },
            "; see: walcast bookmark list",
        ),
        (BookmarkRejected::NoSlot { slot: slot() }, "; start the connector"),
        (BookmarkRejected::NoFreeSlot, "raise max_replication_slots"),
        (BookmarkRejected::LastSlot, "raise max_replication_slots"),
        (
            BookmarkRejected::OverBudget {
                slot: slot(),
                retained: 2,
                budget: 1,
            },
            "raise [bookmarks] wal_budget",
        ),
        (
            BookmarkRejected::Lost { name: name() },
            "walcast checkpoint at TIME --offsets csv",
        ),
        (
            BookmarkRejected::Unreserved { name: name() },
            "; raise max_slot_wal_keep_size",
        ),
        (
            BookmarkRejected::InUse { name: name(), pid: 7 },
            "; end the replay that uses it first",
        ),
    ] {
        let text = describe(&rejected);
        assert!(text.contains(remedy), "{text}");
    }
}

#[test]
fn move_of_the_checkpoint_without_a_usable_slot() {
    check_rewind(
        &RewindRejected::SlotMissing { slot: slot() },
        &expect![
            "slot walcast_shop does not exist, so no position can be reached; start over with: walcast checkpoint reset; the next start creates the slot and reads existing rows as [snapshot] mode says"
        ],
    );
    check_rewind(
        &RewindRejected::SlotLost { slot: slot() },
        &expect![
            "slot walcast_shop was invalidated, so no position can be reached; drop it (SELECT pg_drop_replication_slot('walcast_shop')), then start over with: walcast checkpoint reset; the next start creates the slot and reads existing rows as [snapshot] mode says"
        ],
    );
    check_rewind(
        &RewindRejected::SlotUnusable {
            slot: slot(),
            why: "it is a physical slot",
        },
        &expect![
            "slot walcast_shop cannot be used: it is a physical slot; drop it or configure another [postgres] slot"
        ],
    );
    check_rewind(
        &RewindRejected::SlotTwoPhase { slot: slot() },
        &expect![
            "slot walcast_shop was created with two_phase, so that the server sends prepared transactions before they are committed; replace it by a slot at the same positions, while no client streams from it: SELECT pg_copy_logical_replication_slot('walcast_shop', 'walcast_shop_copy'); SELECT pg_drop_replication_slot('walcast_shop'); SELECT pg_copy_logical_replication_slot('walcast_shop_copy', 'walcast_shop'); SELECT pg_drop_replication_slot('walcast_shop_copy')"
        ],
    );
}

#[test]
fn move_of_the_checkpoint_on_another_source() {
    check_rewind(
        &RewindRejected::OtherCluster {
            expected: SystemIdentifier::new(7),
            found: SystemIdentifier::new(8),
            slot_at: Lsn::new(0x300),
        },
        &expect![
            "the checkpoint belongs to cluster 7, but this server is cluster 8, where its positions mean nothing; if this cluster was made from the old one by pg_upgrade, which takes a slot along only when everything was confirmed, run: walcast checkpoint set 0/300 --accept-cluster; otherwise start over with: walcast checkpoint reset"
        ],
    );
    check_rewind(
        &RewindRejected::OtherSource {
            what: "slot",
            expected: slot(),
            found: "other".to_owned(),
        },
        &expect![[
            r#"the checkpoint belongs to slot "walcast_shop", but "other" is configured; configure "walcast_shop" again"#
        ]],
    );
    check_rewind(
        &RewindRejected::OtherTimeline {
            expected: Timeline::new(3),
            found: Timeline::new(2),
        },
        &expect![
            "the server is on timeline 2, which does not descend from timeline 3 of the checkpoint; point [postgres] url at the current primary, or start over with: walcast checkpoint reset"
        ],
    );
    check_rewind(
        &RewindRejected::AheadOfServer {
            flushed: Lsn::new(0x1FF),
            stored: Lsn::new(0x200),
        },
        &expect![
            "the server's WAL ends at 0/1FF, before the checkpoint at 0/200: it was restored from a backup; correct the consumers, then start over with: walcast checkpoint reset"
        ],
    );
}

#[test]
fn move_of_the_checkpoint_over_a_gap() {
    check_rewind(
        &RewindRejected::Gap {
            slot: slot(),
            delivered: Lsn::new(0x100),
            confirmed: Lsn::new(0x180),
        },
        &expect![
            "changes in (0/100, 0/180] were never delivered and slot walcast_shop no longer has them; accept the gap with: walcast checkpoint set 0/180 --accept-gap; then start again, and re-read the tables concerned with: walcast snapshot start --tables"
        ],
    );
    check_rewind(
        &RewindRejected::Phantom {
            switched_at: Lsn::new(0x180),
            delivered: Lsn::new(0x200),
            window: WINDOW,
        },
        &expect![
            "records in (0/180, 0/200] describe changes that the promoted server never had; correct the consumers, then accept it with --accept-gap and a position in [0/100, 0/180]"
        ],
    );
}

fn check_import(rejected: ImportRejected, expected: &Expect) {
    expected.assert_eq(&describe(&ImportError::Rejected(rejected)));
}

#[test]
fn import_of_an_offset() {
    check_import(
        ImportRejected::HasCheckpoint { at: Lsn::new(0x100) },
        &expect![
            "walcast already has a checkpoint at 0/100 for this name, so no offset is imported; to start over from the other connector's position, first run: walcast checkpoint reset"
        ],
    );
    check_import(
        ImportRejected::SlotMissing {
            slot: slot(),
            after: Lsn::new(0x100),
        },
        &expect![[
            r#"slot walcast_shop does not exist; set [postgres] slot to the other connector's (Debezium's slot.name, "debezium" by default); if that slot was dropped, the changes since 0/100 cannot be streamed any more"#
        ]],
    );
    check_import(
        ImportRejected::Gap {
            slot: slot(),
            noted: Lsn::new(0x100),
            confirmed: Lsn::new(0x180),
        },
        &expect![
            "changes in (0/100, 0/180] are not covered: the connector's stored position is 0/100, but slot walcast_shop was confirmed up to 0/180 and no longer has what lies before; use a newer offset if there is one, or accept the gap with --accept-gap; then start again, and re-read the tables concerned with: walcast snapshot start --tables"
        ],
    );
}

#[test]
fn import_of_an_ambiguous_offset() {
    let (xid, lsn) = (Xid::new(701), Lsn::new(0x100));
    check_import(
        ImportRejected::SharedPosition {
            xid,
            lsn,
            table: "public.orders".to_owned(),
            changes: 5,
        },
        &expect![
            "5 changes of public.orders in transaction 701 share position 0/100 (rows of one COPY), and the offset does not store how many of them were sent; count the records in its topic with source.lsn = 256, then run again with --sent-at-lsn COUNT"
        ],
    );
    check_import(
        ImportRejected::SeveralRecords {
            xid,
            lsn,
            table: "public.orders".to_owned(),
            what: "a delete",
            records: 2,
        },
        &expect![
            "the last change sent, at 0/100 in transaction 701, makes 2 records (a delete of public.orders), and the offset does not store whether all of them were sent; look for the last of them in the topic, after the one with source.lsn = 256; if it is there, run again with --sent-at-lsn 1, if not, send the change again with --sent-at-lsn 0; or start and stop the connector once more, until something else is last"
        ],
    );
    check_import(
        ImportRejected::CountTooLarge {
            xid,
            lsn,
            counted: 6,
            changes: 5,
        },
        &expect![
            "the given count 6 is more than the 5 changes at 0/100 in transaction 701; correct --sent-at-lsn"
        ],
    );
}

fn check_snapshot(rejected: SnapshotRejected, expected: &Expect) {
    expected.assert_eq(&describe(&SnapshotUnanswered::Rejected(rejected)));
}

#[test]
fn request_to_read_rows() {
    check_snapshot(
        SnapshotRejected::NotCaptured {
            pattern: "public.nothing".to_owned(),
        },
        &expect!["public.nothing is not a captured table; see [postgres] tables"],
    );
    check_snapshot(
        SnapshotRejected::NotPublished {
            table: TableName {
                namespace: "public".to_owned(),
                name: "items".to_owned(),
            },
            sql: "ALTER PUBLICATION \"walcast_shop\" ADD TABLE \"public\".\"items\"".to_owned(),
        },
        &expect![[
            r#"changes of public.items are not published; run: ALTER PUBLICATION "walcast_shop" ADD TABLE "public"."items""#
        ]],
    );
    let condition = |source| SnapshotRejected::Condition {
        pattern: "public.items".to_owned(),
        channel: RequestChannel::Http,
        source,
    };
    check_snapshot(
        condition(ConditionError::Syntax {
            at: 5,
            found: "'('".to_owned(),
            expected: "a constant",
        }),
        &expect![[
            r#"the condition for public.items: at byte 5, a constant is expected instead of '('; conditions compare columns with constants (=, <>, <, <=, >, >=, IN, BETWEEN, LIKE, IS NULL, AND, OR, NOT); [snapshot] sql_conditions = ["http"] allows any SQL from this channel, executed with the privileges of the role that reads rows"#
        ]],
    );
    check_snapshot(
        condition(ConditionError::Empty),
        &expect![
            "the condition for public.items: the condition is empty; write one such as: placed > '2024-01-01'"
        ],
    );
}
