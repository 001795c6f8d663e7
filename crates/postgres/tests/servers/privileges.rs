//! What `check` says of a role that may do more than it needs, and of one that may not.

use walcast_delivery::PreconditionOutcome;
use walcast_mapper::Secret;
use walcast_postgres::{Environment, PostgresConfig, ReadingRole};
use walcast_testbed::{Auth, Postgres, PostgresOptions, connect};

use crate::config;

/// What docs/security.md recommends for `pg_hba.conf`.
const DOCUMENTED: &str = "host shop walcast 127.0.0.1/32 scram-sha-256";

async fn server(rules: &[&str]) -> Postgres {
    let options = PostgresOptions {
        auth: Auth::Scram,
        access_rules: rules.iter().map(|rule| (*rule).to_owned()).collect(),
        ..PostgresOptions::default()
    };
    let server = Postgres::start(options).await.unwrap();
    let sql = "CREATE TABLE orders (id int PRIMARY KEY); CREATE PUBLICATION walcast_shop FOR TABLE orders;
               CREATE ROLE walcast LOGIN REPLICATION PASSWORD 'geheim'; GRANT SELECT ON orders TO walcast";
    server.execute(sql).await.unwrap();
    server
}

fn as_walcast(server: &Postgres) -> PostgresConfig {
    config(&server.url_for("walcast", "geheim", "shop"))
}

/// Warnings, each with its fix; no precondition may fail.
async fn warnings(config: &PostgresConfig) -> Vec<(String, String)> {
    let mut warnings = Vec::new();
    for found in walcast_postgres::preconditions(config).await.unwrap() {
        match found.outcome {
            PreconditionOutcome::Holds(_) | PreconditionOutcome::Advised { .. } => {}
            PreconditionOutcome::Warned { found, fix } => warnings.push((found, fix.render(|_| ""))),
            failed @ (PreconditionOutcome::Failed { .. } | PreconditionOutcome::Error(_)) => {
                panic!("{}: {failed:?}", found.name)
            }
        }
    }
    warnings
}

#[tokio::test]
async fn documented_privileges_cause_no_warning() {
    let server = server(&[DOCUMENTED]).await;
    assert_eq!(warnings(&as_walcast(&server)).await, []);
}

/// Every fix is SQL that revokes the privilege.
#[tokio::test]
async fn each_excessive_privilege_causes_a_warning_with_its_fix() {
    let server = server(&[DOCUMENTED]).await;
    for (given, wanted) in [
        ("ALTER ROLE walcast BYPASSRLS", "BYPASSRLS"),
        ("ALTER ROLE walcast CREATEROLE", "CREATEROLE"),
        ("ALTER ROLE walcast CREATEDB", "CREATEDB"),
        ("GRANT pg_read_all_data TO walcast", "pg_read_all_data"),
        ("GRANT pg_write_all_data TO walcast", "pg_write_all_data"),
        (
            "GRANT pg_execute_server_program TO walcast",
            "pg_execute_server_program",
        ),
        ("GRANT pg_read_server_files TO walcast", "pg_read_server_files"),
        ("GRANT pg_write_server_files TO walcast", "pg_write_server_files"),
        ("GRANT pg_signal_backend TO walcast", "pg_signal_backend"),
        ("GRANT postgres TO walcast", "member of postgres"),
    ] {
        server.execute(given).await.unwrap();
        let found = warnings(&as_walcast(&server)).await;
        let [(why, fix)] = &found[..] else {
            panic!("{given}: {found:?}");
        };
        assert!(why.contains(wanted), "{given}: {why}");
        let sql = fix.rsplit(", and ").next().unwrap();
        server.execute(sql).await.unwrap();
        assert_eq!(warnings(&as_walcast(&server)).await, [], "{given}, {sql}");
    }
    // Row security hides rows from a role that does not bypass it.
    let sql = "ALTER ROLE walcast BYPASSRLS; ALTER TABLE orders ENABLE ROW LEVEL SECURITY";
    server.execute(sql).await.unwrap();
    let mut reading = as_walcast(&server);
    reading.snapshot_tables = Some(Vec::new());
    assert_eq!(warnings(&reading).await, []);
    // A superuser may do all of it, so that is one warning.
    server.execute("ALTER ROLE walcast SUPERUSER").await.unwrap();
    let found = warnings(&as_walcast(&server)).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].0.contains("is a superuser"), "{found:?}");
}

