//! Errors are shown as the program that runs the connector describes them, wherever they are shown.

use walcast_delivery::{Describe, OnError, Status};

use crate::fakes::{Act, Change, DEAD_LETTERS, PostgresCall, TestFault, World};

/// A world whose program adds a remedy to every error.
fn world_with_remedies() -> World {
    let mut world = World::set_up();
    world.describe = Describe::by(|error| format!("{error}; remedy"));
    world
}

#[tokio::test(start_paused = true)]
async fn status_of_a_halted_connector() {
    let world = world_with_remedies();
    world.postgres.edit(|server| server.slot = None);
    let error = world.run_to_end().await;
    assert_eq!(
        world.state.status.read(),
        Status::Halted {
            error: format!("{error}; remedy")
        }
    );
}

#[tokio::test(start_paused = true)]
async fn status_of_a_retry() {
    let world = world_with_remedies();
    world.postgres.edit(|server| {
        let fault = TestFault::transient("connection lost");
        server.script.at(PostgresCall::Next, 1, Act::Fail(fault));
    });
    let mut status = world.state.status.subscribe();
    let retrying = async {
        let seen = status.wait_for(|status| status.word() == "retrying").await;
        let text = seen.unwrap().error().map(str::to_owned);
        assert_eq!(text.as_deref(), Some("postgres: connection lost; remedy"));
    };
    world.run(retrying).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn error_of_a_dead_letter() {
    let mut world = world_with_remedies();
    world.config.dead_letters.on_error = OnError::DeadLetter;
    world.undeliverable = |_| true;
    let unmappable = Change::Insert(vec![Some("one".to_owned()), None]);
    world.postgres.commit([("accounts", unmappable)]);
    world.deliver().await;
    let errors: Vec<String> = world.kafka.read(|broker| {
        let letters = broker.committed().filter(|record| record.topic == DEAD_LETTERS);
        letters
            .map(|letter| {
                serde_json::from_slice::<serde_json::Value>(letter.value.as_ref().unwrap()).unwrap()
            })
            .map(|letter| letter["error"].as_str().unwrap().to_owned())
            .collect()
    });
    assert_eq!(errors.len(), 1);
    assert!(errors[0].ends_with("; remedy"), "{errors:?}");
}
