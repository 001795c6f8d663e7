//! A server whose positions are right and whose log is another one: what was delivered last is asked for again.

use std::time::Duration;

use walcast_delivery::{DeliveryError, Halt};
use walcast_pgoutput::{Lsn, Xid};

use crate::fakes::{
    Act, CONSISTENT_POINT, KafkaCall, PostgresCall, Server, Table, TestFault, Transaction, World, insert,
    verify,
};

const GONE: TestFault = TestFault::passing("connection lost");

/// The data directory is as it was when the slot had been made.
fn set_back(server: &mut Server) {
    server.log.clear();
    server.wal_end = CONSISTENT_POINT;
    forget_confirmations(server);
}

/// The slot on disk is older than what it was told: the server crashed.
fn forget_confirmations(server: &mut Server) {
    let slot = server.slot.as_mut().expect("there is a slot");
    slot.confirmed_flush_lsn = Some(CONSISTENT_POINT);
    slot.restart_lsn = Some(CONSISTENT_POINT);
    server.confirmations.clear();
    server.starts.clear();
}

/// Commits a transaction which is not the one that was there before.
fn commit_other(world: &World, xid: u32, bytes_before: u64) -> Transaction {
    if bytes_before > 0 {
        world.postgres.write_elsewhere(bytes_before);
    }
    world.postgres.commit([("accounts", insert(7))]);
    world.postgres.edit(|server| {
        let last = server.log.last_mut().expect("it was just written");
        last.xid = Xid::new(xid);
        last.clone()
    })
}

/// What a connector says that has delivered and finds the server so; it must have written and confirmed nothing.
async fn finding(world: &World, change: impl FnOnce(&World)) -> String {
    let first = world.postgres.commit([("accounts", insert(1))]);
    world.deliver().await;
    change(world);
    let written = world.kafka.read(|broker| broker.transactions().len());
    let error = world.run_to_its_end().await;
    assert!(!error.is_retryable());
    let now_written = world.kafka.read(|broker| broker.transactions().len());
    assert_eq!(now_written, written, "something was written");
    assert_eq!(world.postgres.confirmed(), CONSISTENT_POINT);
    assert_eq!(world.status.borrow().word(), "halted");
    match error {
        DeliveryError::Halt(Halt::OtherHistory {
            finding,
            after,
            until,
        }) => {
            assert_eq!(after, CONSISTENT_POINT);
            assert!(until >= first.end_lsn);
            finding
        }
        other => panic!("not another history: {other}"),
    }
}

/// Trap 14, when the log has grown past the checkpoint again.
#[tokio::test(start_paused = true)]
async fn a_server_set_back_that_has_written_since() {
    let world = World::set_up();
    let told = finding(&world, |world| {
        world.postgres.edit(set_back);
        commit_other(world, 900, 0x20);
        commit_other(world, 901, 0);
    })
    .await;
    assert_eq!(
        told,
        "transaction 700 (commit 0/1000100), which was delivered last, is not there"
    );
}

#[tokio::test(start_paused = true)]
async fn another_transaction_at_the_very_same_position() {
    let world = World::set_up();
    let told = finding(&world, |world| {
        world.postgres.edit(set_back);
        commit_other(world, 900, 0);
        commit_other(world, 901, 0);
    })
    .await;
    assert_eq!(
        told,
        "transaction 900 lies at 0/1000100, where transaction 700 was delivered from"
    );
}

/// Whatever lies at the end of such a log.
#[tokio::test(start_paused = true)]
async fn a_server_set_back_that_has_written_nothing_for_us() {
    let world = World::set_up();
    let told = finding(&world, |world| {
        world.postgres.edit(set_back);
        world.postgres.write_elsewhere(0x1000);
    })
    .await;
    assert_eq!(
        told,
        "transaction 700 (commit 0/1000100), which was delivered last, is not there"
    );
    let world = World::set_up();
    let told = finding(&world, |world| {
        world.postgres.edit(set_back);
        world.postgres.write_elsewhere(0x1000);
        world.postgres.emit_message();
    })
    .await;
    assert_eq!(
        told,
        "transaction 700 (commit 0/1000100), which was delivered last, is not there"
    );
}

