//! Tables that were about to be published, and cannot be any more.

use crate::fakes::{World, insert};
use crate::newly_captured::{add_items, capture_items, is_published, is_read, streaming, verify_items};

/// A table that was about to be published when the connector stopped, and that lost its key before the next start.
#[tokio::test(start_paused = true)]
async fn a_table_that_cannot_be_published_any_more_is_not_awaited() {
    let identify = |world: &World, identifies_rows: bool| {
        world
            .postgres
            .edit(|server| server.table("items").identifies_rows = identifies_rows);
    };
    let mut was_awaited = false;
    for steps in 0.. {
        let world = streaming().await;
        add_items(&world);
        let ended = world.interrupt_after(steps, capture_items(&world)).await;
        if ended.is_some() || is_published(&world) {
            break;
        }
        was_awaited |= !is_read(&world);
        identify(&world, false);
        world.postgres.commit([("accounts", insert(50))]);
        world
            .run(world.all_delivered())
            .await
            .expect("the connector runs and stops");
        assert!(is_read(&world), "after {steps} steps");
        identify(&world, true);
        capture_items(&world).await;
        verify_items(&world);
    }
    assert!(was_awaited);
}
