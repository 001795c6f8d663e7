//! SIGKILL at random points under two loads: Kafka holds the source's history all the same.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use walcast_testbed::{LoadOptions, PostgresOptions, Shop, TpcB};
use walcast_tests::{Instance, World, await_writes, seed};

const KILLS: u32 = 20;

/// Writes of the shop before a kill: some kills come while the connector starts, some while it catches up, some while it
/// keeps up.
const WRITES_BETWEEN_KILLS: std::ops::Range<u64> = 10..900;

#[tokio::test(flavor = "multi_thread")]
async fn sigkill_at_twenty_random_points_neither_loses_nor_doubles_nor_reorders() {
    let seed = seed();
    let mut random = StdRng::seed_from_u64(seed);
    let world = World::sharing("fire", PostgresOptions::default()).await;
    let shop = Shop::create(&world.postgres).await.unwrap();
    let bank = TpcB::create(&world.postgres, 2).await.unwrap();
    let mut walcast = Instance::start(&world.config()).await;

    let pace = |writes_per_second| LoadOptions {
        writes_per_second: Some(writes_per_second),
        seed,
        ..LoadOptions::default()
    };
    let shopping = shop.run(&world.postgres, &pace(600));
    let banking = bank.run(&world.postgres, &pace(600));
    for number in 0..KILLS {
        // Every other one comes while it streams, whatever the start takes on this machine.
        if number % 2 == 0 {
            walcast.ready().await;
        }
        await_writes(&shopping, random.random_range(WRITES_BETWEEN_KILLS)).await;
        walcast.kill9();
        walcast.start_again();
    }
    walcast.ready().await;
    shopping.stop().await.unwrap();
    banking.stop().await.unwrap();

    let tables = [Shop::TABLES, TpcB::TABLES].concat();
    let mut audit = world.audit(&tables);
    world.assert_delivered(&mut audit, &mut walcast).await;
    walcast.stop().await;
    world.assert_still_clean(&mut audit, &walcast).await;
}
