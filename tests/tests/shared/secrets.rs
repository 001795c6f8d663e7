//! No secret is in any output: each has a text of its own, and every byte that is printed, served or delivered is searched for
//! all of them, while everything goes well and while everything fails, with everything logged that can be.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tokio::sync::OnceCell;
use walcast_testbed::{
    Auth, CertificateFiles, ConnectorConfig, Kafka, KafkaOptions, KafkaSecurity, Password, Postgres,
    PostgresOptions, Registry, TlsFront, TlsOptions, read_topic, topic_names,
};
use walcast_tests::{Finished, Instance, LIMIT, await_that, command, http_with, lasting, run};

const POSTGRES: &str = "Zq1-postgres-password";
const WRONG_POSTGRES: &str = "Zq2-another-password";
const KAFKA: &str = "Zq3-sasl-password";
const WRONG_KAFKA: &str = "Zq4-another-sasl-password";
const KEY: &str = "Zq5-password-of-the-key";
const REGISTRY: &str = "Zq6-registry-password";
/// `walcast:` and the password, as basic authentication sends them.
const REGISTRY_SENT: &str = "d2FsY2FzdDpacTYtcmVnaXN0cnktcGFzc3dvcmQ=";
const BEARER: &str = "Zq7-bearer-token";
const ADMIN: &str = "Zq8-admin-token";
const SALT: &str = "Zq9-salt";
/// What stands in a row, which is nobody's business but the topic's.
const ROW: &str = "Zq0-in-a-row";

const SECRETS: [&str; 10] = [
    POSTGRES,
    WRONG_POSTGRES,
    KAFKA,
    WRONG_KAFKA,
    KEY,
    REGISTRY,
    REGISTRY_SENT,
    BEARER,
    ADMIN,
    SALT,
];

/// Fails when `text`, which is `what`, holds a secret; the line that does is shown.
fn assert_silent(what: &str, text: &str) {
    for secret in SECRETS.iter().chain([&ROW]) {
        if let Some(line) = text.lines().find(|line| line.contains(secret)) {
            panic!("{what} prints {secret}: {line}");
        }
    }
}

fn searched(what: &str, finished: Finished) -> Finished {
    assert_silent(&format!("stdout of {what}"), &finished.stdout);
    assert_silent(&format!("stderr of {what}"), &finished.stderr);
    finished
}

/// A world in which everything wants to be shown something.
struct Guarded {
    postgres: Postgres,
    kafka: Kafka,
    registry: Registry,
    front: TlsFront,
    client: CertificateFiles,
}

async fn guarded() -> &'static Guarded {
    static GUARDED: OnceCell<Guarded> = OnceCell::const_new();
    GUARDED.get_or_init(start).await
}

