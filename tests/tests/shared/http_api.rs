//! The JSON API: every response is what the OpenAPI document says, and actions do what their commands do.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use serde_json::Value;
use walcast_testbed::json_schema::differences;
use walcast_tests::{Answer, Case, Instance, assert_reports, await_that, http, http_with};

/// Client of the API of one connector.
struct Api<'a> {
    case: &'a Case<'a>,
    document: Value,
}

impl<'a> Api<'a> {
    async fn of(case: &'a Case<'a>) -> Api<'a> {
        let answer = http("GET", &url(case, "openapi.json"), "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        Api {
            case,
            document: serde_json::from_str(&answer.body).unwrap(),
        }
    }

    /// Response to a `GET`, which is what the document says.
    async fn get(&self, path: &str) -> Value {
        let answer = http("GET", &url(self.case, path), "").await;
        assert_reports(
            &answer.head.to_lowercase(),
            &[
                "content-type: application/json",
                "x-content-type-options: nosniff",
                "cache-control: no-store",
            ],
        );
        assert!(
            !answer.head.to_lowercase().contains("access-control-"),
            "{}",
            answer.head
        );
        self.checked("get", path, &answer)
    }

    /// Response to a `POST` with the token that the start has stored.
    async fn post(&self, path: &str, body: &str) -> Answer {
        let token = std::fs::read_to_string(self.case.config.admin_token_file()).unwrap();
        let header = format!("Authorization: Bearer {}\r\n", token.trim_end());
        http_with("POST", &url(self.case, path), &header, body).await
    }

    fn checked(&self, method: &str, path: &str, answer: &Answer) -> Value {
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        let value: Value = serde_json::from_str(&answer.body).unwrap();
        let path = path.split('?').next().unwrap();
        let operation = &self.document["paths"][format!("/api/v1/{path}")][method];
        let schema = &operation["responses"]["200"]["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{method} {path} is not documented");
        assert_eq!(
            differences(&self.document, schema, &value),
            [""; 0],
            "{path}: {value:#}"
        );
        value
    }
}

fn url(case: &Case<'_>, path: &str) -> String {
    format!("http://{}/api/v1/{path}", case.config.admin_address())
}

