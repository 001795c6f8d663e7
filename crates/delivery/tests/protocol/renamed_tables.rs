//! Tables that are renamed before their existing rows are read: the rows go to the topic to which the changes go.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::fakes::{Act, PostgresCall, TestFault, World, insert};
use crate::snapshots::{deliver, filled};

const ACCOUNTS: u32 = 16_400;
const ORDERS: u32 = 16_410;

/// Renames a table, as `ALTER TABLE … RENAME` does.
fn rename(world: &World, oid: u32, name: &str) {
    world.postgres.edit(|server| {
        let mut tables = server.tables.iter_mut();
        let table = tables.find(|table| table.oid.as_u32() == oid);
        let table = table.expect("the table exists");
        let was = std::mem::replace(&mut table.name.name, name.to_owned());
        let publication = server.publication.as_mut().expect("the publication exists");
        for published in publication.tables.iter_mut().filter(|one| one.name == was) {
            published.name = name.to_owned();
        }
    });
}

/// A connector that was stopped after it had created its slot, before it read a row.
async fn stopped_before_the_rows() -> World {
    let world = filled();
    world.postgres.edit(|server| {
        let connection_lost = Act::Fail(TestFault::transient("connection lost"));
        server.script.at(PostgresCall::Copy, 1, connection_lost);
    });
    let is_broken = || world.postgres.count(PostgresCall::Copy) > 0;
    world
        .run(world.steps.until(is_broken))
        .await
        .expect("the connector runs and stops");
    assert!(reads_by_topic(&world).is_empty());
    world
}

/// Number of rows that were read, by topic and OID of the table.
fn reads_by_topic(world: &World) -> BTreeMap<(String, u32), usize> {
    let mut reads = BTreeMap::new();
    world.kafka.read(|broker| {
        for record in broker.committed_with_reads().filter(|record| record.is_read()) {
            let row = record.id.rsplit('/').next().expect("an identity has parts");
            let oid = row.split('(').next().and_then(|oid| oid.parse().ok());
            let oid: u32 = oid.expect("the identity of a row begins with the OID of its table");
            *reads.entry((record.topic.clone(), oid)).or_default() += 1;
        }
    });
    reads
}

fn expected<const N: usize>(rows: [(&str, u32, usize); N]) -> BTreeMap<(String, u32), usize> {
    let rows = rows.into_iter();
    rows.map(|(table, oid, count)| ((format!("shop.public.{table}"), oid), count))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn rows_are_read_under_the_name_that_the_table_has_now() {
    let world = stopped_before_the_rows().await;
    rename(&world, ORDERS, "purchases");
    deliver(&world).await;
    let rows = expected([("accounts", ACCOUNTS, 6), ("purchases", ORDERS, 2)]);
    assert_eq!(reads_by_topic(&world), rows);
}

#[tokio::test(start_paused = true)]
async fn tables_that_exchanged_their_names_are_distinguished() {
    let world = stopped_before_the_rows().await;
    rename(&world, ORDERS, "between");
    rename(&world, ACCOUNTS, "orders");
    rename(&world, ORDERS, "accounts");
    deliver(&world).await;
    let rows = expected([("orders", ACCOUNTS, 6), ("accounts", ORDERS, 2)]);
    assert_eq!(reads_by_topic(&world), rows);
}

/// While changes are streamed, between two snapshots from which rows are read.
#[tokio::test(start_paused = true)]
async fn a_table_is_renamed_between_two_snapshots() {
    let mut world = filled();
    world.config.snapshot.rows_per_second = Some(1);
    world.config.snapshot.initial_hold_max = Duration::from_secs(2);
    world.config.snapshot.hold_max = Duration::from_secs(2);
    let renaming = async {
        world
            .steps
            .until(|| world.postgres.count(PostgresCall::Copy) > 0)
            .await;
        rename(&world, ORDERS, "purchases");
        world.postgres.commit([("purchases", insert(3))]);
    };
    let ((), ()) = tokio::join!(deliver(&world), renaming);
    let reads = reads_by_topic(&world);
    let topics: Vec<&str> = reads.keys().map(|(topic, _)| topic.as_str()).collect();
    assert_eq!(
        topics,
        ["shop.public.accounts", "shop.public.purchases"],
        "{reads:?}"
    );
    // The row that was inserted later may be read as well, after its change.
    assert!(reads.values().sum::<usize>() >= 8, "{reads:?}");
}

/// Another table that has the former name is read for itself.
#[tokio::test(start_paused = true)]
async fn a_table_with_the_former_name_is_another_one() {
    let world = stopped_before_the_rows().await;
    rename(&world, ORDERS, "purchases");
    world.postgres.edit(|server| {
        let new = crate::fakes::Table {
            published_since: walcast_pgoutput::Lsn::MAX,
            ..crate::fakes::Table::new("orders", 16_420)
        };
        server.tables.push(new);
    });
    world.postgres.commit([
        ("orders", insert(7)),
        ("orders", insert(8)),
        ("orders", insert(9)),
    ]);
    deliver(&world).await;
    let rows = expected([
        ("accounts", ACCOUNTS, 6),
        ("orders", 16_420, 3),
        ("purchases", ORDERS, 2),
    ]);
    assert_eq!(reads_by_topic(&world), rows);
}

/// Changes of a table whose name is not captured are not delivered, and neither are its rows.
#[tokio::test(start_paused = true)]
async fn rows_of_a_name_that_is_not_captured_are_not_read() {
    let world = stopped_before_the_rows().await;
    rename(&world, ORDERS, "archived");
    world.postgres.edit(|server| {
        let archived = server
            .tables
            .iter_mut()
            .find(|table| table.oid.as_u32() == ORDERS);
        archived.expect("the table exists").captured = false;
    });
    deliver(&world).await;
    assert_eq!(reads_by_topic(&world), expected([("accounts", ACCOUNTS, 6)]));
}
