//! The end of a quarantine: changes are delivered again, and all rows are read.

use walcast_delivery::{
    QuarantineReason, Resumption, SnapshotAnswer, SnapshotCommand, SnapshotRejected, SnapshotUnanswered,
    TableState,
};

use super::{
    LARGE, limit_records, quarantine, quarantines, skip_until_first_delivered, state_of_orders,
    verify_orders, world_with_quarantine, write_undeliverable,
};
use crate::fakes::{
    PostgresCall, TestFault, Transaction, World, delete, insert, insert_padded, update, update_key,
};
use crate::on_demand::{is_read, start};
use crate::snapshots::reads;

fn resume(pattern: &str) -> SnapshotCommand {
    SnapshotCommand::ResumeTables {
        tables: vec![pattern.parse().expect("a pattern")],
    }
}

/// A world with a quarantined table, the cause of which is fixed, and the transaction of the first missing change.
async fn quarantined() -> (World, Transaction) {
    let world = world_with_quarantine();
    limit_records(&world, Some(LARGE), true);
    let failed = write_undeliverable(&world, insert_padded(3, LARGE));
    world.deliver().await;
    assert_eq!(quarantine(&world).reason, QuarantineReason::Size);
    limit_records(&world, None, false);
    (world, failed)
}

/// Changes of both tables.
fn write_more(world: &World, id: i32) {
    world.postgres.commit([
        ("orders", update(4)),
        ("accounts", insert(id)),
        ("orders", insert(id)),
    ]);
    world
        .postgres
        .commit([("orders", update_key(id, id + 1)), ("accounts", update(id))]);
}

/// Runs an instance, requests that `orders` is resumed until that is stored, and waits until its rows are read.
async fn resume_and_read(world: &World) {
    let requests = async {
        let control = world.control();
        while quarantines(world).values().any(|one| one.is_skipping()) {
            match control.ask(resume("public.orders")).await {
                Ok(_) | Err(SnapshotUnanswered::Lost) => {}
                Err(rejected) => panic!("{rejected}"),
            }
        }
        write_more(world, 30);
        world
            .steps
            .until(|| is_read(world) && quarantines(world).is_empty())
            .await;
        world.all_delivered().await;
    };
    world.run(requests).await.expect("the connector runs and stops");
}

/// Runs an instance, sends requests, and waits until nothing is to be read.
async fn ask(world: &World, commands: &[SnapshotCommand]) -> Vec<Result<SnapshotAnswer, SnapshotUnanswered>> {
    let answers = std::cell::RefCell::new(Vec::new());
    let requests = async {
        let control = world.control();
        for command in commands {
            let answer = control.ask(command.clone()).await;
            answers.borrow_mut().push(answer);
        }
        world.steps.until(|| is_read(world)).await;
        world.all_delivered().await;
    };
    world.run(requests).await.expect("the connector runs and stops");
    answers.into_inner()
}

#[tokio::test(start_paused = true)]
async fn resumed_table_is_read_and_streamed() {
    let (world, failed) = quarantined().await;
    write_more(&world, 10);
    resume_and_read(&world).await;
    write_more(&world, 20);
    let delivery = async {
        world.all_delivered().await;
        assert_eq!(state_of_orders(&world), TableState::Streaming);
    };
    world.run(delivery).await.expect("it runs and stops");
    assert!(quarantines(&world).is_empty());
    skip_until_first_delivered(&world, &failed);
    verify_orders(&world);
}

/// The command that resumes a table while no instance runs writes the checkpoint.
#[tokio::test(start_paused = true)]
async fn stopped_connector_resumes_a_table_with_its_next_start() {
    let (world, failed) = quarantined().await;
    write_more(&world, 10);
    let log = world.kafka.read(|broker| broker.checkpoint_log());
    let source_state = world.postgres.read(|server| server.inspect());
    let resumption = Resumption {
        tables: &["public.orders".parse().expect("a pattern")],
        slot: "walcast_shop",
        publication: "walcast_shop",
        now_unix_micros: 1,
    };
    let updated = resumption.update(&log, &source_state);
    let updated = updated.expect("the checkpoint is of this server");
    let (update, _) = updated.expect("the table is quarantined");
    world.kafka.edit(|broker| broker.put_checkpoint(update));
    write_more(&world, 20);
    let read = async {
        world
            .steps
            .until(|| is_read(&world) && quarantines(&world).is_empty())
            .await;
        world.all_delivered().await;
    };
    world.run(read).await.expect("the connector runs and stops");
    skip_until_first_delivered(&world, &failed);
    verify_orders(&world);
}

#[tokio::test(start_paused = true)]
async fn crash_at_any_step_of_leaving_loses_and_duplicates_nothing() {
    for steps in 0.. {
        let (world, failed) = quarantined().await;
        world.postgres.edit(|server| server.frames_per_block = 2);
        write_more(&world, 10);
        let completed = world.interrupt_after(steps, resume_and_read(&world)).await;
        resume_and_read(&world).await;
        skip_until_first_delivered(&world, &failed);
        verify_orders(&world);
        let mut read = reads(&world);
        read.sort();
        read.dedup();
        assert!(read.iter().all(|row| row.starts_with("16410")), "{read:?}");
        if completed.is_some() {
            assert!(steps > 30, "only {steps} steps");
            return;
        }
    }
}

