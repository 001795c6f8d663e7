//! Redelivery of dead letters: the current rows are read, and the dead letters are resolved in the Kafka transaction of the last
//! row, never without it.

use std::cell::Cell;
use std::collections::BTreeMap;

use walcast_delivery::{
    FormerKey, OnError, Selection, SnapshotAnswer, SnapshotCommand, SnapshotType, SnapshotUnanswered,
};

use crate::fakes::{
    Act, Change, DEAD_LETTERS, LoggedChange, PostgresCall, TestFault, World, insert, insert_padded, update,
    verify,
};
use crate::snapshots::reads;

/// Size of a row above the broker's limit.
const LARGE: usize = 5_000;

fn is_large(logged: &LoggedChange) -> bool {
    matches!(&logged.change, Change::Insert(row) if row.iter().flatten().any(|value| value.len() >= LARGE))
}

/// A world with a dead letter of `accounts`, its `walcast.id`, and a broker that now accepts the row.
async fn with_dead_letter() -> (World, String) {
    let mut world = World::set_up();
    world.config.dead_letters.on_error = OnError::DeadLetter;
    world.undeliverable = is_large;
    limit_records(&world, Some(LARGE));
    world.postgres.commit([
        ("accounts", insert(1)),
        ("accounts", insert_padded(2, LARGE)),
        ("accounts", insert(3)),
        ("orders", insert(1)),
        ("accounts", update(1)),
    ]);
    world.deliver().await;
    limit_records(&world, None);
    let listed = listed(&world);
    let [dead_letter] = listed.as_slice() else {
        panic!("one dead letter: {listed:?}")
    };
    let dead_letter = dead_letter.clone();
    (world, dead_letter)
}

fn limit_records(world: &World, bytes_max: Option<usize>) {
    world.kafka.edit(|broker| {
        broker.record_bytes_max = bytes_max;
        broker.reported_bytes_max = bytes_max;
    });
}

/// Unresolved dead letters, as compaction would leave them.
fn listed(world: &World) -> Vec<String> {
    world.kafka.read(|broker| {
        let mut listed = Vec::new();
        let records = broker.committed_with_reads();
        for record in records.filter(|record| record.topic == DEAD_LETTERS) {
            listed.retain(|id| *id != record.id);
            listed.extend(record.value.is_some().then(|| record.id.clone()));
        }
        listed
    })
}

/// Number of tombstones of dead letters, and whether they follow every row that was read.
fn resolutions(world: &World) -> (usize, bool) {
    world.kafka.read(|broker| {
        let records: Vec<_> = broker.committed_with_reads().collect();
        let tombstones = records
            .iter()
            .enumerate()
            .filter(|(_, record)| record.topic == DEAD_LETTERS && record.value.is_none());
        let tombstones: Vec<usize> = tombstones.map(|(place, _)| place).collect();
        let last_read = records.iter().rposition(|record| record.is_read());
        let are_last = tombstones.iter().all(|place| last_read < Some(*place));
        (tombstones.len(), are_last)
    })
}

/// Requests the rows of a pattern and two previous keys: one that no row has, and one that a row has again.
fn redeliver(pattern: &str, dead_letter: &str) -> SnapshotCommand {
    redeliver_with(pattern, dead_letter, &[("id", "9"), ("id", "3")])
}

fn redeliver_with(pattern: &str, dead_letter: &str, former_keys: &[(&str, &str)]) -> SnapshotCommand {
    let former_key = |(column, value): &(&str, &str)| {
        FormerKey(BTreeMap::from([((*column).to_owned(), (*value).to_owned())]))
    };
    SnapshotCommand::Start {
        tables: vec![Selection {
            tables: pattern.parse().expect("a pattern"),
            filter: Some("id > 0".to_owned()),
            dead_letters: vec![dead_letter.to_owned()],
            former_keys: former_keys.iter().map(former_key).collect(),
        }],
        marks: SnapshotType::Incremental,
        id: None,
    }
}

fn is_read(world: &World) -> bool {
    let checkpoint = world.kafka.checkpoint();
    checkpoint.is_some_and(|checkpoint| checkpoint.snapshot.is_none())
}

/// Runs a connector, sends it a request immediately, and waits until the request is finished or rejected.
async fn ask(world: &World, command: SnapshotCommand) -> Result<SnapshotAnswer, SnapshotUnanswered> {
    let answer = Cell::new(None);
    let request = async {
        tokio::task::yield_now().await;
        answer.set(Some(world.control().ask(command).await));
        world.steps.until(|| is_read(world)).await;
    };
    world.run(request).await.expect("the connector runs and stops");
    answer.take().expect("the request was sent")
}

