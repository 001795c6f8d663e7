//! Complete configurations.

mod inputs;
mod outbox;
mod registration;
mod table;
mod transforms;
mod withheld;

use std::env::VarError;

use expect_test::{Expect, expect};

use super::finding::{Became, Finding};
use super::given::Given;
use super::migration::{Migration, migrate};
use crate::config::parse_for_test;

const CONNECTOR: &str = r#"{
  "name": "Inventory Source",
  "config": {
    "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
    "tasks.max": 1,
    "plugin.name": "pgoutput",
    "database.hostname": "db.example",
    "database.port": "5433",
    "database.user": "cdc@shop",
    "database.password": "hunter2",
    "database.dbname": "inventory",
    "database.sslmode": "verify-full",
    "database.sslrootcert": "/etc/ssl/ca.pem",
    "topic.prefix": "fulfillment",
    "slot.name": "dbz",
    "table.include.list": "public.orders,public\\.customers,sales\\.items_.*",
    "tombstones.on.delete": "false",
    "snapshot.fetch.size": "5000",
    "heartbeat.action.query": "INSERT INTO heartbeat VALUES (1)",
    "event.procesing.failure.handling.mode": "warn",
    "topic.creation.default.partitions": "6",
    "topic.creation.default.replication.factor": "3",
    "topic.creation.default.compression.type": "zstd"
  }
}"#;

const WORKER_FILE: &str = "bootstrap.servers=kafka-1:9092,kafka-2:9092\n\
    group.id=connect\n\
    key.converter=io.confluent.connect.avro.AvroConverter\n\
    key.converter.schema.registry.url=https://registry:8081\n\
    value.converter=io.confluent.connect.avro.AvroConverter\n\
    value.converter.schema.registry.url=https://registry:8081\n\
    value.converter.basic.auth.credentials.source=USER_INFO\n\
    value.converter.basic.auth.user.info=walcast:hunter2\n\
    producer.security.protocol=SASL_SSL\n\
    producer.sasl.mechanism=SCRAM-SHA-512\n\
    producer.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username=\"cdc\" password=\"hunter2\";\n\
    producer.acks=all\n";

/// Only the variables that a migrated file names are set.
fn lookup(name: &str) -> Result<String, VarError> {
    match name {
        "KAFKA_BROKERS" => Ok("localhost:9092".to_owned()),
        "REGISTRY_URL" => Ok("http://localhost:8081".to_owned()),
        "KAFKA_PASSWORD"
        | "KAFKA_SSL_KEY_PASSWORD"
        | "REGISTRY_PASSWORD"
        | "PUBLICATION"
        | "WALCAST_SALT" => Ok("secret".to_owned()),
        _ => Err(VarError::NotPresent),
    }
}

/// Migrates, and checks that the configuration is valid and contains no secret.
fn migrated(connector: &str, worker: Option<&str>) -> Migration {
    let migration = migrate(&Given::of(connector, worker).unwrap());
    // A file that lacks a required key is rejected.
    let is_written = |key: &str| {
        migration
            .findings
            .iter()
            .any(|finding| finding.keys.iter().any(|written| written == key))
    };
    let needs_registry = !is_written("format.value");
    let lacks_required = ["postgres.url", "kafka.brokers", "name"]
        .into_iter()
        .any(|key| !is_written(key))
        || (needs_registry && !is_written("registry.url"));
    let config = parse_for_test(&migration.toml, &lookup);
    let is_unresolved = migration.findings.iter().any(Finding::is_unresolved);
    assert_eq!(
        config.is_err(),
        lacks_required || is_unresolved,
        "{}\n{:?}",
        migration.toml,
        config.err()
    );
    // Once the entries are deleted, the rest of the file is valid.
    if is_unresolved && !lacks_required {
        let (before, rest) = migration.toml.split_once("unresolved = [").unwrap();
        let (_, after) = rest.split_once("\n]\n").unwrap();
        parse_for_test(&format!("{before}{after}"), &lookup).unwrap();
    }
    let report = migration.report().join("\n");
    assert!(
        !migration.toml.contains("hunter2"),
        "a secret is in the file:\n{}",
        migration.toml
    );
    assert!(
        !report.contains("hunter2"),
        "a secret is in the report:\n{report}"
    );
    migration
}

