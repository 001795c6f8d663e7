//! TLS to Postgres, Kafka and the registry, where something about the certificates is wrong: a start ends, `check` says the same,
//! and both name the setting. Nothing is ever sent unencrypted instead.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod overheard;
mod refused;

use std::path::Path;

use tokio::sync::OnceCell;
use walcast_testbed::{
    Auth, CertificateFiles, ConnectorConfig, Kafka, KafkaOptions, KafkaSecurity, Password, Postgres,
    PostgresOptions, Registry, Tls, TlsFront, TlsOptions, read_topic, wait_until,
};
use walcast_tests::{Instance, LIMIT, RUN, assert_reports, lasting, run};

/// Exit codes, as documented.
const REFUSED: i32 = 1;
const USAGE: i32 = 2;
const DENIED: i32 = 7;

const PASSWORD: &str = "Xk7-correct-horse";

/// Certificates name the address alone, so that the name `localhost` is a wrong one.
fn certified() -> TlsOptions {
    TlsOptions {
        server_names: vec!["127.0.0.1".to_owned()],
        required: true,
        ..TlsOptions::default()
    }
}

fn demanding() -> TlsOptions {
    TlsOptions {
        client_certificate_required: true,
        ..certified()
    }
}

fn expired() -> TlsOptions {
    TlsOptions {
        expired: true,
        ..certified()
    }
}

async fn postgres(tls: TlsOptions) -> Postgres {
    let options = PostgresOptions {
        tls: Some(tls),
        auth: Auth::Scram,
        password: Password::from(PASSWORD),
        ..PostgresOptions::default()
    };
    Box::pin(Postgres::start(options)).await.unwrap()
}

async fn kafka(security: KafkaSecurity) -> Kafka {
    let options = KafkaOptions {
        security: Some(KafkaSecurity {
            server_names: vec!["127.0.0.1".to_owned()],
            ..security.with_user("walcast", PASSWORD)
        }),
        ..KafkaOptions::default()
    };
    Box::pin(Kafka::start(options)).await.unwrap()
}

/// Servers that demand a certificate of the connector's, and those whose own has expired.
struct Servers {
    postgres: Postgres,
    expired_postgres: Postgres,
    kafka: Kafka,
    expired_kafka: Kafka,
    registry: Registry,
    front: TlsFront,
    expired_front: TlsFront,
    /// Ours, made once: tests run side by side, and each would write the same files.
    postgres_client: CertificateFiles,
    kafka_client: CertificateFiles,
    front_client: CertificateFiles,
    /// An authority that has issued no certificate.
    stranger: Tls,
    _folder: tempfile::TempDir,
}

async fn servers() -> &'static Servers {
    static SERVERS: OnceCell<Servers> = OnceCell::const_new();
    SERVERS.get_or_init(start).await
}

