//! Every Kafka release that can be started but the one that the other tests run on: a load, a crash of walcast, a crash of the
//! broker.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use walcast_testbed::{KafkaOptions, LoadOptions, Shop, TestbedOptions};
use walcast_tests::{Instance, World, await_writes};

#[tokio::test(flavor = "multi_thread")]
async fn kafka_4_2_receives_each_change_exactly_once() {
    let options = TestbedOptions {
        kafka: KafkaOptions::release("4.2"),
        ..TestbedOptions::default()
    };
    let mut world = World::alone("kafka42", options).await;
    let shop = Shop::create(&world.postgres).await.unwrap();
    let config = world.config().set("retry.backoff_max", "1000ms");
    let mut walcast = Instance::start(&config).await;
    let options = LoadOptions {
        writes_per_second: Some(400),
        ..LoadOptions::default()
    };
    let load = shop.run(&world.postgres, &options);
    await_writes(&load, 400).await;
    walcast.kill9();
    walcast.start_again();
    // A start ends where no broker answers; a connector that streams waits.
    walcast.ready().await;
    await_writes(&load, 400).await;
    world.kafka_mut().kill().unwrap();
    await_writes(&load, 200).await;
    world.kafka_mut().start_again().await.unwrap();
    await_writes(&load, 400).await;
    load.stop().await.unwrap();

    walcast.ready().await;
    let mut audit = world.audit(&Shop::TABLES);
    world.assert_delivered(&mut audit, &mut walcast).await;
    walcast.stop().await;
    world.assert_still_clean(&mut audit, &walcast).await;
}