/// Minimal connector with additional properties.
fn with(lines: &str) -> Migration {
    migrated(
        &format!(
            "name=shop\nconnector.class=io.debezium.connector.postgresql.PostgresConnector\nplugin.name=pgoutput\n\
             database.hostname=db\ndatabase.user=cdc\ndatabase.dbname=shop\ntopic.prefix=shop\n{lines}"
        ),
        Some(
            "bootstrap.servers=kafka:9092\nkey.converter=io.confluent.connect.avro.AvroConverter\n\
              value.converter=io.confluent.connect.avro.AvroConverter\nvalue.converter.schema.registry.url=http://registry:8081\n",
        ),
    )
}

/// Checks the result of one property, and the lines translated from it.
fn check(lines: &str, property: &str, expected: Expect) {
    let migration = with(lines);
    let finding = migration
        .findings
        .iter()
        .find(|finding| finding.property == property)
        .expect("the property is in the configuration");
    let of_it = |line: &&str| line.split('#').nth(1).is_some_and(|from| from.contains(property));
    let toml: Vec<&str> = migration
        .toml
        .lines()
        .filter(|line| line.contains(" = "))
        .filter(of_it)
        .collect();
    let reason = finding.reason.as_deref().unwrap_or_default();
    expected.assert_eq(&format!("{:?} {reason}\n{}", finding.became, toml.join("\n")));
}

