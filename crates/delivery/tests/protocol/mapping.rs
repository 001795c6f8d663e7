//! Rows that contradict the catalog, and rows that cannot be mapped at all.

use expect_test::expect;
use walcast_delivery::DeliveryError;
use walcast_mapper::{TypeFacts, TypeKind};
use walcast_pgoutput::Oid;

use crate::fakes::{
    Change, KafkaCall, PostgresCall, World, delivered_ids, insert, insert_padded, verify_so_far,
};

const MOOD: Oid = Oid::new(16_500);

fn facts_read(world: &World) -> usize {
    world
        .postgres
        .read(|server| server.script.count(PostgresCall::TableFacts))
}

fn unmappable() -> Change {
    Change::Insert(vec![Some("one".to_owned()), None])
}

fn mood(labels: &[&str]) -> TypeFacts {
    TypeFacts {
        namespace: "public".to_owned(),
        name: "mood".to_owned(),
        kind: TypeKind::Enum {
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        },
    }
}

#[tokio::test(start_paused = true)]
async fn what_precedes_an_unmappable_row_is_delivered_and_nothing_of_its_transaction() {
    let world = World::set_up();
    world.postgres.edit(|server| server.frames_per_block = 1000);
    let whole = world.postgres.commit([("accounts", insert(1))]);
    world.postgres.commit([
        ("accounts", insert(2)),
        ("accounts", unmappable()),
        ("accounts", insert(3)),
    ]);
    world.postgres.commit([("accounts", insert(4))]);
    let error = world.run_to_its_end().await;
    assert!(matches!(error, DeliveryError::Map { after, .. } if after == whole.end_lsn));
    expect!["change 0/10001B0 of transaction 701 (commit 0/1000330) cannot be mapped: column id of public.accounts: the value cannot be written as a whole number of the column's size; nothing after 0/1000130 was delivered"].assert_eq(&error.to_string());
    assert_eq!(delivered_ids(&world).len(), 1);
    assert_eq!(world.postgres.confirmed(), whole.end_lsn);
    assert_eq!(world.status.borrow().word(), "halted");
    assert_eq!(
        world.postgres.read(|server| server.starts.len()),
        1,
        "it was tried again"
    );
    verify_so_far(&world);
}

/// The transaction was handed on in part before the row came: all of it is given up.
#[tokio::test(start_paused = true)]
async fn an_unmappable_row_deep_in_a_large_transaction_leaves_nothing_of_it() {
    let world = World::set_up();
    let mut changes: Vec<_> = (0..8)
        .map(|id| ("accounts", insert_padded(id, 100_000)))
        .collect();
    changes.push(("accounts", unmappable()));
    world.postgres.commit(changes);
    let error = world.run_to_its_end().await;
    assert_eq!(error.origin(), "mapping");
    assert!(world.kafka.read(|broker| broker.script.count(KafkaCall::Write)) > 1);
    assert!(delivered_ids(&world).is_empty());
    verify_so_far(&world);
}

/// The column was made NOT NULL after the row was written: the row is believed, the schema is made again.
#[tokio::test(start_paused = true)]
async fn a_null_in_a_column_that_is_not_null_now() {
    let world = World::set_up();
    world
        .postgres
        .edit(|server| server.table("accounts").columns[1].not_null = true);
    let null = Change::Insert(vec![Some("2".to_owned()), None]);
    world.postgres.commit([
        ("accounts", insert(1)),
        ("accounts", null),
        ("accounts", insert(3)),
    ]);
    world.deliver().await;
    assert_eq!(facts_read(&world), 2);
    assert_eq!(world.registry.versions("shop.public.accounts-value").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_enum_that_has_grown() {
    let world = World::set_up();
    world.postgres.edit(|server| {
        let table = server.table("accounts");
        table.columns[1].type_oid = MOOD;
        table.types.insert(MOOD, mood(&["new"]));
    });
    world.postgres.commit([("accounts", insert(1))]);
    let grow = async {
        world.everything_delivered().await;
        world.postgres.edit(|server| {
            server
                .table("accounts")
                .types
                .insert(MOOD, mood(&["new", "changed"]));
        });
        world
            .postgres
            .commit([("accounts", crate::fakes::update(1)), ("accounts", insert(2))]);
        world.everything_delivered().await;
    };
    world.run(grow).await.unwrap();
    crate::fakes::verify(&world);
    assert_eq!(facts_read(&world), 2);
    let versions = world.registry.versions("shop.public.accounts-value");
    assert!(
        versions.len() == 2 && versions[1].contains("changed"),
        "{versions:#?}"
    );
}

/// The label is in no catalog: the schema is made again once, and then it halts.
#[tokio::test(start_paused = true)]
async fn a_label_that_the_catalog_never_lists_halts() {
    let world = World::set_up();
    world.postgres.edit(|server| {
        let table = server.table("accounts");
        table.columns[1].type_oid = MOOD;
        table.types.insert(MOOD, mood(&["old"]));
    });
    world.postgres.commit([("accounts", insert(1))]);
    let error = world.run_to_its_end().await;
    expect![[r#"change 0/1000000 of transaction 700 (commit 0/1000100) cannot be mapped: column note of public.accounts holds a label that enum type 16500 did not have when its schema was made; nothing after 0/1000000 was delivered"#]].assert_eq(&error.to_string());
    assert_eq!(facts_read(&world), 2);
}
