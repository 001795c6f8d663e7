//! Responses of the JSON API of a connector that does not run.

use serde_json::Value;
use walcast_testbed::json_schema::differences;

use super::*;

/// Head and body of the response to a request with the token.
async fn ask(address: SocketAddr, method: &str, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer s3cret\r\n\
         Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}"
    );
    Watched::send(&mut stream, &request).await
}

#[tokio::test]
async fn every_documented_operation_is_served_and_no_other() {
    let watched = watched().await;
    let labels = ChangeLabels {
        table: "public.\"<b>\"".to_owned(),
        operation: "insert",
    };
    watched.metrics.changes.get_or_create(&labels).inc_by(3);
    watched.state.status.set(Status::Retrying {
        error: "kafka: no broker; check [kafka] brokers".to_owned(),
        delay: None,
    });
    let (_, body) = watched.get("/api/v1/openapi.json").await;
    let document: Value = serde_json::from_str(&body).unwrap();
    for (path, operations) in document["paths"].as_object().unwrap() {
        let (head, body) = watched.exchange(path).await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{path}: {head}");
        let head = head.to_lowercase();
        for header in [
            "content-type: application/json",
            "x-content-type-options: nosniff",
            "cache-control: no-store",
        ] {
            assert!(head.contains(header), "{path}: {head}");
        }
        let value: Value = serde_json::from_str(&body).unwrap();
        let schema = &operations["get"]["responses"]["200"]["content"]["application/json"]["schema"];
        assert_eq!(
            differences(&document, schema, &value),
            [""; 0],
            "{path}: {value:#}"
        );

        let is_action = operations.get("post").is_some();
        let (head, body) = ask(watched.address, "POST", path).await;
        // The empty object is no action.
        let wanted = if is_action { "422" } else { "405" };
        assert!(head.starts_with(&format!("HTTP/1.1 {wanted} ")), "{path}: {head}");
        if is_action {
            let value: Value = serde_json::from_str(&body).unwrap();
            assert!(value["error"].is_string(), "{path}: {value}");
        }
        let (head, _) = ask(watched.address, "DELETE", path).await;
        assert!(head.starts_with("HTTP/1.1 405 "), "{path}: {head}");
    }
}

#[tokio::test]
async fn the_overview_has_the_last_error_and_the_totals() {
    let watched = watched().await;
    let labels = ChangeLabels {
        table: "public.orders".to_owned(),
        operation: "delete",
    };
    watched.metrics.changes.get_or_create(&labels).inc_by(2);
    watched.state.status.set(Status::Retrying {
        error: "kafka: no broker; check [kafka] brokers".to_owned(),
        delay: None,
    });
    let overview = async || {
        let (_, body) = watched.get("/api/v1/overview").await;
        serde_json::from_str::<Value>(&body).unwrap()
    };
    let report = overview().await;
    assert_eq!(report["totals"]["changes"], 2);
    assert_eq!(report["reason"], "kafka: no broker; check [kafka] brokers");
    assert_eq!(report["last_error"]["is_current"], true);
    watched.state.status.set(Status::Streaming);
    let report = overview().await;
    assert_eq!(
        (&report["ready"], &report["reason"]),
        (&true.into(), &Value::Null)
    );
    assert_eq!(
        report["last_error"]["text"],
        "kafka: no broker; check [kafka] brokers"
    );
    assert_eq!(report["last_error"]["is_current"], false);
}

#[tokio::test]
async fn actions_without_the_token_are_rejected() {
    let watched = watched().await;
    for path in ["/api/v1/snapshot", "/api/v1/bookmarks"] {
        let mut stream = TcpStream::connect(watched.address).await.unwrap();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        );
        let (head, _) = Watched::send(&mut stream, &request).await;
        assert!(head.starts_with("HTTP/1.1 401 "), "{path}: {head}");
    }
}
