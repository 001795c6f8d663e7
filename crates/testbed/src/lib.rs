//! Real Postgres 12 to 18, Kafka and a schema registry on loopback, for tests, benches and the demo.
//!
//! The servers come from Maven packages, need neither containers nor root, listen on free loopback ports, and end with the
//! process that started them. Beside them: loads that keep an independent journal of what they committed, a consumer that decodes
//! with other code than the connector's, and the verdict that compares the two.
//!
//! ```no_run
//! # async fn example() -> walcast_testbed::Result<()> {
//! use walcast_testbed::{Testbed, TestbedOptions};
//!
//! let testbed = Testbed::start(TestbedOptions::default()).await?;
//! println!("{} {} {}", testbed.postgres.url(), testbed.kafka.brokers(), testbed.registry.url());
//! # Ok(())
//! # }
//! ```
//!
//! Nothing here is used by the connector itself.

mod account;
mod cache;
mod command;
mod error;
mod java;
mod kafka;
mod maven;
mod packages;
mod ports;
mod postgres;
mod process;
mod progress;
mod registry;
mod servers;
mod spawn;
mod state;
mod tls;
mod wait;

pub use error::{Error, Result};
pub use kafka::{Kafka, KafkaOptions};
pub use packages::{POSTGRES_RELEASES, fetch};
pub use postgres::{Auth, Password, Postgres, PostgresOptions, StopMode, connect, quote_name};
pub use registry::Registry;
pub use servers::{Testbed, TestbedOptions};
pub use tls::{CertificateFiles, Tls, TlsOptions};
pub use wait::wait_until;