/// The cause is not fixed: a row that is read cannot be delivered either.
#[tokio::test(start_paused = true)]
async fn table_that_cannot_be_read_is_quarantined_again() {
    for steps in 0.. {
        let (world, failed) = quarantined().await;
        limit_records(&world, Some(LARGE), true);
        let completed = world
            .interrupt_after(steps, ask(&world, &[resume("public.orders")]))
            .await;
        let was_interrupted = completed.is_none();
        world
            .postgres
            .commit([("orders", insert(8)), ("accounts", insert(8))]);
        let read = async {
            world.all_delivered().await;
            world.steps.until(|| is_read(&world)).await;
        };
        world.run(read).await.expect("it runs and stops");
        let entered = quarantine(&world);
        assert!(entered.is_skipping(), "{entered:?}");
        assert_eq!(
            entered.since.commit_lsn, failed.commit_lsn,
            "the topic is incomplete since the first missing change"
        );
        limit_records(&world, None, false);
        resume_and_read(&world).await;
        verify_orders(&world);
        if !was_interrupted {
            assert!(steps > 20, "only {steps} steps");
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn table_whose_rows_the_server_refuses_is_quarantined_again() {
    let (world, _) = quarantined().await;
    world
        .postgres
        .fail(PostgresCall::OpenTable, 1, TestFault::about_rows("invalid page"));
    ask(&world, &[resume("public.orders")]).await;
    let entered = quarantine(&world);
    assert!(entered.is_skipping());
    assert_eq!(entered.reason, QuarantineReason::Rows);
    assert!(entered.error.contains("invalid page"), "{}", entered.error);
    resume_and_read(&world).await;
    verify_orders(&world);
}

#[tokio::test(start_paused = true)]
async fn table_whose_reading_is_stopped_is_quarantined_again() {
    let (world, _) = quarantined().await;
    let stop = SnapshotCommand::Stop { tables: Vec::new() };
    let commands = [resume("public.orders"), SnapshotCommand::Pause, stop];
    // Reading begins when the running transactions have ended.
    world.postgres.edit(|server| {
        server
            .script
            .slow(PostgresCall::TakeSnapshot, std::time::Duration::from_secs(60))
    });
    let answers = ask(&world, &commands).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let entered = quarantine(&world);
    assert!(entered.is_skipping());
    assert_eq!(entered.reason, QuarantineReason::Rows);
    resume_and_read(&world).await;
    verify_orders(&world);
}

/// A request that was dropped from the checkpoint of a stopped connector does not leave the table incomplete and unnoticed.
#[tokio::test(start_paused = true)]
async fn table_whose_request_was_dropped_is_quarantined_again() {
    let (world, _) = quarantined().await;
    world.postgres.edit(|server| {
        server
            .script
            .slow(PostgresCall::TakeSnapshot, std::time::Duration::from_secs(60))
    });
    let resumed = async {
        let answer = world.control().ask(resume("public.orders")).await;
        assert!(answer.is_ok(), "{answer:?}");
    };
    world.run(resumed).await.expect("it runs and stops");
    assert!(!quarantine(&world).is_skipping());
    let mut stored = world.kafka.checkpoint().expect("a checkpoint");
    let progress = stored.snapshot.as_mut().expect("rows are to be read");
    assert_eq!(progress.drop_requests(&[]).len(), 1);
    stored.snapshot = None;
    world.put_checkpoint(stored);
    world
        .postgres
        .commit([("orders", delete(4)), ("accounts", insert(9))]);
    world.run(world.all_delivered()).await.expect("it runs and stops");
    assert!(quarantine(&world).is_skipping());
    resume_and_read(&world).await;
    verify_orders(&world);
}

#[tokio::test(start_paused = true)]
async fn requests_for_quarantined_and_other_tables_are_distinguished() {
    let (world, _) = quarantined().await;
    let answers = ask(
        &world,
        &[
            start("public.orders", None),
            start("*.*", None),
            resume("public.accounts"),
        ],
    )
    .await;
    let rejected = |answer: &Result<SnapshotAnswer, SnapshotUnanswered>| match answer {
        Err(SnapshotUnanswered::Rejected(rejected)) => rejected.clone(),
        other => panic!("{other:?}"),
    };
    assert!(matches!(
        rejected(&answers[0]),
        SnapshotRejected::Quarantined { .. }
    ));
    assert!(matches!(
        rejected(&answers[1]),
        SnapshotRejected::Quarantined { .. }
    ));
    assert!(matches!(
        rejected(&answers[2]),
        SnapshotRejected::NotQuarantined { .. }
    ));
    assert!(reads(&world).is_empty() && quarantine(&world).is_skipping());
}
