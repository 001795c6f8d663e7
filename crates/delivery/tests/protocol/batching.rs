//! Batches follow the load: what arrives while the committer is busy is one Kafka transaction. Counts on a paused clock, so that a
//! change of these figures is a change of behavior.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::fakes::{KafkaCall, World, insert, verify};

/// Time that the broker takes for a write and a commit.
const WRITE: Duration = Duration::from_millis(1);
const COMMIT: Duration = Duration::from_millis(3);

/// Makes each of the next calls of the broker take its time.
fn slow_broker(world: &World, calls: usize) {
    world.kafka.edit(|broker| {
        for _ in 0..calls {
            broker.script.slow(KafkaCall::Write, WRITE);
            broker.script.slow(KafkaCall::Commit, COMMIT);
        }
    });
}

/// Writes and commits that a flow needs which lasts for 500 ms, with so many transactions in each.
async fn calls_of_flow(transactions_per_ms: i32) -> [usize; 2] {
    calls_of(
        500 * transactions_per_ms,
        transactions_per_ms,
        Duration::from_millis(1),
    )
    .await
}

/// Writes and commits that so many transactions need, of which some arrive together, with pauses in between.
async fn calls_of(transactions: i32, together: i32, pause: Duration) -> [usize; 2] {
    let world = World::set_up();
    slow_broker(&world, 1000);
    let load = async {
        for id in 0..transactions {
            world.postgres.commit([("accounts", insert(id))]);
            if (id + 1) % together == 0 {
                sleep(pause).await;
            }
        }
        world.all_delivered().await;
    };
    world.run(load).await.expect("the connector runs and stops");
    verify(&world);
    [KafkaCall::Write, KafkaCall::Commit].map(|call| world.kafka.count(call))
}

/// Each Kafka transaction takes 4 ms, and 5 ms lie between two.
#[tokio::test(start_paused = true)]
async fn steady_flow_is_committed_at_the_interval() {
    let [writes, commits] = calls_of_flow(1).await;
    assert!((45..=60).contains(&commits), "{commits} commits in 500 ms");
    assert_eq!(writes, commits, "every batch is committed at once");
}

/// Four transactions in each millisecond need no more calls than one.
#[tokio::test(start_paused = true)]
async fn number_of_commits_does_not_follow_the_number_of_transactions() {
    let [writes, commits] = calls_of_flow(4).await;
    assert!((45..=60).contains(&commits), "{commits} commits in 500 ms");
    assert_eq!(writes, commits, "every batch is committed at once");
}

/// Committed figures: commits per thousand transactions, with so many of them together every so many milliseconds. To update them after
/// an intended change, replace them by the figures of the failed test, and give the reason in the commit message.
const COMMITS_PER_THOUSAND: [(i32, u64, usize); 3] = [(1, 1, 112), (4, 1, 29), (1, 20, 1000)];

/// A count above a committed figure fails, and so does one below, so that a later change cannot use up an improvement unnoticed. A
/// twentieth is allowed: a transaction may arrive before or after the commit that begins in the same millisecond.
#[tokio::test(start_paused = true)]
async fn commits_per_thousand_transactions_do_not_grow() {
    let mut counted = Vec::new();
    for (together, pause_ms, _) in COMMITS_PER_THOUSAND {
        let [_, commits] = calls_of(1000, together, Duration::from_millis(pause_ms)).await;
        counted.push((together, pause_ms, commits));
    }
    let is_close = |((_, _, commits), (_, _, figure)): (&(i32, u64, usize), &(i32, u64, usize))| {
        commits.abs_diff(*figure) * 20 <= *figure
    };
    assert!(
        counted.iter().zip(&COMMITS_PER_THOUSAND).all(is_close),
        "commits per thousand transactions (the last figure of each) are {counted:?}, the committed figures {COMMITS_PER_THOUSAND:?}"
    );
}

/// Nothing waits for a timer while nothing else arrives.
#[tokio::test(start_paused = true)]
async fn lone_transaction_is_committed_at_once() {
    let world = World::set_up();
    let load = async {
        for id in 0..10 {
            sleep(Duration::from_secs(1)).await;
            let start = Instant::now();
            world.insert_delivered(id).await;
            assert_eq!(start.elapsed(), Duration::ZERO);
        }
    };
    world.run(load).await.unwrap();
    assert_eq!(world.kafka.count(KafkaCall::Commit), 10);
}

/// A backlog is written in full batches, and its commits become rare.
#[tokio::test(start_paused = true)]
async fn backlog_is_committed_rarely() {
    let world = World::set_up();
    for id in 0..3000 {
        world.postgres.commit([("accounts", insert(id))]);
    }
    slow_broker(&world, 1000);
    world.deliver().await;
    let commits = world.kafka.count(KafkaCall::Commit);
    assert!(commits <= 5, "{commits} commits of 3,000 transactions");
}

/// Neither does a batch that is full within a transaction cost a commit.
#[tokio::test(start_paused = true)]
async fn backlog_of_several_rows_a_transaction_is_committed_rarely() {
    let world = World::set_up();
    for id in 0..5000 {
        let rows = (0..4).map(|row| ("accounts", insert(10_000 * row + id)));
        world.postgres.commit(rows.collect::<Vec<_>>());
    }
    slow_broker(&world, 1000);
    world.deliver().await;
    let [writes, commits] = [KafkaCall::Write, KafkaCall::Commit].map(|call| world.kafka.count(call));
    assert!(writes > 8, "{writes} batches");
    assert!(commits <= 5, "{commits} commits of {writes} batches");
}

/// The beginning of a transaction does not commit what precedes it in crumbs: it stays in the batch until the transaction ends.
#[tokio::test(start_paused = true)]
async fn small_transactions_are_never_written_in_parts() {
    let world = World::set_up();
    world.postgres.edit(|server| server.frames_per_block = 2);
    slow_broker(&world, 1000);
    for id in 0..100 {
        world
            .postgres
            .commit([("accounts", insert(id)), ("accounts", insert(1000 + id))]);
    }
    world.deliver().await;
    let partial = world.kafka.read(|broker| {
        let partial = broker
            .checkpoints()
            .filter(|(_, update)| update.current.partial.is_some());
        partial.count()
    });
    assert_eq!(partial, 0);
    let [writes, commits] = [KafkaCall::Write, KafkaCall::Commit].map(|call| world.kafka.count(call));
    assert_eq!(writes, commits);
}
