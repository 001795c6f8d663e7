//! Rows that name the topics of their records: each topic is created and has its schemas before its first record.

use walcast_delivery::SnapshotMode;
use walcast_mapper::config::DestinationRule;

use crate::fakes::{Act, Change, KafkaCall, TestFault, World, verify};
use crate::mapping::{MOOD, metadata_reads, mood};
use crate::snapshots::deliver;

const CONNECTION_LOST: TestFault = TestFault::transient("connection lost");

/// Makes the rows of `accounts` name their topic in `note`, and their partition in `id`.
fn with_rule(mut world: World) -> World {
    world.mapper.destinations = vec![DestinationRule {
        tables: "public.accounts".parse().expect("a pattern"),
        topic_prefix: "shop.events.".to_owned(),
        topic_column: "note".to_owned(),
        partition_column: Some("id".to_owned()),
    }];
    world
}

fn insert(id: i32, kind: &str) -> Change {
    Change::Insert(vec![Some(id.to_string()), Some(kind.to_owned())])
}

/// Topic and partition of each committed record of a row.
fn destinations(world: &World) -> Vec<(String, Option<i32>)> {
    world.kafka.read(|broker| {
        let records = broker.committed_with_reads();
        records
            .map(|record| (record.topic.clone(), record.partition))
            .collect()
    })
}

fn named(destinations: &[(&str, i32)]) -> Vec<(String, Option<i32>)> {
    let named = destinations.iter();
    named
        .map(|(kind, id)| (format!("shop.events.{kind}"), Some(*id)))
        .collect()
}

fn commit_events(world: &World) {
    world.postgres.commit([
        ("accounts", insert(1, "order")),
        ("accounts", insert(2, "invoice")),
    ]);
    world
        .postgres
        .commit([("accounts", insert(3, "order")), ("orders", insert(1, "order"))]);
}

fn verify_events(world: &World) {
    let mut expected = named(&[("order", 1), ("invoice", 2), ("order", 3)]);
    expected.push(("shop.public.orders".to_owned(), None));
    assert_eq!(destinations(world), expected);
    for part in ["key", "value"] {
        for kind in ["order", "invoice"] {
            let subject = format!("shop.events.{kind}-{part}");
            assert_eq!(world.registry.versions(&subject).len(), 1, "{subject}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_topic_is_created_once_before_its_first_record() {
    let world = with_rule(World::set_up());
    commit_events(&world);
    world.deliver().await;
    verify_events(&world);
    // Those of the two tables, and those that rows name.
    let ensured = world
        .kafka
        .read(|broker| broker.script.count(KafkaCall::EnsureTopic));
    assert_eq!(ensured, 4);
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_to_create_a_topic_or_to_register_its_schemas() {
    for nth in 1..=4 {
        let world = with_rule(World::set_up());
        commit_events(&world);
        world.kafka.edit(|broker| {
            broker
                .script
                .at(KafkaCall::EnsureTopic, nth, Act::Fail(CONNECTION_LOST))
        });
        world.registry.plan(nth + 2, Act::Fail(CONNECTION_LOST));
        world.deliver().await;
        verify_events(&world);
    }
}

/// A label was added to the enum: the plan that replaces the contradicted one binds the topics again.
#[tokio::test(start_paused = true)]
async fn new_plan_of_the_table_binds_its_topics_again() {
    let world = with_rule(World::set_up());
    world.postgres.edit(|server| {
        let table = server.table("accounts");
        table.columns[1].type_oid = MOOD;
        table.types.insert(MOOD, mood(&["order"]));
    });
    world.postgres.commit([("accounts", insert(1, "order"))]);
    let grow = async {
        world.all_delivered().await;
        world.postgres.edit(|server| {
            let types = &mut server.table("accounts").types;
            types.insert(MOOD, mood(&["order", "invoice"]));
        });
        world.postgres.commit([
            ("accounts", insert(2, "invoice")),
            ("accounts", insert(3, "order")),
        ]);
        world.all_delivered().await;
    };
    world.run(grow).await.unwrap();
    verify(&world);
    assert_eq!(metadata_reads(&world), 2);
    let expected = named(&[("order", 1), ("invoice", 2), ("order", 3)]);
    assert_eq!(destinations(&world), expected);
    assert_eq!(world.registry.versions("shop.events.order-value").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn existing_rows_name_their_topics_too() {
    let mut world = with_rule(World::new());
    world.config.snapshot.mode = SnapshotMode::Initial;
    world.postgres.commit([
        ("accounts", insert(1, "order")),
        ("accounts", insert(2, "invoice")),
    ]);
    deliver(&world).await;
    assert_eq!(destinations(&world), named(&[("order", 1), ("invoice", 2)]));
}