async fn start() -> Guarded {
    let postgres = PostgresOptions {
        auth: Auth::Scram,
        password: Password::from(POSTGRES),
        ..PostgresOptions::default()
    };
    let kafka = KafkaOptions {
        security: Some(KafkaSecurity::default().with_user("walcast", KAFKA)),
        ..KafkaOptions::default()
    };
    let (postgres, kafka, registry) = tokio::join!(
        Box::pin(Postgres::start(postgres)),
        Box::pin(Kafka::start(kafka)),
        Registry::start()
    );
    let (postgres, kafka, registry) = (postgres.unwrap(), kafka.unwrap(), registry.unwrap());
    let port = registry.port();
    let front = lasting(async move { TlsFront::start(port, &TlsOptions::default()).await })
        .await
        .unwrap();
    let client = postgres.client().await.unwrap();
    let sql = "CREATE TABLE items (id int PRIMARY KEY, note text)";
    client.batch_execute(sql).await.unwrap();
    Guarded {
        client: kafka.tls().unwrap().issue_client("walcast").unwrap(),
        postgres,
        kafka,
        registry,
        front,
    }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

impl Guarded {
    /// Every secret where it belongs, and everything logged that can be.
    fn config(&self, name: &str) -> ConnectorConfig {
        let hash = toml::toml! {
            columns = ["public.items.note"]
            algorithm = "sha256"
            salt = "Zq9-salt"
        };
        ConnectorConfig::between(&self.postgres, &self.kafka, &self.registry, name)
            .unwrap()
            .set("postgres.idle_interval", "200ms")
            .set("kafka.brokers", self.kafka.sasl_brokers())
            .set_kafka_property("security.protocol", "SASL_SSL")
            .set_kafka_property("sasl.mechanism", "SCRAM-SHA-512")
            .set_kafka_property("sasl.username", "walcast")
            .set_kafka_property("sasl.password", KAFKA)
            .set_kafka_property("ssl.ca.location", &text(&self.kafka.tls().unwrap().ca()))
            .set_kafka_property("ssl.certificate.location", &text(&self.client.certificate))
            .set_kafka_property("ssl.key.location", &text(&self.client.key))
            .set_kafka_property("ssl.key.password", KEY)
            .set_kafka_property("debug", "all")
            .set(
                "registry.url",
                self.registry.url_through(&self.front, "127.0.0.1"),
            )
            .set("registry.ca_file", text(&self.front.tls().ca()))
            .set("registry.username", "walcast")
            .set("registry.password", REGISTRY)
            .set("admin.token", ADMIN)
            .set("columns.hash", vec![hash])
            .set("log.level", "trace")
            .set("log.format", "json")
    }
}

/// Runs a command that has to end by itself, and searches what it printed.
async fn tried(what: &str, config: &ConnectorConfig, arguments: &[&str], code: i32) {
    let finished = searched(what, run(config, arguments).await);
    assert_eq!(finished.code, Some(code), "{what}: {finished:#?}");
}

#[tokio::test]
async fn no_secret_is_printed_in_normal_operation() {
    let guarded = guarded().await;
    for format in ["json", "human"] {
        goes_well(guarded, &guarded.config("guarded").set("log.format", format)).await;
    }
    let bearer = guarded
        .config("guarded")
        .unset("registry.username")
        .unset("registry.password")
        .set("registry.bearer_token", BEARER);
    goes_well(guarded, &bearer).await;

    // Nothing of it is delivered either: the row's text is there as a hash.
    let brokers = guarded.kafka.brokers();
    for topic in topic_names(&brokers).await.unwrap() {
        if topic.starts_with("guarded.") {
            for record in read_topic(&brokers, &topic).await.unwrap() {
                assert_silent(&topic, &format!("{record:?}"));
                let value = record.value.unwrap_or_default();
                assert_silent(&topic, &String::from_utf8_lossy(&value));
            }
        }
    }
}

async fn goes_well(guarded: &Guarded, config: &ConnectorConfig) {
    let client = guarded.postgres.client().await.unwrap();
    let mut instance = Instance::start(config).await;
    let before = read_topic(&guarded.kafka.brokers(), "guarded.public.items").await;
    let before = before.map_or(0, |records| records.len());
    let sql = "INSERT INTO items SELECT coalesce(max(id), 0) + 1, 'Zq0-in-a-row' FROM items";
    client.batch_execute(sql).await.unwrap();
    await_that("the row in Kafka", async || {
        let records = read_topic(&guarded.kafka.brokers(), "guarded.public.items").await;
        records.is_ok_and(|records| records.len() > before)
    })
    .await;
    tried(
        "snapshot start",
        config,
        &["snapshot", "start", "--tables", "public.items"],
        0,
    )
    .await;
    tried("snapshot status", config, &["snapshot", "status", "--json"], 0).await;
    // A request that is not finished continues at the next start, which then rejects the same request.
    tried(
        "snapshot status --follow",
        config,
        &["snapshot", "status", "--follow"],
        0,
    )
    .await;
    for page in ["metrics", "status", "healthz", "readyz", "snapshot"] {
        assert_silent(page, &instance.page(page).await);
    }
    let url = format!("http://{}/snapshot", config.admin_address());
    let header = format!("Authorization: Bearer {WRONG_POSTGRES}\r\n");
    let refused = http_with("POST", &url, &header, "{}").await;
    assert_eq!(refused.status, 401);
    assert_silent("a refused request", &format!("{}{}", refused.head, refused.body));
    instance.stop().await;
    let log = instance.log();
    assert!(
        log.contains("librdkafka") || log.contains("SASL"),
        "librdkafka logs everything"
    );
    assert!(log.contains("TRACE"), "we log everything");
    assert_silent("the process log", &log);
    tried("check", config, &["check", "--json"], 0).await;
    tried("checkpoint show", config, &["checkpoint", "show"], 0).await;
}

#[tokio::test]
async fn no_secret_is_printed_while_something_fails() {
    let guarded = guarded().await;
    let config = guarded.config("failing");
    let url = |user: &str, password: &str| guarded.postgres.url_for(user, password, "shop");
    let folder = tempfile::tempdir().unwrap();
    let password_file = folder.path().join("password");
    std::fs::write(&password_file, WRONG_POSTGRES).unwrap();

    // Code 5 is for what is out of reach, 7 for what is rejected for good.
    let wrong = [
        (
            "a wrong password in the url",
            7,
            config
                .clone()
                .set("postgres.url", url("postgres", WRONG_POSTGRES)),
        ),
        (
            "a wrong password in a file",
            7,
            config
                .clone()
                .set(
                    "postgres.url",
                    format!("postgres://postgres@127.0.0.1:{}/shop", guarded.postgres.port()),
                )
                .set("postgres.password_file", text(&password_file)),
        ),
        (
            "a closed port of postgres",
            5,
            config.clone().set(
                "postgres.url",
                format!("postgres://postgres:{POSTGRES}@127.0.0.1:1/shop"),
            ),
        ),
        (
            "a standby that is none",
            7,
            config
                .clone()
                .set("snapshot.mode", "initial")
                .set("snapshot.standby_url", url("postgres", WRONG_POSTGRES)),
        ),
        (
            "a wrong password of kafka",
            7,
            config.clone().set_kafka_property("sasl.password", WRONG_KAFKA),
        ),
        (
            "a wrong password of kafka by the other mechanism",
            7,
            config
                .clone()
                .set_kafka_property("sasl.mechanism", "PLAIN")
                .set_kafka_property("sasl.password", WRONG_KAFKA),
        ),
        (
            "a closed port of kafka",
            5,
            config.clone().set("kafka.brokers", "127.0.0.1:1"),
        ),
        (
            "another authority of kafka",
            7,
            config
                .clone()
                .set_kafka_property("ssl.ca.location", &text(&guarded.front.tls().ca())),
        ),
        (
            "another authority of the registry",
            7,
            config
                .clone()
                .set("registry.ca_file", text(&guarded.kafka.tls().unwrap().ca())),
        ),
        (
            "no registry",
            7,
            config.clone().set(
                "registry.url",
                format!("https://127.0.0.1:{}/nowhere", guarded.front.port()),
            ),
        ),
    ];
    for (what, code, config) in &wrong {
        tried(what, config, &["run"], *code).await;
        tried(&format!("check with {what}"), config, &["check"], 1).await;
    }
    let file = text(&folder.path().join("connector.json"));
    let connector = format!(
        r#"{{"name": "shop", "config": {{"connector.class": "io.debezium.connector.postgresql.PostgresConnector",
            "database.hostname": "127.0.0.1", "database.user": "postgres", "database.password": "{POSTGRES}",
            "database.dbname": "shop", "topic.prefix": "shop", "database.sslpassword": "{KEY}",
            "column.mask.hash.SHA-256.with.salt.{SALT}": "public.items.note",
            "producer.override.sasl.jaas.config": "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"a\" password=\"{KAFKA}\";",
            "producer.override.ssl.key.password": "{KEY}", "unknown.password": "{WRONG_KAFKA}",
            "value.converter": "io.confluent.connect.avro.AvroConverter",
            "value.converter.basic.auth.user.info": "walcast:{REGISTRY}"}}}}"#
    );
    std::fs::write(&file, connector).unwrap();
    for more in [&[][..], &["--json"]] {
        let arguments = [&["migrate", "debezium-config", &file], more].concat();
        searched("migrate", command(&arguments).output().await.unwrap().into());
    }
    let reset = searched("checkpoint reset", run(&config, &["checkpoint", "reset"]).await);
    assert_ne!(reset.code, Some(0), "{reset:#?}");
    let taken = [
        "migrate",
        "debezium-offset",
        "--offset",
        r#"{"lsn_commit": 23832392}"#,
        "--dry-run",
    ];
    let taken = searched("debezium-offset", run(&config, &taken).await);
    assert_ne!(taken.code, Some(0), "{taken:#?}");
}