#[tokio::test(start_paused = true)]
async fn resolves_dead_letters_with_their_rows_after_any_interruption() {
    for steps in 0.. {
        let (world, dead_letter) = with_dead_letter().await;
        let outcome = world
            .interrupt_after(steps, ask(&world, redeliver("public.accounts", &dead_letter)))
            .await;
        // Whether the request was stored or not, the next run continues from here.
        let (count, are_last) = resolutions(&world);
        assert!(are_last && count < 2, "interrupted after {steps} steps");
        assert_eq!(listed(&world).len(), 1 - count);
        let is_pending = !is_read(&world);
        let finish = async {
            tokio::task::yield_now().await;
            world.all_delivered().await;
            world.steps.until(|| is_read(&world)).await;
        };
        world.run(finish).await.expect("the connector runs and stops");
        verify(&world);
        let (count, are_last) = resolutions(&world);
        assert!(are_last, "interrupted after {steps} steps");
        if is_pending {
            assert_eq!(count, 1, "interrupted after {steps} steps");
        }
        assert_eq!(listed(&world).len(), 1 - count);
        let (deleted, read): (Vec<String>, Vec<String>) =
            reads(&world).into_iter().partition(|id| id.contains("gone"));
        assert_eq!(read.len(), 3 * count, "interrupted after {steps} steps");
        let missing_keys = ["16400(gone,0)", "16400(gone,0.1)"];
        assert_eq!(
            deleted,
            missing_keys[..2 * count],
            "interrupted after {steps} steps"
        );
        if let Some(answer) = outcome {
            assert_eq!(
                answer.expect("the request is accepted").tables,
                ["public.accounts"]
            );
            assert_eq!(count, 1);
            assert!(steps > 20, "only {steps} steps");
            return;
        }
    }
}

/// A row that still cannot be delivered becomes a new dead letter of this read.
#[tokio::test(start_paused = true)]
async fn row_that_fails_again_becomes_a_new_dead_letter() {
    let (world, dead_letter) = with_dead_letter().await;
    limit_records(&world, Some(LARGE));
    ask(&world, redeliver("public.accounts", &dead_letter))
        .await
        .expect("the request is accepted");
    assert_eq!(resolutions(&world).0, 1);
    let listed = listed(&world);
    assert_eq!(listed.len(), 1);
    assert!(listed[0] != dead_letter && listed[0].ends_with(')'), "{listed:?}");
}

/// No dead letter is resolved unless its table was read to the end.
#[tokio::test(start_paused = true)]
async fn keeps_dead_letters_whose_read_fails_or_is_stopped() {
    for call in [
        PostgresCall::OpenTable,
        PostgresCall::Copy,
        PostgresCall::MissingKeys,
    ] {
        let (world, dead_letter) = with_dead_letter().await;
        world.postgres.edit(|server| {
            let fault = Act::Fail(TestFault::about_rows("permission denied"));
            server.script.at(call, 1, fault);
        });
        ask(&world, redeliver("public.accounts", &dead_letter))
            .await
            .expect("the request is stored before it is executed");
        assert_eq!(listed(&world), [dead_letter]);
    }
    let (mut world, dead_letter) = with_dead_letter().await;
    world.config.snapshot.rows_per_second = Some(1);
    let stopping = async {
        tokio::task::yield_now().await;
        let control = world.control();
        let asked = control.ask(redeliver("public.accounts", &dead_letter)).await;
        asked.expect("the request is accepted");
        world.steps.until(|| !reads(&world).is_empty()).await;
        let stopped = control.ask(SnapshotCommand::Stop { tables: Vec::new() }).await;
        stopped.expect("the read stops");
        world.steps.until(|| is_read(&world)).await;
    };
    world.run(stopping).await.expect("the connector runs and stops");
    assert_eq!(listed(&world), [dead_letter]);
}

/// A previous key with other columns than the table's key is not sent; the rows are.
#[tokio::test(start_paused = true)]
async fn keeps_dead_letters_with_a_foreign_previous_key() {
    let (world, dead_letter) = with_dead_letter().await;
    let command = redeliver_with("public.accounts", &dead_letter, &[("id", "9"), ("note", "x")]);
    ask(&world, command).await.expect("the request is accepted");
    assert_eq!(listed(&world), [dead_letter]);
    assert_eq!(reads(&world).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn rejects_dead_letters_of_several_tables() {
    let (world, dead_letter) = with_dead_letter().await;
    let rejected = ask(&world, redeliver("public.*", &dead_letter)).await;
    assert_eq!(
        rejected.map_err(|error| error.to_string()),
        Err("dead letters of a selection must belong to one table, and public.* matches several".to_owned())
    );
    assert_eq!(listed(&world), [dead_letter]);
}
