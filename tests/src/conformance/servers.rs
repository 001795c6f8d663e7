//! What all groups share: one source, one broker, one registry, one worker for Debezium's connectors.

use std::sync::Arc;

use walcast_testbed::{Debezium, DebeziumOptions, Kafka, Postgres, Registry, Testbed, TestbedOptions};

use super::release::Release;

/// The servers of a run.
#[derive(Debug)]
pub(super) struct Servers {
    pub(super) postgres: Postgres,
    pub(super) kafka: Kafka,
    pub(super) registry: Registry,
    pub(super) debezium: Debezium,
    pub(super) release: Release,
}

impl Servers {
    pub(super) async fn start(release: Release) -> Arc<Servers> {
        let testbed = Box::pin(Testbed::start(TestbedOptions::default())).await;
        let Testbed {
            postgres,
            kafka,
            registry,
        } = testbed.unwrap_or_else(|error| panic!("{error}"));
        let options = DebeziumOptions {
            release: release.number(),
            ..DebeziumOptions::default()
        };
        let debezium = Debezium::start_with(&kafka, options).await;
        Arc::new(Servers {
            postgres,
            registry,
            debezium: debezium.unwrap_or_else(|error| panic!("{error}")),
            kafka,
            release,
        })
    }
}
