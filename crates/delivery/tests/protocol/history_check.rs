//! A server whose positions match but whose history has diverged: the transaction delivered last is requested again.

use std::time::Duration;

use walcast_delivery::{DeliveryError, Halt};
use walcast_pgoutput::{Lsn, Xid};

use crate::fakes::{
    Act, CONNECTION_LOST, CONSISTENT_POINT, KafkaCall, PostgresCall, Server, Table, Transaction, World,
    insert, verify,
};

/// Rewinds the data directory to the creation of the slot.
fn rewind_data_directory(server: &mut Server) {
    server.wal.clear();
    server.wal_end = CONSISTENT_POINT;
    reset_slot(server);
}

/// Resets the slot to its position on disk, before later confirmations, as a crash of the server does.
fn reset_slot(server: &mut Server) {
    let slot = server.slot.as_mut().expect("the slot exists");
    slot.confirmed_flush_lsn = Some(CONSISTENT_POINT);
    slot.restart_lsn = Some(CONSISTENT_POINT);
    server.confirmations.clear();
    server.starts.clear();
}

/// Commits a transaction other than the original one.
fn commit_other(world: &World, xid: u32, bytes_before: u64) -> Transaction {
    if bytes_before > 0 {
        world.postgres.write_unrelated_wal(bytes_before);
    }
    world.postgres.commit([("accounts", insert(7))]);
    world.postgres.edit(|server| {
        let last = server.wal.last_mut().expect("a transaction was just written");
        last.xid = Xid::new(xid);
        last.clone()
    })
}

/// Finding of a connector that has delivered a transaction and then meets the changed server; it must not write or confirm.
async fn find_divergence(world: &World, change: impl FnOnce(&World)) -> String {
    let first = world.postgres.commit([("accounts", insert(1))]);
    world.deliver().await;
    change(world);
    let written = world.kafka.read(|broker| broker.transactions().len());
    let error = world.run_to_end().await;
    assert!(!error.is_retryable());
    let now_written = world.kafka.read(|broker| broker.transactions().len());
    assert_eq!(now_written, written, "a Kafka transaction was written");
    assert_eq!(world.postgres.confirmed(), CONSISTENT_POINT);
    assert_eq!(world.state.status.read().word(), "halted");
    match error {
        DeliveryError::Halt(Halt::DivergedHistory {
            finding,
            after,
            until,
        }) => {
            assert_eq!(after, CONSISTENT_POINT);
            assert!(until >= first.end_lsn);
            finding
        }
        other => panic!("not a diverged history: {other}"),
    }
}

/// Trap 14, when WAL has grown past the checkpoint again.
#[tokio::test(start_paused = true)]
async fn rewound_server_that_wrote_other_transactions() {
    let world = World::set_up();
    let finding = find_divergence(&world, |world| {
        world.postgres.edit(rewind_data_directory);
        commit_other(world, 900, 0x20);
        commit_other(world, 901, 0);
    })
    .await;
    assert_eq!(
        finding,
        "transaction 700 (commit 0/1000100), which was delivered last, is not there"
    );
}

#[tokio::test(start_paused = true)]
async fn different_transaction_at_the_same_position() {
    let world = World::set_up();
    let finding = find_divergence(&world, |world| {
        world.postgres.edit(rewind_data_directory);
        commit_other(world, 900, 0);
        commit_other(world, 901, 0);
    })
    .await;
    assert_eq!(
        finding,
        "transaction 900 lies at 0/1000100, where transaction 700 was delivered from"
    );
}

