//! Rows that contradict the catalog, and rows that cannot be mapped at all.

use expect_test::expect;
use walcast_delivery::DeliveryError;
use walcast_mapper::{TypeKind, TypeMetadata};
use walcast_pgoutput::Oid;

use crate::fakes::{
    Change, KafkaCall, PostgresCall, World, delivered_ids, insert, insert_padded, verify_so_far,
};

pub(crate) const MOOD: Oid = Oid::new(16_500);

pub(crate) fn metadata_reads(world: &World) -> usize {
    world
        .postgres
        .read(|server| server.script.count(PostgresCall::TableMetadata))
}

fn unmappable() -> Change {
    Change::Insert(vec![Some("one".to_owned()), None])
}

pub(crate) fn mood(labels: &[&str]) -> TypeMetadata {
    TypeMetadata {
        namespace: "public".to_owned(),
        name: "mood".to_owned(),
        kind: TypeKind::Enum {
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        },
    }
}

#[tokio::test(start_paused = true)]
async fn halts_before_the_transaction_of_an_unmappable_row() {
    let world = World::set_up();
    world.postgres.edit(|server| server.frames_per_block = 1000);
    let whole = world.postgres.commit([("accounts", insert(1))]);
    world.postgres.commit([
        ("accounts", insert(2)),
        ("accounts", unmappable()),
        ("accounts", insert(3)),
    ]);
    world.postgres.commit([("accounts", insert(4))]);
    let error = world.run_to_end().await;
    assert!(matches!(error, DeliveryError::Map { after, .. } if after == whole.end_lsn));
    expect!["change 0/10001B0 of transaction 701 (commit 0/1000330) cannot be mapped: column id of public.accounts: the value cannot be written as a whole number of the column's size; nothing after 0/1000130 was delivered"].assert_eq(&error.to_string());
    assert_eq!(delivered_ids(&world).len(), 1);
    assert_eq!(world.postgres.confirmed(), whole.end_lsn);
    assert_eq!(world.state.status.read().word(), "halted");
    assert_eq!(
        world.postgres.read(|server| server.starts.len()),
        1,
        "the transaction was retried"
    );
    verify_so_far(&world);
}

/// A part of the transaction was written before the row arrived: all of it is aborted.
#[tokio::test(start_paused = true)]
async fn aborts_a_large_transaction_with_an_unmappable_row() {
    let world = World::set_up();
    let mut changes: Vec<_> = (0..8)
        .map(|id| ("accounts", insert_padded(id, 100_000)))
        .collect();
    changes.push(("accounts", unmappable()));
    world.postgres.commit(changes);
    let error = world.run_to_end().await;
    assert_eq!(error.origin(), "mapping");
    assert!(world.kafka.read(|broker| broker.script.count(KafkaCall::Write)) > 1);
    assert!(delivered_ids(&world).is_empty());
    verify_so_far(&world);
}

/// The column became NOT NULL after the row was written: the row is delivered with a new schema that allows nulls.
#[tokio::test(start_paused = true)]
async fn null_in_a_column_that_became_not_null() {
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
    assert_eq!(metadata_reads(&world), 2);
    assert_eq!(world.registry.versions("shop.public.accounts-value").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn enum_with_an_added_label() {
    let world = World::set_up();
    world.postgres.edit(|server| {
        let table = server.table("accounts");
        table.columns[1].type_oid = MOOD;
        table.types.insert(MOOD, mood(&["new"]));
    });
    world.postgres.commit([("accounts", insert(1))]);
    let grow = async {
        world.all_delivered().await;
        world.postgres.edit(|server| {
            server
                .table("accounts")
                .types
                .insert(MOOD, mood(&["new", "changed"]));
        });
        world
            .postgres
            .commit([("accounts", crate::fakes::update(1)), ("accounts", insert(2))]);
        world.all_delivered().await;
    };
    world.run(grow).await.unwrap();
    crate::fakes::verify(&world);
    assert_eq!(metadata_reads(&world), 2);
    let versions = world.registry.versions("shop.public.accounts-value");
    assert!(
        versions.len() == 2 && versions[1].contains("changed"),
        "{versions:#?}"
    );
}

/// The catalog does not list the label, also when it is asked again: the label was renamed, and is sent as it was written.
#[tokio::test(start_paused = true)]
async fn enum_label_missing_from_the_catalog_is_delivered() {
    let world = World::set_up();
    world.postgres.edit(|server| {
        let table = server.table("accounts");
        table.columns[1].type_oid = MOOD;
        table.types.insert(MOOD, mood(&["old"]));
    });
    world.postgres.commit([("accounts", insert(1))]);
    world.deliver().await;
    assert_eq!(metadata_reads(&world), 3);
    // The schema is stored with the finding: the next start asks once.
    world.postgres.commit([("accounts", insert(2))]);
    world.deliver().await;
    assert_eq!(metadata_reads(&world), 4);
}
