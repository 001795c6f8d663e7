//! Outboxes: the checkpoint says of which of them every row is delivered, and the state how many events wait.

use std::collections::BTreeMap;

use serde_json::json;

use crate::fakes::{World, insert};
use crate::snapshots::{deliver, filled};

/// OID of the table `accounts`.
const ACCOUNTS: u32 = 16_400;

/// Makes the rows of `accounts` events.
fn with_outbox(mut world: World) -> World {
    let rule = json!({
        "tables": "public.accounts",
        "key": "id",
        "payload": "note",
        "route_by": "note",
        "route_pattern": ".*",
        "route_topic": "shop.events",
    });
    world.mapper.outboxes = vec![serde_json::from_value(rule).expect("a rule")];
    world
}

fn complete(world: &World) -> BTreeMap<u32, String> {
    let checkpoint = world.kafka.checkpoint().expect("a checkpoint");
    checkpoint.complete_outboxes
}

/// Events that wait, and events in Kafka.
fn counts(world: &World) -> (u64, u64) {
    let views = world.state.outbox_views();
    let [(table, view, _)] = views.as_slice() else {
        panic!("{views:?}");
    };
    assert_eq!(table.to_string(), "public.accounts");
    (view.pending, view.published)
}

#[tokio::test(start_paused = true)]
async fn an_outbox_is_complete_once_its_rows_are_read() {
    let world = with_outbox(filled());
    deliver(&world).await;
    let since = |membership: &str| BTreeMap::from([(ACCOUNTS, membership.to_owned())]);
    assert_eq!(complete(&world), since("0"));
    assert_eq!(counts(&world), (0, 6));

    world.postgres.commit([("accounts", insert(9))]);
    deliver(&world).await;
    assert_eq!(complete(&world), since("0"));
    assert_eq!(counts(&world), (0, 7));

    // The table left the publication and came back while the connector was stopped.
    world.postgres.edit(|server| server.membership += 1);
    world.postgres.commit([("accounts", insert(10))]);
    deliver(&world).await;
    assert_eq!(complete(&world), BTreeMap::new());
}

#[tokio::test(start_paused = true)]
async fn an_outbox_whose_rows_are_not_read_is_not_complete() {
    let world = with_outbox(World::set_up());
    world.postgres.commit([("accounts", insert(1))]);
    world
        .run(world.all_delivered())
        .await
        .expect("the connector runs and stops");
    assert_eq!(complete(&world), BTreeMap::new());
    assert_eq!(counts(&world), (0, 1));
}