async fn start() -> Servers {
    let demanding_security = KafkaSecurity {
        client_certificate_required: true,
        ..KafkaSecurity::default()
    };
    let expired_security = KafkaSecurity {
        expired: true,
        ..KafkaSecurity::default()
    };
    let (postgres, expired_postgres, kafka, expired_kafka, registry) = tokio::join!(
        postgres(demanding()),
        postgres(expired()),
        kafka(demanding_security),
        kafka(expired_security),
        Registry::start(),
    );
    let registry = registry.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let port = registry.port();
    let front = lasting(async move { TlsFront::start(port, &demanding()).await })
        .await
        .unwrap();
    let expired_front = lasting(async move { TlsFront::start(port, &expired()).await })
        .await
        .unwrap();
    Servers {
        postgres_client: postgres.tls().unwrap().issue_client("postgres").unwrap(),
        kafka_client: kafka.tls().unwrap().issue_client("walcast").unwrap(),
        front_client: front.tls().issue_client("walcast").unwrap(),
        front,
        expired_front,
        stranger: Tls::create(folder.path().to_path_buf()).unwrap(),
        postgres,
        expired_postgres,
        kafka,
        expired_kafka,
        registry,
        _folder: folder,
    }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// A database of its own, and how each server is to be reached: as it should be, to be changed.
struct Reached {
    servers: &'static Servers,
    name: String,
    config: ConnectorConfig,
}

impl Reached {
    async fn new(name: &str) -> Reached {
        let servers = servers().await;
        for server in [&servers.postgres, &servers.expired_postgres] {
            server.create_database(name).await.unwrap();
            let client = server.client_of(name).await.unwrap();
            let sql = "CREATE TABLE items (id int PRIMARY KEY, note text)";
            client.batch_execute(sql).await.unwrap();
        }
        let config = ConnectorConfig::between(&servers.postgres, &servers.kafka, &servers.registry, name);
        Reached {
            servers,
            name: name.to_owned(),
            config: config.unwrap().set("postgres.idle_interval", "200ms"),
        }
        .postgres(
            "127.0.0.1",
            &servers.postgres,
            servers.postgres.tls().unwrap(),
            Some(&servers.postgres_client),
        )
        .kafka("127.0.0.1", &servers.kafka, servers.kafka.tls().unwrap(), true)
        .registry("127.0.0.1", &servers.front, servers.front.tls(), true)
    }

    fn postgres(
        self,
        host: &str,
        server: &Postgres,
        believed: &Tls,
        shown: Option<&CertificateFiles>,
    ) -> Reached {
        let mut url = format!(
            "postgres://postgres:{PASSWORD}@{host}:{}/{}?sslmode=verify-full&sslrootcert={}",
            server.port(),
            self.name,
            text(&believed.ca())
        );
        if let Some(files) = shown {
            url += &format!(
                "&sslcert={}&sslkey={}",
                text(&files.certificate),
                text(&files.key)
            );
        }
        self.set("postgres.url", &url)
    }

    fn kafka(mut self, host: &str, server: &Kafka, believed: &Tls, shows_certificate: bool) -> Reached {
        let brokers = server.tls_brokers().replace("127.0.0.1", host);
        self = self.set("kafka.brokers", &brokers);
        for (property, value) in [
            ("security.protocol", "SSL".to_owned()),
            ("ssl.ca.location", text(&believed.ca())),
            ("broker.address.family", "v4".to_owned()),
        ] {
            self.config = self.config.set_kafka_property(property, &value);
        }
        for property in ["ssl.certificate.location", "ssl.key.location"] {
            self.config = self.config.unset_kafka_property(property);
        }
        if shows_certificate {
            let files = &self.servers.kafka_client;
            self.config = self
                .config
                .set_kafka_property("ssl.certificate.location", &text(&files.certificate))
                .set_kafka_property("ssl.key.location", &text(&files.key));
        }
        self
    }

    fn registry(self, host: &str, front: &TlsFront, believed: &Tls, shows_certificate: bool) -> Reached {
        let url = self.servers.registry.url_through(front, host);
        let mut reached = self
            .set("registry.url", &url)
            .set("registry.ca_file", &text(&believed.ca()));
        for key in ["registry.certificate_file", "registry.key_file"] {
            reached.config = reached.config.unset(key);
        }
        if shows_certificate {
            let files = &reached.servers.front_client;
            reached = reached
                .set("registry.certificate_file", &text(&files.certificate))
                .set("registry.key_file", &text(&files.key));
        }
        reached
    }

    fn set(mut self, key: &str, value: &str) -> Reached {
        self.config = self.config.set(key, value);
        self
    }

    /// A start ends by itself with all of this in its error, and so does a line of `check`.
    async fn is_refused(&self, what: &str, wanted: &[&str]) {
        self.is_refused_with(DENIED, what, wanted).await;
    }

    /// The same with another exit code of the start.
    async fn is_refused_with(&self, code: i32, what: &str, wanted: &[&str]) {
        let ended = run(&self.config, RUN).await;
        assert_eq!(ended.code, Some(code), "{what}: {ended:#?}");
        assert_reports(ended.error(code), wanted);
        let checked = run(&self.config, &["check", "--log-format", "json"]).await;
        checked.error(REFUSED);
        let failed = checked.stdout.lines().filter(|line| line.starts_with("FAIL "));
        let has_all = |line: &str| wanted.iter().all(|part| line.contains(part));
        assert!(
            failed.clone().any(has_all),
            "{what}: no line has {wanted:?}: {checked:#?}"
        );
        for finished in [&ended, &checked] {
            finished.assert_silent_about(&[PASSWORD]);
        }
        let sql = "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()";
        let client = self.servers.postgres.client_of(&self.name).await.unwrap();
        let slots: i64 = client.query_one(sql, &[]).await.unwrap().get(0);
        assert_eq!(slots, 0, "{what}: a slot was made");
    }
}

#[tokio::test]
async fn with_certificates_on_both_sides_everywhere_changes_are_delivered() {
    let reached = Reached::new("trusted").await;
    let mut instance = Instance::start(&reached.config).await;
    let client = reached.servers.postgres.client_of("trusted").await.unwrap();
    client
        .batch_execute("INSERT INTO items VALUES (1, 'a')")
        .await
        .unwrap();
    let brokers = reached.servers.kafka.brokers();
    let delivered = wait_until("the row in Kafka", LIMIT, async || {
        let records = read_topic(&brokers, "trusted.public.items").await?;
        Ok(records.len() == 1)
    });
    if let Err(error) = delivered.await {
        panic!("{error}\n{}", instance.log_end());
    }
    let checked = run(&reached.config, &["check"]).await;
    assert_eq!(checked.code, Some(0), "{checked:#?}");
    instance.stop().await;
}
