use std::time::Duration;

use expect_test::{Expect, expect};
use walcast_delivery::{DeliveryError, Halt, RestrictedBy, SlotHolder, SystemIdentifier, Timeline, sql};
use walcast_mapper::TableName;
use walcast_pgoutput::{Lsn, Xid};

use crate::remedy::describe;

const STORED: Lsn = Lsn::new(0x200);

fn slot() -> String {
    "walcast_shop".to_owned()
}

fn table(name: &str) -> TableName {
    TableName {
        namespace: "public".to_owned(),
        name: name.to_owned(),
    }
}

/// Checks the text with which the connector ends.
fn check(halt: Halt, expected: &Expect) {
    let error = anyhow::Error::new(DeliveryError::from(halt));
    expected.assert_eq(&describe(error.as_ref()));
}

#[test]
fn checkpoint_of_another_source() {
    check(
        Halt::OtherCluster {
            expected: SystemIdentifier::new(7),
            found: SystemIdentifier::new(8),
            stored: STORED,
            slot_at: None,
        },
        &expect![
            "the checkpoint at 0/200 belongs to cluster 7, but this server is cluster 8: it is a different server, or was initialized again; point [postgres] url at the old cluster, or start over under another name"
        ],
    );
    check(
        Halt::OtherCluster {
            expected: SystemIdentifier::new(7),
            found: SystemIdentifier::new(8),
            stored: STORED,
            slot_at: Some(Lsn::new(0x300)),
        },
        &expect![
            "the checkpoint at 0/200 belongs to cluster 7, but this server is cluster 8: it is a different server, or was initialized again; if this cluster was made from the old one by pg_upgrade, which takes a slot along only when everything was confirmed, continue with: walcast checkpoint set 0/300 --accept-cluster; otherwise point [postgres] url at the old cluster, or start over under another name"
        ],
    );
    check(
        Halt::OtherSource {
            what: "database",
            expected: "shop".to_owned(),
            found: "store".to_owned(),
        },
        &expect![[
            r#"the checkpoint belongs to database "shop", but "store" is configured; configure "shop" again, or start over under another name"#
        ]],
    );
}

#[test]
fn slot_that_cannot_continue() {
    check(
        Halt::SlotAdvanced {
            slot: slot(),
            stored: STORED,
            confirmed: Lsn::new(0x201),
        },
        &expect![
            "slot walcast_shop was advanced, or dropped and recreated, by another client: changes in (0/200, 0/201] were never delivered and the slot no longer has them; accept the gap with: walcast checkpoint set 0/201 --accept-gap; then start again, and re-read the tables concerned with: walcast snapshot start --tables"
        ],
    );
    check(
        Halt::SlotMissing {
            slot: slot(),
            stored: STORED,
        },
        &expect![
            "slot walcast_shop does not exist, but a checkpoint at 0/200 does: changes after 0/200 are gone with the slot; start over with: walcast checkpoint reset; the next start creates the slot and reads existing rows as [snapshot] mode says"
        ],
    );
    check(
        Halt::SlotNotReplaced {
            slot: slot(),
            stored: STORED,
        },
        &expect![
            "slot walcast_shop does not exist, because a rewind to a bookmark was interrupted when it replaced the slot; the checkpoint is at 0/200; repeat the command: walcast bookmark rewind; if the bookmark does not exist any more, start over with: walcast checkpoint reset; the next start creates the slot and reads existing rows as [snapshot] mode says"
        ],
    );
    check(
        Halt::SlotLost {
            slot: slot(),
            reason: "wal_removed".to_owned(),
            stored: STORED,
        },
        &expect![
            "slot walcast_shop was invalidated (wal_removed): changes after 0/200 are gone; drop it (SELECT pg_drop_replication_slot('walcast_shop')), raise max_slot_wal_keep_size, then start over with: walcast checkpoint reset; the next start creates the slot and reads existing rows as [snapshot] mode says"
        ],
    );
    check(
        Halt::SlotWithoutCheckpoint {
            slot: slot(),
            confirmed: STORED,
            topic: "shop.public.items".to_owned(),
        },
        &expect![
            "slot walcast_shop exists, but no checkpoint does, and topic shop.public.items holds records: it is not known which changes of the slot, and which existing rows, are among them; if Debezium delivered from the slot, stop it and import its position with: walcast migrate debezium-offset; if the checkpoint was lost, continue with: walcast checkpoint set 0/200; this delivers every change after 0/200, some of them again, and reads no existing rows: if rows were still being read when the checkpoint was lost, read them again with: walcast snapshot start --tables"
        ],
    );
    check(
        Halt::SlotInUse {
            slot: slot(),
            holder: SlotHolder {
                pid: 7,
                application_name: Some("Debezium Streaming".to_owned()),
                client: Some("10.0.0.7".to_owned()),
                is_connector: false,
            },
        },
        &expect![[
            r#"slot walcast_shop is in use by process 7 (application_name "Debezium Streaming", client 10.0.0.7), and no checkpoint exists: another program delivers from the slot; stop that program; if it is Debezium, import its position then with: walcast migrate debezium-offset; if it has to keep the slot, set [postgres] slot to another name"#
        ]],
    );
    check(
        Halt::SlotBeforePublication {
            slot: slot(),
            publication: "walcast_shop".to_owned(),
        },
        &expect![
            "slot walcast_shop exists, but publication walcast_shop does not: the server cannot decode changes that are older than the publication; if nothing was delivered from the slot, drop it with: SELECT pg_drop_replication_slot('walcast_shop'), and start again, which creates both in the right order; an administrator can create them with the statements of: walcast check --sql"
        ],
    );
    check(
        Halt::SlotUnusable {
            slot: slot(),
            why: "it is a physical slot",
        },
        &expect![
            "slot walcast_shop cannot be used: it is a physical slot; drop it or configure another [postgres] slot"
        ],
    );
    check(
        Halt::SlotTwoPhase { slot: slot() },
        &expect![
            "slot walcast_shop was created with two_phase, so that the server sends prepared transactions before they are committed; replace it by a slot at the same positions, while no client streams from it: SELECT pg_copy_logical_replication_slot('walcast_shop', 'walcast_shop_copy'); SELECT pg_drop_replication_slot('walcast_shop'); SELECT pg_copy_logical_replication_slot('walcast_shop_copy', 'walcast_shop'); SELECT pg_drop_replication_slot('walcast_shop_copy')"
        ],
    );
    check(
        Halt::NotCreated {
            missing: vec![
                "publication walcast_shop".to_owned(),
                "slot walcast_shop".to_owned(),
            ],
        },
        &expect![
            "the connector may not create what is missing: publication walcast_shop and slot walcast_shop; have an administrator run the statements that this command prints: walcast check --sql; then start again"
        ],
    );
}

