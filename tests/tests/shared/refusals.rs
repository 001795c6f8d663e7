//! What is set up wrongly is refused at the start: one line with the fix, an exit code, and nothing half made. `walcast check`
//! reports the same without changing anything. No output holds a password.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeMap;

use tokio::sync::OnceCell;
use walcast_testbed::{
    Auth, ConnectorConfig, FailingHttp, Password, Postgres, PostgresOptions, TlsOptions, topic_names,
};
use walcast_tests::{Case, Instance, assert_reports, http, shared};

/// Exit codes, as documented.
const REFUSED: i32 = 1;
const USAGE: i32 = 2;
const HALTED: i32 = 3;
const FAILED: i32 = 5;
const DENIED: i32 = 7;

/// The password of the guarded server, and one that it is not.
const SECRET: &str = "Xk7-right-one";
const WRONG: &str = "Xk7-wrong-one";

/// A server that wants TLS and a password.
async fn guarded() -> &'static Postgres {
    static GUARDED: OnceCell<Postgres> = OnceCell::const_new();
    let options = PostgresOptions {
        auth: Auth::Scram,
        password: Password::from(SECRET),
        tls: Some(TlsOptions {
            required: true,
            ..TlsOptions::default()
        }),
        ..PostgresOptions::default()
    };
    let start = async || Box::pin(Postgres::start(options)).await.unwrap();
    GUARDED.get_or_init(start).await
}

/// A server that was never set up for logical decoding, with an authority of its own.
async fn unprepared() -> &'static Postgres {
    static UNPREPARED: OnceCell<Postgres> = OnceCell::const_new();
    let options = PostgresOptions {
        tls: Some(TlsOptions::default()),
        ..PostgresOptions::default()
    };
    let options = options.with_setting("wal_level", "replica");
    let start = async || Box::pin(Postgres::start(options)).await.unwrap();
    UNPREPARED.get_or_init(start).await
}

/// `run` ends with this code and one line that has all of `wanted`, `check` has a failed line that does, and neither
/// makes anything.
async fn is_refused(case: &Case<'_>, code: i32, wanted: &[&str]) {
    is_refused_as(case, code, wanted, wanted).await;
}

/// The same where `check`, which looks at one thing at a time, says it in other words.
async fn is_refused_as(case: &Case<'_>, code: i32, wanted: &[&str], wanted_of_check: &[&str]) {
    let ended = case.run_to_end().await;
    assert_reports(ended.error(code), wanted);
    ended.assert_silent_about(&[SECRET, WRONG]);
    assert_left_alone(case).await;
    check_finds(case, wanted_of_check).await;
    assert_left_alone(case).await;
}

async fn check_finds(case: &Case<'_>, wanted: &[&str]) {
    let checked = case.command(&["check", "--log-format", "json"]).await;
    checked.error(REFUSED);
    checked.assert_silent_about(&[SECRET, WRONG]);
    let failed = checked.stdout.lines().filter(|line| line.starts_with("FAIL "));
    let has_all = |line: &str| wanted.iter().all(|part| line.contains(part));
    let is_found = failed.clone().any(has_all);
    assert!(is_found, "no failed line has all of {wanted:?}: {checked:#?}");
}

async fn assert_left_alone(case: &Case<'_>) {
    assert!(!case.is_set_up().await, "a slot or a publication was left");
    assert_eq!(case.everything().await, [], "records were written");
}

/// Nothing at all was made, no topic either.
async fn assert_untouched(case: &Case<'_>) {
    assert_left_alone(case).await;
    let topics = topic_names(&shared().await.kafka().brokers()).await.unwrap();
    let prefix = format!("{}.", case.name());
    let made: Vec<&String> = topics.iter().filter(|topic| topic.starts_with(&prefix)).collect();
    assert!(made.is_empty(), "topics were made: {made:?}");
}

fn with_url(case: &mut Case<'_>, user: &str, password: &str, options: &str) {
    let url = case.postgres.url_for(user, password, case.name());
    case.config = case
        .config
        .clone()
        .set("postgres.url", format!("{url}?{options}"));
}

fn with(case: &mut Case<'_>, change: impl FnOnce(ConnectorConfig) -> ConnectorConfig) {
    case.config = change(case.config.clone());
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    let mut case = Case::on(guarded().await, "wrong_password").await;
    with_url(&mut case, "postgres", WRONG, "sslmode=require");
    let wanted = [
        "password authentication failed for user \"postgres\"",
        "PGPASSWORD",
    ];
    is_refused(&case, DENIED, &wanted).await;
    assert_untouched(&case).await;
}