/// The WAL after the rewind ends with unrelated records or with a message.
#[tokio::test(start_paused = true)]
async fn rewound_server_without_captured_changes() {
    let world = World::set_up();
    let finding = find_divergence(&world, |world| {
        world.postgres.edit(rewind_data_directory);
        world.postgres.write_unrelated_wal(0x1000);
    })
    .await;
    assert_eq!(
        finding,
        "transaction 700 (commit 0/1000100), which was delivered last, is not there"
    );
    let world = World::set_up();
    let finding = find_divergence(&world, |world| {
        world.postgres.edit(rewind_data_directory);
        world.postgres.write_unrelated_wal(0x1000);
        world.postgres.emit_message();
    })
    .await;
    assert_eq!(
        finding,
        "transaction 700 (commit 0/1000100), which was delivered last, is not there"
    );
}

/// The server wrote in a range that was idle WAL when the checkpoint passed it.
#[tokio::test(start_paused = true)]
async fn change_in_a_range_that_was_idle() {
    let world = World::set_up();
    let finding = find_divergence(&world, |world| {
        let mut idle = world.kafka.checkpoint().unwrap();
        idle.end_lsn = world.postgres.write_unrelated_wal(0x1000);
        world.put_checkpoint(idle);
        world.postgres.edit(|server| {
            server.wal_end = server.wal[0].end_lsn;
            reset_slot(server);
        });
        commit_other(world, 900, 0x100);
        world.postgres.write_unrelated_wal(0x1000);
    })
    .await;
    assert_eq!(
        finding,
        "the transaction with its commit record at 0/1000330 changes tables there, and was never delivered"
    );
}

/// No position is confirmed before the history is verified, and all positions after it, whatever arrives in between.
#[tokio::test(start_paused = true)]
async fn lagging_slot_is_confirmed_once_history_is_verified() {
    for frames_per_block in [1, 2, 1000] {
        let world = World::set_up();
        let first = world.postgres.commit([("accounts", insert(1))]);
        let last = world
            .postgres
            .commit([("accounts", insert(2)), ("orders", insert(2))]);
        world.deliver().await;
        world.postgres.edit(reset_slot);
        world
            .postgres
            .edit(|server| server.frames_per_block = frames_per_block);
        world.postgres.commit([("accounts", insert(3))]);
        world.deliver().await;
        world.postgres.read(|server| {
            assert_eq!(server.starts, [last.commit_lsn]);
            // The first repeats the slot's own position.
            let confirmed: Vec<Lsn> = server.confirmations.iter().map(|one| one.flush).collect();
            assert_eq!(confirmed[..2], [CONSISTENT_POINT, last.end_lsn]);
        });
        assert!(first.end_lsn < last.commit_lsn);
        verify(&world);
    }
}

/// The check needs no new transaction.
#[tokio::test(start_paused = true)]
async fn idle_server_is_verified() {
    let world = World::set_up();
    let last = world.postgres.commit([("accounts", insert(1))]);
    world.deliver().await;
    world.postgres.edit(reset_slot);
    let confirmed = || world.postgres.confirmed() == last.end_lsn;
    world.run(world.steps.until(confirmed)).await.unwrap();
    verify(&world);
}