#[test]
fn server_that_lacks_delivered_changes() {
    for (resumes_at, expected) in [
        (
            Some(Lsn::new(0x170)),
            expect![
                "the server was promoted to timeline 2 at 0/180, but changes up to 0/200 of timeline 1 are in Kafka: the records in (0/180, 0/200] describe changes that the database no longer has; correct the consumers, then resume with: walcast checkpoint set 0/170 --accept-gap"
            ],
        ),
        (
            None,
            expect![
                "the server was promoted to timeline 2 at 0/180, but changes up to 0/200 of timeline 1 are in Kafka: the records in (0/180, 0/200] describe changes that the database no longer has; correct the consumers; this server does not have the slot either, and what was changed here after 0/180 cannot be streamed: start over with: walcast checkpoint reset; the next start creates the slot and reads existing rows as [snapshot] mode says"
            ],
        ),
    ] {
        check(
            Halt::AheadOfPromoted {
                expected: Timeline::new(1),
                found: Timeline::new(2),
                switched_at: Lsn::new(0x180),
                stored: STORED,
                resumes_at,
            },
            &expected,
        );
    }
    check(
        Halt::OtherTimeline {
            expected: Timeline::new(3),
            found: Timeline::new(2),
            stored: STORED,
        },
        &expect![
            "the server is on timeline 2, which does not descend from timeline 3 of the checkpoint at 0/200: it is an old primary or was restored; point [postgres] url at the current primary, or start over with: walcast checkpoint reset"
        ],
    );
    check(
        Halt::AheadOfServer {
            flushed: Lsn::new(0x1FF),
            stored: STORED,
        },
        &expect![
            "the server's WAL ends at 0/1FF, but changes up to 0/200 are in Kafka: it was restored from a backup; the records in (0/1FF, 0/200] describe changes that the database no longer has; correct the consumers, then start over with: walcast checkpoint reset"
        ],
    );
    check(
        Halt::DivergedHistory {
            finding: "transaction 731 (commit 0/100), which was delivered last, is not there".to_owned(),
            after: Lsn::new(0x40),
            until: STORED,
        },
        &expect![
            "this server's history is not the one that was delivered: transaction 731 (commit 0/100), which was delivered last, is not there; the server was restored to an earlier state, or is a copy of one that was, and has written other changes since: records from (0/40, 0/200] may describe changes that the database does not have, and changes that it has are not in Kafka; point [postgres] url at the server whose changes were delivered, or correct the consumers and drop the slot, then start over with: walcast checkpoint reset; the next start creates the slot and reads existing rows as [snapshot] mode says"
        ],
    );
}

