//! Dead letters whose rows are read as they are now: taken off the list with the last of them, in one Kafka transaction, and
//! not without them.

use std::cell::Cell;
use std::collections::BTreeMap;

use walcast_delivery::{
    FormerKey, Marks, OnError, Selection, SnapshotAnswer, SnapshotCommand, SnapshotUnanswered,
};

use crate::fakes::{
    Act, Change, DEAD_LETTERS, Logged, PostgresCall, TestFault, World, insert, insert_padded, update, verify,
};
use crate::snapshots::reads;

/// Larger than the broker takes.
const LARGE: usize = 5_000;

fn is_large(logged: &Logged) -> bool {
    matches!(&logged.change, Change::Insert(row) if row.iter().flatten().any(|value| value.len() >= LARGE))
}

/// A world with a dead letter of `accounts`, what it has in header `walcast.id`, and a broker that would take its row now.
async fn with_letter() -> (World, String) {
    let mut world = World::set_up();
    world.config.dead_letters.on_error = OnError::DeadLetter;
    world.poison = is_large;
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
    let [letter] = listed.as_slice() else {
        panic!("one letter: {listed:?}")
    };
    let letter = letter.clone();
    (world, letter)
}

fn limit_records(world: &World, bytes_max: Option<usize>) {
    world.kafka.edit(|broker| {
        broker.record_bytes_max = bytes_max;
        broker.told_bytes_max = bytes_max;
    });
}

/// Dead letters as compaction would leave them.
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

/// How often a letter was taken off the list, and whether no row was read behind that.
fn taken_off(world: &World) -> (usize, bool) {
    world.kafka.read(|broker| {
        let records: Vec<_> = broker.committed_with_reads().collect();
        let taking = records
            .iter()
            .enumerate()
            .filter(|(_, record)| record.topic == DEAD_LETTERS && record.value.is_none());
        let taking: Vec<usize> = taking.map(|(place, _)| place).collect();
        let last_read = records.iter().rposition(|record| record.is_read());
        let is_behind = taking.iter().all(|place| last_read < Some(*place));
        (taking.len(), is_behind)
    })
}

/// Asks for the rows of `accounts` and for two keys that rows have lost: one that none has, and one that one has again.
fn retry(pattern: &str, letter: &str) -> SnapshotCommand {
    retry_with(pattern, letter, &[("id", "9"), ("id", "3")])
}

fn retry_with(pattern: &str, letter: &str, former_keys: &[(&str, &str)]) -> SnapshotCommand {
    let former_key = |(column, value): &(&str, &str)| {
        FormerKey(BTreeMap::from([((*column).to_owned(), (*value).to_owned())]))
    };
    SnapshotCommand::Start {
        tables: vec![Selection {
            tables: pattern.parse().expect("a pattern"),
            filter: Some("all".to_owned()),
            letters: vec![letter.to_owned()],
            former_keys: former_keys.iter().map(former_key).collect(),
        }],
        marks: Marks::Incremental,
        id: None,
    }
}

fn is_read(world: &World) -> bool {
    let checkpoint = world.kafka.checkpoint();
    checkpoint.is_some_and(|checkpoint| checkpoint.snapshot.is_none())
}

/// Runs a connector that is asked at once, until what it is asked for is done or refused.
async fn ask(world: &World, command: SnapshotCommand) -> Result<SnapshotAnswer, SnapshotUnanswered> {
    let answer = Cell::new(None);
    let asking = async {
        tokio::task::yield_now().await;
        answer.set(Some(world.control().ask(command).await));
        world.steps.until(|| is_read(world)).await;
    };
    world.run(asking).await.expect("the connector runs and stops");
    answer.take().expect("it was asked")
}

