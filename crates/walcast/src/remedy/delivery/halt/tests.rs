use std::time::Duration;

use expect_test::{Expect, expect};
use walcast_delivery::{DeliveryError, Halt, SystemIdentifier, Timeline};
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
        },
        &expect![
            "the checkpoint at 0/200 belongs to cluster 7, but this server is cluster 8: it is a different server, or was initialized again; point [postgres] url at the old cluster, or start over under another name"
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
            "slot walcast_shop was advanced, or dropped and recreated, by another client: changes in (0/200, 0/201] were never delivered and the slot no longer has them; re-read the tables concerned, then accept the gap with: walcast checkpoint set 0/201 --accept-gap"
        ],
    );
    check(
        Halt::SlotMissing {
            slot: slot(),
            stored: STORED,
        },
        &expect![
            "slot walcast_shop does not exist, but a checkpoint at 0/200 does: changes after 0/200 are gone with the slot; re-read the tables concerned, then start over with: walcast checkpoint reset"
        ],
    );
    check(
        Halt::SlotLost {
            slot: slot(),
            reason: "wal_removed".to_owned(),
            stored: STORED,
        },
        &expect![
            "slot walcast_shop was invalidated (wal_removed): changes after 0/200 are gone; drop it (SELECT pg_drop_replication_slot('walcast_shop')), raise max_slot_wal_keep_size, re-read the tables concerned, then start over with: walcast checkpoint reset"
        ],
    );
    check(
        Halt::SlotWithoutCheckpoint {
            slot: slot(),
            confirmed: STORED,
        },
        &expect![
            "slot walcast_shop exists, but no checkpoint does: it is not known what of it was delivered; to start with the changes after 0/200, run: walcast checkpoint set 0/200"
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
        Halt::SlotNotCreated {
            slot: slot(),
            sql: "SELECT lsn FROM pg_create_logical_replication_slot('walcast_shop', 'pgoutput')".to_owned(),
        },
        &expect![
            "slot walcast_shop does not exist, and the connector may not create it; create it with: SELECT lsn FROM pg_create_logical_replication_slot('walcast_shop', 'pgoutput'), then run: walcast checkpoint set with the LSN it returns"
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
                "the server was promoted to timeline 2 at 0/180, but changes up to 0/200 of timeline 1 are in Kafka: the records in (0/180, 0/200] describe changes that the database no longer has; correct the consumers, and re-read the tables concerned: this server does not have the slot either, and what was changed here after 0/180 cannot be streamed; then start over with: walcast checkpoint reset"
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
            "this server's history is not the one that was delivered: transaction 731 (commit 0/100), which was delivered last, is not there; the server was restored to an earlier state, or is a copy of one that was, and has written other changes since: records from (0/40, 0/200] may describe changes that the database does not have, and changes that it has are not in Kafka; point [postgres] url at the server whose changes were delivered, or correct the consumers, re-read the tables, and start over with: walcast checkpoint reset"
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
        Halt::NotCovered {
            finding: Box::new(Halt::Unlogged {
                table: table("items"),
            }),
            after: STORED,
            until: Lsn::new(0x300),
        },
        &expect![[
            r#"table public.items is unlogged, so its changes are not in the WAL; what was changed in (0/200, 0/300] while this was so is not delivered; ALTER TABLE "public"."items" SET LOGGED, or exclude it; re-read the tables concerned"#
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