/// The idle log that the checkpoint has passed is where it wrote.
#[tokio::test(start_paused = true)]
async fn a_change_in_log_that_held_nothing() {
    let world = World::set_up();
    let told = finding(&world, |world| {
        let mut idle = world.kafka.checkpoint().unwrap();
        idle.end_lsn = world.postgres.write_elsewhere(0x1000);
        world.put_checkpoint(idle);
        world.postgres.edit(|server| {
            server.wal_end = server.log[0].end_lsn;
            forget_confirmations(server);
        });
        commit_other(world, 900, 0x100);
        world.postgres.write_elsewhere(0x1000);
    })
    .await;
    assert_eq!(
        told,
        "the transaction with its commit record at 0/1000330 changes tables there, and was never delivered"
    );
}

/// Whatever comes between: nothing is confirmed before the log is known to be the right one, and everything after.
#[tokio::test(start_paused = true)]
async fn a_slot_that_lags_behind_is_told_once_the_log_is_recognised() {
    for frames_per_block in [1, 2, 1000] {
        let world = World::set_up();
        let first = world.postgres.commit([("accounts", insert(1))]);
        let last = world
            .postgres
            .commit([("accounts", insert(2)), ("orders", insert(2))]);
        world.deliver().await;
        world.postgres.edit(forget_confirmations);
        world
            .postgres
            .edit(|server| server.frames_per_block = frames_per_block);
        world.postgres.commit([("accounts", insert(3))]);
        world.deliver().await;
        world.postgres.read(|server| {
            assert_eq!(server.starts, [last.commit_lsn]);
            // The first repeats what the slot knows.
            let told: Vec<Lsn> = server.confirmations.iter().map(|told| told.flush).collect();
            assert_eq!(told[..2], [CONSISTENT_POINT, last.end_lsn]);
        });
        assert!(first.end_lsn < last.commit_lsn);
        verify(&world);
    }
}

/// Nothing new need come for it.
#[tokio::test(start_paused = true)]
async fn an_idle_server_is_recognised() {
    let world = World::set_up();
    let last = world.postgres.commit([("accounts", insert(1))]);
    world.deliver().await;
    world.postgres.edit(forget_confirmations);
    let told = || world.postgres.confirmed() == last.end_lsn;
    world.run(world.steps.until(told)).await.unwrap();
    verify(&world);
}

/// A heartbeat is due long before the server says anything: it waits.
#[tokio::test(start_paused = true)]
async fn nothing_is_written_while_the_server_is_silent() {
    let mut world = World::set_up();
    world.postgres.commit([("accounts", insert(1))]);
    world.deliver().await;
    world.mapper.events.heartbeat_interval_ms = 1000;
    world.postgres.edit(|server| {
        forget_confirmations(server);
        server.script.at(PostgresCall::Next, 1, Act::Hang);
    });
    let written = world.kafka.read(|broker| broker.transactions().len());
    world
        .run(tokio::time::sleep(Duration::from_secs(60)))
        .await
        .unwrap();
    assert_eq!(world.kafka.read(|broker| broker.transactions().len()), written);
    assert_eq!(world.postgres.confirmed(), CONSISTENT_POINT);
    world.deliver().await;
}

/// The process is gone at any point of it, and nothing is lost or doubled.
#[tokio::test(start_paused = true)]
async fn it_can_be_cut_off_at_any_step() {
    for steps in 1.. {
        let world = World::set_up();
        world.postgres.commit([("accounts", insert(1))]);
        world
            .postgres
            .commit([("accounts", insert(2)), ("orders", insert(2))]);
        world.deliver().await;
        world.postgres.edit(forget_confirmations);
        world.postgres.commit([("accounts", insert(3))]);
        let crashed = world.crash_after(steps).await;
        world.deliver().await;
        if !crashed {
            assert!(steps > 10, "{steps} steps are too few for a session");
            break;
        }
    }
}

/// The connection breaks while it is read again: another attempt asks again.
#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_meanwhile_is_begun_again() {
    let world = World::set_up();
    let last = world.postgres.commit([("accounts", insert(1))]);
    world.deliver().await;
    world.postgres.edit(|server| {
        forget_confirmations(server);
        server.frames_per_block = 1;
        server.script.at(PostgresCall::Next, 2, Act::Fail(GONE));
    });
    world.deliver().await;
    let starts = world.postgres.read(|server| server.starts.clone());
    assert_eq!(starts, [last.commit_lsn; 2]);
}

