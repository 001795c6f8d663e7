//! Import of another connector's offset, at every position where that connector can stop.

use expect_test::{Expect, expect};
use walcast_delivery::{
    ConnectorOffset, DeliveryError, ImportError, ImportRejected, ImportedOffset, OffsetChange, OffsetImport,
    Place, Source, import_offset,
};
use walcast_mapper::MapperConfig;
use walcast_pgoutput::{Lsn, PgTimestamp};

use crate::fakes::{
    CONSISTENT_POINT, Change, KafkaCall, Transaction, World, delete, delivered_ids, insert, message,
    truncate, update, update_key,
};

/// A server with the slot and publication of another connector, and several transactions.
fn world(transactions: &[&[Change]]) -> World {
    let world = World::new();
    world.postgres.set_up();
    for changes in transactions {
        world
            .postgres
            .commit(changes.iter().cloned().map(|change| ("orders", change)));
    }
    world
}

fn committed(world: &World) -> Vec<Transaction> {
    world.postgres.read(|server| server.wal.clone())
}

/// Offset of a connector that stopped after the change with the given index of a transaction.
fn stopped_after(world: &World, transaction: usize, change: usize) -> ConnectorOffset {
    let committed = committed(world);
    ConnectorOffset {
        delivered_until: transaction.checked_sub(1).map(|before| committed[before].end_lsn),
        last_commit_end: transaction.checked_sub(1).map(|before| committed[before].end_lsn),
        committed_at: None,
        within: Some(OffsetChange {
            xid: committed[transaction].xid,
            lsn: committed[transaction].changes[change].lsn,
            sent_at_lsn: None,
            is_last_at_lsn: true,
            is_message: false,
            counted_at_lsn: None,
        }),
    }
}

async fn import(
    world: &World,
    position: ConnectorOffset,
    accept_gap: bool,
) -> Result<ImportedOffset, ImportError> {
    import_or_look(world, position, accept_gap, false).await
}

async fn import_or_look(
    world: &World,
    position: ConnectorOffset,
    accept_gap: bool,
    only_look: bool,
) -> Result<ImportedOffset, ImportError> {
    let mut connector = world.connector();
    connector
        .source
        .acquire_leadership()
        .await
        .expect("no other instance leads");
    let mapper = MapperConfig::new("shop", "shop");
    let import = OffsetImport {
        position,
        slot: "walcast_shop",
        publication: "walcast_shop",
        mapper: &mapper,
        accept_gap,
        only_look,
        now: PgTimestamp::from_unix_micros(0),
    };
    let (source, sink) = (&mut connector.source, &mut connector.sink);
    import_offset(source, &connector.checkpoints, sink, &import).await
}

/// A look finds the same position. It opens no producer, because that creates the checkpoint topic and fences.
#[tokio::test(start_paused = true)]
async fn look_finds_the_position_and_touches_nothing() {
    let changes = [insert(1), insert(2)];
    let world = world(&[&changes]);
    let position = stopped_after(&world, 0, 0);
    let found = import_or_look(&world, position, false, true).await.unwrap();
    for call in [KafkaCall::Open, KafkaCall::Write, KafkaCall::Commit] {
        assert_eq!(world.kafka.count(call), 0, "{call:?}");
    }
    assert_eq!(import(&world, position, false).await.unwrap(), found);
    let rejected = import_or_look(&world, position, false, true).await.unwrap_err();
    assert!(
        matches!(
            rejected,
            ImportError::Rejected(ImportRejected::HasCheckpoint { .. })
        ),
        "{rejected}"
    );
}

async fn check_rejected(world: &World, position: ConnectorOffset, expected: Expect) {
    let rejection = import(world, position, false)
        .await
        .expect_err("the offset is rejected");
    expected.assert_eq(&rejection.to_string());
    assert_eq!(world.kafka.checkpoint(), None, "a checkpoint was written");
    let active = world
        .postgres
        .read(|server| server.slot.as_ref().and_then(|slot| slot.active_pid));
    assert_eq!(active, None, "the slot is still held");
}

/// Identities of the first records of all changes, in WAL order.
fn changes(world: &World) -> Vec<String> {
    let mut ids = Vec::new();
    for Transaction {
        commit_lsn, changes, ..
    } in committed(world)
    {
        ids.extend((0..changes.len()).map(|ordinal| format!("{commit_lsn}/{ordinal}")));
    }
    ids
}

