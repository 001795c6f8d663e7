//! Going on where another connector stopped, at any of the places where it can stop.

use expect_test::{Expect, expect};
use walcast_delivery::{
    DeliveryError, ForeignChange, ForeignPosition, Place, Source, TakeOver, TakeOverError, TakenOver,
    take_over,
};
use walcast_mapper::MapperConfig;
use walcast_pgoutput::{Lsn, PgTimestamp};

use crate::fakes::{
    CONSISTENT_POINT, Change, Transaction, World, delete, delivered_ids, insert, message, truncate, update,
    update_moved,
};

/// A server with slot and publication that another connector has streamed from, and several transactions.
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

fn log(world: &World) -> Vec<Transaction> {
    world.postgres.read(|server| server.log.clone())
}

/// The notes of a connector that stopped after the change with this number of a transaction.
fn stopped_after(world: &World, transaction: usize, change: usize) -> ForeignPosition {
    let log = log(world);
    ForeignPosition {
        delivered_until: transaction.checked_sub(1).map(|before| log[before].end_lsn),
        last_commit_end: transaction.checked_sub(1).map(|before| log[before].end_lsn),
        committed_at: None,
        within: Some(ForeignChange {
            xid: log[transaction].xid,
            lsn: log[transaction].changes[change].lsn,
            sent_at_lsn: None,
            is_last_at_lsn: true,
            is_message: false,
            counted_at_lsn: None,
        }),
    }
}

async fn wish(
    world: &World,
    position: ForeignPosition,
    accept_gap: bool,
) -> Result<TakenOver, TakeOverError> {
    let mut connector = world.connector();
    connector.source.lead().await.expect("nobody else leads");
    let mapper = MapperConfig::new("shop", "shop");
    let wish = TakeOver {
        position,
        slot: "walcast_shop",
        publication: "walcast_shop",
        mapper: &mapper,
        accept_gap,
        only_look: false,
        now: PgTimestamp::from_unix_micros(0),
    };
    take_over(&mut connector.source, &mut connector.sink, &wish).await
}

async fn check_refused(world: &World, position: ForeignPosition, expected: Expect) {
    let refused = wish(world, position, false).await.expect_err("it was taken over");
    expected.assert_eq(&refused.to_string());
    assert_eq!(world.kafka.checkpoint(), None, "a checkpoint was written");
    let active = world
        .postgres
        .read(|server| server.slot.as_ref().and_then(|slot| slot.active_pid));
    assert_eq!(active, None, "the slot is still held");
}

/// Changes of the log, by the first record of each, in order.
fn changes(world: &World) -> Vec<String> {
    let mut ids = Vec::new();
    for Transaction {
        commit_lsn, changes, ..
    } in log(world)
    {
        ids.extend((0..changes.len()).map(|ordinal| format!("{commit_lsn}/{ordinal}")));
    }
    ids
}

