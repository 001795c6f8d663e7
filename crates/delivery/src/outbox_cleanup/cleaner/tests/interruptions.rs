//! Rows of which the connector cannot know whether they are in Kafka.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Model, OUTBOX, config};

/// The table leaves the publication and comes back between two inspections, and between two looks.
#[tokio::test(start_paused = true)]
async fn rows_stay_that_were_inserted_outside_of_the_publication() {
    let mut model = Model::new(config(Duration::ZERO));
    model.settle().await;
    let running = model.server.borrow_mut().begin();
    {
        let mut server = model.server.borrow_mut();
        server.insert();
        for row in &mut server.rows {
            row.is_lost = true;
        }
        server.membership = "b".to_owned();
    }
    for _ in 0..3 {
        model.checkpoint();
        model.pass().await;
        model.inspect();
    }
    assert!(
        model.waits_for().contains("cleanup_existing"),
        "{}",
        model.waits_for()
    );

    // The rows that are committed are deleted, and a transaction that inserted one outside of the publication commits later.
    model
        .server
        .borrow_mut()
        .rows
        .retain(|row| row.committed.is_none());
    model.pass().await;
    model.server.borrow_mut().commit(running);
    for _ in 0..3 {
        model.checkpoint();
        model.pass().await;
    }
    assert_eq!(model.left(), 1);
    model.server.borrow_mut().rows.clear();
    model.pass().await;
    assert!(model.is_complete());
}

/// The history of the server is verified while the connector is shown as streaming.
#[tokio::test(start_paused = true)]
async fn rows_stay_until_the_history_is_verified() {
    let mut model = Model::new(config(Duration::ZERO));
    model.settle().await;
    model.server.borrow_mut().insert();
    model.checkpoint();
    let complete = BTreeMap::from([(OUTBOX.as_u32(), "a".to_owned())]);
    model.state.outboxes.start(&complete);
    model.pass().await;
    model.pass().await;
    assert_eq!(model.left(), 1);
    model.state.outboxes.verify();
    model.pass().await;
    assert_eq!(model.left(), 0);
}
