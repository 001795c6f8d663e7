//! The servers of one test.

use tokio::sync::OnceCell;
use walcast_testbed::{
    Audit, ConnectorConfig, Kafka, KafkaOptions, Postgres, PostgresOptions, Registry, Testbed,
    TestbedOptions, Verdict,
};

use crate::{Instance, LIMIT};

/// A source of the test's own, with a broker and a registry.
///
/// Starting a broker and a registry takes seconds, so all tests of one program share theirs, separated by the topic
/// prefix, which is the world's name. A test that stops or kills them has its own.
#[derive(Debug)]
pub struct World {
    /// The source.
    pub postgres: Postgres,
    name: String,
    backend: Backend,
}

#[derive(Debug)]
enum Backend {
    Shared(&'static Servers),
    Own(Box<Servers>),
}

#[derive(Debug)]
struct Servers {
    kafka: Kafka,
    registry: Registry,
}

impl World {
    /// A new source beside the broker and the registry that all tests of this program share. `name` is that of the
    /// connector and the topic prefix; no other test of the program may have it.
    pub async fn sharing(name: &str, postgres: PostgresOptions) -> World {
        static SHARED: OnceCell<Servers> = OnceCell::const_new();
        let start_shared = async || {
            // No test kills this broker. One that stands still for a while, on a busy machine, stays the leader.
            let options = KafkaOptions::default().with_property("broker.session.timeout.ms", "60000");
            let (kafka, registry) = tokio::try_join!(Box::pin(Kafka::start(options)), Registry::start())
                .unwrap_or_else(|error| panic!("{error}"));
            Servers { kafka, registry }
        };
        let (shared, postgres) = tokio::join!(
            SHARED.get_or_init(start_shared),
            Box::pin(Postgres::start(postgres))
        );
        World {
            postgres: postgres.unwrap_or_else(|error| panic!("{error}")),
            name: name.to_owned(),
            backend: Backend::Shared(shared),
        }
    }

    /// Servers that belong to this test alone and may be stopped and killed.
    pub async fn alone(name: &str, options: TestbedOptions) -> World {
        let testbed = Testbed::start(options).await;
        let Testbed {
            postgres,
            kafka,
            registry,
        } = testbed.unwrap_or_else(|error| panic!("{error}"));
        World {
            postgres,
            name: name.to_owned(),
            backend: Backend::Own(Box::new(Servers { kafka, registry })),
        }
    }

    /// The connector's name, which is the topic prefix as well.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The broker.
    pub fn kafka(&self) -> &Kafka {
        match &self.backend {
            Backend::Shared(servers) => &servers.kafka,
            Backend::Own(servers) => &servers.kafka,
        }
    }

    /// The registry.
    pub fn registry(&self) -> &Registry {
        match &self.backend {
            Backend::Shared(servers) => &servers.registry,
            Backend::Own(servers) => &servers.registry,
        }
    }

    /// The broker, to be stopped or killed; panics where other tests use it.
    pub fn kafka_mut(&mut self) -> &mut Kafka {
        &mut self.own().kafka
    }

    /// The registry, to be stopped or killed; panics where other tests use it.
    pub fn registry_mut(&mut self) -> &mut Registry {
        &mut self.own().registry
    }

    fn own(&mut self) -> &mut Servers {
        match &mut self.backend {
            Backend::Shared(_) => panic!("other tests use these servers: this one needs World::alone"),
            Backend::Own(servers) => servers,
        }
    }

    /// A configuration as in the README; any key can be changed.
    pub fn config(&self) -> ConnectorConfig {
        self.config_named(&self.name)
    }

    /// The same for a connector of another name, whose topic prefix it is as well.
    pub fn config_named(&self, name: &str) -> ConnectorConfig {
        ConnectorConfig::between(&self.postgres, self.kafka(), self.registry(), name).unwrap()
    }

    /// An audit of the connector's topics for these tables.
    pub fn audit(&self, tables: &[&str]) -> Audit {
        Audit::between(&self.kafka().brokers(), self.registry(), &self.name, tables).unwrap()
    }

    /// Topic of a table (`public.orders`).
    pub fn topic(&self, table: &str) -> String {
        format!("{}.{table}", self.name)
    }

    /// The topic of the checkpoints.
    pub fn checkpoint_topic(&self) -> String {
        format!("{}.walcast-checkpoints", self.name)
    }

    /// Waits until all that the journal holds is in Kafka, and judges it.
    pub async fn delivered(&self, audit: &mut Audit, instance: &mut Instance) -> Verdict {
        tokio::select! {
            delivered = audit.wait_until_delivered(&self.postgres, LIMIT) => if let Err(error) = delivered {
                let verdict = audit.verdict(&self.postgres).await;
                panic!("{error}\n{verdict:?}\n{}", instance.log_end());
            },
            status = instance.exit_status() => {
                panic!("walcast ended ({status}) before everything was delivered\n{}", instance.log_end());
            }
        }
        audit.verdict(&self.postgres).await.unwrap()
    }

    /// Waits until all that the journal holds is in Kafka: each change once and in order. Prints the verdict.
    pub async fn assert_delivered(&self, audit: &mut Audit, instance: &mut Instance) -> Verdict {
        let verdict = self.delivered(audit, instance).await;
        assert!(
            verdict.is_clean(),
            "{}: {verdict}\n{}",
            self.name,
            instance.log_end()
        );
        assert!(verdict.expected > 0, "{}: the load wrote nothing", self.name);
        eprintln!("{}: {verdict}", self.name);
        verdict
    }

    /// Reads again and judges: what was clean must have stayed so.
    pub async fn assert_still_clean(&self, audit: &mut Audit, instance: &Instance) {
        let verdict = audit.verdict(&self.postgres).await.unwrap();
        assert!(
            verdict.is_clean(),
            "{}: {verdict}\n{}",
            self.name,
            instance.log_end()
        );
    }
}