/// Takes over after each change of the log in turn; what comes then must be the rest, no more and no less.
async fn check_everywhere(transactions: &[&[Change]]) {
    let all = changes(&world(transactions));
    let mut before = 0;
    for (transaction, of_it) in transactions.iter().enumerate() {
        for change in 0..of_it.len() {
            before += 1;
            let world = world(transactions);
            let position = stopped_after(&world, transaction, change);
            let taken = wish(&world, position, false).await.expect("it can be taken over");
            let log = log(&world);
            let place = if change + 1 == of_it.len() {
                Place::Behind {
                    xid: log[transaction].xid,
                }
            } else {
                Place::Inside {
                    xid: log[transaction].xid,
                    delivered: change as u64 + 1,
                    changes: of_it.len() as u64,
                }
            };
            assert_eq!(taken.place, place);
            world.run(world.everything_delivered()).await.expect("it runs");
            assert_eq!(
                delivered_ids(&world),
                all[before..],
                "after {transaction}/{change}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn after_any_change_the_rest_comes_and_nothing_else() {
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
async fn between_transactions_no_slot_is_read() {
    for delivered in 0..3 {
        let world = world(&[&[insert(1)], &[insert(2), insert(3)], &[insert(4)]]);
        let end_lsn = log(&world)[delivered].end_lsn;
        let position = ForeignPosition {
            delivered_until: Some(end_lsn),
            last_commit_end: Some(end_lsn),
            committed_at: None,
            within: None,
        };
        let taken = wish(&world, position, false).await.expect("it can be taken over");
        assert_eq!(taken.place, Place::Between);
        assert_eq!(taken.checkpoint.end_lsn, end_lsn);
        assert_eq!(
            taken.checkpoint.last_commit.map(|last| last.end_lsn),
            Some(end_lsn)
        );
        assert!(world.postgres.read(|server| server.starts.is_empty()));
        world.run(world.everything_delivered()).await.expect("it runs");
        let rest = [1, 3, 4][delivered];
        assert_eq!(delivered_ids(&world), changes(&world)[rest..]);
    }
}

/// A connector that has only read its snapshot notes no end of a transaction.
#[tokio::test(start_paused = true)]
async fn without_any_transaction_the_slot_says_where_to_begin() {
    let world = world(&[&[insert(1)]]);
    let position = ForeignPosition {
        delivered_until: None,
        last_commit_end: None,
        committed_at: None,
        within: None,
    };
    let taken = wish(&world, position, false).await.expect("it can be taken over");
    assert_eq!(
        (taken.checkpoint.end_lsn, taken.checkpoint.last_commit),
        (CONSISTENT_POINT, None)
    );
    world.run(world.everything_delivered()).await.expect("it runs");
    assert_eq!(delivered_ids(&world), changes(&world));
}

#[tokio::test(start_paused = true)]
async fn rows_of_one_copy_are_counted_where_the_offset_counts_them() {
    let copied = || {
        let world = world(&[&[insert(1)]]);
        world.postgres.copy((10..15).map(|id| ("orders", insert(id))));
        world.postgres.commit([("orders", insert(20))]);
        world
    };
    let mut position = stopped_after(&copied(), 1, 2);
    check_refused(&copied(), position, expect!["5 changes of public.orders in transaction 701 share position 0/1000130 (rows of one COPY), and the offset does not tell how many of them were sent: count the records in its topic with source.lsn = 16777520, then say so with --sent-at-lsn COUNT"]).await;
    for counted_by_a_person in [false, true] {
        for sent in 1..=5 {
            let change = position.within.as_mut().expect("it stopped inside");
            (change.sent_at_lsn, change.counted_at_lsn) = if counted_by_a_person {
                (None, Some(sent))
            } else {
                (Some(sent), None)
            };
            let world = copied();
            wish(&world, position, false).await.expect("it can be taken over");
            world.run(world.everything_delivered()).await.expect("it runs");
            let delivered = usize::try_from(sent).unwrap() + 1;
            assert_eq!(delivered_ids(&world), changes(&world)[delivered..]);
        }
    }
    position
        .within
        .as_mut()
        .expect("it stopped inside")
        .counted_at_lsn = Some(6);
    check_refused(
        &copied(),
        position,
        expect!["--sent-at-lsn 6 is more than the 5 changes at 0/1000130 in transaction 701"],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_change_of_several_records_is_asked_for() {
    let world = || world(&[&[insert(1), delete(1)], &[update_moved(2, 3), insert(4)]]);
    let mut deleted = stopped_after(&world(), 0, 1);
    check_refused(&world(), deleted, expect!["the last change sent, at 0/1000080 in transaction 700, makes 2 records (a delete of public.orders), and the offset does not tell whether all of them were sent: look for the last of them in the topic, after the one with source.lsn = 16777344; if it is there, go on with --sent-at-lsn 1, if not, send the change again with --sent-at-lsn 0; or start and stop the connector once more, until something else is last"]).await;
    check_refused(&world(), stopped_after(&world(), 1, 0), expect!["the last change sent, at 0/10001B0 in transaction 701, makes 3 records (an update that moves the key of public.orders), and the offset does not tell whether all of them were sent: look for the last of them in the topic, after the one with source.lsn = 16777648; if it is there, go on with --sent-at-lsn 1, if not, send the change again with --sent-at-lsn 0; or start and stop the connector once more, until something else is last"]).await;
    for sent in [0, 1] {
        let world = world();
        deleted.within.as_mut().expect("it stopped inside").counted_at_lsn = Some(sent);
        wish(&world, deleted, false).await.expect("it can be taken over");
        world.run(world.everything_delivered()).await.expect("it runs");
        let first = changes(&world)[usize::try_from(1 + sent).unwrap()].clone();
        assert_eq!(delivered_ids(&world).first(), Some(&first), "{sent} sent");
    }
}

/// Messages and truncates are numbered though no record tells them.
#[tokio::test(start_paused = true)]
async fn what_makes_no_record_is_counted_all_the_same() {
    let transactions: &[&[Change]] = &[&[message(), insert(1), truncate(), insert(2), insert(3)]];
    let world = world(transactions);
    let position = stopped_after(&world, 0, 3);
    let taken = wish(&world, position, false).await.expect("it can be taken over");
    let partial = taken.checkpoint.partial.expect("it stopped inside");
    assert_eq!(partial.next_ordinal, 4);
    world.run(world.everything_delivered()).await.expect("it runs");
    assert_eq!(delivered_ids(&world), changes(&world)[4..]);
}

#[tokio::test(start_paused = true)]
async fn a_slot_beyond_the_offset_is_a_gap() {
    let world = world(&[&[insert(1)], &[insert(2)], &[insert(3)]]);
    let log = log(&world);
    world.postgres.edit(|server| {
        server.slot.as_mut().expect("there is one").confirmed_flush_lsn = Some(log[1].end_lsn);
    });
    let position = stopped_after(&world, 1, 0);
    check_refused(&world, position, expect!["changes in (0/1000130, 0/1000260] are not covered: the connector's stored position is 0/1000130, but slot walcast_shop was confirmed up to 0/1000260 and no longer has what lies before; use a newer offset if there is one, or re-read the tables concerned and go on with --accept-gap"]).await;
    let taken = wish(&world, position, true).await.expect("the gap is accepted");
    assert_eq!(taken.checkpoint.end_lsn, log[1].end_lsn);
    assert_eq!(taken.checkpoint.last_commit, None);
    world.run(world.everything_delivered()).await.expect("it runs");
    assert_eq!(delivered_ids(&world), changes(&world)[2..]);
}

#[tokio::test(start_paused = true)]
async fn an_offset_of_another_server_is_noticed() {
    let world = || world(&[&[insert(1)], &[insert(2)]]);
    let mut position = stopped_after(&world(), 1, 0);
    position.delivered_until = Some(Lsn::new(0x0200_0000));
    check_refused(&world(), position, expect!["the connector's stored position 0/2000000 lies beyond the end of the server's log 0/1000260: the offset is of another server, or the server was restored from a backup"]).await;

    let mut position = stopped_after(&world(), 1, 0);
    position.within.as_mut().expect("it stopped inside").xid = log(&world())[0].xid;
    check_refused(&world(), position, expect!["the connector stopped inside of transaction 700, but the first transaction after 0/1000130 in slot walcast_shop is 701: the offset is not of this slot, or not of this publication"]).await;

    let mut position = stopped_after(&world(), 1, 0);
    position.within.as_mut().expect("it stopped inside").lsn = Lsn::new(0x0100_0001);
    check_refused(&world(), position, expect!["the connector stopped at 0/1000001 in transaction 701, but slot and publication send no such change: the offset is not of this slot, or the publication was altered since"]).await;

    let mut position = stopped_after(&world(), 1, 0);
    position.delivered_until = Some(log(&world())[1].end_lsn);
    check_refused(&world(), position, expect!["the connector stopped inside of transaction 701, but slot walcast_shop has no transaction after 0/1000260: the offset is not of this slot, or not of this publication"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_slot_in_use_or_missing_is_refused() {
    let world = world(&[&[insert(1)]]);
    let position = stopped_after(&world, 0, 0);
    world
        .postgres
        .edit(|server| server.slot.as_mut().expect("there is one").active_pid = Some(4711));
    let refused = wish(&world, position, false).await.expect_err("it is in use");
    expect!["slot walcast_shop is in use (process 4711 of the server streams from it): stop the connector that holds it, and see that it stays stopped"].assert_eq(&refused.to_string());
    world.postgres.edit(|server| server.slot = None);
    let refused = wish(&world, position, false).await.expect_err("there is none");
    expect![[r#"slot walcast_shop does not exist: set [postgres] slot to the other connector's (Debezium's slot.name, "debezium" by default); if that slot was dropped, the changes since 0/1000000 cannot be had any more"#]].assert_eq(&refused.to_string());
}

#[tokio::test(start_paused = true)]
async fn what_the_first_start_would_halt_at_is_refused() {
    let world = world(&[&[insert(1)]]);
    world.postgres.edit(|server| server.publication = None);
    let refused = wish(&world, stopped_after(&world, 0, 0), false)
        .await
        .expect_err("it is not published");
    assert!(
        matches!(refused, TakeOverError::Delivery(DeliveryError::Halt(_))),
        "{refused}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_connector_that_has_delivered_takes_nothing_over() {
    let world = World::set_up();
    world.postgres.commit([("orders", insert(1))]);
    let refused = wish(&world, stopped_after(&world, 0, 0), false)
        .await
        .expect_err("there is a checkpoint");
    expect!["walcast already has a checkpoint at 0/1000000 for this name, so there is nothing to take over; to begin anew from the other connector's position: walcast checkpoint reset"].assert_eq(&refused.to_string());
}