#[test]
fn translates_a_connector() {
    let migration = migrated(CONNECTOR, Some(WORKER_FILE));
    assert!(migration.is_incomplete());
    expect![[r##"
        # Generated by walcast migrate debezium-config from the connector "Inventory Source": each line names its source property.
        # This file contains no secrets. The password of Postgres comes from PGPASSWORD, password_file or ~/.pgpass.

        # derived from the connector's name "Inventory Source", which contains characters that a name must not contain
        name = "inventory-source"                        # name

        [postgres]
        url = "postgres://cdc%40shop@db.example:5433/inventory?sslmode=verify-full&sslrootcert=/etc/ssl/ca.pem" # database.hostname, database.port, database.user, database.dbname, database.sslmode, database.sslrootcert
        slot = "dbz"                                     # slot.name
        tables = ["public.orders", "public.customers", "sales.items_*"] # table.include.list
        publication = "dbz_publication"                  # publication.name (default)
        partitions = "leaf"                              # publish.via.partition.root (default)

        [kafka]
        topic_prefix = "fulfillment"                     # topic.prefix
        brokers = "kafka-1:9092,kafka-2:9092"            # bootstrap.servers

        [kafka.topics]
        partitions = 6                                   # topic.creation.default.partitions
        replication_factor = 3                           # topic.creation.default.replication.factor

        [kafka.topics.config]
        "compression.type" = "zstd"                      # topic.creation.default.compression.type

        [kafka.properties]
        "security.protocol" = "SASL_SSL"                 # producer.security.protocol
        "sasl.mechanism" = "SCRAM-SHA-512"               # producer.sasl.mechanism
        "sasl.username" = "cdc"                          # producer.sasl.jaas.config
        # the password of producer.sasl.jaas.config is never copied: set the environment variable KAFKA_PASSWORD
        "sasl.password" = "${KAFKA_PASSWORD}"            # producer.sasl.jaas.config

        [registry]
        url = "https://registry:8081"                    # value.converter.schema.registry.url, key.converter.schema.registry.url
        username = "walcast"                             # value.converter.basic.auth.user.info
        # the registry's password is never copied: set the environment variable REGISTRY_PASSWORD
        password = "${REGISTRY_PASSWORD}"                # value.converter.basic.auth.user.info

        [replay]
        # The way back: the slot is confirmed only up to this distance behind what is delivered, so that the connector can still
        # continue at its own offset. The source retains that much more WAL, in pg_wal, and decodes it again at every start.
        # When Debezium is not needed any more, delete both lines. See "The way back" in docs/debezium.md.
        retention = "1d"
        retention_bytes = "10GB"

        [format]
        tombstones_on_delete = false                     # tombstones.on.delete
        # the release of the connector is not known: --connect-url asks the worker; from Debezium 3.5 on, write "3.6"
        debezium_version = "3.3"                         # connector.plugin.version (default)

        [types]
        unknown = "drop"                                 # include.unknown.datatypes (default)

        # Without a counterpart, or with one for a part only:
        #   event.procesing.failure.handling.mode: not a property of Debezium's Postgres connector 3.3 or 3.6
    "##]].assert_eq(&migration.toml);
    expect![[r#"
        unknown (1)
          event.procesing.failure.handling.mode: not a property of Debezium's Postgres connector 3.3 or 3.6
        manual steps (9)
          name -> name: derived from the connector's name "Inventory Source", which contains characters that a name must not contain
          database.password: secrets are never copied: set PGPASSWORD, [postgres] password_file, or ~/.pgpass
          key.converter (worker) -> registry.url, registry.username, registry.password: the registry's password is never copied: set the environment variable REGISTRY_PASSWORD
          key.converter.schema.registry.url (worker) -> registry.url, registry.username, registry.password: the registry's password is never copied: set the environment variable REGISTRY_PASSWORD
          value.converter (worker) -> registry.url, registry.username, registry.password: the registry's password is never copied: set the environment variable REGISTRY_PASSWORD
          value.converter.schema.registry.url (worker) -> registry.url, registry.username, registry.password: the registry's password is never copied: set the environment variable REGISTRY_PASSWORD
          value.converter.basic.auth.user.info (worker): secrets are never copied: set the variable that [registry] names
          producer.sasl.jaas.config (worker) -> kafka.properties.sasl.username, kafka.properties.sasl.password: the password of producer.sasl.jaas.config is never copied: set the environment variable KAFKA_PASSWORD
          connector.plugin.version (Debezium's default) -> format.debezium_version: the release of the connector is not known: --connect-url asks the worker; from Debezium 3.5 on, write "3.6"
        not needed (8)
          connector.class: the class of the connector that is migrated
          tasks.max: one task reads a slot, in Debezium too
          plugin.name: pgoutput is the only plugin
          snapshot.fetch.size: rows are copied as a stream, bounded in bytes
          heartbeat.action.query: the server's keepalives contain the end of WAL: an idle database retains nothing, and no table is written to
          group.id (worker): the property configures the Connect worker, which is no longer needed
          value.converter.basic.auth.credentials.source (worker): user and password are in [registry]
          producer.acks (worker): acks is always all
        mapped (19)
          database.hostname -> postgres.url
          database.port -> postgres.url
          database.user -> postgres.url
          database.dbname -> postgres.url
          database.sslmode -> postgres.url
          database.sslrootcert -> postgres.url
          topic.prefix -> kafka.topic_prefix
          slot.name -> postgres.slot
          table.include.list -> postgres.tables
          tombstones.on.delete -> format.tombstones_on_delete
          topic.creation.default.partitions -> kafka.topics.partitions
          topic.creation.default.replication.factor -> kafka.topics.replication_factor
          topic.creation.default.compression.type -> kafka.topics.config.compression.type
          bootstrap.servers (worker) -> kafka.brokers
          producer.security.protocol (worker) -> kafka.properties.security.protocol
          producer.sasl.mechanism (worker) -> kafka.properties.sasl.mechanism
          publication.name (Debezium's default) -> postgres.publication
          publish.via.partition.root (Debezium's default) -> postgres.partitions
          include.unknown.datatypes (Debezium's default) -> types.unknown"#]].assert_eq(&migration.report().join("\n"));
}

/// Defaults of Debezium that differ from those of walcast are written to the configuration.
#[test]
fn differing_defaults_are_written() {
    let migration = migrated(
        "connector.class=io.debezium.connector.postgresql.PostgresConnector\nplugin.name=pgoutput\nname=shop\n\
         database.hostname=db\ndatabase.user=cdc\ndatabase.dbname=shop\ntopic.prefix=shop\n",
        None,
    );
    assert!(!misses(&migration), "{}", migration.report().join("\n"));
    expect![[r##"
        # Generated by walcast migrate debezium-config from the connector "shop": each line names its source property.
        # This file contains no secrets. The password of Postgres comes from PGPASSWORD, password_file or ~/.pgpass.

        name = "shop"                                    # name

        [postgres]
        url = "postgres://cdc@db:5432/shop"              # database.hostname, database.user, database.dbname
        slot = "debezium"                                # slot.name (default)
        publication = "dbz_publication"                  # publication.name (default)
        partitions = "leaf"                              # publish.via.partition.root (default)
        tables = ["*.*"]                                 # table.include.list (default)

        [kafka]
        topic_prefix = "shop"                            # topic.prefix
        # the properties file of the worker is missing (--worker): set the environment variable KAFKA_BROKERS, or write the brokers here
        brokers = "${KAFKA_BROKERS}"                     # bootstrap.servers (default)

        [registry]
        # neither the connector nor a worker's file (--worker) names the converters: if they are Avro converters, set the environment variable REGISTRY_URL or write the address here
        url = "${REGISTRY_URL}"                          # value.converter (default)

        [replay]
        # The way back: the slot is confirmed only up to this distance behind what is delivered, so that the connector can still
        # continue at its own offset. The source retains that much more WAL, in pg_wal, and decodes it again at every start.
        # When Debezium is not needed any more, delete both lines. See "The way back" in docs/debezium.md.
        retention = "1d"
        retention_bytes = "10GB"

        [format]
        # the release of the connector is not known: --connect-url asks the worker; from Debezium 3.5 on, write "3.6"
        debezium_version = "3.3"                         # connector.plugin.version (default)

        [types]
        unknown = "drop"                                 # include.unknown.datatypes (default)
    "##]].assert_eq(&migration.toml);
}

#[test]
fn lists_of_tables_and_schemas_are_combined() {
    check(
        "schema.include.list=a,b_.*",
        "schema.include.list",
        expect![[r#"
        Mapped 
        tables = ["a.*", "b_*.*"]                        # schema.include.list"#]],
    );
    check(
        "table.exclude.list=a.b\nschema.include.list=a",
        "table.exclude.list",
        expect![[r#"
        Mapped 
        exclude = ["/a.b/"]                              # table.exclude.list"#]],
    );
    check(
        "table.include.list=a.x,b.y\nschema.include.list=a",
        "table.include.list",
        expect![[r#"
        Mapped 
        tables = ["a.x"]                                 # table.include.list, schema.include.list"#]],
    );
    check(
        "table.include.list=public\\\\.(?!audit).*",
        "table.include.list",
        expect![[r#"
        Refused public\.(?!audit).*: walcast's regular expressions do not support look-ahead; list the names
    "#]],
    );
}

#[test]
fn inexact_values_are_reported() {
    check(
        "plugin.name=decoderbufs",
        "plugin.name",
        expect![[r#"
        Refused the slot uses the output plugin decoderbufs; walcast reads pgoutput, so it needs another slot and cannot use this one
    "#]],
    );
    check(
        "snapshot.mode=when_needed",
        "snapshot.mode",
        expect![[r#"
            Mapped 
            mode = "when_needed"                             # snapshot.mode"#]],
    );
    check(
        "skipped.operations=x",
        "skipped.operations",
        expect![[r#"
        Refused x is not an operation of Debezium
    "#]],
    );
    check(
        "tombstones.on.delete=maybe",
        "tombstones.on.delete",
        expect![[r#"
        Refused maybe is not true or false
    "#]],
    );
    check(
        "value.converter=io.confluent.connect.protobuf.ProtobufConverter",
        "value.converter",
        expect![[r#"
            Refused values: io.confluent.connect.protobuf.ProtobufConverter is neither Connect's JSON converter nor an Avro converter with a registry
        "#]],
    );
    check(
        "producer.override.interceptor.classes=x",
        "producer.override.interceptor.classes",
        expect![[r#"
        Refused librdkafka has no property with the name interceptor.classes
    "#]],
    );
    check(
        "transforms=part\ntransforms.part.type=io.debezium.transforms.partitions.PartitionRouting",
        "transforms",
        expect![[r#"
        Refused part (io.debezium.transforms.partitions.PartitionRouting): the partition is derived from the key
    "#]],
    );
}

#[test]
fn secrets_and_references_become_variables() {
    check(
        "database.password=hunter2",
        "database.password",
        expect![[r#"
        ByHand secrets are never copied: set PGPASSWORD, [postgres] password_file, or ~/.pgpass
    "#]],
    );
    check(
        "producer.override.ssl.key.password=hunter2",
        "producer.override.ssl.key.password",
        expect![[r#"
        ByHand the secret of producer.override.ssl.key.password is never copied: set the environment variable KAFKA_SSL_KEY_PASSWORD
        "ssl.key.password" = "${KAFKA_SSL_KEY_PASSWORD}" # producer.override.ssl.key.password"#]],
    );
    check(
        "publication.name=${env:PUBLICATION}",
        "publication.name",
        expect![[r#"
        Mapped 
        publication = "${PUBLICATION}"                   # publication.name"#]],
    );
}

#[test]
fn producer_properties_have_the_names_of_librdkafka() {
    check(
        "producer.override.max.request.size=2097152",
        "producer.override.max.request.size",
        expect![[r#"
        Mapped 
        "message.max.bytes" = "2097152"                  # producer.override.max.request.size"#]],
    );
    check(
        "producer.override.compression.type=lz4",
        "producer.override.compression.type",
        expect![[r#"
        Mapped 
        "compression.type" = "lz4"                       # producer.override.compression.type"#]],
    );
    check(
        "producer.override.acks=1",
        "producer.override.acks",
        expect![[r#"
        NotNeeded acks is always all
    "#]],
    );
}

fn misses(migration: &Migration) -> bool {
    migration
        .findings
        .iter()
        .any(|finding| finding.became.is_missing())
}

#[test]
fn only_debeziums_postgres_connector_is_accepted() {
    let error = Given::of(
        "name=x\nconnector.class=io.debezium.connector.mysql.MySqlConnector",
        None,
    )
    .unwrap_err();
    expect![[r#"connector.class is "io.debezium.connector.mysql.MySqlConnector", not the Debezium Postgres connector (io.debezium.connector.postgresql.PostgresConnector)"#]].assert_eq(&error.to_string());
    let error = Given::of("{\"config\": 1}", None).unwrap_err();
    expect!["connector: config is not an object"].assert_eq(&walcast_delivery::one_line(&error));
}

/// Every translated property, with a value that is not the default: the result is a valid configuration.
#[test]
fn all_translated_properties_are_valid_together() {
    let migration = with(
        "column.exclude.list=public.users.password\ncolumn.mask.with.12.chars=public.users.email\n\
         column.truncate.to.20.chars=public.notes.body\ncolumn.truncate.to.40.chars=public.notes.title\n\
         column.mask.hash.v2.SHA-256.with.salt.pepper=public.users.phone\n\
         column.propagate.source.type=public.users.name\nmessage.key.columns=public.orders:customer,number\n\
         decimal.handling.mode=string\ntime.precision.mode=connect\ninterval.handling.mode=string\n\
         binary.handling.mode=base64-url-safe\nhstore.handling.mode=map\nmoney.fraction.digits=4\n\
         include.unknown.datatypes=true\nheartbeat.interval.ms=1000\ntopic.heartbeat.prefix=beats\n\
         provide.transaction.metadata=true\ntopic.transaction=tx\nskipped.operations=u,d\n\
         skip.messages.without.change=true\nmessage.prefix.include.list=app.*,audit\n\
         message.prefix.exclude.list=app\\\\.debug\n\
         topic.delimiter=-\nschema.name.adjustment.mode=avro\nfield.name.adjustment.mode=avro_unicode\n\
         unavailable.value.placeholder=gone\n\
         transforms=route\ntransforms.route.type=org.apache.kafka.connect.transforms.RegexRouter\n\
         transforms.route.regex=shop-(.*)\ntransforms.route.replacement=all-$1\n\
         publish.via.partition.root=true\nvalue.converter.ignore.default.for.nullables=true\n",
    );
    assert!(
        !misses(&migration),
        "{}\n{}",
        migration.report().join("\n"),
        migration.toml
    );
    assert!(!migration.toml.contains("pepper") && !migration.report().join("\n").contains("pepper"));
}

#[test]
fn missing_counterparts_make_a_migration_incomplete() {
    assert!(misses(&with("snapshot.delay.ms=4000")));
    assert!(misses(&with("some.typo=1")));
    assert!(!misses(&with(
        "snapshot.delay.ms=0\nmax.batch.size=1\ndatabase.password=x"
    )));
    assert!(with("some.typo=1").is_incomplete());
    assert!(
        with("x.y=1")
            .findings
            .iter()
            .any(|finding| finding.became == Became::Unknown)
    );
}
