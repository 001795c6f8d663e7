//! The owner of a captured table, who may create whatever the table's owner may: nothing of that runs with the connector's
//! rights.

use walcast_testbed::{Decoder, Record, read_topic};
use walcast_tests::{Case, Instance, await_that, shared};

/// What the function of each trap writes to the process log of the server, with the role that runs it. Raising a message is allowed in
/// read-only transactions.
const CAUGHT: &str = "CAUGHT-BY-OWNER as ";

/// A role that may create in the captured schema, and a table of its own with a trap in everything that could be evaluated.
const TRAPS: &str = r#"
CREATE ROLE mallory; GRANT CREATE, USAGE ON SCHEMA public TO mallory;
SET ROLE mallory;
CREATE FUNCTION public.caught(text) RETURNS bool LANGUAGE plpgsql VOLATILE AS
    $$ BEGIN RAISE LOG 'CAUGHT-BY-OWNER as %: %', current_user, $1; RETURN true; END $$;
CREATE FUNCTION public.caught_text(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
    $$ BEGIN PERFORM public.caught('expression'); RETURN $1; END $$;
CREATE TYPE public.kind AS (a int);
CREATE FUNCTION public.kind_text(public.kind) RETURNS text LANGUAGE plpgsql AS
    $$ BEGIN PERFORM public.caught('cast'); RETURN 'x'; END $$;
CREATE CAST (public.kind AS text) WITH FUNCTION public.kind_text(public.kind) AS IMPLICIT;
CREATE TYPE public.mood AS ENUM ('on', 'off');
CREATE FUNCTION public.mood_text(public.mood) RETURNS text LANGUAGE plpgsql AS
    $$ BEGIN PERFORM public.caught('cast of a key'); RETURN 'on'; END $$;
CREATE CAST (public.mood AS text) WITH FUNCTION public.mood_text(public.mood) AS IMPLICIT;
CREATE TYPE public.switch AS ENUM ('on', 'off');
CREATE FUNCTION public.switch_bool(public.switch) RETURNS bool LANGUAGE plpgsql AS
    $$ BEGIN RETURN public.caught('cast to boolean'); END $$;
CREATE CAST (public.switch AS bool) WITH FUNCTION public.switch_bool(public.switch) AS ASSIGNMENT;
CREATE DOMAIN public.checked AS int CHECK (public.caught('check of a domain'));
CREATE FUNCTION public.same(varchar, varchar) RETURNS bool LANGUAGE plpgsql AS
    $$ BEGIN RETURN public.caught('operator'); END $$;
CREATE OPERATOR public.= (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = public.same);
CREATE OPERATOR public.~~ (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = public.same);
CREATE TABLE public."traps"";x'" (
    id int PRIMARY KEY DEFAULT (CASE WHEN public.caught('default') THEN 1 END),
    name varchar(20), k public.kind, f public.switch, ds public.checked[], shown text GENERATED ALWAYS AS (public.caught_text(name)) STORED);
CREATE INDEX ON public."traps"";x'" (public.caught_text(name));
CREATE FUNCTION public.length(varchar) RETURNS int LANGUAGE plpgsql AS
    $$ BEGIN PERFORM public.caught('function'); RETURN 1; END $$;
CREATE RULE r AS ON INSERT TO public."traps"";x'" WHERE public.caught('rule') DO ALSO NOTHING;
CREATE TABLE public.moods (m public.mood PRIMARY KEY, note text, other text);
ALTER TABLE public.moods ALTER note SET STORAGE EXTERNAL;
RESET ROLE;
INSERT INTO public."traps"";x'" (id, name, k, f, ds)
    SELECT n, 'name', ROW(n)::public.kind, 'on', '{1}' FROM generate_series(1, 3) n;
"#;

/// Pattern of the table.
const PATTERN: &str = r#""public"."traps"";x'""#;

fn caught(case: &Case<'_>, role: &str) -> usize {
    case.postgres.log().matches(&format!("{CAUGHT}{role}:")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_function_of_a_tables_owner_runs_as_the_connector() {
    let mut case = Case::new("owned").await;
    case.sql(TRAPS).await;
    case.sql(&format!(
        "CREATE ROLE owned_role LOGIN REPLICATION PASSWORD 'pw'; GRANT USAGE ON SCHEMA public TO owned_role;
         GRANT SELECT ON ALL TABLES IN SCHEMA public TO owned_role;
         CREATE PUBLICATION {} FOR TABLE items, public.moods, public.\"traps\"\";x'\"",
        case.slot()
    ))
    .await;
    let url = case.postgres.url_for("owned_role", "pw", case.name());
    case.config = case
        .config
        .set("postgres.url", url)
        .set("format.unavailable_values", "reselect")
        .set("snapshot.mode", "initial")
        .set(
            "snapshot.filters",
            vec![toml::Table::from_iter([
                ("tables".to_owned(), PATTERN.into()),
                ("where".to_owned(), "name = 'name'".into()),
            ])],
        );
    assert!(
        caught(&case, "postgres") > 0,
        "the traps work for those who insert"
    );

    let mut instance = Instance::start(&case.config).await;
    let topic = format!("{}.public.traps__x_", case.name());
    let read = async || {
        let records = case.everything().await;
        records.iter().filter(|record| record.topic == topic).count()
    };
    await_that("the rows of the table", async || read().await == 3).await;
    let pattern = PATTERN;
    for (condition, is_taken) in [
        ("name = 'name'", true),
        ("name LIKE 'n%'", true),
        ("id IN (1, 2)", true),
        ("shown IS NOT NULL", false),
        ("k = 'x'", false),
        ("k LIKE 'x'", false),
        ("f", false),
        ("NOT f", false),
        ("ds = '{1}'", false),
        ("length(name) = 1", false),
    ] {
        let asked = case
            .command(&["snapshot", "start", "--tables", pattern, "--where", condition])
            .await;
        assert_eq!(
            asked.code,
            Some(if is_taken { 0 } else { 1 }),
            "{condition}: {asked:#?}"
        );
        await_that("its end", async || case.checkpoint().await["snapshot"].is_null()).await;
    }
    assert_eq!(read().await, 3 + 3 + 3 + 2);
    // The update omits the note, which is selected by a key whose type is cast by a function.
    case.sql(
        "INSERT INTO moods SELECT 'on', repeat('long', 5000), 'a'; UPDATE moods SET other = 'b'; INSERT INTO items VALUES (1)",
    )
    .await;
    case.await_ids([1]).await;
    assert_eq!(caught(&case, "owned_role"), 0, "{}", case.postgres.log());
    instance.stop().await;
}

/// A policy is a function of the table's owner that runs for every reader, and leaves rows out silently.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_with_policies_is_not_read_and_no_policy_runs() {
    let mut case = Case::new("policies").await;
    case.sql(&format!(
        "INSERT INTO items VALUES (1, 'a'), (2, 'b');
         CREATE FUNCTION caught(text) RETURNS bool LANGUAGE plpgsql AS
             $$ BEGIN RAISE LOG 'CAUGHT-BY-OWNER as %: %', current_user, $1; RETURN true; END $$;
         CREATE ROLE policies_role LOGIN REPLICATION PASSWORD 'pw'; GRANT SELECT ON items TO policies_role;
         GRANT USAGE ON SCHEMA public TO policies_role;
         CREATE ROLE policies_reader LOGIN PASSWORD 'pw';
         ALTER TABLE items ENABLE ROW LEVEL SECURITY;
         CREATE POLICY p ON items USING (public.caught('policy'));
         CREATE PUBLICATION {} FOR TABLE items",
        case.slot()
    ))
    .await;
    let url = case.postgres.url_for("policies_role", "pw", case.name());
    case.config = case
        .config
        .set("postgres.url", url)
        .set("snapshot.mode", "initial");
    let checked = case.command(&["check"]).await;
    checked.error(1);
    let remedy = "ALTER ROLE policies_role BYPASSRLS";
    assert!(checked.stdout.contains(remedy), "{checked:#?}");
    let ended = case.run_to_end().await;
    assert!(ended.stderr.contains(remedy), "{ended:#?}");
    assert!(
        !case
            .holds(&format!(
                "SELECT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = '{}')",
                case.slot()
            ))
            .await
    );

    // Changes are not subject to policies.
    case.config = case.config.set("snapshot.mode", "never");
    let mut instance = Instance::start(&case.config).await;
    case.insert([3]).await;
    case.await_ids([3]).await;
    let refused = case
        .command(&["snapshot", "start", "--tables", "public.items"])
        .await;
    assert!(refused.error(1).contains(remedy), "{refused:#?}");
    // Nor are its rows compared, which does not end a comparison with other tables.
    let verified = case.command(&["verify"]).await;
    assert_eq!(verified.code, Some(2), "{verified:#?}");
    assert!(
        verified.stdout.contains("public.items: not compared: "),
        "{verified:#?}"
    );
    instance.stop().await;
    assert_eq!(caught(&case, "policies_role"), 0);

    // A role of its own reads, with the right to see all rows and no other.
    case.sql("ALTER ROLE policies_reader BYPASSRLS; GRANT SELECT ON items TO policies_reader")
        .await;
    case.sql("GRANT USAGE ON SCHEMA public TO policies_reader; REVOKE SELECT ON items FROM policies_role")
        .await;
    let password = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(password.path(), "pw\n").unwrap();
    case.config = case
        .config
        .set("snapshot.user", "policies_reader")
        .set("snapshot.password_file", password.path().to_str().unwrap());
    let mut instance = Instance::start(&case.config).await;
    let asked = case
        .command(&["snapshot", "start", "--tables", "public.items"])
        .await;
    assert_eq!(asked.code, Some(0), "{asked:#?}");
    await_that("the rows", async || case.ids().await.len() == 4).await;

    // A condition is checked as that role: where it cannot connect, the request is rejected, and the stream continues.
    case.sql("ALTER ROLE policies_reader NOLOGIN").await;
    let refused = case.request_rows("public.items", "id = 1").await;
    let error = refused.error(1);
    assert!(
        error.contains("its condition cannot be checked: "),
        "{refused:#?}"
    );
    case.insert([4]).await;
    case.await_ids([4]).await;
    instance.stop().await;
    assert_eq!(
        caught(&case, "policies_role") + caught(&case, "policies_reader"),
        0
    );
}

/// Tables of one owner with an index whose constant the planner evaluates, and tables of another. Whatever the order in which they are
/// read, one of the others comes after it.
const MEDDLED: &str = "
CREATE ROLE meddler; GRANT CREATE, USAGE ON SCHEMA public TO meddler;
SET ROLE meddler;
CREATE FUNCTION public.meddle(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
    $$ BEGIN PERFORM set_config('extra_float_digits', '-10', false); RETURN $1; END $$;
CREATE TABLE public.meddled (id int PRIMARY KEY, amounts float8[], note text);
CREATE INDEX ON public.meddled (public.meddle('x'), id);
RESET ROLE;
CREATE TABLE public.exact_a (LIKE public.meddled INCLUDING DEFAULTS, PRIMARY KEY (id));
CREATE TABLE public.zexact (LIKE public.meddled INCLUDING DEFAULTS, PRIMARY KEY (id));
";

/// Functions in indexes run when their table is planned. What they leave in a session changes no value of another table.
#[tokio::test(flavor = "multi_thread")]
async fn a_function_in_an_index_changes_no_value_of_another_table() {
    const TABLES: [&str; 3] = ["exact_a", "meddled", "zexact"];
    let mut case = Case::new("meddled").await;
    case.sql(MEDDLED).await;
    for table in TABLES {
        // Values that are stored outside of the row, so that updates omit them.
        case.sql(&format!(
            "ALTER TABLE {table} ALTER amounts SET STORAGE EXTERNAL;
             INSERT INTO {table} VALUES (1, array_fill(0.12345678901234567::float8, ARRAY[1000]), 'first')"
        ))
        .await;
    }
    let client = case.client().await;
    client.batch_execute("SELECT FROM meddled").await.unwrap();
    let row = client.query_one("SHOW extra_float_digits", &[]).await.unwrap();
    assert_eq!(
        row.get::<_, String>(0),
        "-10",
        "the function runs when its table is read"
    );

    case.config = case
        .config
        .set("format.unavailable_values", "reselect")
        .set("snapshot.mode", "initial")
        .set("snapshot.parallelism", 1);
    let mut instance = Instance::start(&case.config).await;
    let mut decoder = Decoder::new(&shared().await.registry().url()).unwrap();
    let brokers = shared().await.kafka().brokers();
    let mut amounts = async |table: &str, records: usize| {
        let topic = format!("{}.public.{table}", case.name());
        let mut raw = Vec::new();
        await_that(&format!("{records} records of {table}"), async || {
            raw = read_topic(&brokers, &topic).await.unwrap();
            raw.len() >= records
        })
        .await;
        let decoded = decoder.decode_all(&raw).await.unwrap();
        let after = |record: &Record| record.to_json()["value"]["after"]["amounts"].to_string();
        decoded.iter().map(after).collect::<Vec<String>>()
    };
    for table in TABLES {
        amounts(table, 1).await;
    }
    // One after the other, each time the function's table first.
    for note in ["second", "third"] {
        for table in ["meddled", "exact_a", "zexact"] {
            case.sql(&format!("UPDATE {table} SET note = '{note}'")).await;
        }
    }
    for table in ["exact_a", "zexact"] {
        for value in amounts(table, 3).await {
            assert!(value.contains("0.1234567890123456"), "{table}: {value:.100}");
        }
    }
    instance.stop().await;
}
