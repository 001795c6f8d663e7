//! Answers of the API, as consoles of Connect ask for them.

use std::sync::Arc;

use expect_test::{Expect, expect};
use serde_json::Value;
use walcast_delivery::{Positions, SnapshotRequests, Status};
use walcast_pgoutput::Lsn;

use super::*;
use crate::admin::tests::{handle, request, serve_with};
use crate::config::parse_for_test;
use crate::connector_handle::Configured;

const FILE: &str = r#"
name = "shop"

[postgres]
url = "postgres://walcast:hunter2@db/shop"

[kafka]
brokers = "127.0.0.1:9092"
properties."ssl.key.password" = "hunter3"

[registry]
url = "http://127.0.0.1:8081"

[admin]
connect_api = true
"#;

/// Connector with its own admin port.
struct Served {
    address: std::net::SocketAddr,
    handle: ConnectorHandle,
    _requests: SnapshotRequests,
}

impl Served {
    async fn start(has_api: bool) -> Self {
        let requests = SnapshotRequests::new();
        let mut handle = handle("shop", &requests);
        let config = parse_for_test(FILE, &|_| Err(std::env::VarError::NotPresent)).unwrap();
        handle.configured = Arc::new(Configured::of(&config));
        Self {
            address: serve_with([handle.clone()], has_api).await,
            handle,
            _requests: requests,
        }
    }

    /// Head and body of the response.
    async fn ask(&self, method: &str, path: &str, headers: &str) -> (String, String) {
        let text =
            format!("{method} {path} HTTP/1.1\r\nHost: localhost:8080\r\nConnection: close\r\n{headers}\r\n");
        request(self.address, &text).await
    }

    async fn check(&self, path: &str, expected: Expect) {
        let (head, body) = self.ask("GET", path, "").await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{path}: {head}");
        expected.assert_eq(&body);
    }
}