/// The server can run a function in an index or in extended statistics whenever rows are read. That is harmless for a role that may
/// only read.
#[tokio::test]
async fn functions_of_other_roles_in_indexes_and_statistics_cause_a_warning() {
    let server = server(&[DOCUMENTED, "host shop reader 127.0.0.1/32 scram-sha-256"]).await;
    let sql = "CREATE ROLE app; CREATE ROLE reader LOGIN PASSWORD 'geheim'; GRANT SELECT ON orders TO reader;
               CREATE FUNCTION f(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1'; ALTER FUNCTION f(int) OWNER TO app;
               CREATE FUNCTION same(int, int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1 = $2';
               ALTER FUNCTION same(int, int) OWNER TO app;
               CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = same)";
    server.execute(sql).await.unwrap();
    let reading = |user: &str| {
        let password = Some(Secret::new("geheim"));
        let role = ReadingRole::new(user.to_owned(), password, None, &Environment::default());
        let mut config = as_walcast(&server);
        config.reading_role = Some(role);
        config
    };
    for (made, dropped) in [
        ("CREATE INDEX i ON orders (f(1), id)", "DROP INDEX i"),
        ("CREATE INDEX i ON orders (id) WHERE f(1) > 0", "DROP INDEX i"),
        ("CREATE INDEX i ON orders (id) WHERE 1 === 1", "DROP INDEX i"),
        (
            "CREATE STATISTICS i ON (f(1) + id), id FROM orders",
            "DROP STATISTICS i",
        ),
    ] {
        server.execute(made).await.unwrap();
        let found = warnings(&as_walcast(&server)).await;
        let [(why, fix)] = &found[..] else {
            panic!("{made}: {found:?}");
        };
        assert!(
            why.contains("statistics of public.orders contain functions of other roles"),
            "{made}: {why}"
        );
        assert!(fix.contains("a role without REPLICATION"), "{made}: {fix}");
        assert_eq!(warnings(&reading("reader")).await, [], "{made}");
        server.execute(dropped).await.unwrap();
    }
    // The role's own functions, those of a superuser, and expressions of the server's own gain nothing.
    let sql = "ALTER FUNCTION f(int) OWNER TO postgres; CREATE INDEX i ON orders (f(id)); CREATE INDEX ON orders (abs(id))";
    server.execute(sql).await.unwrap();
    assert_eq!(warnings(&as_walcast(&server)).await, []);

    // The privileges of the role that reads rows are checked too.
    server
        .execute("ALTER ROLE reader REPLICATION CREATEDB")
        .await
        .unwrap();
    let found = warnings(&reading("reader")).await;
    let fixes: Vec<&str> = found.iter().map(|(_, fix)| fix.as_str()).collect();
    assert_eq!(
        fixes,
        [
            "ALTER ROLE \"reader\" NOREPLICATION",
            "ALTER ROLE \"reader\" NOCREATEDB"
        ],
        "{found:?}"
    );
}

/// The keyword `replication` of `pg_hba.conf` is for physical replication alone.
#[tokio::test]
async fn permission_to_copy_the_cluster_causes_a_warning() {
    let server = server(&["host shop,replication walcast 127.0.0.1/32 scram-sha-256"]).await;
    let found = warnings(&as_walcast(&server)).await;
    let [(why, fix)] = &found[..] else {
        panic!("{found:?}");
    };
    assert!(why.contains("BASE_BACKUP"), "{why}");
    assert!(fix.contains("hostssl shop walcast"), "{fix}");
}

#[tokio::test]
async fn database_without_an_encoding_causes_a_warning() {
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    let client = server.client_of("postgres").await.unwrap();
    let sql = "CREATE DATABASE bytes TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'";
    client.batch_execute(sql).await.unwrap();
    let mut options = server.config();
    options.dbname("bytes");
    let sql = "CREATE TABLE orders (id int PRIMARY KEY)";
    connect(&options).await.unwrap().batch_execute(sql).await.unwrap();
    let found = warnings(&config(&server.url_for("postgres", "x", "bytes"))).await;
    assert!(
        found
            .iter()
            .any(|(why, fix)| why.contains("SQL_ASCII") && fix.contains("ENCODING 'UTF8'")),
        "{found:?}"
    );
}
