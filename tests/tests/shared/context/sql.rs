//! The SQL that `walcast sql context` prints, as an application uses it.

use tokio_postgres::Client;
use walcast_testbed::read_topic;
use walcast_tests::{Case, Instance, assert_reports, shared};

use super::{Headers, TRACE, assert_contexts, context, headers};

/// Executes the SQL that a command prints.
async fn apply(case: &Case<'_>, arguments: &[&str]) {
    let printed = case.command(arguments).await;
    assert_eq!(printed.code, Some(0), "{printed:#?}");
    case.sql(&printed.stdout).await;
}

/// Executes statements one after another, as an application sends them.
async fn send(client: &Client, statements: &[&str]) {
    for statement in statements {
        let sent = client.batch_execute(statement).await;
        sent.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
    }
}

/// A case with the functions, and the trigger on `items`; a connection of a role that may only insert.
async fn with_trigger(name: &str) -> (Case<'static>, Client) {
    let case = Case::new(name).await;
    // Twice: the script can be executed again.
    apply(&case, &["sql", "context"]).await;
    apply(&case, &["sql", "context"]).await;
    case.sql(&format!(
        "CREATE TRIGGER walcast_context BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON items
           FOR EACH STATEMENT EXECUTE FUNCTION walcast.send_context();
         CREATE ROLE {name}; GRANT INSERT ON items TO {name};"
    ))
    .await;
    let client = case.client().await;
    send(&client, &[&format!("SET ROLE {name}")]).await;
    (case, client)
}

/// Number of messages that the application and its triggers have sent.
async fn messages(case: &Case<'_>) -> usize {
    case.await_transactions().await;
    let brokers = shared().await.kafka().brokers();
    let topic = format!("{}.message", case.name());
    read_topic(&brokers, &topic).await.unwrap().len()
}

fn none() -> Headers {
    headers(&[])
}

#[tokio::test]
async fn comments_of_sqlcommenter_become_the_context_once_a_transaction() {
    let (case, client) = with_trigger("context_comments").await;
    let mut instance = Instance::start(&case.config).await;
    let traced = format!("INSERT INTO items VALUES (1, 'a') /*controller='orders',traceparent='{TRACE}'*/;");
    send(
        &client,
        &[
            &traced,
            "BEGIN",
            "INSERT INTO items VALUES (2, 'a') /*action='first'*/",
            "INSERT INTO items VALUES (3, 'a') /*action='second'*/",
            "COMMIT",
            r"INSERT INTO items VALUES (4, 'a') /*route='%2Fpolls%20%C3%A9',bad='%FF', name='it\'s'*/",
            "/*action='begin'*/ INSERT INTO items VALUES (5, 'a')",
            "INSERT INTO items VALUES (6, '/*action=''text''*/ ') /* a remark */",
            "BEGIN",
            "SAVEPOINT s",
            "INSERT INTO items VALUES (7, 'a') /*action='lost'*/",
            "ROLLBACK TO s",
            "INSERT INTO items VALUES (8, 'a') /*action='kept'*/",
            "COMMIT",
        ],
    )
    .await;
    let prepared = "INSERT INTO items VALUES ($1, $2) /*action='prepared'*/";
    client.execute(prepared, &[&9_i32, &"a"]).await.unwrap();
    case.await_ids([1, 2, 3, 4, 5, 6, 8, 9]).await;
    instance.stop().await;
    let with_trace = format!(r#"{{"controller": "orders", "traceparent": "{TRACE}"}}"#);
    let expected = vec![
        (
            1,
            headers(&[("walcast.context", &with_trace), ("traceparent", TRACE)]),
        ),
        (2, context(r#"{"action": "first"}"#)),
        (3, context(r#"{"action": "first"}"#)),
        (
            4,
            context(r#"{"bad": "%FF", "name": "it's", "route": "/polls é"}"#),
        ),
        (5, context(r#"{"action": "begin"}"#)),
        (6, none()),
        (8, context(r#"{"action": "kept"}"#)),
        (9, context(r#"{"action": "prepared"}"#)),
    ];
    assert_contexts(&case, expected).await;
    // One of each transaction except the one with a remark.
    assert_eq!(messages(&case).await, 6);
}

#[tokio::test]
async fn settings_and_calls_take_precedence_over_comments() {
    let (case, client) = with_trigger("context_settings").await;
    case.sql("GRANT USAGE ON SCHEMA walcast TO context_settings")
        .await;
    let mut instance = Instance::start(&case.config).await;
    send(
        &client,
        &[
            "BEGIN",
            r#"SET LOCAL walcast.context = '{"user": "anna"}'"#,
            "INSERT INTO items VALUES (1, 'a') /*action='x'*/",
            "INSERT INTO items VALUES (2, 'a')",
            r#"SET LOCAL walcast.context = '{"user": "bob"}'"#,
            "INSERT INTO items VALUES (3, 'a')",
            "COMMIT",
            "INSERT INTO items VALUES (4, 'a')",
            "BEGIN",
            r#"SELECT walcast.set_context('{"reason": "refund"}')"#,
            "INSERT INTO items VALUES (5, 'a') /*action='y'*/",
            "SELECT walcast.set_context(NULL)",
            "INSERT INTO items VALUES (6, 'a') /*action='z'*/",
            "COMMIT",
            // What is no JSON fails no statement.
            "BEGIN",
            "SET LOCAL walcast.context = '{'",
            "INSERT INTO items VALUES (7, 'a')",
            "COMMIT",
        ],
    )
    .await;
    case.await_ids(1..8).await;
    let anna = context(r#"{"user": "anna"}"#);
    let mut expected = vec![
        (1, anna.clone()),
        (2, anna),
        (3, context(r#"{"user": "bob"}"#)),
        (4, none()),
        (5, context(r#"{"reason": "refund"}"#)),
        (6, none()),
        (7, headers(&[("walcast.context.error", "not_json")])),
    ];
    assert_contexts(&case, expected.clone()).await;
    // Two settings, a call, its end, and the last setting.
    assert_eq!(messages(&case).await, 5);

    apply(&case, &["sql", "context", "--remove"]).await;
    send(&client, &["INSERT INTO items VALUES (8, 'a') /*action='late'*/"]).await;
    case.await_ids([8]).await;
    instance.stop().await;
    expected.push((8, none()));
    assert_contexts(&case, expected).await;
    let left = "SELECT count(*) FROM pg_proc WHERE pronamespace = 'walcast'::regnamespace";
    assert_eq!(case.text(left).await, "0");
}

#[tokio::test]
async fn the_schema_can_have_any_name() {
    let case = Case::new("context_schema").await;
    let name = r#"Odd "; name"#;
    apply(&case, &["sql", "context", "--schema", name]).await;
    case.sql(r#"SELECT "Odd ""; name".set_context('{}')"#).await;
    apply(&case, &["sql", "context", "--schema", name, "--remove"]).await;
    let left = r#"SELECT count(*) FROM pg_proc WHERE pronamespace = '"Odd ""; name"'::regnamespace"#;
    assert_eq!(case.text(left).await, "0");

    let refused = case.command(&["sql", "context", "--schema", "a\nb"]).await;
    assert_eq!(refused.code, Some(2), "{refused:#?}");
    assert_reports(&refused.stderr, &["without control characters"]);
}
