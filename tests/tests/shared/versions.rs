//! Every major version of Postgres but 17, which the other tests run on: a load, a crash, a stop, and planted records that are found.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use walcast_testbed::{LoadOptions, PostgresOptions, Shop};
use walcast_tests::{Instance, World, await_writes, run};

use crate::verify::scale::Planted;

/// Rows among which records are planted; the shop is not touched.
const LEDGER: i64 = 20_000;

async fn survives_a_crash_on(major: u16) {
    let world = World::sharing(&format!("pg{major}"), PostgresOptions::major(major)).await;
    let shop = Shop::create(&world.postgres).await.unwrap();
    let create = "CREATE TABLE ledger (id int PRIMARY KEY, note text)";
    world.postgres.execute(create).await.unwrap();
    let mut walcast = Instance::start(&world.config()).await;
    let planted = Planted {
        lost: LEDGER / 5,
        doubled: LEDGER * 2 / 5,
        altered: LEDGER * 3 / 5,
        stale: LEDGER * 4 / 5,
    };
    let fill = format!("INSERT INTO ledger SELECT n, 'note ' || n FROM generate_series(1, {LEDGER}) AS n");
    world.postgres.execute(&fill).await.unwrap();
    let update = format!("UPDATE ledger SET note = 'newer' WHERE id = {}", planted.stale);
    world.postgres.execute(&update).await.unwrap();
    let options = LoadOptions {
        writes_per_second: Some(400),
        ..LoadOptions::default()
    };
    let load = shop.run(&world.postgres, &options);
    await_writes(&load, 600).await;
    walcast.kill9();
    walcast.start_again();
    await_writes(&load, 600).await;
    // The first customers were there before the connector, which reads no existing rows.
    let tables = [
        "public.orders",
        "public.items",
        "public.payments",
        "public.ledger",
    ];
    let arguments = tables.into_iter().flat_map(|table| ["--tables", table]);
    let arguments: Vec<&str> = std::iter::once("verify").chain(arguments).collect();
    let verified = run(&world.config(), &arguments).await;
    assert_eq!(verified.code, Some(0), "{verified:#?}");
    let topic = world.topic("public.ledger");
    planted.send(&world.kafka().brokers(), &topic).await;
    planted.assert_named(&world.config(), "public.ledger").await;
    load.stop().await.unwrap();

    walcast.ready().await;
    let mut audit = world.audit(&Shop::TABLES);
    world.assert_delivered(&mut audit, &mut walcast).await;
    walcast.stop().await;
    world.assert_still_clean(&mut audit, &walcast).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_12_is_captured_exactly_once() {
    survives_a_crash_on(12).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_13_is_captured_exactly_once() {
    survives_a_crash_on(13).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_14_is_captured_exactly_once() {
    survives_a_crash_on(14).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_15_is_captured_exactly_once() {
    survives_a_crash_on(15).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_16_is_captured_exactly_once() {
    survives_a_crash_on(16).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_18_is_captured_exactly_once() {
    survives_a_crash_on(18).await;
}