#[tokio::test]
async fn every_response_is_as_documented() {
    let mut case = Case::new("http_api").await;
    case.config = case.config.set("postgres.slot_check_interval", "1000ms");
    case.sql("CREATE TABLE \"a\"\"<b>\" (id int PRIMARY KEY)").await;
    let mut instance = Instance::start(&case.config).await;
    case.insert([1, 2]).await;
    case.sql(
        "BEGIN; SELECT pg_logical_emit_message(true, 'walcast.context', '{\"user\":\"ada\"}');
         INSERT INTO items VALUES (3, 'c'); INSERT INTO items VALUES (4, 'd'); COMMIT;
         INSERT INTO \"a\"\"<b>\" VALUES (1)",
    )
    .await;
    case.await_ids([1, 2, 3, 4]).await;
    let api = Api::of(&case).await;

    let mut overview = Value::Null;
    await_that("WAL and a second sample in the overview", async || {
        overview = api.get("overview").await;
        !overview["slot_health"].is_null() && !overview["throughput"].is_null()
    })
    .await;
    assert_eq!(
        (&overview["name"], &overview["state"], &overview["role"]["is"]),
        (&"http_api".into(), &"streaming".into(), &"leader".into())
    );
    assert!(
        overview["plot"]["samples"].as_array().unwrap().len() >= 2,
        "{overview:#}"
    );

    let mut transactions = Value::Null;
    await_that("all transactions", async || {
        transactions = api.get("transactions?limit=1000").await;
        transactions["transactions"].as_array().unwrap().len() == 4
    })
    .await;
    let with_context = &transactions["transactions"][1];
    assert_eq!(
        (&with_context["context"], &with_context["topics"]),
        (
            &"{\"user\":\"ada\"}".into(),
            &serde_json::json!(["http_api.message", "http_api.public.items"])
        ),
        "{transactions:#}"
    );
    assert_eq!(
        api.get("transactions?limit=1").await["transactions"]
            .as_array()
            .unwrap()
            .len(),
        1
    );

    let tables = api.get("tables").await;
    let table = |name: &str| {
        let mut all = tables["tables"].as_array().unwrap().iter();
        let found = all.find(|table| table["table"] == name);
        found.cloned().unwrap_or(Value::Null)
    };
    let items = table("public.items");
    assert_eq!(items["changes"]["insert"], 4, "{tables:#}");
    assert_eq!(
        items["schema"]["value_subject"], "http_api.public.items-value",
        "{tables:#}"
    );
    assert!(items["schema"]["value_schema_id"].is_u64(), "{tables:#}");
    let odd = table("public.a\"<b>");
    assert_eq!(
        (
            &odd["changes_total"],
            &odd["pattern"],
            &odd["commands"]["snapshot"]
        ),
        (
            &1.into(),
            &r#""public"."a""<b>""#.into(),
            &r#"walcast snapshot start --tables '"public"."a""<b>"'"#.into()
        ),
        "{tables:#}"
    );

    for path in [
        "dead-letters",
        "bookmarks",
        "outboxes",
        "event-stores",
        "snapshot",
    ] {
        api.get(path).await;
    }
    for path in ["checkpoint", "replays", "verifications", "consumers"] {
        await_that(path, async || {
            let view = api.get(path).await;
            assert_eq!(view["error"], Value::Null, "{path}");
            !view["as_of"].is_null()
        })
        .await;
    }
    let checkpoint = api.get("checkpoint").await;
    assert_eq!(checkpoint["current"]["slot"], case.slot(), "{checkpoint:#}");

    for (path, code) in [
        ("transactions?limit=0", 400),
        ("nothing", 404),
        ("overview/..%2f..%2fetc%2fpasswd", 404),
    ] {
        assert_eq!(http("GET", &url(&case, path), "").await.status, code, "{path}");
    }
    instance.stop().await;
}

#[tokio::test]
async fn actions_need_the_token_and_name_their_command() {
    let case = Case::new("http_actions").await;
    let mut instance = Instance::start(&case.config).await;
    let api = Api::of(&case).await;
    let start = r#"{"action":"start","tables":[{"tables":"public.items"}]}"#;
    for (path, body) in [("snapshot", start), ("bookmarks", r#"{"name":"before"}"#)] {
        assert_eq!(http("POST", &url(&case, path), body).await.status, 401, "{path}");
    }

    let answer = api.post("bookmarks", r#"{"name":"before"}"#).await;
    let created = api.checked("post", "bookmarks", &answer);
    assert_eq!(
        (&created["command"], &created["result"]["name"]),
        (&"walcast bookmark create before".into(), &"before".into())
    );
    let listed = case.command(&["bookmark", "list"]).await;
    assert_reports(&listed.stdout, &["before"]);
    for (body, code) in [
        (r#"{"name":"before"}"#, 409),
        (r#"{"name":"No name"}"#, 422),
        (r#"{"name":"a","more":1}"#, 422),
        ("{", 400),
    ] {
        let answer = api.post("bookmarks", body).await;
        assert_eq!(answer.status, code, "{body}: {answer:?}");
        let error: Value = serde_json::from_str(&answer.body).unwrap();
        assert!(error["error"].is_string(), "{body}: {error}");
    }

    let answer = api.post("snapshot", start).await;
    let done = api.checked("post", "snapshot", &answer);
    assert_eq!(
        (&done["command"], &done["result"]["tables"]),
        (
            &"walcast snapshot start --tables public.items".into(),
            &serde_json::json!(["public.items"])
        )
    );
    let dropped = case.command(&["bookmark", "drop", "before"]).await;
    assert_eq!(dropped.code, Some(0), "{dropped:#?}");
    instance.stop().await;
}
