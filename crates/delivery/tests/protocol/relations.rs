//! Tables come and go in a session, and their numbers mean nothing in the next one.

use crate::fakes::{
    Act, PostgresCall, Table, TestFault, World, delivered_ids, insert, message, truncate, update, verify,
};

const GONE: TestFault = TestFault::passing("connection lost");

/// Trap 11.
#[tokio::test(start_paused = true)]
async fn changes_at_one_position_all_arrive() {
    let world = World::set_up();
    let copy = world.postgres.copy((0..40).map(|id| ("accounts", insert(id))));
    assert!(
        copy.changes
            .iter()
            .all(|change| change.lsn == copy.changes[0].lsn)
    );
    world.deliver().await;
    assert_eq!(delivered_ids(&world).len(), 40);
}

/// Trap 21: after a reconnect the same numbers name other tables.
#[tokio::test(start_paused = true)]
async fn numbers_of_an_earlier_session_mean_nothing() {
    let world = World::set_up();
    let swap = async {
        world
            .postgres
            .commit([("accounts", insert(1)), ("orders", insert(1))]);
        world.everything_delivered().await;
        world.postgres.edit(|server| {
            server.script.at(PostgresCall::Next, 1, Act::Fail(GONE));
            let (accounts, orders) = (server.table("accounts").oid, server.table("orders").oid);
            server.table("accounts").oid = orders;
            server.table("orders").oid = accounts;
        });
        world
            .postgres
            .commit([("accounts", insert(2)), ("orders", insert(2))]);
        world.everything_delivered().await;
    };
    world.run(swap).await.unwrap();
    assert_eq!(world.postgres.read(|server| server.starts.len()), 2);
    verify(&world);
}

/// A column added between two changes: rows before and after it are written by their own schema.
#[tokio::test(start_paused = true)]
async fn a_new_shape_is_a_new_schema() {
    let world = World::set_up();
    world.postgres.commit([("accounts", insert(1))]);
    let alter = async {
        world.everything_delivered().await;
        world.postgres.edit(|server| {
            let mut column = server.table("accounts").columns[1].clone();
            column.name = "comment".to_owned();
            server.table("accounts").columns.push(column);
        });
        let row = ["2", "new", "added"].map(|value| Some(value.to_owned())).to_vec();
        world
            .postgres
            .commit([("accounts", crate::fakes::Change::Insert(row))]);
        world.everything_delivered().await;
    };
    world.run(alter).await.unwrap();
    verify(&world);
    let versions = world.registry.versions("shop.public.accounts-value");
    assert_eq!(versions.len(), 2);
    assert!(!versions[0].contains("comment") && versions[1].contains("comment"));
}

/// A publication may hold more than is captured. Such changes make no records, but they count: a change keeps its number
/// whatever the configuration.
#[tokio::test(start_paused = true)]
async fn changes_of_other_tables_count_and_are_left_out() {
    let world = World::set_up();
    world.postgres.edit(|server| {
        let mut audit = Table::new("audit", 16_420);
        audit.captured = false;
        server.tables.push(audit);
    });
    let commit = world.postgres.commit([
        ("audit", insert(1)),
        ("accounts", insert(1)),
        ("audit", update(1)),
        ("audit", truncate()),
        ("audit", message()),
        ("accounts", insert(2)),
    ]);
    world.deliver().await;
    let lsn = commit.commit_lsn;
    let delivered = [1, 4, 5].map(|ordinal| format!("{lsn}/{ordinal}"));
    assert_eq!(delivered_ids(&world), delivered);
    assert!(world.registry.versions("shop.public.audit-value").is_empty());
}