/// What a predecessor confirmed can come to the slot while its successor starts: the server then begins behind it, and the
/// commit delivered last is not to be waited for.
#[tokio::test(start_paused = true)]
async fn a_slot_that_is_told_between_the_check_and_the_stream() {
    let world = World::set_up();
    let last = world.postgres.commit([("accounts", insert(1))]);
    world.deliver().await;
    world.postgres.edit(forget_confirmations);
    let seen = world
        .postgres
        .read(|server| server.script.count(PostgresCall::Survey));
    let was_checked = || {
        world
            .postgres
            .read(|server| server.script.count(PostgresCall::Survey))
            == seen + 2
    };
    let late = async {
        world.steps.until(was_checked).await;
        world.postgres.edit(|server| {
            let slot = server.slot.as_mut().unwrap();
            slot.confirmed_flush_lsn = Some(last.end_lsn);
        });
        world.postgres.commit([("accounts", insert(2))]);
    };
    tokio::join!(world.deliver(), late);
    let opened = world.kafka.read(|broker| broker.script.count(KafkaCall::Open));
    assert_eq!(opened, 2, "it had to be tried again");
}

/// Servers that go on to leave out what was published while a transaction ran which they decode must not decode one twice.
#[tokio::test(start_paused = true)]
async fn an_old_server_is_not_asked_again() {
    let world = World::set_up();
    world.postgres.edit(|server| server.server_version = 170_004);
    let last = world.postgres.commit([("accounts", insert(1))]);
    world.deliver().await;
    world.postgres.edit(forget_confirmations);
    world.postgres.commit([("accounts", insert(2))]);
    world.deliver().await;
    assert_eq!(
        world.postgres.read(|server| server.starts.clone()),
        [last.end_lsn]
    );
}

/// Where only the end of what was delivered last is known, as after taking over from another connector, there is nothing to
/// compare.
#[tokio::test(start_paused = true)]
async fn what_is_not_known_is_not_asked_for() {
    let world = World::set_up();
    let last = world.postgres.commit([("accounts", insert(1))]);
    world.deliver().await;
    world.postgres.edit(forget_confirmations);
    for known in [
        None,
        Some(walcast_delivery::CommitMark::ended_at(last.end_lsn, None)),
    ] {
        let mut checkpoint = world.kafka.checkpoint().unwrap();
        checkpoint.last_commit = known;
        world.put_checkpoint(checkpoint);
        world.postgres.edit(forget_confirmations);
        world.deliver().await;
        assert_eq!(
            world.postgres.read(|server| server.starts.clone()),
            [last.end_lsn]
        );
    }
}

fn make_table(world: &World) {
    world
        .postgres
        .edit(|server| server.tables.push(Table::new("invoices", 16_430)));
}

/// A table that is captured anew is published, and noted, before the stream begins: not on a server whose log is another one.
#[tokio::test(start_paused = true)]
async fn nothing_is_published_on_a_server_that_is_not_recognised() {
    let world = World::set_up();
    finding(&world, |world| {
        world.postgres.edit(set_back);
        commit_other(world, 900, 0x20);
        commit_other(world, 901, 0);
        make_table(world);
    })
    .await;
    world.postgres.read(|server| {
        assert_eq!(server.script.count(PostgresCall::Publish), 0);
        assert_eq!(server.starts.len(), 1);
    });
}

/// On the right one it is, in a stream that is begun again; wherever that is cut off.
#[tokio::test(start_paused = true)]
async fn a_table_is_published_once_the_log_is_recognised() {
    for steps in 1.. {
        let world = World::set_up();
        let last = world.postgres.commit([("accounts", insert(1))]);
        world.deliver().await;
        world.postgres.edit(forget_confirmations);
        make_table(&world);
        let crashed = world.crash_after(steps).await;
        world.deliver().await;
        let name = world
            .postgres
            .read(|server| server.table_ref("invoices").name.clone());
        world.postgres.read(|server| {
            let publication = server.publication.as_ref().unwrap();
            assert!(publication.tables.contains(&name));
            assert_eq!(server.starts[0], last.commit_lsn);
        });
        if !crashed {
            world
                .postgres
                .read(|server| assert_eq!(server.starts[..2], [last.commit_lsn; 2]));
            break;
        }
    }
}
