//! Conditions that are meant to be more than conditions, by request and by signal, against the documented role and a superuser.

use serde_json::json;
use walcast_tests::{Case, Finished, Instance, await_that};

/// What was tried against the connector before conditions were parsed (findings S1 and S4), and siblings of it.
const ATTACKS: [&str; 12] = [
    "true) LIMIT (select count(nextval('public.sq'))) --",
    "true) LIMIT (select count(*) from (select public.evil() from public.items) s) --",
    "true) LIMIT (select length(pg_drop_replication_slot('VICTIM')::text)) --",
    "true) LIMIT (select length(pg_create_logical_replication_slot('sec_spy', 'test_decoding')::text)) --",
    "true) LIMIT (select string_agg(k, ';')::int from public.secret) --",
    "true) LIMIT (select length(set_config('standard_conforming_strings', 'off', false))) --",
    "'x' = '\\' OR '' = '' )) TO PROGRAM $$id > /tmp/walcast-pwned$$ --'",
    "true) OR (true",
    "true)) TO STDOUT; DROP TABLE public.secret; --",
    "E'\\') OR (select public.evil()) > 0 --' = ''",
    "true) UNION ALL (select ctid, 1, k from public.secret",
    "id = $$1$$) OR ($$1$$ = $$1",
];

/// Expressions that stay inside of their parentheses and do more than compare.
const FUNCTIONS: [&str; 4] = [
    "(select count(nextval('public.sq'))) > 0",
    "public.evil() > 0",
    "length(pg_drop_replication_slot('VICTIM')::text) >= 0",
    "id = (select max(id) from public.items)",
];

/// A table that was never granted, a sequence, a function that writes, and the slot of another consumer.
async fn treasures(case: &Case<'_>) {
    case.sql(
        "CREATE TABLE secret (k text); INSERT INTO secret VALUES ('CARDNUMBER4711'); CREATE SEQUENCE sq;
         CREATE TABLE caught (who text);
         CREATE FUNCTION evil() RETURNS int LANGUAGE sql VOLATILE
             AS 'INSERT INTO public.caught VALUES (current_user) RETURNING 1'",
    )
    .await;
    let slot = victim(case);
    case.sql(&format!(
        "SELECT pg_create_logical_replication_slot('{slot}', 'test_decoding')"
    ))
    .await;
}

fn victim(case: &Case<'_>) -> String {
    format!("{}_victim", case.name())
}

/// Panics where something was reached.
async fn assert_untouched(case: &Case<'_>, attack: &str) {
    let reached = format!(
        "SELECT concat_ws(', ',
             CASE WHEN (SELECT is_called FROM public.sq) THEN 'sequence' END,
             CASE WHEN EXISTS (SELECT FROM public.caught) THEN 'function' END,
             CASE WHEN NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = '{}') THEN 'slot dropped' END,
             CASE WHEN EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = 'sec_spy') THEN 'slot created' END,
             CASE WHEN to_regclass('public.secret') IS NULL THEN 'table dropped' END)",
        victim(case)
    );
    assert_eq!(case.text(&reached).await, "", "reached by {attack}");
    let program = std::path::Path::new("/tmp/walcast-pwned");
    assert!(!program.exists(), "a program ran: {attack}");
}

/// The role of docs/security.md: it owns nothing, and the publication is made by the owner of the table.
async fn documented_role(case: &mut Case<'_>) {
    let (role, database) = (format!("{}_role", case.name()), case.name().to_owned());
    case.sql(&format!(
        "CREATE ROLE {role} LOGIN REPLICATION PASSWORD 'pw'; GRANT CONNECT ON DATABASE {database} TO {role};
         GRANT USAGE ON SCHEMA public TO {role}; GRANT SELECT ON items TO {role};
         CREATE PUBLICATION {} FOR TABLE public.items",
        case.slot()
    ))
    .await;
    let url = case.postgres.url_for(&role, "pw", &database);
    let config = case.config.clone().set("postgres.url", url);
    case.config = config.set("postgres.tables", vec!["public.items"]);
}

async fn request(case: &Case<'_>, condition: &str) -> Finished {
    case.request_rows("public.items", condition).await
}

async fn attack(case: &Case<'_>, instance: &mut Instance) {
    for condition in ATTACKS {
        let condition = condition.replace("VICTIM", &victim(case));
        let refused = request(case, &condition).await;
        assert_eq!(refused.code, Some(1), "{condition}: {refused:#?}");
        refused.assert_silent_about(&["CARDNUMBER4711"]);
        assert_untouched(case, &condition).await;
    }
    instance.assert_running();
    assert_eq!(read(case).await, 0, "rows were read");
}

/// Records of rows that were read.
async fn read(case: &Case<'_>) -> usize {
    case.items().await.len()
}

