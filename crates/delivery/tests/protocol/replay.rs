//! Positions stay reachable as long as they are to be, and changes that come again are the same.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use walcast_delivery::{Checkpoint, CheckpointUpdate};
use walcast_pgoutput::Lsn;

use crate::exactly_once::write_history;
use crate::fakes::{CONSISTENT_POINT, World, checkpoint, insert, verify_so_far};

const HOUR: Duration = Duration::from_secs(3600);

/// Bytes at the end of an envelope that tell when it was made: `ts_ms`, `ts_us` and `ts_ns`, each a branch and a
/// number.
const PROCESSING_TIME_BYTES: usize = (1 + 6) + (1 + 8) + (1 + 9);

/// Bytes at the beginning of a message's value: the registry's prefix, `op`, and `ts_ms` as a branch and a number.
const MESSAGE_HEAD_BYTES: usize = 5 + 2 + (1 + 6);

fn micros_ago(age: Duration) -> i64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("it is after 1970");
    i64::try_from((now - age).as_micros()).expect("the number of microseconds is small")
}

/// A remembered position of some age.
fn remember(world: &World, end_lsn: Lsn, age: Duration) {
    let current = Checkpoint {
        written_at_unix_micros: micros_ago(age),
        ..checkpoint(end_lsn)
    };
    let update = CheckpointUpdate {
        current,
        enters_history: true,
        expired: Vec::new(),
        known_tables: None,
    };
    world.kafka.edit(|broker| broker.put_checkpoint(update));
}

fn history(world: &World) -> Vec<Lsn> {
    world
        .kafka
        .read(|broker| broker.checkpoint_log().history.into_keys().collect())
}

fn is_checkpointed(world: &World, lsn: Lsn) -> impl FnMut() -> bool {
    move || world.kafka.checkpointed() == lsn
}

/// Three positions, written three, two and one hours ago, and a transaction that has just been committed.
fn world_with_history(keep: Duration) -> (World, [Lsn; 3], Lsn) {
    let mut world = World::set_up();
    world.config.replay.keep = keep;
    let ends = [3, 2, 1].map(|hours| {
        let end = world.postgres.commit([("accounts", insert(hours))]).end_lsn;
        (end, HOUR * u32::try_from(hours).expect("hours are positive"))
    });
    for (end, age) in ends {
        remember(&world, end, age);
    }
    let ends = ends.map(|(end, _)| end);
    world.deliver_from(ends[2]);
    let last = world.postgres.commit([("accounts", insert(9))]).end_lsn;
    (world, ends, last)
}

#[tokio::test(start_paused = true)]
async fn the_slot_is_told_only_what_is_old_enough() {
    for (keep, expected) in [(HOUR * 5 / 2, 0), (HOUR * 3 / 2, 1), (HOUR / 2, 2)] {
        let (world, ends, last) = world_with_history(keep);
        world
            .run(world.steps.until(is_checkpointed(&world, last)))
            .await
            .unwrap();
        assert_eq!(world.postgres.confirmed(), ends[expected], "keep {keep:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_slot_is_told_nothing_while_everything_is_young() {
    let (world, _, last) = world_with_history(HOUR * 4);
    world
        .run(world.steps.until(is_checkpointed(&world, last)))
        .await
        .unwrap();
    assert_eq!(world.postgres.confirmed(), CONSISTENT_POINT);
}

/// The limit in bytes comes before age.
#[tokio::test(start_paused = true)]
async fn the_slot_never_holds_more_than_its_limit() {
    let (mut world, ends, last) = world_with_history(HOUR * 4);
    world.config.replay.keep_bytes = Some(last.bytes_since(ends[1]));
    world
        .run(world.steps.until(is_checkpointed(&world, last)))
        .await
        .unwrap();
    assert_eq!(world.postgres.confirmed(), ends[1]);
}

/// A position is entered once an interval, and deleted once the slot can no longer go back to it.
#[tokio::test(start_paused = true)]
async fn positions_are_remembered_and_forgotten() {
    let (world, ends, last) = world_with_history(HOUR * 3 / 2);
    let two_commits = async {
        world.steps.until(is_checkpointed(&world, last)).await;
        assert_eq!(
            history(&world),
            [ends[0], ends[1], ends[2], last],
            "the newest is an hour old"
        );
        let next = world.postgres.commit([("accounts", insert(10))]).end_lsn;
        world.steps.until(is_checkpointed(&world, next)).await;
        assert_eq!(
            history(&world),
            [ends[1], ends[2], last],
            "the last is seconds old, the oldest out of reach"
        );
    };
    world.run(two_commits).await.unwrap();
    verify_so_far(&world);
}

/// Replay is switched off: what was remembered is deleted, and the slot is told everything.
#[tokio::test(start_paused = true)]
async fn without_replay_nothing_is_remembered() {
    let (world, _, last) = world_with_history(Duration::ZERO);
    world
        .run(world.steps.until(is_checkpointed(&world, last)))
        .await
        .unwrap();
    assert_eq!(world.postgres.confirmed(), last);
    assert!(history(&world).is_empty());
}

/// The checkpoint is set back: the same records come again, byte by byte but for the time of their making.
#[tokio::test(start_paused = true)]
async fn what_comes_again_is_the_same() {
    let mut world = World::set_up();
    world.config.replay.keep = HOUR;
    world.config.replay.history_interval = Duration::ZERO;
    let first = world.postgres.commit([("accounts", insert(100))]);
    world
        .run(world.steps.until(is_checkpointed(&world, first.end_lsn)))
        .await
        .unwrap();
    let back_to = world.kafka.checkpoint().unwrap();
    write_history(&world);
    let end = world.postgres.read(|server| server.wal_end);
    world
        .run(world.steps.until(is_checkpointed(&world, end)))
        .await
        .unwrap();
    let once = world
        .kafka
        .read(|broker| broker.committed().skip(1).cloned().collect::<Vec<_>>());

    world.put_checkpoint(back_to);
    world
        .run(world.steps.until(is_checkpointed(&world, end)))
        .await
        .unwrap();
    let all = world
        .kafka
        .read(|broker| broker.committed().skip(1).cloned().collect::<Vec<_>>());
    let (before, again) = all.split_at(once.len());
    assert_eq!(before.len(), again.len());
    for (before, again) in before.iter().zip(again) {
        assert_eq!(
            (&before.topic, &before.id, &before.key),
            (&again.topic, &again.id, &again.key)
        );
        if before.topic == "shop.message" {
            // There the time stands before the rest.
            assert_eq!(
                without_first_time(before.value.as_deref()),
                without_first_time(again.value.as_deref()),
                "{}",
                before.id
            );
            continue;
        }
        assert_eq!(
            without_time(before.value.as_deref()),
            without_time(again.value.as_deref()),
            "{}",
            before.id
        );
    }
    assert_eq!(
        world.postgres.read(|server| server.starts.clone()),
        [CONSISTENT_POINT, first.commit_lsn, first.commit_lsn]
    );
}

fn without_first_time(value: Option<&[u8]>) -> Option<&[u8]> {
    value.map(|bytes| bytes.split_at(MESSAGE_HEAD_BYTES).1)
}

fn without_time(value: Option<&[u8]>) -> Option<&[u8]> {
    value.map(|bytes| bytes.split_at(bytes.len() - PROCESSING_TIME_BYTES).0)
}
