//! Relations are created, altered and dropped during a session, and their OIDs are not valid in the next session.

use std::error::Error;

use walcast_delivery::{DeliveryError, Halt};

use crate::fakes::{
    Act, CONNECTION_LOST, PostgresCall, Table, World, delivered_ids, insert, message, truncate, update,
    verify,
};

/// Trap 11.
#[tokio::test(start_paused = true)]
async fn delivers_all_changes_at_one_position() {
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

/// Trap 21: after a reconnect the same OIDs identify other tables.
#[tokio::test(start_paused = true)]
async fn oids_of_an_earlier_session_are_not_reused() {
    let world = World::set_up();
    let swap = async {
        world
            .postgres
            .commit([("accounts", insert(1)), ("orders", insert(1))]);
        world.all_delivered().await;
        world.postgres.edit(|server| {
            server
                .script
                .at(PostgresCall::Next, 1, Act::Fail(CONNECTION_LOST));
            let (accounts, orders) = (server.table("accounts").oid, server.table("orders").oid);
            server.table("accounts").oid = orders;
            server.table("orders").oid = accounts;
        });
        world
            .postgres
            .commit([("accounts", insert(2)), ("orders", insert(2))]);
        world.all_delivered().await;
    };
    world.run(swap).await.unwrap();
    assert_eq!(world.postgres.read(|server| server.starts.len()), 2);
    verify(&world);
}

/// A column is added between two changes: the rows before and after it are encoded with their own schemas.
#[tokio::test(start_paused = true)]
async fn changed_relation_gets_a_new_schema() {
    let world = World::set_up();
    world.postgres.commit([("accounts", insert(1))]);
    let alter = async {
        world.all_delivered().await;
        world.postgres.edit(|server| {
            let mut column = server.table("accounts").columns[1].clone();
            column.name = "comment".to_owned();
            server.table("accounts").columns.push(column);
        });
        let row = ["2", "new", "added"].map(|value| Some(value.to_owned())).to_vec();
        world
            .postgres
            .commit([("accounts", crate::fakes::Change::Insert(row))]);
        world.all_delivered().await;
    };
    world.run(alter).await.unwrap();
    verify(&world);
    let versions = world.registry.versions("shop.public.accounts-value");
    assert_eq!(versions.len(), 2);
    assert!(!versions[0].contains("comment") && versions[1].contains("comment"));
}

/// A publication may contain tables that are not captured. Their changes make no records, but are counted: the ordinal of a change
/// does not depend on the configuration.
#[tokio::test(start_paused = true)]
async fn changes_of_other_tables_are_counted_and_omitted() {
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

/// A table whose name maps to the topic of `acc_ounts`.
fn table_with_the_same_topic(oid: u32) -> Table {
    let mut table_with_the_same_topic = Table::new("accounts", oid);
    "acc ounts".clone_into(&mut table_with_the_same_topic.name.name);
    table_with_the_same_topic
}

fn world_with_acc_ounts() -> World {
    let world = World::set_up();
    world
        .postgres
        .edit(|server| "acc_ounts".clone_into(&mut server.table("accounts").name.name));
    world.postgres.set_up();
    world
}

/// The owner of the topic has had no change in this session.
#[tokio::test(start_paused = true)]
async fn table_cannot_write_to_the_topic_of_another() {
    let world = world_with_acc_ounts();
    let write_conflicting_row = async {
        world.postgres.commit([("orders", insert(1))]);
        world.all_delivered().await;
        world
            .postgres
            .edit(|server| server.tables.push(table_with_the_same_topic(16_500)));
        world.postgres.commit([("acc ounts", insert(66))]);
        std::future::pending().await
    };
    let error = world.run(write_conflicting_row).await.unwrap_err();
    let text = error.source().unwrap().to_string();
    for wanted in [
        r#""public.acc ounts" and "public.acc_ounts""#,
        "topic shop.public.acc_ounts",
    ] {
        assert!(text.contains(wanted), "{text}");
    }
    assert!(error.halts(), "{text}");
    assert_eq!(delivered_ids(&world).len(), 1);
}

/// The conflict is found before a stream starts.
#[tokio::test(start_paused = true)]
async fn tables_with_the_same_topic_halt_the_start() {
    let world = world_with_acc_ounts();
    world.postgres.edit(|server| {
        server.tables.push(table_with_the_same_topic(16_500));
        let names = server.captured_names();
        server.publication.as_mut().unwrap().tables = names;
    });
    let error = world.run_to_end().await;
    let DeliveryError::Halt(Halt::SharedTopic { topic, .. }) = &error else {
        panic!("{error}");
    };
    assert_eq!(topic, "shop.public.acc_ounts");
    assert!(world.postgres.read(|server| server.starts.is_empty()));
}

/// A topic belongs to an existing table: a renamed table no longer holds it, a recreated one still does.
#[tokio::test(start_paused = true)]
async fn topic_is_released_by_a_rename_and_kept_by_a_recreated_table() {
    let world = world_with_acc_ounts();
    let change = async {
        world.postgres.commit([("acc_ounts", insert(1))]);
        world.all_delivered().await;
        world
            .postgres
            .edit(|server| server.table("acc_ounts").oid = walcast_pgoutput::Oid::new(16_501));
        world.postgres.commit([("acc_ounts", insert(2))]);
        world.all_delivered().await;
        world.postgres.edit(|server| {
            "elsewhere".clone_into(&mut server.table("acc_ounts").name.name);
            server.tables.push(table_with_the_same_topic(16_500));
        });
        world.postgres.commit([("acc ounts", insert(3))]);
        world.all_delivered().await;
    };
    world.run(change).await.unwrap();
    assert_eq!(delivered_ids(&world).len(), 3);
}
