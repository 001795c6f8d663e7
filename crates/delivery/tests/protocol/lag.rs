//! Lag: counted against the end of the server's WAL from the start of a stream on, and zero when nothing waits.

use std::time::Duration;

use tokio::time::sleep;
use walcast_delivery::{Lag, Status};

use crate::fakes::{Act, CONSISTENT_POINT, KafkaCall, PostgresCall, TestFault, World, insert, verify};

/// Time for which the delay of the last transaction is shown at most.
const SHOWN: Duration = Duration::from_secs(2);

/// The transactions of the model were committed long ago, so each is delivered with a long delay.
#[tokio::test(start_paused = true)]
async fn lag_ends_when_nothing_waits() {
    let world = World::set_up();
    let load = async {
        for id in 0..3 {
            world.postgres.commit([("accounts", insert(id))]);
            world.all_delivered().await;
            assert!(world.state.lag().time > SHOWN, "{:?}", world.state.lag());
            sleep(SHOWN).await;
            assert_eq!(world.state.lag(), Lag::default());
        }
    };
    world.run(load).await.unwrap();
    verify(&world);
}

#[tokio::test(start_paused = true)]
async fn bytes_are_counted_against_the_end_of_wal_when_the_stream_starts() {
    let world = World::set_up();
    let end = world.postgres.write_unrelated_wal(1 << 24);
    world
        .postgres
        .edit(|server| server.script.at(PostgresCall::Next, 1, Act::Hang));
    let mut status = world.state.status.subscribe();
    let started = async {
        status
            .wait_for(|status| *status == Status::Streaming)
            .await
            .expect("the world outlives its connectors");
        assert_eq!(world.state.lag().bytes, end.bytes_since(CONSISTENT_POINT));
    };
    world.run(started).await.unwrap();
}

/// A transaction that could not be delivered waits while the connector retries.
#[tokio::test(start_paused = true)]
async fn a_transaction_waits_across_sessions() {
    let world = World::set_up();
    let outage = async {
        world.postgres.commit([("accounts", insert(1))]);
        world.all_delivered().await;
        sleep(SHOWN).await;
        let fault = TestFault::transient("no broker answers");
        world.kafka.edit(|broker| {
            broker.script.at(KafkaCall::Commit, 1, Act::Fail(fault));
            broker.script.at(KafkaCall::Open, 1, Act::Fail(fault));
        });
        let mut status = world.state.status.subscribe();
        world.postgres.commit([("accounts", insert(2))]);
        status
            .wait_for(|status| matches!(status, Status::Retrying { .. }))
            .await
            .expect("the world outlives its connectors");
        assert!(world.state.lag().time > SHOWN, "{:?}", world.state.lag());
        world.all_delivered().await;
        sleep(SHOWN).await;
        assert_eq!(world.state.lag(), Lag::default());
    };
    world.run(outage).await.unwrap();
    verify(&world);
}

/// A commit that does not return keeps the committer from taking what is read.
#[tokio::test(start_paused = true)]
async fn a_transaction_waits_while_an_idle_commit_does_not_return() {
    let world = World::set_up();
    let outage = async {
        world.postgres.commit([("accounts", insert(1))]);
        world.all_delivered().await;
        world
            .kafka
            .edit(|broker| broker.script.at(KafkaCall::Commit, 1, Act::Hang));
        world.postgres.write_unrelated_wal(1 << 24);
        sleep(world.config.idle_interval * 2).await;
        assert_eq!(world.state.lag().time, Duration::ZERO);
        world.postgres.commit([("accounts", insert(2))]);
        sleep(SHOWN).await;
        assert!(world.state.lag().time > SHOWN, "{:?}", world.state.lag());
    };
    world.run(outage).await.unwrap();
}
