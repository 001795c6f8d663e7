mod api;
mod console;
mod held;

use std::time::{Duration, Instant};

use expect_test::expect;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use walcast_delivery::{
    ChangeLabels, ConnectorState, ForeignHolder, Metrics, Positions, SnapshotRequests, Status,
};
use walcast_pgoutput::Lsn;

use super::*;
use crate::connector_handle::{ConnectorHandle, Identity, KafkaViews};
use crate::consumer_metrics::ConsumerMetrics;
use crate::last_verification::LastVerification;
use crate::samples::Samples;

/// Observed connector with its own admin port.
struct Watched {
    address: SocketAddr,
    metrics: Metrics,
    state: ConnectorState,
    _requests: SnapshotRequests,
}

/// Handle of a connector that does not run.
pub(super) fn handle(name: &str, requests: &SnapshotRequests) -> ConnectorHandle {
    ConnectorHandle {
        identity: Identity {
            name: name.to_owned(),
            slot: format!("walcast_{name}"),
            publication: format!("walcast_{name}"),
            topic_prefix: name.to_owned(),
        },
        state: ConnectorState::default(),
        metrics: Metrics::default(),
        control: requests.control(),
        verification: LastVerification::none(),
        compatible: Vec::new(),
        configured: Arc::default(),
        started: Instant::now(),
        settings: None,
        samples: Samples::default(),
        views: KafkaViews::default(),
        consumers: ConsumerMetrics::default(),
    }
}

async fn watched() -> Watched {
    let requests = SnapshotRequests::new();
    let handle = handle("shop", &requests);
    let (metrics, state) = (handle.metrics.clone(), handle.state.clone());
    let address = serve_all([handle]).await;
    Watched {
        address,
        metrics,
        state,
        _requests: requests,
    }
}

/// Serves these connectors, and returns the address.
async fn serve_all(handles: impl IntoIterator<Item = ConnectorHandle>) -> SocketAddr {
    serve_with(handles, false).await
}

/// The same, with or without the API of Kafka Connect.
pub(super) async fn serve_with(
    handles: impl IntoIterator<Item = ConnectorHandle>,
    connect_api: bool,
) -> SocketAddr {
    let section = AdminSection {
        listen: None,
        token: Some(Secret::new("s3cret")),
        allowed_hosts: Vec::new(),
        identity: None,
        client_ca_file: None,
        url: None,
        ca_file: None,
        connect_api,
    };
    let port = open("127.0.0.1:0".parse().unwrap(), &section, &[]).await.unwrap();
    let address = port.listener.local_addr().unwrap();
    tokio::spawn(serve(port, Connectors::new(handles)));
    address
}

/// Head and body of the response to a `GET`.
async fn get(address: SocketAddr, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    Watched::send(&mut stream, &request).await
}

/// Head and body of the response to a request.
pub(super) async fn request(address: SocketAddr, text: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    Watched::send(&mut stream, text).await
}

impl Watched {
    /// Status line and body.
    async fn get(&self, path: &str) -> (String, String) {
        let (head, body) = self.exchange(path).await;
        (head.lines().next().unwrap_or_default().to_owned(), body)
    }

    async fn exchange(&self, path: &str) -> (String, String) {
        get(self.address, path).await
    }

    /// Status line and body of the response to a snapshot command.
    async fn post(&self, headers: &str, body: &str) -> (String, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!(
            "POST /snapshot HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}",
            body.len()
        );
        let (head, body) = Self::send(&mut stream, &request).await;
        (head.lines().next().unwrap_or_default().to_owned(), body)
    }

    async fn send(stream: &mut TcpStream, request: &str) -> (String, String) {
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }
}