/// A heartbeat that is due before the server sends its first message waits.
#[tokio::test(start_paused = true)]
async fn writes_no_heartbeat_while_the_server_is_silent() {
    let mut world = World::set_up();
    world.postgres.commit([("accounts", insert(1))]);
    world.deliver().await;
    world.mapper.events.heartbeat_interval = Duration::from_secs(1);
    world.postgres.edit(|server| {
        reset_slot(server);
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

/// The process crashes at any step of the check, and no change is lost or duplicated.
#[tokio::test(start_paused = true)]
async fn survives_interruption_at_any_step() {
    for steps in 1.. {
        let world = World::set_up();
        world.postgres.commit([("accounts", insert(1))]);
        world
            .postgres
            .commit([("accounts", insert(2)), ("orders", insert(2))]);
        world.deliver().await;
        world.postgres.edit(reset_slot);
        world.postgres.commit([("accounts", insert(3))]);
        let crashed = world.crash_after(steps).await;
        world.deliver().await;
        if !crashed {
            assert!(steps > 10, "{steps} steps are too few for a session");
            break;
        }
    }
}

/// The connection breaks during the check: the next session repeats the check.
#[tokio::test(start_paused = true)]
async fn interrupted_check_is_repeated() {
    let world = World::set_up();
    let last = world.postgres.commit([("accounts", insert(1))]);
    world.deliver().await;
    world.postgres.edit(|server| {
        reset_slot(server);
        server.frames_per_block = 1;
        server
            .script
            .at(PostgresCall::Next, 2, Act::Fail(CONNECTION_LOST));
    });
    world.deliver().await;
    let starts = world.postgres.read(|server| server.starts.clone());
    assert_eq!(starts, [last.commit_lsn; 2]);
}

/// A confirmation of the previous session can reach the slot while the next one starts: the server then starts after the commit
/// delivered last, and does not send it.
#[tokio::test(start_paused = true)]
async fn slot_confirmed_between_the_check_and_the_stream() {
    let world = World::set_up();
    let last = world.postgres.commit([("accounts", insert(1))]);
    world.deliver().await;
    world.postgres.edit(reset_slot);
    let seen = world
        .postgres
        .read(|server| server.script.count(PostgresCall::Inspect));
    let was_checked = || {
        world
            .postgres
            .read(|server| server.script.count(PostgresCall::Inspect))
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
    assert_eq!(opened, 2, "the session was retried once");
}

/// Servers that keep omitting changes of tables published during a running transaction must not decode a transaction twice.
#[tokio::test(start_paused = true)]
async fn old_server_does_not_resend_the_last_transaction() {
    let world = World::set_up();
    world.postgres.edit(|server| server.server_version = 170_004);
    let last = world.postgres.commit([("accounts", insert(1))]);
    world.deliver().await;
    world.postgres.edit(reset_slot);
    world.postgres.commit([("accounts", insert(2))]);
    world.deliver().await;
    assert_eq!(
        world.postgres.read(|server| server.starts.clone()),
        [last.end_lsn]
    );
}

/// If only the end of the last commit is known, as after the import of another connector's offset, no transaction can be
/// compared.
#[tokio::test(start_paused = true)]
async fn skips_check_without_a_known_last_commit() {
    let world = World::set_up();
    let last = world.postgres.commit([("accounts", insert(1))]);
    world.deliver().await;
    world.postgres.edit(reset_slot);
    for known in [
        None,
        Some(walcast_delivery::CommitPosition::ended_at(last.end_lsn, None)),
    ] {
        let mut checkpoint = world.kafka.checkpoint().unwrap();
        checkpoint.last_commit = known;
        world.put_checkpoint(checkpoint);
        world.postgres.edit(reset_slot);
        world.deliver().await;
        assert_eq!(
            world.postgres.read(|server| server.starts.clone()),
            [last.end_lsn]
        );
    }
}

fn create_table(world: &World) {
    world
        .postgres
        .edit(|server| server.tables.push(Table::new("invoices", 16_430)));
}

/// A newly captured table is published and recorded before the stream starts, but not on a server with a diverged history.
#[tokio::test(start_paused = true)]
async fn publishes_no_table_on_a_diverged_server() {
    let world = World::set_up();
    find_divergence(&world, |world| {
        world.postgres.edit(rewind_data_directory);
        commit_other(world, 900, 0x20);
        commit_other(world, 901, 0);
        create_table(world);
    })
    .await;
    world.postgres.read(|server| {
        assert_eq!(server.script.count(PostgresCall::Publish), 0);
        assert_eq!(server.starts.len(), 1);
    });
}

/// On the right server the table is published, and the stream is started again; a crash may occur at any step.
#[tokio::test(start_paused = true)]
async fn publishes_a_table_once_history_is_verified() {
    for steps in 1.. {
        let world = World::set_up();
        let last = world.postgres.commit([("accounts", insert(1))]);
        world.deliver().await;
        world.postgres.edit(reset_slot);
        create_table(&world);
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
