//! The three servers together.

use crate::error::Result;
use crate::kafka::{Kafka, KafkaOptions};
use crate::packages;
use crate::postgres::{Postgres, PostgresOptions};
use crate::registry::Registry;

/// What to start.
#[derive(Clone, Debug, Default)]
pub struct TestbedOptions {
    /// The source.
    pub postgres: PostgresOptions,
    /// The broker.
    pub kafka: KafkaOptions,
}

/// Postgres, Kafka and a schema registry on free loopback ports. Dropping it ends them and removes their data.
///
/// Several can run at once. None outlives the process that started it, however that ends.
#[derive(Debug)]
pub struct Testbed {
    /// The source.
    pub postgres: Postgres,
    /// The broker.
    pub kafka: Kafka,
    /// The schema registry.
    pub registry: Registry,
}

impl Testbed {
    /// Downloads what is missing, then starts the three side by side; all answer when this returns.
    ///
    /// # Errors
    /// The first failure of any of them; the others are ended.
    pub async fn start(options: TestbedOptions) -> Result<Testbed> {
        let major = options.postgres.major;
        tokio::task::spawn_blocking(move || packages::fetch(&[major])).await??;
        let (postgres, kafka, registry) = tokio::try_join!(
            Box::pin(Postgres::start(options.postgres)),
            Box::pin(Kafka::start(options.kafka)),
            Box::pin(Registry::start()),
        )?;
        Ok(Testbed {
            postgres,
            kafka,
            registry,
        })
    }
}