#[test]
fn publication_that_omits_changes() {
    check(
        Halt::PublicationMissing {
            publication: slot(),
            sql: "CREATE PUBLICATION \"walcast_shop\" FOR TABLE \"public\".\"items\"".to_owned(),
        },
        &expect![[
            r#"publication walcast_shop does not exist; create it with: CREATE PUBLICATION "walcast_shop" FOR TABLE "public"."items""#
        ]],
    );
    check(
        Halt::NotPublished {
            table: table("items"),
            publication: slot(),
            sql: "ALTER PUBLICATION \"walcast_shop\" ADD TABLE \"public\".\"items\"".to_owned(),
        },
        &expect![[
            r#"table public.items is captured but not in publication walcast_shop, so its changes would never arrive; add it with: ALTER PUBLICATION "walcast_shop" ADD TABLE "public"."items""#
        ]],
    );
    check(
        Halt::OperationsUnpublished {
            publication: slot(),
            operations: "update, delete".to_owned(),
            sql: "ALTER PUBLICATION \"walcast_shop\" SET (publish = 'insert, update, delete, truncate')"
                .to_owned(),
        },
        &expect![[
            r#"publication walcast_shop does not publish update, delete; publish all with: ALTER PUBLICATION "walcast_shop" SET (publish = 'insert, update, delete, truncate')"#
        ]],
    );
    check(
        Halt::Restricted {
            table: table("items"),
            publication: slot(),
            by: RestrictedBy::Filter,
            sql: Some(sql::remove_restriction(&slot(), &table("items"))),
        },
        &expect![[
            r#"publication walcast_shop has a row filter for table public.items that it did not have when the table was captured: what it hides is not delivered; remove it with: BEGIN; ALTER PUBLICATION "walcast_shop" DROP TABLE ONLY "public"."items"; ALTER PUBLICATION "walcast_shop" ADD TABLE ONLY "public"."items"; COMMIT; if it is to stay, stop the connector and accept it: walcast checkpoint set --accept-gap with the position of walcast checkpoint show"#
        ]],
    );
    check(
        Halt::NotCovered {
            finding: Box::new(Halt::Unlogged {
                table: table("items"),
            }),
            after: STORED,
            until: Lsn::new(0x300),
        },
        &expect![[
            r#"table public.items is unlogged, so its changes are not in the WAL; what was changed in (0/200, 0/300] while this was so is not delivered; ALTER TABLE "public"."items" SET LOGGED, or exclude it; then start again, and re-read the tables concerned with: walcast snapshot start --tables"#
        ]],
    );
}

