//! Positions within the retention stay reachable, and replayed changes are identical.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use walcast_delivery::{Checkpoint, CheckpointUpdate, PartitionRecords, QuarantineRecords, SchemaChanges};
use walcast_pgoutput::Lsn;

use crate::exactly_once::write_history;
use crate::fakes::{CONSISTENT_POINT, World, checkpoint, insert, verify_so_far};

const HOUR: Duration = Duration::from_secs(3600);

/// Size of the processing time at the end of an envelope: `ts_ms`, `ts_us` and `ts_ns`, each a union branch and a number.
const PROCESSING_TIME_BYTES: usize = (1 + 6) + (1 + 8) + (1 + 9);

/// Size of the start of a message's value: the registry's prefix, `op`, and `ts_ms` as a union branch and a number.
const MESSAGE_HEAD_BYTES: usize = 5 + 2 + (1 + 6);

fn micros_ago(age: Duration) -> i64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("the clock is after 1970");
    i64::try_from((now - age).as_micros()).expect("the number of microseconds is small")
}

/// Writes a checkpoint of the given age that enters the history.
fn enter_history(world: &World, end_lsn: Lsn, age: Duration) {
    let current = Checkpoint {
        written_at_unix_micros: micros_ago(age),
        ..checkpoint(end_lsn)
    };
    let update = CheckpointUpdate {
        current,
        enters_history: true,
        expired: Vec::new(),
        known_tables: None,
        restrictions: None,
        schemas: SchemaChanges::new(),
        partitions: PartitionRecords::new(),
        quarantines: QuarantineRecords::new(),
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

/// Three positions in the history, written three, two and one hours ago, and a transaction that was just committed.
fn world_with_history(keep: Duration) -> (World, [Lsn; 3], Lsn) {
    let mut world = World::set_up();
    world.config.replay.retention = keep;
    let ends = [3, 2, 1].map(|hours| {
        let end = world.postgres.commit([("accounts", insert(hours))]).end_lsn;
        (end, HOUR * u32::try_from(hours).expect("hours are positive"))
    });
    for (end, age) in ends {
        enter_history(&world, end, age);
    }
    let ends = ends.map(|(end, _)| end);
    world.set_delivery_start(ends[2]);
    let last = world.postgres.commit([("accounts", insert(9))]).end_lsn;
    (world, ends, last)
}

#[tokio::test(start_paused = true)]
async fn confirms_only_positions_older_than_the_retention() {
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
async fn confirms_no_position_within_the_retention() {
    let (world, _, last) = world_with_history(HOUR * 4);
    world
        .run(world.steps.until(is_checkpointed(&world, last)))
        .await
        .unwrap();
    assert_eq!(world.postgres.confirmed(), CONSISTENT_POINT);
}

/// The limit in bytes takes precedence over age.
#[tokio::test(start_paused = true)]
async fn retained_wal_stays_within_the_limit() {
    let (mut world, ends, last) = world_with_history(HOUR * 4);
    world.config.replay.retention_bytes = Some(last.bytes_since(ends[1]));
    world
        .run(world.steps.until(is_checkpointed(&world, last)))
        .await
        .unwrap();
    assert_eq!(world.postgres.confirmed(), ends[1]);
}

/// A position enters the history once per interval, and is deleted once the slot can no longer return to it.
#[tokio::test(start_paused = true)]
async fn history_is_extended_and_expired() {
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

/// Without replay the history is deleted, and every checkpoint is confirmed to the slot.
#[tokio::test(start_paused = true)]
async fn keeps_no_history_without_replay() {
    let (world, _, last) = world_with_history(Duration::ZERO);
    world
        .run(world.steps.until(is_checkpointed(&world, last)))
        .await
        .unwrap();
    assert_eq!(world.postgres.confirmed(), last);
    assert!(history(&world).is_empty());
}

/// After the checkpoint is rewound the same records are written, identical except for their processing time.
#[tokio::test(start_paused = true)]
async fn replayed_records_are_identical() {
    let mut world = World::set_up();
    world.config.replay.retention = HOUR;
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
            // In messages the time precedes the other fields.
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