/// Also where SQL is allowed a condition stays a condition.
async fn cannot_break_out(name: &str, is_superuser: bool) {
    let mut case = Case::new(name).await;
    case.sql("INSERT INTO items SELECT n, 'note' FROM generate_series(1, 10) n")
        .await;
    treasures(&case).await;
    if !is_superuser {
        documented_role(&mut case).await;
    }
    case.config = case
        .config
        .set("snapshot.mode", "never")
        .set("postgres.tables", vec!["public.items"]);
    let mut instance = Instance::start(&case.config).await;
    attack(&case, &mut instance).await;
    for condition in FUNCTIONS {
        let condition = condition.replace("VICTIM", &victim(&case));
        let refused = request(&case, &condition).await;
        let error = refused.error(1);
        assert!(
            error.contains("[snapshot] sql_conditions = [\"http\"]"),
            "{error}"
        );
        assert_untouched(&case, &condition).await;
    }
    instance.stop().await;

    case.config = case.config.set("snapshot.sql_conditions", vec!["http"]);
    let mut instance = Instance::start(&case.config).await;
    attack(&case, &mut instance).await;
    // What SQL may do: it chooses.
    let started = request(&case, "id = (select max(id) from public.items)").await;
    assert_eq!(started.code, Some(0), "{started:#?}");
    await_that("the row", async || read(&case).await == 1).await;
    // A function that writes meets a transaction that is read only, and its request is abandoned.
    let writing = request(&case, "public.evil() > 0").await;
    assert_eq!(writing.code, Some(0), "{writing:#?}");
    await_that("its end", async || instance.log().contains("SQLSTATE 25006")).await;
    assert_untouched(&case, "a function that writes").await;
    instance.assert_running();
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_cannot_break_out_with_the_documented_role() {
    cannot_break_out("condition_role", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_cannot_break_out_with_a_superuser() {
    cannot_break_out("condition_super", true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_of_signals_cannot_break_out() {
    let mut case = Case::new("condition_signal").await;
    case.sql(
        "INSERT INTO items SELECT n, 'note' FROM generate_series(1, 10) n;
         CREATE TABLE signals (id text PRIMARY KEY, type text, data text);
         CREATE ROLE only_inserts LOGIN; GRANT INSERT ON signals TO only_inserts",
    )
    .await;
    treasures(&case).await;
    case.config = case
        .config
        .set("snapshot.mode", "never")
        .set("snapshot.signal_table", "public.signals")
        .set("postgres.tables", vec!["public.items"]);
    let mut instance = Instance::start(&case.config).await;
    for (number, condition) in ATTACKS.iter().chain(&FUNCTIONS).enumerate() {
        let condition = condition.replace("VICTIM", &victim(&case));
        let data = json!({
            "data-collections": ["public.items"],
            "additional-conditions": [{"data-collection": "public.items", "filter": condition}],
        });
        let data = data.to_string().replace('\'', "''");
        case.sql(&format!(
            "SET ROLE only_inserts; INSERT INTO signals VALUES ('{number}', 'execute-snapshot', '{data}')"
        ))
        .await;
    }
    case.insert([100]).await;
    case.await_ids([100]).await;
    assert_untouched(&case, "signals").await;
    assert_eq!(case.ids().await, [100], "rows were read");
    let refused = instance.log().matches("signal is not executed").count();
    assert_eq!(refused, ATTACKS.len() + FUNCTIONS.len());
    instance.stop().await;
}

/// S4: rows that the publication leaves out stay out, whatever is requested.
#[tokio::test(flavor = "multi_thread")]
async fn the_row_filter_of_the_publication_holds() {
    let mut case = Case::new("condition_filter").await;
    case.sql(&format!(
        "CREATE TABLE docs (id int, hidden bool, body text, PRIMARY KEY (id, hidden));
         INSERT INTO docs SELECT n, n % 2 = 0, 'body ' || n FROM generate_series(1, 10) n;
         CREATE FUNCTION leak(text) RETURNS bool LANGUAGE plpgsql IMMUTABLE COST 0.0001
             AS $$ BEGIN RAISE LOG 'leaked %', $1; RETURN true; END $$;
         CREATE PUBLICATION {} FOR TABLE docs (id, hidden) WHERE (hidden = false)",
        case.slot()
    ))
    .await;
    case.config = case
        .config
        .set("snapshot.mode", "never")
        .set("snapshot.sql_conditions", vec!["http"])
        .set("postgres.tables", vec!["public.docs"]);
    let mut instance = Instance::start(&case.config).await;
    let topic = format!("{}.public.docs", case.name());
    let records = async || {
        let records = case.everything().await;
        records.iter().filter(|record| record.topic == topic).count()
    };
    let ask = async |condition: &str| case.request_rows("public.docs", condition).await;
    let refused = ask("true) OR (true").await;
    assert_eq!(refused.code, Some(1), "{refused:#?}");
    for (number, condition) in ["id > 0 OR hidden", "true or true", "public.leak(id::text)"]
        .into_iter()
        .enumerate()
    {
        let started = ask(condition).await;
        assert_eq!(started.code, Some(0), "{condition}: {started:#?}");
        await_that("the visible rows", async || records().await == 5 * (number + 1)).await;
        await_that("the end", async || case.checkpoint().await["snapshot"].is_null()).await;
    }
    let log = case.postgres.log();
    assert!(
        log.contains("leaked 1") && !log.contains("leaked 2\n"),
        "a hidden row was shown to a function"
    );
    assert_eq!(records().await, 15);
    instance.stop().await;

    // Comparisons see the published columns only: a column that is not could be guessed by them.
    case.config = case.config.set("snapshot.sql_conditions", Vec::<&str>::new());
    let mut instance = Instance::start(&case.config).await;
    let refused = case.request_rows("public.docs", "body LIKE 'body 1%'").await;
    assert!(
        refused.error(1).contains("it has no published column \"body\""),
        "{refused:#?}"
    );
    instance.stop().await;
}