#[test]
fn table_that_cannot_be_captured() {
    check(
        Halt::Unlogged {
            table: table("items"),
        },
        &expect![[
            r#"table public.items is unlogged, so its changes are not in the WAL; ALTER TABLE "public"."items" SET LOGGED, or exclude it"#
        ]],
    );
    check(
        Halt::NoReplicaIdentity {
            table: table("items"),
        },
        &expect![[
            r#"table public.items has no replica identity: once published, the server would reject its updates and deletes in the application; add a primary key, or run: ALTER TABLE "public"."items" REPLICA IDENTITY FULL; or exclude it"#
        ]],
    );
    check(
        Halt::GeneratedIdentity {
            table: table("items"),
        },
        &expect![[
            r#"the replica identity of table public.items contains a generated column that is not published: once published, the server would reject its updates and deletes in the application; publish generated columns (WITH (publish_generated_columns = stored)), or run: ALTER TABLE "public"."items" REPLICA IDENTITY USING INDEX with the name of another unique index; or exclude it"#
        ]],
    );
    check(
        Halt::KeyNotSent {
            table: table("items"),
            columns: "code".to_owned(),
        },
        &expect![[
            r#"the key of table public.items contains generated columns (code) that the server does not send: records of different rows would have the same key; name other columns that identify a row in [[keys]], and run: ALTER TABLE "public"."items" REPLICA IDENTITY FULL, so that the server sends them for deleted rows (from version 18 on, a publication with publish_generated_columns = stored sends the key); or exclude the table"#
        ]],
    );
    check(
        Halt::NoPartitionIdentity {
            partition: table("events_2023"),
            table: table("events"),
        },
        &expect![[
            r#"partition public.events_2023 of table public.events has no replica identity: once public.events is published, the server would reject updates and deletes of the partition in the application; add a primary key, or run: ALTER TABLE "public"."events_2023" REPLICA IDENTITY FULL"#
        ]],
    );
    check(
        Halt::UnloggedPartition {
            partition: table("events_2023"),
            table: table("events"),
        },
        &expect![[
            r#"partition public.events_2023 of table public.events is unlogged, so its changes are not in the WAL; ALTER TABLE "public"."events_2023" SET LOGGED"#
        ]],
    );
    check(
        Halt::RowsDenied {
            table: table("items"),
            sql: "GRANT SELECT ON public.items TO walcast".to_owned(),
        },
        &expect![[
            r#"the rows of table public.items are to be read, and the role that reads them may not; run: GRANT SELECT ON public.items TO walcast"#
        ]],
    );
    check(
        Halt::ExcludedPartition {
            partition: table("events_2023"),
            table: table("events"),
        },
        &expect![[
            r#"partition public.events_2023 is excluded, but its changes are published as changes of table public.events, and cannot be distinguished from them; set [postgres] partitions to "leaf", and an existing publication to it (ALTER PUBLICATION … SET (publish_via_partition_root = false)), or remove the pattern from [postgres] exclude"#
        ]],
    );
    check(
        Halt::SharedTopic {
            tables: Box::new([table("a_b"), table("a b")]),
            topic: "shop.public.a_b".to_owned(),
        },
        &expect![[
            r#"tables "public.a_b" and "public.a b" would share topic shop.public.a_b, which would mix their rows: a topic has _ for each character that it cannot have; rename one of them, or leave one out with [postgres] exclude"#
        ]],
    );
    check(
        Halt::MessagesNotSent { version: 130_021 },
        &expect![
            "an outbox has logical decoding messages as its source, which servers send from version 14 on; this is version 13; write the events into an outbox table, or update the server"
        ],
    );
    check(
        Halt::EventHeld {
            table: table("events"),
            xid: Xid::new(742),
            commit_lsn: Lsn::new(0x3000),
            error: "a version is missing: 2 was expected".to_owned(),
        },
        &expect![[
            r#"the connector has halted before a change of public.events in transaction 742 (commit 0/3000): a version is missing: 2 was expected; see docs/event-stores.md; to send the event, run: walcast checkpoint accept-violation, or set on_violation = "warn" in [[event_store]]; then start again"#
        ]],
    );
    check(
        Halt::PolledBefore,
        &expect![
            "the outboxes of this connector were polled: which of their events are in Kafka is known from marks of rows, and not from a position; run: walcast outbox move --config FILE --to FILE, with the configuration that polls and this one; to stream without it, run: walcast checkpoint reset"
        ],
    );
    check(
        Halt::StreamedBefore { at: Lsn::new(0x3000) },
        &expect![[
            r#"this connector has a checkpoint at 0/3000: events that it streamed are in Kafka, and their rows are not marked; set source = "wal" in [[outbox]]; to poll instead, mark the rows whose events are in Kafka, and then delete the checkpoint (walcast checkpoint reset, with the configuration that streams)"#
        ]],
    );
    check(
        Halt::TopicOfOutbox {
            tables: Box::new([table("cart"), table("outbox")]),
            topic: "shop.public.cart".to_owned(),
        },
        &expect![
            "rows of public.cart would be written to topic shop.public.cart, which holds events of outbox public.outbox; send the events of the outbox to other topics with route_topic in [[outbox]], or leave the table out with [postgres] exclude"
        ],
    );
    check(
        Halt::RowsMissing {
            tables: vec![table("a_b"), table("a b")],
        },
        &expect![[
            r#"rows of public.a_b, public.a b are not in Kafka, because quarantined tables are not read; the rows of the other tables are; the causes are shown by: walcast check; once they are fixed, run: walcast table resume 'public.a_b' 'public.a b'; the next start reads the rows"#
        ]],
    );
    check(
        Halt::NoTable {
            pattern: "public.item".to_owned(),
        },
        &expect![[
            r#"no table matches "public.item"; correct the pattern in [postgres] tables, or create the table first"#
        ]],
    );
}

#[test]
fn setting_of_the_server_or_of_kafka() {
    check(
        Halt::WalLevel {
            found: "replica".to_owned(),
        },
        &expect![
            "wal_level is replica, but logical decoding needs logical; run: ALTER SYSTEM SET wal_level = logical, and restart the server"
        ],
    );
    check(
        Halt::TransactionTooSlow {
            xid: Xid::new(701),
            commit_lsn: STORED,
            elapsed: Duration::from_secs(54),
            limit: Duration::from_secs(60),
            after: Lsn::new(0x130),
        },
        &expect![
            "transaction 701 (commit 0/200) is not delivered after 54 s, and Kafka would abort its transaction at 60 s; nothing after 0/130 was delivered; raise transaction.timeout.ms ([kafka] transaction_timeout) and the broker's transaction.max.timeout.ms, or allow the transaction to be split with [kafka] split_over_bytes"
        ],
    );
}