/// Where the password comes from is where it stays: the environment, libpq's file, a file of its own.
#[tokio::test]
async fn no_secret_from_outside_of_the_configuration_is_printed() {
    let guarded = guarded().await;
    let port = guarded.postgres.port();
    let config = guarded.config("outside").set(
        "postgres.url",
        format!("postgres://postgres@127.0.0.1:{port}/shop"),
    );
    for (password, code) in [(POSTGRES, 0), (WRONG_POSTGRES, 1)] {
        let folder = tempfile::tempdir().unwrap();
        let known = folder.path().join(".pgpass");
        std::fs::write(&known, format!("127.0.0.1:{port}:*:postgres:{password}\n")).unwrap();
        std::fs::set_permissions(&known, Permissions::from_mode(0o600)).unwrap();
        let alone = folder.path().join("password");
        std::fs::write(&alone, password).unwrap();
        let path = config.write_to(folder.path()).unwrap();
        let in_a_file = config.clone().set("postgres.password_file", text(&alone));
        let check = |path: &Path| {
            let mut command = command(&["check", "--json"]);
            command.env("WALCAST_CONFIG", path);
            command
        };
        let ways = [
            (
                "PGPASSWORD",
                check(&path).env("PGPASSWORD", password).output().await,
            ),
            (
                "PGPASSFILE",
                check(&path).env("PGPASSFILE", &known).output().await,
            ),
            (
                "~/.pgpass",
                check(&path).env("HOME", folder.path()).output().await,
            ),
        ];
        for (way, output) in ways {
            let checked = searched(way, output.unwrap().into());
            assert_eq!(checked.code, Some(code), "{way}: {checked:#?}");
        }
        tried("password_file", &in_a_file, &["check", "--json"], code).await;
    }
    let encrypted = tempfile::tempdir().unwrap();
    let key = encrypted.path().join("client.key");
    let pem = format!("-----BEGIN ENCRYPTED PRIVATE KEY-----\n{KEY}\n-----END ENCRYPTED PRIVATE KEY-----\n");
    std::fs::write(&key, pem).unwrap();
    std::fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    let certificate = text(&guarded.client.certificate);
    let url = format!(
        "postgres://postgres:{POSTGRES}@127.0.0.1:{port}/shop?sslmode=require&sslcert={certificate}&sslkey={}",
        text(&key)
    );
    tried(
        "an encrypted key",
        &config.set("postgres.url", url),
        &["check"],
        1,
    )
    .await;
}

