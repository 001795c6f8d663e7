//! What all groups share: one source, one broker, one registry, one worker for Debezium's connectors.

use std::sync::Arc;

use walcast_testbed::{Debezium, Kafka, Postgres, Registry, Testbed, TestbedOptions};

/// The servers of a run.
#[derive(Debug)]
pub(super) struct Servers {
    pub(super) postgres: Postgres,
    pub(super) kafka: Kafka,
    pub(super) registry: Registry,
    pub(super) debezium: Debezium,
}

impl Servers {
    pub(super) async fn start() -> Arc<Servers> {
        let testbed = Box::pin(Testbed::start(TestbedOptions::default())).await;
        let Testbed {
            postgres,
            kafka,
            registry,
        } = testbed.unwrap_or_else(|error| panic!("{error}"));
        let debezium = Debezium::start(&kafka).await;
        Arc::new(Servers {
            postgres,
            registry,
            debezium: debezium.unwrap_or_else(|error| panic!("{error}")),
            kafka,
        })
    }
}
