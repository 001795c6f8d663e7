//! By which names clients may address the connector.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use walcast_testbed::ConnectorConfig;
use walcast_tests::{Case, Instance};

/// The status of a page that is asked for by this name.
async fn status(config: &ConnectorConfig, host: &str) -> String {
    let mut stream = TcpStream::connect(config.admin_address()).await.unwrap();
    let request = format!("GET /status HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer.split_whitespace().nth(1);
    status.unwrap_or_default().to_owned()
}

#[tokio::test]
async fn other_names_than_localhost_are_answered_where_they_are_allowed() {
    let case = Case::new("host_named").await;
    let port = case.config.admin_address().replace("127.0.0.1", "0.0.0.0");
    let on_loopback = case.config.clone();
    let elsewhere = case
        .config
        .clone()
        .set("admin.listen", port)
        .set("admin.allowed_hosts", vec!["walcast.shop.svc".to_owned()]);
    let mut instance = Instance::start(&on_loopback).await;
    for (host, wanted) in [
        ("localhost", "200"),
        ("127.0.0.1:1", "200"),
        ("[::1]", "200"),
        ("walcast.shop.svc", "421"),
        ("10.1.2.3:8080", "421"),
    ] {
        assert_eq!(status(&on_loopback, host).await, wanted, "{host}");
    }
    instance.stop().await;

    // 401: it is looked at, and the token is missing.
    let mut instance = Instance::spawn(&elsewhere);
    instance.ready().await;
    for (host, wanted) in [
        ("localhost", "401"),
        ("10.1.2.3:8080", "401"),
        ("walcast.shop.svc:8080", "401"),
        ("walcast", "421"),
        ("evil.example", "421"),
    ] {
        assert_eq!(status(&elsewhere, host).await, wanted, "{host}");
    }
    instance.stop().await;
}