#[tokio::test]
async fn a_console_sees_a_connector_with_one_task() {
    let served = Served::start(true).await;
    served.handle.state.status.set(Status::Streaming);
    let lsn = Lsn::new(0x16B_3748);
    served
        .handle
        .state
        .positions
        .publish(&Positions::new(lsn, Lsn::INVALID));
    served.check("/connectors", expect![[r#"["shop"]"#]]).await;
    served
        .check(
            "/connectors?expand=status",
            expect![[
                r#"{"shop":{"status":{"name":"shop","connector":{"state":"RUNNING","worker_id":"localhost:8080"},"tasks":[{"id":0,"state":"RUNNING","worker_id":"localhost:8080"}],"type":"source"}}}"#
            ]],
        )
        .await;
    served
        .check(
            "/connectors/shop",
            expect![[
                r#"{"name":"shop","config":{"name":"shop","connector.class":"walcast","tasks.max":"1","admin.connect_api":"true","kafka.brokers":"127.0.0.1:9092","kafka.properties.ssl.key.password":"[hidden]","postgres.url":"[hidden]","registry.url":"http://127.0.0.1:8081"},"tasks":[{"connector":"shop","task":0}],"type":"source"}"#
            ]],
        )
        .await;
    served
        .check(
            "/connectors/shop/tasks/0/status",
            expect![[r#"{"id":0,"state":"RUNNING","worker_id":"localhost:8080"}"#]],
        )
        .await;
    served
        .check("/connectors/shop/topics", expect![[r#"{"shop":{"topics":[]}}"#]])
        .await;
    served
        .check(
            "/connectors/shop/offsets",
            expect![[
                r#"{"offsets":[{"partition":{"server":"shop"},"offset":{"lsn":23803720,"position":"0/16B3748"}}]}"#
            ]],
        )
        .await;
    // The parts are those of the whole.
    let value = |body: &str| serde_json::from_str::<Value>(body).unwrap();
    let (_, whole) = served.ask("GET", "/connectors/shop", "").await;
    let (_, config) = served.ask("GET", "/connectors/shop/config", "").await;
    assert_eq!(value(&config), value(&whole)["config"]);
    let (_, tasks) = served.ask("GET", "/connectors/shop/tasks", "").await;
    assert_eq!(value(&tasks)[0]["config"], value(&whole)["config"]);
    let (_, expanded) = served
        .ask("GET", "/connectors?expand=status&expand=info", "")
        .await;
    assert_eq!(value(&expanded)["shop"]["info"], value(&whole));
    let (_, status) = served.ask("GET", "/connectors/shop/status", "").await;
    assert_eq!(value(&expanded)["shop"]["status"], value(&status));
    let (_, plugins) = served.ask("GET", "/connector-plugins", "").await;
    assert_eq!(
        value(&plugins)[0]["class"],
        value(&whole)["config"]["connector.class"]
    );
}

#[tokio::test]
async fn states_are_those_of_connect() {
    let served = Served::start(true).await;
    let error = "kafka: no broker".to_owned();
    for (status, connector, task, has_trace) in [
        (Status::Connecting, "RESTARTING", "RESTARTING", false),
        (Status::Standby, "UNASSIGNED", "UNASSIGNED", false),
        (Status::Streaming, "RUNNING", "RUNNING", false),
        (
            Status::Retrying {
                error: error.clone(),
                delay: None,
            },
            "RUNNING",
            "FAILED",
            true,
        ),
        (Status::Halted { error: error.clone() }, "FAILED", "FAILED", true),
        (Status::Stopped, "UNASSIGNED", "UNASSIGNED", false),
    ] {
        served.handle.state.status.set(status.clone());
        let document = documents::status(&served.handle, "w");
        assert_eq!(document["connector"]["state"], connector, "{status:?}");
        let shown = &document["tasks"][0];
        assert_eq!(shown["state"], task, "{status:?}");
        let trace = has_trace.then_some(error.as_str());
        assert_eq!(shown["trace"].as_str(), trace, "{status:?}");
        let is_failed = connector == "FAILED";
        let trace = trace.filter(|_| is_failed);
        assert_eq!(document["connector"]["trace"].as_str(), trace, "{status:?}");
    }
}

#[tokio::test]
async fn unknown_connectors_and_parts_are_errors_of_connect() {
    let served = Served::start(true).await;
    let (head, body) = served.ask("GET", "/connectors/stock/status", "").await;
    assert!(head.starts_with("HTTP/1.1 404 Not Found\r\n"), "{head}");
    expect![[r#"{"error_code":404,"message":"Connector stock not found"}"#]].assert_eq(&body);
    for path in [
        "/connectors/shop/tasks/1/status",
        "/connectors/shop/other",
        "/connectors/shop/config/x",
    ] {
        let (head, body) = served.ask("GET", path, "").await;
        assert!(head.starts_with("HTTP/1.1 404 Not Found\r\n"), "{path}: {head}");
        assert_eq!(body, r#"{"error_code":404,"message":"HTTP 404 Not Found"}"#);
    }
}

#[tokio::test]
async fn the_worker_is_shown_to_clients_that_ask_for_json() {
    let served = Served::start(true).await;
    let (head, body) = served.ask("GET", "/", "Accept: application/json\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    let document: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(document["version"], env!("CARGO_PKG_VERSION"));
    for accept in ["", "Accept: */*\r\n", "Accept: text/html,application/json\r\n"] {
        let (_, body) = served.ask("GET", "/", accept).await;
        assert!(!body.contains("kafka_cluster_id"), "{accept:?}: {body}");
    }
}

#[tokio::test]
async fn requests_that_would_change_something_name_the_command() {
    let served = Served::start(true).await;
    for (method, path, command) in [
        ("POST", "/connectors", "walcast run --config"),
        ("PUT", "/connectors/shop/config", "walcast check --config"),
        ("PUT", "/connectors/shop/pause", "walcast snapshot pause"),
        ("PUT", "/connectors/shop/stop", "systemctl stop"),
        ("PUT", "/connectors/shop/resume", "walcast snapshot resume"),
        ("POST", "/connectors/shop/restart", "systemctl restart"),
        ("POST", "/connectors/shop/tasks/0/restart", "systemctl restart"),
        ("DELETE", "/connectors/shop", "drop the slot"),
        ("DELETE", "/connectors/shop/offsets", "walcast checkpoint set"),
        ("PATCH", "/connectors/shop/offsets", "walcast checkpoint set"),
        ("PUT", "/connectors/shop/topics/reset", "walcast --help"),
        (
            "PUT",
            "/connector-plugins/walcast/config/validate",
            "walcast check",
        ),
    ] {
        let (head, body) = served.ask(method, path, "").await;
        assert!(
            head.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"),
            "{method} {path}: {head}"
        );
        let lower = head.to_lowercase();
        for line in ["\r\nallow: get, head", "\r\nconnection: close"] {
            assert!(lower.contains(line), "{head}");
        }
        let document: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(document["error_code"], 405);
        let message = document["message"].as_str().unwrap();
        assert!(message.contains(command), "{method} {path}: {message}");
    }
    // A web page gets no further than elsewhere.
    let (head, _) = served
        .ask("PUT", "/connectors/shop/pause", "Origin: http://evil.example\r\n")
        .await;
    assert!(head.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{head}");
    for path in ["/connectors/shop/pause", "/"] {
        let text = format!("PUT {path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
        let (head, _) = request(served.address, &text).await;
        assert!(
            head.starts_with("HTTP/1.1 421 Misdirected Request\r\n"),
            "{path}: {head}"
        );
    }
    let (head, _) = served.ask("PUT", "/", "").await;
    assert!(head.starts_with("HTTP/1.1 401 Unauthorized\r\n"), "{head}");
}

#[tokio::test]
async fn without_the_setting_there_is_no_such_api() {
    let served = Served::start(false).await;
    for path in ["/connectors", "/connectors/shop", "/connector-plugins", "/"] {
        let (_, body) = served.ask("GET", path, "Accept: application/json\r\n").await;
        assert!(
            !body.contains("shop") && !body.contains("kafka_cluster_id"),
            "{path}: {body}"
        );
    }
    let (head, _) = served.ask("PUT", "/connectors/shop/pause", "").await;
    assert!(head.starts_with("HTTP/1.1 401 Unauthorized\r\n"), "{head}");
}
