//! The servers of many sequences. Each sequence has databases, a connector and topics of its own on them.

use walcast_testbed::{ConnectorConfig, PostgresOptions, TestbedOptions};

use super::source::Source;
use super::step::{CAPTURE, OWNER, Role, Sequence};
use crate::{World, await_that};

/// More slots than sequences that run at the same time.
const SLOTS_MAX: &str = "40";

/// How often slot and publication are inspected.
const INSPECTION: &str = "200ms";

/// The servers.
pub(super) struct Stage {
    world: World,
}

impl Stage {
    /// Starts them.
    pub(super) async fn set(major: u16) -> Stage {
        let postgres = PostgresOptions::major(major)
            .with_setting("max_replication_slots", SLOTS_MAX)
            .with_setting("max_wal_senders", SLOTS_MAX)
            .with_setting("max_connections", "200");
        let options = TestbedOptions {
            postgres,
            ..TestbedOptions::default()
        };
        let world = Box::pin(World::alone("sweep", options)).await;
        let roles = format!(
            "CREATE ROLE {OWNER}; CREATE ROLE {CAPTURE} LOGIN REPLICATION IN ROLE {OWNER}; ALTER ROLE {CAPTURE} PASSWORD '{CAPTURE}'"
        );
        world.postgres.execute(&roles).await.unwrap();
        Stage { world }
    }

    /// Creates the databases of a sequence.
    pub(super) async fn source(&self, name: &str, sequence: &Sequence) -> Source {
        let postgres = &self.world.postgres;
        let twin = twin(name);
        for database in [name, &twin] {
            postgres.create_database(database).await.unwrap();
            let grant = format!("GRANT CREATE ON DATABASE {database} TO {CAPTURE}");
            postgres.execute(&grant).await.unwrap();
        }
        let source = Source::of(postgres, name, &twin, sequence.publication).await;
        let set_up = format!(
            "CREATE SCHEMA staging; GRANT ALL ON SCHEMA public, staging TO {OWNER}; \
             CREATE TABLE public.anchor (id serial PRIMARY KEY); ALTER TABLE public.anchor OWNER TO {OWNER}"
        );
        source.set_up(&set_up).await;
        if let Some(sql) = sequence.publication.statement(&publication(name)) {
            source.operate(&sql).await.unwrap();
        }
        source
    }

    /// The configuration of the connector of a sequence.
    pub(super) fn config(&self, name: &str, role: Role) -> ConnectorConfig {
        let user = match role {
            Role::Superuser => "postgres",
            Role::Member => CAPTURE,
        };
        let config = self.world.config_named(name);
        config
            .set("postgres.url", self.world.postgres.url_for(user, user, name))
            .set("postgres.slot_check_interval", INSPECTION)
            .set("postgres.idle_interval", "200ms")
            .set("snapshot.mode", "initial")
            .set("format.null_with_default", "null")
    }

    pub(super) fn brokers(&self) -> String {
        self.world.kafka().brokers()
    }

    pub(super) fn registry(&self) -> String {
        self.world.registry().url()
    }

    /// Drops what a sequence made in the source.
    pub(super) async fn clear(&self, name: &str) {
        let slot = format!(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = '{name}'"
        );
        await_that("the end of a slot", async || {
            self.world.postgres.execute(&slot).await.is_ok()
        })
        .await;
        for database in [name.to_owned(), twin(name)] {
            // Connections end a moment after their clients.
            let drop = format!("DROP DATABASE IF EXISTS {database}");
            await_that("the end of a database", async || {
                self.world.postgres.execute(&drop).await.is_ok()
            })
            .await;
        }
    }
}

fn twin(name: &str) -> String {
    format!("{name}_twin")
}

/// Name of the publication, and of the slot.
pub(super) fn publication(name: &str) -> String {
    format!("walcast_{name}")
}