#[tokio::test]
async fn no_secret_is_printed_for_an_invalid_configuration() {
    let malformed = [
        format!("postgres://postgres:{POSTGRES}"),
        format!("postgres://postgres:{POSTGRES}/shop"),
        format!("postgres://postgres:{POSTGRES}%@db/shop"),
        format!("postgres://postgres:{POSTGRES}@db:x/shop"),
        format!("postgres://postgres:{POSTGRES}@db/shop?sslmode=maybe"),
        format!("postgres://postgres:{POSTGRES}@db/shop?ssl"),
        format!("postgres://postgres:a?{POSTGRES}@db/shop"),
        format!("host=db password='{POSTGRES}"),
        format!("host=db password=a {POSTGRES}"),
        POSTGRES.to_owned(),
    ];
    for url in malformed {
        let text = format!(
            "name = \"s\"\nadmin.token = \"{ADMIN}\"\npostgres.url = {url:?}\nkafka.brokers = \"k:9092\"\n"
        );
        parsed(&text).await;
        let tail = command(&["tail", &url, "--log-level", "trace"]).output();
        let tail = tokio::time::timeout(LIMIT, tail).await.unwrap().unwrap();
        searched("tail", tail.into());
    }
    let others = [
        format!("registry.password = [\"{REGISTRY}\"]"),
        format!("registry.password = \"{REGISTRY}"),
        format!("registry.url = \"https://walcast:{REGISTRY}@registry\""),
        format!("registry.passwort = \"{REGISTRY}\""),
        format!("registry.username = \"u\"\nregistry.password = \"${{{REGISTRY}\""),
        format!("admin.token = {{ value = \"{ADMIN}\" }}"),
        format!("admin.url = \"http://walcast:{ADMIN}@localhost\""),
        format!("kafka.properties.\"sasl.password\" = [\"{KAFKA}\"]"),
        format!("kafka.properties.\"sasl.passwort\" = \"{KAFKA}\""),
        format!("kafka.properties.\"ssl.key.pem\" = \"{KEY}\""),
        format!(
            "kafka.properties.\"ssl.keystore.password\" = \"{KEY}\"\nkafka.properties.\"ssl.keystore.location\" = \"/x\""
        ),
        format!("columns.hash = [{{ columns = [\"a.b.c\"], algorithm = \"md4\", salt = \"{SALT}\" }}]"),
    ];
    for line in others {
        let text = format!(
            "name = \"s\"\npostgres.url = \"postgres://u@127.0.0.1:1/d\"\nkafka.brokers = \"127.0.0.1:1\"\n{line}\n"
        );
        parsed(&text).await;
    }
}

/// Whatever `check` makes of a file.
async fn parsed(text: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("walcast.toml");
    std::fs::write(&path, text).unwrap();
    let checked = command(&[
        "check",
        "--log-level",
        "trace",
        "--config",
        path.to_str().unwrap(),
    ])
    .output();
    let checked = tokio::time::timeout(LIMIT, checked).await.unwrap().unwrap();
    let finished = searched(text, checked.into());
    assert!(matches!(finished.code, Some(1 | 2)), "{text}: {finished:#?}");
}