#[tokio::test(start_paused = true)]
async fn letters_are_taken_off_with_the_rows_wherever_reading_is_cut_off() {
    for steps in 0.. {
        let (world, letter) = with_letter().await;
        let cut_off = world
            .cut_off_after(steps, ask(&world, retry("public.accounts", &letter)))
            .await;
        // Whether it was stored or not: the next one goes on with it.
        let (count, is_behind) = taken_off(&world);
        assert!(is_behind && count < 2, "cut off after {steps} steps");
        assert_eq!(listed(&world).len(), 1 - count);
        let is_left = !is_read(&world);
        let finish = async {
            tokio::task::yield_now().await;
            world.everything_delivered().await;
            world.steps.until(|| is_read(&world)).await;
        };
        world.run(finish).await.expect("the connector runs and stops");
        verify(&world);
        let (count, is_behind) = taken_off(&world);
        assert!(is_behind, "cut off after {steps} steps");
        if is_left {
            assert_eq!(count, 1, "cut off after {steps} steps");
        }
        assert_eq!(listed(&world).len(), 1 - count);
        let (gone, read): (Vec<String>, Vec<String>) =
            reads(&world).into_iter().partition(|id| id.contains("gone"));
        assert_eq!(read.len(), 3 * count, "cut off after {steps} steps");
        let lost = ["16400(gone,0)", "16400(gone,0.1)"];
        assert_eq!(gone, lost[..2 * count], "cut off after {steps} steps");
        if let Some(answer) = cut_off {
            assert_eq!(answer.expect("it is carried out").tables, ["public.accounts"]);
            assert_eq!(count, 1);
            assert!(steps > 20, "there is more to be cut off than {steps} steps");
            return;
        }
    }
}

/// A row that cannot be delivered as it is now either has a letter of its own, of that reading.
#[tokio::test(start_paused = true)]
async fn a_row_that_fails_again_has_a_letter_of_its_own() {
    let (world, letter) = with_letter().await;
    limit_records(&world, Some(LARGE));
    ask(&world, retry("public.accounts", &letter))
        .await
        .expect("it is carried out");
    assert_eq!(taken_off(&world).0, 1);
    let listed = listed(&world);
    assert_eq!(listed.len(), 1);
    assert!(listed[0] != letter && listed[0].ends_with(')'), "{listed:?}");
}

/// Nothing of the table was read to its end.
#[tokio::test(start_paused = true)]
async fn letters_stay_where_their_rows_cannot_be_read_or_are_not_wanted_any_more() {
    for call in [PostgresCall::OpenTable, PostgresCall::Copy, PostgresCall::Gone] {
        let (world, letter) = with_letter().await;
        world.postgres.edit(|server| {
            let fault = Act::Fail(TestFault::about_rows("permission denied"));
            server.script.at(call, 1, fault);
        });
        ask(&world, retry("public.accounts", &letter))
            .await
            .expect("it is stored before it is tried");
        assert_eq!(listed(&world), [letter]);
    }
    let (mut world, letter) = with_letter().await;
    world.config.snapshot.rows_per_second = Some(1);
    let stopping = async {
        tokio::task::yield_now().await;
        let control = world.control();
        let asked = control.ask(retry("public.accounts", &letter)).await;
        asked.expect("it is carried out");
        world.steps.until(|| !reads(&world).is_empty()).await;
        let stopped = control.ask(SnapshotCommand::Stop { tables: Vec::new() }).await;
        stopped.expect("it is stopped");
        world.steps.until(|| is_read(&world)).await;
    };
    world.run(stopping).await.expect("the connector runs and stops");
    assert_eq!(listed(&world), [letter]);
}

/// What would be the key of no record is not sent, and the rows are.
#[tokio::test(start_paused = true)]
async fn letters_stay_where_a_lost_key_is_not_that_of_the_table() {
    let (world, letter) = with_letter().await;
    let command = retry_with("public.accounts", &letter, &[("id", "9"), ("note", "x")]);
    ask(&world, command).await.expect("it is carried out");
    assert_eq!(listed(&world), [letter]);
    assert_eq!(reads(&world).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn letters_of_several_tables_are_refused() {
    let (world, letter) = with_letter().await;
    let refused = ask(&world, retry("public.*", &letter)).await;
    assert_eq!(
        refused.map_err(|error| error.to_string()),
        Err("dead letters are of one table, and public.* chooses several".to_owned())
    );
    assert_eq!(listed(&world), [letter]);
}
