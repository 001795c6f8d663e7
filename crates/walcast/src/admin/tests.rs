use std::time::Duration;

use expect_test::expect;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use walcast_delivery::{ChangeLabels, Metrics, SnapshotRequests, Status};

use super::*;
use crate::config::Secret;

/// A connector that somebody watches, on a port of its own.
struct Watched {
    address: SocketAddr,
    metrics: Metrics,
    status: watch::Sender<Status>,
    _requests: SnapshotRequests,
}

async fn watched() -> Watched {
    let metrics = Metrics::default();
    let (status, receiver) = watch::channel(Status::default());
    let identity = Identity {
        name: "shop".to_owned(),
        slot: "walcast_shop".to_owned(),
        publication: "walcast_shop".to_owned(),
        topic_prefix: "shop".to_owned(),
    };
    let requests = SnapshotRequests::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let listener = Listener::Plain(listener);
    let served = Arc::new(Served {
        observed: Observed::new(identity, metrics.clone(), receiver),
        control: requests.control(),
        access: Access::new(Some(Secret::new("s3cret")), address),
    });
    tokio::spawn(serve(listener, served));
    Watched {
        address,
        metrics,
        status,
        _requests: requests,
    }
}

impl Watched {
    /// Status line and body.
    async fn get(&self, path: &str) -> (String, String) {
        let (head, body) = self.exchange(path).await;
        (head.lines().next().unwrap_or_default().to_owned(), body)
    }

    async fn exchange(&self, path: &str) -> (String, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: walcast\r\nConnection: close\r\n\r\n");
        Self::send(&mut stream, &request).await
    }

    /// Status line and body of a request to read rows, or not to.
    async fn post(&self, headers: &str, body: &str) -> (String, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!(
            "POST /snapshot HTTP/1.1\r\nHost: walcast\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}",
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
async fn figures_carry_prefix_and_name() {
    let watched = watched().await;
    watched.metrics.confirmed_lsn.set(0x16B_3748);
    watched.metrics.lag_bytes.set(17);
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
async fn ready_is_who_streams() {
    let watched = watched().await;
    let (unavailable, ok) = ("HTTP/1.1 503 Service Unavailable", "HTTP/1.1 200 OK");
    let (head, body) = watched.get("/readyz").await;
    assert_eq!(head, unavailable);
    expect![[r#"{"ready":false,"state":"connecting","reason":"it connects, checks and sets up"}"#]]
        .assert_eq(&body);
    assert_eq!(watched.get("/readyz?standby=true").await.0, unavailable);

    watched.status.send_replace(Status::Standby);
    let (head, body) = watched.get("/readyz").await;
    assert_eq!(head, unavailable);
    expect![[r#"{"ready":false,"state":"standby","reason":"another instance with the same name leads"}"#]]
        .assert_eq(&body);

    // To a rollout, which waits until it is there, it is ready.
    let (head, body) = watched.get("/readyz?standby=true").await;
    assert_eq!(head, ok);
    expect![[r#"{"ready":true,"state":"standby","reason":"another instance with the same name leads"}"#]]
        .assert_eq(&body);

    watched.status.send_replace(Status::Streaming);
    watched.metrics.streaming.set(1);
    let (head, body) = watched.get("/readyz").await;
    assert_eq!(head, ok);
    expect![[r#"{"ready":true,"state":"streaming"}"#]].assert_eq(&body);

    watched.metrics.streaming.set(0);
    let error = "kafka: no broker".to_owned();
    watched.status.send_replace(Status::Retrying {
        error,
        delay: Duration::from_secs(1),
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
async fn status_tells_positions_as_postgres_does() {
    let watched = watched().await;
    watched.metrics.checkpointed_lsn.set(0x16B_3748);
    let labels = ChangeLabels {
        table: "public.orders".to_owned(),
        operation: "delete",
    };
    watched.metrics.changes.get_or_create(&labels).inc();
    watched.status.send_replace(Status::Halted {
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
          "role": {
            "is": "none",
            "since": null,
            "takeovers": 0,
            "last_takeover": null
          },
          "uptime_seconds": null,
          "slot": "walcast_shop",
          "publication": "walcast_shop",
          "topic_prefix": "shop",
          "lsn": {
            "received": null,
            "produced": null,
            "checkpointed": "0/16B3748",
            "confirmed": null,
            "server": null
          },
          "lag_bytes": 0,
          "lag_ms": 0,
          "slot_retained_bytes": 0,
          "wal": null,
          "drift": [],
          "transactions": 0,
          "changes": {
            "public.orders": {
              "delete": 1
            }
          },
          "dead_letters": {},
          "snapshot": {
            "state": "none",
            "rows_read": 0,
            "tables_left": 0,
            "tables_done": 0,
            "bytes_left": 0,
            "snapshot_lsn": null,
            "held_seconds": null,
            "rows_per_second": null,
            "seconds_left": null,
            "tables": []
          },
          "reconnects": 0
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&report).unwrap());
}

#[tokio::test]
async fn a_taken_address_is_an_error_that_says_what_to_do() {
    let watched = watched().await;
    let section = AdminSection {
        listen: Some(watched.address),
        token: None,
        identity: None,
        client_ca_file: None,
        url: None,
        ca_file: None,
    };
    let error = bind(watched.address, &section).await.unwrap_err().to_string();
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
async fn other_paths_say_what_there_is() {
    let (head, body) = watched().await.get("/").await;
    assert_eq!(head, "HTTP/1.1 404 Not Found");
    assert_eq!(
        body,
        "there are /metrics, /healthz, /readyz, /status and /snapshot\n"
    );
}

#[tokio::test(start_paused = true)]
async fn requests_need_the_token_and_a_connector_that_streams() {
    let watched = watched().await;
    let json = "Content-Type: application/json\r\n";
    let token = "Authorization: Bearer s3cret\r\n";
    let (head, body) = watched.post(json, r#"{"action":"pause"}"#).await;
    assert_eq!(head, "HTTP/1.1 401 Unauthorized");
    expect![[r#"{"error":"show the token of [admin] as Authorization: Bearer"}"#]].assert_eq(&body);
    // A browser that was led here cannot send this without being asked first.
    let (head, _) = watched.post(token, r#"{"action":"pause"}"#).await;
    assert_eq!(head, "HTTP/1.1 415 Unsupported Media Type");
    let headers = format!("{json}{token}");
    let (head, body) = watched.post(&headers, r#"{"action":"explode"}"#).await;
    assert_eq!(head, "HTTP/1.1 422 Unprocessable Entity");
    assert!(body.contains("unknown variant `explode`"), "{body}");
    let (head, body) = watched.post(&headers, r#"{"action":"pause"}"#).await;
    assert_eq!(head, "HTTP/1.1 503 Service Unavailable");
    expect![[r#"{"error":"the connector does not take requests now: it connects, checks and sets up"}"#]]
        .assert_eq(&body);
}