/// Imports an offset after each change in turn, and checks that exactly the remaining changes are delivered.
async fn check_everywhere(transactions: &[&[Change]]) {
    let all = changes(&world(transactions));
    let mut before = 0;
    for (transaction, changes) in transactions.iter().enumerate() {
        for change in 0..changes.len() {
            before += 1;
            let world = world(transactions);
            let position = stopped_after(&world, transaction, change);
            let imported = import(&world, position, false)
                .await
                .expect("the offset can be imported");
            let committed = committed(&world);
            let place = if change + 1 == changes.len() {
                Place::Behind {
                    xid: committed[transaction].xid,
                }
            } else {
                Place::Inside {
                    xid: committed[transaction].xid,
                    delivered: change as u64 + 1,
                    changes: changes.len() as u64,
                }
            };
            assert_eq!(imported.place, place);
            world
                .run(world.all_delivered())
                .await
                .expect("the connector runs and stops");
            assert_eq!(
                delivered_ids(&world),
                all[before..],
                "after {transaction}/{change}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn delivers_exactly_the_rest_after_any_change() {
    let inserts: Vec<Change> = (0..7).map(insert).collect();
    check_everywhere(&[
        &[insert(100)],
        &inserts,
        &[update(100), insert(101)],
        &[update(101)],
    ])
    .await;
}

#[tokio::test(start_paused = true)]
async fn offset_between_transactions_needs_no_slot_read() {
    for delivered in 0..3 {
        let world = world(&[&[insert(1)], &[insert(2), insert(3)], &[insert(4)]]);
        let end_lsn = committed(&world)[delivered].end_lsn;
        let position = ConnectorOffset {
            delivered_until: Some(end_lsn),
            last_commit_end: Some(end_lsn),
            committed_at: None,
            within: None,
        };
        let imported = import(&world, position, false)
            .await
            .expect("the offset can be imported");
        assert_eq!(imported.place, Place::Between);
        assert_eq!(imported.checkpoint.end_lsn, end_lsn);
        assert_eq!(
            imported.checkpoint.last_commit.map(|last| last.end_lsn),
            Some(end_lsn)
        );
        assert!(world.postgres.read(|server| server.starts.is_empty()));
        world
            .run(world.all_delivered())
            .await
            .expect("the connector runs and stops");
        let rest = [1, 3, 4][delivered];
        assert_eq!(delivered_ids(&world), changes(&world)[rest..]);
    }
}

/// The offset of a connector that has only read its snapshot contains no end of a transaction.
#[tokio::test(start_paused = true)]
async fn starts_at_the_slot_without_a_delivered_transaction() {
    let world = world(&[&[insert(1)]]);
    let position = ConnectorOffset {
        delivered_until: None,
        last_commit_end: None,
        committed_at: None,
        within: None,
    };
    let imported = import(&world, position, false)
        .await
        .expect("the offset can be imported");
    assert_eq!(
        (imported.checkpoint.end_lsn, imported.checkpoint.last_commit),
        (CONSISTENT_POINT, None)
    );
    world
        .run(world.all_delivered())
        .await
        .expect("the connector runs and stops");
    assert_eq!(delivered_ids(&world), changes(&world));
}

#[tokio::test(start_paused = true)]
async fn counts_rows_of_one_copy_that_were_sent() {
    let copied = || {
        let world = world(&[&[insert(1)]]);
        world.postgres.copy((10..15).map(|id| ("orders", insert(id))));
        world.postgres.commit([("orders", insert(20))]);
        world
    };
    let mut position = stopped_after(&copied(), 1, 2);
    check_rejected(&copied(), position, expect!["5 changes of public.orders in transaction 701 share position 0/1000130 (rows of one COPY), and the offset does not store how many of them were sent"]).await;
    for counted_by_operator in [false, true] {
        for sent in 1..=5 {
            let change = position
                .within
                .as_mut()
                .expect("the connector stopped inside a transaction");
            (change.sent_at_lsn, change.counted_at_lsn) = if counted_by_operator {
                (None, Some(sent))
            } else {
                (Some(sent), None)
            };
            let world = copied();
            import(&world, position, false)
                .await
                .expect("the offset can be imported");
            world
                .run(world.all_delivered())
                .await
                .expect("the connector runs and stops");
            let delivered = usize::try_from(sent).unwrap() + 1;
            assert_eq!(delivered_ids(&world), changes(&world)[delivered..]);
        }
    }
    position
        .within
        .as_mut()
        .expect("the connector stopped inside a transaction")
        .counted_at_lsn = Some(6);
    check_rejected(
        &copied(),
        position,
        expect!["the given count 6 is more than the 5 changes at 0/1000130 in transaction 701"],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn asks_about_a_change_of_several_records() {
    let world = || world(&[&[insert(1), delete(1)], &[update_key(2, 3), insert(4)]]);
    let mut deleted = stopped_after(&world(), 0, 1);
    check_rejected(&world(), deleted, expect!["the last change sent, at 0/1000080 in transaction 700, makes 2 records (a delete of public.orders), and the offset does not store whether all of them were sent"]).await;
    check_rejected(&world(), stopped_after(&world(), 1, 0), expect!["the last change sent, at 0/10001B0 in transaction 701, makes 3 records (an update that moves the key of public.orders), and the offset does not store whether all of them were sent"]).await;
    for sent in [0, 1] {
        let world = world();
        deleted
            .within
            .as_mut()
            .expect("the connector stopped inside a transaction")
            .counted_at_lsn = Some(sent);
        import(&world, deleted, false)
            .await
            .expect("the offset can be imported");
        world
            .run(world.all_delivered())
            .await
            .expect("the connector runs and stops");
        let first = changes(&world)[usize::try_from(1 + sent).unwrap()].clone();
        assert_eq!(delivered_ids(&world).first(), Some(&first), "{sent} sent");
    }
}

/// Messages and truncates have ordinals, although no record is made of them.
#[tokio::test(start_paused = true)]
async fn counts_changes_without_records() {
    let transactions: &[&[Change]] = &[&[message(), insert(1), truncate(), insert(2), insert(3)]];
    let world = world(transactions);
    let position = stopped_after(&world, 0, 3);
    let imported = import(&world, position, false)
        .await
        .expect("the offset can be imported");
    let partial = imported
        .checkpoint
        .partial
        .expect("the connector stopped inside a transaction");
    assert_eq!(partial.next_ordinal, 4);
    world
        .run(world.all_delivered())
        .await
        .expect("the connector runs and stops");
    assert_eq!(delivered_ids(&world), changes(&world)[4..]);
}

#[tokio::test(start_paused = true)]
async fn slot_ahead_of_the_offset_is_a_gap() {
    let world = world(&[&[insert(1)], &[insert(2)], &[insert(3)]]);
    let committed = committed(&world);
    world.postgres.edit(|server| {
        server.slot.as_mut().expect("the slot exists").confirmed_flush_lsn = Some(committed[1].end_lsn);
    });
    let position = stopped_after(&world, 1, 0);
    check_rejected(&world, position, expect!["changes in (0/1000130, 0/1000260] are not covered: the connector's stored position is 0/1000130, but slot walcast_shop was confirmed up to 0/1000260 and no longer has what lies before"]).await;
    let imported = import(&world, position, true).await.expect("the gap is accepted");
    assert_eq!(imported.checkpoint.end_lsn, committed[1].end_lsn);
    assert_eq!(imported.checkpoint.last_commit, None);
    world
        .run(world.all_delivered())
        .await
        .expect("the connector runs and stops");
    assert_eq!(delivered_ids(&world), changes(&world)[2..]);
}

#[tokio::test(start_paused = true)]
async fn rejects_the_offset_of_another_server() {
    let world = || world(&[&[insert(1)], &[insert(2)]]);
    let mut position = stopped_after(&world(), 1, 0);
    position.delivered_until = Some(Lsn::new(0x0200_0000));
    check_rejected(&world(), position, expect!["the connector's stored position 0/2000000 lies beyond the end of the server's WAL 0/1000260: the offset is of another server, or the server was restored from a backup"]).await;

    let mut position = stopped_after(&world(), 1, 0);
    position
        .within
        .as_mut()
        .expect("the connector stopped inside a transaction")
        .xid = committed(&world())[0].xid;
    check_rejected(&world(), position, expect!["the connector stopped inside transaction 700, but the first transaction after 0/1000130 in slot walcast_shop is 701: the offset is not of this slot, or not of this publication"]).await;

    let mut position = stopped_after(&world(), 1, 0);
    position
        .within
        .as_mut()
        .expect("the connector stopped inside a transaction")
        .lsn = Lsn::new(0x0100_0001);
    check_rejected(&world(), position, expect!["the connector stopped at 0/1000001 in transaction 701, but slot and publication send no such change: the offset is not of this slot, or the publication was altered since"]).await;

    let mut position = stopped_after(&world(), 1, 0);
    position.delivered_until = Some(committed(&world())[1].end_lsn);
    check_rejected(&world(), position, expect!["the connector stopped inside transaction 701, but slot walcast_shop has no transaction after 0/1000260: the offset is not of this slot, or not of this publication"]).await;
}

#[tokio::test(start_paused = true)]
async fn rejects_a_slot_in_use_or_missing() {
    let world = world(&[&[insert(1)]]);
    let position = stopped_after(&world, 0, 0);
    world
        .postgres
        .edit(|server| server.slot.as_mut().expect("the slot exists").active_pid = Some(4711));
    let rejection = import(&world, position, false)
        .await
        .expect_err("the slot is in use");
    expect!["slot walcast_shop is in use (process 4711 of the server streams from it): stop the connector that holds it, and make sure that it stays stopped"].assert_eq(&rejection.to_string());
    world.postgres.edit(|server| server.slot = None);
    let rejection = import(&world, position, false)
        .await
        .expect_err("the slot is missing");
    assert!(
        matches!(
            rejection,
            ImportError::Rejected(ImportRejected::SlotMissing { after, .. }) if after == CONSISTENT_POINT
        ),
        "{rejection:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn rejects_findings_of_the_first_start() {
    let world = world(&[&[insert(1)]]);
    world.postgres.edit(|server| server.publication = None);
    let rejection = import(&world, stopped_after(&world, 0, 0), false)
        .await
        .expect_err("the table is not published");
    assert!(
        matches!(rejection, ImportError::Delivery(DeliveryError::Halt(_))),
        "{rejection}"
    );
}

#[tokio::test(start_paused = true)]
async fn rejects_import_after_delivery() {
    let world = World::set_up();
    world.postgres.commit([("orders", insert(1))]);
    let rejection = import(&world, stopped_after(&world, 0, 0), false)
        .await
        .expect_err("a checkpoint exists");
    expect!["walcast already has a checkpoint at 0/1000000 for this name, so no offset is imported"]
        .assert_eq(&rejection.to_string());
}
