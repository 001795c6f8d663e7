//! Row filters that are put on the publication later: findings from their first detection on, across restarts of the process.

use std::time::Duration;

use walcast_delivery::{ConnectorState, Drifted, Halt, RestrictedBy, Restriction};
use walcast_mapper::TableName;

use crate::fakes::{World, insert};

fn accounts() -> TableName {
    TableName {
        namespace: "public".to_owned(),
        name: "accounts".to_owned(),
    }
}

fn set_filter(world: &World, filter: Option<&str>) {
    world.postgres.edit(|server| {
        let restricted = &mut server.publication.as_mut().expect("it exists").restricted;
        restricted.clear();
        if let Some(filter) = filter {
            let filter = Restriction {
                filter: Some(filter.to_owned()),
                columns: None,
            };
            restricted.insert(accounts(), filter);
        }
    });
}

/// World with a connector that inspects the publication often.
fn attentive() -> World {
    let mut world = World::set_up();
    world.config.slot_check_interval = Duration::from_secs(1);
    world
}

/// Runs a new process until `done` holds and everything is delivered.
async fn run_until(world: &mut World, done: impl Fn(&[Drifted]) -> bool) {
    world.state = ConnectorState::default();
    let state = world.state.clone();
    let looking = async {
        world.all_delivered().await;
        while !done(&state.drift.read()) {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        // The inspection after the one that found it: the finding is stored then.
        tokio::time::sleep(Duration::from_secs(3)).await;
    };
    world.run(looking).await.expect("the connector runs and stops");
}

fn is_filter(found: &[Drifted]) -> bool {
    matches!(
        found,
        [Drifted { finding: Halt::Restricted { table, by: RestrictedBy::Filter, .. }, .. }] if *table == accounts()
    )
}

#[tokio::test(start_paused = true)]
async fn a_later_row_filter_is_found_across_restarts_until_it_is_gone() {
    let mut world = attentive();
    world.postgres.commit([("accounts", insert(1))]);
    run_until(&mut world, <[Drifted]>::is_empty).await;

    // It came while no connector ran: what the checkpoint does not cover may be missing.
    let delivered = world.kafka.checkpoint().expect("there is one").end_lsn;
    set_filter(&world, Some("(id > 5)"));
    world.postgres.commit([("accounts", insert(7))]);
    run_until(&mut world, is_filter).await;
    assert_eq!(world.state.drift.read()[0].after, delivered);
    let moved_on = world.kafka.checkpoint().expect("there is one").end_lsn;
    assert!(moved_on > delivered);
    world.postgres.commit([("accounts", insert(8))]);
    run_until(&mut world, is_filter).await;
    assert_eq!(world.state.drift.read()[0].after, delivered);

    set_filter(&world, None);
    run_until(&mut world, <[Drifted]>::is_empty).await;
    let stored = world.kafka.read(|broker| broker.checkpoint_log().restrictions);
    assert_eq!(stored, Some(walcast_delivery::Restrictions::default()));
}

/// A filter that is there when the table is captured first.
#[tokio::test(start_paused = true)]
async fn a_row_filter_from_the_start_is_no_finding() {
    let mut world = World::new();
    world.config.slot_check_interval = Duration::from_secs(1);
    world.postgres.set_up();
    world.postgres.edit(|server| server.slot = None);
    set_filter(&world, Some("(id > 5)"));
    run_until(&mut world, <[Drifted]>::is_empty).await;
    run_until(&mut world, <[Drifted]>::is_empty).await;
    set_filter(&world, Some("(id > 6)"));
    run_until(&mut world, is_filter).await;
}