#[tokio::test]
async fn no_password_where_one_is_wanted_is_refused() {
    let mut case = Case::on(guarded().await, "no_password").await;
    let url = format!(
        "postgres://postgres@127.0.0.1:{}/no_password?sslmode=require",
        case.postgres.port()
    );
    with(&mut case, |config| config.set("postgres.url", url));
    is_refused(
        &case,
        USAGE,
        &["wants a password for user \"postgres\"", "PGPASSWORD"],
    )
    .await;
}

#[tokio::test]
async fn the_right_password_in_a_file_and_the_right_authority_are_taken() {
    let mut case = Case::on(guarded().await, "right_password").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, format!("{SECRET}\n")).unwrap();
    let url = format!(
        "postgres://postgres@127.0.0.1:{}/right_password?sslmode=verify-full&sslrootcert={}",
        case.postgres.port(),
        case.postgres.tls().unwrap().ca().display()
    );
    with(&mut case, |config| {
        config
            .set("postgres.url", url)
            .set("postgres.password_file", file.to_string_lossy().into_owned())
    });
    case.deliver([1]).await;
    let checked = case.command(&["check"]).await;
    assert_eq!(checked.code, Some(0), "{checked:#?}");
    checked.assert_silent_about(&[SECRET]);
}

#[tokio::test]
async fn a_connection_without_tls_where_the_server_requires_it_is_refused() {
    let mut case = Case::on(guarded().await, "tls_required").await;
    with_url(&mut case, "postgres", SECRET, "sslmode=disable");
    is_refused(&case, DENIED, &["no encryption", "sslmode=require"]).await;
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused() {
    let mut case = Case::on(guarded().await, "other_authority").await;
    let other = unprepared().await.tls().unwrap().ca();
    let options = format!("sslmode=verify-full&sslrootcert={}", other.display());
    with_url(&mut case, "postgres", SECRET, &options);
    is_refused(&case, DENIED, &["TLS with 127.0.0.1", "sslrootcert"]).await;
}

#[tokio::test]
async fn a_host_that_does_not_exist_is_refused() {
    let mut case = Case::new("wrong_host").await;
    with(&mut case, |config| {
        config.set(
            "postgres.url",
            "postgres://postgres@no-such-host.invalid/wrong_host",
        )
    });
    let wanted = [
        "\"no-such-host.invalid\" cannot be resolved",
        "check the host name",
    ];
    is_refused(&case, FAILED, &wanted).await;
    assert_untouched(&case).await;
}

#[tokio::test]
async fn rejects_a_postgres_port_that_is_closed() {
    let mut case = Case::new("wrong_port").await;
    with(&mut case, |config| {
        config.set("postgres.url", "postgres://postgres@127.0.0.1:1/wrong_port")
    });
    let wanted = ["cannot connect to 127.0.0.1:1", "check that the server runs"];
    is_refused(&case, FAILED, &wanted).await;
    assert_untouched(&case).await;
}

#[tokio::test]
async fn a_database_that_does_not_exist_is_refused() {
    let mut case = Case::new("wrong_database").await;
    let url = case.postgres.url_for("postgres", "postgres", "no_such_database");
    with(&mut case, |config| config.set("postgres.url", url));
    is_refused(&case, DENIED, &["database \"no_such_database\" does not exist"]).await;
    assert_untouched(&case).await;
}

#[tokio::test]
async fn a_role_without_replication_is_refused() {
    let mut case = Case::new("weak_role").await;
    case.sql("CREATE ROLE weak LOGIN; GRANT ALL ON DATABASE weak_role TO weak")
        .await;
    with_url(&mut case, "weak", "weak", "sslmode=disable");
    is_refused(&case, DENIED, &["REPLICATION", "ALTER ROLE"]).await;
}

#[tokio::test]
async fn a_server_without_logical_decoding_is_refused() {
    let case = Case::on(unprepared().await, "wal_level").await;
    let wanted = [
        "wal_level is replica",
        "ALTER SYSTEM SET wal_level = logical",
        "restart",
    ];
    is_refused(&case, HALTED, &wanted).await;
}

#[tokio::test]
async fn a_server_without_a_free_slot_is_refused_and_the_publication_taken_back() {
    let options = PostgresOptions::default().with_setting("max_replication_slots", "1");
    let postgres = Postgres::start(options).await.unwrap();
    let case = Case::on(&postgres, "no_slot").await;
    case.text("SELECT pg_create_physical_replication_slot('taken')")
        .await;
    let wanted = ["all replication slots are in use", "max_replication_slots"];
    let ended = case.run_to_end().await;
    assert_reports(ended.error(FAILED), &wanted);
    assert!(!case.is_set_up().await, "a slot or a publication was left");
    check_finds(
        &case,
        &["1 of 1 replication slots are taken", "max_replication_slots"],
    )
    .await;

    // What was begun is begun again once it can be.
    case.text("SELECT pg_drop_replication_slot('taken')").await;
    case.deliver([1]).await;
    assert_eq!(case.ids().await, [1]);
}

#[tokio::test]
async fn a_table_that_does_not_exist_is_refused() {
    let mut case = Case::new("no_table").await;
    with(&mut case, |config| {
        config.set(
            "postgres.tables",
            vec!["public.items".to_owned(), "public.itmes".to_owned()],
        )
    });
    let wanted = ["no table matches \"public.itmes\"", "correct the pattern"];
    let wanted_of_check = ["tables public.itmes", "no table matches", "correct the pattern"];
    is_refused_as(&case, HALTED, &wanted, &wanted_of_check).await;
}

#[tokio::test]
async fn a_table_without_key_is_refused_before_the_application_is_broken() {
    let mut case = Case::new("no_key").await;
    with(&mut case, |config| {
        config.set("postgres.tables", vec!["public.items", "public.keyless"])
    });
    case.sql("CREATE TABLE keyless (note text); INSERT INTO keyless VALUES ('a')")
        .await;
    let wanted = [
        "table public.keyless",
        "ALTER TABLE \"public\".\"keyless\" REPLICA IDENTITY FULL",
    ];
    let wanted_of_check = ["table public.keyless", "REPLICA IDENTITY FULL"];
    is_refused_as(&case, HALTED, &wanted, &wanted_of_check).await;
    // In a publication, the server would refuse this.
    case.sql("UPDATE keyless SET note = 'b'").await;
}

#[tokio::test]
async fn an_unknown_key_of_the_configuration_is_refused_with_the_nearest() {
    let mut case = Case::new("unknown_key").await;
    with(&mut case, |config| config.set("kafka.broker", "127.0.0.1:1"));
    let ended = case.run_to_end().await;
    let wanted = ["unknown key \"broker\" in [kafka]", "did you mean \"brokers\"?"];
    assert_reports(ended.error(USAGE), &wanted);
    let checked = case.command(&["check"]).await;
    assert_reports(checked.error(USAGE), &wanted);
    assert_untouched(&case).await;
}

#[tokio::test]
async fn a_property_that_would_break_the_guarantee_is_refused() {
    let mut case = Case::new("acks").await;
    with(&mut case, |config| config.set_kafka_property("acks", "1"));
    let ended = case.run_to_end().await;
    assert_reports(
        ended.error(USAGE),
        &["[kafka.properties] acks may not be set", "can be lost"],
    );
    assert_untouched(&case).await;
}

#[tokio::test]
async fn rejects_a_broker_port_that_is_closed() {
    let mut case = Case::new("no_broker").await;
    with(&mut case, |config| config.set("kafka.brokers", "127.0.0.1:1"));
    is_refused(&case, FAILED, &["no answer from 127.0.0.1:1"]).await;
}

#[tokio::test]
async fn a_registry_that_does_not_let_us_in_is_refused() {
    let mut case = Case::new("registry_401").await;
    let body = r#"{"error_code": 40101, "message": "who are you"}"#;
    let registry = FailingHttp::start(401, body).await.unwrap();
    with(&mut case, |config| {
        config
            .set("registry.url", registry.url())
            .set("registry.username", "walcast")
            .set("registry.password", WRONG)
    });
    let wanted = [
        "denies access (status 401): who are you",
        "check the user, password or token of [registry]",
    ];
    is_refused(&case, DENIED, &wanted).await;
}

/// The native interface of Apicurio's registry answers in JSON too, and so does an endpoint that answers everything with success.
#[tokio::test]
async fn a_url_that_is_no_registry_is_refused() {
    let mut case = Case::new("registry_404").await;
    let native = r#"{"message": "No such path", "error_code": 404, "name": "NotFoundException"}"#;
    let everything = r#"{"status": "UP"}"#;
    for (status, body, wanted) in [
        (
            404,
            native,
            [
                "is no Confluent schema registry interface (status 404): No such path",
                "check the path of [registry] url",
            ],
        ),
        (
            200,
            everything,
            [
                "is invalid: it answers the request for subject walcast-check without a schema",
                "check [registry] url",
            ],
        ),
    ] {
        let registry = FailingHttp::start(status, body).await.unwrap();
        with(&mut case, |config| config.set("registry.url", registry.url()));
        is_refused(&case, DENIED, &wanted).await;
    }
}

/// The real registry answers below a path, which has to be configured.
#[tokio::test]
async fn the_path_of_the_registry_is_named() {
    let mut case = Case::new("registry_path").await;
    let url = shared().await.registry().url();
    let (server, _) = url.split_once("/apis/").unwrap();
    with(&mut case, |config| config.set("registry.url", server));
    let is_one = format!("{url} is one");
    is_refused(
        &case,
        DENIED,
        &["is no Confluent schema registry interface", &is_one],
    )
    .await;
}

#[tokio::test]
async fn a_registry_with_a_problem_of_its_own_is_refused_at_the_start() {
    let mut case = Case::new("registry_500").await;
    let body = r#"{"error_code": 50001, "message": "store is away"}"#;
    let registry = FailingHttp::start(500, body).await.unwrap();
    with(&mut case, |config| config.set("registry.url", registry.url()));
    is_refused(&case, FAILED, &["(status 500): store is away"]).await;
}

#[tokio::test]
async fn waits_for_a_registry_whose_port_is_closed_and_reports_it() {
    let mut case = Case::new("no_registry").await;
    let as_it_should_be = case.config.clone();
    with(&mut case, |config| {
        config.set("registry.url", "http://127.0.0.1:1")
    });
    check_finds(&case, &["no answer from http://127.0.0.1:1", "[registry] url"]).await;
    assert_untouched(&case).await;

    let mut instance = Instance::start(&case.config).await;
    assert_reports(&instance.log(), &["WARN", "no answer from http://127.0.0.1:1"]);
    case.insert([1]).await;
    instance.await_state("retrying").await;
    instance.stop().await;
    case.config = as_it_should_be;
    case.deliver([2]).await;
    assert_eq!(case.ids().await, [1, 2]);
}

#[tokio::test]
async fn an_incompatible_schema_ends_the_connector_and_the_change_comes_after_the_fix() {
    let case = Case::new("registry_409").await;
    let registry = shared().await.registry().url();
    let subject = "registry_409.public.items-value";
    let earlier = r#"{"schema": "{\"type\": \"record\", \"name\": \"Other\", \"fields\": [{\"name\": \"x\", \"type\": \"string\"}]}"}"#;
    let registered = http(
        "POST",
        &format!("{registry}/subjects/{subject}/versions"),
        earlier,
    )
    .await;
    assert_eq!(registered.status, 200, "{registered:?}");
    let rule = format!("{registry}/config/{subject}");
    let set = http("PUT", &rule, r#"{"compatibility": "BACKWARD"}"#).await;
    assert_eq!(set.status, 200, "{set:?}");

    let mut instance = Instance::start(&case.config).await;
    case.insert([1]).await;
    assert_eq!(instance.exit_code().await, HALTED);
    let wanted = [
        "error: schema registry: subject registry_409.public.items-value: ",
        "incompatible with an earlier version",
        "change the subject's compatibility level",
    ];
    assert_reports(&instance.log(), &wanted);
    assert_eq!(case.items().await, [], "nothing was written without a schema");

    let set = http("PUT", &rule, r#"{"compatibility": "NONE"}"#).await;
    assert_eq!(set.status, 200, "{set:?}");
    case.deliver([2]).await;
    assert_eq!(case.ids().await, [1, 2]);
}

/// Text that does not get smaller by compression; two characters for each of 16 bytes.
fn large_row(id: u32) -> String {
    format!(
        "BEGIN; INSERT INTO items VALUES ({}, 'small'); \
         INSERT INTO items SELECT {id}, string_agg(md5(n::text), '') FROM generate_series(1, 2000) n; COMMIT",
        id - 1
    )
}

#[tokio::test]
async fn a_row_that_the_topic_does_not_take_ends_the_connector() {
    let mut case = Case::new("topic_limit").await;
    let limit = BTreeMap::from([("max.message.bytes".to_owned(), 20_000)]);
    with(&mut case, |config| config.set("kafka.topics.config", limit));
    case.deliver([1]).await;
    let mut instance = Instance::start(&case.config).await;
    case.sql(&large_row(3)).await;
    assert_eq!(instance.exit_code().await, HALTED);
    let wanted = [
        "error: kafka: a record of ",
        "bytes for topic topic_limit.public.items is larger than allowed",
        "max.message.bytes of the topic",
    ];
    assert_reports(&instance.log(), &wanted);
    assert_eq!(
        case.ids().await,
        [1],
        "its transaction is in Kafka whole or not at all"
    );
}

#[tokio::test]
async fn a_row_that_the_producer_does_not_take_comes_after_the_fix() {
    let mut case = Case::new("producer_limit").await;
    let as_shipped = case.config.clone();
    with(&mut case, |config| {
        config.set_kafka_property("message.max.bytes", "20000")
    });
    case.deliver([1]).await;
    let mut instance = Instance::start(&case.config).await;
    case.sql(&large_row(3)).await;
    assert_eq!(instance.exit_code().await, HALTED);
    let wanted = [
        "error: kafka: a record of ",
        "bytes for topic producer_limit.public.items is larger than allowed",
        "raise message.max.bytes of [kafka.properties]",
    ];
    assert_reports(&instance.log(), &wanted);
    assert_eq!(
        case.ids().await,
        [1],
        "its transaction is in Kafka whole or not at all"
    );

    case.config = as_shipped;
    case.deliver([4]).await;
    assert_eq!(case.ids().await, [1, 2, 3, 4]);
}
