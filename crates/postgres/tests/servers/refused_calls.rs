//! Settings, servers and calls that cannot work: each error names its object.

use walcast_delivery::{Snapshots, Source, Started};
use walcast_postgres::tail::{self, Selection};
use walcast_postgres::{PostgresConfig, PostgresError, PostgresSource};
use walcast_testbed::{Postgres, PostgresOptions};

use crate::{config, connect, source, start};

/// Error of a changed configuration, which no server is needed for.
fn rejected(change: impl FnOnce(&mut PostgresConfig)) -> String {
    let mut config = config("postgres://walcast@127.0.0.1:1/shop");
    change(&mut config);
    let error = PostgresSource::new(config)
        .err()
        .expect("the setting is accepted");
    assert!(matches!(error, PostgresError::Setting { .. }), "{error}");
    error.to_string()
}

#[test]
fn settings_that_the_server_would_reject_late_or_never_are_rejected() {
    expect_test::expect![[r#"slot "Shop" must be 1 to 63 of a-z, 0-9 and _"#]]
        .assert_eq(&rejected(|config| config.slot = "Shop".to_owned()));
    expect_test::expect![[
        r#"slot "walcast_bm_shop" must not begin with walcast_bm_, as the slots of bookmarks do"#
    ]]
    .assert_eq(&rejected(|config| config.slot = "walcast_bm_shop".to_owned()));
    expect_test::expect![[r#"publication "" must be 1 to 63 bytes long"#]]
        .assert_eq(&rejected(|config| config.publication.clear()));
    expect_test::expect![[r#"tables "[]" selects no table; write patterns such as "public.*""#]]
        .assert_eq(&rejected(|config| config.tables.clear()));
}

#[tokio::test]
async fn calls_without_leadership_publication_or_table_are_rejected() {
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    let error = source(&server.url()).inspect(None).await.unwrap_err();
    assert_eq!(error.to_string(), "this connector does not lead yet");

    let connect = connect(&server.url());
    let selection = Selection::Publication("nowhere".to_owned());
    let error = tail::open(&connect, selection).await.err().unwrap();
    assert!(
        matches!(error, PostgresError::PublicationMissing { .. }),
        "{error}"
    );
    assert_eq!(error.to_string(), r#"publication "nowhere" does not exist"#);
    let selection = Selection::Tables(vec!["public.nowhere".parse().unwrap()]);
    let error = tail::open(&connect, selection).await.err().unwrap();
    assert!(matches!(error, PostgresError::NoTableMatches { .. }), "{error}");
    assert_eq!(error.to_string(), r#"pattern "public.nowhere" matches no table"#);
}

#[tokio::test]
async fn a_standby_is_not_streamed_from() {
    let mut server = Postgres::start(PostgresOptions::default()).await.unwrap();
    let standby = server.standby().await.unwrap();
    let wanted = "is a standby in recovery, and streaming from a standby is not supported";
    let error = source(&standby.url()).acquire_leadership().await.unwrap_err();
    assert!(error.to_string().ends_with(wanted), "{error}");
    let selection = Selection::Publication("mine".to_owned());
    let error = tail::open(&connect(&standby.url()), selection)
        .await
        .err()
        .unwrap();
    assert!(error.to_string().ends_with(wanted), "{error}");
}

/// Standbys have logical slots from version 16 on.
#[tokio::test]
async fn rows_are_not_read_from_a_server_of_an_older_version() {
    let server = Postgres::start(PostgresOptions::default()).await.unwrap();
    server
        .execute("CREATE TABLE orders (id int PRIMARY KEY)")
        .await
        .unwrap();
    let older = Postgres::start(PostgresOptions::major(15)).await.unwrap();
    let mut config = config(&server.url());
    config.reader = Some(connect(&older.url()));
    let mut source = PostgresSource::new(config).unwrap();
    let Started { mut snapshots, .. } = start(&mut source).await;
    let error = snapshots.take().await.err().expect("a snapshot was taken");
    assert!(error.to_string().contains("15"), "{error}");
    assert!(!error.is_retryable(), "{error}");
}