#[tokio::test]
async fn metrics_have_the_prefix_and_the_connector_label() {
    let watched = watched().await;
    let confirmed = Lsn::new(0x16B_3748);
    let positions = &watched.state.positions;
    positions.publish(&Positions::new(confirmed, confirmed));
    positions.set_server_end(Lsn::new(confirmed.as_u64() + 17));
    let labels = ChangeLabels {
        table: "public.orders".to_owned(),
        operation: "insert",
    };
    watched.metrics.changes.get_or_create(&labels).inc_by(3);
    let (head, body) = watched.exchange("/metrics").await;
    assert!(
        head.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"),
        "{head}"
    );
    for line in [
        "walcast_confirmed_lsn{connector=\"shop\"} 23803720",
        "walcast_lag_bytes{connector=\"shop\"} 17",
        "walcast_changes_total{connector=\"shop\",table=\"public.orders\",operation=\"insert\"} 3",
        "walcast_kafka_commit_seconds_count{connector=\"shop\"} 0",
        "# EOF",
    ] {
        assert!(
            body.lines().any(|found| found == line),
            "no line {line:?} in:\n{body}"
        );
    }
}

#[tokio::test]
async fn readiness_follows_the_state() {
    let watched = watched().await;
    let (unavailable, ok) = ("HTTP/1.1 503 Service Unavailable", "HTTP/1.1 200 OK");
    let (head, body) = watched.get("/readyz").await;
    assert_eq!(head, unavailable);
    expect![[r#"{"ready":false,"state":"connecting","reason":"connecting, checking and setting up"}"#]]
        .assert_eq(&body);
    assert_eq!(watched.get("/readyz?standby=true").await.0, unavailable);

    watched.state.status.set(Status::Standby);
    let (head, body) = watched.get("/readyz").await;
    assert_eq!(head, unavailable);
    expect![[
        r#"{"ready":false,"state":"standby","reason":"another instance with the same name is the leader"}"#
    ]]
    .assert_eq(&body);

    // A rollout, which waits for the instance, counts a standby as ready.
    let (head, body) = watched.get("/readyz?standby=true").await;
    assert_eq!(head, ok);
    expect![[
        r#"{"ready":true,"state":"standby","reason":"another instance with the same name is the leader"}"#
    ]]
    .assert_eq(&body);

    // If a session that is no instance holds the leader lock, no instance delivers.
    let foreign = ForeignHolder {
        pid: Some(7),
        role: "clerk".to_owned(),
        application_name: "psql".to_owned(),
        mode: "ExclusiveLock".to_owned(),
    };
    watched.state.role.set_foreign_holder(Some(foreign));
    let (head, body) = watched.get("/readyz?standby=true").await;
    assert_eq!(head, unavailable);
    assert!(body.contains("process 7 (role \\\"clerk\\\""), "{body}");
    assert!(body.contains("SELECT pg_terminate_backend(7)"), "{body}");
    let (_, body) = watched.get("/status").await;
    let report: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(report["role"]["blocked_by"]["pid"], 7);
    watched.state.role.set_foreign_holder(None);
    assert_eq!(watched.get("/readyz?standby=true").await.0, ok);

    watched.state.status.set(Status::Streaming);
    let (head, body) = watched.get("/readyz").await;
    assert_eq!(head, ok);
    expect![[r#"{"ready":true,"state":"streaming"}"#]].assert_eq(&body);

    let error = "kafka: no broker".to_owned();
    watched.state.status.set(Status::Retrying {
        error,
        delay: Some(Duration::from_secs(1)),
    });
    let (head, body) = watched.get("/readyz").await;
    assert_eq!(head, unavailable);
    expect![[r#"{"ready":false,"state":"retrying","reason":"kafka: no broker"}"#]].assert_eq(&body);
    assert_eq!(
        watched.get("/healthz").await,
        (ok.to_owned(), "{\"alive\":true}".to_owned())
    );
}

#[tokio::test]
async fn status_reports_positions_as_postgres_does() {
    let watched = watched().await;
    let positions = Positions::new(Lsn::new(0x16B_3748), Lsn::INVALID);
    watched.state.positions.publish(&positions);
    let labels = ChangeLabels {
        table: "public.orders".to_owned(),
        operation: "delete",
    };
    watched.metrics.changes.get_or_create(&labels).inc();
    watched.state.status.set(Status::Halted {
        error: "slot gone".to_owned(),
    });
    let (_, body) = watched.get("/status").await;
    let mut report: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert!(report["uptime_seconds"].take().is_u64());
    assert_eq!(report["version"].take(), env!("CARGO_PKG_VERSION"));
    expect![[r#"
        {
          "name": "shop",
          "version": null,
          "state": "halted",
          "error": "slot gone",
          "waits_for": [],
          "role": {
            "is": "none",
            "since": null,
            "takeovers": 0,
            "last_takeover": null,
            "blocked_by": null
          },
          "uptime_seconds": null,
          "slot": "walcast_shop",
          "publication": "walcast_shop",
          "topic_prefix": "shop",
          "lsn": {
            "received": "0/16B3748",
            "produced": "0/16B3748",
            "checkpointed": "0/16B3748",
            "confirmed": null,
            "server": null
          },
          "lag_bytes": 0,
          "lag_seconds": 0.0,
          "slot_retained_bytes": 0,
          "wal": null,
          "bookmarks": null,
          "outboxes": [],
          "publication_drift": [],
          "publication_inspected": null,
          "partition_changes": [],
          "tables": [],
          "event_stores": {},
          "transactions": 0,
          "changes": {
            "public.orders": {
              "delete": 1
            }
          },
          "dead_letters": {},
          "quarantined_changes": {},
          "snapshot": {
            "state": "none",
            "rows_read": 0,
            "tables_remaining": 0,
            "tables_completed": 0,
            "bytes_remaining": 0,
            "snapshot_lsn": null,
            "held_seconds": null,
            "rows_per_second": null,
            "seconds_remaining": null,
            "tables": []
          },
          "verification": null,
          "verification_error": null,
          "reconnects": 0
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&report).unwrap());
}

#[tokio::test]
async fn two_connectors_are_observed_without_interference() {
    let (requests, other_requests) = (SnapshotRequests::new(), SnapshotRequests::new());
    let (shop, stock) = (handle("shop", &requests), handle("stock", &other_requests));
    shop.state.status.set(Status::Streaming);
    let positions = Positions::new(Lsn::new(0x16B_3748), Lsn::new(0x16B_3748));
    shop.state.positions.publish(&positions);
    shop.metrics.transactions.inc_by(3);
    stock.state.status.set(Status::Halted {
        error: "slot gone".to_owned(),
    });
    stock.metrics.transactions.inc();

    let report = |handle| serde_json::to_value(Observed::new(handle).report(Ok(None)).unwrap()).unwrap();
    let (of_shop, of_stock) = (report(&shop), report(&stock));
    assert_eq!(
        (&of_shop["state"], &of_shop["error"]),
        (&"streaming".into(), &serde_json::Value::Null)
    );
    assert_eq!(
        (&of_shop["slot"], &of_stock["slot"]),
        (&"walcast_shop".into(), &"walcast_stock".into())
    );
    assert_eq!(
        (&of_shop["lsn"]["confirmed"], &of_shop["transactions"]),
        (&"0/16B3748".into(), &3.into())
    );
    assert_eq!(
        (&of_stock["state"], &of_stock["error"]),
        (&"halted".into(), &"slot gone".into())
    );
    assert_eq!(
        (&of_stock["lsn"]["confirmed"], &of_stock["transactions"]),
        (&serde_json::Value::Null, &1.into())
    );
    assert!(Observed::new(&shop).readiness(false).ready);
    assert!(!Observed::new(&stock).readiness(true).ready);

    // The exposition describes each family once, with a series for each connector. The other paths name no connector.
    let address = serve_all([shop, stock]).await;
    let body = get(address, "/metrics").await.1;
    let lines: Vec<&str> = body
        .lines()
        .filter(|line| line.contains("walcast_transactions"))
        .collect();
    expect![[r##"
        # HELP walcast_transactions Source transactions delivered.
        # TYPE walcast_transactions counter
        walcast_transactions_total{connector="shop"} 3
        walcast_transactions_total{connector="stock"} 1"##]]
    .assert_eq(&lines.join("\n"));
    for path in ["/status", "/readyz", "/snapshot"] {
        let (head, _) = get(address, path).await;
        assert!(head.starts_with("HTTP/1.1 404 Not Found\r\n"), "{path}: {head}");
    }
}

#[tokio::test]
async fn an_address_in_use_is_an_error_with_a_remedy() {
    let watched = watched().await;
    let section = AdminSection {
        listen: Some(watched.address),
        token: None,
        allowed_hosts: Vec::new(),
        identity: None,
        client_ca_file: None,
        url: None,
        ca_file: None,
        connect_api: false,
    };
    let opened = open(watched.address, &section, &[]).await;
    let error = opened.unwrap_err().to_string();
    let address = watched.address;
    assert!(
        error.starts_with(&format!("cannot listen on {address}: ")),
        "{error}"
    );
    assert!(
        error.ends_with("; choose another [admin] listen, or \"off\""),
        "{error}"
    );
}

#[tokio::test]
async fn unknown_paths_are_answered_with_the_known_paths() {
    let (head, body) = watched().await.get("/nothing").await;
    assert_eq!(head, "HTTP/1.1 404 Not Found");
    assert_eq!(
        body,
        "not found; the paths are / with the console, /metrics, /healthz, /readyz, /status, /snapshot and those in /api/v1/openapi.json\n"
    );
}

#[tokio::test(start_paused = true)]
async fn commands_require_the_token_and_a_streaming_connector() {
    let watched = watched().await;
    let json = "Content-Type: application/json\r\n";
    let token = "Authorization: Bearer s3cret\r\n";
    let (head, body) = watched.post(json, r#"{"action":"pause"}"#).await;
    assert_eq!(head, "HTTP/1.1 401 Unauthorized");
    expect![[r#"{"error":"send the token of [admin] as Authorization: Bearer"}"#]].assert_eq(&body);
    // A web page cannot send this content type without a CORS preflight request.
    let (head, _) = watched.post(token, r#"{"action":"pause"}"#).await;
    assert_eq!(head, "HTTP/1.1 415 Unsupported Media Type");
    let headers = format!("{json}{token}");
    let (head, body) = watched.post(&headers, r#"{"action":"explode"}"#).await;
    assert_eq!(head, "HTTP/1.1 422 Unprocessable Entity");
    assert!(body.contains("unknown variant `explode`"), "{body}");
    let (head, body) = watched.post(&headers, r#"{"action":"pause"}"#).await;
    assert_eq!(head, "HTTP/1.1 503 Service Unavailable");
    expect![[
        r#"{"error":"the connector does not accept requests now: connecting, checking and setting up"}"#
    ]]
    .assert_eq(&body);
}

#[tokio::test]
async fn host_and_origin_are_checked_first_on_every_path() {
    let watched = watched().await;
    for path in [
        "/healthz",
        "/readyz",
        "/metrics",
        "/status",
        "/snapshot",
        "/",
        "/nothing",
    ] {
        for (headers, wanted) in [
            ("Host: evil.example\r\n", "421 Misdirected Request"),
            ("", "400 Bad Request"),
            ("Host: localhost\r\nHost: localhost\r\n", "400 Bad Request"),
            (
                "Host: localhost\r\nOrigin: http://localhost:1\r\n",
                "403 Forbidden",
            ),
            (
                "Host: localhost\r\nSec-Fetch-Site: cross-site\r\n",
                "403 Forbidden",
            ),
        ] {
            for method in ["GET", "POST", "OPTIONS", "DELETE"] {
                let mut stream = TcpStream::connect(watched.address).await.unwrap();
                let request = format!("{method} {path} HTTP/1.1\r\n{headers}\r\n");
                let (head, _) = Watched::send(&mut stream, &request).await;
                let status = head.lines().next();
                assert_eq!(
                    status,
                    Some(&*format!("HTTP/1.1 {wanted}")),
                    "{method} {path} {headers:?}"
                );
                assert!(!head.contains("access-control-"), "{head}");
            }
        }
    }
}

#[tokio::test]
async fn the_token_and_the_size_are_checked_before_the_body_is_read() {
    let watched = watched().await;
    let token = "Authorization: Bearer s3cret\r\n";
    for (headers, wanted) in [
        ("Content-Length: 10000000\r\n".to_owned(), "401 Unauthorized"),
        (
            format!("Content-Length: {}\r\n{token}", gate::BODY_BYTES_MAX + 1),
            "413 Payload Too Large",
        ),
    ] {
        let mut stream = TcpStream::connect(watched.address).await.unwrap();
        let request = format!(
            "POST /snapshot HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{headers}\r\n"
        );
        // The body is never sent, and the connection is closed regardless.
        let (head, _) = Watched::send(&mut stream, &request).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {wanted}\r\n")), "{head}");
    }
}
